"""What a look shows besides the metrics, in plain Python: segments, days, other experiments, and every row."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from itertools import chain

from abflow.analysis.attribution import FATES
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import CountMetric, MeanMetric, Metric, ProportionMetric, RatioMetric
from abflow.spec.row_filter import Where
from tests.engine.reference import (
    Unit,
    cap_of,
    earliest,
    events_in,
    expected_units,
    midnight,
    pair_of,
    passes,
    value_of,
    with_aa,
)
from tests.engine.small_logs import Days, Row

YES, NO = {"true", "t", "1", "yes", "y"}, {"false", "f", "0", "no", "n"}
Daily = tuple[int, list[float], list[list[float]]]
Window = tuple[datetime, datetime]


def first_rows(spec: ExperimentSpec, period: Period, exposures: Days) -> dict[str, Row]:
    """The first exposure of every unit of the phase; of rows of one moment one that knows more."""
    found: dict[str, Row] = {}
    filed = ([row for row in day if row["experiment_id"] == spec.experiment] for day in exposures.values())
    # A row that is delivered in two files has one unit and one time, so it is no matter whether it counts once.
    once = (
        earliest(rows, lambda row: (row["request_id"], row["timestamp"].date()), "request_id", "variant")
        for rows in filed
    )
    for row in chain.from_iterable(once):
        if midnight(period.start) <= row["timestamp"] < midnight(period.end):
            known = found.setdefault(row["user_id"], row)
            if _rank(row) < _rank(known):
                found[row["user_id"]] = row
    return found


def expected_requests(spec: ExperimentSpec, period: Period, exposures: Days) -> tuple[int, int, int]:
    """Ids of requests; how often one stands on one more day; and, with a time of one day, in one more day's file."""
    places = {
        (row["request_id"], row["timestamp"].date(), filed)
        for filed, rows in exposures.items()
        for row in rows
        if row["experiment_id"] == spec.experiment and row["request_id"]
        if midnight(period.start) <= row["timestamp"] < midnight(period.end)
    }
    days = {(name, day) for name, day, _ in places}
    ids = {name for name, _ in days}
    return len(ids), len(days) - len(ids), len(places) - len(days)


def _rank(row: Row) -> tuple[object, ...]:
    unknown = (not _text(row.get(name)) for name in ("variant_propensity", "is_new_user"))
    return (row["timestamp"], row["variant"], *unknown)


