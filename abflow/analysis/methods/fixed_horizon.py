"""Read once, at the cut-off."""

from __future__ import annotations

from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.readout import Deciding, Word


def answer(asked: Question) -> Answer:
    """A word when the adjusted p-value is below alpha; the interval at 1 - alpha' rules the mde out or does not."""
    found, strict = asked.effect, asked.strict
    shown = asked.adjusted_p < asked.alpha * asked.tests and found.value != 0
    deciding = None
    if asked.tests > 1:
        deciding = Deciding(
            value=found.value,
            lower=strict.lower,
            upper=strict.upper,
            confidence=strict.confidence,
            method=f"{strict.method}, one of {asked.tests} tests",
        )
    return Answer(
        word=asked.toward(asked.gain) if shown else Word.UNCLEAR,
        mde_excluded=asked.mde is not None and asked.best_end(strict.lower, strict.upper) < asked.mde,
        adjusted_p=asked.adjusted_p,
        corrected_by=asked.correction,
        deciding=deciding,
    )
