from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from abflow.errors import DataError, SpecError
from abflow.simulate.simulation import simulate
from abflow.simulate.writer import Format
from tests.simulate.worlds import AA, CONVERTED, REVENUE, TEST, ask, contents, number, spec_of, truth_of

MISHAPS: dict[str, Any] = {
    "late_rate": 0.02,
    "duplicate_rate": 0.02,
    "crossed_rate": 0.05,
    "error_rate": 0.03,
    "fallback_rate": 0.1,
    "shadow_error_rate": 0.02,
}
COLUMNS = {
    "shadow": {
        "timestamp": "TIMESTAMP",
        "request_id": "VARCHAR",
        "production_prediction": "DOUBLE",
        "production_latency_ms": "DOUBLE",
        "shadow_prediction": "DOUBLE",
        "shadow_latency_ms": "DOUBLE",
        "shadow_error": "VARCHAR",
        "predictions_agree": "BOOLEAN",
        "user_id": "VARCHAR",
    },
    "exposures": {
        "timestamp": "TIMESTAMP",
        "experiment_id": "VARCHAR",
        "user_id": "VARCHAR",
        "variant": "VARCHAR",
        "request_id": "VARCHAR",
        "model_version": "VARCHAR",
        "fallback": "BOOLEAN",
        "latency_ms": "DOUBLE",
        "error": "VARCHAR",
        "is_new_user": "BOOLEAN",
        "variant_propensity": "DOUBLE",
        "propensity": "DOUBLE",
    },
    "outcomes": {
        "timestamp": "TIMESTAMP",
        "user_id": "VARCHAR",
        "event_type": "VARCHAR",
        "event_id": "VARCHAR",
        "value": "DOUBLE",
        "item_id": "VARCHAR",
        "model_variant_served": "VARCHAR",
    },
}


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, ending: Format) -> None:
    truth = truth_of(**MISHAPS)
    for folder, seed in (("one", 7), ("two", 7), ("three", 8)):
        simulate(spec_of(), truth, seed=seed, root=tmp_path / folder, format=ending)
    one, two, three = (contents(tmp_path / folder) for folder in ("one", "two", "three"))
    assert one == two
    assert one.keys() == three.keys()
    assert not any(one[name] == three[name] for name in one)


@pytest.mark.parametrize("log", ["shadow", "exposures", "outcomes"])
def test_logs_have_the_columns_of_the_contract(tmp_path: Path, log: str) -> None:
    simulate(spec_of(), truth_of(), seed=1, root=tmp_path)
    described = ask(tmp_path, f"select column_name, column_type from (describe select * exclude (day) from {log})")
    assert list(described) == list(COLUMNS[log].items())


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize("log", ["shadow", "exposures", "outcomes"])
def test_text_formats_hold_the_rows_of_parquet(tmp_path: Path, ending: Format, log: str) -> None:
    truth = truth_of(**MISHAPS, units_per_day=100.0)
    for format_ in ("parquet", ending):
        simulate(spec_of(), truth, seed=7, root=tmp_path / format_, format=format_)
    casts = ", ".join(f'"{name}"::{kind}' for name, kind in COLUMNS[log].items())
    question = f"select {casts}, day from {log} order by all"
    rows = ask(tmp_path / ending, question, ending)
    assert len(rows) > 100
    assert rows == ask(tmp_path / "parquet", question)


def test_every_day_of_the_calendar_has_its_file_and_is_in_order(tmp_path: Path) -> None:
    summary = simulate(spec_of(), truth_of(), seed=1, root=tmp_path)
    first = date(2026, 10, 1)
    days = [first + timedelta(days=n) for n in range(17)]
    for log, due in (("shadow", days[:2]), ("exposures", days[2:]), ("outcomes", days[2:])):
        assert sorted(path.name for path in (tmp_path / log).iterdir()) == [f"date={day}" for day in due]
        assert number(tmp_path, f"select count(*) from {log}") == summary.rows[log]
        unordered = (
            f"select count(*) from (select timestamp < lag(timestamp) over (partition by filename order by "
            f"file_row_number) as back from read_parquet('{tmp_path / log}/*/*.parquet', filename = true, "
            "file_row_number = true)) where back"
        )
        assert number(tmp_path, unordered) == 0
    assert summary.files == 2 + 15 + 15


def test_without_a_shadow_phase_there_is_no_shadow_log(tmp_path: Path) -> None:
    phases = {
        "shadow": {"skip": "no traffic to mirror"},
        "aa": {**AA, "start": date(2026, 10, 3)},
        "test": TEST,
    }
    summary = simulate(spec_of(phases=phases), truth_of(), seed=1, root=tmp_path)
    assert not (tmp_path / "shadow").exists()
    assert "shadow" not in summary.rows
    assert summary.rows["exposures"] > 0


