"""A slow, obviously right engine in plain Python, written from the statistical rules and not from the SQL."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import CountMetric, MeanMetric, Metric, ProportionMetric, QuantileMetric, RatioMetric
from abflow.spec.row_filter import Where
from tests.engine.small_logs import Days, Row


@dataclass
class Unit:
    """One exposed unit of the phase."""

    entered: datetime
    variant: str
    crossed: bool
    enrolled: bool


@dataclass
class Expected:
    """What one metric must be in one variant under one way of treating crossed units."""

    n: int
    mean: float
    m2: float
    lowest: float
    highest: float
    non_zero: int
    immature: int
    cap: float | None
    pair: tuple[float, float, float, float, float] | None = None  # means, sums of squares and cross product


def expected_units(spec: ExperimentSpec, period: Period, exposures: Days) -> dict[str, Unit]:
    """Everybody exposed inside the phase (rules 1.1, 1.2, 1.6, 1.7)."""
    rows = [row for day in exposures.values() for row in day if row["experiment_id"] == spec.experiment]
    seen: dict[str, list[tuple[datetime, str]]] = {}
    for row in earliest(rows, lambda row: (row["request_id"], row["timestamp"].date()), "request_id", "variant"):
        if midnight(period.start) <= row["timestamp"] < midnight(period.end):
            seen.setdefault(row["user_id"], []).append((row["timestamp"], row["variant"]))
    units = {}
    for unit, moments in seen.items():
        entered, variant = min(moments)
        units[unit] = Unit(
            entered=entered,
            variant=variant,
            crossed=len({variant for _, variant in moments}) > 1,
            enrolled=entered < midnight(period.start + timedelta(days=period.enroll_days)),
        )
    return units


def expected_cohorts(units: dict[str, Unit]) -> Counter[tuple[str, date, bool, bool]]:
    return Counter((unit.variant, unit.entered.date(), unit.enrolled, unit.crossed) for unit in units.values())


def expected_metrics(
    spec: ExperimentSpec, period: Period, exposures: Days, outcomes: Days
) -> dict[tuple[str, str, str], Expected]:
    """Every metric by name, variant and contamination policy (rules 1.3, 1.4, 1.6, 2)."""
    units = {name: unit for name, unit in expected_units(spec, period, exposures).items() if unit.enrolled}
    cut_off = midnight(period.end)
    found: dict[tuple[str, str, str], Expected] = {}
    for name, metric in spec.metrics.items():
        window = None if metric.window_days is None else timedelta(hours=24 * metric.window_days)
        mature = {unit for unit, state in units.items() if window is None or state.entered + window <= cut_off}
        ends = {unit: cut_off if window is None else units[unit].entered + window for unit in mature}
        if isinstance(metric, RatioMetric):
            pairs = {
                unit: pair_of(metric, spec, unit, (units[unit].entered, ends[unit]), exposures, outcomes)
                for unit in mature
            }
            found |= _ratios(name, pairs, units, mature)
            continue
        values = {unit: value_of(metric, unit, units[unit].entered, ends[unit], outcomes) for unit in mature}
        cap = cap_of(metric, list(values.values()))
        if cap is not None:
            values = {unit: min(value, cap) for unit, value in values.items()}
        for policy in ("exclude", "keep_first"):
            kept = {unit: state for unit, state in units.items() if policy == "keep_first" or not state.crossed}
            for variant in {state.variant for state in kept.values()}:
                members = [unit for unit, state in kept.items() if state.variant == variant]
                found[name, variant, policy] = cell_of(
                    [values[unit] for unit in members if unit in mature],
                    immature=sum(unit not in mature for unit in members),
                    cap=cap,
                )
    return found


YES, NO = {"true", "t", "1", "yes", "y", "on"}, {"false", "f", "0", "no", "n", "off"}


def passes(row: Row, where: Where) -> bool:
    """Whether a row passes a filter: in every column it has one of the values, each compared as what it is."""
    return all(any(_is(row.get(column), value) for value in values) for column, values in where.items())


def _is(found: object, value: object) -> bool:
    if found is None or found == "":
        return False
    text = str(found).lower() if isinstance(found, bool) else str(found)
    if isinstance(found, float) and found == int(found):
        text = str(int(found))
    if isinstance(value, bool):
        return text.lower() in (YES if value else NO)
    if isinstance(value, str):
        return text == value
    assert isinstance(value, int | float)
    try:
        return float(text) == value
    except ValueError:
        return False


def events_in(outcomes: Days, event: str | None, where: Where, column: str | None) -> list[Row]:
    """The rows of an event that pass a filter; of those with one id the earliest, and only if it passes (rule 1.7)."""
    rows = [row for day in outcomes.values() for row in day if row["event_type"] == event]
    once = earliest(rows, lambda row: row["event_id"], "event_id", column, passes=lambda row: passes(row, where))
    return [row for row in once if passes(row, where)]


def with_aa(outcomes: Days, aa: Days) -> Days:
    """The outcome log of the whole experiment: what was filed in the A/A phase counts there, up to its end."""
    end = midnight(max(aa) + timedelta(days=1)) if aa else midnight(date.min)
    return {**{day: [row for row in rows if row["timestamp"] < end] for day, rows in aa.items()}, **outcomes}


Numbers = dict[tuple[str, str, str], list[list[float]]]


def expected_histories(
    spec: ExperimentSpec,
    period: Period,
    logs: tuple[Days, Days],
    past: tuple[Days, Days],
) -> Numbers:
    """What every mature unit did, then what it did before, by metric, variant and contamination policy (rule 2, CUPED).

    Args:
        spec: The experiment.
        period: The phase.
        logs: Exposures and outcomes by the day of their file.
        past: The same before the phase; exposures only of the days on which the experiment ran.
    """
    assert spec.analysis.cuped is not None
    days = timedelta(hours=24 * spec.analysis.cuped.days)
    exposures, outcomes = logs
    known = ({**past[0], **exposures}, {**past[1], **outcomes})
    outcomes = with_aa(outcomes, {day: past[1][day] for day in past[0]})
    units = {name: unit for name, unit in expected_units(spec, period, exposures).items() if unit.enrolled}
    found: Numbers = {}
    for name, metric in spec.metrics.items():
        over_exposures = isinstance(metric, RatioMetric) and "exposures" in (metric.numerator, metric.denominator)
        if not (past[0] if over_exposures else past[1]):
            continue
        window = None if metric.window_days is None else timedelta(hours=24 * metric.window_days)
        cut_off = midnight(period.end)
        mature = {unit for unit, state in units.items() if window is None or state.entered + window <= cut_off}
        numbers = {}
        for unit in mature:
            entered = units[unit].entered
            before = (entered - days, entered)
            if over_exposures:
                before = (max(before[0], midnight(min(past[0]))), min(entered, midnight(max(past[0])) + timedelta(1)))
            during = (entered, cut_off if window is None else entered + window)
            if isinstance(metric, RatioMetric):
                did = pair_of(metric, spec, unit, during, exposures, outcomes)
                numbers[unit] = [*did, *pair_of(metric, spec, unit, before, *known)]
            else:
                did_before = value_of(metric, unit, *before, known[1])
                numbers[unit] = [value_of(metric, unit, *during, outcomes), did_before]
        cap = cap_of(metric, [both[0] for both in numbers.values()])
        if cap is not None:
            numbers = {unit: [min(each, cap) for each in both] for unit, both in numbers.items()}
        for policy in ("exclude", "keep_first"):
            for unit, state in units.items():
                if policy == "keep_first" or not state.crossed:
                    cell = found.setdefault((name, state.variant, policy), [])
                    cell += [numbers[unit]] if unit in mature else []
    return found


def _ratios(
    name: str, pairs: dict[str, tuple[float, float]], units: dict[str, Unit], mature: set[str]
) -> dict[tuple[str, str, str], Expected]:
    """Every variant and policy of a ratio; its units are linearised around the ratio of their own cell."""
    found = {}
    for policy in ("exclude", "keep_first"):
        kept = {unit: state for unit, state in units.items() if policy == "keep_first" or not state.crossed}
        for variant in {state.variant for state in kept.values()}:
            members = [unit for unit, state in kept.items() if state.variant == variant]
            own = [pairs[unit] for unit in members if unit in mature]
            immature = sum(unit not in mature for unit in members)
            n = len(own)
            mean_x, mean_y = (math.fsum(each[i] for each in own) / n if n else 0.0 for i in (0, 1))
            line = [mean_x / mean_y + (x - mean_x / mean_y * y) / mean_y for x, y in own] if mean_y else []
            cell = cell_of(line, immature=immature, cap=None)
            cell.n, cell.non_zero = n, sum(x != 0 for x, _ in own)
            if n:
                cell.pair = (
                    mean_x,
                    mean_y,
                    math.fsum((x - mean_x) ** 2 for x, _ in own),
                    math.fsum((y - mean_y) ** 2 for _, y in own),
                    math.fsum((x - mean_x) * (y - mean_y) for x, y in own),
                )
            found[name, variant, policy] = cell
    return found


def pair_of(
    metric: RatioMetric,
    spec: ExperimentSpec,
    unit: str,
    between: tuple[datetime, datetime],
    exposures: Days,
    outcomes: Days,
) -> tuple[float, float]:
    def total(event: str, column: str | None, where: Where) -> float:
        if event == "exposures":
            once = [row for row in calls_of(spec, exposures) if passes(row, where)]
        else:
            once = events_in(outcomes, event, where, column)
        start, end = between
        mine = [row for row in once if row["user_id"] == unit and start <= row["timestamp"] < end]
        return math.fsum(row[column] for row in mine) if column else float(len(mine))

    return (
        total(metric.numerator, metric.numerator_value, metric.numerator_where),
        total(metric.denominator, metric.denominator_value, metric.denominator_where),
    )


def value_of(metric: Metric, unit: str, entered: datetime, end: datetime, outcomes: Days) -> float:
    assert isinstance(metric, ProportionMetric | CountMetric | MeanMetric)
    column = metric.value if isinstance(metric, MeanMetric) else None
    once = events_in(outcomes, metric.event, metric.where, column)
    mine = [row for row in once if row["user_id"] == unit and entered <= row["timestamp"] < end]
    if isinstance(metric, ProportionMetric):
        return 1.0 if mine else 0.0
    if isinstance(metric, CountMetric):
        return float(len(mine))
    return math.fsum(row[metric.value] for row in mine)


def earliest(
    rows: Iterable[Row],
    key_of: Callable[[Row], object],
    id_column: str,
    then_by: str | None,
    *,
    passes: Callable[[Row], bool] = lambda _: True,
) -> list[Row]:
    """Rows without an id, and of those with one the earliest for each key; equal times by unit, then by content."""
    distinct: list[Row] = []
    first: dict[object, tuple[tuple[object, ...], Row]] = {}
    for row in rows:
        if row[id_column] is None:
            distinct.append(row)
            continue
        rank = (row["timestamp"], row["user_id"], not passes(row), row[then_by] if then_by else 0)
        key = key_of(row)
        if key not in first or rank < first[key][0]:
            first[key] = (rank, row)
    return distinct + [row for _, row in first.values()]


@dataclass
class ExpectedRows:
    """The rows of one quantile in one variant, by unit, under one way of treating crossed units."""

    by_unit: dict[str, list[float]]
    immature: int

    @property
    def values(self) -> list[float]:
        """All rows."""
        return [value for own in self.by_unit.values() for value in own]

    def at_or_below(self, cut: float) -> list[tuple[int, int]]:
        """Of every unit its rows at or below a cut, and all of them."""
        return [(sum(value <= cut for value in own), len(own)) for own in self.by_unit.values()]


def expected_rows(
    spec: ExperimentSpec, period: Period, exposures: Days, outcomes: Days
) -> dict[tuple[str, str, str], ExpectedRows]:
    """Rows of every quantile by name, variant and contamination policy (rules 1.3, 1.4, 1.6, 2)."""
    units = {name: unit for name, unit in expected_units(spec, period, exposures).items() if unit.enrolled}
    cut_off = midnight(period.end)
    found = {}
    for name, metric in spec.metrics.items():
        if not isinstance(metric, QuantileMetric):
            continue
        window = None if metric.window_days is None else timedelta(hours=24 * metric.window_days)
        ends = {unit: cut_off if window is None else state.entered + window for unit, state in units.items()}
        once = _rows_of(metric, spec, exposures, outcomes)
        for policy in ("exclude", "keep_first"):
            kept = {unit: state for unit, state in units.items() if policy == "keep_first" or not state.crossed}
            for variant in {state.variant for state in kept.values()}:
                cell = ExpectedRows(by_unit={}, immature=0)
                for unit, state in kept.items():
                    if state.variant != variant:
                        continue
                    if ends[unit] > cut_off:
                        cell.immature += 1
                        continue
                    between = (row for row in once if state.entered <= row["timestamp"] < ends[unit])
                    own = [float(row[metric.value]) for row in between if row["user_id"] == unit]
                    if own:
                        cell.by_unit[unit] = own
                found[name, variant, policy] = cell
    return found


def _rows_of(metric: QuantileMetric, spec: ExperimentSpec, exposures: Days, outcomes: Days) -> list[Row]:
    """The rows that a quantile reads, each id once; a failed call has no latency."""
    if metric.source == "outcomes":
        return events_in(outcomes, metric.event, metric.where, metric.value)
    return [row for row in calls_of(spec, exposures) if not has_failed(row) and passes(row, metric.where)]


def calls_of(spec: ExperimentSpec, exposures: Days) -> list[Row]:
    """Exposures of the experiment, each request once per UTC day."""
    rows = [row for day in exposures.values() for row in day if row["experiment_id"] == spec.experiment]
    return earliest(rows, lambda row: (row["request_id"], row["timestamp"].date()), "request_id", "variant")


def has_failed(call: Row) -> bool:
    """Whether an exposure has an error, or a latency that no call can have."""
    return bool(call["error"]) or call["latency_ms"] < 0


def cap_of(metric: Metric, values: list[float]) -> float | None:
    if not isinstance(metric, MeanMetric) or metric.cap is None:
        return None
    if not isinstance(metric.cap, str):
        return metric.cap
    looked_at = sorted(value for value in values if metric.over == "all" or value > 0)
    if not looked_at:
        return None
    place = (len(looked_at) - 1) * float(metric.cap.removeprefix("p")) / 100
    below = math.floor(place)
    above = min(below + 1, len(looked_at) - 1)
    return looked_at[below] + (place - below) * (looked_at[above] - looked_at[below])


def cell_of(values: list[float], *, immature: int, cap: float | None) -> Expected:
    n = len(values)
    mean = math.fsum(values) / n if n else 0.0
    return Expected(
        n=n,
        mean=mean,
        m2=math.fsum((value - mean) ** 2 for value in values),
        lowest=min(values, default=0.0),
        highest=max(values, default=0.0),
        non_zero=sum(value != 0 for value in values),
        immature=immature,
        cap=cap,
    )


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())
