"""A real scheduler takes several experiments through their lives at the same time, good ones and bad ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest

from abflow.analysis.gates import Gate, GateStatus
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.errors import AbflowError
from abflow.lifecycle import promotion
from abflow.lifecycle.promotion import Approval
from abflow.local.airflow_api import AirflowApi
from abflow.local.models import register_demo_models
from abflow.local.services import LocalPlatform
from abflow.stats.result import Estimate
from tests.orchestration.experiments import RETURNED, write_experiment
from tests.orchestration.stories import STRANGER, USER, Train, platform_of, project_in, write_logs

pytestmark = [pytest.mark.platform, pytest.mark.slow]

START = "2026-09-01"
SHORT = {"enroll_days": 2, "days": 3, "why": "short, because a real Airflow runs it in a test"}
ONLY_TEST = {"shadow": {"skip": "served before"}, "aa": {"skip": "had one last week"}, "test": SHORT | {"start": START}}
DECLARED = {"baseline": {"value": 0.5, "units_per_day": 1000, "source": "last week"}}

EXPERIMENTS: dict[str, dict[str, Any]] = {
    "whole": {},
    # Until its logs are mended, a third of the treatment's users are missing from them.
    "skewed": {
        "phases": {
            "shadow": {"skip": "served before"},
            "aa": {"start": START, "enroll_days": 2, "days": 3},
            "test": SHORT,
        }
    },
    "too_small": {
        "model": None,
        "variants": {"control": {"weight": 1}, "treatment": {"weight": 1}},
        "phases": ONLY_TEST | {"test": SHORT | {"start": START, "days": 4}},
        "sizing": {"baseline": DECLARED["baseline"] | {"units_per_day": 100}},
        "promotion": None,
    },
    "asked": {
        "phases": ONLY_TEST,
        "sizing": DECLARED,
        "promotion": {"approval": "required", "approvers": [USER]},
    },
}
# Until it is mended, a file of its first day is cut off.
EXPERIMENTS["torn"] = EXPERIMENTS["too_small"]
# Its second day is not over, and nobody has its logs.
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
CURRENT = EXPERIMENTS["too_small"] | {"phases": ONLY_TEST | {"test": SHORT | {"start": YESTERDAY.isoformat()}}}
BROKEN: dict[str, Any] = {"metrics": {}}


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Train]:
    """All experiments with their logs and models, on a platform that has begun to work on them."""
    root = project_in(tmp_path_factory.mktemp("train"))
    for name, changes in (EXPERIMENTS | {"current": CURRENT, "broken": BROKEN}).items():
        write_experiment(root / "dags" / "experiments", name, **changes)
    with LocalPlatform.start(platform_of(root)) as platform:
        platform.wait_until_ready(timeout=300)
        url = platform.mlflow_url
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        with AirflowApi.sign_in(platform.airflow_url, USER, platform.passwords[USER]) as airflow:
            ready = Train(root=root, platform=platform, airflow=airflow, mlflow=mlflow.MlflowClient(url, url))
            for name in EXPERIMENTS:
                bench = ready.bench(name)
                if bench.spec.model:
                    assert register_demo_models(url, name) == (1, 2)
                skew: dict[str, Any] = {"skew": 0.3, "skew_phase": "aa"} if name == "skewed" else {}
                write_logs(root, bench, **skew)
                if name == "torn":
                    outcomes_of(root, name, day(1)).write_bytes(b"PAR1")
                airflow.wait_for_dag(f"abflow__{name}", timeout=300)
                airflow.unpause(f"abflow__{name}")
            airflow.unpause("abflow__current")
            yield ready


def outcomes_of(root: Path, name: str, on: date) -> Path:
    """The only file of a day of the outcome log."""
    (file,) = (root / "data" / "logs" / name / "outcomes" / f"date={on}").iterdir()
    return file


DAILY = {"today", "list_partitions", "aggregate_day", "check_health"}


def day(number: int) -> date:
    """The experiments' first, second, ... day."""
    return date(2026, 9, number)


