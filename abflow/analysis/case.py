"""One arm's evidence, as the rules of the verdict read it."""

from __future__ import annotations

from dataclasses import dataclass

from abflow.analysis.readout import Comparison, Margin, Word
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric
from abflow.stats.result import Estimate, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One arm's evidence, as the rules read it."""

    spec: ExperimentSpec
    arm: str
    primary: Comparison
    other: Comparison
    guardrails: tuple[Comparison, ...]

    @property
    def metric(self) -> Metric:
        """The primary metric."""
        return self.spec.primary

    @property
    def clear_signals(self) -> bool:
        """Whether a gain must be shown."""
        return self.spec.analysis.preset == "clear_signals"

    @property
    def better(self) -> bool:
        """Whether the primary is shown to be better."""
        return self.primary.word is Word.BETTER

    @property
    def gain(self) -> float:
        """The estimated effect, plus is good."""
        return self.metric.sign * self.shown[0]

    @property
    def estimate(self) -> Estimate:
        """The primary's effect; only rules below A1 ask for it."""
        if isinstance(self.primary.effect, Unavailable):
            raise TypeError(f"{self.primary.metric} has no effect")  # a bug: A1 comes first
        return self.primary.effect

    @property
    def shown(self) -> tuple[float, float, float]:
        """The estimate and both ends of the interval that decides, as logged."""
        found = self.primary.deciding or self.estimate
        return found.value, found.lower, found.upper

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the interval that decides, plus is good."""
        _, lower, upper = self.shown
        return (lower, upper) if self.metric.sign > 0 else (-upper, -lower)

    @property
    def all_safe(self) -> bool:
        """Whether every guardrail holds; an unclear one may pass where the plan says `unclear: warn`."""
        return all(g.word is Word.SAFE or self.passes_unclear(g) for g in self.guardrails)

    @property
    def no_loss(self) -> bool:
        """Whether do_no_harm's bound on the primary holds; with a posterior, whether it is believed to."""
        margin, posterior = self.primary.margin, self.primary.posterior
        if self.clear_signals or not isinstance(margin, Margin):
            return False
        if posterior and posterior.within_margin is not None:
            return posterior.within_margin >= posterior.margin_needed
        return margin.lower > 0

    @property
    def read_once(self) -> bool:
        """Whether the plan fixed how precise the primary would be; a test that may stop early did not."""
        return self.spec.analysis.method in ("fixed_horizon", "bayesian")

    @property
    def overwhelming(self) -> bool:
        """Whether the evidence is so strong that the size of the test does not matter."""
        posterior, p = self.primary.posterior, self.primary.adjusted_p
        if posterior:
            return posterior.better >= 0.9995
        return p is not None and p < 0.001

    @property
    def holds_up(self) -> bool:
        """Whether the primary alone would win."""
        return self.better or self.no_loss

    @property
    def open_guardrail(self) -> Comparison | None:
        """The first guardrail that is unclear or unavailable."""
        closed = (Word.SAFE, Word.HARMED)
        return next((g for g in self.guardrails if g.word not in closed and not self.passes_unclear(g)), None)

    @property
    def harmed_guardrail(self) -> Comparison | None:
        """The first guardrail that is harmed."""
        return next((g for g in self.guardrails if g.word is Word.HARMED), None)

    def passes_unclear(self, guardrail: Comparison) -> bool:
        """Whether this guardrail is unclear and the plan lets that pass."""
        return guardrail.word is Word.UNCLEAR and self.spec.metrics[guardrail.metric].unclear == "warn"
