from __future__ import annotations

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


def test_during_the_aa_everybody_gets_the_control(tmp_path: Path) -> None:
    versions = {"control": "3", "treatment": "4"}
    truth = truth_of(fallback_rate=0.5, latency_ms={"ratio": {"treatment": 5}})
    simulate(spec_of(), truth, seed=1, root=tmp_path, versions=versions)
    question = "select variant, model_version, fallback, median(latency_ms) < 160 from exposures where "
    assert ask(tmp_path, question + f"not {IN_TEST} group by 1, 2, 3 order by all") == [
        ("control", "3", False, True),
        ("treatment", "3", False, True),
    ]
    assert ("treatment", "4", False, False) in ask(tmp_path, question + f"{IN_TEST} group by 1, 2, 3")
    aa_served = "select distinct model_variant_served from outcomes where timestamp < timestamp '2026-10-08'"
    assert set(ask(tmp_path, aa_served)) == {("control",), (None,)}


def test_units_of_the_aa_come_back_into_their_variant(tmp_path: Path) -> None:
    simulate(spec_of(), truth_of(), seed=1, root=tmp_path)
    back = (
        f"select count(distinct variant) from exposures group by user_id having bool_or({IN_TEST}) "
        f"and bool_or(not {IN_TEST})"
    )
    variants = [count for (count,) in ask(tmp_path, back)]
    assert len(variants) > 300
    assert set(variants) == {1}


def test_outcomes_happen_before_within_and_after_the_window_and_to_strangers(tmp_path: Path) -> None:
    simulate(spec_of(), truth_of(), seed=1, root=tmp_path)
    when = ask(
        tmp_path,
        """
        select case
            when t0 is null then 'stranger'
            when o.timestamp < t0 then 'before'
            when o.timestamp < t0 + interval 3 day then 'within'
            else 'after'
        end as place, count(*)
        from outcomes o
        left join (select user_id, min(timestamp) as t0 from exposures group by 1) using (user_id)
        group by 1
        """,
    )
    assert {place for place, count in when if count > 100} == {"stranger", "before", "within", "after"}
    new_before = (
        "select count(*) from outcomes o join (select user_id, min(timestamp) as t0 from exposures where "
        "is_new_user group by 1) using (user_id) where o.timestamp <= t0"
    )
    assert number(tmp_path, new_before) == 0


def test_traffic_follows_the_weekday(tmp_path: Path) -> None:
    truth = truth_of(units_per_day=2000.0, weekday=[2, 1, 1, 1, 1, 1, 0], returning=0.0)
    simulate(spec_of(), truth, seed=1, root=tmp_path)
    per_day = dict(
        ask(
            tmp_path,
            "select isodow(day), count(*) / count(distinct day) from exposures group by 1",
        )
    )
    assert 7 not in per_day
    assert per_day[1] == pytest.approx(4000, rel=0.06)
    assert all(per_day[weekday] == pytest.approx(2000, rel=0.06) for weekday in range(2, 7))


def test_three_variants_get_their_weights_and_effects(tmp_path: Path) -> None:
    variants = {"a": {"weight": 2}, "b": {"weight": 1}, "c": {"weight": 1}}
    truth = truth_of(units_per_day=1000.0, effects={"converted": {"b": 0.5, "c": -0.5}})
    spec = spec_of(variants=variants, model=None)
    summary = simulate(spec, truth, seed=1, root=tmp_path)
    total = sum(summary.enrolled_units.values())
    for name, share in (("a", 0.5), ("b", 0.25), ("c", 0.25)):
        assert near(summary.enrolled_units[name] / total, share, total)
    promised = summary.expected["converted"]
    assert promised["b"] / promised["a"] == pytest.approx(1.5)
    assert promised["c"] / promised["a"] == pytest.approx(0.5)
    propensities = ask(
        tmp_path,
        f"select distinct variant, variant_propensity, model_version from exposures where {IN_TEST} order by 1",
    )
    assert propensities == [("a", 0.5, "a"), ("b", 0.25, "b"), ("c", 0.25, "c")]


def test_enrolled_units_are_those_in_the_log(tmp_path: Path) -> None:
    summary = simulate(spec_of(), truth_of(skew=0.1, late_rate=0.1), seed=1, root=tmp_path)
    found = ask(
        tmp_path,
        f"""
        select variant, count(*) from (
            select arg_min(variant, timestamp) as variant, min(timestamp) as t0
            from exposures where {IN_TEST} group by user_id
        ) where t0 < timestamp '2026-10-15' group by variant
        """,
    )
    assert dict(found) == summary.enrolled_units


def test_external_assignment_keeps_a_unit_in_one_variant(tmp_path: Path) -> None:
    simulate(spec_of(assignment="external"), truth_of(), seed=1, root=tmp_path)
    users = ask(tmp_path, "select user_id, any_value(variant), count(distinct variant) from exposures group by 1")
    assert {count for _, _, count in users} == {1}
    same = sum(variant == variant_of(user, spec_of()) for user, variant, _ in users)
    assert near(same / len(users), 0.5, len(users))
