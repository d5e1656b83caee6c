"""Read on days fixed beforehand, at bounds that spend alpha as units mature."""

from __future__ import annotations

from abflow.analysis.methods.question import Answer, Question
from abflow.analysis.readout import Deciding, Word
from abflow.stats.group_sequential import Look, next_look
from abflow.stats.proportions import MIN_EXPECTED, expects_few
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.stagewise import stagewise_estimate


def answer(asked: Question) -> Answer | Unavailable:
    """A word when Z is beyond the look's bound; p-value and interval by stage-wise ordering once it has ended."""
    if asked.look.crossed:
        return Answer(
            word=asked.look.crossed.word, mde_excluded=False, adjusted_p=None, deciding=asked.look.crossed.deciding
        )
    if (refusal := _why_no_z(asked)) is not None:
        return refusal
    look = _this_look(asked)
    if isinstance(look, Unavailable):
        return look
    effect, final = asked.effect, asked.look.final
    z = effect.value / effect.se
    shown = look.crossed(z)
    bound = (
        f"look {asked.look.number} at {look.fraction:.0%} of the planned units: Z {z:+.4f} against ±{look.bound:.4f}."
    )
    if not (shown or final):
        return Answer(word=Word.UNCLEAR, mde_excluded=False, adjusted_p=None, deciding=None, spent=look, notes=(bound,))
    read = stagewise_estimate(
        effect.value, effect.se, looks=(*asked.look.spent, look), last=final, confidence=1 - asked.alpha
    )
    if isinstance(read, Unavailable):
        return read
    found = read.estimate
    return Answer(
        word=asked.toward(asked.gain) if shown else Word.UNCLEAR,
        mde_excluded=final and asked.mde is not None and asked.best_end(found.lower, found.upper) < asked.mde,
        adjusted_p=min(found.p_value * asked.tests, 1.0),
        corrected_by=found.method,
        deciding=Deciding(
            value=found.value,
            lower=found.lower,
            upper=found.upper,
            confidence=found.confidence,
            method=f"{found.method}, {asked.look.number} of {asked.look.looks} looks",
        ),
        spent=look,
        notes=(bound, f"median-unbiased estimate {read.median_unbiased:+.4g}, in the metric's own unit."),
    )


def _why_no_z(asked: Question) -> Unavailable | None:
    """Why the effect over its standard error is no Z, or None when it is one."""
    if asked.effect.se == 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="nothing varied within either arm, so the effect has no standard error and the look no Z",
        )
    control, treatment = asked.control, asked.treatment
    if control.is_rate and treatment.is_rate and expects_few(control.moments, treatment.moments):
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"with {control.moments.n} and {treatment.moments.n} units an arm expects fewer than {MIN_EXPECTED} "
            "with or without the event, and Z has no bounds there",
        )
    return None


def _this_look(asked: Question) -> Look | Unavailable:
    """The look's bound; a look that is taken again has the bound that it had."""
    if asked.look.again:
        return asked.look.again
    fraction = asked.look.units / max(asked.look.planned, 1.0)
    return next_look(asked.look.spent, fraction, alpha=asked.alpha, last=asked.look.final)
