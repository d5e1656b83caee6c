"""The same as the scorecard in a few lines, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from abflow.analysis.blueprint import Blueprint
from abflow.analysis.gates import Gate
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.report.evidence import Evidence
from abflow.report.headline import headline
from abflow.report.rows import MetricRow, metric_rows
from abflow.report.stages import stages_of
from abflow.spec.experiment import ExperimentSpec


def summary_lines(
    spec: ExperimentSpec,
    *,
    gates: Sequence[Gate],
    readout: Readout | None,
    verdict: Verdict | None,
    blueprint: Blueprint | None,
    registry: Sequence[str],
) -> list[str]:
    """Verdict, reason, effects, gates and registry, one plain line each.

    Names are free text: print the lines without interpreting markup in them.

    Args:
        spec: The experiment.
        gates: The gates judged so far.
        readout: What the test showed; None before its horizon.
        verdict: The decision; None before there is one.
        blueprint: The experiment with its versions resolved.
        registry: Lines that say what was or would be changed in the registry.
    """
    evidence = Evidence(
        spec=spec,
        gates=tuple(gates),
        readout=readout,
        verdict=verdict,
        blueprint=blueprint,
        registry=tuple(registry),
    )
    return [_printable(line) for line in _lines(evidence)]


def _lines(evidence: Evidence) -> Iterable[str]:
    head = headline(evidence)
    rule = f" [{head.rule}: {head.rule_in_words}]" if head.rule else ""
    yield f"{evidence.spec.experiment}: {head.title}{rule}"
    yield f"why: {head.sentence}"
    if evidence.readout and evidence.readable:
        for row in metric_rows(evidence.spec, evidence.readout.comparisons):
            yield _effect(row)
    for stage in stages_of(evidence):
        yield f"{stage.title}: {stage.word}. {stage.reason}"
        yield from (f"  warning: {check.sentence}" for check in stage.warnings)
    for gate in evidence.passed_over:
        yield f"{gate.how} without a pass: {gate.gate}, because: {gate.reason}"
    yield from (f"registry: {line}" for line in evidence.registry or ("no change is recorded",))


def _effect(row: MetricRow) -> str:
    name = f"{row.role} {row.metric}, {row.arm}: {row.word}"
    if row.unavailable is not None:
        return f"{name}, no effect: {row.unavailable}"
    p = f", adjusted p {row.adjusted_p}" if row.role != "guardrail" else ""
    return (
        f"{name}, {row.control_mean} -> {row.treatment_mean}, {row.effect} "
        f"({row.confidence} interval {row.interval}; relative {row.relative}){p}, {row.direction}"
    )


def _printable(line: str) -> str:
    """One line, without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in line)
