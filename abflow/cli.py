"""The command line: the same steps as in Airflow, one experiment at a time."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from abflow.errors import AbflowError
from abflow.settings import Settings, load_settings

if TYPE_CHECKING:
    from abflow.lifecycle.bench import Bench

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="From shadow log to registry, one experiment file at a time.",
    pretty_exceptions_enable=False,
)
ledger_app = typer.Typer(no_args_is_help=True, help="The chain of decisions.")
app.add_typer(ledger_app, name="ledger")

out = Console(soft_wrap=True, highlight=False, markup=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

Experiment = Annotated[str, typer.Argument(help="An experiment's name, or the path of its file.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; it goes into the ledger.", show_default=False)]
Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day to work on; default: the horizon.")
]


def main() -> None:
    """Run the command line; an error of abflow is one message and exit code 1."""
    try:
        app()
    except AbflowError as error:
        err.print(f"error: {error}", style="red")
        raise SystemExit(1) from None


@app.command()
def validate(
    file: Annotated[list[Path], typer.Argument(help="Experiment files.", show_default=False)],
) -> None:
    """Check experiment files, and say what each would do."""
    from abflow.spec.calendar import calendar_of
    from abflow.spec.loading import load_experiment

    broken = 0
    for path in file:
        try:
            spec = load_experiment(path)
        except AbflowError as error:
            broken += 1
            err.print(str(error), style="red")
            continue
        phases = ", ".join(f"{p.phase} {p.start} to {p.last}" for p in calendar_of(spec).periods)
        out.print(f"{path}: valid. {spec.primary_name} decides; {phases}.")
    if broken:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the experiment file, for editors."""
    from abflow.spec.experiment import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, sort_keys=True))


@app.command()
def plan(
    experiment: Experiment,
    *,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="METRIC=VALUE[,SD]: a metric's value and spread per unit; of a ratio over rows also "
            "METRIC=VALUE,SD,ROWS,CORRELATION of rows. May be given several times."
        ),
    ] = None,
    units_per_day: Annotated[float | None, typer.Option(help="New units a day, all arms together.")] = None,
    correlation: Annotated[
        float | None, typer.Option(help="Of a unit's value with its history, where CUPED is planned and unmeasured.")
    ] = None,
    curve: Annotated[Path | None, typer.Option(help="Write power curves to this .svg or .html file.")] = None,
    simulate: Annotated[
        int | None, typer.Option(min=1, help="Play the decision through so many times on the units of the A/A phase.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of --simulate; the same seed counts the same.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers for a machine.")] = False,
) -> None:
    """Say how many units and days an experiment takes, and what would do with fewer."""
    from abflow.lifecycle.planning import plan_experiment, play_through, write_curves
    from abflow.report.plan_text import LEGEND, heading, planning_lines, planning_table
    from abflow.store.files import to_json

    settings = _settings()
    planned = plan_experiment(
        experiment,
        settings,
        baselines=baseline or (),
        units_per_day=units_per_day,
        correlation=correlation,
    )
    if simulate:
        planned = play_through(planned, settings, runs=simulate, seed=seed)
    if curve:
        write_curves(planned, curve)
    if as_json:
        typer.echo(to_json(planned.table), nl=False)
        return
    out.print(heading(planned.spec, planned.table), soft_wrap=False)
    if planned.table.rows:
        out.print()
        out.print(planning_table(planned.spec, planned.table), soft_wrap=False)
        out.print()
        out.print(LEGEND, soft_wrap=False)
    out.print()
    for line in planning_lines(planned.table):
        out.print(line, soft_wrap=False)
    if curve:
        out.print(f"power curves: {curve}")


@app.command()
def run(
    experiment: Experiment,
    through: Day = None,
    cost: Annotated[bool, typer.Option("--cost", help="Say also what each step cost.")] = False,
) -> None:
    """Run the lifecycle up to a day, as Airflow would."""
    from abflow.lifecycle.page import SCORECARD, summary
    from abflow.lifecycle.steps import run_through

    bench = _bench(experiment)
    for outcome in run_through(bench, through.date() if through else None):
        out.print(f"{outcome.day} {outcome.step}: {outcome.sentence}")
        if cost:
            out.print(f"  {outcome.cost}")
    if through is None or through.date() >= bench.calendar.last:
        out.print()
        for line in summary(bench):
            out.print(line)
        out.print(f"scorecard: {bench.store.folder / SCORECARD}")


