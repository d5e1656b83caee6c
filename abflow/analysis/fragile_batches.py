"""Does the answer of an allocation that followed the data hang on one unit? Each is left out of its own day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from abflow.analysis.fragility import LARGEST_UNIT_MOVES, OneUnit, with_and_without, without_unit
from abflow.analysis.methods.question import Answer
from abflow.analysis.reading import Reading
from abflow.analysis.samples import Batches, Sample
from abflow.spec.metrics import Metric, RatioMetric
from abflow.stats.result import Estimate, Unavailable


def one_unit_of_a_day(
    metric: Metric, answer: Answer, effect: Estimate, control: Sample, treatment: Sample, *, reading: Reading
) -> OneUnit:
    """Compare the answer with the one that the most influential unit's absence from its day would give.

    A permutation of all units would mix days with other odds, so none is made.

    Args:
        metric: The primary.
        answer: What all units give.
        effect: The same as an estimate.
        control: The control's units.
        treatment: The arm's units.
        reading: The plan, with the days.
    """
    if isinstance(metric, RatioMetric):
        note = "Whether one unit carries the answer is not known: of a ratio nobody keeps the outermost units of a day."
        return OneUnit(decides=False, note=note)
    if answer.deciding is None:
        raise TypeError("batches without an interval")  # a bug: they decide by their own
    furthest, without = -1.0, answer
    for batches in _each_without_one(reading.batches):
        again = replace(reading, batches=batches).answer(control, treatment)
        if isinstance(again, Unavailable):
            return OneUnit(decides=True, note=f"Without one unit there is no effect: {again.detail}.")
        moved = abs(again.deciding.value - answer.deciding.value) if again.deciding else 0.0
        if moved > furthest:
            furthest, without = moved, again
    changes = without.word is not answer.word
    if without.deciding is None or furthest <= LARGEST_UNIT_MOVES * effect.se:
        return OneUnit(decides=changes)
    return OneUnit(decides=changes, note=f"{with_and_without(metric, answer.deciding, without.deciding)}.")


def _each_without_one(batches: Batches) -> Iterator[Batches]:
    """The days again, every time without another one of their outermost units."""
    for at, (control, treatment) in enumerate(batches):
        before, after = batches[:at], batches[at + 1 :]
        for unit in (control.lowest, control.highest):
            if control.moments.n:
                yield (*before, (without_unit(control, unit), treatment), *after)
        for unit in (treatment.lowest, treatment.highest):
            if treatment.moments.n:
                yield (*before, (control, without_unit(treatment, unit)), *after)
