"""How many units a decision needs, when a win must clear the primary and every guardrail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abflow.errors import SpecError
from abflow.stats.power import PowerCurve, PowerQuestion, Split, power_curve
from abflow.stats.result import Unavailable


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


def decision_sample_size(
    questions: Sequence[PowerQuestion], *, split: Split, power: float
) -> DecisionSize | Unavailable:
    """The smallest number of units at which the chances to miss add up to at most 1 - power.

    Each question may miss on its own, and a win needs them all: with two guardrails of 80 % each a real gain
    would be promoted 51 % of the time.

    Args:
        questions: The primary and every guardrail that is sized.
        split: Shares of all units that go to the two arms compared.
        power: Of the decision, such as 0.8.

    Returns:
        The size; or why one of the questions has none.

    References:
        Schultzberg, Ankargren, Frånberg (2024), arXiv 2402.11609: the type II error of a decision over
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

    # No question may miss more than the sum may, and all are well when each misses its equal part of it.
    too_few = math.ceil(max(curve.units(1 - allowed_misses) for curve in curves)) - 2
    total = math.ceil(max(curve.units(1 - allowed_misses / len(curves)) for curve in curves)) + 1
    while total - too_few > 1:
        middle = (too_few + total) // 2
        too_few, total = (too_few, middle) if enough(middle) else (middle, total)
    return total


def _whole(units: float) -> int:
    # 0.1 + 0.2 of 100 units must stay 30, not become 31.
    return math.ceil(units - 1e-9 * max(units, 1.0))
