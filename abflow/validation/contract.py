"""What the shadow log promises, as data: no library reads or checks anything here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the text of a column must be readable as."""

    TEXT = "text"
    NUMBER = "a finite number"
    TIMESTAMP = "a timestamp"
    YES_NO = "true or false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a log."""

    name: str
    kind: Kind
    required: bool = True
    nullable: bool = False
    unique: bool = False

    @property
    def value(self) -> str:
        """The column that holds the typed value; `name` itself holds the text as it was logged."""
        return self.name if self.kind is Kind.TEXT else f"{self.name}__value"


@dataclass(frozen=True, slots=True)
class Exists:
    """The column is there."""


@dataclass(frozen=True, slots=True)
class NotNull:
    """The column is filled in every row."""


@dataclass(frozen=True, slots=True)
class Unique:
    """No value of the column stands twice."""


@dataclass(frozen=True, slots=True)
class InsideDay:
    """Every timestamp lies in [day, day + 24 h) UTC."""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """No number of the column is smaller."""

    minimum: float


@dataclass(frozen=True, slots=True)
class NoRowWhere:
    """No row meets this condition, an SQL expression over the log's columns and their values."""

    condition: str


Rule = Exists | NotNull | Unique | InsideDay | AtLeast | NoRowWhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One thing that holds for every row of a sound log.

    Attributes:
        name: What the health report calls it.
        column: The column it is about.
        rule: What is checked.
        says: The promise in words, to be read after the column's name.
        advice: What to do when it is broken.
        needs: Columns without which it cannot be asked.
    """

    name: str
    column: str
    rule: Rule
    says: str
    advice: str
    needs: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContract:
    """The columns of a log, and what holds between them."""

    columns: tuple[Column, ...]
    between_columns: tuple[Promise, ...]

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a log must have."""
        return tuple(column.name for column in self.columns if column.required)

    def promises(self) -> tuple[Promise, ...]:
        """Everything that is checked, in the order of the report."""
        of_columns = [promise for column in self.columns for promise in _promises_of(column)]
        return (*of_columns, *self.between_columns)


def _promises_of(column: Column) -> list[Promise]:
    promises = []
    if column.required:
        promises.append(
            Promise(
                name=f"{column.name}_exists",
                column=column.name,
                rule=Exists(),
                says="is a column of the log",
                advice="add it, spelled exactly so, where the log is written",
                needs=frozenset(),
            )
        )
    if not column.nullable:
        promises.append(
            _promise(column, "filled", NotNull(), "is filled in every row", "fill it where the log is written")
        )
    if column.kind is not Kind.TEXT:
        unreadable = NoRowWhere(f"{column.name} is not null and {column.value} is null")
        advice = "log timestamps as ISO 8601 in UTC" if column.kind is Kind.TIMESTAMP else "correct its writer"
        promises.append(_promise(column, "readable", unreadable, f"is {column.kind.value}", advice))
    if column.kind is Kind.TIMESTAMP:
        promises.append(
            _promise(
                column,
                "inside_day",
                InsideDay(),
                "lies inside the log's day, UTC",
                "put each row into the partition of its own UTC day",
            )
        )
    if column.unique:
        promises.append(
            _promise(column, "unique", Unique(), "is unique", "log each mirrored request once, with its own id")
        )
    return promises


def _promise(column: Column, what: str, rule: Rule, says: str, advice: str) -> Promise:
    return Promise(
        name=f"{column.name}_{what}",
        column=column.name,
        rule=rule,
        says=says,
        advice=advice,
        needs=frozenset({column.name}),
    )


SHADOW_LOG = LogContract(
    columns=(
        Column(name="timestamp", kind=Kind.TIMESTAMP),
        Column(name="request_id", kind=Kind.TEXT, unique=True),
        Column(name="production_prediction", kind=Kind.TEXT),
        Column(name="production_latency_ms", kind=Kind.NUMBER),
        Column(name="shadow_prediction", kind=Kind.TEXT, nullable=True),
        Column(name="shadow_latency_ms", kind=Kind.NUMBER),
        Column(name="shadow_error", kind=Kind.TEXT, nullable=True),
        Column(name="predictions_agree", kind=Kind.YES_NO, required=False, nullable=True),
        Column(name="user_id", kind=Kind.TEXT, required=False, nullable=True),
    ),
    between_columns=(
        Promise(
            name="production_latency_ms_not_negative",
            column="production_latency_ms",
            rule=AtLeast(0),
            says="is 0 or more",
            advice="mirror only requests that production answered",
            needs=frozenset({"production_latency_ms"}),
        ),
        Promise(
            name="shadow_latency_ms_fits_error",
            column="shadow_latency_ms",
            rule=NoRowWhere(
                "shadow_latency_ms__value < 0 and not (shadow_latency_ms__value = -1 and shadow_error is not null)"
            ),
            says="is 0 or more, or exactly -1 beside a shadow_error",
            advice="write -1 only for a failed call, and its reason into shadow_error",
            needs=frozenset({"shadow_latency_ms", "shadow_error"}),
        ),
        Promise(
            name="shadow_prediction_or_error",
            column="shadow_prediction",
            rule=NoRowWhere("shadow_prediction is null and shadow_error is null"),
            says="is filled wherever shadow_error is empty",
            advice="write what the new version answered, or why it did not into shadow_error",
            needs=frozenset({"shadow_prediction", "shadow_error"}),
        ),
    ),
)
