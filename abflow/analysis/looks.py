"""When the primary is read, and what earlier looks have shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from abflow.analysis.population import Contamination
from abflow.analysis.readout import Comparison, Deciding, Word
from abflow.spec.assignment import bucket_shares
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.group_sequential import Look as Spent

# Where nobody knows how many units come. Any number keeps a sequence's promise; it only says where it is sharpest.
UNKNOWN_PLAN = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """A primary that has shown its answer at a look; it stays shown.

    Attributes:
        fragile: Whether the answer hangs on one unit, and has at every look since.
    """

    word: Word
    deciding: Deciding
    fragile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLook:
    """What a look leaves behind for the next one.

    Attributes:
        day: Of the test, 1 for the first.
        units: Mature units of the primary by arm, all controls as one.
        spent: By arm, what a group-sequential look used up; it stays used up when the past is restated.
        crossed: The arms whose primary has shown its answer by then.
        beside: The same under the other way of treating units seen in two variants.
    """

    day: int
    units: dict[str, int]
    spent: dict[str, Spent] = field(default_factory=dict)
    crossed: dict[str, Crossed] = field(default_factory=dict)
    beside: dict[str, Crossed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One reading of the primary.

    Attributes:
        day: Of the test, 1 for the first.
        final: Whether it is the cut-off.
        planned: Mature units of all variants together that the plan expects at the cut-off; 0 when nobody knows.
        past: The looks before it, in their order.
        again: The same look as it was taken before, when it is taken again; None the first time.
    """

    day: int
    final: bool
    planned: float
    past: tuple[PastLook, ...] = ()
    again: PastLook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLook:
    """The same look, for one arm against control.

    Attributes:
        units: Mature units of both arms now.
        planned: Mature units of both arms that the plan expects at the cut-off.
        spent: What the earlier looks used up.
        again: What this very look used up when it was taken before, or None.
        crossed: What an earlier look has shown, or None.
        number: 1 for the first look.
        looks: Looks that the plan has in all.
    """

    units: int
    planned: float
    spent: tuple[Spent, ...]
    again: Spent | None
    crossed: Crossed | None
    final: bool
    number: int
    looks: int

    @property
    def horizon_units(self) -> int:
        """Units that the sequence is tuned to."""
        return round(self.planned) or UNKNOWN_PLAN


def at_cut_off(spec: ExperimentSpec) -> Look:
    """The one look of a test that is read once."""
    return Look(day=spec.phases.test.days, final=True, planned=0.0)


def arm_look(
    spec: ExperimentSpec, look: Look, arm: str, units: Mapping[str, int], *, contamination: Contamination
) -> ArmLook:
    """A look as one arm sees it.

    Args:
        spec: The experiment.
        look: The look.
        arm: The treatment.
        units: Mature units of the primary by arm now, all controls as one.
        contamination: What is done with units seen in two variants; either way has shown its own answers.
    """
    shares = arm_shares(spec)
    pair = (spec.control_name, arm)
    before = look.past[-1] if look.past else PastLook(day=0, units={})
    shown = before.crossed if contamination == spec.analysis.contamination else before.beside
    return ArmLook(
        units=sum(units.get(each, 0) for each in pair),
        planned=look.planned * sum(shares[each] for each in pair),
        spent=tuple(past.spent[arm] for past in look.past if arm in past.spent),
        again=look.again.spent.get(arm) if look.again else None,
        crossed=shown.get(arm),
        final=look.final,
        number=len(look.past) + 1,
        looks=len(spec.looks),
    )


def left_behind(look: Look, comparisons: Sequence[Comparison], beside: Sequence[Comparison] = ()) -> PastLook:
    """What the next look must know: how many units there were, what was spent, and what has been shown.

    Args:
        look: The look.
        comparisons: What it has shown.
        beside: The same under the other way of treating units seen in two variants.
    """
    primary = [comparison for comparison in comparisons if comparison.role is Role.PRIMARY]
    before = look.past[-1] if look.past else PastLook(day=0, units={})
    return PastLook(
        day=look.day,
        units={c.arm: c.treatment.units for c in primary} | {c.control.variant: c.control.units for c in primary},
        spent={c.arm: c.spent for c in primary if c.spent},
        crossed=_shown(before.crossed, comparisons),
        beside=_shown(before.beside, beside),
    )


def _shown(before: Mapping[str, Crossed], comparisons: Sequence[Comparison]) -> dict[str, Crossed]:
    """The answers shown so far: what was shown first stays, and hangs on one unit as long as it does."""
    found = dict(before)
    for c in comparisons:
        if c.role is not Role.PRIMARY or c.word not in (Word.BETTER, Word.WORSE):
            continue
        if c.arm in before:
            found[c.arm] = replace(before[c.arm], fragile=c.fragile)
        elif c.deciding:
            found[c.arm] = Crossed(word=c.word, deciding=c.deciding, fragile=c.fragile)
    return found


def arm_shares(spec: ExperimentSpec) -> dict[str, float]:
    """Shares of units by arm, all controls as one."""
    shares = bucket_shares(spec)
    control = sum(shares[name] for name in spec.controls)
    return {spec.control_name: control} | {arm: shares[arm] for arm in spec.treatments}
