"""`Readout`: one typed record per metric and comparison, and the word that each has earned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from abflow.analysis.gates import Check
from abflow.analysis.population import Contamination
from abflow.spec.metrics import Role
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
    """

    variant: str
    units: int
    mean: float
    sd: float | None
    non_zero: int
    immature: int

    @property
    def moments(self) -> Moments:
        """The same as moments, ready for another comparison."""
        sd = self.sd or 0.0
        return Moments(n=self.units, mean=self.mean, m2=sd * sd * max(self.units - 1, 0))


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
        adjusted_p: After Holm over the metric's family; None for guardrails.
        strict: The interval at 1 - alpha', where alpha' is stricter than alpha.
        word: None when it could not be computed.
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
    strict: tuple[float, float] | None = None
    word: Word | None = None
    mde: float | None = None
    practical: float = 0.0
    mde_excluded: bool = False
    precision: Precision | None = None
    margin: Margin | Unavailable | None = None
    fragile: bool = False
    cohens_h: float | None = None
    cohens_h_in_words: Literal["negligible", "small", "medium", "large"] | None = None
    cap: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What the test showed at its horizon.

    Attributes:
        cut_off: The first moment that does not count any more (midnight UTC of this day).
        units: Enrolled units by variant, before anybody is left out.
        too_late: Units first seen after enrolment had ended.
        crossed: Units seen in more than one variant.
        comparisons: Under the contamination policy of the plan.
        beside: The same under the other policy.
        inputs: Hash over the partitions that were read.
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

    def of(self, metric: str, arm: str) -> Comparison:
        """The comparison of one metric in one arm, under the plan's policy."""
        return next(c for c in self.comparisons if (c.metric, c.arm) == (metric, arm))

    def other(self, metric: str, arm: str) -> Comparison:
        """The same under the other policy."""
        return next(c for c in self.beside if (c.metric, c.arm) == (metric, arm))
