"""How likely one comparison is to give the answer it should, and the size of effect it can show."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from abflow.errors import SpecError
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerQuestion:
    """One thing a test must be able to show.

    Attributes:
        name: Of the metric.
        kind: `difference`: find an effect of this size, two-sided. `margin`: show that the loss is smaller
            than this size when there is none, one-sided.
        mean: Mean per unit of the control; of a proportion, its rate.
        sd: Standard deviation per unit; None for a proportion, whose rate says it.
        size: Effect or margin as the experiment file writes it, with its sign: where more is better an effect
            is positive and a margin negative.
        relative: Whether `size` is a share of `mean`.
        alpha: Error level, two-sided for a difference, one-sided for a margin.
        factor: Units the method takes, as a multiple of one plain look at the end; below 1 where history takes
            noise off, above 1 where every day may end the test.
        most: Power that no number of units exceeds, where another rule may speak first: an equal version is called
            worse in alpha / 2 of all tests, however sure its margin has become.
    """

    name: str
    kind: Literal["difference", "margin"]
    mean: float
    sd: float | None
    size: float
    relative: bool
    alpha: float
    factor: float = 1.0
    most: float = 1.0

    @property
    def absolute_size(self) -> float:
        """The size in the metric's own unit."""
        return self.size * self.mean if self.relative else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Shares of all the experiment's units that go to the two arms compared.

    Raises:
        SpecError: The shares are not shares.
    """

    control: float
    treatment: float

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if not (self.control > 0 and self.treatment > 0 and self.control + self.treatment <= 1 + 1e-9):
            raise SpecError(
                f"shares {self.control:g} and {self.treatment:g} of all units are impossible; "
                "both must be above 0 and their sum at most 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """Power as a function of the experiment's units, by the normal approximation.

    Attributes:
        signal: Distance of what is true from what is to be rejected.
        sd_null: Standard error the test uses, for one unit in all.
        sd_true: Standard error of the estimate, for one unit in all.
        critical: Normal quantile of the test.
        most: Power that no number of units exceeds.
    """

    signal: float
    sd_null: float
    sd_true: float
    critical: float
    most: float = 1.0

    def power(self, total: float) -> float:
        """Chance of the right answer with `total` units in all arms.

        Φ((signal sqrt(total) - critical sd_null) / sd_true), at most `most`.

        Args:
            total: Units in all arms.

        Raises:
            SpecError: The number of units is below 0 or not finite.
        """
        if not 0 <= total < math.inf:
            raise SpecError(f"{total:g} units have no power; give a number of 0 or more")
        alone = normal_sf((self.critical * self.sd_null - self.signal * math.sqrt(total)) / self.sd_true)
        return min(alone, self.most)

    def units(self, power: float) -> float:
        """Units in all arms, before rounding up, that give this power, where it can be reached.

        ((critical sd_null + z sd_true) / signal)², z being what a normal exceeds with a chance of 1 - power.
        """
        root = max((self.critical * self.sd_null + normal_isf(1 - power) * self.sd_true) / self.signal, 0.0)
        return root * root


def power_curve(question: PowerQuestion, split: Split) -> PowerCurve | Unavailable:
    """Power of one question as a function of units.

    For one unit in all, of which shares w are in the arms: sd_true² = v_c / w_c + v_t / w_t, v being p (1 - p) or sd².
    A difference of proportions is tested with the pooled standard error, as the readout does,
    sd_null² = p (1 - p) (1 / w_c + 1 / w_t); a margin is tested at a true difference of 0, a relative one on
    s·m_t - (s - |r|)·m_c, with sd² = v ((s - |r|)² / w_c + 1 / w_t).

    Args:
        question: What must be shown of one metric.
        split: Shares of all units that go to the two arms compared.

    Returns:
        The curve; or `not_finite`, `no_variance`, `baseline_near_zero`, or `method_not_valid_here` for a size that
        no number of units can show.

    Raises:
        SpecError: The error level, factor or highest power is impossible.

    References:
        Fleiss, Levin, Paik (2003), Statistical Methods for Rates and Proportions, chapter 4, with arms of any size.
    """
    if not 0 < question.alpha < 0.5:
        raise SpecError(f"alpha {question.alpha:g} of {question.name!r} must lie between 0 and 0.5")
    if not 0 < question.factor < math.inf:
        raise SpecError(f"factor {question.factor:g} of {question.name!r} must be above 0; 1 is one plain look")
    if not 0.5 < question.most <= 1:
        raise SpecError(f"most {question.most:g} of {question.name!r} must lie between 0.5 and 1")
    refusal = _why_no_power(question)
    if refusal is not None:
        return refusal
    plain = _difference(question, split) if question.kind == "difference" else _margin(question, split)
    noise = math.sqrt(question.factor)
    return replace(plain, sd_null=noise * plain.sd_null, sd_true=noise * plain.sd_true, most=question.most)


def _why_no_power(question: PowerQuestion) -> Unavailable | None:
    name, mean, sd = question.name, question.mean, question.sd
    if not all(map(math.isfinite, (mean, question.absolute_size, 0.0 if sd is None else sd * sd))):
        return Unavailable(
            reason=UnavailableReason.NOT_FINITE,
            detail=f"{name}: the mean, sd and size must be finite, and not too large to be squared",
        )
    if sd is None and not 0 <= mean <= 1:
        return Unavailable(reason=UnavailableReason.METHOD_NOT_VALID_HERE, detail=f"{name}: {mean:g} is not a rate")
    if _variance(question, mean) <= 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail=f"{name}: every unit has the value {mean:g}, so no sample size can be worked out",
        )
    if question.relative and mean <= 0:
        reason = UnavailableReason.BASELINE_NEAR_ZERO if mean == 0 else UnavailableReason.METHOD_NOT_VALID_HERE
        return Unavailable(reason=reason, detail=f"{name}: nothing is relative to a mean of {mean:g}")
    if question.absolute_size == 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"{name}: a {question.kind} of 0 cannot be shown with any number of units",
        )
    changed = mean + question.absolute_size
    if question.kind == "difference" and sd is None and not 0 < changed < 1:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"{name}: the effect would move the rate from {mean:g} to {changed:g}, beyond 0 to 1",
        )
    return None


def _variance(question: PowerQuestion, mean: float) -> float:
    return mean * (1 - mean) if question.sd is None else question.sd * question.sd


def _difference(question: PowerQuestion, split: Split) -> PowerCurve:
    effect = question.absolute_size
    control = _variance(question, question.mean)
    treatment = _variance(question, question.mean + effect)
    sd_true = math.sqrt(control / split.control + treatment / split.treatment)
    sd_null = sd_true
    if question.sd is None:
        pooled = question.mean + effect * split.treatment / (split.control + split.treatment)
        sd_null = math.sqrt(pooled * (1 - pooled) * (1 / split.control + 1 / split.treatment))
    return PowerCurve(signal=abs(effect), sd_null=sd_null, sd_true=sd_true, critical=normal_isf(question.alpha / 2))


def _margin(question: PowerQuestion, split: Split) -> PowerCurve:
    sign = -1 if question.size > 0 else 1
    weight = sign - abs(question.size) if question.relative else sign
    variance = _variance(question, question.mean)
    sd = math.sqrt(variance * (weight * weight / split.control + 1 / split.treatment))
    return PowerCurve(signal=abs(question.absolute_size), sd_null=sd, sd_true=sd, critical=normal_isf(question.alpha))


def power_of(question: PowerQuestion, *, total: float, split: Split) -> float | Unavailable:
    """Chance that the comparison gives the right answer with `total` units in all arms; see `power_curve`.

    Args:
        question: What must be shown of one metric.
        total: Units in all arms.
        split: Shares of them that go to the two arms compared.

    Raises:
        SpecError: As in `power_curve`, or the number of units is below 0 or not finite.

    References:
        Those of `power_curve`.
    """
    curve = power_curve(question, split)
    return curve if isinstance(curve, Unavailable) else curve.power(total)


def detectable(question: PowerQuestion, *, total: float, split: Split, power: float) -> float | Unavailable:
    """The smallest effect, or smallest margin, that `total` units in all arms can show.

    Args:
        question: Its own size is only read for its sign.
        total: Units in all arms.
        split: Shares of them that go to the two arms compared.
        power: Chance of showing it, above 0.5.

    Returns:
        A size in the question's own terms: relative if it is, with the sign it has; or `too_few_units` when they show
        no size at all.

    Raises:
        SpecError: The power is not between 0.5 and 1, or the number of units is below 0 or not finite.

    References:
        Those of `power_curve`.
    """
    if not 0.5 < power < 1:
        raise SpecError(f"power {power:g} must lie between 0.5 and 1; 0.8 is usual")
    if isinstance(refusal := power_curve(question, split), Unavailable):
        return refusal

    def shows(size: float) -> bool:
        reached = power_of(replace(question, size=math.copysign(size, question.size)), total=total, split=split)
        return not isinstance(reached, Unavailable) and reached >= power

    too_small, enough = 0.0, min(_largest_size(question), abs(question.size))
    while not shows(enough) and enough < _largest_size(question):
        enough = min(2 * enough, _largest_size(question))
    if not shows(enough):
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{question.name}: {total:g} units cannot show a {question.kind} of any size",
        )
    # Halving 200 times ends at neighbouring doubles from any start.
    for _ in range(200):
        middle = (too_small + enough) / 2
        too_small, enough = (too_small, middle) if shows(middle) else (middle, enough)
    return math.copysign(enough, question.size)


def _largest_size(question: PowerQuestion) -> float:
    """Size at which the rate leaves 0 to 1, or the margin lets the metric vanish; else beyond any sense."""
    if question.kind == "difference" and question.sd is None:
        room = 1 - question.mean if question.size > 0 else question.mean
        return (room / question.mean if question.relative else room) * (1 - 1e-9)
    if question.kind == "margin" and question.relative and question.size < 0:
        return 1.0
    # A relative margin adds noise as it grows, so that in small tests no margin at all can be shown.
    return 2.0**100 * abs(question.size)
