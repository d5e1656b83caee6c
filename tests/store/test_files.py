from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.analysis.population import Cohort, Measured, Population
from abflow.engine.exposure_day import ExposureDay, Served
from abflow.engine.outcome_day import OutcomeDay
from abflow.engine.unit_day import UnitDay
from abflow.errors import DataError
from abflow.registry.plan import PromotionPlan, plan_promotion
from abflow.spec.calendar import Phase
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import parse_experiment
from abflow.stats.moments import Moments
from abflow.store.files import from_json, place, staged_folder, to_json, write_whole
from tests.spec.files import GOOD

DAY = date(2026, 10, 1)
POPULATION = Population(
    cohorts=(Cohort(variant="ctrl ä", day=DAY, enrolled=True, crossed=False, units=3),),
    measured=(
        Measured(
            metric="revenue",
            variant="ctrl ä",
            contamination="exclude",
            moments=Moments(n=3, mean=0.1 + 0.2, m2=1e-300),
            lowest=-0.0,
            highest=1e308,
            non_zero=2,
            immature=0,
            cap=None,
            cap_removes_all=False,
        ),
    ),
    events_seen=("purchase",),
    misassigned=None,
)
UNIT_DAY = UnitDay(
    exposure_log=ExposureDay(
        day=DAY,
        inputs="ab" * 32,
        files=("units.parquet",),
        rows=5,
        other_experiments=1,
        repeated=1,
        exposures=3,
        units=2,
        failed=0,
        context=("country",),
        has_propensity=False,
        has_ids=False,
        last_day=DAY,
        largest={},
        served=(Served(variant="a", model_version=None, fallback=True, exposures=3),),
    ),
    outcome_log=OutcomeDay(
        day=DAY,
        inputs="cd" * 32,
        files=("events.parquet",),
        rows=4,
        read={"visit": 3, "purchase:value": 1},
        repeated=0,
        events={"visit": 3, 'a "quoted" event': 1},
        has_ids=True,
        latest=datetime(2026, 10, 1, 23, 59, 59, 999999),  # noqa: DTZ001  UTC without a zone, as logs are read
        largest={"purchase:value": 0.1},
        of_day=("visit",),
    ),
)
PLAN = plan_promotion(
    experiment="churn_v3",
    model="churn",
    alias="champion",
    champion="3",
    previous=None,
    winner="4",
    stages=True,
    evidence="ab" * 32,
    tags={"abflow.effect": "+2 %"},
)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(POPULATION, Population), (UNIT_DAY, UnitDay), (PLAN, PromotionPlan), (parse_experiment(GOOD), ExperimentSpec)],
)
def test_a_value_survives_the_store(value: Any, kind: type[Any]) -> None:
    text = to_json(value)
    again = from_json(text, kind, source=Path("value.json"))
    assert again == value
    assert type(again) is kind
    assert to_json(again) == text


def test_choices_and_days_come_back_as_what_they_were() -> None:
    @dataclass(frozen=True)
    class Note:
        phase: Phase
        day: date

    note = from_json(to_json(Note(Phase.TEST, DAY)), Note, source=Path("note.json"))
    assert (type(note.phase), type(note.day)) == (Phase, date)


def test_the_text_is_sorted_readable_and_ends_with_a_newline() -> None:
    text = to_json(UNIT_DAY)
    plain = json.loads(text)
    assert list(plain) == sorted(asdict(UNIT_DAY))
    assert text == json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
    assert "ctrl ä" in to_json(POPULATION)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_stored_as_one(number: float) -> None:
    measured = replace(POPULATION.measured[0], moments=Moments(n=1, mean=number, m2=0.0))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(replace(POPULATION, measured=(measured,)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"units": 2', '"units": "two"'),
        ('"units": 2', '"units": 2.5'),
        ('    "units": 2\n', ""),
        ('"day": "2026-10-01"', '"day": "2026-13-01"'),
        ('"exposures": 3,', '"exposures": 3'),
        ("}\n", ""),
    ],
)
def test_an_edited_file_is_not_believed(old: str, new: str) -> None:
    text = to_json(UNIT_DAY)
    assert old in text
    edited = new.join(text.rsplit(old, 1))
    with pytest.raises(DataError, match=r"manifest\.json is not what abflow wrote .*; delete it"):
        from_json(edited, UnitDay, source=Path("manifest.json"))


def test_writing_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path, staging = tmp_path / "deep" / "value.json", tmp_path / "staging"
    write_whole(path, "a long first text", staging=staging)
    write_whole(path, "ü", staging=staging)
    assert path.read_bytes() == "ü".encode()
    assert list(staging.iterdir()) == []
    assert list(path.parent.iterdir()) == [path]


def test_a_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path, staging = tmp_path / "value.json", tmp_path / "staging"
    write_whole(path, "old", staging=staging)
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half of it \ud800", staging=staging)
    assert path.read_text() == "old"
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), duckdb.IOException("Could not write: No space left on device")],
)
def test_a_full_disk_is_told_in_words_and_leaves_the_old_file(error: Exception, tmp_path: Path) -> None:
    staging = tmp_path / ".staging"
    write_whole(tmp_path / "value.json", "old", staging=staging)
    with pytest.raises(DataError, match=r"no room is left on the disk .* make room there, then run this again"):
        _write_until(error, staging)
    assert (tmp_path / "value.json").read_text(encoding="utf-8") == "old"
    assert list(staging.iterdir()) == []


def _write_until(error: Exception, staging: Path) -> None:
    with staged_folder(staging) as folder:
        (folder / "value.json").write_text("ne", encoding="utf-8")
        raise error


def test_a_mistake_while_writing_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        _write_until(PermissionError("not yours"), tmp_path)


def test_two_writers_never_share_a_staging_folder(tmp_path: Path) -> None:
    with staged_folder(tmp_path) as one, staged_folder(tmp_path) as two:
        assert one != two
        (one / "a").write_text("1")
        place(one / "a", tmp_path / "x" / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_manifest_of_an_older_format_is_read_so_that_its_day_can_be_built_again() -> None:
    written = json.loads(to_json(UNIT_DAY))
    day = written["exposure_log"].pop("last_day")
    written["exposure_log"]["latest"] = f"{day}T10:00:00"
    old = from_json(json.dumps(written), UnitDay, source=Path("manifest.json"))
    assert old.exposure_log.last_day is None
    assert old.outcome_log == UNIT_DAY.outcome_log
