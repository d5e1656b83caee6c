"""One DAG per experiment file, of one shape, parsed in a moment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.configuration import conf
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow.sdk.definitions.mappedoperator import MappedOperator

from abflow.errors import LifecycleError
from abflow.orchestration.dag_factory import build_dag, experiment_dags
from abflow.orchestration.operators import BuildPartition, PlanApproval
from abflow.orchestration.runtime import day_of
from abflow.spec.calendar import Step, calendar_of, steps_due
from tests.orchestration.experiments import AA, RETURNED, SHADOW, TEST, experiment, write_experiment

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "scaling.md").read_text(encoding="utf-8")
DAG_FILE = Path(__file__).parents[2] / "dags" / "abflow_experiments.py"
HEAVY = (
    "duckdb",
    "numpy",
    "scipy",
    "pandas",
    "mlflow",
    "great_expectations",
    "pyarrow",
    "sqlglot",
    "altair",
    "sklearn",
)
NO_MODEL: dict[str, Any] = {"model": None, "variants": {"old": {"weight": 1}, "new": {"weight": 1}}, "promotion": None}

# Every way in which files differ that could tempt a DAG to differ as well.
KINDS: dict[str, dict[str, Any]] = {
    "asks_nobody": {},
    "asks_somebody": {"promotion": {"approval": "required", "approvers": ["ana"], "timeout_hours": 2}},
    "has_no_model": NO_MODEL,
    "skips_shadow": {"phases": {"shadow": {"skip": "served before"}, "aa": AA | {"start": "2026-09-02"}, "test": TEST}},
    "skips_aa": {"phases": {"shadow": SHADOW, "aa": {"skip": "had one last week"}, "test": TEST}},
    "skips_both": {
        "phases": {
            "shadow": {"skip": "served before"},
            "aa": {"skip": "had one last week"},
            "test": TEST | {"start": "2026-09-06"},
        }
    },
    "waits_between_phases": {"phases": {"shadow": SHADOW, "aa": AA, "test": TEST | {"start": "2026-09-20"}}},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty folder of experiments."""
    monkeypatch.delenv("ABFLOW_ROOT", raising=False)
    monkeypatch.delenv("ABFLOW_EXPERIMENTS", raising=False)
    (tmp_path / "dags" / "experiments").mkdir(parents=True)
    return tmp_path


def files_of(project: Path) -> Path:
    return project / "dags" / "experiments"


def dags_of(project: Path) -> dict[str, DAG]:
    return experiment_dags(project / "dags")


def shape_of(dag: DAG) -> dict[str, Any]:
    """Everything that Airflow would show as another version of the DAG when it changes."""
    return {
        task.task_id: (
            type(task).__name__,
            str(task.trigger_rule),
            task.depends_on_past,
            task.wait_for_downstream,
            sorted(task.upstream_task_ids),
            sorted(task.downstream_task_ids),
        )
        for task in dag.tasks
    }


def parse(project: Path, look: str, **environment: str) -> Any:
    """Parse the project's DAG file in a process of its own, as Airflow does, and answer `look`, a piece of Python."""
    shutil.copy(DAG_FILE, project / "dags")
    program = f"""
import json, os, runpy, sys, time
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
import airflow.sdk
imported = time.process_time()  # what it costs, however busy the machine is
found = runpy.run_path({str(project / "dags" / DAG_FILE.name)!r})
seconds = time.process_time() - imported
dags = {{name: value for name, value in found.items() if isinstance(value, airflow.sdk.DAG)}}
print("answer:" + json.dumps({look}))
"""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ABFLOW_", "_AIRFLOW_"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=inherited | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("answer:")[2])


@pytest.mark.parametrize("kind", KINDS)
def test_no_experiment_changes_the_shape_of_its_dag(project: Path, kind: str) -> None:
    plain = build_dag(experiment(files_of(project), "plain"), str(project))
    other = build_dag(experiment(files_of(project), kind, **KINDS[kind]), str(project))
    assert shape_of(other) == shape_of(plain)


