"""What an experiment measures: one model per kind of metric."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from abflow.spec.field_error import FieldError
from abflow.spec.row_filter import Where, in_words

Text = Annotated[str, Field(min_length=1, max_length=500)]
Reason = Annotated[str, Field(min_length=3, max_length=1000)]
DAY_MICROSECONDS = 86_400_000_000
EXPOSURES = "exposures"  # the rows of the exposure log, where an event type could stand
FAILED_EXPOSURES = "failed_exposures"  # those of them whose call failed
OF_EXPOSURES = (EXPOSURES, FAILED_EXPOSURES)


class Role(StrEnum):
    """What a metric's answer is used for."""

    PRIMARY = "primary"
    GUARDRAIL = "guardrail"
    SECONDARY = "secondary"
    EXPLORATORY = "exploratory"

    @property
    def decides(self) -> bool:
        """Whether the verdict hangs on it."""
        return self in (Role.PRIMARY, Role.GUARDRAIL)

    @property
    def planned(self) -> bool:
        """Whether it is part of the plan; what is not is only shown, and may be added at any time."""
        return self is not Role.EXPLORATORY


class Direction(StrEnum):
    """Which way is better."""

    INCREASE = "increase"
    DECREASE = "decrease"


def _types_in(annotation: Any) -> Iterator[Any]:
    """The types that an annotation names, however deep."""
    yield annotation
    for part in get_args(annotation):
        yield from _types_in(part)


class SpecModel(BaseModel):
    """A frozen piece of the experiment file that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_enum_values=False)

    @model_validator(mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, given: Any) -> Any:
        """Python counts `true` as 1, which nobody means who writes `window_days: true`."""
        for name, field in cls.model_fields.items():
            value = given.get(name) if isinstance(given, dict) else None
            if isinstance(value, bool):
                types = set(_types_in(field.annotation))
                if bool not in types and types & {int, float}:
                    raise FieldError(name, wrong=f"is a number, given {str(value).lower()}")
        return given


class Amount(SpecModel):
    """A size of effect: relative to the control's value, or in the metric's own unit."""

    relative: float | None = None
    absolute: float | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Amount:
        if (self.relative is None) == (self.absolute is None):
            raise ValueError("give exactly one of relative and absolute, for example {relative: 0.02}")
        return self

    @property
    def signed(self) -> float:
        """The number as written in the file."""
        return self.relative if self.relative is not None else self.absolute or 0.0

    @property
    def size(self) -> float:
        """The number without its sign."""
        return abs(self.signed)

    def in_units_of(self, baseline: float) -> float:
        """The absolute size, for a control whose mean is `baseline`."""
        return self.size * abs(baseline) if self.relative is not None else self.size

    def __str__(self) -> str:
        if self.relative is not None:
            return f"{100 * self.relative:+g} %"
        return f"{self.absolute:+g}"


class MetricBase(SpecModel):
    """What every metric has, whatever its kind."""

    role: Role
    direction: Direction = Direction.INCREASE
    window_days: Annotated[int, Field(ge=1, le=365)] | None = Field(
        default=None, description="Outcomes count from a unit's first exposure for this many times 24 hours."
    )
    mde: Amount | None = Field(default=None, description="The smallest effect worth detecting.")
    margin: Amount | None = Field(default=None, description="The loss a guardrail allows.")
    practical: Amount | None = Field(default=None, description="The smallest gain that matters; default 0.")
    sized: bool = Field(default=True, description="Whether the sizing gate must find room for this metric.")
    unclear: Literal["hold", "warn"] = Field(default="hold", description="What an unclear guardrail does to a win.")
    why: Reason | None = None

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is better."""
        return 1 if self.direction is Direction.INCREASE else -1

    @model_validator(mode="after")
    def _sizes_point_the_right_way(self) -> MetricBase:
        for name, amount, good in (
            ("mde", self.mde, self.sign),
            ("practical", self.practical, self.sign),
            ("margin", self.margin, -self.sign),
        ):
            if amount is None:
                continue
            if amount.signed * good < 0 or (amount.signed == 0 and name != "practical"):
                wanted = "positive" if good > 0 else "negative"
                wrong = f"{amount} contradicts direction: {self.direction.value}; a {name} must be {wanted} here"
                raise FieldError(name, wrong=wrong)
        if self.role is Role.GUARDRAIL and self.margin is None:
            wrong = "is missing; a guardrail needs the loss that it allows, such as margin: {relative: -0.02}"
            raise FieldError("margin", wrong=wrong)
        if not self.sized and self.role is not Role.GUARDRAIL:
            raise FieldError("sized", wrong="false is for guardrails only; the test is sized for its primary")
        if not self.sized and self.why is None:
            raise FieldError("why", wrong="is missing; `sized: false` leaves this guardrail out, so say why")
        return self

    @model_validator(mode="after")
    def _exploring_promises_nothing(self) -> MetricBase:
        for field in ("mde", "practical", "margin"):
            if not self.role.planned and getattr(self, field) is not None:
                wrong = "is a promise, and an exploratory metric makes none: it is only shown. Remove it"
                raise FieldError(field, wrong=wrong)
        return self


class ProportionMetric(MetricBase):
    """Share of units with at least one event."""

    kind: Literal["proportion"]
    event: Text
    where: Where = Field(default={}, description="Only rows with these values are read; of a column any of several.")


