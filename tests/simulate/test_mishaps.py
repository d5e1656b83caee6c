from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from abflow.simulate.simulation import simulate
from abflow.spec.assignment import variant_of
from tests.simulate.worlds import (
    IN_TEST,
    ask,
    near,
    number,
    spec_of,
    truth_of,
)


def test_without_mishaps_every_row_stands_in_its_own_day_and_every_id_once(tmp_path: Path) -> None:
    summary = simulate(spec_of(), truth_of(), seed=1, root=tmp_path)
    for log, name in (("shadow", "request_id"), ("exposures", "request_id"), ("outcomes", "event_id")):
        assert number(tmp_path, f"select count(*) from {log} where timestamp::date <> day") == 0
        assert number(tmp_path, f"select count(*) - count(distinct {name}) from {log}") == 0
    assert set(summary.late.values()) == set(summary.duplicated.values()) == {0}
    assert summary.crossed_units == summary.lost_units == 0


def test_late_rows_stand_in_the_next_days_file(tmp_path: Path) -> None:
    summary = simulate(spec_of(), truth_of(late_rate=0.05), seed=1, root=tmp_path)
    for log in ("exposures", "outcomes"):
        late = number(tmp_path, f"select count(*) from {log} where day = timestamp::date + 1")
        assert late == summary.late[log]
        assert number(tmp_path, f"select count(*) from {log} where timestamp::date not in (day, day - 1)") == 0
        could = number(tmp_path, f"select count(*) from {log} where timestamp < timestamp '2026-10-17'")
        assert near(late / could, 0.05, could)


@pytest.mark.parametrize(("log", "key"), [("exposures", "request_id"), ("outcomes", "event_id")])
def test_repeated_rows_keep_their_id_and_their_day(tmp_path: Path, log: str, key: str) -> None:
    summary = simulate(spec_of(), truth_of(duplicate_rate=0.05), seed=1, root=tmp_path)
    once = number(tmp_path, f"select count(distinct {key}) from {log}")
    repeats = ask(
        tmp_path,
        f"select count(distinct user_id), count(distinct timestamp::date), max(timestamp) - min(timestamp) "
        f"from {log} group by {key} having count(*) > 1",
    )
    assert len(repeats) == summary.duplicated[log]
    assert near(len(repeats) / once, 0.05, once)
    zero = timedelta(0)
    assert all(row[:2] == (1, 1) and zero < row[2] <= timedelta(seconds=5) for row in repeats)


def test_crossed_units_are_seen_in_two_variants_and_first_in_their_own(tmp_path: Path) -> None:
    summary = simulate(spec_of(), truth_of(crossed_rate=0.05), seed=1, root=tmp_path)
    units = ask(
        tmp_path,
        "select user_id, count(distinct variant), arg_min(variant, timestamp) from exposures group by 1",
    )
    crossed = sum(variants == 2 for _, variants, _ in units)
    assert crossed == summary.crossed_units
    assert near(crossed / len(units), 0.05, len(units))
    assert all(first == variant_of(user, spec_of()) for user, _, first in units)


@pytest.mark.parametrize(("phase", "in_aa", "in_test"), [("both", 0.2, 0.2), ("aa", 0.2, 0), ("test", 0, 0.2)])
def test_lost_exposures_skew_the_sample_ratio(tmp_path: Path, phase: str, in_aa: float, in_test: float) -> None:
    simulate(spec_of(), truth_of(), seed=1, root=tmp_path / "whole")
    summary = simulate(spec_of(), truth_of(skew=0.2, skew_phase=phase), seed=1, root=tmp_path / "lossy")
    for when, lost in ((f"not {IN_TEST}", in_aa), (IN_TEST, in_test)):
        question = f"select count(distinct user_id) from exposures where {when} and variant = "
        whole, lossy = (number(tmp_path / f, question + "'treatment'") for f in ("whole", "lossy"))
        assert lossy == whole if lost == 0 else near(1 - lossy / whole, lost, whole)
        controls = [number(tmp_path / f, question + "'control'") for f in ("whole", "lossy")]
        assert controls[0] == controls[1]
    assert summary.lost_units > 0
    assert number(tmp_path / "lossy", "select count(*) from outcomes") == number(
        tmp_path / "whole", "select count(*) from outcomes"
    )


def test_failed_calls_have_no_latency_and_are_as_many_as_told(tmp_path: Path) -> None:
    truth = truth_of(error_rate=0.05, error_ratio={"treatment": 2})
    simulate(spec_of(), truth, seed=1, root=tmp_path)
    rates = ask(
        tmp_path,
        f"select variant, {IN_TEST}, avg((error is not null)::int), count(*) from exposures group by all",
    )
    for variant, in_test, rate, n in rates:
        assert near(rate, 0.1 if in_test and variant == "treatment" else 0.05, n)
    assert number(tmp_path, "select count(*) from exposures where (error is not null) <> (latency_ms = -1)") == 0


def test_a_fallback_keeps_the_variant_and_names_the_version_that_answered(tmp_path: Path) -> None:
    simulate(spec_of(), truth_of(fallback_rate=0.1), seed=1, root=tmp_path)
    served = ask(
        tmp_path,
        f"select variant, fallback, model_version, count(*) from exposures where {IN_TEST} group by all order by all",
    )
    assert [row[:3] for row in served] == [
        ("control", False, "@champion"),
        ("treatment", False, "@challenger"),
        ("treatment", True, "@champion"),
    ]
    treated, fallen = served[1][3], served[2][3]
    assert near(fallen / (treated + fallen), 0.1, treated + fallen)


def test_a_lost_unit_leaves_no_trace_in_another_variant_either(tmp_path: Path) -> None:
    simulate(spec_of(), truth_of(skew=1.0, crossed_rate=1.0), seed=1, root=tmp_path)
    users = [user for (user,) in ask(tmp_path, "select distinct user_id from exposures")]
    assert len(users) > 1000
    assert {variant_of(user, spec_of()) for user in users} == {"control"}
