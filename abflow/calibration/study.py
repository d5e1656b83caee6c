"""A study draws worlds whose truth is known and counts how often a method is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from abflow.errors import SpecError

# Two-sided normal quantile of 1 in 1 000: a right engine fails one check in a thousand.
BAND = 3.29


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often something happened, and how often it should.

    Attributes:
        what: What was counted and in which world, such as "Welch t, lognormal, 100 units: rejected".
        hits: Runs in which it happened.
        runs: Runs in all.
        low: The least the true rate may be; None when there is no such limit.
        high: The most it may be; None when there is no such limit.
    """

    what: str
    hits: int
    runs: int
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.runs or self.runs < 1:
            raise SpecError(f"{self.what}: {self.hits} hits in {self.runs} runs; give 1 run or more, at most all hits")

    @property
    def share(self) -> float:
        """The rate observed."""
        return self.hits / self.runs

    @property
    def limits(self) -> tuple[float, float]:
        """Where the observed rate must lie: the limits with the noise of so many runs added."""
        low = 0.0 if self.low is None else self.low - noise(self.low, self.runs)
        high = 1.0 if self.high is None else self.high + noise(self.high, self.runs)
        return max(low, 0.0), min(high, 1.0)

    @property
    def judged(self) -> bool:
        """Whether there is anything to keep; otherwise the rate is only reported."""
        return self.low is not None or self.high is not None

    @property
    def holds(self) -> bool:
        """Whether the rate is what it should be, as far as so many runs can tell."""
        low, high = self.limits
        return low <= self.share <= high


def noise(p: float, runs: int) -> float:
    """How far a rate counted in so many runs may lie from the true rate."""
    return BAND * math.sqrt(p * (1 - p) / runs)


def exactly(what: str, hits: int, runs: int, p: float) -> Rate:
    """A rate that must be `p`."""
    return Rate(what=what, hits=int(hits), runs=runs, low=p, high=p)


def at_most(what: str, hits: int, runs: int, p: float) -> Rate:
    """A rate that may not exceed `p`."""
    return Rate(what=what, hits=int(hits), runs=runs, high=p)


def at_least(what: str, hits: int, runs: int, p: float) -> Rate:
    """A rate that must reach `p`."""
    return Rate(what=what, hits=int(hits), runs=runs, low=p)


def between(what: str, hits: int, runs: int, low: float, high: float) -> Rate:
    """A rate that must lie between two others."""
    return Rate(what=what, hits=int(hits), runs=runs, low=low, high=high)


def reported(what: str, hits: int, runs: int) -> Rate:
    """A rate that is shown and not judged."""
    return Rate(what=what, hits=int(hits), runs=runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One line of the calibration plan.

    Attributes:
        name: What the command line calls it.
        claim: What must be true, in one sentence.
        runs: Of the whole study; CI makes a tenth of them.
        rates: Counts, given the number of runs and a seed; the same two give the same counts.
    """

    name: str
    claim: str
    runs: int
    rates: Callable[[int, int], tuple[Rate, ...]]
