"""The tasks of an experiment: choose the day's steps, build partitions, do a step, ask a person."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, Context, SkipMixin
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from abflow.orchestration.runtime import bench_of, day_of, in_airflow
from abflow.spec.calendar import Step

LIST_PARTITIONS = "list_partitions"  # the one task that is chosen for a day and is no step


class ChooseSteps(BaseOperator, SkipMixin):
    """Choose the steps of this day; the others are shown as skipped.

    The list is explicit and rests in XCom, so that clearing a task with everything downstream of it does not run
    what its day does not need.
    """

    inherits_from_skipmixin = True
    ui_color = "#e8eef7"

    def __init__(self, *, experiment: str, root: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.experiment = experiment
        self.root = root

    def execute(self, context: Context) -> list[str]:
        """Skip what the day does not need; returns what it does."""
        from abflow.lifecycle import steps

        def choose() -> list[str]:
            day = day_of(context)
            bench = bench_of(self.experiment, self.root)
            period = bench.calendar.period_of(day)
            phase = f"day {period.number_of(day)} of the {period.phase} phase" if period else "between two phases"
            self.log.info("Experiment day %s, %s of %s.", day, phase, self.experiment)
            due = [step.value for step in steps.due(bench, day)]
            run, params = context["dag_run"], context["params"]
            if run.run_type == "manual":
                steps.note_manual_run(
                    bench,
                    day,
                    run_id=str(context["run_id"]),
                    reason=params.get("reason"),
                    dry_run=bool(params.get("dry_run")),
                )
            self.log.info("Steps of this day: %s.", ", ".join(due) or "none")
            return [LIST_PARTITIONS, *due] if Step.AGGREGATE_DAY in due else due

        try:
            due = in_airflow(choose)
        except AirflowSkipException as stopped:  # steps after a skipped task would start, only to skip themselves
            self.log.info("%s", stopped)
            due = []
        self.skip(context["ti"], [task for task in self.downstream_list if task.task_id not in due])
        return due


class ListPartitions(BaseOperator):
    """List the partitions that are to be built before the day's steps read them."""

    ui_color = "#eaf4ec"

    def __init__(self, *, experiment: str, root: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.experiment = experiment
        self.root = root

    def execute(self, context: Context) -> list[str]:
        """The names of the partitions; those beyond what Airflow maps are built by the steps that read them."""
        from abflow.lifecycle import building, steps

        def find() -> list[str]:
            bench = bench_of(self.experiment, self.root)
            return [str(build) for build in building.to_build(bench, day_of(context), now=steps.utc_now())]

        found = in_airflow(find)
        self.log.info("To build: %s.", ", ".join(found) or "nothing")
        return found[: conf.getint("core", "max_map_length")]


class BuildPartition(BaseOperator):
    """Build the partition of one log's day."""

    ui_color = "#eaf4ec"

    def __init__(self, *, experiment: str, root: str, partition: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.experiment = experiment
        self.root = root
        self.partition = partition

    def execute(self, context: Context) -> str:
        """Build it; returns what was read, in a sentence."""
        from abflow.lifecycle.building import Build, build_partition

        wanted = Build.parse(self.partition)
        sentence = in_airflow(
            lambda: build_partition(bench_of(self.experiment, self.root), wanted, day_of(context)),
        )
        self.log.info("%s", sentence)
        return sentence


class LifecycleStep(BaseOperator):
    """Do one step of the lifecycle for the run's day."""

    ui_color = "#f7f4e8"

    def __init__(self, *, experiment: str, root: str, step: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.experiment = experiment
        self.root = root
        self.step = step

    def execute(self, context: Context) -> str:
        """Do the step; returns what came of it, in a sentence."""
        from abflow.lifecycle import steps

        day, dry_run = in_airflow(lambda: day_of(context)), bool(context["params"].get("dry_run"))
        self.log.info("Experiment day %s, step %s.", day, self.step)
        outcome = in_airflow(
            lambda: steps.run_step(bench_of(self.experiment, self.root), Step(self.step), day, dry_run=dry_run)
        )
        if outcome.ended is steps.Ended.NOTHING_TO_DO:
            raise AirflowSkipException(outcome.sentence)
        self.log.info("%s", outcome.sentence)
        return outcome.sentence


class PlanApproval(ApprovalOperator):
    """Ask a person about the promotion plan; silence and time-out reject.

    The answer is bound to the plan's hash and written to the ledger by abflow's own code, whatever Airflow does
    with the task afterwards. Cleared, it asks again, and the old answer does not count any more.
    """

    def __init__(self, *, experiment: str, root: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.experiment = experiment
        self.root = root

    def execute(self, context: Context) -> Any:
        """Show the verdict and every change, and wait."""
        from abflow.lifecycle import promotion, steps

        def ask() -> str | None:
            bench, day = bench_of(self.experiment, self.root), day_of(context)
            steps.due(bench, day)  # nobody is asked about an experiment that was given up
            return promotion.ask(bench, day)

        self.body = in_airflow(ask)
        if self.body is None:
            raise AirflowSkipException("The verdict promotes nothing; nobody is asked.")
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Write down who said what, then let Airflow go on or skip."""
        from abflow.lifecycle import promotion, steps

        options = event.get("chosen_options")
        if not options:
            raise AirflowFailException(
                f"Airflow reports no answer: {event.get('error', event)}; clear this task to ask again"
            )
        user = event.get("responded_by_user") or {}
        timed_out = bool(event.get("timedout"))
        in_airflow(
            lambda: promotion.record_approval(
                bench_of(self.experiment, self.root),
                answer="approve" if options[0] == self.APPROVE else "reject",
                by=str(user.get("name") or user.get("id") or "nobody (time-out)"),
                reason=str((event.get("params_input") or {}).get("reason") or ""),
                at=steps.utc_now(),
                timed_out=timed_out,
            )
        )
        return super().execute_complete(context, event)
