"""Where a page comes from: versions, dates, method and hashes."""

from __future__ import annotations

from abflow.analysis.peeking import peeks_in_words
from abflow.analysis.wording import spans
from abflow.report.evidence import Evidence


def provenance_of(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Name and value of all that is known, in the order in which it came about."""
    spec, blueprint, readout, verdict = evidence.spec, evidence.blueprint, evidence.readout, evidence.verdict
    analysis = spec.analysis
    read_to = "Cut-off" if readout is None or readout.final else "Data of the look, up to"
    lines: list[tuple[str, str | None]] = [
        ("First day", f"{evidence.first_day}"),
        ("Test", f"{evidence.test_start} to {evidence.horizon}"),
        ("Look", evidence.look),
        (read_to, f"{readout.cut_off}, midnight UTC" if readout else None),
        ("Verdict fell on", f"{verdict.on}" if verdict and verdict.on else None),
        ("Restated after they had been read", spans(evidence.restated.days) or None),
        ("Analysis", f"{_method(evidence)}, preset {analysis.preset}, alpha {analysis.alpha:g}"),
        ("Unit and assignment", f"{spec.unit}, {spec.assignment}"),
        ("Specification, SHA-256", spec.sha256),
        ("Inputs, SHA-256", readout.inputs if readout else None),
        ("Readout, SHA-256", verdict.readout if verdict else None),
    ]
    versions: list[tuple[str, str | None]] = []
    if blueprint:
        versions = [(f"Version of {name}", uri) for name, uri in blueprint.candidates.items()]
        champion = f"version {blueprint.champion}" if blueprint.champion else None
        versions.append(("Champion when it began", champion))
    return tuple((name, value) for name, value in (*versions, *lines) if value is not None)


def _method(evidence: Evidence) -> str:
    """The plan's, and the one that reads it instead after a peek."""
    planned, read = evidence.spec.analysis.method, evidence.as_read.analysis.method
    return planned if read == planned else f"{planned}, read by {read} after a look {peeks_in_words(evidence.peeks)}"