def test_every_day_does_what_it_needs_and_the_horizon_promotes(train: Train) -> None:
    runs = train.wait_for_days("whole")
    assert sorted(runs) == [day(number) for number in range(1, 11)]
    assert len(train.airflow.runs("abflow__whole")) == 10

    extra = {day(5): {"aa_check", "sample_size_gate"}, day(10): {"analyze", "decide", "promote"}}
    extra |= {day(2): {"build_partitions"}, day(6): {"build_partitions"}}  # of all days of the phase: they are over
    expected = {each: DAILY | extra.get(each, set()) for each in runs} | {day(1): {"today", "validate_shadow_log"}}
    assert {each: train.done_on("whole", each) for each in runs} == expected

    assert train.aliases("whole") == {"champion": 2, "challenger": 2, "previous_champion": 1}
    tags = train.mlflow.get_model_version("whole", "2").tags
    assert tags["abflow.experiment"] == "whole"
    assert tags["abflow.verdict"].startswith("promote")
    (promoted,) = train.ledger("whole", "promoted")
    assert (promoted.facts["from"], promoted.facts["to"]) == ("1", "2")
    assert tags["abflow.ledger_sha256"] == promoted.sha256
    assert tags["abflow.verdict_sha256"] == train.ledger("whole", "verdict")[0].facts["verdict_sha256"]


def test_the_partitions_of_a_phase_are_built_by_tasks_of_their_own(train: Train) -> None:
    runs = train.wait_for_days("whole")
    built = {each: found for each in runs if (found := train.built_on("whole", each))}
    assert built == {
        day(2): [f"{day(number)} {log}" for number in range(2, 6) for log in ("exposures", "outcomes")],
        day(6): [f"{day(number)} {log}" for number in range(6, 11) for log in ("exposures", "outcomes")],
    }
    assert "Cost of build_outcomes on 2026-09-10: read " in train.log(
        "whole", runs[day(6)].run_id, "build_partitions 2026-09-10 outcomes"
    )
    log = train.log("whole", runs[day(10)].run_id, "aggregate_day")
    assert "Cost of aggregate_day on 2026-09-10: read 0 rows from 0.0 MB" in log  # it found them built


def test_one_mlflow_run_holds_the_evidence_and_one_value_a_day(train: Train) -> None:
    train.wait_for_days("whole")
    experiment = train.mlflow.get_experiment_by_name("abflow")
    (run,) = train.mlflow.search_runs([experiment.experiment_id], "tags.`abflow.experiment` = 'whole'")
    assert run.info.status == "FINISHED"
    assert run.data.tags["abflow.verdict"] == "promote"

    artifacts = {each.path for each in train.mlflow.list_artifacts(run.info.run_id)}
    assert artifacts == {"blueprint.json", "gates", "readout.json", "verdict.json", "scorecard.html"}
    gates = {each.path for each in train.mlflow.list_artifacts(run.info.run_id, "gates")}
    assert gates == {"gates/shadow.json", "gates/aa.json", "gates/sizing.json"}

    history = train.mlflow.get_metric_history(run.info.run_id, "health/units")
    dated = {datetime.fromtimestamp(each.timestamp / 1000, UTC).date(): each.step for each in history}
    assert len(history) == 9
    assert dated == {day(number): number for number in range(2, 11)}


def test_a_failed_gate_holds_the_days_behind_it_until_it_is_mended_and_cleared(train: Train) -> None:
    gate_run = train.wait_for_run("skewed", day(3))
    reason = train.why("skewed", gate_run, "aa_check")
    assert "the aa gate says fail. The sample ratio is off" in reason
    assert reason.endswith("or give the experiment up with `abflow stop`.")
    assert train.wait_for_end("skewed", gate_run) == "failed"
    runs = train.wait("skewed", lambda: found if len(found := train.runs("skewed")) == 6 else None)
    for later in (day(4), day(5), day(6)):
        states = train.states("skewed", runs[later].run_id)
        assert set(states.values()) == {None}, (later, states)
    assert train.aliases("skewed") == {"champion": 1, "challenger": 2}

    write_logs(train.root, train.bench("skewed"))
    train.clear("skewed", gate_run, "aa_check")
    runs = train.wait_for_days("skewed")

    assert [train.done_on("skewed", day(number)) for number in range(1, 7)] == [
        DAILY | {"validate_shadow_log", "build_partitions"},
        DAILY,
        DAILY | {"aa_check", "sample_size_gate"},
        DAILY | {"build_partitions"},
        DAILY,
        DAILY | {"analyze", "decide", "promote"},
    ]
    for before, after in ((day(3), day(4)), (day(4), day(5)), (day(5), day(6))):
        tasks = train.tasks("skewed", runs[before].run_id)
        ends = [task.ended for task in tasks.values() if task.ended and task.task_id != "day_done"]
        began = train.tasks("skewed", runs[after].run_id)["today"].started
        assert began is not None
        assert began >= max(ends)
    assert train.aliases("skewed") == {"champion": 2, "challenger": 2, "previous_champion": 1}
    assert len(train.ledger("skewed", "promoted")) == 1


