"""Posteriors at planned looks, credible intervals, and what looking does to a posterior without a plan."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_most, between, exactly
from abflow.stats.beta_binomial import RateDifference, difference_of_rates
from abflow.stats.beta_posterior import BetaPosterior
from abflow.stats.normal_posterior import NormalPosterior, NormalPrior, effect_posterior
from abflow.stats.posterior_looks import PosteriorRule, posterior_rule, posterior_word
from abflow.stats.posterior_prospects import PosteriorPlan, promotion_rate
from abflow.stats.result import Unavailable

LOOKS = (1, 3, 5)
ALPHA = 0.05
# Effect over standard error with which a two-sided test at .05 has power .80.
MDE = 1.959964 + 0.841621
DAYS = 21


def _planned_looks(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates: list[Rate] = []
    for looks in LOOKS:
        hits = _wins_of_equal_rates(looks, runs, rng)
        rates.append(at_most(f"Beta posterior, {looks} looks, rate .1, 240 units: better", hits, runs, ALPHA / 2))
        for name, prior in (("flat prior", None), ("prior N(0, mde/2)", NormalPrior(sd=MDE / 2))):
            plan = PosteriorPlan(
                rule=posterior_rule(looks, alpha=ALPHA, mde=MDE),
                fractions=tuple(look / looks for look in range(1, looks + 1)),
                se=1.0,
                prior=prior,
            )
            equal, better = (_wins_of_a_normal(plan, effect, runs, rng) for effect in (0.0, MDE))
            what = f"normal posterior, {name}, {looks} looks"
            rates.append(at_most(f"{what}, no effect: better", equal, runs, ALPHA / 2))
            rates.append(
                exactly(
                    f"{what}, effect mde: better as often as foretold", better, runs, promotion_rate(plan, effect=MDE)
                )
            )
    return tuple(rates)


def _wins_of_equal_rates(looks: int, runs: int, rng: np.random.Generator) -> int:
    """Runs in which one of two equal rates is ever called better; a test that is lost first goes on."""
    # 240 units at the end divide by 1, 3 and 5, and are few enough for the same counts to come again.
    step = 240 // looks
    successes = rng.binomial(step, 0.1, size=(runs, looks, 2)).cumsum(axis=1)
    rule = posterior_rule(looks, alpha=ALPHA)
    won = np.zeros(runs, dtype=bool)
    for look in range(looks):
        units = step * (look + 1)
        pairs, where = np.unique(successes[:, look], axis=0, return_inverse=True)
        better = np.array([_is_better(int(control), int(treatment), units, rule) for control, treatment in pairs])
        won |= better[where]
    return int(won.sum())


def _is_better(control: int, treatment: int, units: int, rule: PosteriorRule) -> bool:
    got = difference_of_rates((control, units), (treatment, units))
    return not isinstance(got, Unavailable) and posterior_word(got, rule).word == "better"


def _wins_of_a_normal(plan: PosteriorPlan, effect: float, runs: int, rng: np.random.Generator) -> int:
    """Runs in which a version with this effect is called better before it is rejected."""
    fractions = np.array(plan.fractions)
    steps = np.diff(fractions, prepend=0.0)
    estimates = rng.normal(effect * steps, np.sqrt(steps), size=(runs, len(steps))).cumsum(axis=1) / fractions
    return sum(_wins(plan, path) for path in estimates)


def _wins(plan: PosteriorPlan, estimates: NDArray[np.float64]) -> bool:
    for estimate, fraction in zip(estimates.tolist(), plan.fractions, strict=True):
        got = posterior_word(_posterior(estimate, plan.se / math.sqrt(fraction), plan.prior), plan.rule)
        if got.word == "better":
            return True
        if plan.losers_leave and (got.word == "worse" or got.mde_excluded):
            return False
    return False


def _posterior(estimate: float, se: float, prior: NormalPrior | None = None) -> NormalPosterior:
    got = effect_posterior(estimate, se, prior=prior)
    if isinstance(got, Unavailable):
        raise TypeError(got.detail)  # a bug: every estimate drawn here is finite and has an error
    return got


def _credible_intervals(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    prior, units = (2.0, 18.0), 150
    truths = rng.beta(*prior, size=(runs, 2))
    rate = difference = lift = 0
    for (true_control, true_treatment), counts in zip(truths, rng.binomial(units, truths), strict=True):
        known = [BetaPosterior(a=prior[0] + count, b=prior[1] + units - count) for count in counts.tolist()]
        both = RateDifference(control=known[0], treatment=known[1])
        rate += _holds(known[0].interval(0.95), true_control)
        difference += _holds(both.interval(0.95), true_treatment - true_control)
        lift += _holds(both.lift_interval(0.95), true_treatment / true_control - 1)
    believed = NormalPrior(mean=0.3, sd=0.8)
    effects = rng.normal(believed.mean, believed.sd, size=runs)
    estimates = rng.normal(effects, 0.6)
    normal = sum(
        _holds(_posterior(estimate, 0.6, believed).interval(0.95), effect)
        for estimate, effect in zip(estimates.tolist(), effects.tolist(), strict=True)
    )
    return (
        exactly("one rate drawn from its prior: in the interval", rate, runs, 0.95),
        exactly("difference of two such rates: in the interval", difference, runs, 0.95),
        exactly("lift of two such rates: in the interval", lift, runs, 0.95),
        exactly("effect drawn from its normal prior: in the interval", normal, runs, 0.95),
    )


def _holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def _looking_without_a_plan(runs: int, seed: int) -> tuple[Rate, ...]:
    """Equal rates of .05, sized for a tenth more, and somebody who looks every day until it is won."""
    rng = np.random.default_rng(seed)
    rate, mde, a_day = 0.05, 0.005, 31_234 // DAYS
    days = np.arange(1, DAYS + 1)
    shares = rng.binomial(a_day, rate, size=(2, runs, DAYS)).cumsum(axis=2) / (a_day * days)
    estimates = shares[1] - shares[0]
    errors = np.sqrt((shares * (1 - shares)).sum(axis=0) / (a_day * days))
    by_chance, by_loss = PosteriorRule(doubt=0.05), PosteriorRule(doubt=0.5, max_loss=0.1 * mde)
    hits = [
        sum(
            any(
                posterior_word(_posterior(estimate, error), rule).word == "better"
                for estimate, error in zip(path, of_path, strict=True)
            )
            for path, of_path in zip(estimates.tolist(), errors.tolist(), strict=True)
        )
        for rule in (by_chance, by_loss)
    ]
    # The two published shares are whole percents; the recursion behind `promotion_rate` says .2175 and .6679.
    return (
        between("flat prior, P >= .95 at 21 daily looks, no effect: promoted (22 %)", hits[0], runs, 0.215, 0.225),
        between(
            "flat prior, loss <= .1 mde at 21 daily looks, no effect: promoted (67 %)", hits[1], runs, 0.665, 0.675
        ),
    )


STUDIES = (
    Study(
        name="bayesian-looks",
        claim="With calibrated thresholds a posterior promotes an equal version in at most 2.5 % at any planned look.",
        runs=10_000,
        rates=_planned_looks,
    ),
    Study(
        name="credible-intervals",
        claim="A 95 % credible interval holds the truth in 95 % of worlds drawn from its prior.",
        runs=2_000,
        rates=_credible_intervals,
    ),
    Study(
        name="posterior-peeking",
        claim="A posterior is not immune to looking: without calibrated thresholds an equal version is promoted often.",
        runs=10_000,
        rates=_looking_without_a_plan,
    ),
)
