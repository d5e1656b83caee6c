"""What the enrolled units did: moments of every metric, and the units themselves where a test needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import reduce
from itertools import chain
from operator import add

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.population import ENTRY_DAY, POLICIES, Contamination, Measured, Population, Slice
from abflow.engine.attribution import attribution
from abflow.engine.calendar_days import calendar_days
from abflow.engine.database import database
from abflow.engine.exposures_counted import exposure_rows
from abflow.engine.grouped_moments import Group, grouped_moments
from abflow.engine.history import PastDay
from abflow.engine.history_moments import with_history
from abflow.engine.measures import measures_of
from abflow.engine.observed import Observed, observe, open_units
from abflow.engine.overlap import overlaps
from abflow.engine.population import cohorts_of, misassigned
from abflow.engine.propensities import reads_propensities
from abflow.engine.quantile_passes import pass_over_rows
from abflow.engine.quantiles import measured_quantiles
from abflow.engine.rows_once import show_rows_once
from abflow.engine.segments import segment_units, segments_of
from abflow.engine.since_exposure import daily_effects
from abflow.engine.statements import filled, make
from abflow.engine.unit_day import Partition
from abflow.engine.unit_state import KnownState
from abflow.logs.database import Database
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.moments import EMPTY, NO_PAIRS, JointMoments, Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is known of a phase at the end of a day.

    Attributes:
        state: Everything known of every unit.
        partitions: The days of the phase so far.
        before: Days before the phase, as far as the logs have them, for what units did before they were exposed; empty
            where nobody asks for that.
        aa: Days of the A/A phase before a test; empty where no event of the test has an id that one of theirs may have.
    """

    period: Period
    state: KnownState
    partitions: tuple[Partition, ...]
    before: tuple[PastDay, ...] = ()
    aa: tuple[Partition, ...] = ()

    @property
    def inputs(self) -> str:
        """Hash of what everything was made from."""
        made_from = [partition.made.inputs for partition in self.partitions] + [day.inputs for day in self.before]
        made_from += [day.made.outcome_log.inputs for day in self.aa]
        return hashlib.sha256("".join(made_from).encode()).hexdigest()

    @property
    def end(self) -> date:
        """The first day that does not count any more."""
        return min(self.state.made.day + timedelta(days=1), self.period.end)


def measure(
    spec: ExperimentSpec, recorded: Recorded, *, segments: bool = False, resources: Resources = WHOLE_MACHINE
) -> Population:
    """Who entered the phase, and the moments of every metric over units that are mature by then.

    Args:
        spec: The experiment.
        recorded: What is known of the phase.
        segments: Whether to count the units of every segment's levels as well.
        resources: What DuckDB may take.
    """
    with open_phase(spec, recorded, resources) as (db, metrics):
        population = _population(db, spec, recorded, metrics)
        if not segments:
            return population
        state = recorded.state.made
        found = segments_of(db, spec, state.context)
        return replace(population, segments=segment_units(db, found, weighed=reads_propensities(spec, state)))


def measure_in_depth(spec: ExperimentSpec, recorded: Recorded, *, resources: Resources = WHOLE_MACHINE) -> Population:
    """The same, with what only a look shows: by segment, by day, other experiments, and every row."""
    state, days, end = recorded.state.made, recorded.partitions, recorded.end
    with open_phase(spec, recorded, resources) as (db, metrics):
        population = _population(db, spec, recorded, metrics)
        segments = segments_of(db, spec, state.context)
        by_segment = (slices_of(grouped_moments(db, metrics, level=each.level), each.name) for each in segments)
        outcomes = [measure for measure in measures_of(spec) if not measure.of_exposures]
        if outcomes:
            show_rows_once(db, days, outcomes, every=measures_of(spec), aa=recorded.aa)
        slices = (*population.slices, *chain.from_iterable(by_segment))
        return replace(
            population,
            slices=(*slices, *(calendar_days(db, spec, recorded.period, days, end=end) if outcomes else ())),
            segments=segment_units(db, segments, weighed=reads_propensities(spec, state)),
            overlaps=overlaps(db, days, end=end),
            daily=daily_effects(db, spec, recorded.period, days, end=end) if outcomes else (),
            attribution=attribution(db, spec, days, end=end) if outcomes else (),
            exposures=exposure_rows(db, recorded.period, days, end=end),
        )


def _population(db: Database, spec: ExperimentSpec, recorded: Recorded, metrics: Sequence[Observed]) -> Population:
    days = grouped_moments(db, metrics, level="cast(entry_day as varchar)")
    measured = [m for each in metrics for policy in POLICIES for m in _measured(db, each, days, policy)]
    if recorded.before:
        past, phase = recorded.before, recorded.partitions
        measured = with_history(
            db, spec, metrics, measured, period=recorded.period, before=past, partitions=phase, aa=recorded.aa
        )
    return Population(
        cohorts=cohorts_of(db, spec, recorded.state.made),
        measured=(*measured, *measured_quantiles(db, spec, recorded.partitions, end=recorded.end, aa=recorded.aa)),
        events_seen=recorded.state.made.events_seen,
        misassigned=misassigned(db, spec),
        slices=slices_of(days, ENTRY_DAY),
    )


