"""Read at the end of every day, between no effect and an effect worth detecting."""

from __future__ import annotations

from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.readout import Word
from abflow.analysis.sequence import interval_of, p_value_of
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.sprt import sprt_reading

WORDS = {"better": Word.BETTER, "worse": Word.WORSE}


def answer(asked: Question) -> Answer | Unavailable:
    """A word when a likelihood ratio crosses its threshold; interval and p-value are those of the sequence.

    The ratio has no interval of its own. The confidence sequence holds at whatever look the test ends, so it may
    be shown beside the word, and may hold 0 when the ratio has just crossed.
    """
    if asked.mde is None:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE, detail="sprt tests against the mde, and there is none"
        )
    if asked.mde_without_size is not None:
        return asked.mde_without_size
    read = sprt_reading(asked.gain, asked.effect.se, mde=asked.mde, alpha=asked.alpha, beta=1 - asked.power)
    pair = (asked.effect, asked.control, asked.treatment, asked.look)
    shown, p = interval_of(*pair, alpha=asked.alpha), p_value_of(*pair, alpha=asked.alpha)
    if isinstance(read, Unavailable):
        return read
    if isinstance(shown, Unavailable):
        return shown
    if isinstance(p, Unavailable):
        return p
    ratios = f"log likelihood ratios {read.gain:+.3f} for the mde and {read.loss:+.3f} for its opposite"
    limits = f"{read.thresholds.reject:.3f} shows one, {read.thresholds.accept:.3f} rules it out"
    return Answer(
        word=WORDS.get(read.crossed or "", Word.UNCLEAR),
        mde_excluded=read.gain <= read.thresholds.accept,
        adjusted_p=min(p * asked.tests, 1.0),
        corrected_by=shown.method,
        deciding=shown,
        notes=(f"{ratios}; {limits}.",),
    )
