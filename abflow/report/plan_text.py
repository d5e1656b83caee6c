"""The planning table for a terminal: readable at 100 columns, and without colour."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from abflow.analysis import wording
from abflow.analysis.plan_table import PlanRow, PlanTable
from abflow.report.notation import printable
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import ProportionMetric, filter_of

LEGEND = (
    "n alone: units in all arms if this metric were the only one; power: at the size of the decision; "
    "shows: the smallest effect or margin that the expected units can show."
)


def heading(spec: ExperimentSpec, plan: PlanTable) -> str:
    """What is planned, in a line."""
    arms = f"{len(spec.treatments)} treatments" if len(spec.treatments) > 1 else "1 treatment"
    level = f"{100 * plan.alpha:g} %"
    if plan.arm_alpha < plan.alpha:
        level += f" ({100 * plan.arm_alpha:.3g} % for each arm)"
    return printable(
        f"{plan.experiment}: {plan.method}, {plan.preset}, {arms} against "
        f"{spec.control_name}, alpha {level}, power {100 * plan.power:g} %"
    )


def planning_table(spec: ExperimentSpec, plan: PlanTable) -> Table:
    """One row per metric: what it starts from, what is asked of it, and what that takes."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("metric", min_width=12)
    table.add_column("baseline")
    table.add_column("asked", no_wrap=True)
    for numbers in ("n alone", "power", "shows"):
        table.add_column(numbers, justify="right", no_wrap=True)
    for row in plan.rows:
        table.add_row(*(Text("\n".join(map(printable, lines))) for lines in _cells(spec, row)))
    return table


def _cells(spec: ExperimentSpec, row: PlanRow) -> Iterator[list[str]]:
    metric = spec.metrics[row.metric]
    spread = "" if row.sd is None else f" (sd {wording.number(row.sd)})"
    yield [row.metric, f"{wording.role(metric)}, {row.kind}", *([filter_of(metric)] if filter_of(metric) else [])]
    yield [f"{wording.level(metric, row.baseline)}{spread}", row.source]
    yield [f"{row.asks} {_asked(spec, row)}", *_in_the_metrics_unit(spec, row)]
    yield ["-" if row.alone is None else wording.count(row.alone), *([f"x {row.factor:.3g}"] if row.pays_for else [])]
    yield ["-" if row.power is None else wording.percent(row.power, 0)]
    yield ["-" if row.detectable is None else wording.size(metric, row.detectable)]


def _asked(spec: ExperimentSpec, row: PlanRow) -> str:
    if row.relative:
        return f"{100 * row.size:+g} %"
    if isinstance(spec.metrics[row.metric], ProportionMetric):
        return f"{100 * row.size:+g} pp"
    return f"{row.size:+g}"


def _in_the_metrics_unit(spec: ExperimentSpec, row: PlanRow) -> list[str]:
    return [wording.size(spec.metrics[row.metric], abs(row.size * row.baseline))] if row.relative else []


def planning_lines(plan: PlanTable) -> Iterator[str]:
    """What stands below the table: factors, and the answer in words."""
    for row in plan.rows:
        if row.pays_for:
            yield printable(f"{row.metric}: {row.pays_for}.")
    yield from map(printable, plan.sentences)
    if plan.missing or plan.expected is None:
        yield "To plan with what you assume: --baseline METRIC=VALUE[,SD] and --units-per-day N."