def unit_values(
    spec: ExperimentSpec,
    recorded: Recorded,
    metric: str,
    contamination: Contamination,
    *,
    resources: Resources = WHOLE_MACHINE,
) -> dict[str, NDArray[np.float64]]:
    """What every mature unit did, by variant, in the order of the units' ids.

    Returns:
        Shape (units,); of a ratio (units, 2), numerator and denominator; of a quantile the same, rows at or below the
        quantile of all arms together, and rows, of units that have any.
    """
    asked = spec.metrics[metric]
    with open_phase(spec, recorded, resources) as (db, metrics):
        if isinstance(asked, QuantileMetric):
            days, end = recorded.partitions, recorded.end
            passes = pass_over_rows(db, spec, {metric: asked}, days, end=end, aa=recorded.aa)
            names = [passes.cuts[metric, contamination].pooled, "y"]
            query = filled("quantile_values", numbers=", ".join(names))
        else:
            own = next(each for each in metrics if each.metric == metric)
            names = [own.x, *([own.y] if own.is_ratio else [])]
            query = filled("unit_values", numbers=", ".join(names), units="observed", mature=own.mature)
        columns = db.execute(query, {"keep_crossed": contamination == "keep_first"}).fetchnumpy()
    values = np.column_stack([np.ma.getdata(columns[name]).astype(np.float64) for name in names])
    values = values if len(names) > 1 else values[:, 0]
    variants = np.asarray(columns["variant"])
    return {variant: values[variants == variant] for variant in spec.variants}


@contextmanager
def open_phase(
    spec: ExperimentSpec, recorded: Recorded, resources: Resources
) -> Iterator[tuple[Database, tuple[Observed, ...]]]:
    """A connection with the units of a phase and what they did."""
    with database(spec, resources) as db:
        open_units(db, spec, recorded.period, recorded.state)
        yield db, observe(db, spec, recorded.end)


def slices_of(groups: Sequence[Group], by: str) -> tuple[Slice, ...]:
    """Every metric in the parts of the population, under both ways of treating units seen in two variants."""
    found = []
    for policy in POLICIES:
        parts: dict[tuple[str, str, str], list[Group]] = {}
        for group in _kept(groups, policy):
            parts.setdefault((group.metric, group.variant, group.level), []).append(group)
        for (metric, variant, level), same in parts.items():
            pair = _pair(same)
            seen = [] if pair else [group for group in same if group.moments.n]
            found.append(
                Slice(
                    metric=metric,
                    variant=variant,
                    contamination=policy,
                    by=by,
                    level=level,
                    moments=pair.x if pair else _moments(same),
                    non_zero=sum(group.non_zero for group in same),
                    pair=pair,
                    lowest=min((group.lowest for group in seen), default=None),
                    highest=max((group.highest for group in seen), default=None),
                )
            )
    return tuple(slice_ for slice_ in found if slice_.moments.n)


def _kept(groups: Sequence[Group], policy: Contamination) -> list[Group]:
    return [group for group in groups if policy == "keep_first" or not group.crossed]


def _moments(groups: Sequence[Group]) -> Moments:
    return reduce(add, (group.moments for group in groups), EMPTY)


def _pair(groups: Sequence[Group]) -> JointMoments | None:
    pairs = [group.pair for group in groups if group.pair is not None]
    return reduce(add, pairs, NO_PAIRS) if pairs else None


def _measured(db: Database, own: Observed, days: Sequence[Group], policy: Contamination) -> list[Measured]:
    """One metric in every variant."""
    by_variant: dict[str, list[Group]] = {}
    for group in _kept(days, policy):
        if group.metric == own.metric:
            by_variant.setdefault(group.variant, []).append(group)
    pairs = {variant: pair for variant, same in by_variant.items() if (pair := _pair(same))}
    extremes = _extremes(db, own, pairs, policy) if own.is_ratio else {}
    found = []
    for variant, same in sorted(by_variant.items()):
        pair = pairs.get(variant)
        seen = [group for group in same if group.moments.n]
        moments = _moments(same)
        lowest = min((group.lowest for group in seen), default=0.0)
        highest = max((group.highest for group in seen), default=0.0)
        if pair is not None:
            moments = pair.linearised() if pair.mean_y else Moments(n=pair.n, mean=0.0, m2=0.0)
            lowest, highest = extremes.get(variant, (0.0, 0.0))
        found.append(
            Measured(
                metric=own.metric,
                variant=variant,
                contamination=policy,
                moments=moments,
                lowest=lowest,
                highest=highest,
                non_zero=sum(group.non_zero for group in same),
                immature=sum(group.immature for group in same),
                without_denominator=sum(group.bare for group in same),
                cap=own.cap,
                cap_removes_all=own.cap is not None and own.cap <= 0,
                pair=pair if pair is not None and pair.n else None,
            )
        )
    return found


def _extremes(
    db: Database, own: Observed, pairs: dict[str, JointMoments], policy: Contamination
) -> dict[str, tuple[float, float]]:
    """The smallest and largest unit of a ratio, linearised around the ratio of its variant."""
    known = [[variant, p.mean_x / p.mean_y, p.mean_y] for variant, p in pairs.items() if p.mean_y]
    if not known:
        return {}
    make(db, "ratios", "select '' as variant, cast(0 as double) as ratio, cast(0 as double) as mean_y limit 0")
    db.executemany("insert into ratios values (?, ?, ?)", known)
    query = filled("linearised_extremes", x=own.x, y=own.y, mature=own.mature)
    found = db.execute(query, {"keep_crossed": policy == "keep_first"}).fetchall()
    return {variant: (lowest, highest) for variant, lowest, highest in found}
