"""How the power of a decision grows with units and days, and how its units fall with the effect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from abflow.analysis.sizing import Sizing
from abflow.errors import NotEnoughData
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.decision_size import decision_power, decision_sample_size
from abflow.stats.power import PowerQuestion, Split
from abflow.stats.result import Unavailable

SHARES = (0.5, 0.75, 1.0, 1.5, 2.0)  # of the size planned for
STEPS = 48
LONGEST = 120  # days of enrolment; beyond, nobody waits


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPoint:
    """The least power of the decision at one size of the primary.

    Attributes:
        size: In the metric's unit, without sign.
        at: Days of enrolment, or units in all arms where nobody knows how many come.
        units: In all arms.
    """

    size: float
    at: float
    units: float
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SizePoint:
    """The units in all arms that one size of the primary takes at the power planned for."""

    size: float
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurves:
    """Both pictures in numbers.

    Attributes:
        asks: `effect` or `margin`, the sizes of which are shown.
        power: Of the decision, as the file asks for it.
        planned: Where the plan lies on the axis of `by_units`; None where nobody knows how many units come.
        in_days: Whether that axis shows days of enrolment; else it shows units.
        size: What is planned for, in the metric's unit, without sign.
        needed: Units in all arms that this takes.
    """

    metric: str
    asks: str
    power: float
    planned: float | None
    in_days: bool
    size: float
    needed: int
    by_units: tuple[PowerPoint, ...]
    by_size: tuple[SizePoint, ...]


def power_curves(spec: ExperimentSpec, sizing: Sizing) -> PowerCurves:
    """Power by units or days for several sizes of the primary, and units by size.

    Args:
        spec: The experiment.
        sizing: What `size_test` made of it.

    Raises:
        NotEnoughData: There is no size yet, because something must be known first.
    """
    if sizing.needed is None or sizing.split is None:
        missing = " ".join(check.sentence for check in sizing.checks)
        raise NotEnoughData(f"{spec.experiment} has no power curves yet. {missing}")
    question = sizing.questions[0]
    return PowerCurves(
        metric=question.name,
        asks="effect" if question.kind == "difference" else "margin",
        power=spec.analysis.power,
        planned=float(spec.enroll_days) if sizing.inflow else None,
        in_days=sizing.inflow is not None,
        size=abs(question.absolute_size),
        needed=sizing.needed,
        by_units=tuple(_by_units(spec, sizing, sizing.split, sizing.needed)),
        by_size=tuple(_by_size(spec, sizing, sizing.split)),
    )


def _by_units(spec: ExperimentSpec, sizing: Sizing, split: Split, needed: int) -> Iterator[PowerPoint]:
    axis = list(_days(spec, sizing, needed)) or [(float(n), float(n)) for n in _grid(0, 2 * needed)]
    for share in SHARES:
        questions = _asking(sizing, share)
        for at, units in axis:
            power = decision_power(questions, split=split, total=units) if units else 0.0
            if not isinstance(power, Unavailable):
                yield PowerPoint(size=abs(questions[0].absolute_size), at=at, units=units, power=power)


def _days(spec: ExperimentSpec, sizing: Sizing, needed: int) -> Iterator[tuple[float, float]]:
    """Days of enrolment with the units they bring: twice as long as is needed or planned, within reason."""
    if sizing.inflow is None:
        return
    enough = sizing.inflow.days_until(needed) or spec.enroll_days
    for day in range(min(2 * max(enough, spec.enroll_days), LONGEST) + 1):
        yield float(day), sizing.inflow.units(day)


def _grid(low: float, high: float) -> list[float]:
    return [low + (high - low) * step / STEPS for step in range(STEPS + 1)]


def _asking(sizing: Sizing, share: float) -> tuple[PowerQuestion, ...]:
    """The same questions for a primary of another size."""
    primary, *others = sizing.questions
    return (replace(primary, size=share * primary.size), *others)


def _by_size(spec: ExperimentSpec, sizing: Sizing, split: Split) -> Iterator[SizePoint]:
    for exponent in _grid(math.log(SHARES[0]), math.log(SHARES[-1])):
        questions = _asking(sizing, math.exp(exponent))
        size = decision_sample_size(questions, split=split, power=spec.analysis.power)
        if not isinstance(size, Unavailable):
            yield SizePoint(size=abs(questions[0].absolute_size), units=size.total)
