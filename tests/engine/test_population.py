from __future__ import annotations

from datetime import timedelta
from hashlib import md5
from pathlib import Path

import pytest

from abflow.analysis.population import Population
from abflow.engine.measuring import measure
from abflow.engine.population import cohorts
from abflow.engine.unit_state import roll_state
from abflow.errors import DataError
from abflow.spec.calendar import calendar_of
from tests.engine.small_logs import (
    DEFAULT_METRICS,
    Row,
    at,
    build,
    by_day,
    experiment,
    exposure,
    measured,
    outcome,
    partitions_of,
    recorded,
)

TICK = timedelta(microseconds=1)


def moments(population: Population, metric: str, variant: str = "a") -> tuple[int, float]:
    found = population.of(metric, variant, "exclude")
    assert found is not None
    return found.moments.n, found.moments.mean


def visits(tmp_path: Path, outcomes: list[Row], shown: list[Row] | None = None) -> Population:
    return measured(experiment(), tmp_path, by_day(shown or [exposure("u", "a", at(0, 6))]), by_day(outcomes))


def test_a_window_holds_its_first_moment_and_not_its_last(tmp_path: Path) -> None:
    start, end = at(0, 6), at(2, 6)
    for n, (moment, counts) in enumerate(((start - TICK, 0), (start, 1), (end - TICK, 1), (end, 0))):
        got = visits(tmp_path / str(n), [outcome("u", "visit", moment)])
        assert moments(got, "visited") == (1, counts), moment


def test_without_a_window_outcomes_count_until_the_cut_off(tmp_path: Path) -> None:
    end = at(5)
    late = {**by_day([outcome("u", "visit", end - TICK)])}
    last = max(late)
    late[last] += [outcome("u", "visit", end), outcome("u", "visit", end + TICK)]
    got = measured(experiment(), tmp_path, by_day([exposure("u", "a", at(0, 6))]), late)
    assert moments(got, "visits") == (1, 1)


def test_a_unit_whose_window_ends_at_the_cut_off_is_mature(tmp_path: Path) -> None:
    spec = experiment(DEFAULT_METRICS, enroll_days=5)
    shown = [exposure("just", "a", at(3)), exposure("not_quite", "a", at(3) + TICK)]
    got = measured(spec, tmp_path, by_day(shown), by_day([outcome("not_quite", "visit", at(3, 1))]))
    found = got.of("visited", "a", "exclude")
    assert found is not None
    assert (found.moments.n, found.non_zero, found.immature) == (1, 0, 1)
    assert moments(got, "visits") == (2, 0.5)


def test_enrolment_ends_at_midnight(tmp_path: Path) -> None:
    shown = [exposure("in", "a", at(3) - TICK), exposure("out", "a", at(3))]
    got = measured(experiment(), tmp_path, by_day(shown), by_day([]))
    assert (got.enrolled, got.too_late) == (1, 1)


def test_a_crossed_unit_is_kept_with_its_first_variant_or_left_out(tmp_path: Path) -> None:
    shown = [
        exposure("crosser", "b", at(0, 1)),
        exposure("crosser", "a", at(2, 1)),
        exposure("loyal", "b", at(0, 2)),
        exposure("elsewhere", "a", at(0, 2)),
    ]
    got = visits(tmp_path, [outcome("crosser", "visit", at(0, 3))], shown)
    sizes = {(m.variant, m.contamination): m.moments.n for m in got.measured if m.metric == "visited"}
    assert sizes == {("a", "exclude"): 1, ("a", "keep_first"): 1, ("b", "exclude"): 1, ("b", "keep_first"): 2}
    assert got.crossed == 1
    assert moments(got, "visited", "b") == (1, 0)


def test_events_that_occur_nowhere_are_not_among_the_seen(tmp_path: Path) -> None:
    got = visits(tmp_path, [outcome("stranger", "visit", at(0, 7))])
    assert got.events_seen == ("visit",)
    assert moments(got, "visited") == (1, 0)


def test_an_event_repeated_on_another_day_counts_once_and_at_its_first_time(tmp_path: Path) -> None:
    early = outcome("u", "visit", at(0, 1), event_id="e")  # before the exposure
    again = outcome("u", "visit", at(1, 1), event_id="e")
    assert moments(visits(tmp_path / "repeat", [early, again]), "visits") == (1, 0)
    assert moments(visits(tmp_path / "apart", [early, again | {"event_id": "f"}]), "visits") == (1, 1)


def test_misassigned_units_are_those_whose_hash_says_otherwise(tmp_path: Path) -> None:
    spec = experiment(variants="{a: {weight: 0.3}, b: {weight: 0.7}}", assignment="hash")
    units = [f"u{n}" for n in range(60)]
    buckets = {u: int.from_bytes(md5(f"{u}:try_it".encode(), usedforsecurity=False).digest()) % 10_000 for u in units}
    own = {unit: "a" if buckets[unit] < 3_000 else "b" for unit in units}
    wrong = {unit: "b" if own[unit] == "a" else "a" for unit in units[:7]}
    shown = by_day([exposure(unit, (own | wrong)[unit], at(0, 1)) for unit in units])
    assert measured(spec, tmp_path / "hash", shown, by_day([])).misassigned == 7
    assert measured(experiment(), tmp_path / "external", shown, by_day([])).misassigned is None


def test_cohorts_so_far_see_the_same_people_and_no_metric(tmp_path: Path) -> None:
    spec = experiment()
    shown = by_day([exposure("u", "a", at(0, 1)), exposure("v", "b", at(1, 1)), exposure("w", "b", at(3, 1))])
    built = build(spec, tmp_path, shown, by_day([outcome("u", "visit", at(0, 2))]))
    partitions, period = partitions_of(tmp_path, built), calendar_of(spec).test
    record = recorded(spec, tmp_path, partitions)
    blind, whole = cohorts(spec, period, record.state), measure(spec, record)
    assert blind.cohorts == whole.cohorts
    assert (blind.measured, blind.events_seen) == ((), ())
    assert cohorts(spec, period, recorded(spec, tmp_path, partitions[:1]).state).units() == {"a": 1}


def test_a_phase_without_a_day_says_what_to_do(tmp_path: Path) -> None:
    spec = experiment()
    with pytest.raises(DataError, match="no day yet; aggregate its first day, 2026-03-02"):
        roll_state(spec, calendar_of(spec).test, [], tmp_path)
