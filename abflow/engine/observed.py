"""Units and what they did: the table that every number about a phase is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from abflow.engine.instants import midnight
from abflow.engine.measures import Made, made_of, measures_of, totals_of
from abflow.engine.statements import filled, make, read, show
from abflow.engine.unit_state import KnownState, column
from abflow.logs.database import Database
from abflow.logs.reading import literal
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import MeanMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Where one metric stands in the table `observed`: columns `x<n>`, of a ratio also `y<n>`, and `mature<n>`.

    Attributes:
        cap: What is more counts as this much; None without a cap, or when nothing could set one.
    """

    metric: str
    number: int
    is_ratio: bool
    cap: float | None = None

    @property
    def x(self) -> str:
        """The metric's number, of a ratio its numerator."""
        return f"x{self.number}"

    @property
    def y(self) -> str:
        """A ratio's denominator."""
        return f"y{self.number}"

    @property
    def mature(self) -> str:
        """Whether the unit's window is over."""
        return f"mature{self.number}"


def open_units(db: Database, spec: ExperimentSpec, period: Period, state: KnownState) -> None:
    """Make the view `units`: everybody exposed in the phase; `enrolled` tells whether early enough to count."""
    read(db, "state_file", [state.file])
    totals = "".join(f", {column(number)}" for number in range(len(totals_of(spec))))
    enroll_end = f"timestamp {literal(str(midnight(period.enroll_end)))}"
    show(db, "units", filled("units_of_phase", totals=totals, enroll_end=enroll_end))


def observe(db: Database, spec: ExperimentSpec, end: date) -> tuple[Observed, ...]:
    """Make the table `observed`: what each enrolled unit did in every metric that is made of totals, capped.

    Args:
        db: A connection with the units.
        spec: The experiment.
        end: The cut-off, a day that does not count any more.
    """
    measures, totals = measures_of(spec), totals_of(spec)
    found: list[Observed] = []
    columns: list[str] = []
    for number, (name, metric) in enumerate(spec.metrics.items()):
        made = made_of(metric, measures)
        if made is None:
            continue
        own = Observed(metric=name, number=number, is_ratio=made.y is not None)
        x = _x(made, column(totals.index(made.x)))
        mature = "true"
        if metric.window_days is not None:
            mature = f"entered + interval {metric.window_days} day <= $cut_off"
        columns += [f"{mature} as {own.mature}", f"{x} as {own.x}"]
        if made.y:
            columns.append(f"{column(totals.index(made.y))} as {own.y}")
        found.append(own)
    listed = "".join(f", {each}" for each in columns)
    make(db, "observed", filled("observed", metrics=listed), cut_off=midnight(end))
    return tuple(_capped(db, spec, own) for own in found)


def _x(made: Made, total: str) -> str:
    return f"cast({total} > 0 as double)" if made.any else total


def _capped(db: Database, spec: ExperimentSpec, own: Observed) -> Observed:
    """Cut what is above the metric's cap; a percentile is taken over all mature units of all variants together."""
    metric = spec.metrics[own.metric]
    if not isinstance(metric, MeanMetric) or metric.cap is None:
        return own
    cap = metric.cap_value
    if metric.cap_quantile is not None:
        query = filled("percentile", x=own.x, mature=own.mature)
        parameters = {"quantile": metric.cap_quantile, "positive": metric.over == "positive"}
        cap = db.execute(query, parameters).fetchall()[0][0]
    if cap is None:
        return own
    db.execute(f"update observed set {own.x} = least({own.x}, $cap) where {own.x} > $cap", {"cap": cap})
    return Observed(metric=own.metric, number=own.number, is_ratio=False, cap=float(cap))
