"""What every posterior of an effect can be asked, however it was computed."""

from __future__ import annotations

from typing import Protocol

from abflow.errors import SpecError


class EffectPosterior(Protocol):
    """What is known of treatment minus control after the data."""

    @property
    def mean(self) -> float:
        """Expected effect."""
        ...

    @property
    def method(self) -> str:
        """Name of the posterior."""
        ...

    def probability_above(self, threshold: float = 0.0) -> float:
        """Probability that the effect exceeds a threshold."""
        ...

    def probability_below(self, threshold: float = 0.0) -> float:
        """Probability that the effect falls short of a threshold."""
        ...

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Credible interval with the same probability beyond either end."""
        ...

    @property
    def loss_of_choosing(self) -> float:
        """Expected loss of serving the treatment, where more is better."""
        ...

    @property
    def loss_of_keeping(self) -> float:
        """Expected loss of keeping the control, where more is better."""
        ...


def probability_within(posterior: EffectPosterior, low: float, high: float) -> float:
    """Probability that the effect lies in a region of practical equivalence, too small to matter.

    P(low < effect < high)

    Args:
        posterior: Of the effect.
        low: Lower end of the region, usually negative.
        high: Its upper end.

    Raises:
        SpecError: The range ends before it begins.

    References:
        Kruschke (2018), Advances in Methods and Practices in Psychological Science 1, 270-280.
    """
    if not low < high:
        raise SpecError(f"a region from {low:g} to {high:g} is empty; its lower end comes first")
    # From the tail that is small, because the difference of two numbers next to 1 has few digits.
    if posterior.mean > high:
        return posterior.probability_below(high) - posterior.probability_below(low)
    if posterior.mean < low:
        return posterior.probability_above(low) - posterior.probability_above(high)
    return 1 - posterior.probability_below(low) - posterior.probability_above(high)
