"""Textbook sample sizes for two arms of equal size, before rounding up."""

from __future__ import annotations

import math

from abflow.errors import SpecError
from abflow.stats.tails import normal_isf, t_isf

LARGEST_D = 100.0


def n_two_proportions(p1: float, p2: float, alpha: float, power: float, *, pooled: bool = True) -> float:
    """Units per arm to tell two rates apart, two-sided.

    (z_(alpha/2) sqrt(2 p (1 - p)) + z_(1-power) sqrt(p1 (1 - p1) + p2 (1 - p2)))² / (p2 - p1)², p = (p1 + p2) / 2.
    Not pooled, the first root is the second one.

    Args:
        p1: Rate of one arm.
        p2: Rate of the other.
        alpha: Two-sided error level.
        power: Chance of finding the difference.
        pooled: Whether the test's standard error uses the pooled rate, as the z test does.

    Raises:
        SpecError: A rate, error level or power is impossible, or the rates are equal.

    References:
        Fleiss, Levin, Paik (2003), Statistical Methods for Rates and Proportions, equation 4.14.
    """
    z_alpha, z_power = _quantiles(alpha, power)
    if not (0 <= p1 <= 1 and 0 <= p2 <= 1) or p1 == p2:
        raise SpecError(f"rates {p1:g} and {p2:g} cannot be told apart; give two different rates of 0 to 1")
    middle = (p1 + p2) / 2
    own = p1 * (1 - p1) + p2 * (1 - p2)
    null = 2 * middle * (1 - middle) if pooled else own
    root = z_alpha * math.sqrt(null) + z_power * math.sqrt(own)
    return root * root / (p2 - p1) ** 2


def n_two_means(sd: float, delta: float, alpha: float, power: float) -> float:
    """Units per arm to find a difference of means, two-sided, by z.

    2 (z_(alpha/2) + z_(1-power))² sd² / delta²

    Args:
        sd: Standard deviation per unit, of either arm.
        delta: The difference, in the same unit.
        alpha: Two-sided error level.
        power: Chance of finding the difference.

    Raises:
        SpecError: The sd, difference, error level or power is impossible.

    References:
        Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, equation 17.8, without the rounding to 16.
    """
    z_alpha, z_power = _quantiles(alpha, power)
    if not (0 < sd < math.inf and 0 < abs(delta) < math.inf):
        raise SpecError(f"sd {sd:g} and difference {delta:g} give no sample size; both must be finite and not 0")
    root = (z_alpha + z_power) * sd / delta
    return 2 * root * root


def n_t_test(d: float, alpha: float, power: float) -> float:
    """Units per arm for a two-sided t test, from the noncentral t distribution.

    The n at which P(abs(T) > t_(alpha/2)) = power, T having 2n - 2 degrees of freedom and noncentrality d sqrt(n/2).

    Args:
        d: Difference of means in standard deviations (Cohen's d).
        alpha: Two-sided error level.
        power: Chance of finding the difference.

    Raises:
        SpecError: The difference is 0 or beyond 100 standard deviations, or the error level or power is impossible.

    References:
        Cohen (1988), Statistical Power Analysis, section 2.4.
    """
    # Beyond, less than two units per arm would do, and the noncentral t is no longer to be had.
    if not 0 < abs(d) <= LARGEST_D:
        raise SpecError(f"d {d:g} is not between 0 and {LARGEST_D:g} standard deviations; 0.2 is a small difference")
    # Student's t needs a little more than z: about z²/4 units, far less than doubling and adding 10.
    too_few, enough = 1.0, 2 * n_two_means(1.0, d, alpha, power) + 10
    for _ in range(100):
        n = (too_few + enough) / 2
        too_few, enough = (too_few, n) if _power_of_t_test(n, abs(d), alpha) >= power else (n, enough)
    return enough


def _power_of_t_test(n: float, d: float, alpha: float) -> float:
    from scipy import special

    dof, shift = 2 * n - 2, d * math.sqrt(n / 2)
    critical = t_isf(alpha / 2, dof)
    right = 1 - float(special.nctdtr(dof, shift, critical))
    # Significant in the wrong direction. Where that is below 1e-14, nctdtr is NaN here and there.
    below = float(special.nctdtr(dof, -shift, critical))
    return right if math.isnan(below) else right + 1 - below


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    if not (0 < alpha < 1 and alpha / 2 < power < 1):
        raise SpecError(f"alpha {alpha:g} and power {power:g} are impossible; 0.05 and 0.8 are usual")
    return normal_isf(alpha / 2), normal_isf(1 - power)
