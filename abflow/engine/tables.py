"""An experiment's own tables, for whoever wants to ask them in SQL: units, events, moments and the readout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abflow.analysis.population import Measured, Population, Slice
from abflow.analysis.readout import ArmSummary, Comparison, Readout
from abflow.engine.measures import Total
from abflow.engine.statements import read, show
from abflow.engine.unit_state import column
from abflow.logs.reading import connection, identifier, literal
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.row_filter import Value
from abflow.stats.moments import JointMoments, Moments
from abflow.stats.result import Estimate, Unavailable

if TYPE_CHECKING:
    import duckdb

_Row = dict[str, Any]

MOMENTS = {
    "metric": "varchar",
    "variant": "varchar",
    "contamination": "varchar",
    "split_by": "varchar",
    "level": "varchar",
    "n": "bigint",
    "mean": "double",
    "m2": "double",
    "mean_numerator": "double",
    "mean_denominator": "double",
    "m2_numerator": "double",
    "m2_denominator": "double",
    "cross_product": "double",
    "non_zero": "bigint",
    "immature": "bigint",
    "cap": "double",
}
READOUT = {
    "metric": "varchar",
    "role": "varchar",
    "arm": "varchar",
    "contamination": "varchar",
    "word": "varchar",
    "control_units": "bigint",
    "control_mean": "double",
    "treatment_units": "bigint",
    "treatment_mean": "double",
    "effect": "double",
    "effect_se": "double",
    "effect_lower": "double",
    "effect_upper": "double",
    "relative": "double",
    "relative_lower": "double",
    "relative_upper": "double",
    "p_value": "double",
    "adjusted_p": "double",
    "confidence": "double",
    "method": "varchar",
    "unavailable": "varchar",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookTables:
    """The manifest of what a look leaves for SQL.

    Attributes:
        readout: Hash of the readout that the tables show.
    """

    readout: str
    files: tuple[str, ...]


def write_look(population: Population, readout: Readout, folder: Path, *, readout_sha256: str) -> LookTables:
    """Write the moments and the readout of a look as Parquet files."""
    files = (f"moments-{readout_sha256[:16]}.parquet", f"readout-{readout_sha256[:16]}.parquet")
    with connection(WHOLE_MACHINE) as db:
        _write(db, MOMENTS, _moments(population), folder / files[0])
        _write(db, READOUT, map(_compared, (*readout.comparisons, *readout.beside)), folder / files[1])
    return LookTables(readout=readout_sha256, files=files)


@contextmanager
def open_tables(
    files: Mapping[str, Sequence[Path]],
    *,
    totals: Mapping[str, Sequence[Total]],
    resources: Resources = WHOLE_MACHINE,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that shows an experiment's tables by their names.

    Args:
        files: Of `unit_days`, `events`, `moments` and `readout`, and of `units aa` and `units test`; tables without
            files are not there.
        totals: What the files of units hold, by phase; not all of them were made of the experiment as it is now.
        resources: What DuckDB may take.
    """
    with connection(resources) as db:
        for name in ("unit_days", "events", "moments", "readout"):
            if files.get(name):
                read(db, name, list(files[name]))
        states = {phase: list(files[f"units {phase}"]) for phase in ("aa", "test") if files.get(f"units {phase}")}
        if states:
            queries = (_units(phase, paths, totals[phase]) for phase, paths in states.items())
            show(db, "units", " union all by name ".join(queries))
        yield db


def _units(phase: str, paths: Sequence[Path], held: Sequence[Total]) -> str:
    """One row per unit of a phase, its totals under names that people can read."""
    listed = ", ".join(literal(str(path)) for path in paths)
    totals = []
    for number, total in enumerate(held):
        totals.append(f", {column(number)} as {identifier(name_of(total))}")
    return (
        f"select {literal(phase)} as phase, unit_id, entered, variant, lowest_variant <> highest_variant as crossed, "
        f"propensity, context{''.join(totals)} from read_parquet([{listed}], hive_partitioning = false)"
    )


def name_of(total: Total) -> str:
    """What people call a total, such as `count of click where surface = 'search' in 7 days`; no two are alike."""
    every = replace(total.measure, rows="")
    filtered = " and ".join(_is_one_of(name, values) for name, values in total.measure.where.items())
    window = f" in {total.window_days} days" if total.window_days else ""
    return f"{total.use} of {every.label}{' where ' + filtered if filtered else ''}{window}"


def _is_one_of(name: str, values: Sequence[Value]) -> str:
    listed = [literal(value) if isinstance(value, str) else json.dumps(value) for value in values]
    return f"{name} = {listed[0]}" if len(listed) == 1 else f"{name} in ({', '.join(listed)})"


def _moments(population: Population) -> Iterator[_Row]:
    for whole in population.measured:
        yield _moments_row(whole, by="all", level="") | {"immature": whole.immature, "cap": whole.cap}
    for part in population.slices:
        yield _moments_row(part, by=part.by, level=part.level)


def _moments_row(of: Measured | Slice, *, by: str, level: str) -> _Row:
    moments: Moments = of.moments
    pair: JointMoments | None = of.pair
    found = {
        "metric": of.metric,
        "variant": of.variant,
        "contamination": of.contamination,
        "split_by": by,
        "level": level,
        "n": moments.n,
        "mean": moments.mean,
        "m2": moments.m2,
        "non_zero": of.non_zero,
    }
    if pair is None:
        return found
    return found | {
        "mean_numerator": pair.mean_x,
        "mean_denominator": pair.mean_y,
        "m2_numerator": pair.m2_x,
        "m2_denominator": pair.m2_y,
        "cross_product": pair.cross,
    }


def _compared(comparison: Comparison) -> _Row:
    effect, relative = comparison.effect, comparison.relative
    found: _Row = {
        "metric": comparison.metric,
        "role": comparison.role.value,
        "arm": comparison.arm,
        "contamination": comparison.contamination,
        "word": comparison.word and comparison.word.value,
        **_arm("control", comparison.control),
        **_arm("treatment", comparison.treatment),
        "adjusted_p": comparison.adjusted_p,
    }
    if isinstance(effect, Unavailable):
        return found | {"unavailable": effect.reason.value}
    found |= {
        "effect": effect.value,
        "effect_se": effect.se,
        "effect_lower": effect.lower,
        "effect_upper": effect.upper,
        "p_value": effect.p_value,
        "confidence": effect.confidence,
        "method": effect.method,
    }
    if isinstance(relative, Estimate):
        ends = {"relative_lower": relative.lower, "relative_upper": relative.upper}
        found |= {"relative": relative.value, **ends}
    return found


def _arm(name: str, arm: ArmSummary) -> _Row:
    return {f"{name}_units": arm.units, f"{name}_mean": arm.mean}


def _write(db: duckdb.DuckDBPyConnection, columns: Mapping[str, str], rows: Iterable[_Row], file: Path) -> None:
    """Write rows in a fixed order of columns; what a row does not have is null."""
    listed = list(rows)
    given = {name: [row.get(name) for row in listed] for name in columns}
    selected = ", ".join(f"unnest(cast(${name} as {kind}[])) as {name}" for name, kind in columns.items())
    db.execute(f"create or replace temp table look as select {selected}", given)
    db.execute(f"copy look to {literal(str(file))} (format parquet, compression zstd)")
