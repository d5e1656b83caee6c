from __future__ import annotations

import random
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.errors import DataError
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.validation.shadow import Agreement, Drift, Overlap, PredictionKind, ShadowCounts, shadow_counts
from abflow.validation.tail import LatencyTail
from tests.validation.shadow_logs import DAY, WRITERS, Row, day_of, sound_rows, write_csv, write_jsonl


def counts(tmp_path: Path, rows: list[Row]) -> ShadowCounts:
    return shadow_counts([day_of([write_jsonl(tmp_path / "log.jsonl", rows)])], threads=1)


def with_predictions(pairs: list[tuple[Any, Any]]) -> list[Row]:
    """A log without errors whose two versions predict these pairs."""
    return [
        row
        | {
            "production_prediction": production,
            "shadow_prediction": shadow,
            "shadow_error": None,
            "shadow_latency_ms": 10,
        }
        for row, (production, shadow) in zip(sound_rows(len(pairs)), pairs, strict=True)
    ]


def test_three_formats_give_the_same_counts(tmp_path: Path) -> None:
    found = {
        shadow_counts([day_of([write(tmp_path / f"log.{kind}", sound_rows(400))])]) for kind, write in WRITERS.items()
    }
    assert len(found) == 1
    assert found.pop().requests == 400


def test_failed_calls_are_counted_and_left_out_of_everything_else(tmp_path: Path) -> None:
    rows = sound_rows(100)
    rows[0] |= {"shadow_error": "timeout", "shadow_latency_ms": 5000}  # an error may come with its latency
    got = counts(tmp_path, rows)
    assert (got.requests, got.failed) == (100, 11)
    assert isinstance(got.agreement, Agreement)
    assert got.agreement.pairs == 89
    assert isinstance(got.shadow_latency, LatencyTail)
    assert isinstance(got.production_latency, LatencyTail)
    assert (got.shadow_latency.calls, got.production_latency.calls) == (89, 100)
    assert got.shadow_latency.upper < 5000


def test_numbers_agree_within_half_a_standard_deviation_of_production(tmp_path: Path) -> None:
    # Half of production is 0 and half is 2, so its standard deviation is 1: the limit is 0.5 away.
    pairs = [(0, 0.5), (2, 1.5), (0, 0.51), (2, 2.0)] * 5
    got = counts(tmp_path, with_predictions(pairs))
    assert got.kind is PredictionKind.NUMBERS
    assert got.agreement == Agreement(pairs=20, agreements=15, logged=False)


def test_labels_agree_when_equal(tmp_path: Path) -> None:
    got = counts(tmp_path, with_predictions([("cat", "cat"), ("cat", "dog"), ("7", "7")]))
    assert got.kind is PredictionKind.LABELS
    assert got.agreement == Agreement(pairs=3, agreements=2, logged=False)


@pytest.mark.parametrize("kind", WRITERS)
def test_lists_overlap_in_their_first_ten_items(kind: str, tmp_path: Path) -> None:
    ten = [f"i{n}" for n in range(10)]
    # 10 of 10, then 5 of 10, then 0 of 10 since only item 11 is shared, then 1 of 2.
    pairs = [
        (ten, ten[::-1]),
        (ten, [*ten[:5], "x1", "x2", "x3", "x4", "x5"]),
        ([*ten, "z"], [f"y{n}" for n in range(10)] + ["z"]),
        (["a", "b"], ["b", "c"]),
    ]
    file = WRITERS[kind](tmp_path / f"log.{kind}", with_predictions(pairs))
    got = shadow_counts([day_of([file])])
    assert got.kind is PredictionKind.LISTS
    assert isinstance(got.agreement, Overlap)
    assert got.agreement.mean == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
    assert got.agreement.sd == pytest.approx(0.408248, abs=1e-6)  # of 1, 0.5, 0 and 0.5: sqrt(1/6)
    assert isinstance(got.drift, Drift)
    assert dict(zip(got.drift.bins, got.drift.production, strict=True)) == {
        "i0": 3, "a": 1, "i9": 0, "b": 0, "y0": 0, "other": 0,
    }  # fmt: skip


def test_agreement_column_of_the_log_is_believed(tmp_path: Path) -> None:
    rows = with_predictions([(1, 1)] * 3 + [(1, 5)])
    for row, agree in zip(rows, [True, False, None, True], strict=True):
        row["predictions_agree"] = agree
    assert counts(tmp_path, rows).agreement == Agreement(pairs=3, agreements=2, logged=True)


def test_bins_of_numbers_are_the_deciles_of_production(tmp_path: Path) -> None:
    got = counts(tmp_path, with_predictions([(n, n + 50) for n in range(1, 101)]))
    assert isinstance(got.drift, Drift)
    assert got.drift.production == (10,) * 10
    assert got.drift.shadow == (0, 0, 0, 0, 0, 10, 10, 10, 10, 60)
    assert got.drift.bins[0] == "up to 10"
    assert got.drift.bins[-1] == "above 90"
    assert got.drift.ks_distance == 0.5


