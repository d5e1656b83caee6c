"""The sample-size gate against textbook sizes and curves worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import optimize, stats

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Cohort, Measured
from abflow.analysis.sizing import Sizing, size_test
from abflow.spec.calendar import Period, Phase
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import EMPTY, Moments
from tests.analysis.experiments import (
    BOUGHT,
    ERRORS,
    FIRST,
    SPENT,
    arms_of,
    cohort,
    measured,
    population_of,
    rate,
    spec_of,
)

WEEK = Period(Phase.AA, FIRST, 7, 7)
NO_AA: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"skip": "measured elsewhere"},
    "test": {"start": FIRST, "enroll_days": 14, "days": 14},
}
DECLARED = {"value": 0.10, "units_per_day": 1000, "source": "last quarter's dashboard"}
LOSS = {"role": "guardrail", "kind": "mean", "event": "purchase", "value": "value", "margin": {"absolute": -5.0}}
Z_TWO_SIDED, Z_ONE_SIDED, Z_POWER, Z_HALF_ALPHA = 1.959964, 1.644854, 0.841621, 2.241403
STEADY = tuple(cohort(name, 1000, day=day) for day in range(1, 8) for name in ("old", "new"))


def with_sd(sd: float, *, n: int = 5000, mean: float = 20.0) -> Moments:
    """Two such arms together have this standard deviation, n - 1 and all."""
    return Moments(n=n, mean=mean, m2=sd * sd * (2 * n - 1) / 2)


def sized(spec: ExperimentSpec, *found: Measured, cohorts: tuple[Cohort, ...] = STEADY) -> Sizing:
    return size_test(spec, population_of(*found, cohorts=cohorts), WEEK, days=14)


def row(sizing: Sizing, name: str = "sample size") -> Check:
    return next(check for check in sizing.checks if check.name == name)


# How many are needed


@pytest.mark.parametrize(
    ("baseline", "change", "per_arm"),
    [
        # Textbook sizes, pooled form, .05 two-sided, 80 %: 3 840.85, 8 157.73, 1 093.74, 14 750.79, 6 867.03.
        (0.10, 0.02, 3841),
        (0.05, 0.01, 8158),
        (0.20, 0.05, 1094),
        (0.10, 0.01, 14_751),
        (0.18, -0.018, 6868),
    ],
)
def test_two_rates_need_the_textbook_size(baseline: float, change: float, per_arm: int) -> None:
    more = "increase" if change > 0 else "decrease"
    spec = spec_of({"bought": BOUGHT | {"direction": more, "mde": {"absolute": change}}})
    sizing = sized(spec, *arms_of("bought", *[rate(round(baseline * 5000), 5000)] * 2))
    numbers = row(sizing).numbers
    assert (numbers["needed_control"], numbers["needed_treatment"]) == (per_arm, per_arm)
    assert sizing.needed == numbers["needed"]
    assert sizing.needed in (2 * per_arm - 1, 2 * per_arm)  # rounded up once, for both arms together


def test_a_relative_effect_is_a_share_of_what_the_aa_phase_measured() -> None:
    # Kohavi et al.: 5 % conversion, 5 % relative; 122 123 per arm, before rounding up.
    spec = spec_of({"bought": BOUGHT | {"mde": {"relative": 0.05}}})
    sizing = sized(spec, *arms_of("bought", rate(250, 5000), rate(250, 5000)))
    assert row(sizing).numbers["needed_control"] == pytest.approx(122_123, abs=1)


def test_a_mean_needs_twice_the_squared_ratio_of_noise_to_signal() -> None:
    spec = spec_of({"spent": SPENT | {"mde": {"absolute": 5.0}}})
    sizing = sized(spec, *arms_of("spent", with_sd(50), with_sd(50)))
    per_arm = 2 * ((Z_TWO_SIDED + Z_POWER) * 50 / 5) ** 2  # 1 569.8
    assert sizing.needed == math.ceil(2 * per_arm)


def test_baseline_and_spread_are_pooled_over_arms_of_different_size() -> None:
    # 10 and 30 of 2 000 and 6 000 units: together the mean is 25.
    spec = spec_of({"spent": SPENT})
    arms = arms_of("spent", Moments(n=2000, mean=10.0, m2=100.0), Moments(n=6000, mean=30.0, m2=300.0))
    size = row(sized(spec, *arms), "size of spent")
    assert size.numbers["baseline"] == 25
    variance = (400 + 20**2 * 2000 * 6000 / 8000) / 7999
    assert size.numbers["alone"] == math.ceil(4 * ((Z_TWO_SIDED + Z_POWER) / 2) ** 2 * variance)


def test_do_no_harm_needs_what_rules_out_the_margin_at_no_difference() -> None:
    spent = SPENT | {"margin": {"absolute": -5.0}}
    spec = spec_of({"spent": spent}, analysis={"preset": "do_no_harm"})
    sizing = sized(spec, *arms_of("spent", with_sd(50), with_sd(50)))
    assert sizing.needed == math.ceil(4 * ((Z_ONE_SIDED + Z_POWER) * 50 / 5) ** 2)  # 2 473.03
    assert row(sizing).sentence.startswith("Ruling out a loss of 5 on spent with 80 % power takes 1 237 units in old")


def guarded(sized_too: dict[str, Any]) -> Sizing:
    spec = spec_of({"loss": LOSS | sized_too, "spent": SPENT | {"mde": {"absolute": 5.0}}})
    same = [with_sd(50), with_sd(50)]
    return sized(spec, *arms_of("spent", *same), *arms_of("loss", *same))


def test_guardrails_add_to_the_need() -> None:
    def misses(per_arm: float) -> float:
        signal = 5 / (50 * math.sqrt(2 / per_arm))
        return float(stats.norm.sf(signal - Z_TWO_SIDED) + stats.norm.sf(signal - Z_ONE_SIDED)) - 0.2

    needed = optimize.brentq(misses, 100, 10_000)
    sizing = guarded({})
    assert sizing.needed == pytest.approx(2 * needed, abs=1)
    assert "on spent and 1 guardrail with 80 % power" in row(sizing).sentence
    # Each alone would need less, and the sum of their misses is what is allowed.
    own = [row(sizing, f"size of {name}").numbers for name in ("spent", "loss")]
    assert [numbers["alone"] for numbers in own] == [3140, 2474]
    assert sum(1 - numbers["power"] for numbers in own) == pytest.approx(0.2, abs=1e-4)


def test_a_guardrail_that_is_not_sized_adds_nothing() -> None:
    sizing = guarded({"sized": False, "why": "a rough alarm only"})
    assert sizing.needed == 3140
    assert [check.name for check in sizing.checks] == ["sample size", "size of spent"]


def test_secondaries_are_never_sized() -> None:
    visits = {"role": "secondary", "kind": "count", "event": "visit"}
    sizing = sized(spec_of({"visits": visits, "bought": BOUGHT}), *arms_of("bought", rate(500, 5000), rate(500, 5000)))
    assert sizing.needed == 7682


def test_only_a_guardrail_may_be_left_out_of_the_sizing() -> None:
    with pytest.raises(ValueError, match="sized: false is for guardrails only"):
        spec_of({"bought": BOUGHT | {"sized": False, "why": "nobody asked"}})


def test_three_arms_pay_for_alpha_and_share_the_units() -> None:
    spec = spec_of({"spent": SPENT | {"mde": {"absolute": 5.0}}}, arms=2)
    arms = arms_of("spent", *[Moments(n=5000, mean=20.0, m2=2500 * 14_999 / 3)] * 3)
    # Shares of 10 000 buckets: 3 333, 3 334, 3 333; the arm with the fewest needs the most.
    total = ((Z_HALF_ALPHA + Z_POWER) * 10) ** 2 * (1 / 0.3333 + 1 / 0.3333)
    assert sized(spec, *arms).needed == pytest.approx(total, abs=1.01)


def test_uneven_weights_need_more_units_in_all() -> None:
    variants = {"old": {"weight": 4}, "new": {"weight": 1}}
    spec = spec_of({"spent": SPENT | {"mde": {"absolute": 5.0}}}, variants=variants)
    sizing = sized(spec, *arms_of("spent", with_sd(50), with_sd(50)))
    total = ((Z_TWO_SIDED + Z_POWER) * 10) ** 2 * (1 / 0.8 + 1 / 0.2)  # 4 905.5
    assert sizing.needed == math.ceil(total)
    numbers = row(sizing).numbers
    assert (numbers["needed_control"], numbers["needed_treatment"]) == (3925, 982)


def test_the_arm_with_the_fewest_units_decides() -> None:
    variants = {"old": {"weight": 0.5}, "new": {"weight": 0.4}, "newer": {"weight": 0.1}}
    spec = spec_of({"spent": SPENT | {"mde": {"absolute": 5.0}}}, variants=variants)
    arms = arms_of("spent", *[Moments(n=5000, mean=20.0, m2=2500 * 14_999 / 3)] * 3)
    sizing = sized(spec, *arms)
    total = ((Z_HALF_ALPHA + Z_POWER) * 10) ** 2 * (1 / 0.5 + 1 / 0.1)  # 11 406
    assert sizing.needed == math.ceil(total)
    assert row(sizing).numbers["needed_treatment"] == math.ceil(math.ceil(total) * 0.1)


def test_guardrails_are_sized_without_a_price_for_the_arms() -> None:
    metrics = {"spent": SPENT | {"mde": {"absolute": 5.0}}, "loss": LOSS}
    same = [Moments(n=5000, mean=20.0, m2=2500 * 14_999 / 3)] * 3
    sizing = sized(spec_of(metrics, arms=2), *arms_of("spent", *same), *arms_of("loss", *same))
    alone = ((Z_ONE_SIDED + Z_POWER) * 10) ** 2 * (1 / 0.3333 + 1 / 0.3334)
    assert row(sizing, "size of loss").numbers["alone"] == pytest.approx(alone, abs=1.5)


def test_an_effect_beyond_every_rate_has_no_size() -> None:
    spec = spec_of({"bought": BOUGHT | {"mde": {"absolute": 0.95}}})
    sizing = sized(spec, *arms_of("bought", rate(500, 5000), rate(500, 5000)))
    assert (row(sizing).status, sizing.needed) == (Status.INSUFFICIENT, None)
    assert "beyond 0 to 1" in row(sizing).sentence


# Is it known well enough?


@pytest.mark.parametrize(
    ("units", "non_zero", "known"), [(500, 50, True), (499, 200, False), (500, 49, False), (5000, 50, True)]
)
def test_a_baseline_needs_1_000_units_and_100_that_are_not_zero(units: int, non_zero: int, known: bool) -> None:
    arms = [measured("bought", name, rate(non_zero, units)) for name in ("old", "new")]
    sizing = sized(spec_of(), *arms)
    assert (sizing.needed is not None) is known
    if not known:
        check = row(sizing, "baseline of bought")
        assert check.status is Status.INSUFFICIENT
        assert check.numbers == {"units": 2 * units, "non_zero": 2 * non_zero}


def test_a_thin_baseline_says_how_much_longer_it_takes() -> None:
    sizing = sized(spec_of(), *arms_of("bought", rate(20, 400), rate(20, 400)))
    # 40 of the 100 non-zero units: 2.5 times; the units alone would ask for 1.25 times.
    assert "enrols 2.5 times as many units would do" in row(sizing, "baseline of bought").sentence


def test_a_window_that_is_not_over_says_how_long_the_phase_must_last() -> None:
    spec = spec_of(
        {"bought": BOUGHT | {"window_days": 7}},
        phases={
            "shadow": {"skip": "nothing to mirror"},
            "aa": {"start": FIRST, "days": 7},
            "test": {"enroll_days": 14, "days": 21},
        },
    )
    arms = [measured("bought", name, EMPTY, immature=7000) for name in ("old", "new")]
    sizing = size_test(spec, population_of(*arms, cohorts=STEADY), WEEK, days=21)
    check = row(sizing, "baseline of bought")
    assert (check.status, sizing.needed, sizing.expected) == (Status.INSUFFICIENT, None, 28_000)
    assert "window of 7 days was over: let the A/A phase last its enroll_days plus 7 days" in check.sentence


def test_an_event_that_never_came_sends_to_the_log() -> None:
    sizing = sized(spec_of(), *arms_of("bought", rate(0, 5000), rate(0, 5000)))
    assert "Look at whether its event reaches the outcome log" in row(sizing, "baseline of bought").sentence


def test_everything_that_is_missing_is_said_at_once() -> None:
    sizing = sized(spec_of({"bought": BOUGHT, "errors": ERRORS}), *arms_of("bought", rate(9, 90), rate(9, 90)))
    assert [check.name for check in sizing.checks] == ["baseline of bought", "baseline of errors"]
    assert "`sized: false` with a `why`" in row(sizing, "baseline of errors").sentence


# Declared knowledge


def declared(metrics: dict[str, Any] | None = None, **baseline: Any) -> Sizing:
    spec = spec_of(metrics, phases=NO_AA, sizing={"baseline": DECLARED | baseline})
    return size_test(spec, None, None, days=14)


def test_a_declared_baseline_stands_in_and_is_labelled() -> None:
    sizing = declared()
    assert (sizing.needed, sizing.expected, row(sizing).status) == (7682, 14_000, Status.PASS)
    assert "declared: last quarter's dashboard" in row(sizing, "size of bought").sentence


@pytest.mark.parametrize(("per_day", "status"), [(549, Status.PASS), (548, Status.INSUFFICIENT)])
def test_the_gate_passes_when_as_many_come_as_are_needed(per_day: int, status: Status) -> None:
    # 14 · 549 = 7 686 and 14 · 548 = 7 672, on both sides of 7 682.
    check = row(declared(units_per_day=per_day))
    assert check.status is status
    assert check.numbers["share"] == pytest.approx(14 * per_day / 7682)


def test_a_declared_mean_needs_its_standard_deviation() -> None:
    spent = {"spent": SPENT | {"mde": {"absolute": 5.0}}}
    assert declared(spent, value=20, sd=50).needed == 3140
    assert declared(spent, value=20).needed is None


def test_a_declared_baseline_speaks_for_the_primary_only() -> None:
    sizing = declared({"bought": BOUGHT, "errors": ERRORS})
    assert sizing.needed is None
    assert (
        "no A/A phase has measured it. Let one run, or set `sized: false`" in row(sizing, "baseline of errors").sentence
    )


def test_what_was_measured_goes_before_what_was_declared() -> None:
    spec = spec_of(sizing={"baseline": DECLARED | {"value": 0.2, "units_per_day": 1}})
    sizing = sized(spec, *arms_of("bought", rate(500, 5000), rate(500, 5000)))
    assert (sizing.needed, sizing.expected) == (7682, 28_000)
    assert "10 000 mature A/A units" in row(sizing, "size of bought").sentence


def test_without_any_knowledge_the_gate_says_what_to_give() -> None:
    sizing = size_test(spec_of(phases=NO_AA), None, None, days=14)
    assert (row(sizing).status, sizing.needed, sizing.expected) == (Status.INSUFFICIENT, None, 0)
    assert "sizing.baseline {value, sd, units_per_day, source}" in row(sizing).sentence


# What the expected units can show


def test_at_the_size_needed_the_planned_effect_is_the_smallest_that_can_be_found() -> None:
    sizing = declared(units_per_day=7682 / 14)
    assert row(sizing, "size of bought").numbers["detectable"] == pytest.approx(0.02, rel=1e-3)
    # A quarter of the units finds about twice the effect: a little more, because a larger rate varies more.
    quarter = row(declared(units_per_day=7682 / 56), "size of bought").numbers["detectable"]
    assert 0.04 < quarter < 0.044


def test_the_smallest_margin_is_worked_out_as_well() -> None:
    sizing = guarded({})
    # 28 000 units: 14 000 per arm.
    margin = (Z_ONE_SIDED + Z_POWER) * 50 * math.sqrt(2 / 14_000)
    assert row(sizing, "size of loss").numbers["detectable"] == pytest.approx(margin, rel=1e-5)
    assert "the smallest margin the expected units can show" in row(sizing, "size of loss").sentence
