"""Hard limits that may be read after every request."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.hard_limit import ROLL_BACK, limit_evidence, log_e_values


@given(st.integers(0, 300), st.integers(0, 5000), st.sampled_from([0.001, 0.01, 0.02, 0.05]))
def test_the_evidence_is_the_mean_of_six_likelihood_ratios(events: int, misses: int, limit: float) -> None:
    n = events + misses
    logs = [
        stats.binom.logpmf(events, n, times * limit) - stats.binom.logpmf(events, n, limit)
        for times in (1.25, 1.5, 2, 4, 8, 16)
    ]
    want = np.logaddexp.reduce(logs) - math.log(6)
    assert limit_evidence(events, n, limit=limit).log_e == pytest.approx(want, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("limit", [0.01, 0.02, 0.3, 0.7])
def test_at_the_limit_the_e_value_is_one_on_average_and_below_it_less(limit: float) -> None:
    n = 80
    events = np.arange(n + 1)
    values = np.exp(log_e_values(events, np.full(n + 1, n), limit=limit))
    assert float(np.sum(stats.binom.pmf(events, n, limit) * values)) == pytest.approx(1, rel=1e-9)
    assert float(np.sum(stats.binom.pmf(events, n, limit / 2) * values)) < 1


def test_an_alternative_of_one_or_more_drops_out_of_the_mean() -> None:
    # 0.3 times 4, 8 and 16 is no share: three ratios are left.
    want = np.mean([(p / 0.3) ** 2 * ((1 - p) / 0.7) for p in (0.375, 0.45, 0.6)])
    assert limit_evidence(2, 3, limit=0.3).log_e == pytest.approx(math.log(want))


def test_a_canary_that_only_fails_is_rolled_back_at_its_fourth_request() -> None:
    # At a limit of 2 % the mean of (1.25, ..., 16) to the third power is below 1 000, to the fourth above.
    assert not limit_evidence(3, 3, limit=0.02).exceeded
    assert limit_evidence(4, 4, limit=0.02).exceeded


def test_the_threshold_is_an_e_value_of_a_thousand() -> None:
    log_e = [limit_evidence(events, 200, limit=0.02).log_e for events in range(30)]
    first = next(events for events, value in enumerate(log_e) if value >= math.log(ROLL_BACK))
    assert limit_evidence(first, 200, limit=0.02).exceeded
    assert not limit_evidence(first - 1, 200, limit=0.02).exceeded


@given(st.integers(0, 100), st.integers(1, 2000), st.sampled_from([0.01, 0.05]))
def test_an_event_adds_evidence_and_a_good_request_takes_some(events: int, misses: int, limit: float) -> None:
    now = limit_evidence(events, events + misses, limit=limit).log_e
    assert limit_evidence(events + 1, events + 1 + misses, limit=limit).log_e > now
    assert limit_evidence(events, events + misses + 1, limit=limit).log_e < now


def test_before_the_first_request_nothing_is_known() -> None:
    got = limit_evidence(0, 0, limit=0.02)
    assert got.log_e == pytest.approx(0, abs=1e-12)
    assert got.rate is None
    assert not got.exceeded


def test_a_million_requests_do_not_overflow() -> None:
    assert math.isfinite(limit_evidence(1_000_000, 1_000_000, limit=0.01).log_e)
    assert limit_evidence(0, 100_000_000, limit=0.01).log_e < -1000


@pytest.mark.parametrize(("events", "requests"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(events: int, requests: int) -> None:
    with pytest.raises(DataError, match=f"{events} events in {requests} requests"):
        limit_evidence(events, requests, limit=0.02)


@pytest.mark.parametrize("limit", [0.0, -0.1, 0.8, 1.0, 2.0, math.nan])
def test_a_limit_that_cannot_be_exceeded_or_kept_is_refused(limit: float) -> None:
    with pytest.raises(SpecError, match="limit"):
        limit_evidence(1, 10, limit=limit)
