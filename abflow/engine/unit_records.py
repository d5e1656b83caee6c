"""Units one by one, with what they did before and the rows of their quantiles: what experiments are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.population import Contamination
from abflow.analysis.unit_records import UnitRecords, Values
from abflow.engine.history import History, open_histories
from abflow.engine.measures import rows_of
from abflow.engine.measuring import Recorded, open_phase
from abflow.engine.observed import Observed
from abflow.engine.quantile_passes import Scope, open_readers
from abflow.engine.statements import filled, make, one
from abflow.logs.database import Database
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.unit_rows import unit_rows_of


def unit_records(
    spec: ExperimentSpec,
    recorded: Recorded,
    metrics: Sequence[str],
    *,
    at_most: int,
    resources: Resources = WHOLE_MACHINE,
) -> dict[str, UnitRecords]:
    """What every mature unit did in some metrics, in the order of the units' ids, all variants together.

    Units seen in two variants are treated as the plan says. A unit whose window of a metric is not over is not in it.

    Args:
        spec: The experiment.
        recorded: What is known of the phase; with the days before it, for what CUPED takes off.
        metrics: Which of the experiment's metrics.
        at_most: Units that are read; of more every second, third and so on by their ids.
        resources: What DuckDB may take.
    """
    with open_phase(spec, recorded, resources) as (db, observed):
        _choose(db, at_most, keep_crossed=spec.analysis.contamination == "keep_first")
        histories = {each.own.metric: each for each in _histories(db, spec, observed, recorded)}
        own = {each.metric: each for each in observed}
        found = {name: _numbers(db, own[name], histories.get(name)) for name in metrics if name in own}
        return found | _rows(db, spec, [name for name in metrics if name not in own], recorded)


def units_by_variant(
    spec: ExperimentSpec,
    recorded: Recorded,
    metric: str,
    contamination: Contamination,
    *,
    resources: Resources = WHOLE_MACHINE,
) -> dict[str, UnitRecords]:
    """What every mature unit did in a metric that is no quantile, by variant, in the order of the units' ids.

    With what they did before, where the plan has CUPED and the logs a history.

    Args:
        spec: The experiment.
        recorded: What is known of the phase; with the days before it, for what CUPED takes off.
        metric: Which of the experiment's metrics.
        contamination: What to do with units seen in two variants.
        resources: What DuckDB may take.
    """
    with open_phase(spec, recorded, resources) as (db, observed):
        own = next(each for each in observed if each.metric == metric)
        names = [own.x, *([own.y] if own.is_ratio else [])]
        found = _histories(db, spec, [own], recorded)
        listed, units = (found[0].numbers, "histories") if found else (names, "observed")
        query = filled("unit_values", numbers=", ".join(listed), units=units, mature=own.mature)
        columns = db.execute(query, {"keep_crossed": contamination == "keep_first"}).fetchnumpy()
    variants, values = np.asarray(columns["variant"]), [_numbers_of(columns[name]) for name in listed]
    records = {}
    for variant in spec.variants:
        did = [each[variants == variant] for each in values]
        before = _beside(did[len(names) :]) if found else None
        records[variant] = UnitRecords(numbers=_beside(did[: len(names)]), before=before)
    return records


def _choose(db: Database, at_most: int, *, keep_crossed: bool) -> None:
    """Make the table `chosen_units`: which units are read, and their numbers from 0."""
    make(db, "chosen_units", filled("chosen_units", step="1"), keep_crossed=keep_crossed)
    step = math.ceil(one(db, "select count(*) from chosen_units") / at_most)
    if step > 1:
        make(db, "chosen_units", filled("chosen_units", step=str(step)), keep_crossed=keep_crossed)


def _histories(
    db: Database, spec: ExperimentSpec, observed: Sequence[Observed], recorded: Recorded
) -> Sequence[History]:
    period, before, partitions = recorded.period, recorded.before, recorded.partitions
    return open_histories(db, spec, observed, period=period, before=before, partitions=partitions, aa=recorded.aa)


def _numbers(db: Database, own: Observed, history: History | None) -> UnitRecords:
    """A metric that is made of totals."""
    names = [own.x, *([own.y] if own.is_ratio else [])]
    mature, *did = _columns(db, [own.mature, *names], "observed")
    who = np.flatnonzero(mature)
    numbers = _beside(did)[who]
    if history is None:
        return UnitRecords(numbers=numbers, cap=own.cap, who=who)
    before = _beside(_columns(db, history.numbers[len(names) :], "histories"))[who]
    return UnitRecords(numbers=numbers, before=before, history_days=history.days, cap=own.cap, who=who)


def _columns(db: Database, names: Sequence[str], units: str) -> list[Values]:
    listed = ", ".join(f"cast(o.{name} as double) as {name}" for name in names)
    columns = db.execute(filled("chosen_numbers", numbers=listed, units=units)).fetchnumpy()
    return [_numbers_of(columns[name]) for name in names]


def _beside(columns: Sequence[Values]) -> Values:
    """Shape (units,), of several columns (units, columns)."""
    return columns[0] if len(columns) == 1 else np.column_stack(columns)


def _rows(db: Database, spec: ExperimentSpec, metrics: Sequence[str], recorded: Recorded) -> dict[str, UnitRecords]:
    """Quantiles, each with the rows of its units."""
    asked = {name: metric for name in metrics if isinstance(metric := spec.metrics[name], QuantileMetric)}
    if not asked:
        return {}
    scopes = open_readers(db, spec, list(asked.values()), recorded.partitions, end=recorded.end, aa=recorded.aa)
    found = {}
    for name, metric in asked.items():
        scope = scopes.index(Scope(rows_of(metric), metric.window_days))
        (mature,) = _columns(db, ["mature"], f"(select * from readers where scope = {scope})")
        rows = db.execute(filled("chosen_rows"), {"scope": scope}).fetchnumpy()
        number = np.cumsum(mature).astype(np.int64) - 1  # of each unit among the mature ones
        unit = number[_numbers_of(rows["unit"]).astype(np.int64)]
        who = np.flatnonzero(mature)
        found[name] = UnitRecords(rows=unit_rows_of(unit, _numbers_of(rows["amount"]), units=who.size), who=who)
    return found


def _numbers_of(column: NDArray[np.generic]) -> Values:
    return np.ma.getdata(column).astype(np.float64)
