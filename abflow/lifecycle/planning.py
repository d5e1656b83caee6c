"""What `abflow plan` does: size a test before it runs, from what is known so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from abflow.analysis.measurement import Assumed, Assumptions
from abflow.analysis.plan_table import PlanTable, plan_table
from abflow.analysis.played_decision import deciding, play_decision, played_in_words
from abflow.analysis.population import Population
from abflow.analysis.power_curves import power_curves
from abflow.analysis.sizing import Sizing, size_test
from abflow.analysis.unit_records import UnitRecords
from abflow.errors import EvidenceMissing, SpecError
from abflow.lifecycle.bench import Bench, reading
from abflow.settings import Settings
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import load_experiment
from abflow.spec.metrics import ProportionMetric, RatioMetric
from abflow.spec.support import not_yet
from abflow.stats.clustered_rows import linearised_sd

# Units of the A/A phase that are read at most: so many for each unit of a played experiment, or so many in all.
MOST_PER_UNIT, MOST_AT_LEAST = 10, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A test as it is planned, with what it takes."""

    spec: ExperimentSpec
    sizing: Sizing
    table: PlanTable


def plan_experiment(
    experiment: str,
    settings: Settings,
    *,
    baselines: Sequence[str] = (),
    units_per_day: float | None = None,
    correlation: float | None = None,
) -> Plan:
    """Size a test from its A/A phase, from its file, and from what is assumed.

    What is assumed goes before what was measured, and that before what the file declares.

    Args:
        experiment: Its name, or the path of its file; the file may ask for what this version cannot run yet.
        settings: Where things are.
        baselines: Assumed values as text, METRIC=VALUE or METRIC=VALUE,SD; of a ratio over rows also
            METRIC=VALUE,SD,ROWS,CORRELATION[,VARIATION], where SD is that of a row.
        units_per_day: Assumed new units of all arms.
        correlation: Assumed correlation of a unit's value with its history, for CUPED without an A/A phase.

    Raises:
        SpecError: The file, or an assumption, is not valid.
    """
    spec = _read(experiment, settings)
    if units_per_day is not None and not 0 < units_per_day < math.inf:
        raise SpecError(f"{units_per_day:g} units a day are impossible; give how many new units come")
    if correlation is not None and spec.analysis.cuped is None:
        raise SpecError(
            f"a correlation of {correlation:g} takes nothing off {spec.experiment}, which does not adjust for history; "
            "write analysis.cuped: {days: 14} into its file, or leave the correlation out"
        )
    assumed = Assumptions(
        baselines=dict(_baseline(spec, text) for text in baselines),
        units_per_day=units_per_day,
        correlation=correlation,
    )
    bench = Bench(spec, settings)
    calendar = bench.calendar
    sizing = size_test(spec, _aa_population(bench), calendar.aa, days=calendar.test.days, assumed=assumed)
    return Plan(spec=spec, sizing=sizing, table=plan_table(spec, sizing))


def play_through(plan: Plan, settings: Settings, *, runs: int, seed: int) -> Plan:
    """Play the decision of a plan through on the units of its A/A phase, and put the count beside the formulas.

    Args:
        plan: The plan.
        settings: Where things are.
        runs: Experiments to play; 1000 know a power to 3 points.
        seed: The same seed, the same count.

    Raises:
        SpecError: There is no A/A phase.
        EvidenceMissing: The days of the A/A phase are not all aggregated.
        NotEnoughData: There are no units to be drawn.
    """
    at_most = max(MOST_PER_UNIT * math.ceil(plan.sizing.expected), MOST_AT_LEAST)
    records = _aa_records(Bench(plan.spec, settings), at_most=at_most)
    played = play_decision(plan.spec, plan.sizing, records, runs=runs, seed=seed)
    told = played_in_words(plan.spec, played, formula=plan.table.power_with_expected)
    return replace(plan, table=replace(plan.table, played=played, sentences=(*plan.table.sentences, told)))


