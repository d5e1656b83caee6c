"""`Readout`: one typed record per metric and comparison, and the word that each has earned."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Literal

from abflow.analysis.attribution import Attribution, ExposureRows
from abflow.analysis.gates import Check
from abflow.analysis.population import Contamination
from abflow.spec.metrics import Role
from abflow.stats.group_sequential import Look as Spent
from abflow.stats.moments import Moments
from abflow.stats.result import Estimate, Unavailable


class Word(StrEnum):
    """What a comparison can earn."""

    BETTER = "better"
    WORSE = "worse"
    SAFE = "safe"
    HARMED = "harmed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """One metric in one arm.

    Attributes:
        units: Mature units that the metric counts.
        mean: Per unit; of a proportion its rate.
        sd: Standard deviation per unit; None below two units.
        immature: Units left out because their window is not over.
        without_denominator: Units of a ratio that have a numerator and no denominator; they count.
        adjusted_mean: The mean after history was taken off; None where none was.
        adjusted_sd: The standard deviation per unit that is left then.
    """

    variant: str
    units: int
    mean: float
    sd: float | None
    non_zero: int
    immature: int
    without_denominator: int = 0
    adjusted_mean: float | None = None
    adjusted_sd: float | None = None

    @property
    def is_adjusted(self) -> bool:
        """Whether history was taken off."""
        return self.adjusted_mean is not None

    @property
    def moments(self) -> Moments:
        """What is compared, as moments, ready for another comparison."""
        mean, sd = (self.mean, self.sd) if self.adjusted_mean is None else (self.adjusted_mean, self.adjusted_sd)
        return Moments(n=self.units, mean=mean, m2=(sd or 0.0) ** 2 * max(self.units - 1, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """The interval that a word rests on, where it is not the effect's own.

    Attributes:
        value: The estimate that it is an interval of.
        confidence: Of all looks and comparisons that share it, together.
        method: What makes it valid there.
    """

    value: float
    lower: float
    upper: float
    confidence: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorSummary:
    """What is believed of the effect after the data; plus is good.

    Attributes:
        better: Probability that the arm is better than control.
        beyond_mde: Probability that it is better by the mde or more; None without an mde.
        within_mde: Probability that it is neither better nor worse by the mde, too little to matter; None without one.
        loss_if_chosen: Expected loss, in the metric's unit, of serving the arm.
        loss_if_not: Expected loss of keeping control.
        within_margin: Probability that it is not worse by the primary's margin; None without one.
        margin_needed: Probability of that which do_no_harm needs at this look; looking often asks for more.
        needed: Probability that a win needs at this look.
        prior: In words.
        best: Probability that the arm is the best of all, control among them; None with one treatment, or with a
            prior on the lift.
        control_best: The same of control.
        loss_against_best: Expected loss, in the metric's unit, of serving the arm instead of the best.
    """

    better: float
    beyond_mde: float | None
    loss_if_chosen: float
    loss_if_not: float
    within_margin: float | None
    margin_needed: float
    needed: float
    prior: str
    within_mde: float | None = None
    best: float | None = None
    control_best: float | None = None
    loss_against_best: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The one-sided bounds of a non-inferiority test; plus is good.

    Attributes:
        margin: The loss allowed, in the metric's unit.
        lower: Lower bound of the effect plus the margin; above 0 the loss stays within the margin.
        upper: Upper bound of the same; below 0 the loss is beyond it.
        effect_lower: Lower bound of the effect itself.
        effect_upper: Upper bound of the effect itself.
        confidence: Of each bound on its own.
    """

    margin: float
    lower: float
    upper: float
    effect_lower: float
    effect_upper: float
    se: float
    p_value: float
    confidence: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a ratio or quantile is conditioned on, compared as well: the treatment may have moved that instead.

    Attributes:
        control: Denominator per unit, or rows per unit that has any.
        treatment: The same in the arm.
        effect: Treatment minus control.
    """

    control: float
    treatment: float
    effect: Estimate | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How precise the primary is against its plan; it uses no effect.

    Attributes:
        powered: Whether the mde, with a tenth to spare, is within reach of the standard error.
        percent_of_plan: Information reached, in percent of what the plan needs.
        more_units_per_arm: Units per arm still missing for the plan.
    """

    powered: bool
    percent_of_plan: float
    more_units_per_arm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric in one treatment against control.

    Attributes:
        effect: Treatment minus control, in the metric's unit, as logged: with `direction: decrease` less is better.
        relative: The same relative to control, for reading only.
        adjusted_p: After the correction of the metric's family, valid at the looks of the method; None for guardrails,
            for a posterior, and of an exploratory metric, which is in no family.
        spent: What a group-sequential look used up of its error level.
        deciding: The interval that the word rests on, where it is not the effect's own.
        corrected_by: The correction for several comparisons behind `adjusted_p`.
        unadjusted: The effect before history was taken off it; None without CUPED.
        variance_kept: Share of the variance that CUPED leaves.
        stratified: A second estimate, within days of entry.
        fieller: Ends of the relative effect's other interval, where the two may disagree.
        base: What a ratio or quantile is conditioned on; None for every other kind.
        permutation_p: Where one unit carries much of the effect.
        word: None when it could not be computed, and of an exploratory metric, which earns none.
        mde: The smallest effect worth detecting, in the metric's unit, without sign.
    """

    metric: str
    role: Role
    arm: str
    contamination: Contamination
    control: ArmSummary
    treatment: ArmSummary
    effect: Estimate | Unavailable
    relative: Estimate | Unavailable
    adjusted_p: float | None = None
    corrected_by: str | None = None
    deciding: Deciding | None = None
    spent: Spent | None = None
    word: Word | None = None
    mde: float | None = None
    practical: float = 0.0
    mde_excluded: bool = False
    precision: Precision | None = None
    margin: Margin | Unavailable | None = None
    posterior: PosteriorSummary | None = None
    unadjusted: Estimate | Unavailable | None = None
    variance_kept: float | None = None
    stratified: Estimate | Unavailable | None = None
    base: Base | None = None
    fieller: tuple[float, float] | None = None
    permutation_p: float | None = None
    fragile: bool = False
    cohens_h: float | None = None
    cohens_h_in_words: Literal["negligible", "small", "medium", "large"] | None = None
    cap: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """Its word, or why it has none."""
        if self.word:
            return self.word.value
        explored = not self.role.planned and isinstance(self.effect, Estimate)
        return self.role.value if explored else "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEffect:
    """One metric in one arm, within one level of a segment.

    Attributes:
        adjusted_p: Holm over the segment's levels.
        lower: End of the interval that holds together with the other levels'.
        upper: The other end.
    """

    level: str
    control_units: int
    treatment_units: int
    effect: Estimate | Unavailable
    relative: Estimate | Unavailable | None = None
    adjusted_p: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEffects:
    """One metric in one arm by the levels of one segment; it never decides.

    Attributes:
        planned: Whether the experiment file names the segment; otherwise this is exploratory.
        p_value: That all levels have the same effect (Cochran's Q); None when it could not be tested.
        adjusted_p: Holm over the segments of the plan.
        inconsistency: I², the share of the spread between levels that is more than noise.
        left_out: Levels with too few units.
        method: What both p-values are of.
    """

    metric: str
    arm: str
    segment: str
    planned: bool
    levels: tuple[LevelEffect, ...]
    p_value: float | None
    adjusted_p: float | None
    inconsistency: float | None
    left_out: tuple[str, ...]
    method: str = "Cochran's Q"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsOverTime:
    """One metric in one arm, day by day; it never decides.

    Attributes:
        by: `entry_day`: units that entered on that day; `day_since_exposure`: the same units, day after day;
            `calendar_day`: what everybody did on that day who had entered by then.
        days: The day, or its number since exposure.
        p_value: That the effect is the same on all days.
        trend_p: That it neither grows nor wears off.
        word: `wears_off`, `grows` or `steady`; None when it could not be tested.
        method: What `p_value` and then `trend_p` are of; None without them.
    """

    metric: str
    arm: str
    by: Literal["entry_day", "day_since_exposure", "calendar_day"]
    days: tuple[str, ...]
    effects: tuple[Estimate | Unavailable, ...]
    p_value: float | None
    trend_p: float | None
    word: Literal["wears_off", "grows", "steady"] | None
    method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What the test showed at a look; the last look is the cut-off.

    Attributes:
        cut_off: The first moment that does not count any more (midnight UTC of this day).
        units: Enrolled units by variant, before anybody is left out.
        too_late: Units first seen after enrolment had ended.
        crossed: Units seen in more than one variant.
        comparisons: Under the contamination policy of the plan.
        beside: The same under the other policy.
        inputs: Hash over the partitions that were read.
        day: Of the test, 1 for the first; 0 in a readout that was kept before looks were numbered.
        final: Whether this is the cut-off.
        segments: Effects by segment; they never decide.
        over_time: Effects by day; they never decide.
        attribution: What became of the outcome log's rows.
        exposures: What became of the exposure log's rows; None in a readout that was kept before they were told.
        looked_at: Days of the test on which somebody looked although the plan reads it once; the comparisons are then
            read by a confidence sequence.
        file_sha256: Hash of the whole experiment file, with the exploratory metrics; empty in a readout that was kept
            before there were any.
    """

    experiment: str
    spec_sha256: str
    inputs: str
    cut_off: date
    units: dict[str, int]
    too_late: int
    crossed: int
    contamination: Contamination
    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]
    beside: tuple[Comparison, ...]
    day: int = 0
    final: bool = True
    segments: tuple[SegmentEffects, ...] = ()
    over_time: tuple[EffectsOverTime, ...] = ()
    attribution: tuple[Attribution, ...] = ()
    exposures: ExposureRows | None = None
    looked_at: tuple[int, ...] = ()
    file_sha256: str = ""

    @property
    def made_with(self) -> str:
        """Hash of the experiment file that it was made with."""
        return self.file_sha256 or self.spec_sha256

    def only(self, metrics: Container[str]) -> Readout:
        """The same without what it says of other metrics."""
        attributed = [(each, tuple(m for m in each.metrics if m in metrics)) for each in self.attribution]
        return replace(
            self,
            attribution=tuple(replace(each, metrics=left) for each, left in attributed if left),
            comparisons=tuple(each for each in self.comparisons if each.metric in metrics),
            beside=tuple(each for each in self.beside if each.metric in metrics),
            segments=tuple(each for each in self.segments if each.metric in metrics),
            over_time=tuple(each for each in self.over_time if each.metric in metrics),
        )

    def of(self, metric: str, arm: str) -> Comparison:
        """The comparison of one metric in one arm, under the plan's policy."""
        return next(c for c in self.comparisons if (c.metric, c.arm) == (metric, arm))

    def other(self, metric: str, arm: str) -> Comparison:
        """The same under the other policy."""
        return next(c for c in self.beside if (c.metric, c.arm) == (metric, arm))
