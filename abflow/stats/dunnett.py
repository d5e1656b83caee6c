"""Many arms against one control: tests and intervals that hold for all arms together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from abflow.errors import SpecError
from abflow.stats.contrast import Contrast
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.tails import normal_isf, t_isf, tail_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Name = TypeVar("Name", bound=Hashable)

# An arm whose own noise is less than a hundredth of the difference's, such as one without any event, would need ever
# more points. Held at a hundredth it errs on the safe side, by a few hundredths of the p-value.
LEAST_OWN_NOISE = 0.01
BLOCK = 50  # points at a time: neighbours need about the same steps, and no loading needs much memory


def dunnett(
    contrasts: Mapping[Name, Contrast], *, confidence: float = 0.95, dof: float | None = None
) -> dict[Name, Estimate] | Unavailable:
    """Every arm minus one control, with p-values and intervals that hold for all arms together.

    Ends: difference ± c se, c being `largest_t_isf`; p-value: `largest_t_sf` of abs(difference) / se.

    The differences share the control, hence are correlated, and need a smaller correction than Holm's or
    Bonferroni's first step. An adjusted p-value is below 1 - `confidence` exactly when its interval excludes 0.
    Arms may differ in size and variance.

    Args:
        contrasts: Arm minus control by arm, all with the same control. An arm that could not be computed stays out.
        confidence: That all intervals hold their true differences.
        dof: Of a standard error that all arms share: units minus arms when the variance is pooled. Without it
            the fewest Welch degrees of freedom among the contrasts, which errs on the safe side.

    Returns:
        Estimates by arm, in the order given; or the first arm's reason for having no standard error.

    Raises:
        SpecError: The confidence or the degrees of freedom are impossible.

    References:
        Dunnett (1955), JASA 50, 1096-1121; Hsu (1996), Multiple Comparisons, section 3.1, on unequal sizes.
    """
    tail = tail_of(confidence, sides=1)  # of the largest |t|, which already counts both sides
    for contrast in contrasts.values():
        refusal = contrast.why_no_spread()
        if refusal is not None:
            return refusal
    if not contrasts:
        return {}
    shared = min(contrast.dof for contrast in contrasts.values()) if dof is None else dof
    weights = [loading(contrast) for contrast in contrasts.values()]
    critical = largest_t_isf(tail, weights, dof=shared)
    return {
        name: Estimate(
            value=contrast.value,
            se=contrast.se,
            lower=contrast.value - critical * contrast.se,
            upper=contrast.value + critical * contrast.se,
            p_value=largest_t_sf(abs(contrast.value) / contrast.se, weights, dof=shared),
            confidence=confidence,
            method="Dunnett",
        )
        for name, contrast in contrasts.items()
    }


def loading(contrast: Contrast) -> float:
    """How much of a difference is the control's noise: two arms' differences correlate by the product of theirs.

    sqrt(v_0 / (v_0 + v_i)), v being what the control and the arm add to the variance. With equal variances this is
    sqrt(n_i / (n_i + n_0)) for an arm of n_i units and a control of n_0.

    References:
        Dunnett (1955), JASA 50, 1096-1121; Hsu (1996), Multiple Comparisons, section 3.1, on unequal sizes.
    """
    return math.sqrt(contrast.var_control / (contrast.var_control + contrast.var_treatment))


def largest_t_sf(t: float, loadings: Sequence[float], *, dof: float = math.inf) -> float:
    """Probability that the largest of several |t| against one control exceeds `t` when no arm differs.

    1 - E ∏ (Φ((λ y + t s) / sqrt(1 - λ²)) - Φ((λ y - t s) / sqrt(1 - λ²))) over the arms' loadings λ, y being a
    standard normal and s² a chi-square over its `dof` degrees of freedom.

    Args:
        t: At least 0.
        loadings: One per arm, between 0 and 1; see `loading`.
        dof: Degrees of freedom of the shared standard error.

    Raises:
        SpecError: The point is below 0, or a loading or the degrees of freedom are impossible.

    References:
        Dunnett (1955), JASA 50, 1096-1121.
    """
    _check(loadings, dof)
    if t < 0:
        raise SpecError(f"t {t:g} is below 0; give the size of the largest t")
    if math.isinf(dof):
        return float(_largest_z_sf(np.array([t]), loadings)[0])
    scales, chances = _scales_of_error(t, dof)
    return min(float(chances @ _largest_z_sf(t * scales, loadings)), 1.0)


def largest_t_isf(tail: float, loadings: Sequence[float], *, dof: float = math.inf) -> float:
    """Point that the largest of several |t| against one control exceeds with probability `tail`.

    Args:
        tail: Above 0 and below 1.
        loadings: One per arm, between 0 and 1; see `loading`.
        dof: Degrees of freedom of the shared standard error.

    Raises:
        SpecError: The tail, a loading or the degrees of freedom are impossible.

    References:
        Dunnett (1955), JASA 50, 1096-1121.
    """
    _check(loadings, dof)
    if not 0 < tail < 1:
        raise SpecError(f"tail {tail:g} is not between 0 and 1; write 0.05 for intervals of 95 %")

    def excess(point: float) -> float:
        return math.log(largest_t_sf(point, loadings, dof=dof) / tail)

    # Between one arm's own point and Bonferroni's. The tail's logarithm is nearly a parabola there, so a few
    # secants reach a billionth of the tail.
    before, point = (normal_isf(p) if math.isinf(dof) else t_isf(p, dof) for p in (tail / 2, tail / 2 / len(loadings)))
    above, below = excess(before), excess(point)
    while abs(below) > 1e-9 and above != below:
        before, point, above = point, point - below * (point - before) / (below - above), below
        below = excess(point)
    return point


def _check(loadings: Sequence[float], dof: float) -> None:
    if not loadings or not all(0 <= one <= 1 for one in loadings):
        raise SpecError(f"loadings {list(loadings)} must be one number between 0 and 1 per arm")
    if not dof > 0:
        raise SpecError(f"{dof:g} degrees of freedom; give more than 0, or infinity for z")


def _largest_z_sf(z: NDArray[np.float64], loadings: Sequence[float]) -> NDArray[np.float64]:
    """The same for normal differences whose error is known, at several points in rising order.

    Given the control's noise y, the arms are independent, so one integral over y is enough. A sum over equal
    steps is exact to rounding for such a smooth integrand.
    """
    own = np.sqrt(np.maximum(1 - np.square(loadings), LEAST_OWN_NOISE**2))
    # Half of the narrowest arm's own noise leaves an error below rounding.
    step = float(own.min()) / 2
    tails = []
    # Beyond 39 standard errors a normal tail is smaller than the smallest double.
    for block in np.array_split(np.minimum(z, 39.0), math.ceil(z.size / BLOCK)):
        # The mass of a far tail sits around y = z, so the steps reach 9 standard errors beyond.
        y = np.arange(-float(block[-1]) - 9, float(block[-1]) + 9, step)
        density = np.exp(-y * y / 2) / math.sqrt(2 * math.pi) * step
        tails.append(_any_beyond(block, y, own) @ density)
    return np.minimum(np.concatenate(tails), 1.0)


def _any_beyond(z: NDArray[np.float64], y: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that any arm is beyond each z, given each noise y of the control; shape (z, y)."""
    from scipy import special

    log_none = np.zeros((z.size, y.size))
    for noise, of_control in zip(own.tolist(), np.sqrt(1 - own * own).tolist(), strict=True):
        beyond = special.ndtr((of_control * y - z[:, None]) / noise) + special.ndtr(
            (-of_control * y - z[:, None]) / noise
        )
        with np.errstate(divide="ignore"):
            log_none += np.log1p(-np.minimum(beyond, 1.0))
    # 1 minus the product of 1 - beyond, which keeps the digits of a small one.
    return -np.expm1(log_none)


def _scales_of_error(t: float, dof: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of the estimated over the true error, sqrt(chi-square / dof), and the probability of each.

    Equal steps of its logarithm, whose density is smooth and never far from a normal of sd 1 / sqrt(2 dof).
    """
    sd = 1 / math.sqrt(2 * dof)
    # A large t happens with small errors: that is where its tail's mass sits, besides the bulk around 0.
    lowest = -math.log1p(t * t / dof) / 2 - 9 * sd - 40 / dof
    highest = max(9 * sd, math.log1p(80 / dof) / 2)
    x = np.arange(lowest, highest, min(0.7 * sd, 0.1))
    log_density = dof * (x - np.expm1(2 * x) / 2)
    density = np.exp(log_density - log_density.max())
    return np.exp(x), density / density.sum()
