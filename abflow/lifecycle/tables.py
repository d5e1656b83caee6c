"""An experiment's tables, as `abflow sql` asks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abflow.analysis.population import Population
from abflow.analysis.readout import Readout
from abflow.engine.measures import Total, totals_of
from abflow.engine.tables import LookTables, open_tables, write_look
from abflow.engine.unit_state import UnitState
from abflow.errors import DataError, EvidenceMissing
from abflow.lifecycle.bench import Bench, reading
from abflow.spec.calendar import Phase

PLACE = "tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query found."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def keep_tables(bench: Bench, population: Population, readout: Readout, readout_sha256: str) -> None:
    """Keep the moments and the readout of the newest look as Parquet files."""

    def write(folder: Path) -> LookTables:
        return write_look(population, readout, folder, readout_sha256=readout_sha256)

    bench.store.commit(PLACE, write)


@reading
def ask(bench: Bench, query: str, *, limit: int | None = None) -> Answer:
    """Ask an experiment's tables in SQL; nothing in the store can be changed by it.

    Args:
        bench: The experiment.
        query: SQL in DuckDB's dialect.
        limit: The most rows to return; None for all.

    Raises:
        EvidenceMissing: The experiment has no table yet.
        DataError: The query cannot be answered.
    """
    import duckdb

    files = _files(bench)
    if not any(files.values()):
        raise EvidenceMissing(
            f"{bench.spec.experiment} has no tables yet; they are made from its first A/A or test day"
        )
    with open_tables(files, totals=_totals(bench), resources=bench.settings.resources) as db:
        try:
            found = db.execute(query)
            columns = tuple(str(column[0]) for column in found.description)
            return Answer(columns=columns, rows=found.fetchall() if limit is None else found.fetchmany(limit))
        except duckdb.Error as error:
            tables = ", ".join(row[0] for row in db.execute("show tables").fetchall())
            raise DataError(f"{str(error).splitlines()[0]}. The tables are {tables}") from error


def _totals(bench: Bench) -> dict[str, tuple[Total, ...]]:
    """What the files of units hold, as their manifests tell; one that does not is older than exploratory metrics."""
    found = {}
    for phase in (Phase.AA, Phase.TEST):
        made = bench.store.find(f"unit_state/{phase}/manifest", UnitState)
        found[str(phase)] = made.totals if made and made.totals is not None else totals_of(bench.spec.plan)
    return found


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What every manifest tells: its files."""

    files: tuple[str, ...]


def _files(bench: Bench) -> dict[str, list[Path]]:
    """The files of every table, as their manifests name them."""
    store = bench.store.folder

    def named(pattern: str, starts: str) -> list[Path]:
        found = []
        for folder in sorted(store.glob(pattern)):
            manifest = bench.store.find(f"{folder.relative_to(store)}/manifest", _Manifest)
            found += [folder / file for file in (manifest.files if manifest else ()) if file.startswith(starts)]
        return found

    return {
        "unit_days": named("unit_day/log=exposures/date=*", "units"),
        "events": named("unit_day/log=outcomes/date=*", "events"),
        "moments": named(PLACE, "moments"),
        "readout": named(PLACE, "readout"),
        **{f"units {phase}": named(f"unit_state/{phase}", "units") for phase in (Phase.AA, Phase.TEST)},
    }
