"""Effects by segment as small tables: what decides first, the rest folded away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.readout import LevelEffect, SegmentEffects
from abflow.report.notation import NONE, coverage, p_of, p_or_none
from abflow.report.tones import Tone
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, Role
from abflow.stats.result import Estimate, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLine:
    """One level of a segment.

    Attributes:
        interval: Holds together with those of the other levels.
        unavailable: Why there is no effect, or None.
    """

    level: str
    control_units: str
    treatment_units: str
    effect: str
    interval: str
    adjusted_p: str
    unavailable: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentGroup:
    """One segment of a table.

    Attributes:
        standing: Planned, or exploratory and corrected for nothing.
        word: Whether the levels differ.
        test: The numbers behind the word, or why there are none.
        left_out: Levels that are not in the table.
    """

    segment: str
    standing: str
    word: str
    tone: Tone
    test: str
    levels: tuple[LevelLine, ...]
    left_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTable:
    """One metric in one arm, segment by segment."""

    metric: str
    arm: str
    role: Role
    groups: tuple[SegmentGroup, ...]

    @property
    def in_short(self) -> str:
        """The words of all segments."""
        return "; ".join(f"{group.segment}: {group.word}" for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTables:
    """Every table: the primary's, those of the guardrails, of the secondaries, and of what is only explored.

    Attributes:
        confidence: That all intervals of one segment hold together.
    """

    primary: tuple[SegmentTable, ...]
    guardrails: tuple[SegmentTable, ...]
    secondaries: tuple[SegmentTable, ...]
    explored: tuple[SegmentTable, ...]
    confidence: str


def segment_tables(spec: ExperimentSpec, segments: Sequence[SegmentEffects]) -> SegmentTables | None:
    """Lay the effects out by metric and arm, in the order of the plan; None without any."""
    if not segments:
        return None
    tables = [
        _table(spec, name, arm, found)
        for name in spec.metrics
        for arm in spec.treatments
        if (found := [each for each in segments if (each.metric, each.arm) == (name, arm)])
    ]
    of = {role: tuple(table for table in tables if table.role is role) for role in Role}
    return SegmentTables(
        primary=of[Role.PRIMARY],
        guardrails=of[Role.GUARDRAIL],
        secondaries=of[Role.SECONDARY],
        explored=of[Role.EXPLORATORY],
        confidence=coverage(1 - spec.analysis.alpha),
    )


def _table(spec: ExperimentSpec, name: str, arm: str, found: Iterable[SegmentEffects]) -> SegmentTable:
    metric = spec.metrics[name]
    planned_first = sorted(found, key=lambda each: not each.planned)
    groups = tuple(_group(metric, each, alpha=spec.analysis.alpha) for each in planned_first)
    return SegmentTable(metric=name, arm=arm, role=metric.role, groups=groups)


def _group(metric: Metric, found: SegmentEffects, *, alpha: float) -> SegmentGroup:
    word, tone = _word(found, alpha)
    return SegmentGroup(
        segment=found.segment,
        standing="planned" if found.planned else "exploratory, corrected for nothing",
        word=word,
        tone=tone,
        test=_test(found),
        levels=tuple(_level(metric, level) for level in found.levels),
        left_out=f"left out: {', '.join(found.left_out)}" if found.left_out else "",
    )


def _word(found: SegmentEffects, alpha: float) -> tuple[str, Tone]:
    p = found.adjusted_p if found.planned else found.p_value
    if p is None:
        return "not tested", Tone.CALM
    return ("effects differ", Tone.OPEN) if p < alpha else ("no difference shown", Tone.CALM)


def _test(found: SegmentEffects) -> str:
    if found.p_value is None:
        return "fewer than two levels have enough units"
    adjusted = "" if found.adjusted_p is None else f", adjusted {p_of(found.adjusted_p)}"
    spread = "" if found.inconsistency is None else f", I² {wording.percent(found.inconsistency, 0)}"
    return f"any difference between levels: {p_of(found.p_value)}{adjusted}{spread}"


def _level(metric: Metric, found: LevelEffect) -> LevelLine:
    effect = found.effect
    ends = NONE
    if found.lower is not None and found.upper is not None:
        ends = wording.interval(metric, found.lower, found.upper)
    return LevelLine(
        level=found.level,
        control_units=wording.count(found.control_units),
        treatment_units=wording.count(found.treatment_units),
        effect=wording.effect(metric, effect.value) if isinstance(effect, Estimate) else NONE,
        interval=ends,
        adjusted_p=p_or_none(found.adjusted_p),
        unavailable=effect.detail if isinstance(effect, Unavailable) else None,
    )
