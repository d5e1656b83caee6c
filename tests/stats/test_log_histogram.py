"""Quantiles from a histogram on a logarithmic scale."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from abflow.errors import DataError, SpecError
from abflow.stats.log_histogram import LogHistogram, bin_numbers, log_histogram_of
from abflow.stats.result import Unavailable, UnavailableReason

finite = st.floats(-1e9, 1e9)
samples = st.lists(finite, min_size=1, max_size=60)
levels = st.floats(0, 1)


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60), levels)
def test_a_quantile_is_numpys_to_half_a_percent(values: list[float], q: float) -> None:
    assert quantile(log_histogram_of(values), q) == pytest.approx(float(np.quantile(values, q)), rel=0.005)


@settings(deadline=None)
@given(st.lists(st.integers(-200, 200), min_size=1, max_size=60), levels)
def test_a_quantile_of_small_whole_numbers_is_exact(values: list[int], q: float) -> None:
    assert quantile(log_histogram_of(values), q) == pytest.approx(float(np.quantile(values, q)), rel=1e-12, abs=1e-12)


@settings(deadline=None)
@given(samples, samples)
def test_merging_histograms_is_the_histogram_of_all_rows(left: list[float], right: list[float]) -> None:
    assert log_histogram_of(left) + log_histogram_of(right) == log_histogram_of(left + right)
    assert (
        log_histogram_of([]) + log_histogram_of(left)
        == log_histogram_of(left)
        == log_histogram_of(left) + log_histogram_of([])
    )


@settings(deadline=None)
@given(samples, levels, levels)
def test_a_higher_level_has_no_lower_quantile(values: list[float], a: float, b: float) -> None:
    histogram = log_histogram_of(values)
    low, high = (quantile(histogram, level) for level in sorted((a, b)))
    assert low <= high


@settings(deadline=None)
@given(samples)
def test_the_ends_are_the_smallest_and_the_largest_value(values: list[float]) -> None:
    histogram = log_histogram_of(values)
    assert (quantile(histogram, 0), quantile(histogram, 1)) == (min(values), max(values))
    assert sum(histogram.rows) == len(values)


@settings(deadline=None)
@given(finite, finite)
def test_bins_are_in_the_order_of_their_values(a: float, b: float) -> None:
    low, high = bin_numbers(np.array(sorted((a, b))))
    assert low <= high


def test_sql_puts_every_value_into_the_same_bin() -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate(([0.0, 5e-324, 1.7e308, -1.0, 1.0], rng.lognormal(3, 4, 2000), -rng.lognormal(3, 4, 500)))
    sql = "case when x = 0 then 0 else sign(x) * (150000 + floor(ln(abs(x)) / ln(1.005))) end"
    question = f"select {sql} from (select unnest($1::double[]) as x)"
    found = duckdb.connect().execute(question, [values.tolist()]).fetchall()
    assert [int(number) for (number,) in found] == bin_numbers(values).tolist()


def test_a_bin_is_half_a_percent_wide() -> None:
    assert bin_numbers(np.array([100.0, 100.2, 101.0])).tolist() == [150_923, 150_923, 150_925]
    just_above_the_edges = np.array([1.0000001 * 1.005**power for power in range(-50, 50)])
    assert bin_numbers(just_above_the_edges).tolist() == list(range(149_950, 150_050))


def test_latencies_of_any_number_need_few_bins() -> None:
    # From 0.1 ms to 10 minutes.
    histogram = log_histogram_of(np.geomspace(0.1, 600_000, 200_000))
    assert len(histogram.bins) <= 3_130


def test_rows_of_a_bin_are_spread_between_its_ends() -> None:
    histogram = LogHistogram(bins=(150_923,), rows=(101,), lows=(99.9,), highs=(100.3,))
    assert histogram.quantiles((0.0, 0.25, 0.5, 1.0)) == pytest.approx((99.9, 100.0, 100.1, 100.3))


def test_values_without_a_bin_make_quantiles_unavailable() -> None:
    got = log_histogram_of([1.0, math.nan, -math.inf]).quantile(0.5)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NOT_FINITE
    assert "2 values" in got.detail


def test_no_rows_have_no_quantile() -> None:
    got = log_histogram_of([]).quantile(0.5)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_UNITS


def test_a_level_must_be_a_level() -> None:
    with pytest.raises(SpecError, match=r"write 0\.95"):
        log_histogram_of([1.0]).quantile(95)


@pytest.mark.parametrize(
    ("bins", "rows", "message"),
    [
        ((2, 1), (1, 1), "must increase"),
        ((1, 1), (1, 1), "must increase"),
        ((1, 2), (1, 0), "at least 1"),
        ((1, 2), (1,), "every bin"),
    ],
)
def test_bins_out_of_order_or_empty_are_refused(bins: tuple[int, ...], rows: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LogHistogram(bins=bins, rows=rows, lows=(1.0, 1.0), highs=(1.0, 1.0))


def test_a_histogram_can_be_stored() -> None:
    histogram = log_histogram_of([0.0, -3.5, 20.0, 20.0, 21.0])
    adapter = TypeAdapter(LogHistogram)
    assert adapter.validate_json(adapter.dump_json(histogram)) == histogram


def quantile(histogram: LogHistogram, q: float) -> float:
    got = histogram.quantile(q)
    assert isinstance(got, float), got
    return got