def test_the_tasks_are_the_steps_in_their_order(project: Path) -> None:
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    assert dag.dag_id == "abflow__plain"
    assert [task.task_id for task in dag.tasks] == [
        *("today", "list_partitions", "build_partitions"),
        *(step.value for step in Step),
        "day_done",
    ]
    for step in Step:
        assert dag.get_task(step.value).trigger_rule == "none_failed"
        assert "today" in dag.get_task(step.value).upstream_task_ids
    today = dag.get_task("today")
    assert today.downstream_task_ids == {step.value for step in Step} | {"list_partitions"}
    assert not today.upstream_task_ids


def test_partitions_are_built_by_tasks_of_their_own_before_the_day_is_aggregated(project: Path) -> None:
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    build = dag.get_task("build_partitions")
    assert isinstance(build, MappedOperator)
    assert build.operator_class is BuildPartition
    assert build.max_active_tis_per_dagrun == 2  # each takes all cores of its machine
    assert build.map_index_template == "{{ task.partition }}"
    # Skipped with its list on a day that aggregates nothing; `none_failed` would wait for a list that never comes.
    assert build.trigger_rule == "all_success"
    assert build.upstream_task_ids == {"list_partitions"}
    assert build.downstream_task_ids == {"aggregate_day"}
    assert dag.get_task("list_partitions").upstream_task_ids == {"today"}
    assert dag.get_task("list_partitions").downstream_task_ids == {"build_partitions"}


def test_no_task_that_is_mapped_holds_the_next_day(project: Path) -> None:
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    waited = dag.get_task("today").downstream_task_ids  # cleared and mapped to less, some of them would never end
    assert not any(isinstance(dag.get_task(task_id), MappedOperator) for task_id in waited)


def test_the_environment_says_how_many_partitions_are_built_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABFLOW_BUILDS_AT_ONCE", "24")
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    assert dag.get_task("build_partitions").max_active_tis_per_dagrun == 24


def test_a_run_fails_with_any_of_its_steps(project: Path) -> None:
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    (last,) = [task for task in dag.tasks if not task.downstream_task_ids]  # these decide how a run has ended
    assert last.upstream_task_ids == {step.value for step in Step}
    assert last.trigger_rule == "none_failed"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_day_needs_is_done_in_order_although_the_rest_is_skipped_at_once(project: Path, kind: str) -> None:
    spec = experiment(files_of(project), kind, **KINDS[kind])
    dag = build_dag(spec, str(project))
    calendar = calendar_of(spec)
    for number in range((calendar.last - calendar.first).days + 1):
        due = steps_due(spec, calendar.first + timedelta(days=number))
        for before, after in pairwise(step for step in due if step is not Step.VALIDATE_SHADOW_LOG):
            assert before in waited_for(dag, after, due)
        if {Step.VALIDATE_SHADOW_LOG, Step.AA_CHECK} <= set(due):
            assert Step.VALIDATE_SHADOW_LOG in waited_for(dag, Step.AA_CHECK, due)


def waited_for(dag: DAG, step: Step, due: tuple[Step, ...]) -> set[str]:
    """The tasks that a step waits for when only those that are due take time."""
    direct = dag.get_task(step.value).upstream_task_ids & {each.value for each in due}
    return direct.union(*(waited_for(dag, Step(task_id), due) for task_id in direct))


def test_a_day_waits_for_all_of_the_day_before(project: Path) -> None:
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    waiting = {task.task_id for task in dag.tasks if task.depends_on_past and task.wait_for_downstream}
    assert waiting == {"today"}


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        ("asks_nobody", date(2026, 9, 1), date(2026, 9, 10)),
        ("skips_shadow", date(2026, 9, 2), date(2026, 9, 10)),
        ("skips_aa", date(2026, 9, 1), date(2026, 9, 6)),
        ("skips_both", date(2026, 9, 6), date(2026, 9, 10)),
        ("waits_between_phases", date(2026, 9, 1), date(2026, 9, 24)),
    ],
)
def test_there_is_a_run_for_every_day_and_room_for_all_of_them(
    project: Path, kind: str, first: date, last: date
) -> None:
    dag = build_dag(experiment(files_of(project), kind, **KINDS[kind]), str(project))
    timetable = dag.timetable
    assert isinstance(timetable, CronDataIntervalTimetable)
    assert dag.start_date == datetime(first.year, first.month, first.day, tzinfo=UTC)
    assert dag.end_date == datetime(last.year, last.month, last.day, tzinfo=UTC)
    assert dag.catchup is True
    assert dag.max_active_runs > (last - first).days + 1
    assert dag.dagrun_timeout is None  # it would fail the days that wait behind a gate


