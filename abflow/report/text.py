"""The same as the scorecard in a few lines, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterable

from abflow.analysis.readout import Readout
from abflow.report.attribution import exposures_told, rows_lines
from abflow.report.evidence import Evidence
from abflow.report.headline import headline
from abflow.report.notation import NONE, printable
from abflow.report.over_time import trends_of
from abflow.report.rows import MetricRow, metric_rows
from abflow.report.segments import segment_tables
from abflow.report.stages import stages_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role


def summary_lines(evidence: Evidence) -> list[str]:
    """Verdict, reason, effects, gates and registry, one plain line each.

    Names are free text: print the lines without interpreting markup in them.
    """
    return [printable(line) for line in _lines(evidence)]


def _lines(evidence: Evidence) -> Iterable[str]:
    head = headline(evidence)
    rule = f" [{head.rule}: {head.rule_in_words}]" if head.rule else ""
    yield f"{evidence.spec.experiment}: {head.title}{rule}"
    yield f"why: {head.sentence}"
    yield from (f"changed by restated days: {alarm}" for alarm in evidence.restated.alarms)
    if evidence.overruled:
        yield f"overruled: {evidence.overruled}"
    if evidence.extension:
        yield f"extended: {evidence.extension}"
    for peek in evidence.peeks:
        yield f"looked at on day {peek.number}, before the horizon, by {peek.by}: {peek.reason}"
    yield from (f"dropped for harm: {arm.arm}. {arm.sentence}" for arm in evidence.untold)
    if evidence.readout and evidence.readable:
        yield from _results(evidence, evidence.readout)
    for stage in stages_of(evidence):
        yield f"{stage.title}: {stage.word}. {stage.reason}"
        yield from (f"  warning: {check.sentence}" for check in stage.warnings)
    for gate in evidence.passed_over:
        yield f"{gate.how} without a pass: {gate.gate}, because: {gate.reason}"
    yield from (f"registry: {line}" for line in evidence.registry or ("no change is recorded",))


def _results(evidence: Evidence, readout: Readout) -> Iterable[str]:
    if evidence.look:
        yield f"{evidence.look}:"
    for row in metric_rows(evidence.spec, readout.comparisons):
        yield _effect(row)
        if row.role == Role.PRIMARY:
            yield from (f"  {told}" for told in (row.shown.basis, *row.facts) if told)
            yield from (f"  {reading.name.lower()}: {reading.value}" for reading in row.readings)
    yield from _segments(evidence.spec, readout)
    yield from _trends(evidence.spec, readout)
    yield from (f"exposures: {told}" for told in exposures_told(readout))
    for line in rows_lines(readout):
        left_out = f"; left out: {', '.join(line.left_out)}" if line.left_out else ""
        yield f"rows of {line.event} ({line.metrics}): {line.in_log} in the log, {line.counted} counted{left_out}"


def _segments(spec: ExperimentSpec, readout: Readout) -> Iterable[str]:
    """The primary's, in a line each."""
    tables = segment_tables(spec, readout.segments)
    for table in tables.primary if tables else ():
        for group in table.groups:
            yield f"segment {group.segment}, {table.arm} ({group.standing}): {group.word}. {group.test}"


def _trends(spec: ExperimentSpec, readout: Readout) -> Iterable[str]:
    trends = trends_of(spec, readout.over_time)
    for trend in trends.primary if trends else ():
        yield f"over time {trend.by}, {trend.arm}: {trend.word}. {trend.test}"


def _effect(row: MetricRow) -> str:
    rows = f" ({row.rows})" if row.rows else ""
    name = f"{row.role} {row.metric}{rows}, {row.arm}: {row.word}"
    if row.unavailable is not None:
        return f"{name}, no effect: {row.unavailable}"
    shown = row.shown
    strength = f", {shown.strength.lower()} {shown.evidence} ({shown.measure})" if shown.evidence != NONE else ""
    return (
        f"{name}, {row.control_mean} -> {row.treatment_mean}, {shown.effect} "
        f"({shown.confidence} interval {shown.interval}; relative {row.relative}){strength}, {row.direction}"
    )