@app.command()
def recheck(experiment: Experiment) -> None:
    """Look for days whose logs changed since they were read, and do again what rests on them."""
    from abflow.lifecycle.guards import require_running
    from abflow.lifecycle.restated import catch_up
    from abflow.lifecycle.steps import utc_now

    bench = _bench(experiment)
    require_running(bench)
    out.print(catch_up(bench, now=utc_now()) or "The logs of every day are as they were when they were read.")


@app.command()
def history(experiment: Experiment) -> None:
    """Print every verdict of an experiment with the inputs that it used, and what led to it."""
    from abflow.lifecycle.history import timeline

    bench = _bench(experiment)
    for line in timeline(bench):
        out.print(line)
    out.print(f"kept in {bench.store.folder / 'history'}, by the SHA-256 of each file")


@app.command()
def sql(
    experiment: Experiment,
    query: Annotated[str, typer.Argument(help="In DuckDB's dialect; `show tables` lists what there is.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    limit: Annotated[int | None, typer.Option(help="The most rows to print; default: all.", min=1)] = None,
) -> None:
    """Ask an experiment's tables: units, unit_days, events, moments and readout."""
    import csv
    import sys

    from rich.table import Table

    from abflow.lifecycle.tables import ask

    answer = ask(_bench(experiment), query, limit=limit)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
        return
    table = Table(*answer.columns)
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    out.print(table)


@app.command()
def simulate(
    experiment: Experiment,
    truth: Annotated[Path | None, typer.Option(help="YAML file of the world's rates; default: an equal world.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same bytes.")] = 1,
    format: Annotated[Literal["parquet", "jsonl", "csv"], typer.Option(help="Of all logs.")] = "parquet",  # noqa: A002  the word users know
) -> None:
    """Write realistic logs with a known truth to where the experiment reads them."""
    from abflow.lifecycle.bench import open_bench
    from abflow.simulate.simulation import simulate as draw
    from abflow.simulate.truth import Truth, load_truth

    settings = _settings()
    spec = open_bench(experiment, settings).spec.extended  # logs for as long as the test may last
    world = load_truth(truth) if truth else Truth()
    drawn = draw(spec, world, seed=seed, root=settings.root, format=format)
    for log, rows in drawn.rows.items():
        out.print(
            f"{log}: {rows} rows, of them {drawn.late.get(log, 0)} late and {drawn.duplicated.get(log, 0)} repeated"
        )
    for metric, arms in drawn.expected.items():
        out.print(f"true {metric}: " + ", ".join(f"{arm} {value:.6g}" for arm, value in arms.items()))


@app.command()
def approve(
    experiment: Experiment,
    reason: Reason,
    by: Annotated[str, typer.Option(help="Who answers.", envvar="USER", show_default=False)],
    reject: Annotated[bool, typer.Option("--reject", help="Say no instead.")] = False,
) -> None:
    """Answer the promotion plan of an experiment."""
    from abflow.lifecycle.promotion import question, record_approval
    from abflow.lifecycle.steps import utc_now
    from abflow.registry.plan import PromotionPlan
    from abflow.spec.calendar import Step

    bench = _bench(experiment)
    plan = bench.store.get("plan", PromotionPlan, step=Step.DECIDE)
    out.print(question(bench, plan))
    answer: Literal["approve", "reject"] = "reject" if reject else "approve"
    record_approval(bench, answer=answer, by=by, reason=reason, at=utc_now())
    out.print(f"\n{by}: {answer}. Run the experiment again to go on.")


@app.command()
def overrule(
    experiment: Experiment,
    variant: Annotated[str, typer.Argument(help="The variant to promote.", show_default=False)],
    reason: Reason,
    by: Annotated[str, typer.Option(help="Who decides.", envvar="USER", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Promote a variant against the verdict; ledger, scorecard and model version say who did, and why."""
    from abflow.lifecycle import overruling
    from abflow.lifecycle.page import write_scorecard
    from abflow.lifecycle.steps import utc_now

    bench = _bench(experiment)
    out.print(overruling.overrule(bench, variant, by=by, reason=reason, now=utc_now(), dry_run=dry_run))
    if not dry_run:
        write_scorecard(bench)


@app.command()
def peek(
    experiment: Experiment,
    reason: Reason,
    by: Annotated[str, typer.Option(help="Who looks.", envvar="USER", show_default=False)],
) -> None:
    """Look at the primary before the horizon, honestly: the ledger says so, and the verdict pays for it."""
    from abflow.lifecycle import peeking
    from abflow.lifecycle.steps import utc_now
    from abflow.report.notation import printable

    for line in peeking.peek(_bench(experiment), by=by, reason=reason, now=utc_now()):
        out.print(printable(line))


@app.command()
def stop(experiment: Experiment, reason: Reason) -> None:
    """Give an experiment up; its waiting and later days are skipped."""
    from abflow.lifecycle import promotion
    from abflow.lifecycle.steps import utc_now

    out.print(promotion.stop(_bench(experiment), reason=reason, now=utc_now()))


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="The registered model.", show_default=False)],
    reason: Reason,
    alias: Annotated[str, typer.Option(help="The alias to give back.")] = "champion",
) -> None:
    """Give the alias back to the version that held it before the last promotion."""
    from abflow.errors import SettingsError
    from abflow.lifecycle import promotion
    from abflow.lifecycle.steps import utc_now
    from abflow.registry.ledger import Ledger
    from abflow.registry.mlflow_registry import MlflowRegistry

    settings = _settings()
    if not settings.mlflow_tracking_uri:
        raise SettingsError("nothing says where MLflow is; set MLFLOW_TRACKING_URI")
    registry, ledger = MlflowRegistry(settings.mlflow_tracking_uri), Ledger(settings.ledger_file)
    out.print(promotion.rollback(registry, ledger, model, alias=alias, reason=reason, now=utc_now()))


@app.command()
def calibrate(
    study: Annotated[list[str] | None, typer.Argument(help="Names of studies; default: all of them.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Print what there is, and run nothing.")] = False,
    share: Annotated[float, typer.Option(help="Of each study's runs; 0.1 is a tenth.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed counts the same.")] = 1,
    write: Annotated[Path | None, typer.Option(help="Write calibration.md and its pictures into this folder.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; the rates do not depend on it.")] = 1,
) -> None:
    """Prove the statistics: draw worlds whose truth is known, and count how often they are read wrong."""
    from abflow.calibration.catalog import studies_named
    from abflow.calibration.report import catalogue, results, table_of, write_report

    studies = studies_named(study or ())
    if listing:
        out.print(catalogue(studies), soft_wrap=False)
        return
    found = []
    for result in results(studies, share=share, seed=seed, jobs=jobs):
        found.append(result)
        out.print(f"{result.study.name}: {result.study.claim}", soft_wrap=False)
        out.print(table_of(result), soft_wrap=False)
        out.print()
    if write:
        out.print(f"report: {write_report(found, write, share=share, seed=seed)}")
    broken = [result.study.name for result in found if not result.holds]
    if broken:
        err.print(f"not what they should be: {', '.join(broken)}", style="red")
        raise typer.Exit(1)


@ledger_app.command("verify")
def verify() -> None:
    """Check the whole chain: any edit, removal or addition is found."""
    from abflow.registry.ledger import Ledger

    path = _settings().ledger_file
    entries = Ledger(path).entries()
    out.print(
        f"{path}: {len(entries)} entries, the chain is whole" + (f" up to {entries[-1].sha256}" if entries else "")
    )


@ledger_app.command("show")
def show() -> None:
    """Print every decision."""
    from abflow.registry.ledger import Ledger

    for entry in Ledger(_settings().ledger_file).entries():
        facts = ", ".join(f"{key}: {value}" for key, value in entry.facts.items() if value not in ("", None, [], {}))
        out.print(f"{entry.number} {entry.at} {entry.experiment} {entry.kind}. {facts}")


def _settings() -> Settings:
    return load_settings()


def _bench(experiment: str) -> Bench:
    from abflow.lifecycle.bench import open_bench

    return open_bench(experiment, _settings())
