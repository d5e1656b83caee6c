"""What a test with several looks says about the effect once it has ended: p-value, estimate and interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from abflow.errors import SpecError
from abflow.stats.crossing import crossing_probabilities
from abflow.stats.group_sequential import Look
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.root import root
from abflow.stats.tails import tail_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StagewiseEstimate:
    """An effect read at the look that ended a test, with the earlier looks allowed for.

    Attributes:
        estimate: The plain effect and its error, with the stage-wise interval and p-value. A test that stops
            early for a large effect overstates it, so the value may lie near, or even beyond, an end.
        median_unbiased: The effect that this result exceeds as often as it falls short.
    """

    estimate: Estimate
    median_unbiased: float


def stagewise_estimate(
    value: float, se: float, *, looks: Sequence[Look], last: bool, confidence: float = 0.95
) -> StagewiseEstimate | Unavailable:
    """The effect at the look that ended the test, at a bound or at the last look without one.

    Results are ordered by where they ended: an upward stop is stronger the earlier it came, and at one look the larger
    Z is stronger: P(at least as far up) = Σ_(j<k) P(stops upwards at j) + P(gets to k, Z_k > z). The ends and the
    median are the effects under which that is (1 - confidence) / 2, (1 + confidence) / 2 and 1/2. At the level of the
    bounds the interval leaves 0 out just when a bound was crossed; with one look it is the interval of a fixed test.

    Args:
        value: The effect's plain estimate at that look.
        se: Its standard error.
        looks: Every look taken, this one at the end; none before it crossed its bound.
        last: Whether no look was to come any more.
        confidence: Of the two-sided interval.

    Returns:
        The reading; or `method_not_valid_here` while the test goes on, because the p-value of a test that has
        not ended depends on what is to come.

    Raises:
        SpecError: There is no look, or the confidence is not between 0.5 and 1.

    References:
        Tsiatis, Rosner, Mehta (1984), Biometrics 40, 797-803; Jennison, Turnbull (2000), Group Sequential Methods,
        pages 179-180.
    """
    tail = tail_of(confidence, sides=2)
    ending = _ending(value, se, looks)
    if isinstance(ending, Unavailable):
        return ending
    if not (last or looks[-1].crossed(ending.z)):
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"abs(Z) {abs(ending.z):.4g} is below the bound {looks[-1].bound:.4g} and looks are to come; "
            "the effect is read when the test has ended",
        )
    return StagewiseEstimate(
        estimate=Estimate(
            value=value,
            se=se,
            lower=se * ending.drift_exceeded(tail),
            upper=-se * ending.mirrored.drift_exceeded(tail),
            p_value=ending.p_value(drift=0.0),
            confidence=confidence,
            method="stage-wise ordering",
        ),
        median_unbiased=se * ending.drift_exceeded(0.5),
    )


def stagewise_p_value(value: float, se: float, *, looks: Sequence[Look], effect: float = 0.0) -> float | Unavailable:
    """Two-sided p-value of any true effect, given where a test ended.

    Twice the smaller of P(at least as far up) and P(at least as far down) under that effect. The interval of
    `stagewise_estimate` holds the effects whose p-value is at least 1 - confidence.

    Args:
        value: The effect's plain estimate at the look that ended the test.
        se: Its standard error.
        looks: Every look taken, this one at the end.
        effect: The hypothesis.

    Raises:
        SpecError: There is no look.

    References:
        Tsiatis, Rosner, Mehta (1984), Biometrics 40, 797-803; Jennison, Turnbull (2000), Group Sequential Methods,
        pages 179-180.
    """
    ending = _ending(value, se, looks)
    return ending if isinstance(ending, Unavailable) else ending.p_value(drift=effect / se)


def _ending(value: float, se: float, looks: Sequence[Look]) -> _Ending | Unavailable:
    if not looks:
        raise SpecError("no look was taken; give every look, the one that ended the test last")
    if not (math.isfinite(value) and math.isfinite(se)):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the estimate or its error is infinite")
    if se <= 0:
        return Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="the estimate has no spread")
    if not math.isfinite(value / se):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail=f"{value:g} over its error {se:g} is too large")
    # Against the information of this look, so that a drift is an effect in standard errors of today.
    fractions = tuple(look.fraction / looks[-1].fraction for look in looks)
    return _Ending(z=value / se, fractions=fractions, bounds=tuple(look.bound for look in looks[:-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """Z at the look that ended the test, and what the runs before it had to pass.

    Attributes:
        z: The effect in standard errors.
        fractions: Information at each look as a share of this one's.
        bounds: Of abs(Z), at the looks before this one.
    """

    z: float
    fractions: tuple[float, ...]
    bounds: tuple[float, ...]

    @property
    def mirrored(self) -> _Ending:
        return replace(self, z=-self.z)

    def tails(self, drift: float) -> tuple[float, float]:
        """Chances of a result at least this far up, and at least this far down."""
        found = crossing_probabilities(
            (*self.bounds, self.z), self.fractions, drift, lower=(*(-bound for bound in self.bounds), self.z)
        )
        return sum(found.upper), sum(found.lower)

    def p_value(self, *, drift: float) -> float:
        # The two add up to 1, up to rounding.
        return min(2 * min(self.tails(drift)), 1.0)

    def drift_exceeded(self, tail: float) -> float:
        """The drift under which a result at least this far up has this chance; it grows with the drift."""

        def excess(drift: float) -> float:
            return self.tails(drift)[0] - tail

        # A later look is only reached under a moderate drift, however large its Z.
        start = 0.0 if self.bounds else self.z
        return root(excess, _first(lambda d: excess(d) < 0, start, -1), _first(lambda d: excess(d) > 0, start, 1))


def _first(holds: Callable[[float], bool], start: float, step: float) -> float:
    """The first point for which something holds, in steps that double."""
    point = start
    while not holds(point):
        point, step = point + step, 2 * step
    return point
