"""The planning table: numbers by hand, and the answers in words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.stats import norm

from abflow.analysis.inflow import Duration
from abflow.analysis.measurement import Assumed, Assumptions
from abflow.analysis.plan_table import PlanRow, PlanTable, plan_table
from abflow.analysis.sizing import Sizing, size_test
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, ERRORS, FIRST, SPENT, spec_of

NO_AA: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"skip": "measured elsewhere"},
    "test": {"start": FIRST, "enroll_days": 14, "days": 14},
}
KNOWN = {"bought": Assumed(mean=0.10), "errors": Assumed(mean=0.01), "spent": Assumed(mean=20.0, sd=50.0)}
LOSS = {"role": "guardrail", "kind": "mean", "event": "purchase", "value": "value", "margin": {"absolute": -5.0}}
Z = 1.959964 + 0.841621


def sized(spec: ExperimentSpec, per_day: float | None = 1000.0, **baselines: Assumed) -> Sizing:
    days = spec.phases.test.days
    return size_test(
        spec, None, None, days=days, assumed=Assumptions(baselines=KNOWN | baselines, units_per_day=per_day)
    )


def planned(spec: ExperimentSpec, per_day: float | None = 1000.0) -> PlanTable:
    return plan_table(spec, sized(spec, per_day))


def row(table: PlanTable, metric: str) -> PlanRow:
    return next(each for each in table.rows if each.metric == metric)


def test_a_primary_alone_reads_like_the_textbook() -> None:
    table = planned(spec_of(phases=NO_AA))
    # 3 840.85 per arm (Fleiss, Levin, Paik 2003), rounded up once for both arms together.
    assert (table.needed, table.needed_by_arm) == (7682, {"old": 3841, "new": 3841})
    got = row(table, "bought")
    assert (got.alone, got.size, got.relative, got.baseline, got.sd) == (7682, 0.02, False, 0.10, None)
    assert (got.role, got.kind, got.asks, got.source, got.factor, got.pays_for) == (
        "primary",
        "proportion",
        "effect",
        "assumed",
        1.0,
        "",
    )
    assert got.power == pytest.approx(0.8, abs=1e-4)
    assert table.enough
    assert table.takes == Duration(enroll_days=14, days=14)
    assert table.sentences[0] == (
        "Finding a change of 2.00 pp on bought with 80 % power takes 7 682 units: 3 841 in old, 3 841 in new."
    )
    assert table.sentences[1].startswith("14 000 units are expected in 14 days of enrolment (assumed), 182 % of that.")


def test_a_small_test_says_what_is_within_reach_how_long_it_takes_and_what_halves_it() -> None:
    table = planned(spec_of({"spent": SPENT}, phases=NO_AA), 200)
    # 4 · (z · 50 / 2)² = 19 624; 2 800 come in 14 days, and 19 624 in 99.
    assert (table.needed, table.expected, table.enough) == (19_623, 2_800, False)
    assert table.takes == Duration(enroll_days=105, days=105)
    reach = Z * 50 * math.sqrt(4 / 2_800)
    assert row(table, "spent").detectable == pytest.approx(reach, rel=1e-5)
    told = " ".join(table.sentences)
    assert f"The smallest change that can be found on spent in the planned days is {reach:.4g}." in told
    assert "takes 105 days in all, where the file plans 14: phases.test: {enroll_days: 105, days: 105}." in told
    # Half of the units show an effect sqrt(2) times as large.
    assert "Half of the units would do for 2.828 instead, or with analysis.cuped" in told


def test_a_bandits_plan_promises_nothing_that_moving_weights_do_not_keep() -> None:
    told = " ".join(planned(spec_of({"spent": SPENT}, phases=NO_AA, allocation="thompson"), 20_000).sentences)
    assert " With weights that stay, that is enough: the power is at least " in told
    assert "--simulate 1000 counts how often" in told
    assert "cuped" not in told  # the days are read one by one, without history


def test_guardrails_share_the_misses_of_the_decision() -> None:
    spec = spec_of({"spent": SPENT, "loss": LOSS}, phases=NO_AA)
    sizing = sized(spec, loss=Assumed(mean=20.0, sd=50.0))
    table = plan_table(spec, sizing)
    assert sum(1 - (each.power or 0) for each in table.rows) == pytest.approx(0.2, abs=1e-4)
    assert "while 1 guardrail holds" in table.sentences[0]


def test_a_guardrail_that_takes_all_the_power_is_named() -> None:
    tight = LOSS | {"margin": {"absolute": -0.5}}
    spec = spec_of({"spent": SPENT, "loss": tight}, phases=NO_AA)
    table = plan_table(spec, sized(spec, loss=Assumed(mean=20.0, sd=50.0)))
    told = " ".join(table.sentences)
    margin = (1.644854 + 0.841621) * 50 * math.sqrt(4 / 14_000)
    assert f"loss stands in the way, because by itself it can show no margin below {margin:.4g} there" in told
    assert "no power can be promised" in told
    assert table.power_with_expected == 0


def test_windows_lengthen_the_test_beyond_its_enrolment() -> None:
    phases = NO_AA | {"test": {"start": FIRST, "enroll_days": 14, "days": 17}}
    table = planned(spec_of({"bought": BOUGHT | {"window_days": 3}}, phases=phases), 500)
    assert table.takes == Duration(enroll_days=21, days=24)
    assert "takes 21 days of enrolment and 24 days in all" in " ".join(table.sentences)


def test_several_arms_share_units_and_alpha() -> None:
    table = planned(spec_of(arms=2, phases=NO_AA))
    assert table.arm_alpha == 0.025
    assert list(table.needed_by_arm) == ["old", "new", "newer"]
    assert sum(table.needed_by_arm.values()) == pytest.approx(table.needed, abs=3)


def test_the_methods_factor_is_named() -> None:
    spec = spec_of({"bought": BOUGHT, "errors": ERRORS}, phases=NO_AA, analysis={"method": "always_valid"})
    table = planned(spec)
    assert row(table, "bought").factor == 1.92
    assert row(table, "bought").alone == math.ceil(1.92 * 7681.70)
    assert row(table, "bought").pays_for == "times 1.92, because it may be read every day"
    assert row(table, "errors").pays_for == "times 2.12, because it may be shown at every look"


def test_history_and_method_multiply() -> None:
    spec = spec_of({"spent": SPENT}, phases=NO_AA, analysis={"method": "always_valid", "cuped": {"days": 14}})
    assumed = Assumptions(baselines=KNOWN, units_per_day=1000, correlation=0.5)
    table = plan_table(spec, size_test(spec, None, None, days=14, assumed=assumed))
    assert row(table, "spent").factor == pytest.approx(1.92 * 0.75)
    assert row(table, "spent").pays_for.endswith("times 0.75 for CUPED (correlation 0.5, assumed)")
    assert "analysis.cuped" not in table.sentences[-1]  # it is on already


@pytest.mark.parametrize("looks", [None, [5, 10]])
def test_a_posterior_is_told_what_its_rule_does(looks: list[int] | None) -> None:
    analysis = {"method": "bayesian"} | ({"looks": looks} if looks else {})
    table = planned(spec_of(phases=NO_AA, analysis=analysis))
    assert table.prospects is not None
    assert table.prospects.false_promotion_rate <= 0.025 + 1e-9
    # The normal approximation of a rate under its effect: a little more noise than without.
    assert table.prospects.power == pytest.approx(0.8, abs=0.003)
    threshold = "0.9890" if looks else "0.9750"
    assert f"P(better) >= {threshold}" in table.sentences[-1]
    assert planned(spec_of(phases=NO_AA)).prospects is None


def test_a_test_with_planned_looks_is_told_when_it_ends() -> None:
    metric = SPENT | {"window_days": 1}
    phases = NO_AA | {"test": {"start": FIRST, "enroll_days": 14, "days": 15}}
    spec = spec_of({"spent": metric}, phases=phases, analysis={"method": "group_sequential", "looks": [8]})
    table = planned(spec, 2000)
    assert table.stops is not None
    assert table.needed is not None
    assert table.stops.fractions == (0.5, 1.0)
    # Half of the units are mature on day 8. Standard software: 2.9626 there, 1.9686 at the end.
    drift = 2 / (50 * math.sqrt(4 / table.needed))
    early = norm.sf(2.9626 - drift * math.sqrt(0.5)) + norm.cdf(-2.9626 - drift * math.sqrt(0.5))
    assert table.stops.with_effect == pytest.approx((early, 1 - early), abs=1e-4)
    assert table.stops.without == pytest.approx((0.00305, 0.99695), abs=1e-5)
    assert table.stops.units_with_effect == pytest.approx(table.needed * (1 - early / 2), rel=1e-4)
    assert table.stops.units_without == pytest.approx(table.needed * (1 - 0.00305 / 2), rel=1e-4)
    assert table.sentences[-1] == (
        "Read at 2 looks, the primary alone ends the test after 18 080 units on average with the planned effect "
        "(look by look: 16 %, 84 %), and after 19 666 without any."
    )
    assert planned(spec_of(phases=NO_AA)).stops is None


def test_do_no_harm_speaks_of_a_loss() -> None:
    spec = spec_of({"spent": SPENT | {"margin": {"absolute": -5.0}}}, phases=NO_AA, analysis={"preset": "do_no_harm"})
    table = planned(spec, 50)
    assert row(table, "spent").asks == "margin"
    told = " ".join(table.sentences)
    assert told.startswith("Ruling out a loss of 5 on spent")
    assert "The smallest loss that can be ruled out on spent in the planned days is" in told


def test_what_is_missing_is_said_instead_of_numbers() -> None:
    spec = spec_of({"bought": BOUGHT, "errors": ERRORS}, phases=NO_AA)
    assumed = Assumptions(baselines={"bought": Assumed(mean=0.1)})
    table = plan_table(spec, size_test(spec, None, None, days=14, assumed=assumed))
    assert (table.needed, table.takes, table.enough, table.expected) == (None, None, None, None)
    assert [each.metric for each in table.rows] == ["bought"]
    assert row(table, "bought").alone is None
    assert "errors cannot be sized" in " ".join(table.sentences)
    assert len(table.missing) == 1


def test_without_an_inflow_there_is_a_size_and_no_calendar() -> None:
    table = planned(spec_of(phases=NO_AA), None)
    assert (table.needed, table.expected, table.takes, table.enough) == (7682, None, None, None)
    assert "How many units come is not known yet" in table.sentences[-1]
    assert row(table, "bought").detectable is None


def test_do_no_harm_counts_equal_versions_that_are_called_worse() -> None:
    # A3 stands before A8: with a guardrail that needs far more units, 2.5 % are still lost on the primary.
    primary = BOUGHT | {"margin": {"absolute": -0.03}}
    spec = spec_of({"bought": primary, "errors": ERRORS}, phases=NO_AA, analysis={"preset": "do_no_harm"})
    table = planned(spec)
    assert row(table, "bought").power == 0.975
    assert row(table, "errors").power == pytest.approx(0.825, abs=1e-3)
    gain = planned(spec_of({"bought": BOUGHT, "errors": ERRORS}, phases=NO_AA))
    assert all((each.power or 0) < 1 for each in gain.rows)