def test_marking_a_gate_as_successful_opens_nothing_and_stop_skips_the_rest(train: Train) -> None:
    gate_run = train.wait_for_run("too_small", day(1))
    reason = train.why("too_small", gate_run, "sample_size_gate")
    assert "the sizing gate says insufficient" in reason
    assert train.wait_for_end("too_small", gate_run) == "failed"

    train.airflow.set_task_state("abflow__too_small", gate_run, "sample_size_gate", "success")
    next_run = train.wait_for_run("too_small", day(2))
    refused = train.why("too_small", next_run, "aggregate_day")
    assert "the sizing gate says insufficient" in refused
    gate = train.bench("too_small").store.get("gates/sizing", Gate, step="")
    assert gate.status is GateStatus.INSUFFICIENT

    promotion.stop(train.bench("too_small"), reason="not worth more users", now=datetime.now(UTC))
    train.wait_for_end("too_small", next_run)
    train.clear("too_small", next_run, "aggregate_day")
    runs = train.wait_for_days("too_small")
    assert train.built_on("too_small", day(2)) == []  # behind a gate that is not open nothing is built
    assert train.done_on("too_small", day(2)) == {"today", "list_partitions"}
    assert [train.done_on("too_small", day(number)) for number in (3, 4)] == [{"today"}] * 2
    assert train.tasks("too_small", runs[day(4)].run_id)["aggregate_day"].try_number == 0  # not even started
    assert "stopped: not worth more users" in train.log("too_small", runs[day(4)].run_id, "today")
    assert train.ledger("too_small", "stopped")[0].facts == {"reason": "not worth more users"}
    assert not train.ledger("too_small", "verdict")


def test_only_an_answer_with_a_reason_from_somebody_named_promotes(train: Train) -> None:
    untouched = {"champion": 1, "challenger": 2}
    run = train.wait_for_run("asked", day(3))
    train.wait_for_task("asked", run, "approve", "awaiting_input")
    assert train.states("asked", run)["promote"] is None
    assert train.aliases("asked") == untouched

    passwords = train.platform.passwords
    with (
        AirflowApi.sign_in(train.platform.airflow_url, STRANGER, passwords[STRANGER]) as stranger,
        pytest.raises(AbflowError, match="403"),
    ):
        stranger.answer_approval("abflow__asked", run, "Approve", "I like it")

    train.airflow.set_task_state("abflow__asked", run, "approve", "success")
    assert "nobody has approved this plan" in train.why("asked", run, "promote")
    assert train.wait_for_end("asked", run) == "failed"
    assert train.aliases("asked") == untouched

    _ask_again(train, run)
    train.airflow.answer_approval("abflow__asked", run, "Approve", "")
    assert "an answer needs a reason" in train.why("asked", run, "approve")
    assert train.wait_for_end("asked", run) == "failed"
    assert train.aliases("asked") == untouched
    assert not train.ledger("asked", "approval")

    _ask_again(train, run)
    train.airflow.answer_approval("abflow__asked", run, "Reject", "the holidays are near")
    assert train.wait_for_end("asked", run) == "success"
    assert train.states("asked", run)["promote"] == "skipped"
    assert train.aliases("asked") == untouched
    (no,) = train.ledger("asked", "approval")
    assert (no.facts["answer"], no.facts["by"], no.facts["reason"]) == ("reject", USER, "the holidays are near")

    _ask_again(train, run)
    assert train.bench("asked").store.find("approval", Approval) is None  # the earlier answer is void
    train.airflow.answer_approval("abflow__asked", run, "Approve", "the holidays are over")
    assert train.wait_for_end("asked", run) == "success"
    assert train.states("asked", run)["promote"] == "success"
    assert train.aliases("asked") == {"champion": 2, "challenger": 2, "previous_champion": 1}
    yes = train.ledger("asked", "approval")[-1]
    assert (yes.facts["answer"], yes.facts["by"], yes.facts["reason"]) == ("approve", USER, "the holidays are over")
    assert train.ledger("asked", "promoted")[0].facts["plan_sha256"] == yes.facts["plan_sha256"]

    promotion.stop(train.bench("asked"), reason="asked enough", now=datetime.now(UTC))
    train.clear("asked", run, "approve")
    assert train.wait_for_end("asked", run) == "success", train.report("asked")
    assert {train.states("asked", run)[task] for task in ("approve", "promote")} == {"skipped"}


