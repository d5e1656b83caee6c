"""The command line: one message per error, exit codes, and the whole way without Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.lifecycle.world import spec_of

RUN = "from abflow.cli import main; main()"


def abflow(*words: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env=os.environ | {"ABFLOW_ROOT": str(root), "NO_COLOR": "1", "COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one experiment that needs no registry."""
    folder = tmp_path / "dags" / "experiments"
    folder.mkdir(parents=True)
    spec = spec_of(
        model=None,
        variants={"control": {"weight": 1}, "treatment": {"weight": 1}},
        phases={
            "shadow": {"skip": "nothing is mirrored"},
            "aa": {"skip": "only the commands are tested here"},
            "test": {"start": "2026-10-01", "enroll_days": 2, "days": 3, "why": "only the commands are tested"},
        },
        sizing={"skip": "only the commands are tested here"},
    )
    (folder / "short.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return tmp_path


def test_simulate_run_and_verify(root: Path) -> None:
    truth = root / "truth.yaml"
    truth.write_text("units_per_day: 400\neffects: {returned: {treatment: 0.5}}\n", encoding="utf-8")
    drawn = abflow("simulate", "short", "--truth", str(truth), "--seed", "5", "--format", "jsonl", root=root)
    assert drawn.returncode == 0, drawn.stderr
    assert "true returned: control " in drawn.stdout
    early = abflow("run", "short", "--through", "2026-10-02", root=root)
    assert early.returncode == 0, early.stderr
    assert "returned" not in early.stdout.replace("returned_", "")  # nothing of the primary before the horizon
    late = abflow("run", "short", root=root)
    assert late.returncode == 0, late.stderr
    assert "Verdict: " in late.stdout
    assert (root / "data" / "store" / "short" / "scorecard.html").exists()
    verified = abflow("ledger", "verify", root=root)
    assert "1 entries, the chain is whole" in verified.stdout
    ledger = root / "data" / "ledger.jsonl"
    ledger.write_text(ledger.read_text(encoding="utf-8").replace("rule", "Rule", 1), encoding="utf-8")
    broken = abflow("ledger", "verify", root=root)
    assert broken.returncode == 1
    assert broken.stderr.startswith("error: ")
    assert "the entry was edited" in broken.stderr


def test_validate_names_file_line_and_field(root: Path) -> None:
    file = root / "dags" / "experiments" / "short.yaml"
    assert abflow("validate", str(file), root=root).returncode == 0
    file.write_text(file.read_text(encoding="utf-8").replace("owner:", "ownr:"), encoding="utf-8")
    refused = abflow("validate", str(file), root=root)
    assert refused.returncode == 1
    assert "ownr: there is no such field; did you mean 'owner'?" in refused.stderr
    assert refused.stderr.count("short.yaml:") == 2  # the unknown field and the missing one


def test_schema_is_json(root: Path) -> None:
    assert json.loads(abflow("schema", root=root).stdout)["title"] == "abflow experiment"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nobody"), "nobody.yaml: there is no such file"),
        (("run", "short"), "there is no folder"),
        (("approve", "short", "--reason", "fine", "--by", "ann"), "has no plan"),
        (("rollback", "churn", "--reason", "errors"), "nothing says where MLflow is"),
    ],
)
def test_an_error_is_one_message_and_exit_code_1(root: Path, words: tuple[str, ...], said: str) -> None:
    got = abflow(*words, root=root)
    assert got.returncode == 1
    assert got.stderr.startswith("error: ")
    assert said in got.stderr
    assert "Traceback" not in got.stderr


ASSUMED = ("--baseline", "returned=0.3", "--baseline", "revenue=20,50", "--units-per-day", "2000")


def test_plan_says_what_it_takes_within_a_hundred_columns(root: Path) -> None:
    curve = root / "power.svg"
    got = abflow("plan", "short", *ASSUMED, "--curve", str(curve), root=root, COLUMNS="100")
    assert got.returncode == 0, got.stderr
    for wanted in ("n alone", "returned", "primary, proportion", "guardrail, mean", "% power takes", "In whole weeks"):
        assert wanted in got.stdout
    table = got.stdout.split("n alone:")[0].splitlines()[1:]
    assert all(len(line) <= 100 for line in table)
    assert "\x1b" not in got.stdout  # no colour
    assert curve.read_text(encoding="utf-8").startswith("<svg")


def test_plan_for_machines_is_json(root: Path) -> None:
    got = abflow("plan", "short", *ASSUMED, "--json", root=root)
    table = json.loads(got.stdout)
    assert 0 <= sum(table["needed_by_arm"].values()) - table["needed"] <= 1  # each arm is rounded up
    assert [row["metric"] for row in table["rows"]] == ["returned", "revenue"]
    assert table["takes"]["days"] >= 14


def test_plan_cannot_be_played_through_without_an_aa_phase(root: Path) -> None:
    refused = abflow("plan", "short", *ASSUMED, "--simulate", "100", root=root)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: short has no A/A phase")
    assert abflow("plan", "short", "--simulate", "0", root=root).returncode == 2


