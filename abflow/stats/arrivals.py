"""The distribution of Z at a look among the runs that get there: the step from one look to the next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.panel_quadrature import ORDER, panel_nodes
from abflow.stats.tails import normal_isf

# Beyond this many standard errors a normal tail is smaller than the smallest double.
FARTHEST = 38.0
# Errors below this are nobody's: the bound that spends them is as good as none.
NOTHING = 1e-300
# Standard deviations of the shorter step that one quadrature panel covers; errors stay below 1e-13.
PANEL = 3.0
# A look that adds less than a millionth to the information is taken as one that adds a millionth; the points
# needed grow without end otherwise. It then spends as if it had data it does not have: a little strict.
CLOSEST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrivals:
    """Z at one look among the runs that have crossed no bound before it.

    On the scale of the score S = Z·sqrt(fraction) the step from look to look is normal and independent, so
    the runs that arrive are a mixture of normals, one for each point at which they left the look before.

    Attributes:
        fraction: Information at this look, as a share of the plan.
        drift: Mean of Z at information 1.
        mean: Means of the normals, of S, shape (points,).
        sd: Their common standard deviation.
        mass: Share of all runs in each, shape (points,); together the chance to arrive.
    """

    fraction: float
    drift: float
    mean: NDArray[np.float64]
    sd: float
    mass: NDArray[np.float64]

    def above(self, z: float) -> float:
        """Chance to arrive with Z above a bound."""
        from scipy import special

        return float(self.mass @ special.ndtr((self.mean - z * math.sqrt(self.fraction)) / self.sd))

    def below(self, z: float) -> float:
        """Chance to arrive with Z below a bound."""
        from scipy import special

        return float(self.mass @ special.ndtr((z * math.sqrt(self.fraction) - self.mean) / self.sd))

    def bound(self, tail: float) -> float:
        """The Z above which just this share of all runs arrives, when there is no drift."""
        if tail < NOTHING:
            return FARTHEST
        arrived, root = float(self.mass.sum()), math.sqrt(self.fraction)
        # Right of the answer: as if no run had stopped, or as if all had left the last look at its far end.
        far_end = (float(self.mean.max()) + self.sd * normal_isf(tail / arrived)) / root
        z = min(normal_isf(tail), far_end)
        # The log of the tail is concave, so Newton's steps come down from there and never overshoot.
        for _ in range(100):
            above = self.above(z)
            density = float(self._score_density(np.array([z * root]))[0]) * root
            step = math.log(above / tail) * above / density if above > 0 else 0.0
            z += step
            if abs(step) < 1e-12:
                break
        return z

    def onward(self, lower: float, upper: float, *, to: float) -> Arrivals:
        """The next look, reached by those who arrived here between two bounds of Z."""
        root, step = math.sqrt(self.fraction), math.sqrt(to - self.fraction)
        centre = self.drift * root
        low, high = max(lower, centre - FARTHEST) * root, min(upper, centre + FARTHEST) * root
        panels = max(1, math.ceil((high - low) / (PANEL * min(step, self.sd))))
        score, weight = panel_nodes(np.linspace(low, max(low, high), panels + 1))
        density = [self._score_density(panel) for panel in score.reshape(-1, ORDER)]
        return Arrivals(
            fraction=to,
            drift=self.drift,
            mean=score + self.drift * (to - self.fraction),
            sd=step,
            mass=weight * np.ravel(density),
        )

    def _score_density(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density of S at increasing points; only the normals that reach them are added up."""
        reach = FARTHEST * self.sd
        near = slice(*np.searchsorted(self.mean, (score[0] - reach, score[-1] + reach)))
        away = (score[:, None] - self.mean[near]) / self.sd
        density: NDArray[np.float64] = np.exp(-away * away / 2) @ self.mass[near] / (self.sd * math.sqrt(2 * math.pi))
        return density


def first_look(fraction: float, *, drift: float = 0.0) -> Arrivals:
    """The first look, at which every run arrives.

    References:
        Those of `each_look`.
    """
    return Arrivals(
        fraction=fraction,
        drift=drift,
        mean=np.array([drift * fraction]),
        sd=math.sqrt(fraction),
        mass=np.ones(1),
    )


def each_look(
    fractions: Sequence[float], lower: Sequence[float], upper: Sequence[float], *, drift: float = 0.0
) -> Iterator[Arrivals]:
    """Arrivals at every look of a series.

    The density of S at the next look is g_k(s) = ∫ g_(k-1)(u) φ((s - u - drift Δ) / sqrt(Δ)) / sqrt(Δ) du over the u
    between the bounds, with Δ = t_k - t_(k-1).

    Args:
        fractions: Information at each look as a share of the plan, increasing; it may pass 1.
        lower: Bounds of Z that end a run from below, at every look but the last, whose bounds end nothing.
        upper: The same from above.
        drift: Mean of Z at information 1.

    Raises:
        SpecError: There is no look, or the fractions do not increase.

    References:
        Armitage, McPherson, Rowe (1969), JRSS A 132, 235-244; Jennison, Turnbull (2000), Group Sequential Methods,
        section 19.2, here with Gauss-Legendre in place of Simpson's weights.
    """
    times = apart(fractions)
    look = first_look(times[0], drift=drift)
    yield look
    for to, down, up in zip(times[1:], lower, upper, strict=False):
        look = look.onward(down, up, to=to)
        yield look


def apart(fractions: Sequence[float]) -> tuple[float, ...]:
    """The fractions, with looks that nearly coincide moved a little apart.

    Raises:
        SpecError: There is none, or they do not increase.

    References:
        Those of `each_look`.
    """
    times: list[float] = []
    last = 0.0
    for fraction in fractions:
        if not last < fraction < math.inf:
            raise SpecError(f"information fractions {tuple(fractions)} must be above 0, finite and increasing")
        last = fraction
        times.append(max(fraction, times[-1] * (1 + CLOSEST)) if times else fraction)
    if not times:
        raise SpecError("no information fraction given; a design has one look or more")
    return tuple(times)
