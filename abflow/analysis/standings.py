"""Where each arm stands among all of them: how likely it is the best, and what choosing it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from abflow.analysis.readout import Comparison
from abflow.analysis.samples import Sample, Samples
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.best_arm import best_arm
from abflow.stats.beta_posterior import BetaPosterior, rate_posterior
from abflow.stats.contrast import variance_of_mean
from abflow.stats.normal_posterior import NormalPosterior, effect_posterior
from abflow.stats.proportions import successes_of
from abflow.stats.result import Unavailable, UnavailableReason


def with_standings(spec: ExperimentSpec, found: Sequence[Comparison], primary: Samples) -> tuple[Comparison, ...]:
    """The comparisons, the primary's posteriors with their arm's standing; it never decides.

    Only where there are several treatments, because the best of two is told by their difference, and under a flat
    prior: one on the lift believes nothing of a single arm.
    """
    prior = spec.analysis.prior
    if spec.analysis.method != "bayesian" or prior is not None or len(spec.treatments) < 2:
        return tuple(found)
    known = {arm: _posterior(primary[arm], spec.primary.sign) for arm in (spec.control_name, *spec.treatments)}
    posteriors = {arm: posterior for arm, posterior in known.items() if not isinstance(posterior, Unavailable)}
    standings = best_arm(posteriors) if len(posteriors) == len(known) else {}
    if isinstance(standings, Unavailable):
        return tuple(found)
    return tuple(
        replace(
            each,
            posterior=replace(
                each.posterior,
                best=standings[each.arm].probability_best,
                control_best=standings[spec.control_name].probability_best,
                loss_against_best=standings[each.arm].expected_loss,
            ),
        )
        if each.metric == spec.primary_name and each.posterior and standings
        else each
        for each in found
    )


def _posterior(sample: Sample, sign: int) -> BetaPosterior | NormalPosterior | Unavailable:
    """Of one arm's mean, ratio or rate, turned so that more is better."""
    if sample.missing:
        return sample.missing
    if sample.rows is not None and not sample.is_rate:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE, detail="a quantile of one arm has no normal posterior"
        )
    if sample.is_rate:
        units, events = sample.moments.n, successes_of(sample.moments)
        return rate_posterior(events if sign > 0 else units - events, units)
    if sample.moments.n < 2:
        return effect_posterior(sample.moments.mean, 0.0)
    return effect_posterior(sign * sample.moments.mean, variance_of_mean(sample.moments) ** 0.5)