class CountMetric(MetricBase):
    """Events per unit."""

    kind: Literal["count"]
    event: Text
    where: Where = Field(default={}, description="Only rows with these values are read; of a column any of several.")


class MeanMetric(MetricBase):
    """Sum of a value over a unit's events, averaged over units."""

    kind: Literal["mean"]
    event: Text
    where: Where = Field(default={}, description="Only rows with these values are read; of a column any of several.")
    value: Text = Field(description="Column of the outcome log that holds the number.")
    cap: float | str | None = Field(default=None, description="A value, or a percentile over units: p99.9.")
    over: Literal["all", "positive"] = Field(default="all", description="Units a percentile cap looks at.")

    @field_validator("event")
    @classmethod
    def _event_has_values(cls, event: str) -> str:
        if event == FAILED_EXPOSURES:
            raise ValueError(f"{event!r} have no values, because the calls failed; `exposures` have")
        return event

    @field_validator("cap")
    @classmethod
    def _cap_is_a_value_or_percentile(cls, cap: float | str | None) -> float | str | None:
        if isinstance(cap, str):
            match = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?)", cap)
            if not match or not 0 < float(match[1]) < 100:
                raise ValueError(f"cap {cap!r} is neither a number nor a percentile such as p99.9")
        elif cap is not None and cap <= 0:
            raise ValueError(f"cap {cap:g} would remove every positive value; give a positive number")
        return cap

    @property
    def cap_quantile(self) -> float | None:
        """The percentile cap as a share, or None."""
        return float(self.cap[1:]) / 100 if isinstance(self.cap, str) else None

    @property
    def cap_value(self) -> float | None:
        """The fixed cap, or None."""
        return None if isinstance(self.cap, str) else self.cap


class RatioMetric(MetricBase):
    """Sum of one event over the sum of another, the unit as cluster."""

    kind: Literal["ratio"]
    numerator: Text = Field(description="An event type, `exposures` or `failed_exposures`.")
    denominator: Text = Field(description="An event type, `exposures` or `failed_exposures`.")
    numerator_value: Text | None = Field(default=None, description="Column to add up; default: events are counted.")
    denominator_value: Text | None = Field(default=None, description="Column to add up; default: events are counted.")
    numerator_where: Where = Field(default={}, description="Only rows with these values are in the numerator.")
    denominator_where: Where = Field(default={}, description="Only rows with these values are in the denominator.")

    @model_validator(mode="before")
    @classmethod
    def _each_side_has_its_own_filter(cls, given: Any) -> Any:
        if isinstance(given, dict) and "where" in given:
            wrong = "does not say which side it is for: write numerator_where, denominator_where, or both"
            raise FieldError("where", wrong=wrong)
        return given

    @model_validator(mode="after")
    def _exposures_are_counted(self) -> RatioMetric:
        for event, field, column in (
            (self.numerator, "numerator_value", self.numerator_value),
            (self.denominator, "denominator_value", self.denominator_value),
        ):
            if event in OF_EXPOSURES and column is not None:
                raise FieldError(field, wrong=f"exposures are counted, so {column!r} is never read: remove it")
        return self


class QuantileMetric(MetricBase):
    """A quantile of rows, the unit as cluster."""

    kind: Literal["quantile"]
    source: Literal["exposures", "outcomes"] = Field(default="exposures", description="The log whose rows are read.")
    event: Text | None = Field(default=None, description="Of outcomes, the type that is read.")
    where: Where = Field(default={}, description="Only rows with these values are read; of a column any of several.")
    value: Text = Field(description="Column that holds the number; a failed call has none.")
    q: Annotated[float, Field(gt=0, lt=1, description="Its level, such as 0.95.")]

    @model_validator(mode="after")
    def _rows_are_those_of_one_log(self) -> QuantileMetric:
        if self.source == "outcomes" and self.event is None:
            raise FieldError("event", wrong="is missing; a quantile of outcomes reads the events of one type")
        if self.source == EXPOSURES and self.event is not None:
            raise FieldError("event", wrong=f"{self.event!r} is an outcome: set `source: outcomes`, or remove it")
        if self.event in OF_EXPOSURES:
            raise FieldError("event", wrong=f"{self.event!r} is no outcome: set `source: exposures`, and remove it")
        return self


Metric = Annotated[
    ProportionMetric | CountMetric | MeanMetric | RatioMetric | QuantileMetric, Field(discriminator="kind")
]


def events_of(metric: Metric) -> tuple[str, ...]:
    """Event types of the outcome log that a metric reads."""
    read: tuple[str, ...]
    match metric:
        case RatioMetric():
            read = (metric.numerator, metric.denominator)
        case QuantileMetric():
            read = (metric.event or EXPOSURES,)
        case _:
            read = (metric.event,)
    return tuple(event for event in read if event not in OF_EXPOSURES)


def filter_of(metric: Metric) -> str:
    """Which rows a metric reads, in words; empty when it reads them all."""
    match metric:
        case RatioMetric():
            sides = {"numerator": metric.numerator_where, "denominator": metric.denominator_where}
            return ", ".join(f"{side} {in_words(where)}" for side, where in sides.items() if where)
        case _:
            return in_words(metric.where)
