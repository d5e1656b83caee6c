"""What the primary is asked in one arm, and what a method answers."""

from __future__ import annotations

from dataclasses import dataclass

from abflow.analysis.looks import ArmLook
from abflow.analysis.readout import Deciding, PosteriorSummary, Word
from abflow.analysis.samples import Batches, Sample
from abflow.stats.group_sequential import Look as Spent
from abflow.stats.result import Estimate, Unavailable, UnavailableReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The primary in one arm against control.

    Attributes:
        effect: Treatment minus control, as logged.
        sign: +1 where more is better, -1 where less is better.
        mde: The smallest effect worth detecting, without sign; None when there is none.
        margin: The loss that the primary is allowed, without sign; None when there is none.
        alpha: Two-sided, of this comparison alone: alpha'.
        tests: How many comparisons share the experiment's alpha: alpha' times this is alpha.
        adjusted_p: After the correction over the arms, for a test that is read once.
        correction: Its name.
        strict: The effect with its interval at 1 - alpha'.
        lift_sd: Of the prior on the relative lift; None for a flat one.
        batches: Control and arm by day of entry, where the allocation followed the data.
    """

    control: Sample
    treatment: Sample
    effect: Estimate
    strict: Estimate
    sign: int
    mde: float | None
    margin: float | None
    alpha: float
    tests: int
    power: float
    adjusted_p: float
    correction: str
    look: ArmLook
    lift_sd: float | None = None
    batches: Batches = ()

    @property
    def gain(self) -> float:
        """The effect, plus is good."""
        return self.sign * self.effect.value

    @property
    def mde_without_size(self) -> Unavailable | None:
        """Why a method that weighs the effect against the mde cannot do so; None when it can, or has none to weigh."""
        if self.mde != 0:
            return None
        return Unavailable(
            reason=UnavailableReason.BASELINE_NEAR_ZERO,
            detail="the mde is relative to a control of 0, so there is no size to weigh the effect against",
        )

    def toward(self, gain: float) -> Word:
        """The word for a shown effect of this sign, plus is good."""
        return Word.BETTER if gain > 0 else Word.WORSE

    def best_end(self, lower: float, upper: float) -> float:
        """The end of an interval on the good side, plus is good."""
        return upper if self.sign > 0 else -lower


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a method makes of a question.

    Attributes:
        adjusted_p: To be compared with alpha, valid at the looks that the method allows; None where it has none.
        deciding: The interval that the word rests on, where it is not the effect's own.
    """

    word: Word
    mde_excluded: bool
    adjusted_p: float | None
    deciding: Deciding | None
    corrected_by: str | None = None
    posterior: PosteriorSummary | None = None
    spent: Spent | None = None
    notes: tuple[str, ...] = ()
