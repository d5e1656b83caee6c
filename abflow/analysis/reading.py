"""How the primary of one arm is read: two samples become a question, and the plan's method answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from abflow.analysis import estimates
from abflow.analysis.looks import ArmLook
from abflow.analysis.methods import always_valid, bayesian, fixed_horizon, group_sequential, sprt, thompson
from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.samples import Batches, Sample
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import Unavailable

Method = Callable[[Question], Answer | Unavailable]
Adjust = Callable[[float], float]

METHODS: Mapping[str, Method] = {
    "fixed_horizon": fixed_horizon.answer,
    "group_sequential": group_sequential.answer,
    "always_valid": always_valid.answer,
    "sprt": sprt.answer,
    "bayesian": bayesian.answer,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The plan for reading the primary in one arm.

    Attributes:
        mde: The smallest effect worth detecting, in the metric's unit, without sign; None when there is none.
        adjust: The correction of this arm's p-value with those of the other arms.
        batches: Control and arm by day of entry, where the allocation followed the data.
    """

    spec: ExperimentSpec
    mde: float | None
    look: ArmLook
    adjust: Adjust
    batches: Batches = ()

    @property
    def method(self) -> Method:
        """The method that answers; an allocation that followed the data has its own."""
        return thompson.answer if self.spec.allocation == "thompson" else METHODS[self.spec.analysis.method]

    def answer(self, control: Sample, treatment: Sample) -> Answer | Unavailable:
        """What the plan's method makes of two samples."""
        asked = self.question(control, treatment)
        return asked if isinstance(asked, Unavailable) else self.method(asked)

    def question(self, control: Sample, treatment: Sample) -> Question | Unavailable:
        """Two samples with everything that a method needs to know of the plan."""
        analysis, alpha = self.spec.analysis, self.spec.arm_alpha
        effect = estimates.difference(control, treatment, confidence=1 - analysis.alpha)
        if isinstance(effect, Unavailable):
            return effect
        strict = estimates.difference(control, treatment, confidence=1 - alpha)
        if isinstance(strict, Unavailable):
            return strict
        return Question(
            control=control,
            treatment=treatment,
            effect=effect,
            strict=strict,
            sign=self.spec.primary.sign,
            mde=self.mde,
            margin=margin.in_units_of(control.plain.mean) if (margin := self.spec.primary.margin) else None,
            alpha=alpha,
            tests=len(self.spec.treatments) * analysis.family_size,
            power=analysis.power,
            adjusted_p=self.adjust(effect.p_value),
            correction=analysis.correction,
            look=self.look,
            lift_sd=analysis.prior.lift_sd if analysis.prior else None,
            batches=self.batches,
        )
