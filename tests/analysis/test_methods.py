"""Every method's words, from moments, at the places where they change."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import pytest

from abflow.analysis.compare import compare
from abflow.analysis.looks import Crossed, Look, PastLook, left_behind
from abflow.analysis.population import ENTRY_DAY, POLICIES, Measured, Slice
from abflow.analysis.readout import Comparison, Deciding, Margin, Word
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.confidence_sequence import two_sided_multiplier
from abflow.stats.group_sequential import Look as Spent
from abflow.stats.group_sequential import spending_bounds
from abflow.stats.moments import Moments
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, arms_of, population_of, rate, spec_of

WINDOWED: dict[str, Any] = SPENT | {"window_days": 1}
PHASES: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"start": "2026-10-01", "days": 7},
    "test": {"enroll_days": 14, "days": 21},
}
N = 5000
SE = 50 * math.sqrt(2 / N)  # of a difference of means whose units have sd 50: exactly 1


def planned(method: str, metric: dict[str, Any] = WINDOWED, *, arms: int = 1, **analysis: Any) -> ExperimentSpec:
    if method == "group_sequential":
        analysis.setdefault("looks", [7, 14])
    return spec_of({"spent": metric}, arms=arms, phases=PHASES, analysis={"method": method, **analysis})


def means(effect: float, *, n: int = N) -> tuple[Measured, ...]:
    """Control and treatment of n units each; at n = 5 000 the standard error of their difference is 1."""
    return arms_of("spent", *(Moments(n=n, mean=100.0 + moved, m2=2500.0 * (n - 1)) for moved in (0.0, effect)))


def read(spec: ExperimentSpec, *found: Measured, look: Look | None = None, **changes: Any) -> Comparison:
    listed = compare(spec, population_of(*found, **changes), contamination="exclude", look=look)
    return next(c for c in listed if c.role == "primary")


def at(day: int, *, planned: float = 2 * N, past: tuple[PastLook, ...] = (), again: PastLook | None = None) -> Look:
    return Look(day=day, final=day == 21, planned=planned, past=past, again=again)


def deciding_of(comparison: Comparison) -> Deciding:
    assert comparison.deciding is not None
    return comparison.deciding


# Always valid


def test_always_valid_needs_the_confidence_sequence_to_leave_0_out() -> None:
    spec = planned("always_valid")
    border = two_sided_multiplier(2 * N, alpha=0.05, planned=2 * N) * SE
    assert border == pytest.approx(3.035209, abs=1e-6)  # confseq's normal mixture, tuned at 100: 30.35209 / sqrt(100)
    assert read(spec, *means(border * 0.999), look=at(10)).word is Word.UNCLEAR
    found = read(spec, *means(border * 1.001), look=at(10))
    assert found.word is Word.BETTER
    assert found.adjusted_p == pytest.approx(0.05, abs=0.001)
    assert deciding_of(found).lower == pytest.approx(0.0, abs=0.01)
    assert read(spec, *means(-border * 1.001), look=at(10)).word is Word.WORSE


def test_always_valid_rules_the_mde_out_by_the_sequence_and_at_any_look() -> None:
    spec = planned("always_valid")
    reach = two_sided_multiplier(2 * N, alpha=0.05, planned=2 * N) * SE
    assert read(spec, *means(2.0 - reach * 1.001), look=at(10)).mde_excluded
    assert not read(spec, *means(2.0 - reach * 0.999), look=at(10)).mde_excluded


def test_always_valid_says_nothing_before_100_units_per_arm() -> None:
    found = read(planned("always_valid"), *means(40.0, n=99), look=at(2))
    assert isinstance(found.effect, Unavailable)
    assert found.word is None


def test_a_look_splits_alpha_over_arms_and_family() -> None:
    two = planned("always_valid", arms=2)
    border = two_sided_multiplier(2 * N, alpha=0.025, planned=2 * N) * SE
    arms = arms_of("spent", *(Moments(n=N, mean=100.0 + m, m2=2500.0 * (N - 1)) for m in (0.0, border * 1.001, 0.0)))
    look = at(10, planned=3 * N)
    listed = compare(two, population_of(*arms), contamination="exclude", look=look)
    assert [c.word for c in listed] == [Word.BETTER, Word.UNCLEAR]
    family = planned("always_valid", family_size=2)
    assert read(family, *means(border * 0.999), look=at(10)).word is Word.UNCLEAR
    assert read(family, *means(border * 1.001), look=at(10)).word is Word.BETTER


# Group sequential


def test_group_sequential_uses_the_lan_demets_bounds_of_its_own_fractions() -> None:
    spec = planned("group_sequential")
    bounds = spending_bounds((1 / 3, 2 / 3, 1.0), alpha=0.05)
    assert bounds == pytest.approx((3.7103, 2.5114, 1.9930), abs=1e-4)  # standard software, three even looks
    past: tuple[PastLook, ...] = ()
    for number, (day, bound) in enumerate(zip((7, 14, 21), bounds, strict=True), start=1):
        n = round(N * number / 3)
        se = 50 * math.sqrt(2 / n)
        quiet = read(spec, *means(bound * 0.998 * se, n=n), look=at(day, past=past))
        loud = read(spec, *means(bound * 1.002 * se, n=n), look=at(day, past=past))
        assert (quiet.word, loud.word) == (Word.UNCLEAR, Word.BETTER), day
        assert quiet.spent is not None
        assert quiet.spent.bound == pytest.approx(bound, abs=2e-3)
        past += (PastLook(day=day, units={"old": n, "new": n}, spent={"new": quiet.spent}),)


def test_group_sequential_reads_nothing_of_the_effect_while_it_goes_on() -> None:
    found = read(planned("group_sequential"), *means(1.0, n=2000), look=at(7))
    assert found.word is Word.UNCLEAR
    assert (found.deciding, found.adjusted_p, found.mde_excluded) == (None, None, False)


def test_group_sequential_excludes_the_mde_at_the_cut_off_only() -> None:
    spec = planned("group_sequential")
    spent = Spent(fraction=0.5, bound=2.963, spent=0.0015)
    past = (PastLook(day=7, units={"old": 2500, "new": 2500}, spent={"new": spent}),)
    assert not read(spec, *means(-1.5, n=4000), look=at(14, past=past)).mde_excluded
    assert read(spec, *means(-1.5), look=at(21, past=past)).mde_excluded


def test_a_group_sequential_look_without_new_units_is_no_look() -> None:
    spec = planned("group_sequential")
    spent = Spent(fraction=0.5, bound=2.963, spent=0.0015)
    past = (PastLook(day=7, units={"old": 2500, "new": 2500}, spent={"new": spent}),)
    found = read(spec, *means(9.0, n=2500), look=at(14, past=past))
    assert isinstance(found.effect, Unavailable)
    assert "no new units" in found.effect.detail


def test_a_group_sequential_look_needs_a_spread() -> None:
    spec = spec_of(
        {"bought": BOUGHT | {"window_days": 1}}, phases=PHASES, analysis={"method": "group_sequential", "looks": [7]}
    )
    found = read(spec, *arms_of("bought", rate(0, 200), rate(200, 200)), look=at(7))
    assert isinstance(found.effect, Unavailable)
    assert found.effect.reason is UnavailableReason.NO_VARIANCE


def test_a_group_sequential_look_that_is_taken_again_has_the_bound_it_had() -> None:
    spec = planned("group_sequential")
    spent = Spent(fraction=0.5, bound=2.963, spent=0.0015)
    again = PastLook(day=7, units={"old": 2500, "new": 2500}, spent={"new": spent})
    found = read(spec, *means(2.9 * 50 * math.sqrt(2 / 3000), n=3000), look=at(7, again=again))  # restated: more units
    assert found.spent == spent
    assert found.word is Word.UNCLEAR


def test_what_an_earlier_look_has_shown_stays_shown() -> None:
    shown = Crossed(
        word=Word.BETTER, deciding=Deciding(value=4.0, lower=1.0, upper=7.0, confidence=0.95, method="then")
    )
    past = (PastLook(day=7, units={"old": 2500, "new": 2500}, crossed={"new": shown}),)
    for method in ("group_sequential", "always_valid", "sprt"):
        found = read(planned(method), *means(0.0), look=at(14, past=past))
        assert (found.word, found.deciding, found.mde_excluded) == (Word.BETTER, shown.deciding, False), method


@pytest.mark.parametrize("method", ["group_sequential", "always_valid", "sprt"])
def test_an_answer_that_hung_on_one_unit_does_so_until_a_look_shows_it_without(method: str) -> None:
    deciding = Deciding(value=4.0, lower=1.0, upper=7.0, confidence=0.95, method="then")
    hung, held = (Crossed(word=Word.BETTER, deciding=deciding, fragile=fragile) for fragile in (True, False))
    for now, before, fragile in ((0.0, hung, True), (9.0, hung, False), (-9.0, hung, True), (0.0, held, False)):
        look = at(14, past=(PastLook(day=7, units={"old": 2500, "new": 2500}, crossed={"new": before}),))
        found = read(planned(method), *means(now), look=look)
        assert (found.word, found.fragile) == (Word.BETTER, fragile), now
        kept = left_behind(look, (found,)).crossed["new"]
        assert kept == replace(before, fragile=fragile), now


@pytest.mark.parametrize("method", ["group_sequential", "always_valid", "sprt"])
def test_what_one_way_with_crossed_units_has_shown_is_not_shown_by_the_other(method: str) -> None:
    spec = planned(method)
    past: tuple[PastLook, ...] = ()
    kept = (replace(m, contamination="keep_first") for m in means(0.0, n=N + 50))
    population = population_of(*means(9.0), *kept)
    for day in (14, 21):
        look = at(day, past=past)
        found, other = (compare(spec, population, contamination=policy, look=look) for policy in POLICIES)
        assert (found[0].word, other[0].word) == (Word.BETTER, Word.UNCLEAR), day
        past = (left_behind(look, found, other),)
        assert (set(past[0].crossed), set(past[0].beside)) == ({"new"}, set())


# SPRT


def test_sprt_crosses_at_walds_thresholds() -> None:
    # Λ(δ) = (δ·θ - δ²/2) / SE² with δ = 2 and SE = 1: ln(.8 / .025) = 3.4657 is reached at θ = 2.7329.
    spec = planned("sprt")
    assert read(spec, *means(2.732), look=at(10)).word is Word.UNCLEAR
    assert read(spec, *means(2.734), look=at(10)).word is Word.BETTER
    assert read(spec, *means(-2.734), look=at(10)).word is Word.WORSE
    # ln(.2 / .975) = -1.5841 is reached at θ = 0.20793.
    assert read(spec, *means(0.207), look=at(10)).mde_excluded
    assert not read(spec, *means(0.209), look=at(10)).mde_excluded


@pytest.mark.parametrize("method", ["fixed_horizon", "group_sequential", "always_valid", "sprt", "bayesian"])
def test_an_mde_relative_to_a_control_of_0_is_no_error_in_any_method(method: str) -> None:
    relative = WINDOWED | {"mde": {"relative": 0.02}}
    treated = Moments(n=N, mean=5.0, m2=2500.0 * (N - 1))
    found = read(planned(method, relative), *arms_of("spent", Moments(n=N, mean=0.0, m2=0.0), treated), look=at(21))
    assert found.mde == 0
    if method in ("sprt", "bayesian"):  # a likelihood ratio and an expected loss are weighed against the mde
        assert isinstance(found.effect, Unavailable)
        assert found.effect.reason is UnavailableReason.BASELINE_NEAR_ZERO
    else:
        assert isinstance(found.effect, Estimate)


# Bayesian


def test_bayesian_asks_for_a_higher_probability_the_more_often_it_looks() -> None:
    thresholds = {1: 0.975, 2: 0.9853, 3: 0.9890}  # rules of the method: Φ of Pocock's constants
    for looks, threshold in thresholds.items():
        spec = planned("bayesian", looks=[7, 14][: looks - 1] or None)
        z = NormalDist().inv_cdf(threshold)
        below, above = (read(spec, *means(z + shift), look=at(21)) for shift in (-0.03, 0.03))
        assert (below.word, above.word) == (Word.UNCLEAR, Word.BETTER), looks
        assert above.posterior is not None
        assert above.posterior.needed == pytest.approx(threshold, abs=5e-5)


def test_a_bayesian_win_must_risk_little() -> None:
    # An expected loss above a tenth of the mde: with a tiny mde even a probability of .99 is not enough.
    spec = planned("bayesian", WINDOWED | {"mde": {"absolute": 0.01}})
    found = read(spec, *means(2.3), look=at(21))
    assert found.posterior is not None
    assert found.posterior.better > 0.98
    assert found.posterior.loss_if_chosen > 0.001
    assert found.word is Word.UNCLEAR


def test_bayesian_excludes_the_mde_when_it_is_improbable() -> None:
    spec = planned("bayesian")
    assert read(spec, *means(2.0 - 1.97), look=at(21)).mde_excluded
    assert not read(spec, *means(2.0 - 1.95), look=at(21)).mde_excluded


def test_an_informative_prior_shrinks_the_effect() -> None:
    flat = read(planned("bayesian"), *means(3.0), look=at(21))
    sure = read(planned("bayesian", prior={"lift_sd": 0.01}), *means(3.0), look=at(21))
    # Prior sd 1 (1 % of 100) and standard error 1: half of the effect is left.
    assert deciding_of(sure).value == pytest.approx(1.5, rel=1e-3)
    assert deciding_of(flat).value == pytest.approx(3.0)
    assert (flat.word, sure.word) == (Word.BETTER, Word.BETTER)


def test_bayesian_rates_are_exact_and_turned_where_less_is_better() -> None:
    # 49/100 against 51/100 with flat priors: .61077, by enumeration.
    metric = BOUGHT | {"mde": {"absolute": 0.02}}
    spec = spec_of({"bought": metric}, analysis={"method": "bayesian"})
    found = read(spec, *arms_of("bought", rate(49, 100), rate(51, 100)))
    assert found.posterior is not None
    assert found.posterior.better == pytest.approx(0.61077, abs=5e-6)
    less = metric | {"direction": "decrease", "mde": {"absolute": -0.02}}
    turned_spec = spec_of({"bought": less}, analysis={"method": "bayesian"})
    turned = read(turned_spec, *arms_of("bought", rate(49, 100), rate(51, 100)))
    assert turned.posterior is not None
    assert turned.posterior.better == pytest.approx(1 - 0.61077, abs=5e-6)


# Thompson


def test_an_adaptive_allocation_is_read_by_its_days_and_not_by_its_sums() -> None:
    spec = planned("fixed_horizon", WINDOWED)
    adaptive = spec.model_copy(update={"allocation": "thompson"})
    days = []
    for day, (control, treatment) in enumerate([(4000, 1000), (1000, 4000)]):
        level = 100.0 + 30 * day  # the baseline rises while the treatment's share does
        for variant, n in (("old", control), ("new", treatment)):
            moments = Moments(n=n, mean=level, m2=2500.0 * (n - 1))
            days.append(
                Slice(
                    metric="spent",
                    variant=variant,
                    contamination="exclude",
                    by=ENTRY_DAY,
                    level=f"2026-10-{8 + day:02}",
                    moments=moments,
                    non_zero=n,
                )
            )
    pooled = {v: sum((d.moments for d in days if d.variant == v), Moments(n=0, mean=0, m2=0)) for v in ("old", "new")}
    found = read(adaptive, *arms_of("spent", pooled["old"], pooled["new"]), slices=tuple(days))
    assert isinstance(found.effect, Estimate)
    assert found.effect.p_value == pytest.approx(1.0)  # the sums see the rising baseline as an effect, p < 1e-6
    assert found.word is Word.UNCLEAR
    assert deciding_of(found).value == pytest.approx(0.0, abs=1e-9)


# What is beside the primary


def test_guardrails_of_a_test_that_may_end_early_are_bounded_at_every_look() -> None:
    spec = spec_of(
        {"spent": WINDOWED, "errors": ERRORS | {"window_days": 1}}, phases=PHASES, analysis={"method": "always_valid"}
    )
    once = spec_of({"spent": WINDOWED, "errors": ERRORS | {"window_days": 1}}, phases=PHASES)
    errors = arms_of("errors", rate(50, N), rate(55, N))
    population = population_of(*means(0.0), *errors)
    always, fixed = (
        next(c.margin for c in compare(s, population, contamination="exclude", look=at(10)) if c.metric == "errors")
        for s in (spec, once)
    )
    assert isinstance(always, Margin)
    assert isinstance(fixed, Margin)
    assert always.lower < fixed.lower < fixed.upper < always.upper
    assert always.method == "one-sided confidence sequence"


def test_secondaries_of_a_test_that_may_end_early_have_always_valid_p_values() -> None:
    second = {"role": "secondary", "kind": "mean", "event": "purchase", "value": "tax"}
    spec = spec_of({"spent": WINDOWED, "taxed": second}, phases=PHASES, analysis={"method": "always_valid"})
    taxed = [replace(m, metric="taxed") for m in means(2.5)]
    listed = compare(spec, population_of(*means(0.0), *taxed), contamination="exclude", look=at(10))
    found = next(c for c in listed if c.metric == "taxed")
    assert isinstance(found.effect, Estimate)
    assert found.effect.p_value < 0.05
    assert found.adjusted_p is not None
    assert found.adjusted_p > 0.05
    assert (found.word, found.deciding is not None) == (Word.UNCLEAR, True)


def test_only_a_plan_with_a_fixed_size_has_a_precision() -> None:
    assert read(planned("fixed_horizon"), *means(1.0)).precision is not None
    assert read(planned("bayesian"), *means(1.0), look=at(21)).precision is not None
    for method in ("group_sequential", "always_valid", "sprt"):
        assert read(planned(method), *means(1.0), look=at(21)).precision is None, method


# Arms that leave no Z

SOLD: dict[str, Any] = BOUGHT | {"window_days": 1}


@pytest.mark.parametrize("looks", [at(7), at(21)])
def test_perfect_separation_has_no_z_and_no_bound(looks: Look) -> None:
    spec = spec_of({"bought": SOLD}, phases=PHASES, analysis={"method": "group_sequential", "looks": [7, 14]})
    found = read(spec, *arms_of("bought", rate(0, 1000), rate(1000, 1000)), look=looks)
    assert isinstance(found.effect, Unavailable)
    assert found.effect.reason is UnavailableReason.NO_VARIANCE
    assert found.word is None


@pytest.mark.parametrize(
    "analysis", [{"method": "group_sequential", "looks": [7, 14]}, {"method": "bayesian", "prior": {"lift_sd": 0.5}}]
)
@pytest.mark.parametrize("treated", [rate(2, 2), rate(0, 12)])
def test_a_handful_of_units_shows_nothing_by_a_normal_error(analysis: dict[str, Any], treated: Moments) -> None:
    spec = spec_of({"bought": SOLD}, phases=PHASES, analysis=analysis)
    found = read(spec, *arms_of("bought", rate(60, 1000), treated), look=at(21))
    assert isinstance(found.effect, Unavailable)
    assert found.effect.reason is UnavailableReason.TOO_FEW_UNITS
    assert "expects fewer than 5" in found.effect.detail
