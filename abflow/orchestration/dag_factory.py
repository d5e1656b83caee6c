"""One DAG per experiment file, one run per day, one shape for all."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, get_parsing_context
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator

from abflow.analysis.wording import named
from abflow.errors import SpecError
from abflow.orchestration.operators import (
    LIST_PARTITIONS,
    BuildPartition,
    ChooseSteps,
    LifecycleStep,
    ListPartitions,
    PlanApproval,
)
from abflow.orchestration.placeholder import broken_dag
from abflow.orchestration.runtime import project_settings
from abflow.spec.calendar import Calendar, Step, calendar_of
from abflow.spec.experiment import NAME, ExperimentSpec
from abflow.spec.loading import load_experiment

PREFIX = "abflow__"
LONGEST_NAME = 200  # Airflow's ids may have 250 characters
# A held experiment lets later days wait; with no room for all of them the cleared day would wait for a place
# that the waiting days occupy, for ever.
SPARE_RUNS = 16
RETRY = {"retries": 3}  # how long to wait between them is Airflow's own setting

# A step that its day skips is done at once, so what comes after it also waits for the last step before it.
AFTER = {
    Step.CHECK_HEALTH: (Step.AGGREGATE_DAY,),
    Step.AA_CHECK: (Step.VALIDATE_SHADOW_LOG, Step.CHECK_HEALTH),
    Step.SAMPLE_SIZE_GATE: (Step.AA_CHECK,),
    Step.ANALYZE: (Step.CHECK_HEALTH, Step.SAMPLE_SIZE_GATE),
    Step.DECIDE: (Step.ANALYZE,),
    Step.APPROVE: (Step.DECIDE,),
    Step.PROMOTE: (Step.DECIDE, Step.APPROVE),
}


def experiment_dags(dags_folder: Path) -> dict[str, DAG]:
    """Every experiment as a DAG, by its id; inside a task only the task's own.

    A file that cannot be read becomes a DAG that says why, and leaves the others alone.

    Args:
        dags_folder: The folder of the DAG file; the project's root is above it, unless ABFLOW_ROOT is set.
    """
    root = str(dags_folder.parent)
    folder = project_settings(root).experiments_folder
    wanted = get_parsing_context().dag_id
    files = sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))
    dags = {}
    for file in files:
        dag_id = dag_id_of(file)
        if wanted in (None, dag_id):
            dags[dag_id] = _dag_of(file, dag_id, root)
    return dags


def dag_id_of(file: Path) -> str:
    """The DAG's id: the experiment's name is its file's.

    A file that can hold no experiment keeps its ending there, so that it never takes the place of one that does.
    """
    if file.suffix == ".yaml" and re.fullmatch(NAME, file.stem):
        return PREFIX + file.stem
    return PREFIX + re.sub(r"[^A-Za-z0-9_.-]", "_", file.name)[-LONGEST_NAME:]


def build_dag(spec: ExperimentSpec, root: str) -> DAG:
    """The DAG of one experiment; nothing of its shape depends on the file."""
    calendar, longest = calendar_of(spec), calendar_of(spec.extended)  # nobody knows yet whether it is extended
    with DAG(
        dag_id=PREFIX + spec.experiment,
        description=spec.hypothesis[:200],
        doc_md=_page(spec, calendar),
        schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
        start_date=datetime.combine(calendar.first, time(), tzinfo=UTC),
        end_date=datetime.combine(longest.last, time(), tzinfo=UTC),
        catchup=True,
        max_active_runs=(longest.last - longest.first).days + 1 + SPARE_RUNS,
        tags={"abflow", spec.owner[:90], *({spec.model[:90]} if spec.model else ())},
        params=_form(),
        default_args=RETRY,
    ) as dag:
        today = ChooseSteps(
            task_id="today",
            experiment=spec.experiment,
            root=root,
            depends_on_past=True,
            wait_for_downstream=True,
        )
        built = _partitions(spec, root, after=today)
        tasks: dict[Step, BaseOperator] = {step: _task(spec, step, root) for step in Step}
        today >> list(tasks.values())
        built >> tasks[Step.AGGREGATE_DAY]
        for step, earlier in AFTER.items():
            [tasks[before] for before in earlier] >> tasks[step]
        list(tasks.values()) >> EmptyOperator(task_id="day_done", trigger_rule="none_failed", doc_md=DAY_DONE)
    return dag


def _dag_of(file: Path, dag_id: str, root: str) -> DAG:
    try:
        if file.suffix == ".yml":
            raise SpecError(f"{file}: experiment files end in .yaml; rename it to {file.stem}.yaml")
        return build_dag(load_experiment(file), root)
    except SpecError as error:
        return broken_dag(dag_id, str(error))
    except Exception as error:  # noqa: BLE001  whatever one file does, the others' experiments are running
        return broken_dag(dag_id, f"{file}: abflow cannot make a DAG of it: {type(error).__name__}: {error}")


def _partitions(spec: ExperimentSpec, root: str, *, after: BaseOperator) -> MappedOperator:
    """The partitions of the day, and of other days that are wanted, each built by a task of its own.

    Nothing of a step depends on these tasks: it builds what it does not find. They are no direct children of `today`,
    because the next day waits for all of those, and a task that is mapped to less when it is cleared never ends.
    """
    listed = ListPartitions(
        task_id=LIST_PARTITIONS,
        experiment=spec.experiment,
        root=root,
        doc_md="Which logs' days are to be read for this day, and in what else has something changed?",
    )
    after >> listed
    return BuildPartition.partial(
        task_id="build_partitions",
        experiment=spec.experiment,
        root=root,
        map_index_template="{{ task.partition }}",
        max_active_tis_per_dagrun=project_settings(root).builds_at_once,
        doc_md="Each day of each log becomes a partition of its own, on whatever worker is free.",
    ).expand(partition=listed.output)


def _task(spec: ExperimentSpec, step: Step, root: str) -> BaseOperator:
    if step is not Step.APPROVE:
        return LifecycleStep(
            task_id=step.value,
            experiment=spec.experiment,
            root=root,
            step=step.value,
            trigger_rule="none_failed",
            doc_md=QUESTIONS[step],
        )
    policy = spec.promotion
    return PlanApproval(
        task_id=step.value,
        experiment=spec.experiment,
        root=root,
        trigger_rule="none_failed",
        subject=f"Promote the winner of {spec.experiment} in the model registry?",
        defaults="Reject",
        response_timeout=timedelta(hours=policy.timeout_hours),
        assigned_users=[{"id": name, "name": name} for name in policy.approvers] or None,
        params={"reason": Param(None, type=["null", "string"], description="Needed, whichever the answer.")},
        doc_md=QUESTIONS[step],
        retries=0,
    )


QUESTIONS = {
    Step.VALIDATE_SHADOW_LOG: "May real users meet the new version at all?",
    Step.AGGREGATE_DAY: "The day's exposures and outcomes become one partition of units.",
    Step.CHECK_HEALTH: "Is the experiment healthy: sample ratio, contamination, assignment, volume, harm?",
    Step.AA_CHECK: "Do assignment, logging and metrics tell the truth?",
    Step.SAMPLE_SIZE_GATE: "Can this test answer its question in its time? The plan is frozen here.",
    Step.ANALYZE: "What happened?",
    Step.DECIDE: "What follows, and by which rule?",
    Step.APPROVE: "Does a person agree?",
    Step.PROMOTE: "Who serves from now on?",
}

# Airflow asks only a run's last tasks how it ended, and after a failed gate those of its day may all be skipped.
DAY_DONE = "Was every step done that this day needs?"


def _form() -> dict[str, Param]:
    """The fields of the trigger form; all of them may stay empty."""
    return {
        "experiment_day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Experiment day",
            description="The UTC day to work on. Empty: the start of the run's data interval.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Plan the promotion, leave the registry alone.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            title="Reason",
            description="Why this run was triggered by hand; it goes into the ledger.",
        ),
    }


def _page(spec: ExperimentSpec, calendar: Calendar) -> str:
    rows = "\n".join(f"| {p.phase} | {p.start} | {p.last} | {p.days} |" for p in calendar.periods)
    longest = calendar_of(spec.extended).last
    longer = "" if longest == calendar.last else f"A test that is not precise enough by then goes on to {longest}. "
    return (
        f"**{spec.hypothesis}**\n\nOwner: {spec.owner}. Primary metric: {named(spec.primary_name, spec.primary)}.\n\n"
        f"| phase | first day | last day | days |\n|---|---|---|---|\n{rows}\n\n{longer}"
        "A run works on the day *before* its run date, when that day is over. A failed gate holds all later days: "
        "mend the cause, clear the gate's task, and they follow in order."
    )