def test_a_test_that_may_be_extended_has_runs_for_its_longest_time_and_says_so(project: Path) -> None:
    """Whether it is extended is known on the plan's last day; a DAG whose end moved then would have to be seen anew."""
    longer = TEST | {"extend": {"max_days": 12}}
    spec = experiment(files_of(project), "may_go_on", phases={"shadow": SHADOW, "aa": AA, "test": longer})
    dag, plain = (build_dag(each, str(project)) for each in (spec, experiment(files_of(project), "plain")))
    planned, longest = calendar_of(spec).last, calendar_of(spec.extended).last
    assert longest - planned == timedelta(days=7)
    assert dag.end_date == datetime(longest.year, longest.month, longest.day, tzinfo=UTC)
    assert dag.max_active_runs == plain.max_active_runs + 7
    assert dag.task_ids == plain.task_ids
    assert f"| test | {calendar_of(spec).test.start} | {planned} | 5 |" in str(dag.doc_md)
    assert f"A test that is not precise enough by then goes on to {longest}." in str(dag.doc_md)
    assert "goes on to" not in str(plain.doc_md)


def test_the_form_can_be_sent_empty(project: Path) -> None:
    params = build_dag(experiment(files_of(project), "plain"), str(project)).params
    assert dict(params.dump()) == {"experiment_day": None, "dry_run": False, "reason": None}
    params.validate()


def test_the_page_of_a_dag_says_which_rows_its_primary_reads(project: Path) -> None:
    metrics = {"returned": RETURNED | {"where": {"surface": "app"}}}
    dag = build_dag(experiment(files_of(project), "filtered", metrics=metrics), str(project))
    assert "Primary metric: returned (where surface = app)." in str(dag.doc_md)


def test_the_question_names_who_may_answer_and_how_long_it_waits(project: Path) -> None:
    dag = build_dag(experiment(files_of(project), "asks_somebody", **KINDS["asks_somebody"]), str(project))
    approve = dag.get_task("approve")
    assert isinstance(approve, PlanApproval)
    assert approve.assigned_users == [{"id": "ana", "name": "ana"}]
    assert approve.response_timeout == timedelta(hours=2)
    assert approve.defaults == ["Reject"]  # silence is a no
    assert approve.retries == 0


def test_parsing_loads_nothing_heavy(project: Path) -> None:
    write_experiment(files_of(project), "asks_somebody", **KINDS["asks_somebody"])
    write_experiment(files_of(project), "has_no_model", **NO_MODEL)
    write_experiment(files_of(project), "broken", model=7)
    answer = parse(project, f"[sorted(dags), sorted(set({HEAVY!r}) & set(sys.modules))]")
    assert answer == [["abflow__asks_somebody", "abflow__broken", "abflow__has_no_model"], []]


def test_a_broken_file_stops_only_itself(project: Path) -> None:
    for name in ("first", "last"):
        write_experiment(files_of(project), name)
    write_experiment(files_of(project), "in_between", metrics={})
    dags = dags_of(project)
    assert sorted(dags) == ["abflow__first", "abflow__in_between", "abflow__last"]
    assert all(len(dags[f"abflow__{name}"].tasks) == 13 for name in ("first", "last"))
    broken = dags["abflow__in_between"]
    assert broken.tags == {"abflow", "broken spec"}
    assert "in_between.yaml:" in str(broken.description)
    assert "metrics" in str(broken.description)
    assert "metrics" in str(broken.doc_md)
    assert [task.task_id for task in broken.tasks] == ["broken_spec"]
    assert broken.schedule is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mapping"),
        ("experiment: [", "not valid YAML"),
        ("experiment: &again {x: *again}", ""),  # a mapping within itself
        ("experiment: " + "[" * 3000 + "]" * 3000, ""),
        ("\0", ""),
    ],
    ids=["empty", "no YAML", "within itself", "too deep", "NUL"],
)
def test_however_a_file_is_broken_the_others_run(project: Path, text: str, said: str) -> None:
    write_experiment(files_of(project), "sound")
    (files_of(project) / "broken.yaml").write_text(text)
    dags = dags_of(project)
    assert dags["abflow__sound"].tags >= {"growth-ml"}
    assert "broken spec" in dags["abflow__broken"].tags
    assert "broken.yaml" in str(dags["abflow__broken"].description)
    assert said in str(dags["abflow__broken"].description)