def _ask_again(train: Train, run: str) -> None:
    train.clear("asked", run, "approve")
    train.wait_for_task("asked", run, "approve", "awaiting_input")


def test_a_day_is_run_by_hand_with_a_reason_and_without_promoting(train: Train) -> None:
    train.wait_for_days("whole")
    before = train.aliases("whole")
    asked = {"experiment_day": "2026-09-10", "dry_run": True, "reason": "to show it to the board"}
    run = train.airflow.trigger("abflow__whole", asked).run_id
    assert train.wait_for_end("whole", run) == "success", train.report("whole")
    done = {task for task, state in train.states("whole", run).items() if state == "success"}
    assert done == DAILY | {"analyze", "decide", "promote", "day_done"}
    assert "Dry run, nothing was changed" in train.log("whole", run, "promote")
    assert train.aliases("whole") == before
    assert len(train.ledger("whole", "promoted")) == 1
    (noted,) = train.ledger("whole", "manual_run")
    assert noted.facts == {"run_id": run, "day": "2026-09-10", "reason": "to show it to the board", "dry_run": True}


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"experiment_dya": "2026-09-10"}, "triggered with experiment_dya; known are experiment_day, dry_run, reason"),
        ({"experiment_day": "2026-09-11"}, "whole runs from 2026-09-01 to 2026-09-10; 2026-09-11 is not one of its"),
        ({"reason": "I forgot the day"}, "this run has no data interval, so nothing says which day it is about"),
    ],
    ids=["unknown field", "not one of its days", "no day"],
)
def test_a_run_by_hand_that_says_no_day_of_the_experiment_is_refused(
    train: Train, conf: dict[str, Any], said: str
) -> None:
    run = train.airflow.trigger("abflow__whole", conf).run_id
    assert said in train.why("whole", run, "today")
    assert train.wait_for_end("whole", run) == "failed"
    assert "success" not in train.states("whole", run).values()


def test_a_day_that_is_no_date_is_refused_before_it_runs(train: Train) -> None:
    with pytest.raises(AbflowError, match=r"400.*experiment_day"):
        train.airflow.trigger("abflow__whole", {"experiment_day": "last Tuesday"})


def test_restated_logs_give_a_new_verdict_beside_the_old_one_and_move_nothing(train: Train) -> None:
    runs = train.wait_for_days("whole")
    before, run = train.aliases("whole"), runs[day(8)].run_id
    write_logs(train.root, train.bench("whole"), effects={})
    train.clear("whole", run, "aggregate_day")  # of any day
    assert train.wait_for_end("whole", run) == "success", train.report("whole")
    log = train.log("whole", run, "aggregate_day")
    assert "Read again, because the logs were restated: " in log
    assert "The verdict was promote treatment (rule E1) until " in log
    assert "Cost of aggregate_day on 2026-09-08: read " in log
    (changed,) = train.ledger("whole", "verdict_changed")
    assert "Nothing is promoted or rolled back because of that" in changed.facts["sentence"]
    assert len(train.bench("whole").store.history("verdict", Verdict)) == 2
    assert train.aliases("whole") == before


