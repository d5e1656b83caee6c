from __future__ import annotations

from abflow.report.evidence import Evidence
from abflow.report.text import summary_lines
from tests.report.stories import (
    NO_EVENT,
    SKEWED,
    evidence_of,
    invalid,
    keep,
    lines_of,
    promote,
    readout_of,
    spec_of,
)

SPEC = spec_of()
READOUT = readout_of(SPEC)


def test_promotion_in_a_few_lines() -> None:
    lines = lines_of(promote(), readout=READOUT)
    assert lines[0].startswith("churn_v3: Promote treatment (version 7) [E1:")
    assert lines[1] == f"why: {promote().sentence}"
    assert lines[2] == (
        "primary retained, treatment: better, 40.12 % -> 41.53 %, +1.41 pp "
        "(95 % interval +0.74 pp to +2.08 pp; relative +3.51 %), adjusted p < 0.0001 (Holm), more is better"
    )
    assert any("complaints" in line and "less is better" in line for line in lines)
    assert any(line.startswith("secondary refunds") and NO_EVENT.detail in line for line in lines)
    assert "Shadow: pass. The shadow log is healthy: 48 211 mirrored requests." in lines
    assert any(line.startswith("  warning: Predictions agree") for line in lines)
    assert any(line.startswith("continued without a pass: sizing") for line in lines)
    assert lines[-1] == "registry: churn@champion: 6 -> 7"


def test_before_the_horizon_there_are_no_numbers() -> None:
    lines = lines_of(None, registry=())
    assert lines[0] == "churn_v3: Not due yet"
    assert "2026-11-07" in lines[1]
    assert not any("retained" in line for line in lines)
    assert lines[-1] == "registry: no change is recorded"


def test_invalid_results_show_no_effects() -> None:
    lines = lines_of(invalid(), readout=readout_of(SPEC, checks=(SKEWED,)))
    assert "Invalid: do not read this result" in lines[0]
    assert not any("pp" in line for line in lines)


def test_nothing_in_a_line_can_steer_the_terminal() -> None:
    evidence = evidence_of(keep(), readout=READOUT) | {"registry": ("red \x1b[31m\nsecond\rline",)}
    last = summary_lines(Evidence(**evidence))[-1]
    assert last == "registry: red  [31m second line"
    assert all(line.isprintable() for line in summary_lines(Evidence(**evidence)))