def expected_levels(
    spec: ExperimentSpec, period: Period, exposures: Days, segment: str, *, most: int = 20
) -> dict[str, str]:
    """The level of every enrolled unit in one segment (rule 1.8)."""
    units, firsts = expected_units(spec, period, exposures), first_rows(spec, period, exposures)
    values = {name: _text(firsts[name].get(segment)) for name, unit in units.items() if unit.enrolled}
    if segment == "is_new_user":
        values = {unit: _yes_or_no(value) for unit, value in values.items()}
    sizes = Counter(value for value in values.values() if value)
    largest = sorted(sizes, key=lambda value: (-sizes[value], value))[:most]
    return {
        unit: "(missing)" if not value else value if value in largest else "other" for unit, value in values.items()
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _yes_or_no(value: str) -> str:
    return "true" if value.lower() in YES else "false" if value.lower() in NO else value


def expected_values(
    spec: ExperimentSpec, period: Period, exposures: Days, outcomes: Days
) -> dict[str, dict[str, tuple[float, float]]]:
    """What every mature unit did in every metric: numerator and denominator, or the number and 1."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, metric in spec.metrics.items():
        windows = _windows(spec, period, exposures, metric)
        if isinstance(metric, RatioMetric):
            found[name] = {
                unit: pair_of(metric, spec, unit, between, exposures, outcomes) for unit, between in windows.items()
            }
            continue
        values = {unit: value_of(metric, unit, since, until, outcomes) for unit, (since, until) in windows.items()}
        cap = cap_of(metric, list(values.values()))
        found[name] = {unit: (value if cap is None else min(value, cap), 1.0) for unit, value in values.items()}
    return found


def _windows(spec: ExperimentSpec, period: Period, exposures: Days, metric: Metric) -> dict[str, Window]:
    """When the outcomes of every mature unit count."""
    cut_off, days = midnight(period.end), metric.window_days
    units = {name: unit for name, unit in expected_units(spec, period, exposures).items() if unit.enrolled}
    ends = {name: unit.entered + timedelta(days=days) if days else cut_off for name, unit in units.items()}
    return {name: (unit.entered, ends[name]) for name, unit in units.items() if ends[name] <= cut_off}


def expected_days(
    spec: ExperimentSpec, period: Period, exposures: Days, outcomes: Days, metric: Metric
) -> dict[str, Daily]:
    """Units, means and products of one metric by day since exposure, by variant (rule 1.8)."""
    assert isinstance(metric, ProportionMetric | CountMetric | MeanMetric)
    cut_off = midnight(period.end)
    days = min(metric.window_days or max(7, period.days - period.enroll_days), 28, period.days)
    units = {
        name: unit
        for name, unit in expected_units(spec, period, exposures).items()
        if unit.enrolled
        and unit.entered + timedelta(days=days) <= cut_off
        and (spec.analysis.contamination == "keep_first" or not unit.crossed)
    }
    found: dict[str, Daily] = {}
    for variant in {unit.variant for unit in units.values()}:
        rows = [
            [_on_day(metric, name, unit, day, outcomes) for day in range(days)]
            for name, unit in units.items()
            if unit.variant == variant
        ]
        n = len(rows)
        mean = [math.fsum(row[day] for row in rows) / n for day in range(days)]
        cross = [
            [math.fsum((row[i] - mean[i]) * (row[j] - mean[j]) for row in rows) for j in range(days)]
            for i in range(days)
        ]
        found[variant] = n, mean, cross
    return found if days >= 2 else {}


def _on_day(
    metric: ProportionMetric | CountMetric | MeanMetric, name: str, unit: Unit, day: int, outcomes: Days
) -> float:
    since, until = (unit.entered + timedelta(days=n) for n in (day, day + 1))
    return value_of(metric, name, since, until, outcomes)


def expected_overlaps(spec: ExperimentSpec, period: Period, exposures: Days) -> Counter[tuple[str, str, str]]:
    """Enrolled units in other experiments, by the experiment, our variant and theirs (rule 4)."""
    units = expected_units(spec, period, exposures)
    seen: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for row in (row for day in exposures.values() for row in day):
        if row["experiment_id"] != spec.experiment and row["timestamp"] < midnight(period.end):
            place = row["experiment_id"], row["user_id"]
            seen.setdefault(place, []).append((row["timestamp"], row["variant"]))
    return Counter(
        (experiment, units[unit].variant, min(moments)[1])
        for (experiment, unit), moments in seen.items()
        if unit in units and units[unit].enrolled
    )


def expected_fates(
    spec: ExperimentSpec,
    period: Period,
    logs: tuple[Days, Days],
    read: tuple[str, Where],
    window_days: int | None,
    *,
    aa: Days,
) -> Counter[str]:
    """What became of every row of one event that passes a filter."""
    (exposures, outcomes), (event, where) = logs, read
    units, cut_off = expected_units(spec, period, exposures), midnight(period.end)
    rows = [row for day in outcomes.values() for row in day if row["event_type"] == event and passes(row, where)]
    own = {id(row) for row in rows}
    kept = [row for row in events_in(with_aa(outcomes, aa), event, where, None) if id(row) in own]
    found = Counter(dict.fromkeys(FATES, 0))
    found["repeated"] = len(rows) - len(kept)
    for row in kept:
        found[_fate(row, units.get(row["user_id"]), cut_off, window_days)] += 1
    return found


def _fate(row: Row, unit: Unit | None, cut_off: datetime, window_days: int | None) -> str:
    if row["timestamp"] >= cut_off:
        return "after_cut_off"
    if unit is None:
        return "never_exposed"
    if not unit.enrolled:
        return "not_enrolled"
    if row["timestamp"] < unit.entered:
        return "before_exposure"
    if window_days is not None:
        closes = unit.entered + timedelta(days=window_days)
        if row["timestamp"] >= closes:
            return "after_window"
        if closes > cut_off:
            return "immature"
    return "crossed" if unit.crossed else "attributed"
