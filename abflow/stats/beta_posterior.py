"""What is known of one rate after counting: a Beta posterior, integrated on the logit scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import DataError, SpecError
from abflow.stats.marginal import Profile
from abflow.stats.panel_quadrature import GRADED
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import tail_of

# Below this a Beta keeps visible mass at rates smaller than the smallest double.
MIN_SHAPE = 0.05
# exp(-700) is the smallest normal double, so that even hopeless chances keep their order of magnitude.
TAIL_DEPTH = 700.0
# Logits from the top beyond which e^s is factored out before it overflows.
FAR = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaPosterior:
    """A rate's distribution Beta(a, b).

    Attributes:
        a: Prior successes plus successes.
        b: Prior failures plus failures.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if not all(MIN_SHAPE <= shape < math.inf for shape in (self.a, self.b)):
            raise SpecError(
                f"Beta({self.a:g}, {self.b:g}) is no usable belief about a rate; both numbers must be finite and at "
                f"least {MIN_SHAPE}, and Beta(1, 1) takes no side"
            )

    @property
    def mean(self) -> float:
        """Expected rate."""
        return self.a / (self.a + self.b)

    @property
    def sd(self) -> float:
        """Standard deviation of the rate: sqrt(a b / (n² (n + 1))), n = a + b."""
        n = self.a + self.b
        return math.sqrt(self.a / n * (self.b / n) / (n + 1))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Credible interval with the same probability beyond either end.

        Args:
            confidence: Probability inside, such as 0.95.

        Raises:
            SpecError: The confidence is not between 0.5 and 1.
        """
        from scipy import special

        tail = tail_of(confidence, sides=2)
        return float(special.betaincinv(self.a, self.b, tail)), float(special.betainccinv(self.a, self.b, tail))

    def panel_ends(self) -> NDArray[np.float64]:
        """Where to cut the logit scale, so that the density is smooth and resolved between the cuts."""
        n = self.a + self.b
        # The width of the bell at its top, but never wider than the bend of the logistic curve itself.
        width = min(1.0, math.sqrt(n / self.a / self.b))
        steps = width * GRADED
        left = steps[: 1 + int(np.searchsorted(-self._log_shape(-steps), TAIL_DEPTH))]
        right = steps[: 1 + int(np.searchsorted(-self._log_shape(steps), TAIL_DEPTH))]
        return self._mode + np.concatenate([-left[::-1], right])

    def profile(self, logits: NDArray[np.float64]) -> Profile:
        """Density on the logit scale and both tails, at these logits."""
        from scipy import special

        rate, rest = special.expit(logits), special.expit(-logits)
        return Profile(
            density=self.logit_density(logits),
            below=self.below(rate, rest),
            above=self.above(rate, rest),
            stretch=rate * rest,
        )

    def logit_density(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density of log(rate / (1 - rate)): one smooth bell for any a and b, where the rate's own may have poles.

        p^a (1 - p)^b / B(a, b), p being the rate at that logit.

        Its height at the top comes from Stirling's errors instead of log-gammas, which lose six digits with a
        million units.

        References:
            Loader (2000), Fast and accurate computation of binomial probabilities.
        """
        n = self.a + self.b
        height = math.sqrt(self.a / n * self.b / (2 * math.pi))
        height *= math.exp(_stirling_error(n) - _stirling_error(self.a) - _stirling_error(self.b))
        return height * np.exp(self._log_shape(logits - self._mode))

    @property
    def _mode(self) -> float:
        return math.log(self.a / self.b)

    def _log_shape(self, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the logit density this far from its top, relative to the top."""
        n = self.a + self.b
        # Seen from the rarer outcome the terms stay small: with 3 in a million, n·log(rate) would lose six digits.
        rare, common, away = (self.a, self.b, shift) if self.a < self.b else (self.b, self.a, -shift)
        near, far = np.minimum(away, FAR), np.maximum(away, FAR)
        return np.where(
            away < FAR,
            rare * near - n * np.log1p(rare / n * np.expm1(near)),
            -common * far - n * np.log1p(common / n * np.expm1(-far)),
        )

    def below(self, rate: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of a smaller rate; 0 for rates below 0 and 1 above 1.

        Args:
            rate: Any shape.
            rest: 1 - rate, of which rates next to 1 would have lost the digits.
        """
        return _beta_cdf(self.a, self.b, rate, rest)

    def above(self, rate: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of a larger rate, given as for `below`."""
        return _beta_cdf(self.b, self.a, rest, rate)


def _beta_cdf(a: float, b: float, rate: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import special

    low = rate < rest
    smaller = np.clip(np.where(low, rate, rest), 0.0, 0.5)
    found = np.empty_like(smaller)
    found[low] = special.betainc(a, b, smaller[low])
    found[~low] = special.betaincc(b, a, smaller[~low])
    return found


def _stirling_error(z: float) -> float:
    """How much log-gamma exceeds Stirling's formula (z - 1/2) log z - z + log(2 pi) / 2."""
    if z < 16:
        return math.lgamma(z) - ((z - 0.5) * math.log(z) - z + 0.5 * math.log(2 * math.pi))
    z2 = z * z
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / z2) / z2) / z2) / z2) / z


def rate_posterior(
    successes: int, units: int, *, prior: tuple[float, float] = (1.0, 1.0)
) -> BetaPosterior | Unavailable:
    """What is known of a rate after so many successes in so many units: Beta(a + k, b + n - k).

    Args:
        successes: Units with the event.
        units: Units in all; with 0 there is nothing to learn from.
        prior: a and b of the Beta prior; (1, 1) holds every rate equally likely.

    Raises:
        DataError: Fewer than 0 successes, or more successes than units.
        SpecError: The prior is no distribution, or so sharp at 0 and 1 that doubles cannot hold it.

    References:
        Gelman et al. (2013), Bayesian Data Analysis (third edition), section 2.4.
    """
    if not 0 <= successes <= units:
        raise DataError(f"{successes} successes in {units} units; successes lie between 0 and the units")
    before = BetaPosterior(a=prior[0], b=prior[1])
    if units == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no units, so only the prior is left")
    return BetaPosterior(a=before.a + successes, b=before.b + units - successes)
