"""Read by a posterior, at the cut-off or at looks fixed beforehand; looking often asks for a larger probability."""

from __future__ import annotations

from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.readout import Deciding, PosteriorSummary, Word
from abflow.stats.beta_binomial import RateDifference, difference_of_rates
from abflow.stats.normal_posterior import NormalPosterior, effect_posterior, lift_prior
from abflow.stats.posterior import probability_within
from abflow.stats.posterior_looks import look_threshold, posterior_rule, posterior_word
from abflow.stats.proportions import MIN_EXPECTED, expects_few, successes_of
from abflow.stats.result import Unavailable, UnavailableReason

Posterior = RateDifference | NormalPosterior


def answer(asked: Question) -> Answer | Unavailable:
    """A word when the probability reaches the look's threshold; a win must also risk little."""
    if asked.mde_without_size is not None:
        return asked.mde_without_size
    as_logged = _posterior(asked)
    if isinstance(as_logged, Unavailable):
        return as_logged
    gain = as_logged if asked.sign > 0 else as_logged.reversed
    rule = posterior_rule(asked.look.looks, alpha=asked.alpha, mde=asked.mde)
    earned = posterior_word(gain, rule)
    lower, upper = as_logged.interval(1 - asked.alpha)
    prior = "flat" if asked.lift_sd is None else f"lifts of 0 ± {100 * asked.lift_sd:g} %"
    return Answer(
        word=Word(earned.word),
        mde_excluded=earned.mde_excluded,
        adjusted_p=None,
        deciding=Deciding(
            value=as_logged.mean,
            lower=lower,
            upper=upper,
            confidence=1 - asked.alpha,
            method=f"{as_logged.method}, credible interval",
        ),
        posterior=PosteriorSummary(
            better=gain.probability_above(0.0),
            beyond_mde=None if asked.mde is None else gain.probability_above(asked.mde),
            within_mde=None if not asked.mde else probability_within(gain, -asked.mde, asked.mde),
            loss_if_chosen=gain.loss_of_choosing,
            loss_if_not=gain.loss_of_keeping,
            within_margin=None if asked.margin is None else gain.probability_above(-asked.margin),
            margin_needed=look_threshold(asked.look.looks, alpha=2 * asked.alpha),
            needed=rule.threshold,
            prior=prior,
        ),
    )


def _posterior(asked: Question) -> Posterior | Unavailable:
    """Exact for rates under a flat prior; otherwise normal, which a prior on lifts needs."""
    rates = asked.control.is_rate and asked.treatment.is_rate
    if asked.lift_sd is not None:
        if rates and expects_few(asked.control.moments, asked.treatment.moments):
            return Unavailable(
                reason=UnavailableReason.TOO_FEW_UNITS,
                detail=f"an arm expects fewer than {MIN_EXPECTED} units with or without the event, too few for the "
                "normal posterior that a prior on the lift needs",
            )
        prior = lift_prior(asked.lift_sd, control_mean=asked.control.plain.mean)
        if isinstance(prior, Unavailable):
            return prior
        return effect_posterior(asked.effect.value, asked.effect.se, prior=prior)
    if rates:
        control, treatment = ((successes_of(s.moments), s.moments.n) for s in (asked.control, asked.treatment))
        return difference_of_rates(control, treatment)
    return effect_posterior(asked.effect.value, asked.effect.se)