def test_plan_without_any_knowledge_says_what_to_give(root: Path) -> None:
    got = abflow("plan", "short", root=root)
    assert got.returncode == 0
    assert "returned cannot be sized: no A/A phase has measured it" in got.stdout
    refused = abflow("plan", "short", "--baseline", "returned=2", root=root)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: baseline 'returned=2'")


def test_calibrate_lists_runs_writes_and_refuses(root: Path) -> None:
    listed = abflow("calibrate", "--list", root=root)
    assert listed.returncode == 0
    line = next(line for line in listed.stdout.splitlines() if line.startswith("clean-checks"))
    assert line.split()[1] == "2000"
    assert "All validity checks together" in line
    docs = root / "docs"
    ran = abflow("calibrate", "clean-checks", "--share", "0.01", "--seed", "3", "--write", str(docs), root=root)
    assert ran.returncode == 0, ran.stderr
    assert "yes" in ran.stdout
    assert (docs / "calibration.md").exists()
    assert (docs / "calibration" / "clean-checks.svg").exists()
    unknown = abflow("calibrate", "clean-check", root=root)
    assert unknown.returncode == 1
    assert "did you mean 'clean-checks'?" in unknown.stderr


def test_calibrate_fails_when_a_rate_does_not_hold(root: Path) -> None:
    broken = (
        "from abflow.calibration import catalog; from abflow.calibration.study import Study, at_most; "
        "catalog.STUDIES = (Study(name='broken', claim='Never.', runs=10, "
        "rates=lambda runs, seed: (at_most('x', runs, runs, 0.0),)),); "
    )
    got = subprocess.run(
        [sys.executable, "-c", broken + RUN, "calibrate"],
        env=os.environ | {"ABFLOW_ROOT": str(root), "NO_COLOR": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert got.returncode == 1
    assert "NO" in got.stdout
    assert "not what they should be: broken" in got.stderr


def test_a_peek_shows_the_primary_and_is_kept_for_everybody_to_see(root: Path) -> None:
    assert abflow("simulate", "short", "--seed", "5", root=root).returncode == 0
    assert abflow("run", "short", "--through", "2026-10-02", root=root).returncode == 0
    assert abflow("peek", "short", "--by", "ann", root=root).returncode == 2  # a reason is needed
    got = abflow("peek", "short", "--reason", "the board meets", "--by", "ann", root=root)
    assert got.returncode == 0, got.stderr
    assert got.stdout.startswith("Day 2 of 3, looked at by ann on ")
    assert "returned, treatment: " in got.stdout
    assert "95 % confidence sequence" in got.stdout
    assert (
        "looked_at. by: ann, day: 2026-10-02, number: 2, reason: the board meets"
        in abflow("ledger", "show", root=root).stdout
    )
    ran = abflow("run", "short", root=root)
    assert "looked at on day 2, before the horizon, by ann: the board meets" in ran.stdout


def test_recheck_notices_restated_logs_and_history_tells_every_verdict(root: Path) -> None:
    better, even = root / "better.yaml", root / "even.yaml"
    better.write_text("units_per_day: 1500\neffects: {returned: {treatment: 0.6}}\n", encoding="utf-8")
    even.write_text("units_per_day: 1500\n", encoding="utf-8")
    assert abflow("simulate", "short", "--truth", str(better), root=root).returncode == 0
    ran = abflow("run", "short", "--cost", root=root)
    assert ran.stdout.count(" of files in ") == ran.stdout.count("\n2026-10-") + 1  # one line per step
    untouched = abflow("recheck", "short", root=root)
    assert untouched.stdout == "The logs of every day are as they were when they were read.\n"
    assert abflow("simulate", "short", "--truth", str(even), root=root).returncode == 0
    restated = abflow("recheck", "short", root=root)
    assert restated.returncode == 0, restated.stderr
    assert restated.stdout.startswith("Read again, because the logs were restated: 2026-10-0")
    assert "The verdict was promote treatment (rule E1) until " in restated.stderr  # as a warning
    told = abflow("history", "short", root=root).stdout.splitlines()
    assert [line.split()[2] for line in told[:-1]] == ["verdict", "restated:", "verdict", "alarm:"]
    assert told[-1] == f"kept in {root / 'data' / 'store' / 'short' / 'history'}, by the SHA-256 of each file"
    abflow("stop", "short", "--reason", "enough", root=root)
    assert "was stopped: enough" in abflow("recheck", "short", root=root).stderr


def test_stop_needs_a_reason_and_is_kept(root: Path) -> None:
    assert abflow("stop", "short", root=root).returncode == 2
    assert abflow("stop", "short", "--reason", "cancelled", root=root).returncode == 0
    refused = abflow("run", "short", root=root)
    assert refused.returncode == 1
    assert "was stopped: cancelled" in refused.stderr
