"""Two rates with Beta posteriors."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from abflow.errors import DataError, SpecError
from abflow.stats.beta_binomial import RateDifference, difference_of_rates
from abflow.stats.beta_posterior import BetaPosterior
from abflow.stats.posterior import probability_within
from abflow.stats.result import Unavailable, UnavailableReason

Counts = tuple[int, int]
counts = st.integers(1, 3000).flatmap(lambda units: st.tuples(st.integers(0, units), st.just(units)))


def test_51_of_100_beats_49_of_100_with_probability_61077() -> None:
    got = known(difference_of_rates((49, 100), (51, 100))).probability_above()
    assert got == pytest.approx(0.61077, abs=5e-6)
    assert got == pytest.approx(exact_chance((50, 52), (52, 50)), abs=1e-14)


@pytest.mark.parametrize(
    ("control", "treatment"),
    [
        ((1, 10), (3, 12)),
        ((500, 10_000), (580, 10_000)),
        ((0, 40), (7, 90)),
        ((3, 1_000_000), (9, 1_000_000)),
        ((2_000, 1_000_000), (2_100, 1_000_000)),
        ((50_000, 1_000_000), (50_400, 1_000_000)),
        ((5, 10), (3_000, 1_000_000)),
        ((90_050, 90_100), (60, 61)),
        ((200, 4_000), (2_000, 4_000)),
    ],
)
def test_the_chance_is_the_closed_form_for_any_size(control: Counts, treatment: Counts) -> None:
    got = known(difference_of_rates(control, treatment))
    one, other = whole(got.control), whole(got.treatment)
    assert got.probability_above() == pytest.approx(exact_chance(one, other), abs=1e-12)
    assert got.probability_below() == pytest.approx(exact_chance(other, one), rel=1e-9, abs=0)


def test_rates_next_to_one_keep_their_digits() -> None:
    many = 10_000_000_000
    got = known(difference_of_rates((many - 3, many), (many - 9, many)))
    # By the failures, of which the treatment has more: 4 and 10 with the prior's.
    fewer_failures = exact_chance((10, many - 8), (4, many - 2))
    assert got.probability_above() == pytest.approx(fewer_failures, rel=1e-9)
    assert got.lift_above() == pytest.approx(fewer_failures, rel=1e-9)


@pytest.mark.parametrize(
    ("control", "treatment"), [((49, 100), (51, 100)), ((3, 100_000), (9, 100_000)), ((900, 9_000), (1_010, 9_500))]
)
def test_the_losses_are_the_closed_form(control: Counts, treatment: Counts) -> None:
    # Stucchio (2015): E max(a - b, 0) = mean(a) P(a' > b) - mean(b) P(a > b'), a prime adding one success.
    got = known(difference_of_rates(control, treatment))
    (a, b), (c, d) = whole(got.control), whole(got.treatment)
    keeping = got.treatment.mean * exact_chance((a, b), (c + 1, d))
    keeping -= got.control.mean * exact_chance((a + 1, b), (c, d))
    assert got.loss_of_keeping == pytest.approx(keeping, abs=1e-13)
    assert got.loss_of_choosing == pytest.approx(keeping - got.mean, abs=1e-13)


def test_chance_loss_and_interval_are_those_of_spotifys_confidence() -> None:
    # spotify/confidence, tests of its beta-binomial: Jeffreys' prior and 500 000 draws, hence three digits.
    got = known(difference_of_rates((42, 104), (500, 1009), prior=(0.5, 0.5)))
    assert got.mean == pytest.approx(0.090737, abs=2e-4)
    assert got.probability_above() == pytest.approx(0.962782, abs=1e-3)
    assert (got.loss_of_choosing, got.loss_of_keeping) == pytest.approx((0.000767784, 0.091504838), abs=2e-4)
    assert got.interval(0.95) == pytest.approx((-0.0092189, 0.1871224), abs=6e-4)
    assert got.interval(0.99) == pytest.approx((-0.040760, 0.21614), abs=1.5e-3)


@pytest.mark.parametrize("threshold", [-0.2, 0.0, 0.05, 0.3])
def test_differences_and_lifts_agree_with_adaptive_integration(threshold: float) -> None:
    got = known(difference_of_rates((12, 80), (22, 90), prior=(0.5, 0.5)))
    one, other = stats.beta(got.control.a, got.control.b), stats.beta(got.treatment.a, got.treatment.b)

    def chance(times: float, plus: float) -> float:
        found = integrate.quad(
            lambda x: one.pdf(x) * other.sf(times * x + plus), 0, 1, epsabs=1e-12, limit=500, points=[0.1, 0.15, 0.2]
        )
        return float(found[0])

    assert got.probability_above(threshold) == pytest.approx(chance(1, threshold), abs=1e-11)
    assert got.lift_above(threshold) == pytest.approx(chance(1 + threshold, 0), abs=1e-11)


@pytest.mark.parametrize(
    ("control", "treatment", "threshold", "shorter"),
    [
        # With Beta(1, 1) in both arms the difference is triangular: P(difference > t) = (1 - t)² / 2.
        (BetaPosterior(a=1, b=1), BetaPosterior(a=1, b=1), 0.5, 0.125),
        (BetaPosterior(a=1, b=1), BetaPosterior(a=1, b=1), -0.5, 0.875),
        # A rate whose b is 1 has P(rate < x) = x^a, here 2 and 1: P(u > v + t) by hand.
        (BetaPosterior(a=1, b=1), BetaPosterior(a=2, b=1), 0.25, 0.421875),
    ],
)
def test_thresholds_that_leave_the_unit_interval_leave_no_error(
    control: BetaPosterior, treatment: BetaPosterior, threshold: float, shorter: float
) -> None:
    got = RateDifference(control=control, treatment=treatment)
    assert got.probability_above(threshold) == pytest.approx(shorter, abs=1e-13)
    assert got.probability_above(1.5) == 0
    assert got.probability_above(-1.5) == pytest.approx(1.0)
    assert got.lift_above(-3) == 1
    assert got.lift_below(-3) == 0
    assert (got.lift_above(math.inf), got.lift_below(math.inf)) == (0, 1)


@settings(max_examples=50, deadline=None)
@given(counts, counts, st.floats(min_value=-0.3, max_value=0.3))
def test_swapping_the_arms_swaps_the_answers(control: Counts, treatment: Counts, threshold: float) -> None:
    there = difference_of_rates(control, treatment)
    if isinstance(there, Unavailable):
        return
    back = known(difference_of_rates(treatment, control))
    assert there.reversed == back
    assert there.probability_above(threshold) == pytest.approx(back.probability_below(-threshold), abs=1e-12)
    assert there.probability_above(threshold) + there.probability_below(threshold) == pytest.approx(1, abs=1e-11)
    assert there.loss_of_choosing == pytest.approx(back.loss_of_keeping)
    assert there.loss_of_keeping - there.loss_of_choosing == pytest.approx(there.mean, abs=1e-12)
    assert there.lift_above(threshold) + there.lift_below(threshold) == pytest.approx(1, abs=1e-11)


@settings(max_examples=50, deadline=None)
@given(counts, counts)
def test_counting_failures_instead_of_successes_turns_the_answer_round(control: Counts, treatment: Counts) -> None:
    there = difference_of_rates(control, treatment)
    if isinstance(there, Unavailable):
        return
    back = known(
        difference_of_rates((control[1] - control[0], control[1]), (treatment[1] - treatment[0], treatment[1]))
    )
    assert there.probability_above(0.02) == pytest.approx(back.probability_below(-0.02), abs=1e-11)


@settings(max_examples=50, deadline=None)
@given(st.integers(50, 450), st.integers(50, 450))
def test_one_success_more_makes_the_treatment_likelier_better(before: int, successes: int) -> None:
    less, more = (known(difference_of_rates((before, 500), (s, 500))) for s in (successes, successes + 1))
    # Next to 1 the step is lost in rounding, and only the smaller of the two chances shows it.
    if more.probability_above() < 0.5:
        assert more.probability_above() > less.probability_above()
    else:
        assert more.probability_below() < less.probability_below()
    assert more.loss_of_choosing < less.loss_of_choosing


@settings(max_examples=40, deadline=None)
@given(counts, counts, st.sampled_from([0.5, 0.8, 0.95, 0.9999]))
def test_beyond_either_end_of_an_interval_lies_the_same_tail(
    control: Counts, treatment: Counts, confidence: float
) -> None:
    got = difference_of_rates(control, treatment)
    if isinstance(got, Unavailable):
        return
    tail = (1 - confidence) / 2
    low, high = got.interval(confidence)
    assert (got.probability_below(low), got.probability_above(high)) == pytest.approx((tail, tail), rel=1e-6, abs=0)
    low, high = got.lift_interval(confidence)
    assert (got.lift_below(low), got.lift_above(high)) == pytest.approx((tail, tail), rel=1e-6, abs=0)


def test_an_almost_certain_interval_of_a_lift_without_bounds_is_found() -> None:
    # No success in the control: its rate may be as near to 0 as it likes.
    got = known(difference_of_rates((0, 10), (1, 10), prior=(0.05, 0.05)))
    low, high = got.lift_interval(1 - 1e-6)
    assert (got.lift_below(low), got.lift_above(high)) == pytest.approx((5e-7, 5e-7), rel=1e-6, abs=0)


def test_the_interval_of_a_large_test_is_the_normal_one() -> None:
    got = known(difference_of_rates((500_000, 1_000_000), (501_000, 1_000_000)))
    assert got.interval() == pytest.approx((0.001 - 1.959964 * got.sd, 0.001 + 1.959964 * got.sd), abs=1e-8)


def test_the_chance_of_no_practical_difference_is_what_both_tails_leave() -> None:
    got = known(difference_of_rates((49, 100), (51, 100)))
    expected = got.probability_above(-0.03) - got.probability_above(0.03)
    assert probability_within(got, -0.03, 0.03) == pytest.approx(expected, abs=1e-13)


def test_an_arm_without_and_an_arm_with_only_events_can_be_compared() -> None:
    got = known(difference_of_rates((0, 100), (100, 100)))
    assert got.probability_below() == pytest.approx(exact_chance((101, 1), (1, 101)), rel=1e-9, abs=0)
    assert 0 < got.probability_below() < 1e-50


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ((0, 0), (5, 10), UnavailableReason.NO_UNITS),
        ((5, 10), (0, 0), UnavailableReason.NO_UNITS),
        ((0, 100), (0, 50), UnavailableReason.NO_VARIANCE),
        ((100, 100), (50, 50), UnavailableReason.NO_VARIANCE),
    ],
)
def test_what_cannot_be_compared_says_why(control: Counts, treatment: Counts, reason: UnavailableReason) -> None:
    got = difference_of_rates(control, treatment)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(DataError, match="successes lie between"):
        difference_of_rates((11, 10), (1, 10))
    with pytest.raises(SpecError, match="takes no side"):
        difference_of_rates((1, 10), (1, 10), prior=(0, 1))
    got = known(difference_of_rates((1, 10), (2, 10)))
    for nonsense in (math.nan, math.inf):
        with pytest.raises(SpecError, match="not a finite number"):
            got.probability_above(nonsense)
    with pytest.raises(SpecError, match="lower end comes first"):
        probability_within(got, 0.1, -0.1)


def exact_chance(control: Counts, treatment: Counts) -> float:
    """P(treatment > control) for whole a and b.

    Miller (2015), Formulas for Bayesian A/B testing: a sum over the treatment's a, here as a product of ratios in
    60 digits.
    """
    (a, b), (c, d) = control, treatment
    with localcontext() as context:
        context.prec = 60
        term = Decimal(1)
        for j in range(a):
            term *= Decimal(b + j) / Decimal(b + d + j)
        total = term
        for i in range(c - 1):
            term *= Decimal(a + i) / Decimal(a + i + b + d) * Decimal(d + i) / Decimal(1 + i)
            total += term
        return float(total)


def whole(posterior: BetaPosterior) -> Counts:
    return int(posterior.a), int(posterior.b)


def known(got: RateDifference | Unavailable) -> RateDifference:
    assert isinstance(got, RateDifference), got
    return got
