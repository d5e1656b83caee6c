"""Two rates with Beta posteriors: exact chances, losses and intervals of their difference and of the lift."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.beta_posterior import BetaPosterior, rate_posterior
from abflow.stats.panel_quadrature import panel_nodes
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.root import root
from abflow.stats.tails import tail_of

# Of a ratio of two rates; the exponential of more is no double.
LARGEST_LOG = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateDifference:
    """What is known of the treatment rate minus the control rate, by quadrature.

    Chances have about 12 digits up to a million units per arm, and 9 with a billion. The losses speak of a
    rate of which more is better; of any other ask `reversed`.

    Attributes:
        control: Posterior of the control rate.
        treatment: Posterior of the treatment rate, independent of it.
    """

    control: BetaPosterior
    treatment: BetaPosterior

    @property
    def method(self) -> str:
        """Name of the posterior."""
        return "exact Beta-binomial posterior"

    @property
    def reversed(self) -> RateDifference:
        """Control minus treatment."""
        return RateDifference(control=self.treatment, treatment=self.control)

    @property
    def mean(self) -> float:
        """Expected difference."""
        return self.treatment.mean - self.control.mean

    @property
    def sd(self) -> float:
        """Standard deviation of the difference."""
        return math.hypot(self.treatment.sd, self.control.sd)

    def probability_above(self, threshold: float = 0.0) -> float:
        """Probability that treatment minus control exceeds a threshold: ∫ f_c(x) P(p_t > x + threshold) dx.

        Args:
            threshold: A difference of rates.

        Raises:
            SpecError: The threshold is not finite.
        """
        return _chance(self.treatment, self.control, times=1.0, plus=threshold)

    def probability_below(self, threshold: float = 0.0) -> float:
        """Probability that treatment minus control falls short of a threshold.

        Args:
            threshold: A difference of rates.

        Raises:
            SpecError: The threshold is not finite.
        """
        return _chance(self.control, self.treatment, times=1.0, plus=-threshold)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Credible interval of the difference with the same probability beyond either end.

        Args:
            confidence: Probability inside, such as 0.95.

        Raises:
            SpecError: The confidence is not between 0.5 and 1.
        """
        return _equal_tails(
            self.probability_below, self.probability_above, self.mean, self.sd, tail=tail_of(confidence, sides=2)
        )

    @property
    def loss_of_choosing(self) -> float:
        """Rate given away on average by serving the treatment: E max(control - treatment, 0).

        ∫ P(p_t < x) P(p_c > x) dx
        """
        return _expected_shortfall(self.treatment, self.control)

    @property
    def loss_of_keeping(self) -> float:
        """Rate given away on average by keeping the control: E max(treatment - control, 0)."""
        return _expected_shortfall(self.control, self.treatment)

    def lift_above(self, threshold: float = 0.0) -> float:
        """Probability that treatment / control - 1 exceeds a threshold: ∫ f_c(x) P(p_t > (1 + threshold) x) dx.

        Args:
            threshold: A share, such as 0.05.

        Raises:
            SpecError: The threshold is no number.
        """
        if threshold <= -1 or threshold == math.inf:
            return float(threshold <= -1)
        return _chance(self.treatment, self.control, times=1 + threshold, plus=0.0)

    def lift_below(self, threshold: float = 0.0) -> float:
        """Probability that treatment / control - 1 falls short of a threshold.

        Args:
            threshold: A share, such as 0.05.

        Raises:
            SpecError: The threshold is no number.
        """
        if threshold <= -1 or threshold == math.inf:
            return float(threshold == math.inf)
        return _chance(self.control, self.treatment, times=1 / (1 + threshold), plus=0.0)

    def lift_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Credible interval of treatment / control - 1 with the same probability beyond either end.

        Args:
            confidence: Probability inside, such as 0.95.

        Raises:
            SpecError: The confidence is not between 0.5 and 1.
        """
        from scipy import special

        def log_moments(arm: BetaPosterior) -> tuple[float, float]:
            n = arm.a + arm.b
            variance = special.polygamma(1, arm.a) - special.polygamma(1, n)
            return float(special.psi(arm.a) - special.psi(n)), float(variance)

        (mean_c, var_c), (mean_t, var_t) = log_moments(self.control), log_moments(self.treatment)

        def times(log_ratio: float) -> float:
            return math.exp(min(log_ratio, LARGEST_LOG))

        low, high = _equal_tails(
            lambda log_ratio: _chance(self.control, self.treatment, times=times(-log_ratio), plus=0.0),
            lambda log_ratio: _chance(self.treatment, self.control, times=times(log_ratio), plus=0.0),
            mean_t - mean_c,
            math.sqrt(var_c + var_t),
            tail=tail_of(confidence, sides=2),
        )
        return math.expm1(low), math.expm1(high)


def _chance(high: BetaPosterior, low: BetaPosterior, *, times: float, plus: float) -> float:
    """P(high > times · low + plus): the density of `low` against the tail of `high`."""
    if not math.isfinite(times + plus):
        raise SpecError("the threshold is not a finite number; give the difference or the lift to compare with")
    from scipy import special

    logits, weights = panel_nodes(np.concatenate([low.panel_ends(), _seen_from(high, times, plus)]))
    rate, rest = special.expit(logits), special.expit(-logits)
    tail = high.above(times * rate + plus, rest - (times - 1) * rate - plus)
    return min(float(np.sum(weights * low.logit_density(logits) * tail)), 1.0)


def _seen_from(high: BetaPosterior, times: float, plus: float) -> NDArray[np.float64]:
    """The panel ends of `high` as logits of the rates that times and plus lead to them."""
    from scipy import special

    ends = high.panel_ends()
    # The outermost ends are 0 and 1 wherever the tail would have a corner there, so the corners are ends as well.
    rate = (special.expit(ends) - plus) / times
    rest = (special.expit(-ends) + plus + times - 1) / times
    inside = (rate > 0) & (rest > 0)
    logits: NDArray[np.float64] = np.log(rate[inside]) - np.log(rest[inside])
    return logits


def _expected_shortfall(chosen: BetaPosterior, other: BetaPosterior) -> float:
    """E max(other - chosen, 0), as the integral of P(chosen < x) P(other > x): nothing cancels in it."""
    logits, weights = panel_nodes(np.concatenate([chosen.panel_ends(), other.panel_ends()]))
    one, two = chosen.profile(logits), other.profile(logits)
    return float(np.sum(weights * one.below * two.above * one.stretch))


def _equal_tails(
    below: Callable[[float], float], above: Callable[[float], float], mean: float, sd: float, *, tail: float
) -> tuple[float, float]:
    """The points that leave the same tail on either side."""
    # Cantelli: beyond k standard deviations on one side lies at most 1 / (1 + k²).
    reach = math.sqrt(1 / tail)

    def end(beyond: Callable[[float], float], step: float) -> float:
        def excess(k: float) -> float:
            return math.log(max(beyond(mean + k * step), 1e-300) / tail)

        return mean + step * root(excess, -1.0, reach)

    return end(below, -sd), end(above, sd)


def difference_of_rates(
    control: tuple[int, int], treatment: tuple[int, int], *, prior: tuple[float, float] = (1.0, 1.0)
) -> RateDifference | Unavailable:
    """Compare two rates after counting, each with the same Beta prior.

    Each rate is Beta(a + k, b + n - k), and independent of the other.

    Arms in which no unit or every unit had the event are compared as well, because the prior keeps their
    rates off 0 and 1; only when that is so in both arms alike is there nothing to compare.

    Args:
        control: Successes and units.
        treatment: Successes and units.
        prior: a and b; (1, 1) holds every rate equally likely.

    Raises:
        DataError: An arm has more successes than units, or fewer than none.
        SpecError: The prior is no usable belief about a rate.

    References:
        Stucchio (2015), Bayesian A/B testing at VWO, for the chance and the loss; here integrated, not drawn.
    """
    known = []
    for name, (successes, units) in (("control", control), ("treatment", treatment)):
        posterior = rate_posterior(successes, units, prior=prior)
        if isinstance(posterior, Unavailable):
            return Unavailable(reason=posterior.reason, detail=f"{name} has {posterior.detail}")
        known.append(posterior)
    events = control[0] + treatment[0]
    if events in (0, control[1] + treatment[1]):
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail=f"{'no' if events == 0 else 'every'} unit of both arms had the event, so only the prior speaks",
        )
    return RateDifference(control=known[0], treatment=known[1])