def test_a_gap_between_the_phases_has_no_files_and_delays_nothing(tmp_path: Path) -> None:
    phases = spec_of().model_dump()["phases"] | {"test": {**TEST, "start": date(2026, 10, 12)}}
    simulate(spec_of(phases=phases), truth_of(late_rate=0.5), seed=1, root=tmp_path)
    days = {path.name for path in (tmp_path / "exposures").iterdir()}
    assert "date=2026-10-07" in days
    assert not days & {f"date=2026-10-{day:02}" for day in range(8, 12)}
    assert number(tmp_path, "select count(*) from exposures where day = date '2026-10-12' and timestamp < day") == 0


def test_history_adds_outcomes_before_anybody_is_exposed(tmp_path: Path) -> None:
    simulate(spec_of(), truth_of(history_days=4), seed=1, root=tmp_path / "more")
    simulate(spec_of(), truth_of(), seed=1, root=tmp_path / "less")
    more, less = contents(tmp_path / "more"), contents(tmp_path / "less")
    assert {name: more[name] for name in less} == less
    assert sorted(more.keys() - less.keys()) == [
        f"outcomes/date=2026-{day}/part-0.parquet" for day in ("09-29", "09-30", "10-01", "10-02")
    ]


def test_segments_and_other_value_columns_are_written(tmp_path: Path) -> None:
    metrics = {"converted": CONVERTED, "paid": {**REVENUE, "value": "amount"}}
    spec = spec_of(segments=["country", "is_new_user", "variant"], metrics=metrics)
    simulate(spec, truth_of(), seed=1, root=tmp_path)
    levels = ask(tmp_path, "select country, count(distinct user_id) from exposures group by 1 order by 1")
    assert [level for level, _ in levels] == ["north", "south", "west"]
    assert (
        number(
            tmp_path,
            "select max(n) from (select count(distinct country) as n from exposures group by user_id)",
        )
        == 1
    )
    assert number(tmp_path, "select count(*) from outcomes where amount is distinct from value") == 0


def test_a_run_killed_half_way_leaves_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tmp_path / "whole"
    simulate(spec_of(), truth_of(), seed=1, root=whole)
    replaced = []

    def die_at_the_tenth(draft: Path, target: Path) -> Path:
        replaced.append(target)
        if len(replaced) == 10:
            raise KeyboardInterrupt
        draft.rename(target)
        return target

    half = tmp_path / "half"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die_at_the_tenth)
        with pytest.raises(KeyboardInterrupt):
            simulate(spec_of(), truth_of(), seed=1, root=half)
    left, right = contents(half), contents(whole)
    assert len(left) == 9
    assert left == {name: right[name] for name in left}
    simulate(spec_of(), truth_of(), seed=1, root=half)
    assert contents(half) == right


def test_files_of_another_simulation_are_not_mixed_in(tmp_path: Path) -> None:
    simulate(spec_of(), truth_of(), seed=1, root=tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError, match=r"exposures already holds date=2026-10-03/part-0\.parquet"):
        simulate(spec_of(), truth_of(), seed=1, root=tmp_path, format="csv")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ({"exposures": "s3://bucket/exposures"}, "logs.exposures is 's3://bucket/exposures'"),
        ({"outcomes": "outcomes/*"}, "plain path"),
        ({"outcomes": "outcomes/{date}"}, "plain path"),
        ({"outcomes": {"path": "outcomes", "columns": {"user_id": "customer"}}}, "abflow's own columns"),
        ({"outcomes": {"path": "outcomes", "day": "timestamp"}}, "plain path and nothing else"),
        ({"outcomes": "exposures"}, "share a folder"),
    ],
)
def test_a_log_that_is_no_folder_of_its_own_is_refused(tmp_path: Path, logs: dict[str, Any], message: str) -> None:
    logs = {"shadow": "shadow", "exposures": "exposures", "outcomes": "outcomes"} | logs
    with pytest.raises(SpecError, match=message):
        simulate(spec_of(logs=logs), truth_of(), seed=1, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_negative_seed_and_unknown_versions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="seed -1"):
        simulate(spec_of(), truth_of(), seed=-1, root=tmp_path)
    with pytest.raises(SpecError, match="versions name 'other'"):
        simulate(spec_of(), truth_of(), seed=1, root=tmp_path, versions={"other": "3"})


def test_nobody_at_all_is_a_log_without_rows(tmp_path: Path) -> None:
    summary = simulate(spec_of(), truth_of(units_per_day=1e-9), seed=1, root=tmp_path)
    assert summary.rows["exposures"] == summary.rows["outcomes"] == 0
    assert asdict(summary)["enrolled_units"] == {"control": 0, "treatment": 0}
    assert number(tmp_path, "select count(*) from exposures") == 0
