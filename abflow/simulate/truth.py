"""`Truth`: what is really so in the world that a simulation draws."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from abflow.errors import SpecError
from abflow.spec.metrics import SpecModel

Share = Annotated[float, Field(ge=0, le=1)]
Effect = Annotated[float, Field(gt=-1, le=10)]
Multiple = Annotated[float, Field(gt=0, le=1000)]


class Lognormal(SpecModel):
    """Values whose logarithm is normal."""

    kind: Literal["lognormal"] = "lognormal"
    mu: float = Field(default=3.0, ge=-20, le=20, description="Mean of the logarithm.")
    sigma: float = Field(default=1.0, ge=0, le=3, description="Standard deviation of the logarithm.")

    @property
    def mean(self) -> float:
        """Mean value of one event."""
        return math.exp(self.mu + self.sigma**2 / 2)

    def quantile(self, q: float) -> float:
        """The value that a share `q` of events stays below."""
        return math.exp(self.mu + self.sigma * NormalDist().inv_cdf(q))


class Pareto(SpecModel):
    """Values with a heavy tail: P(value > x) = (minimum / x) ** tail."""

    kind: Literal["pareto"]
    minimum: float = Field(default=5.0, gt=0, le=1e9, description="The smallest value.")
    tail: float = Field(
        default=2.5, gt=1, le=20, description="Exponent; below 2 the variance is infinite, at 1 the mean."
    )

    @property
    def mean(self) -> float:
        """Mean value of one event."""
        return self.tail * self.minimum / (self.tail - 1)

    def quantile(self, q: float) -> float:
        """The value that a share `q` of events stays below."""
        return float(self.minimum * (1 - q) ** (-1 / self.tail))


Value = Annotated[Lognormal | Pareto, Field(discriminator="kind")]


class EventTruth(SpecModel):
    """How often a unit does something: some units never do, the others at a constant rate."""

    share: Share = Field(default=0.4, description="Share of units that ever do it, under the control.")
    per_day: float = Field(default=0.2, ge=0, le=1000, description="Events per day of a new unit that does it at all.")
    established_ratio: float = Field(
        default=1.5, gt=0, le=1000, description="Rate of an established unit over that of a new one."
    )
    value: Value | None = Field(default=Lognormal(), description="Size of one event; null: events have none.")


class LatencyTruth(SpecModel):
    """How long an answer takes: lognormal, and some units are slower than others in all their requests."""

    median: float = Field(default=80.0, gt=0, le=1e6, description="Median in milliseconds under the control.")
    sigma: float = Field(default=0.4, ge=0, le=3, description="Spread of the logarithm between requests.")
    unit_sigma: float = Field(default=0.3, ge=0, le=3, description="Spread of the logarithm between units.")
    ratio: dict[str, Multiple] = Field(default={}, description="Latency of a treatment over the control's, by variant.")


class Truth(SpecModel):
    """Every rate of the simulated world; `abflow.simulate.expected` says what metrics follow from it."""

    units_per_day: float = Field(
        default=1000.0, gt=0, le=1e7, description="Units that appear for the first time, per average day."
    )
    established_share: Share = Field(
        default=0.6, description="Share of units with a past before their first exposure (is_new_user false)."
    )
    unexposed_share: float = Field(
        default=0.1, ge=0, le=10, description="Units with outcomes and no exposure, per unit that appears."
    )
    history_days: int = Field(
        default=0, ge=0, le=365, description="Days of outcomes written before the first exposures."
    )
    returning: float = Field(
        default=0.4, ge=0, le=100, description="Sessions per day of a unit that is active, after its first."
    )
    active_days: float = Field(
        default=10.0,
        gt=0,
        le=1e4,
        description="Mean days until a unit stops coming; its time is exponential.",
    )
    weekday: tuple[float, float, float, float, float, float, float] = Field(
        default=(1.05, 1.05, 1.05, 1.05, 1.0, 0.85, 0.95),
        description="Relative traffic from Monday to Sunday, of arrivals and sessions; scaled to mean 1.",
    )
    events: dict[str, EventTruth] = Field(
        default={}, description="By event type; types of the experiment not named here take the defaults."
    )
    effects: dict[str, dict[str, Effect]] = Field(
        default={},
        description="Relative effect by metric and treatment, from its first exposure in the test.",
    )
    novelty: float = Field(
        default=0.0, ge=0, le=1e4, description="Days in which an effect on events halves; 0: effects last."
    )
    latency_ms: LatencyTruth = LatencyTruth()
    error_rate: float = Field(default=0.002, ge=0, lt=1, description="Failed calls under the control.")
    error_ratio: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(
        default={}, description="Failed calls of a treatment over the control's, by variant."
    )
    fallback_rate: Share = Field(
        default=0.0, description="Share of a treatment's requests that the control version answers."
    )
    late_rate: Share = Field(
        default=0.005, description="Share of exposures and outcomes that arrive in the next day's file."
    )
    duplicate_rate: Share = Field(default=0.002, description="Share of rows logged twice, with the same id.")
    crossed_rate: Share = Field(default=0.0, description="Share of units also logged in another variant.")
    skew: Share = Field(
        default=0.0, description="Share of a treatment's units whose exposures are all lost from the log."
    )
    skew_phase: Literal["aa", "test", "both"] = Field(default="both", description="When exposures get lost.")
    segment_levels: tuple[str, ...] = Field(
        default=("north", "south", "west"),
        min_length=1,
        description="Levels of every segment but is_new_user.",
    )
    shadow_requests_per_day: float = Field(
        default=2000.0, gt=0, le=1e8, description="Mirrored requests per average day."
    )
    shadow_error_rate: float = Field(default=0.001, ge=0, lt=1, description="Share of mirrored calls that fail.")
    shadow_latency_ratio: Multiple = Field(
        default=1.05, description="Latency of the shadow over production's, at every quantile."
    )
    shadow_agreement: float = Field(
        default=0.9, ge=0.28, le=1, description="Share of predictions within 0.5 sd of production's."
    )
    shadow_drift: float = Field(
        default=0.0, ge=-5, le=5, description="Shift of the shadow's predictions in sd; lowers agreement too."
    )

    @field_validator("weekday")
    @classmethod
    def _some_traffic(cls, weekday: tuple[float, ...]) -> tuple[float, ...]:
        if min(weekday) < 0 or sum(weekday) <= 0:
            raise ValueError(f"weekday {list(weekday)} must hold no negative number and not only zeros")
        return weekday

    @field_validator("segment_levels")
    @classmethod
    def _levels_differ(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(levels)) < len(levels):
            raise ValueError(f"segment_levels {list(levels)} names a level twice; keep one of them")
        return levels


def load_truth(path: Path) -> Truth:
    """Read a truth from YAML.

    Raises:
        SpecError: The file cannot be read, is not YAML, or sets something that is no rate of the world.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeats(node, str(path))
        raw = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise SpecError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if raw is None:
        raise SpecError(f"{path}: is empty; write at least one rate, such as `units_per_day: 1000`")
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: a truth is a mapping of rates, such as `units_per_day: 1000`")
    try:
        return Truth.model_validate(raw)
    except ValidationError as error:
        raise SpecError("\n".join(f"{path}: {_explain(problem)}" for problem in error.errors())) from error


def _refuse_repeats(node: yaml.Node | None, source: str) -> None:
    """YAML lets a second value overwrite the first in silence."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(item, source)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise SpecError(f"{source}:{line}: {key.value!r} stands twice; keep one of them")
            seen.add(key.value)
            _refuse_repeats(value, source)


def _explain(problem: Any) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{field}: there is no such rate; the rates are {', '.join(Truth.model_fields)}"
    if problem["type"] == "value_error":
        return f"{field}: {problem['ctx']['error']}"
    return f"{field}: {problem['msg'][0].lower()}{problem['msg'][1:]}, given {problem['input']!r}"
