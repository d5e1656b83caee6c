"""Read once, after an allocation that followed the data: one test per day of entry, added up."""

from __future__ import annotations

from abflow.analysis.by_batches import compared
from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.readout import Deciding, Word
from abflow.stats.result import Unavailable

METHOD = "batched OLS"


def answer(asked: Question) -> Answer | Unavailable:
    """A word when the batches' tests together reject at alpha'; pooling the days would be wrong."""
    found = compared(asked.batches, confidence=1 - asked.alpha)
    if isinstance(found, Unavailable):
        return found
    estimate = found.estimate
    gain = asked.sign * estimate.value
    of = found.batches + found.left_out
    notes = (f"{found.left_out} of {of} days of entry had too few units, or no spread, for a test.",)
    return Answer(
        word=asked.toward(gain) if estimate.p_value < asked.alpha and gain else Word.UNCLEAR,
        mde_excluded=asked.mde is not None and asked.best_end(estimate.lower, estimate.upper) < asked.mde,
        adjusted_p=min(estimate.p_value * asked.tests, 1.0),
        corrected_by="bonferroni",
        deciding=Deciding(
            value=estimate.value,
            lower=estimate.lower,
            upper=estimate.upper,
            confidence=estimate.confidence,
            method=f"{METHOD} over {found.batches} days of entry",
        ),
        notes=notes if found.left_out else (),
    )
