"""Two passes over the rows that quantiles are read from: where to cut, then what each unit has at or below the cuts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from abflow.analysis.population import POLICIES, Contamination
from abflow.engine.instants import midnight
from abflow.engine.measures import Measure, measures_of, rows_of
from abflow.engine.rows_once import show_rows_once
from abflow.engine.statements import filled, make, statement
from abflow.engine.unit_day import Partition
from abflow.logs.database import Database
from abflow.logs.reading import literal
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.log_histogram import LogHistogram


@dataclass(frozen=True, slots=True)
class Scope:
    """Rows that several quantiles may share: those of a measure, within a window."""

    measure: Measure
    window_days: int | None

    @property
    def ends(self) -> str:
        """SQL text: when the rows of a unit cease to count."""
        return "$cut_off" if self.window_days is None else f"entered + interval {self.window_days} day"


@dataclass(frozen=True, slots=True)
class Histograms:
    """The first pass: all rows by the logarithm of their value.

    Attributes:
        parts: By scope, variant, and whether the units were seen in another variant as well.
    """

    parts: Mapping[tuple[int, str, bool], LogHistogram]

    def of(self, scope: int, variants: Iterable[str], policy: Contamination) -> LogHistogram:
        """Those of some variants together, under one way of treating units seen in two."""
        kinds = (False,) if policy == "exclude" else (False, True)
        keys = ((scope, variant, crossed) for variant in variants for crossed in kinds)
        return sum((self.parts[key] for key in keys if key in self.parts), LogHistogram())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where the second pass cuts the rows of one metric, under one way of treating units seen in two variants.

    Attributes:
        scope: The number of the metric's scope.
        own: Column of `unit_rows`: rows at or below the quantile of the unit's own arm. Several controls are one arm.
        pooled: Column of `unit_rows`: rows at or below the quantile of all arms together.
        at: Both quantiles, by variant; None where there are no rows.
    """

    scope: int
    own: str
    pooled: str
    at: Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """What both passes found, beside the table `unit_rows`.

    Attributes:
        cuts: By metric and way of treating units seen in two variants.
    """

    scopes: tuple[Scope, ...]
    histograms: Histograms
    cuts: Mapping[tuple[str, Contamination], Cut]


def pass_over_rows(
    db: Database,
    spec: ExperimentSpec,
    metrics: Mapping[str, QuantileMetric],
    partitions: Sequence[Partition],
    *,
    end: date,
    aa: Sequence[Partition] = (),
) -> Passes:
    """Make the table `unit_rows`: rows of every mature unit that has any, and how many are at or below each cut.

    Each pass reads the rows of all metrics together.

    Args:
        db: A connection with the units of a phase.
        spec: The experiment.
        metrics: What is read; at least one.
        partitions: The days of the phase.
        end: The cut-off, a day that does not count any more.
        aa: The days of the A/A phase, whose events count no second time.
    """
    scopes = open_readers(db, spec, metrics.values(), partitions, end=end, aa=aa)
    histograms = _histograms(db)
    cuts: dict[tuple[str, Contamination], Cut] = {}
    for name, metric in metrics.items():
        scope = scopes.index(Scope(rows_of(metric), metric.window_days))
        for policy in POLICIES:
            number = len(cuts)
            at = _quantiles(spec, histograms, scope, metric.q, policy)
            cuts[name, policy] = Cut(scope=scope, own=f"own{number}", pooled=f"pooled{number}", at=at)
    _keep(db, spec, list(cuts.values()), scopes=len(scopes))
    columns = [column for cut in cuts.values() for column in (cut.own, cut.pooled)]
    below = "".join(f", count(*) filter (where r.amount <= c.{column}) as {column}" for column in columns)
    make(db, "unit_rows", filled("quantile_unit_rows", below=below))
    return Passes(scopes=scopes, histograms=histograms, cuts=cuts)


def open_readers(
    db: Database,
    spec: ExperimentSpec,
    metrics: Iterable[QuantileMetric],
    partitions: Sequence[Partition],
    *,
    end: date,
    aa: Sequence[Partition] = (),
) -> tuple[Scope, ...]:
    """Make the view `rows_once`, and the table `readers`: from when to when each unit's rows count in every scope."""
    scopes = tuple(dict.fromkeys(Scope(rows_of(metric), metric.window_days) for metric in metrics))
    show_rows_once(db, partitions, {scope.measure for scope in scopes}, every=measures_of(spec), aa=aa)
    readers = [
        filled("quantile_readers", scope=str(number), measure=literal(scope.measure.label), ends=scope.ends)
        for number, scope in enumerate(scopes)
    ]
    make(db, "readers", " union all ".join(readers), cut_off=midnight(end))
    return scopes


def _histograms(db: Database) -> Histograms:
    found: dict[tuple[int, str, bool], list[tuple[int, int, float, float]]] = {}
    for scope, variant, crossed, number, rows, low, high in db.execute(statement("quantile_bins")).fetchall():
        found.setdefault((scope, variant, crossed), []).append((number, rows, low, high))
    parts = {}
    for key, bins in found.items():
        numbers, rows, lows, highs = zip(*bins, strict=True)
        parts[key] = LogHistogram(bins=numbers, rows=rows, lows=lows, highs=highs)
    return Histograms(parts)


def _quantiles(
    spec: ExperimentSpec, histograms: Histograms, scope: int, q: float, policy: Contamination
) -> dict[str, tuple[float | None, float | None]]:
    """The quantile of each variant's own arm, and that of all arms together."""

    def quantile(variants: Iterable[str]) -> float | None:
        value = histograms.of(scope, variants, policy).quantile(q)
        return value if isinstance(value, float) else None

    pooled = quantile(spec.variants)
    arms = [spec.controls, *((treatment,) for treatment in spec.treatments)]
    return {variant: (own, pooled) for arm in arms for own in [quantile(arm)] for variant in arm}


def _keep(db: Database, spec: ExperimentSpec, cuts: Sequence[Cut], *, scopes: int) -> None:
    """Make the table `cuts`: one row per scope and variant, one column per cut; those of other scopes are null."""
    columns = [column for cut in cuts for column in (cut.own, cut.pooled)]
    listed = "".join(f", cast(null as double) as {column}" for column in columns)
    make(db, "cuts", f"select 0 as scope, '' as variant{listed} limit 0")
    nowhere = (None, None)
    table = [
        [scope, variant, *(value for cut in cuts for value in (cut.at[variant] if cut.scope == scope else nowhere))]
        for scope in range(scopes)
        for variant in spec.variants
    ]
    db.executemany(f"insert into cuts values (?, ?{', ?' * len(columns)})", table)
