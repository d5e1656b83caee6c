"""What the file format promises and this version cannot run yet: refused by name, never ignored."""

from __future__ import annotations

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric

_Field = tuple[str | int, ...]


def not_yet(spec: ExperimentSpec) -> list[tuple[_Field, str]]:
    """Every field whose value this version of abflow cannot honour, with a sentence each."""
    analysis, test = spec.analysis, spec.phases.test
    refused: list[tuple[_Field, object, bool]] = [
        (("analysis", "cuped"), "cuped", analysis.cuped is not None),
        (("allocation",), spec.allocation, spec.allocation != "fixed"),
        (("engine",), spec.engine, spec.engine != "duckdb"),
        (("segments",), "segments", bool(spec.segments)),
        (("phases", "test", "extend"), "extend", test.extend is not None),
    ]
    for name, metric in spec.metrics.items():
        refused.append((("metrics", name, "kind"), "quantile", isinstance(metric, QuantileMetric)))
    for name, location in spec.logs:
        beyond = location is not None and ("://" in location or any(c in location for c in "*?["))
        refused.append((("logs", name), location, beyond))
    return [
        (field, f"{value!r} is part of the file format, but this version of abflow cannot run it yet")
        for field, value, beyond in refused
        if beyond
    ]
