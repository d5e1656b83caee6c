"""The A/A gate makes every validity check that the end of the test makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.analysis.gates import Gate, GateStatus
from abflow.errors import GateStopped
from abflow.lifecycle.steps import run_through
from tests.lifecycle.restating import EVEN, day, log_file, project
from tests.lifecycle.world import NOON, World

PHASES: dict[str, Any] = {
    "shadow": {"skip": "nothing is mirrored"},
    "aa": {"start": "2026-10-01", "enroll_days": 5, "days": 6},
    "test": {"enroll_days": 3, "days": 4, "why": "a short experiment for the tests"},
}
BY_ARM = "case when variant = 'control' or hash(user_id) % 8 = 0 then 'north' else 'south' end"


def world_of(root: Path, *, country: str) -> World:
    """A world that has not begun, whose exposures name a country."""
    world = project(root, EVEN, phases=PHASES, segments=["country"])
    for number in range(1, 7):
        rewrite(log_file(world, "exposures", day(number)), f"select * replace ({country} as country) from '{{file}}'")
    return world


def rewrite(file: Path, query: str) -> None:
    aside = file.with_suffix(".new")
    duckdb.connect().execute(f"copy ({query.format(file=file)}) to '{aside}' (format parquet)")
    aside.replace(file)


def aa_gate(world: World) -> Gate:
    bench = world.bench()
    assert bench.calendar.aa is not None
    list(run_through(bench, bench.calendar.aa.last, clock=lambda: NOON))
    return bench.store.get("gates/aa", Gate, step="aa_check")


def test_a_sound_aa_phase_passes(tmp_path: Path) -> None:
    gate = aa_gate(world_of(tmp_path, country="'everywhere'"))
    assert gate.status is GateStatus.PASS
    assert "outcome log" in [check.name for check in gate.checks]


@pytest.mark.parametrize("log", ["exposures", "outcomes"])
def test_files_that_end_after_the_phase_are_told(log: str, tmp_path: Path) -> None:
    """Files of New York's days: the last one of the A/A phase holds the first hours of the test."""
    named = "rows of the test in A/A files"
    plain, shifted, sorted_out = (world_of(tmp_path / name, country="'everywhere'") for name in ("a", "b", "c"))
    sorted_out.write(logs={name: {"path": f"logs/{name}", "day": "timestamp"} for name in ("exposures", "outcomes")})
    for world in (shifted, sorted_out):
        later = "select * replace (timestamp + interval 5 hour as timestamp) from '{file}'"
        rewrite(log_file(world, log, day(6)), later)
    assert named not in [check.name for check in aa_gate(plain).checks]
    assert named not in [check.name for check in aa_gate(sorted_out).checks]
    gate = aa_gate(shifted)
    assert gate.status is GateStatus.PASS
    (told,) = (check for check in gate.warnings if check.name == named)
    assert told.sentence.startswith("Files of the A/A phase (2026-10-06) hold rows of 2026-10-07, which count neither")


def test_an_aa_phase_without_some_days_of_outcomes_does_not_pass(tmp_path: Path) -> None:
    world = world_of(tmp_path, country="'everywhere'")
    lost = f"event_type = 'session' and timestamp >= '{day(2)}' and timestamp < '{day(4)}'"
    for number in (2, 3, 4):  # units of day 2 are observed until day 3; late rows of day 1 come on day 2 all the same
        rewrite(log_file(world, "outcomes", day(number)), f"select * from '{{file}}' where not ({lost})")
    with pytest.raises(GateStopped, match="The outcome log has a hole: returned on 2026-10-02"):
        aa_gate(world)


def test_an_aa_phase_whose_arms_live_in_different_countries_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(GateStopped, match="The split differs between levels of country"):
        aa_gate(world_of(tmp_path, country=BY_ARM))
