"""What docs/guides/logs.md shows is so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from abflow.errors import DataError
from abflow.logs.layout import DayLog, day_log
from abflow.logs.reading import open_day, reading
from abflow.logs.resources import connection
from abflow.spec.loading import parse_experiment
from tests.spec.files import GOOD

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "logs.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if block.startswith("logs:")]
LAYOUTS = re.findall(r"^\| `(.+?)` \| `(.+2026.+?)` \|$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_parts_of_an_experiment(example: str) -> None:
    logs = {"shadow": "data/logs/shadow"} | yaml.safe_load(example)["logs"]
    file = yaml.safe_load(GOOD) | {"logs": logs}
    spec = parse_experiment(yaml.safe_dump(file, sort_keys=False))
    assert set(spec.model_dump()["logs"]) == {"shadow", "exposures", "outcomes"}


@pytest.mark.parametrize(("path", "file"), LAYOUTS)
def test_every_path_finds_its_file(path: str, file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("a\n1\n")
    log = day_log("exposures", path, date(2026, 10, 1), root=tmp_path)
    assert [found.path for found in log.files] == [str(tmp_path / file)]
    assert not log.by_timestamp


def test_there_are_examples() -> None:
    assert (len(EXAMPLES), len(LAYOUTS)) == (3, 9)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("part-0.jsonl", '{"a": 1}\n[]\n'),
        ("a.csv", "a,b,c\n1,2,3\n1,2,3,4\n"),
    ],
)
def test_errors_are_told_as_the_guide_says(name: str, content: str, tmp_path: Path) -> None:
    place = tmp_path / "date=2026-10-01"
    place.mkdir()
    (place / name).write_text(content)
    shown = next(line for line in re.findall(r"`(cannot be read\. .+?): \.\.\.`", GUIDE) if name in line)
    log = day_log("exposures", tmp_path, date(2026, 10, 1))
    told = re.escape(shown.removeprefix("cannot be read. ..."))
    with pytest.raises(DataError, match=told):
        read(log)


def read(log: DayLog) -> None:
    """Read every value of a day."""
    with connection() as db, reading(log):
        open_day(db, log, view="day", as_json=True)
        db.execute("select count(hash(day)) from day")
