"""What is known of one rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.beta_posterior import BetaPosterior, rate_posterior
from abflow.stats.panel_quadrature import panel_nodes
from abflow.stats.result import Unavailable, UnavailableReason

# From a twentieth of a unit to ten million, evenly on the log scale.
shapes = st.floats(min_value=math.log(0.05), max_value=math.log(1e7)).map(math.exp)


def test_the_credible_interval_is_that_of_spotifys_confidence() -> None:
    # spotify/confidence, tests of its beta-binomial, whose prior is Jeffreys': Beta(1/2, 1/2), not the flat one.
    got = known(rate_posterior(500, 1009, prior=(0.5, 0.5)))
    assert got.interval(0.95) == pytest.approx((0.46473987, 0.52636595), abs=5e-9)
    flat = known(rate_posterior(500, 1009))
    assert flat.interval(0.95) == pytest.approx(stats.beta(501, 510).interval(0.95), rel=1e-9)


def test_a_flat_prior_counts_one_success_and_one_failure() -> None:
    # Laplace's rule of succession: 7 of 10 gives 8/12.
    got = known(rate_posterior(7, 10))
    assert got.mean == pytest.approx(8 / 12)
    assert got.sd == pytest.approx(stats.beta(8, 4).std())


@settings(max_examples=50, deadline=None)
@given(shapes, shapes)
def test_the_logit_density_integrates_to_one_to_the_mean_and_to_even_tails(a: float, b: float) -> None:
    posterior = BetaPosterior(a=a, b=b)
    logits, weights = panel_nodes(posterior.panel_ends())
    profile = posterior.profile(logits)
    share = weights * profile.density
    rate = 1 / (1 + np.exp(-np.maximum(logits, -700)))
    found = [float(np.sum(share * each)) for each in (1.0, rate, 1 - rate, profile.below, profile.above)]
    # The same variable twice: one copy exceeds the other half of the time.
    wanted = (1, a / (a + b), b / (a + b), 0.5, 0.5)
    assert all(abs(one - other) < 1e-11 for one, other in zip(found, wanted, strict=True)), found


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1.0, 1.0), (3.0, 40.0), (2500.0, 7.5)])
def test_density_and_tails_are_those_of_scipy(a: float, b: float) -> None:
    known_to_scipy = stats.beta(a, b)
    rate = known_to_scipy.ppf([1e-4, 0.1, 0.5, 0.9, 1 - 1e-4])
    profile = BetaPosterior(a=a, b=b).profile(np.log(rate) - np.log1p(-rate))
    assert profile.density == pytest.approx(known_to_scipy.pdf(rate) * rate * (1 - rate), rel=1e-9)
    assert profile.below == pytest.approx(known_to_scipy.cdf(rate), rel=1e-9)
    assert profile.above == pytest.approx(known_to_scipy.sf(rate), rel=1e-9)


def test_far_tails_keep_their_digits() -> None:
    rate = np.array([1e-8, 1 - 1e-4])
    # P(Beta(2, 9) > x) is that of at most 1 success in 10: (1 - x)^9 (1 + 9 x); P(Beta(9, 2) < x) of 9 or more.
    few, many = BetaPosterior(a=2, b=9), BetaPosterior(a=9, b=2)
    assert few.above(rate, 1 - rate)[1] == pytest.approx(1e-4**9 * (1 + 9 * rate[1]), rel=1e-9, abs=0)
    assert many.below(rate, 1 - rate)[0] == pytest.approx(1e-8**9 * (1 + 9 * (1 - 1e-8)), rel=1e-9, abs=0)


@settings(max_examples=50, deadline=None)
@given(shapes, shapes, st.floats(min_value=1e-6, max_value=1 - 1e-6))
def test_exchanging_successes_and_failures_exchanges_the_tails(a: float, b: float, x: float) -> None:
    rate, rest = np.array([x]), np.array([1 - x])
    there, back = BetaPosterior(a=a, b=b), BetaPosterior(a=b, b=a)
    assert there.below(rate, rest) == pytest.approx(back.above(rest, rate))
    assert there.below(rate, rest) + there.above(rate, rest) == pytest.approx(1.0)


def test_beyond_zero_and_one_there_is_nothing() -> None:
    posterior = BetaPosterior(a=2, b=3)
    outside = np.array([-0.5, 0.0, 1.0, 1.5])
    assert posterior.below(outside, 1 - outside).tolist() == [0, 0, 1, 1]
    assert posterior.above(outside, 1 - outside).tolist() == [1, 1, 0, 0]


def test_no_units_leave_only_the_prior() -> None:
    got = rate_posterior(0, 0)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_UNITS


@pytest.mark.parametrize(("successes", "units"), [(-1, 10), (11, 10), (0, -1)])
def test_impossible_counts_are_refused(successes: int, units: int) -> None:
    with pytest.raises(DataError, match="successes lie between 0 and the units"):
        rate_posterior(successes, units)


@pytest.mark.parametrize("prior", [(0.0, 1.0), (-1.0, 1.0), (1.0, math.nan), (math.inf, 1.0), (1.0, 0.01)])
def test_an_impossible_prior_is_refused(prior: tuple[float, float]) -> None:
    with pytest.raises(SpecError, match=r"Beta\(1, 1\) takes no side"):
        rate_posterior(5, 10, prior=prior)


def known(got: BetaPosterior | Unavailable) -> BetaPosterior:
    assert isinstance(got, BetaPosterior), got
    return got
