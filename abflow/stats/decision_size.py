"""How many units a decision needs, when a win must clear the primary and every guardrail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abflow.errors import SpecError
from abflow.stats.power import PowerCurve, PowerQuestion, Split, detectable, power_curve, power_of
from abflow.stats.result import Unavailable, UnavailableReason


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSize:
    """What one question needs by itself, and what it gets.

    Attributes:
        name: Of the metric.
        alone: Units in all arms that answer this question with the power asked for.
        power: Its power at the size of the decision.
    """

    name: str
    alone: int
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSize:
    """Units that give the whole decision its power.

    Attributes:
        total: Units in all arms.
        control: Of them, units in the control, rounded up.
        treatment: Of them, units in the treatment compared, rounded up.
        questions: One entry per question, in the order given.
    """

    total: int
    control: int
    treatment: int
    questions: tuple[QuestionSize, ...]

    def of(self, name: str) -> QuestionSize:
        """One question's part in it."""
        return next(question for question in self.questions if question.name == name)


def decision_sample_size(
    questions: Sequence[PowerQuestion], *, split: Split, power: float
) -> DecisionSize | Unavailable:
    """The smallest number of units at which the chances to miss add up to at most 1 - power.

    The least n with Σ (1 - power_i(n)) ≤ 1 - power. Each question may miss on its own, and a win needs them all: with
    two guardrails of 80 % each a real gain would be promoted 51 % of the time.

    Args:
        questions: The primary and every guardrail that is sized.
        split: Shares of all units that go to the two arms compared.
        power: Of the decision, such as 0.8.

    Returns:
        The size; or why one of the questions has none.

    Raises:
        SpecError: There is no question, or the power is not between 0.5 and 1.

    References:
        Schultzberg, Ankargren, Frånberg (2024), arXiv 2402.11609v1: the type II error of a decision over
        several metrics, corrected by its union bound.
    """
    if not questions or not 0.5 < power < 1:
        raise SpecError(
            f"{len(questions)} questions with power {power:g}; give one question or more and a power between 0.5 and 1"
        )
    curves: list[PowerCurve] = []
    for question in questions:
        curve = power_curve(question, split)
        if isinstance(curve, Unavailable):
            return curve
        curves.append(curve)
    lost = sum(1 - curve.most for curve in curves)
    if lost >= 1 - power:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"no number of units gives the decision a power of {power:g}: an equal version is called worse "
            f"{100 * lost:.3g} % of the time",
        )
    for question, curve in zip(questions, curves, strict=True):
        if not math.isfinite(curve.units(power)):
            return Unavailable(
                reason=UnavailableReason.NOT_FINITE,
                detail=f"{question.name}: so small a {question.kind} takes more units than can be counted",
            )
    total = _smallest_total(curves, allowed_misses=1 - power)
    return DecisionSize(
        total=total,
        control=_whole(total * split.control),
        treatment=_whole(total * split.treatment),
        questions=tuple(
            QuestionSize(name=question.name, alone=_whole(curve.units(power)), power=curve.power(total))
            for question, curve in zip(questions, curves, strict=True)
        ),
    )


def _smallest_total(curves: Sequence[PowerCurve], *, allowed_misses: float) -> int:
    def enough(total: int) -> bool:
        return sum(1 - curve.power(total) for curve in curves) <= allowed_misses

    # No question may miss more than the sum may.
    too_few = math.ceil(max(curve.units(1 - allowed_misses) for curve in curves)) - 2
    total = max(too_few, 1)
    while not enough(total):
        too_few, total = total, 2 * total
    while total - too_few > 1:
        middle = (too_few + total) // 2
        too_few, total = (too_few, middle) if enough(middle) else (middle, total)
    return total


def _whole(units: float) -> int:
    # 0.1 + 0.2 of 100 units must stay 30, not become 31.
    return math.ceil(units - 1e-9 * max(units, 1.0))


def decision_power(questions: Sequence[PowerQuestion], *, split: Split, total: float) -> float | Unavailable:
    """The least chance that `total` units in all arms give every question its right answer.

    1 - Σ (1 - power_i), at least 0: Bonferroni's inequality.

    Args:
        questions: The primary and every guardrail that is sized.
        split: Shares of all units that go to the two arms compared.
        total: Units in all arms.

    Returns:
        1 minus every question's chance to miss, or 0 when they add up to more; or why a question has no power.

    Raises:
        SpecError: A question, or the number of units, is impossible; see `power_of`.

    References:
        Those of `decision_sample_size`.
    """
    misses = 0.0
    for question in questions:
        power = power_of(question, total=total, split=split)
        if isinstance(power, Unavailable):
            return power
        misses += 1 - power
    return max(1 - misses, 0.0)


def decision_detectable(
    questions: Sequence[PowerQuestion], *, split: Split, total: float, power: float
) -> float | Unavailable:
    """The smallest size of the first question with which `total` units give the whole decision its power.

    Args:
        questions: The primary, of whose size only the sign is read, then every guardrail that is sized.
        split: Shares of all units that go to the two arms compared.
        total: Units in all arms.
        power: Of the decision.

    Returns:
        A size in the primary's own terms; or why there is none: the others leave it no chance to miss, or it has
        none by itself.

    Raises:
        SpecError: There is no question, the power is not between 0.5 and 1, or the units are below 0 or not finite.

    References:
        Those of `decision_sample_size`.
    """
    if not questions:
        raise SpecError("0 questions; give the primary, then every guardrail that is sized")
    primary, *others = questions
    left = decision_power(others, split=split, total=total)
    if isinstance(left, Unavailable):
        return left
    alone = power + 1 - left
    if alone >= 1:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{total:g} units give the {len(others)} other questions a power of {left:.2f} together, so that "
            f"no size of {primary.name} brings the decision to {power:g}",
        )
    return detectable(primary, total=total, split=split, power=alone)
