"""What another policy would have earned: three estimators, checked by hand and over every possible log."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import DataError, SpecError
from abflow.stats.off_policy import LoggedPolicy, Method, PolicyValue, policy_value
from abflow.stats.result import Unavailable, UnavailableReason

METHODS: tuple[Method, ...] = ("ipw", "self_normalised", "doubly_robust")
# Two contexts, two actions: chances of the log's policy and of the other one, and what an action earns.
LOGGED = np.array([[0.8, 0.2], [0.4, 0.6]])
TARGET = np.array([[0.3, 0.7], [0.5, 0.5]])
EARNS = np.array([[1.0, 3.0], [2.0, 5.0]])


def a_log(rows: int = 400) -> LoggedPolicy:
    """Four kinds of rows in turn; weights 2, 0.5, 1, 1.5, rewards 1, 0, 1, 0."""
    kinds = np.tile(np.arange(4), rows // 4)
    return LoggedPolicy(
        reward=np.array([1.0, 0, 1, 0])[kinds],
        propensity=np.array([0.25, 0.5, 0.5, 0.4])[kinds],
        target=np.array([0.5, 0.25, 0.5, 0.6])[kinds],
        predicted=np.array([0.5, 0.25, 0.75, 0.5])[kinds],
        predicted_target=np.array([0.6, 0.3, 0.5, 0.2])[kinds],
    )


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("ipw", 3 / 4),
        ("self_normalised", 3 / 5),
        # .6 + 2 (.5), .3 - .5 (.25), .5 + .25, .2 - 1.5 (.5): 1.975 in all.
        ("doubly_robust", 1.975 / 4),
    ],
)
def test_an_example_worked_by_hand(method: Method, value: float) -> None:
    got = valued(policy_value(a_log(), method=method))
    assert got.value == pytest.approx(value)
    assert (got.rows, got.units) == (400, 400)
    assert got.effective_rows == pytest.approx(100 * 25 / 7.5)
    assert got.largest_weight_share == pytest.approx(2 / 500)
    assert got.mean_weight == pytest.approx(1.25)


def test_the_errors_are_those_of_the_textbook() -> None:
    terms = np.tile([2.0, 0, 1, 0], 100)
    got = valued(policy_value(a_log(), method="ipw"))
    assert got.se == pytest.approx(terms.std(ddof=1) / 20)
    assert (got.upper - got.value) / got.se == pytest.approx(1.9659, abs=1e-4)  # t with 399 degrees of freedom
    # Self-normalised: residuals weighted, over the mean weight (delta method; Owen, Monte Carlo, chapter 9).
    weights, rewards = np.tile([2.0, 0.5, 1, 1.5], 100), np.tile([1.0, 0, 1, 0], 100)
    want = math.sqrt(np.sum((weights * (rewards - 0.6)) ** 2) * 400 / 399) / weights.sum()
    assert valued(policy_value(a_log(), method="self_normalised")).se == pytest.approx(want)


@pytest.mark.parametrize("method", ["ipw", "doubly_robust"])
def test_the_average_over_every_possible_log_is_the_truth(method: Method) -> None:
    # Two rows, one of each context: four logs, each with its probability. The refusal of small logs is avoided
    # by repeating a log, which changes no mean. The predictions are wrong on purpose.
    wrong = np.array([[0.0, 9.0], [4.0, 1.0]])
    average = 0.0
    for actions in itertools.product(range(2), repeat=2):
        context, action = np.array([0, 1]), np.array(actions)
        log = LoggedPolicy(
            reward=np.tile(EARNS[context, action], 300),
            propensity=np.tile(LOGGED[context, action], 300),
            target=np.tile(TARGET[context, action], 300),
            predicted=np.tile(wrong[context, action], 300),
            predicted_target=np.tile(np.sum(TARGET * wrong, axis=1), 300),
        )
        chance = float(np.prod(LOGGED[context, action]))
        average += chance * valued(policy_value(log, method=method)).value
    assert average == pytest.approx(np.sum(TARGET * EARNS) / 2)


@given(st.integers(0, 2**32), st.integers(100, 500))
def test_the_logs_own_policy_earned_what_it_earned(seed: int, rows: int) -> None:
    rewards = np.random.default_rng(seed).normal(size=rows)
    chances = np.linspace(0.1, 0.9, len(rewards))
    log = LoggedPolicy(reward=rewards, propensity=chances, target=chances)
    for method in METHODS[:2]:
        got = valued(policy_value(log, method=method))
        assert got.value == pytest.approx(np.mean(rewards), abs=1e-9)
        assert got.se == pytest.approx(np.std(rewards, ddof=1) / math.sqrt(len(rewards)))
        assert got.effective_rows == pytest.approx(len(rewards))
        assert got.cautions == ()


def test_perfect_predictions_leave_only_the_difference_between_contexts() -> None:
    rng = np.random.default_rng(3)
    context = rng.integers(2, size=1000)
    action = (rng.random(1000) > LOGGED[context, 0]).astype(int)
    log = LoggedPolicy(
        reward=EARNS[context, action],
        propensity=LOGGED[context, action],
        target=TARGET[context, action],
        predicted=EARNS[context, action],
        predicted_target=np.sum(TARGET * EARNS, axis=1)[context],
    )
    assert valued(policy_value(log, method="doubly_robust")).value == pytest.approx(
        float(np.sum(TARGET * EARNS, axis=1)[context].mean())
    )
    assert valued(policy_value(log, method="doubly_robust")).se < valued(policy_value(log, method="ipw")).se / 3


@pytest.mark.parametrize("method", METHODS)
def test_rewards_in_another_currency_scale_the_value(method: Method) -> None:
    log = a_log()
    scaled = LoggedPolicy(
        reward=1000 * np.asarray(log.reward),
        propensity=log.propensity,
        target=log.target,
        predicted=1000 * np.asarray(log.predicted),
        predicted_target=1000 * np.asarray(log.predicted_target),
    )
    plain, got = valued(policy_value(log, method=method)), valued(policy_value(scaled, method=method))
    assert (got.value, got.se, got.lower) == pytest.approx((1000 * plain.value, 1000 * plain.se, 1000 * plain.lower))


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_a_units_rows_are_no_news(method: Method) -> None:
    # Every row twice, both of one unit: the same value and, seen by unit, the same error.
    log = a_log()
    twice = replace(
        log,
        **{
            name: np.repeat(np.asarray(getattr(log, name)), 2)
            for name in ("reward", "propensity", "target", "predicted", "predicted_target")
        },
        unit=[f"user {i // 2}" for i in range(800)],
    )
    plain, got = valued(policy_value(log, method=method)), valued(policy_value(twice, method=method))
    assert (got.rows, got.units) == (800, 400)
    assert (got.value, got.se) == pytest.approx((plain.value, plain.se))
    by_row = valued(policy_value(replace(twice, unit=None), method=method))
    assert by_row.se == pytest.approx(plain.se / math.sqrt(2), rel=0.01)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("propensity", 0.0, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("propensity", -0.2, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("propensity", 1.2, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("propensity", math.nan, UnavailableReason.NOT_FINITE),
        ("propensity", 5e-324, UnavailableReason.NOT_FINITE),
        ("target", 1.2, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("target", -0.1, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("target", math.nan, UnavailableReason.NOT_FINITE),
        ("reward", math.inf, UnavailableReason.NOT_FINITE),
        ("predicted", math.nan, UnavailableReason.NOT_FINITE),
        ("predicted_target", math.nan, UnavailableReason.NOT_FINITE),
    ],
)
def test_one_impossible_row_is_named_and_no_number_given(column: str, value: float, reason: UnavailableReason) -> None:
    log = a_log()
    broken = np.array(getattr(log, column))
    broken[17] = value
    got = policy_value(replace(log, **{column: broken}), method="doubly_robust")
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert "infinite" in got.detail or "1 of 400 rows" in got.detail


def test_a_missing_propensity_is_not_a_propensity() -> None:
    got = policy_value(LoggedPolicy(reward=[1.0] * 200, propensity=np.array([None] * 200), target=[0.5] * 200))
    assert isinstance(got, Unavailable)
    assert "200 of 200 rows have a missing or infinite propensity" in got.detail


@pytest.mark.parametrize(
    ("log", "reason", "words"),
    [
        (LoggedPolicy(reward=[], propensity=[], target=[]), UnavailableReason.NO_UNITS, "no rows"),
        (a_log(116), UnavailableReason.METHOD_NOT_VALID_HERE, "like 96.7 about"),
        (
            LoggedPolicy(reward=np.arange(500), propensity=np.full(500, 0.5), target=np.zeros(500)),
            UnavailableReason.METHOD_NOT_VALID_HERE,
            "like 0.0 about",
        ),
        (replace(a_log(), unit=np.arange(400) // 50), UnavailableReason.TOO_FEW_UNITS, "8 units"),
        (replace(a_log(), reward=np.ones(400)), UnavailableReason.NO_VARIANCE, "earned the same"),
    ],
)
def test_a_log_that_says_too_little_is_refused(log: LoggedPolicy, reason: UnavailableReason, words: str) -> None:
    got = policy_value(log)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert words in got.detail


def test_wrong_propensities_come_with_a_caution() -> None:
    assert any("instead of 1" in found for found in valued(policy_value(a_log(2000))).cautions)


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="one number per row"):
        policy_value(replace(a_log(), target=[0.5] * 399))
    with pytest.raises(DataError, match="one number per row"):
        policy_value(replace(a_log(), unit=[1] * 5))
    with pytest.raises(DataError, match="predicted and predicted_target"):
        policy_value(replace(a_log(), predicted=None), method="doubly_robust")
    with pytest.raises(SpecError, match=r"write 0\.95"):
        policy_value(a_log(), confidence=0.05)


def valued(got: PolicyValue | Unavailable) -> PolicyValue:
    assert isinstance(got, PolicyValue), got
    return got