@pytest.mark.parametrize(
    "changes",
    [
        {"phases": {"shadow": {"start": "9999-12-30", "days": 1}, "aa": AA, "test": TEST}},
        {"promotion": {"timeout_hours": 1e300}},
    ],
    ids=["no such day", "no such time"],
)
def test_numbers_beyond_the_calendar_stop_only_their_file(project: Path, changes: dict[str, Any]) -> None:
    write_experiment(files_of(project), "sound")
    write_experiment(files_of(project), "endless", **changes)
    dags = dags_of(project)
    assert "broken spec" not in dags["abflow__sound"].tags
    assert "broken spec" in dags["abflow__endless"].tags
    assert "endless.yaml" in str(dags["abflow__endless"].description)


def test_a_folder_or_a_lost_link_among_the_files_is_reported(project: Path) -> None:
    write_experiment(files_of(project), "sound")
    (files_of(project) / "folder.yaml").mkdir()
    (files_of(project) / "lost.yaml").symlink_to(project / "gone.yaml")
    dags = dags_of(project)
    assert "broken spec" not in dags["abflow__sound"].tags
    assert "folder.yaml: is a directory" in str(dags["abflow__folder"].description)
    assert "lost.yaml: there is no such file" in str(dags["abflow__lost"].description)


def test_a_file_that_ends_in_yml_is_told_to_be_renamed(project: Path) -> None:
    write_experiment(files_of(project), "ranker", file="ranker.yml")
    (dag,) = dags_of(project).values()
    assert "rename it to ranker.yaml" in str(dag.description)
    assert "broken spec" in dag.tags


def test_a_second_file_of_the_same_name_leaves_the_first_alone(project: Path) -> None:
    write_experiment(files_of(project), "ranker")
    write_experiment(files_of(project), "ranker", file="ranker.yml")
    dags = dags_of(project)
    assert len(dags) == 2
    assert "broken spec" not in dags["abflow__ranker"].tags


def test_a_file_of_another_name_than_its_experiment_is_refused(project: Path) -> None:
    write_experiment(files_of(project), "ranker")
    write_experiment(files_of(project), "ranker", file="copy_of_ranker.yaml")
    dags = dags_of(project)
    assert "broken spec" not in dags["abflow__ranker"].tags
    assert "rename it to ranker.yaml" in str(dags["abflow__copy_of_ranker"].description)


@pytest.mark.parametrize("stem", ["ranker v2 (copy)", "ränker", "ranker\\v2", "x" * 250])
def test_a_name_that_is_no_dag_id_is_made_one(project: Path, stem: str) -> None:
    write_experiment(files_of(project), "sound")
    write_experiment(files_of(project), "ranker", file=f"{stem}.yaml")
    dags = dags_of(project)
    assert "broken spec" not in dags.pop("abflow__sound").tags
    ((dag_id, dag),) = dags.items()
    assert dag.dag_id == dag_id
    assert "broken spec" in dag.tags


def test_names_that_differ_in_signs_do_not_replace_one_another(project: Path) -> None:
    write_experiment(files_of(project), "ranker_v2")
    write_experiment(files_of(project), "ranker_v2", file="ranker v2.yaml")
    dags = dags_of(project)
    assert "broken spec" not in dags["abflow__ranker_v2"].tags
    assert len(dags) == 2


