"""The same rows, laid out and named in other ways, make the same partitions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.errors import ContractBroken
from abflow.lifecycle.shadow import validate_shadow_log
from tests.lifecycle.world import EQUAL, World, world_at

LOGS = ("shadow", "exposures", "outcomes")
NAMES = {"timestamp": "ts", "user_id": "customer"}
Layout = Callable[[Path, str, str], None]


@pytest.fixture
def world(tmp_path: Path, registry_template: Path) -> World:
    # No row comes in the file of a later day: then its day is another one where timestamps tell.
    return world_at(tmp_path, registry_template, EQUAL.model_copy(update={"units_per_day": 200.0, "late_rate": 0.0}))


def made(world: World) -> dict[str, Any]:
    """What the first A/A day's partitions hold, without what they were made from."""
    bench = world.bench()
    assert bench.calendar.aa is not None
    day = bench.unit_day(bench.calendar.aa.start)
    rows = [
        sorted(
            duckdb.execute(f"from '{bench.store.folder}/unit_day/log={log}/date={day.day}/{file}'").fetchall(), key=str
        )
        for log, part in (("exposures", day.exposure_log), ("outcomes", day.outcome_log))
        for file in part.files
    ]
    return {
        "exposures": replace(day.exposure_log, inputs="", files=()),
        "outcomes": replace(day.outcome_log, inputs="", files=()),
        "rows": rows,
    }


def rewrite(
    world: World, target: str, *, options: str = "format csv", columns: str = "*", together: bool = False
) -> None:
    """Write every log anew: one file a day, or one for all."""
    for log in LOGS:
        folder = world.root / "logs" / log
        days = [Path("*")] if together else [Path(path.name) for path in sorted(folder.iterdir())]
        for day in days:
            file = world.root / target.format(log=log, day=day.name.removeprefix("date="))
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = f"select {columns} from read_parquet('{folder}/{day}/*.parquet', hive_partitioning = false)"
            duckdb.execute(f"copy ({rows}) to '{file}' ({options})")
    shutil.rmtree(world.root / "logs")


@pytest.mark.parametrize(
    ("target", "options", "path", "named"),
    [
        ("flat/{log}-{day}.csv.gz", "format csv, compression gzip", "flat/{log}-{{date}}.csv.gz", False),
        ("{log}/{day}/a.jsonl", "format json", "{log}", False),
        ("{log}/x{day}.parquet", "format parquet", "{log}/*.parquet", False),
        ("{log}/{day}/05/a.csv", "format csv, delimiter ';'", "{log}/{{date:%Y-%m-%d}}/**", True),
        ("{log}/dt={day}/a.parquet", "format parquet", "{log}/", True),
    ],
)
def test_days_in_other_places_under_other_names(
    target: str, options: str, path: str, named: bool, world: World
) -> None:
    expected = made(world)
    renamed = ", ".join(f"{ours} as {theirs}" for ours, theirs in NAMES.items())
    columns = f"* exclude ({', '.join(NAMES)}), {renamed}" if named else "*"
    rewrite(world, target, options=options, columns=columns)
    places: dict[str, Any] = {log: path.format(log=log) for log in LOGS}
    if named:
        places = {log: {"path": place, "columns": NAMES} for log, place in places.items()}
    world.write(logs=places)
    assert made(world) == expected
    bench = world.bench()
    assert bench.calendar.shadow is not None
    assert "keeps its contract" in validate_shadow_log(bench, bench.calendar.shadow.start)


def test_all_days_in_one_file(world: World) -> None:
    expected = made(world)
    rewrite(world, "{log}.parquet", options="format parquet", together=True)
    world.write(logs={log: f"{log}.parquet" for log in LOGS})
    assert made(world) == expected


def test_a_name_that_the_log_does_not_have_stops_the_day(world: World) -> None:
    names = {"user_id": "custmer"}
    world.write(logs={log: {"path": f"logs/{log}", "columns": names} for log in LOGS})
    with pytest.raises(ContractBroken, match=r"logs\.exposures\.columns says that user_id is called 'custmer'"):
        made(world)
    assert not (world.bench().store.folder / "unit_day").exists()
