from __future__ import annotations

from datetime import date

import pytest

from abflow.errors import SpecError
from abflow.spec.loading import parse_experiment
from abflow.spec.log_source import LogSource, is_template, on_day
from tests.spec.files import GOOD, edited

EXPOSURES = "exposures: data/logs/exposures"


def source(written: str) -> LogSource:
    return parse_experiment(edited(EXPOSURES, f"exposures: {written}")).logs.source("exposures")


def refusal(written: str) -> str:
    with pytest.raises(SpecError) as caught:
        source(written)
    return str(caught.value)


def test_a_plain_path_is_the_simple_form() -> None:
    assert source("s3://bucket/exposures/*") == LogSource(path="s3://bucket/exposures/*")
    assert source("{path: a, columns: {user_id: customer}, day: timestamp}") == LogSource(
        path="a", columns={"user_id": "customer"}, day="timestamp"
    )


def test_an_experiment_with_plain_paths_is_the_same_experiment_as_ever() -> None:
    assert '"exposures":"data/logs/exposures"' in parse_experiment(GOOD).canonical_json()


def test_another_mapping_is_another_experiment() -> None:
    specs = {
        parse_experiment(edited(EXPOSURES, f"exposures: {{path: a, columns: {{user_id: {name}}}}}")).sha256
        for name in ("customer", "client")
    }
    assert len(specs) == 2


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("logs/{date}/*.parquet", "logs/2026-10-01/*.parquet"),
        ("logs-{date:%Y%m%d}.csv.gz", "logs-20261001.csv.gz"),
        ("y={date:%Y}/m={date:%m}/d={date:%d}", "y=2026/m=10/d=01"),
        ("{date:%Y-%j}.csv", "2026-274.csv"),
        ("{{raw}}/{date}", "{raw}/2026-10-01"),
    ],
)
def test_a_template_has_a_path_for_every_day(template: str, path: str) -> None:
    assert is_template(template)
    assert on_day(source(f'"{template}"').path, date(2026, 10, 1)) == path


def test_a_path_without_a_place_for_the_day_is_no_template() -> None:
    assert not is_template("logs/exposures")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('"logs/{day}"', ":16: logs.exposures: 'logs/{day}' has a place for 'day'; the only one there is is {date}"),
        ('"logs/{}"', ":16: logs.exposures: 'logs/{}' has a place for ''"),
        ('"logs/{date"', ":16: logs.exposures: 'logs/{date' is no template"),
        ('"logs/{date:%Y-%m}"', ":16: logs.exposures: 'logs/{date:%Y-%m}' is the same path on several days"),
        ('"logs/{date:%m-%d}"', "is the same path on several days; put the whole day into it, such as {date:%Y/%m/%d}"),
        ('{path: "logs/{date:%A}"}', ":16: logs.exposures.path: 'logs/{date:%A}' is the same path on several days"),
        ('{path: "logs/{date}", day: timestamp}', ":16: logs.exposures.day: timestamp contradicts 'logs/{date}'"),
        ("{columns: {user_id: customer}}", ":16: logs.exposures.path: is missing"),
        ("{path: a, column: {}}", ":16: logs.exposures.column: there is no such field; did you mean 'columns'?"),
        ("{path: a, columns: {user_id: ''}}", ":16: logs.exposures.columns.user_id: string should have at least 1"),
        ("{path: a, day: name}", ":16: logs.exposures.day: input should be 'timestamp', given 'name'"),
        ("[a, b]", ":16: logs.exposures: input should be a valid string"),
        ("''", ":16: logs.exposures: string should have at least 1 character"),
    ],
)
def test_what_is_wrong_with_a_log_is_told_in_its_own_place(written: str, message: str) -> None:
    told = refusal(written)
    assert message in told
    assert "\n" not in told
