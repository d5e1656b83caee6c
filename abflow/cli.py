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
def run(experiment: Experiment, through: Day = None) -> None:
    """Run the lifecycle up to a day, as Airflow would."""
    from abflow.lifecycle.page import SCORECARD, summary
    from abflow.lifecycle.steps import run_through

    bench = _bench(experiment)
    for outcome in run_through(bench, through.date() if through else None):
        out.print(f"{outcome.day} {outcome.step}: {outcome.sentence}")
    if through is None or through.date() >= bench.calendar.last:
        out.print()
        for line in summary(bench):
            out.print(line)
        out.print(f"scorecard: {bench.store.folder / SCORECARD}")


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
    spec = open_bench(experiment, settings).spec
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
