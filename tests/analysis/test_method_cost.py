"""What a plan's method costs in units."""

from __future__ import annotations

from typing import Any

import pytest

from abflow.analysis.method_cost import MethodCost, cost_of_a_gain, cost_of_a_margin
from abflow.analysis.posterior_plan import posterior_plan
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.group_sequential import evenly
from abflow.stats.posterior_prospects import promotion_rate
from abflow.stats.result import Unavailable, UnavailableReason
from tests.analysis.experiments import BOUGHT, ERRORS, FIRST, spec_of

WINDOWED = BOUGHT | {"window_days": 1}
PHASES = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"start": FIRST, "days": 7},
    "test": {"enroll_days": 28, "days": 30},
}
Z = 1.959964 + 0.841621


def read_by(method: str, **analysis: Any) -> ExperimentSpec:
    return spec_of({"bought": WINDOWED, "errors": ERRORS}, phases=PHASES, analysis={"method": method} | analysis)


def cost(spec: ExperimentSpec, looks: int = 1) -> MethodCost:
    found = cost_of_a_gain(spec, evenly(looks), mean=0.1, effect=0.02)
    assert not isinstance(found, Unavailable), found
    return found


def test_one_look_costs_nothing() -> None:
    for method in ("fixed_horizon", "bayesian"):
        assert cost(read_by(method)) == MethodCost(factor=1.0, words="is read once")


@pytest.mark.parametrize(("method", "factor"), [("always_valid", 1.92), ("sprt", 1.6)])
def test_a_test_read_every_day_takes_more_units(method: str, factor: float) -> None:
    assert cost(read_by(method), looks=30) == MethodCost(factor=factor, words="may be read every day")


def test_obrien_fleming_costs_two_percent_at_four_looks() -> None:
    # SAS SEQDESIGN prints 1.0222 for O'Brien-Fleming's own bounds at power 0.90; the spending function is close.
    found = cost(read_by("group_sequential", looks=[8, 15, 22], power=0.9), looks=4)
    assert found.factor == pytest.approx(1.02, abs=0.005)
    assert found.words == "has 4 looks"


@pytest.mark.parametrize(
    ("looks", "inflation"),
    [(2, 1.110), (3, 1.166), (4, 1.202), (5, 1.229)],
)
def test_a_posterior_read_often_costs_pococks_inflation_and_a_little_for_leaving_early(
    looks: int, inflation: float
) -> None:
    # Jennison, Turnbull (2000), table 2.2: Pocock's maximum sample size at alpha 0.05 and power 0.8.
    spec = read_by("bayesian", looks=[5, 10, 15, 20][: looks - 1])
    found = cost(spec, looks=looks).factor
    assert inflation <= found <= 1.04 * inflation


@pytest.mark.parametrize("lift_sd", [None, 0.2, 0.05])
@pytest.mark.parametrize("looks", [(), (10, 20)])
def test_the_posteriors_units_give_its_rule_the_power(lift_sd: float | None, looks: tuple[int, ...]) -> None:
    prior = {} if lift_sd is None else {"prior": {"lift_sd": lift_sd}}
    spec = read_by("bayesian", **({"looks": list(looks)} if looks else {}), **prior)
    fractions = evenly(len(spec.looks))
    factor = cost(spec, looks=len(fractions)).factor
    plan = posterior_plan(spec, fractions, mean=0.1, effect=0.02, se=0.02 / (Z * factor**0.5))
    assert promotion_rate(plan, effect=0.02) == pytest.approx(0.8, abs=1e-6)
    assert promotion_rate(plan, effect=0.0) <= 0.025 + 1e-9


def test_a_prior_that_believes_in_nothing_says_so() -> None:
    spec = read_by("bayesian", looks=[10, 20], prior={"lift_sd": 0.0001})
    found = cost_of_a_gain(spec, evenly(3), mean=0.1, effect=0.02)
    assert isinstance(found, Unavailable)
    assert found.reason is UnavailableReason.METHOD_NOT_VALID_HERE
    assert "lifts of 0 ± 0.01 %" in found.detail


def test_guardrails_of_a_test_that_may_end_early_pay_for_their_own_sequences() -> None:
    guardrail = read_by("fixed_horizon").metrics["errors"]
    assert cost_of_a_margin(read_by("fixed_horizon"), guardrail, alpha=0.05).factor == 1
    assert cost_of_a_margin(read_by("bayesian"), guardrail, alpha=0.05).factor == 1
    for spec in (
        read_by("always_valid"),
        read_by("sprt"),
        read_by("group_sequential", looks=[15]),
        read_by("bayesian", looks=[15]),
    ):
        found = cost_of_a_margin(spec, guardrail, alpha=0.05)
        assert found.factor == pytest.approx(2.12, abs=0.005)
        assert found.words == "may be shown at every look"


def test_a_posterior_judges_its_own_primary_by_the_same_probability_at_every_look() -> None:
    primary = WINDOWED | {"margin": {"absolute": -0.01}}
    spec = spec_of(
        {"bought": primary},
        phases=PHASES,
        analysis={"method": "bayesian", "looks": [15], "preset": "do_no_harm"},
    )
    assert cost_of_a_margin(spec, spec.primary, alpha=0.05).factor == 1