def test_inside_a_task_only_its_own_file_is_read(project: Path) -> None:
    for name in ("mine", "yours", "theirs"):
        write_experiment(files_of(project), name)
    folder = str(files_of(project))
    look = f"[sorted(dags), sorted({{os.path.basename(file) for file in opened if file.startswith({folder!r})}})]"
    assert parse(project, look, _AIRFLOW_PARSING_CONTEXT_DAG_ID="abflow__mine") == [["abflow__mine"], ["mine.yaml"]]
    assert parse(project, look)[1] == ["mine.yaml", "theirs.yaml", "yours.yaml"]


def test_inside_a_broken_files_task_its_message_is_found_again(project: Path) -> None:
    write_experiment(files_of(project), "ranker", file="ranker v2.yml")
    (dag_id,) = dags_of(project)
    assert parse(project, "sorted(dags)", _AIRFLOW_PARSING_CONTEXT_DAG_ID=dag_id) == [dag_id]


def test_the_environment_says_where_the_project_is(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write_experiment(elsewhere / "dags" / "experiments", "moved")
    assert parse(project, "sorted(dags)", ABFLOW_ROOT=str(elsewhere)) == ["abflow__moved"]


def test_the_cluster_policy_of_the_guide_gives_builds_a_queue_and_a_pool_of_their_own(project: Path) -> None:
    said: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0], said)  # noqa: S102  our own guide
    dag = build_dag(experiment(files_of(project), "plain"), str(project))
    for task in dag.tasks:
        said["task_policy"](task)
    moved = {task.task_id: (task.queue, task.pool) for task in dag.tasks if task.queue != "default"}
    assert moved == {"build_partitions": ("abflow_build", "abflow_build")}


def test_the_guide_names_settings_that_airflow_has() -> None:
    named = re.findall(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)=", GUIDE)
    known = {
        (section.upper(), option.upper())
        for section, told in conf.configuration_description.items()
        for option in told["options"]
    }
    assert len(named) >= 8
    assert {pair for pair in named if pair[0] != "KUBERNETES_EXECUTOR"} <= known  # its provider is not installed


@pytest.mark.slow
def test_five_hundred_experiments_are_parsed_in_seconds(project: Path) -> None:
    for number in range(500):
        write_experiment(files_of(project), f"experiment_{number:03}", **list(KINDS.values())[number % len(KINDS)])
    count, seconds = parse(project, "[len(dags), seconds]")
    print(f"500 experiments in {seconds:.1f} s of one core")  # noqa: T201  shown with -s
    assert count == 500
    assert seconds < 10  # what the documentation promises


def context_of(*, conf: dict[str, Any] | None = None, start: datetime | None = None, **params: Any) -> dict[str, Any]:
    """What a task of Airflow's gets to know of its run, as far as the day needs it."""
    asked = {"experiment_day": None, "dry_run": False, "reason": None} | params
    return {"dag_run": SimpleNamespace(conf=conf), "params": asked, "data_interval_start": start}


def test_the_form_goes_before_the_data_interval() -> None:
    start = datetime(2026, 9, 3, tzinfo=UTC)
    asked: dict[str, Any] = {"experiment_day": "2026-09-01"}
    assert day_of(context_of(start=start)) == date(2026, 9, 3)
    assert day_of(context_of(start=start, conf={"reason": "again"})) == date(2026, 9, 3)
    assert day_of(context_of(start=start, conf=asked, **asked)) == date(2026, 9, 1)
    assert day_of(context_of(conf=asked, **asked)) == date(2026, 9, 1)


def test_a_run_that_nothing_dates_is_refused() -> None:
    with pytest.raises(LifecycleError, match=r"no data interval.*trigger it again with experiment_day"):
        day_of(context_of())


def test_a_field_that_the_form_does_not_have_is_refused() -> None:
    conf = {"experimnt_day": "2026-09-01", "reason": "a slip of the pen"}
    with pytest.raises(LifecycleError, match="triggered with experimnt_day; known are experiment_day, dry_run, reason"):
        day_of(context_of(conf=conf, start=datetime(2026, 9, 3, tzinfo=UTC)))