@reading
def _aa_records(bench: Bench, *, at_most: int) -> dict[str, UnitRecords]:
    """What every unit of the A/A phase did, all arms together, in each metric that decides."""
    from abflow.engine.unit_records import unit_records

    spec, period = bench.spec, bench.calendar.aa
    if period is None:
        raise SpecError(f"{spec.experiment} has no A/A phase, whose units a decision is played through with")
    recorded = bench.recorded(period, period.last, history=True)
    metrics = list(deciding(spec).metrics)
    return unit_records(spec, recorded, metrics, at_most=at_most, resources=bench.settings.resources)


def _read(experiment: str, settings: Settings) -> ExperimentSpec:
    path = Path(experiment)
    file = path if path.suffix in (".yaml", ".yml") else settings.experiment_file(experiment)
    try:
        return load_experiment(file)
    except SpecError:
        spec = _described(file)
        if spec is None or not not_yet(spec):
            raise
        return spec


def _described(file: Path) -> ExperimentSpec | None:
    """What a file describes that cannot be run yet; None when it describes nothing."""
    try:
        return ExperimentSpec.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError, ValidationError):
        return None


def _baseline(spec: ExperimentSpec, text: str) -> tuple[str, Assumed]:
    name, _, numbers = text.partition("=")
    metric = spec.metrics.get(name.strip())
    if metric is None:
        raise SpecError(f"baseline {text!r}: there is no metric {name.strip()!r}; there are {', '.join(spec.metrics)}")
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        values = []
    numbers_known = (1, 2, 4, 5) if isinstance(metric, RatioMetric) else (1, 2)
    if len(values) not in numbers_known or not all(map(math.isfinite, values)):
        by_rows = (
            "; of a ratio over rows also METRIC=VALUE,SD,ROWS,CORRELATION[,VARIATION]: SD of a row, rows of a unit, "
            "their intraclass correlation, coefficient of variation of the units' rows"
        )
        raise SpecError(
            f"baseline {text!r}: write METRIC=VALUE, or METRIC=VALUE,SD, such as revenue=20,50"
            f"{by_rows if isinstance(metric, RatioMetric) else ''}"
        )
    if isinstance(metric, ProportionMetric):
        if len(values) == 2 or not 0 <= values[0] <= 1:
            raise SpecError(f"baseline {text!r}: {name} is a proportion; give its rate alone, between 0 and 1")
    elif len(values) == 1 or values[1] <= 0:
        raise SpecError(
            f"baseline {text!r}: {name} is a {metric.kind}, so its standard deviation per unit is needed too: "
            f"{name}={numbers.split(',')[0]},SD"
        )
    if len(values) > 3:
        value, row_sd, rows, correlation, *variation = values
        try:
            sd = linearised_sd(row_sd, rows, correlation, variation=sum(variation))
        except SpecError as error:
            raise SpecError(f"baseline {text!r}: {error}") from error
        return name.strip(), Assumed(mean=value, sd=sd)
    return name.strip(), Assumed(mean=values[0], sd=values[1] if len(values) == 2 else None)


@reading
def _aa_population(bench: Bench) -> Population | None:
    """The A/A phase as its gate measured it, or as its days stand when all of them are aggregated."""
    kept = bench.store.find("aa/population", Population)
    period = bench.calendar.aa
    if kept is not None or period is None:
        return kept
    from abflow.engine.measuring import measure

    try:
        recorded = bench.recorded(period, period.last, history=True)
    except EvidenceMissing:
        return None
    return measure(bench.spec, recorded, resources=bench.settings.resources)


def write_curves(plan: Plan, file: Path) -> None:
    """Write the power curves of a plan as a picture, or as a page with the picture in it.

    Raises:
        SpecError: The file is neither .svg nor .html.
        NotEnoughData: The plan has no size yet.
    """
    from abflow.report.power_charts import power_page, power_plot

    curves = power_curves(plan.spec, plan.sizing)
    metric = plan.spec.metrics[curves.metric]
    match file.suffix:
        case ".svg":
            text = power_plot(metric, curves)
        case ".html":
            text = power_page(metric, curves, title=f"Power of {plan.spec.experiment}")
        case other:
            raise SpecError(
                f"{file}: power curves are written as .svg or .html, not as {other or 'a file without end'}"
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