def test_cleared_a_day_builds_what_changed_since_and_nothing_when_nothing_did(train: Train) -> None:
    runs = train.wait_for_days("whole")
    run, bench = runs[day(6)].run_id, train.bench("whole")
    for log in ("exposures", "outcomes"):
        for file in (train.root / "data" / "logs" / "whole" / log / f"date={day(3)}").iterdir():
            file.touch()
    train.clear("whole", run, "list_partitions")
    assert train.wait_for_end("whole", run) == "success", train.report("whole")
    states = train.states("whole", run)
    built = {name: state for name, state in states.items() if name.startswith("build_partitions")}
    assert list(built.values()).count("success") == 2
    assert set(built.values()) == {"success", "removed"}
    assert states["build_partitions 2026-09-03 exposures"] == "success"

    train.clear("whole", run, "list_partitions")
    assert train.wait_for_end("whole", run) == "success", train.report("whole")
    states = train.states("whole", run)
    assert {states[name] for name in states if name.startswith("build_partitions")} == {"removed"}
    assert states["aggregate_day"] == states["day_done"] == "success"
    assert bench.store.find("verdict", Verdict) is not None


def test_a_metric_that_comes_after_the_promotion_is_explored_and_moves_nothing(train: Train) -> None:
    runs = train.wait_for_days("whole")
    last, before = runs[day(10)].run_id, train.aliases("whole")
    plan, verdict = train.bench("whole").spec.sha256, verdict_of(train, "whole")
    promoted = train.ledger("whole", "promoted")
    visits = {"role": "exploratory", "kind": "count", "event": "session", "window_days": 1}
    write_experiment(train.root / "dags" / "experiments", "whole", metrics={"returned": RETURNED, "visits": visits})
    assert train.bench("whole").spec.sha256 == plan

    train.clear("whole", last, "list_partitions")
    assert train.wait_for_end("whole", last) == "success", train.report("whole")
    states = train.states("whole", last)
    built = {name.removeprefix("build_partitions ") for name, state in states.items() if state == "success"}
    assert {f"{day(number)} outcomes" for number in range(2, 11)} <= built  # of both phases
    readout = train.bench("whole").store.get("readout", Readout, step="analyze")
    assert isinstance(readout.of("visits", "treatment").effect, Estimate)
    again = verdict_of(train, "whole")
    assert (again.decision, again.rule) == (verdict.decision, verdict.rule)
    assert states["promote"] in ("success", "skipped")
    assert train.aliases("whole") == before
    assert train.ledger("whole", "promoted") == promoted


def verdict_of(train: Train, name: str) -> Verdict:
    """The verdict as it is kept now."""
    return train.bench(name).store.get("verdict", Verdict, step="decide")


def test_a_broken_file_has_a_dag_that_says_why(train: Train) -> None:
    broken = train.airflow.wait_for_dag("abflow__broken")
    assert broken.tags == ("abflow", "broken spec")
    assert "broken.yaml" in str(broken.description)
    assert "metrics" in str(broken.description)
    assert train.airflow.import_errors() == ()


def test_a_day_that_is_not_over_has_no_run(train: Train) -> None:
    train.wait_for_run("current", YESTERDAY)
    assert max(train.runs("current")) < datetime.now(UTC).date()


def test_a_log_that_has_not_arrived_is_waited_for_by_the_task_that_builds_its_partition(train: Train) -> None:
    run = train.wait_for_run("current", YESTERDAY)
    name = f"build_partitions {YESTERDAY} exposures"
    train.wait("current", lambda: train.states("current", run).get(name) in ("up_for_retry", "failed") or None)
    assert "log 'exposures'" in train.log("current", run, name)
    write_logs(train.root, train.bench("current"), versions=None)
    train.clear("current", run, "build_partitions")
    assert train.wait_for_task("current", run, "check_health") == "success", train.report("current")


def test_a_broken_log_fails_the_task_that_builds_it_and_its_day_with_the_file_and_the_reason(train: Train) -> None:
    run = train.wait_for_run("torn", day(1))
    name = f"build_partitions {day(1)} outcomes"
    assert "part-0.parquet" in train.why("torn", run, name)
    assert train.wait_for_end("torn", run) == "failed"
    states = train.states("torn", run)
    assert states[f"build_partitions {day(1)} exposures"] == "success"
    assert {states[step] for step in ("aggregate_day", "check_health", "day_done")} == {"upstream_failed"}
    write_logs(train.root, train.bench("torn"))
    train.clear("torn", run, "build_partitions")
    assert train.wait_for_task("torn", run, "check_health") == "success", train.report("torn")