def test_few_different_numbers_are_counted_one_by_one(tmp_path: Path) -> None:
    got = counts(tmp_path, with_predictions([(5, 3)] * 30))
    assert got.drift == Drift(bins=("5.0", "3.0", "other"), production=(30, 0, 0), shadow=(0, 30, 0), ks_distance=1.0)


def test_rare_labels_are_counted_together(tmp_path: Path) -> None:
    pairs = [(f"label{n:02}", f"label{n:02}") for n in range(25) for _ in range(30 - n)]
    got = counts(tmp_path, with_predictions(pairs))
    assert isinstance(got.drift, Drift)
    assert (len(got.drift.bins), got.drift.bins[0], got.drift.bins[-1]) == (21, "label00", "other")
    assert got.drift.production[-1] == 10 + 9 + 8 + 7 + 6
    assert got.drift.ks_distance is None


def test_p95_is_the_call_that_95_percent_do_not_exceed(tmp_path: Path) -> None:
    rows = [row | {"production_latency_ms": n, "user_id": None} for n, row in enumerate(sound_rows(1000), 1)]
    got = counts(tmp_path, rows)
    assert isinstance(got.production_latency, LatencyTail)
    assert (got.production_latency.p95, got.production_latency.units) == (950, 1000)
    # Known answer: 950 -/+ 1.6449 * sqrt(1000 * 0.95 * 0.05), the binomial ranks of independent calls.
    assert got.production_latency.lower == pytest.approx(950 - 11.34, abs=1)
    assert got.production_latency.upper == pytest.approx(950 + 11.34, abs=1)


def test_calls_of_one_user_are_one_unit(tmp_path: Path) -> None:
    rows = sound_rows(1000)
    alone = counts(tmp_path, [row | {"user_id": None} for row in rows]).production_latency
    # Neighbours in time, and so in latency, belong to one user.
    clustered = counts(tmp_path, [row | {"user_id": f"u{n // 5}"} for n, row in enumerate(rows)])
    together = clustered.production_latency
    assert isinstance(alone, LatencyTail)
    assert isinstance(together, LatencyTail)
    assert (alone.units, together.units) == (1000, 200)
    assert together.upper - together.lower > 2 * (alone.upper - alone.lower)


def test_p95_of_a_handful_of_users_is_unavailable(tmp_path: Path) -> None:
    got = counts(tmp_path, [row | {"user_id": f"u{n % 9}"} for n, row in enumerate(sound_rows(90))])
    assert isinstance(got.production_latency, Unavailable)
    assert got.production_latency.reason is UnavailableReason.TOO_FEW_UNITS


def test_new_version_that_always_fails_has_no_pairs_and_no_latency(tmp_path: Path) -> None:
    rows = [
        row | {"shadow_prediction": None, "shadow_latency_ms": -1, "shadow_error": "down"} for row in sound_rows(50)
    ]
    got = counts(tmp_path, rows)
    unknown = (got.kind, got.agreement, got.drift, got.shadow_latency)
    assert [isinstance(value, Unavailable) for value in unknown] == [True] * 4
    assert (got.requests, got.failed) == (50, 50)


def test_several_days_are_counted_together_in_any_order_and_format(tmp_path: Path) -> None:
    rows = sound_rows(200)
    first = write_jsonl(tmp_path / "a.jsonl", [row | {"predictions_agree": True} for row in rows[:100]])
    second = write_csv(tmp_path / "b.csv", rows[100:])
    got = shadow_counts([day_of([first]), day_of([second], DAY + timedelta(days=1))])
    assert got.days == (DAY, DAY + timedelta(days=1))
    assert (got.requests, got.failed) == (200, 20)


def test_log_without_a_column_is_not_counted(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "shadow_error"} for row in sound_rows()]
    with pytest.raises(DataError, match="2026-10-01 cannot be counted: shadow_error is missing"):
        counts(tmp_path, rows)
    with pytest.raises(DataError, match="no day"):
        shadow_counts([])


def test_same_log_gives_the_same_counts_with_any_number_of_threads(tmp_path: Path) -> None:
    rng = random.Random(7)  # noqa: S311  a seeded sample, not a secret
    rows = with_predictions([(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(5000)])
    file = write_jsonl(tmp_path / "log.jsonl", rows)
    assert len({shadow_counts([day_of([file])], threads=threads) for threads in (1, 2, 4, 4)}) == 1


@pytest.mark.slow
def test_a_million_requests_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            f"""copy (
                select timestamp '2026-10-01' + interval (range % 86400) second as "timestamp",
                    'r' || range as request_id, (range * 7919 % 1000003) / 3 as production_prediction,
                    range % 90 as production_latency_ms, (range * 104729 % 1000003) / 3 as shadow_prediction,
                    range % 91 as shadow_latency_ms, null::varchar as shadow_error,
                    'u' || range % 50000 as user_id
                from range(1000000)) to '{file}' (format parquet)"""
        )
    began = time.perf_counter()
    got = shadow_counts([day_of([file])])
    print(f"counted {got.requests} requests in {time.perf_counter() - began:.1f} s")  # noqa: T201  for people to see
    assert (got.requests, got.failed) == (1_000_000, 0)
