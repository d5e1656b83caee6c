"""Segments: what units shared at their first exposure, in levels few enough to be read."""

from __future__ import annotations

from dataclasses import dataclass

from abflow.analysis.population import SegmentUnits
from abflow.engine.exposure_log import NEW_USER
from abflow.engine.propensities import inverse_propensities
from abflow.engine.statements import filled, rows
from abflow.logs.database import Database
from abflow.logs.expressions import NO, YES, identifier, literal
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import EMPTY

MOST_LEVELS = 20
OTHER = "other"  # all levels beyond the largest
MISSING = "(missing)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One way in which units differ.

    Attributes:
        name: The column of the exposure log.
        level: SQL text, for units: what they have there. Never null.
    """

    name: str
    level: str


def segments_of(db: Database, spec: ExperimentSpec, context: tuple[str, ...]) -> tuple[Segment, ...]:
    """The segments of the plan, and new against established users where the log tells them apart.

    Args:
        db: A connection with the units of a phase.
        spec: The experiment.
        context: Columns of the first exposure that the log has.
    """
    found = []
    for name in sorted({*spec.segments, NEW_USER} & set(context)):
        value = _value(name)
        levels = [row["level"] for row in rows(db, filled("segment_levels", value=value), levels=MOST_LEVELS)]
        if levels or name in spec.segments:
            found.append(Segment(name=name, level=_level(value, levels)))
    return tuple(found)


def segment_units(db: Database, segments: tuple[Segment, ...], *, weighed: bool) -> tuple[SegmentUnits, ...]:
    """Enrolled units by segment, level and variant, before anybody is left out.

    Args:
        db: A connection with the units of a phase.
        segments: The segments.
        weighed: Whether the log's probabilities count.
    """
    found = []
    for segment in segments:
        logged = inverse_propensities(db, level=segment.level) if weighed else {}
        for row in rows(db, filled("segment_units", level=segment.level)):
            both = (logged.get((row["variant"], row["level"], crossed), EMPTY) for crossed in (False, True))
            inverse = sum(both, EMPTY) if logged else None
            found.append(SegmentUnits(segment=segment.name, inverse_propensity=inverse, **row))
    return tuple(found)


def _value(name: str) -> str:
    """SQL text: what a unit has in a column, as the log spells it; null or empty when it has nothing."""
    column = f"context.{identifier(name)}"
    if name != NEW_USER:
        return column
    says = f"when lower({column}) in"
    return f"case {says} {_listed(YES)} then 'true' {says} {_listed(NO)} then 'false' else {column} end"


def _level(value: str, levels: list[str]) -> str:
    known = f"when {value} in {_listed(levels)} then {value} " if levels else ""
    return f"case when coalesce({value}, '') = '' then {literal(MISSING)} {known}else {literal(OTHER)} end"


def _listed(values: tuple[str, ...] | list[str]) -> str:
    return f"({', '.join(map(literal, values))})"
