"""Read at the end of every day: a confidence sequence holds at all of them together."""

from __future__ import annotations

from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.readout import Word
from abflow.analysis.sequence import METHOD, interval_of, p_value_of
from abflow.stats.result import Unavailable


def answer(asked: Question) -> Answer | Unavailable:
    """A word when the confidence sequence at 1 - alpha' leaves 0 out."""
    pair = (asked.effect, asked.control, asked.treatment, asked.look)
    found, p = interval_of(*pair, alpha=asked.alpha), p_value_of(*pair, alpha=asked.alpha)
    if isinstance(found, Unavailable):
        return found
    if isinstance(p, Unavailable):
        return p
    shown = found.lower > 0 or found.upper < 0
    return Answer(
        word=asked.toward(asked.gain) if shown else Word.UNCLEAR,
        mde_excluded=asked.mde is not None and asked.best_end(found.lower, found.upper) < asked.mde,
        adjusted_p=min(p * asked.tests, 1.0),
        corrected_by=METHOD,
        deciding=found,
    )
