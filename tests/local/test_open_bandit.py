"""The example on real logs: known counts, a known p-value, and a verdict that does not fall for it."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from abflow.analysis.gates import Gate, GateStatus
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.errors import SettingsError
from abflow.lifecycle.bench import Bench
from abflow.local import open_bandit
from abflow.local.open_bandit import run_example, sample_files, write_logs
from abflow.stats.result import Estimate

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, str]:
    """The example, run once, and what it said."""
    root = tmp_path_factory.mktemp("example")
    shutil.copytree(PROJECT / "dags" / "experiments", root / "dags" / "experiments")
    said = StringIO()
    return run_example(root, Console(file=said, width=200, soft_wrap=True)), said.getvalue()


def test_counts_are_those_of_the_published_sample(ran: tuple[Bench, str]) -> None:
    clicked = ran[0].store.get("readout", Readout, step="analyze").of("clicked", "bts")
    assert (clicked.control.units, clicked.treatment.units) == (10_000, 10_000)
    assert (clicked.control.non_zero, clicked.treatment.non_zero) == (46, 69)
    assert isinstance(clicked.effect, Estimate)
    assert clicked.effect.p_value == pytest.approx(0.0315, abs=5e-5)


def test_verdict_is_undecided_because_the_sample_is_small(ran: tuple[Bench, str]) -> None:
    verdict = ran[0].store.get("verdict", Verdict, step="decide")
    assert (verdict.decision, verdict.rule, verdict.arms[0].rule) == ("undecided", "E3", "A5")
    assert "The data lean towards bts (p 0.0315)" in verdict.sentence


def test_sizing_says_how_far_the_sample_is_from_enough(ran: tuple[Bench, str]) -> None:
    gate = ran[0].store.get("gates/sizing", Gate, step="sample_size_gate")
    assert gate.status is GateStatus.INSUFFICIENT
    answer = gate.checks[0]
    # Two rates of .0051 and .00663, pooled z, alpha .05, power .80 (Fleiss, Levin, Paik, Statistical Methods, 4.2).
    mean, rate = (0.0051 + 0.00663) / 2, 0.0051 * (1 - 0.0051) + 0.00663 * (1 - 0.00663)
    per_arm = (1.959964 * (2 * mean * (1 - mean)) ** 0.5 + 0.841621 * rate**0.5) ** 2 / 0.00153**2
    assert answer.numbers["needed"] == pytest.approx(2 * per_arm, abs=2)
    assert answer.numbers["share"] == pytest.approx(20_000 / (2 * per_arm), rel=1e-3)
    assert "26 % of what is needed" in gate.reason


def test_skipped_phases_say_why(ran: tuple[Bench, str]) -> None:
    bench, said = ran
    for name, reason in (("shadow", "no shadow traffic was logged"), ("aa", "both policies served")):
        assert bench.store.get(f"gates/{name}", Gate, step="x").status is GateStatus.SKIPPED
        assert reason in said
    assert "shadow: the policies served" not in said
    assert "The experiment names no model" in said


def test_propensity_is_the_items(tmp_path: Path) -> None:
    """Random choice among 34 items shows each with probability 1/34; a variant's propensity would be one half."""
    write_logs(tmp_path, sample_files())
    rows = duckdb.connect().execute(
        f"select distinct round(propensity, 4) from '{tmp_path}/exposures/*/*.parquet' where variant = 'random'"
    )
    assert rows.fetchall() == [(round(1 / 34, 4),)]


def test_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_bandit, "PACKAGE", "no-such-package")
    with pytest.raises(SettingsError, match="is not installed: pip install --no-deps no-such-package"):
        sample_files()
