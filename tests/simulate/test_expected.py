"""The truth that is promised is the one that is found, by SQL that knows nothing of how logs are drawn."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from abflow.simulate.enrolment import expected_enrolment
from abflow.simulate.expected import expected
from abflow.simulate.simulation import simulate
from tests.simulate.worlds import CONVERTED, REVENUE, TEST, ask, number, spec_of, truth_of

SECONDARY = {"role": "secondary"}
METRICS: dict[str, Any] = {
    "converted": CONVERTED,
    "converted_ever": {"kind": "proportion", "event": "purchase", **SECONDARY},
    "revenue": REVENUE,
    "revenue_ever": {"kind": "mean", "event": "purchase", "value": "value", **SECONDARY},
    "clicks": {"kind": "count", "event": "click", "window_days": 2, **SECONDARY},
    "ctr": {"kind": "ratio", "numerator": "click", "denominator": "exposures", "window_days": 3, **SECONDARY},
    "ctr_ever": {"kind": "ratio", "numerator": "click", "denominator": "exposures", **SECONDARY},
    "p90": {"kind": "quantile", "value": "latency_ms", "q": 0.9, **SECONDARY},
    "big": {
        "kind": "quantile",
        "source": "outcomes",
        "event": "purchase",
        "value": "value",
        "q": 0.8,
        **SECONDARY,
    },
}
EFFECTS = {
    "converted": {"treatment": 0.8},
    "revenue": {"treatment": -0.5},
    "clicks": {"treatment": 1.5},
    "p90": {"treatment": 0.5},
}
RATES: dict[str, Any] = {
    "units_per_day": 3000.0,
    "established_share": 0.4,
    "returning": 1.0,
    "active_days": 5.0,
    "events": {
        "purchase": {
            "share": 0.5,
            "per_day": 0.4,
            "established_ratio": 2.0,
            "value": {"kind": "lognormal", "mu": 1.0, "sigma": 0.6},
        },
        "click": {"share": 0.7, "per_day": 1.5},
    },
    "effects": EFFECTS,
    "fallback_rate": 0.2,
    "weekday": [1, 1, 1, 1, 1, 0.5, 0.5],
}
END = "timestamp '2026-10-18'"
PER_UNIT = f"""
with first as (
    select user_id, arg_min(variant, timestamp) as variant, min(timestamp) as t0
    from exposures where timestamp >= timestamp '2026-10-08' group by user_id
),
unit as (
    select *, coalesce(t0 + interval ($days) day, {END}) as until
    from first where t0 < timestamp '2026-10-15'
)
select variant, avg(x) as mean, stddev_samp(x) / sqrt(count(*)) as se from (
    select unit.variant, unit.user_id, $of as x from unit left join $log as log
        on log.user_id = unit.user_id and log.timestamp >= t0 and log.timestamp < until and $only
    group by unit.variant, unit.user_id
) group by variant order by variant
"""


def _found(root: Path, of: str, log: str, only: str, days: int | None) -> dict[str, tuple[float, float]]:
    """Mean and standard error per unit, by variant."""
    question = PER_UNIT
    for name, text in (("$days", "null" if days is None else str(days)), ("$of", of), ("$log", log)):
        question = question.replace(name, text)
    return {variant: (mean, se) for variant, mean, se in ask(root, question.replace("$only", only))}


def _assert_near(found: dict[str, tuple[float, float]], promised: dict[str, float]) -> None:
    assert set(found) == set(promised)
    for variant, (mean, se) in found.items():
        assert abs(mean - promised[variant]) < 4 * se, (variant, mean, se, promised)


@pytest.mark.slow
@pytest.mark.parametrize("novelty", [0.0, 1.5])
def test_every_promised_value_is_found_in_a_large_simulation(tmp_path: Path, novelty: float) -> None:
    spec, truth = spec_of(metrics=METRICS), truth_of(**RATES, novelty=novelty)
    promised = simulate(spec, truth, seed=11, root=tmp_path).expected
    bought, clicked = "event_type = 'purchase'", "event_type = 'click'"
    reached, spent = "count(event_id) > 0", "coalesce(sum(value), 0)"
    for name, of, days in (
        ("converted", f"({reached})::int", 3),
        ("converted_ever", f"({reached})::int", None),
    ):
        _assert_near(_found(tmp_path, of, "outcomes", bought, days), promised[name])
    for name, days in (("revenue", 3), ("revenue_ever", None)):
        _assert_near(_found(tmp_path, spent, "outcomes", bought, days), promised[name])
    _assert_near(_found(tmp_path, "count(event_id)", "outcomes", clicked, 2), promised["clicks"])
    for name, days in (("ctr", 3), ("ctr_ever", None)):
        clicks = _found(tmp_path, "count(event_id)", "outcomes", clicked, days)
        requests = _found(tmp_path, "count(request_id)", "exposures", "true", days)
        ratio = {
            variant: (
                mean / requests[variant][0],
                math.hypot(se / mean, requests[variant][1] / requests[variant][0]),
            )
            for variant, (mean, se) in clicks.items()
        }
        _assert_near({v: (value, value * spread) for v, (value, spread) in ratio.items()}, promised[name])


@pytest.mark.slow
def test_promised_quantiles_are_found_in_a_large_simulation(tmp_path: Path) -> None:
    spec, truth = spec_of(metrics=METRICS), truth_of(**RATES)
    promised = simulate(spec, truth, seed=12, root=tmp_path).expected
    slow = ask(
        tmp_path,
        "select variant, quantile_cont(latency_ms, 0.9) from exposures "
        "where timestamp >= timestamp '2026-10-08' group by variant",
    )
    # 0.9-quantile of about 70 000 units' rows: its standard error is near 0.4 %.
    assert dict(slow) == pytest.approx(promised["p90"], rel=0.015)
    big = ask(
        tmp_path,
        "select model_variant_served, quantile_cont(value, 0.8) from outcomes where event_type = 'purchase' "
        "and timestamp >= timestamp '2026-10-08' and model_variant_served = 'treatment' group by 1",
    )
    assert big[0][1] == pytest.approx(promised["big"]["treatment"], rel=0.015)


@pytest.mark.slow
def test_units_enter_the_test_when_they_are_expected_to(tmp_path: Path) -> None:
    spec, truth = spec_of(), truth_of(**{**RATES, "effects": {}, "events": {}})
    simulate(spec, truth, seed=13, root=tmp_path)
    first = (
        "select date_diff('day', date '2026-10-08', t0::date), count(*) "
        "from (select min(timestamp) as t0 from exposures where timestamp >= timestamp '2026-10-08' "
        "group by user_id) where t0 < timestamp '2026-10-15' "
        "group by 1 order by 1"
    )
    per_day = expected_enrolment(spec, truth).reshape(-1, 24).sum(axis=1)
    found = ask(tmp_path, first)
    assert [day for day, _ in found] == list(range(7))
    for (_, units), promised in zip(found, per_day, strict=True):
        assert abs(units - promised) < 4.5 * promised**0.5


def test_one_lever_alone_moves_its_metric_by_the_effect() -> None:
    metrics = {name: METRICS[name] for name in ("converted", "revenue", "clicks", "ctr", "p90")}
    for name in metrics:
        effects = {name: {"treatment": 0.07}}
        promised = expected(spec_of(metrics=metrics), truth_of(effects=effects))[name]
        assert promised["treatment"] / promised["control"] == pytest.approx(1.07), name


def test_a_proportion_is_what_the_poisson_process_says() -> None:
    truth = truth_of(
        established_share=0.0,
        events={"purchase": {"share": 0.5, "per_day": 0.2, "value": {"kind": "lognormal", "mu": 0, "sigma": 0}}},
    )
    promised = expected(spec_of(), truth)
    assert promised["converted"]["control"] == pytest.approx(0.5 * (1 - math.exp(-0.6)))
    assert promised["revenue"]["control"] == pytest.approx(0.5 * 0.2 * 3)


def test_novelty_wears_off() -> None:
    effects = {"converted": {"treatment": 0.2}, "revenue": {"treatment": 0.2}}

    def lift(novelty: float, metric: str) -> float:
        promised = expected(spec_of(), truth_of(effects=effects, novelty=novelty))[metric]
        return promised["treatment"] / promised["control"] - 1

    for metric in ("converted", "revenue"):
        lifts = [lift(days, metric) for days in (0.1, 1.0, 10.0, 1000.0)]
        assert lifts == sorted(lifts)
        assert 0 < lifts[0] < 0.05
        assert lifts[-1] == pytest.approx(lift(0.0, metric), rel=0.01)


@pytest.mark.parametrize("effect", [-0.3, 0.3])
def test_a_share_that_changes_with_age_is_integrated_right(effect: float) -> None:
    """Against plain arithmetic: a unit acts while its disposition is below share * (1 + effect * decay)."""
    truth = truth_of(
        established_share=0.0,
        events={"purchase": {"share": 0.5, "per_day": 0.4}},
        effects={"converted": {"treatment": effect}},
        novelty=1.0,
    )
    steps, dispositions = 1000, 1000
    reached = 0.0
    for at in range(dispositions):
        disposition = (at + 0.5) / dispositions
        ages = ((step + 0.5) * 3 / steps for step in range(steps))
        acting = sum(disposition < 0.5 * (1 + effect * 0.5**age) for age in ages) * 3 / steps
        reached += (1 - math.exp(-0.4 * acting)) / dispositions
    promised = expected(spec_of(), truth)["converted"]["treatment"]
    assert promised == pytest.approx(reached, rel=2e-3)


def test_a_capped_metric_is_left_out_rather_than_guessed() -> None:
    metrics = {"converted": CONVERTED, "revenue": {**REVENUE, "cap": "p99.9"}}
    assert set(expected(spec_of(metrics=metrics), truth_of())) == {"converted"}


def test_without_an_aa_phase_only_newcomers_enter() -> None:
    skipped = {"skip": "measured before"}
    phases = {"shadow": skipped, "aa": skipped, "test": {**TEST, "start": date(2026, 10, 5)}}
    per_day = expected_enrolment(spec_of(phases=phases), truth_of(weekday=[1, 1, 1, 1, 1, 1, 1]))
    assert per_day.reshape(-1, 24).sum(axis=1) == pytest.approx([300.0] * 7)


def test_the_effect_is_found_where_it_was_put(tmp_path: Path) -> None:
    effects = {"converted": {"treatment": 0.2}}
    simulate(spec_of(), truth_of(units_per_day=1500.0, effects=effects), seed=3, root=tmp_path)
    found = _found(tmp_path, "(count(event_id) > 0)::int", "outcomes", "event_type = 'purchase'", 3)
    (control, se_c), (treatment, se_t) = found["control"], found["treatment"]
    assert abs(treatment - 1.2 * control) < 4 * math.hypot(se_t, 1.2 * se_c)
    assert treatment - control > 4 * math.hypot(se_t, se_c)
    in_aa = number(
        tmp_path,
        """
        with units as (
            select user_id, any_value(variant) as variant
            from exposures where day < date '2026-10-08' group by user_id
        ),
        rates as (
            select variant, count(o.user_id) / count(distinct units.user_id) as rate
            from units left join outcomes o on o.user_id = units.user_id and o.day < date '2026-10-08'
            group by variant
        )
        select max(rate) filter (variant = 'treatment') / max(rate) filter (variant = 'control') from rates
        """,
    )
    assert in_aa == pytest.approx(1, abs=0.1)
