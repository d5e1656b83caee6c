"""A plan played through, against the power that its formulas promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abflow.analysis import played_course
from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import Arms
from abflow.analysis.measurement import Assumed, Assumptions
from abflow.analysis.plan_table import plan_table
from abflow.analysis.played_decision import PlayedDecision, deciding, play_decision, played_in_words
from abflow.analysis.population import Population
from abflow.analysis.sizing import Sizing, size_test
from abflow.analysis.unit_records import UnitRecords
from abflow.errors import NotEnoughData, SpecError
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, spec_of

PHASES: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"skip": "its units are given"},
    "test": {"start": "2026-10-01", "enroll_days": 14, "days": 15},
}
RATE = BOUGHT | {"window_days": 1, "mde": {"absolute": 0.03}}
AMOUNT = SPENT | {"window_days": 1, "mde": {"relative": 0.06}}
SAFE = ERRORS | {"window_days": 1, "margin": {"absolute": 0.02}}
LATENCY: dict[str, Any] = {"kind": "quantile", "value": "latency_ms", "q": 0.95, "direction": "decrease"}
RUNS = 200


def world() -> dict[str, Any]:
    """Units of an A/A phase."""
    rng = np.random.default_rng(5)
    bought = (rng.random(20_000) < 0.2).astype(float)
    return {
        "bought": bought,
        "spent": rng.gamma(4.0, 5.0, 20_000),
        "errors": (rng.random(20_000) < 0.05).astype(float),
        "error_rate": np.column_stack([rng.random(20_000) < 0.002, np.ones(20_000)]),
    }


VALUES = world()
RECORDS = {name: UnitRecords(numbers=values) for name, values in VALUES.items()}


def planned(metrics: dict[str, Any], **changes: Any) -> ExperimentSpec:
    return spec_of(metrics, **({"phases": PHASES} | changes))


def sized(spec: ExperimentSpec, *, share: float = 1.0) -> Sizing:
    """As many units come as the decision needs, or a share of them."""
    known = {
        name: Assumed(mean=float(values.mean()), sd=None if set(values) <= {0.0, 1.0} else float(values.std()))
        for name, values in VALUES.items()
        if name in spec.metrics
    }

    def at(per_day: float) -> Sizing:
        return size_test(spec, None, None, days=15, assumed=Assumptions(baselines=known, units_per_day=per_day))

    needed = at(1.0).needed
    assert needed is not None
    return at(share * needed / 14)


def played(spec: ExperimentSpec, sizing: Sizing, *, runs: int = RUNS, seed: int = 1) -> PlayedDecision:
    return play_decision(spec, sizing, RECORDS, runs=runs, seed=seed)


@pytest.mark.parametrize(
    ("metrics", "analysis", "least", "most"),
    [
        ({"bought": RATE}, {}, 0.80, 0.80),
        ({"spent": AMOUNT}, {}, 0.80, 0.80),
        ({"bought": RATE, "errors": SAFE}, {}, 0.80, 0.90),  # the formula adds up misses that also fall together
        ({"bought": RATE}, {"method": "group_sequential", "looks": [6, 11]}, 0.80, 0.80),
        ({"bought": RATE}, {"method": "always_valid"}, 0.80, 0.90),  # sized for the last day alone
        ({"bought": RATE | {"margin": {"absolute": -0.02}}}, {"preset": "do_no_harm"}, 0.80, 0.80),
    ],
    ids=["rate", "mean", "guarded", "group_sequential", "always_valid", "do_no_harm"],
)
def test_with_the_units_it_needs_a_plan_keeps_the_power_that_its_formulas_promise(
    metrics: dict[str, Any], analysis: dict[str, Any], least: float, most: float
) -> None:
    spec = planned(metrics, analysis=analysis)
    runs = 80 if analysis.get("looks") else RUNS  # its bounds take an integral at every look
    found = played(spec, sized(spec), runs=runs).power
    # A power that is right lies in its interval of three standard errors all but once in 400 times.
    slack = 3 * (0.8 * 0.2 / runs) ** 0.5
    assert least - slack < found.power < most + slack


def test_a_test_that_is_too_small_wins_less_often_than_its_primary_alone_would() -> None:
    spec = planned({"bought": RATE})
    half = played(spec, sized(spec, share=0.5))
    # Half the units find the mde 51 % of the time, and rule A5 holds back what p >= 0.001 does not carry.
    assert half.power.power < 0.35


def test_a_look_reads_the_units_that_are_mature_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = planned({"bought": RATE}, analysis={"method": "group_sequential", "looks": [5, 11]})
    sizing = sized(spec, share=0.1)  # too few to end it early
    seen: list[int] = []

    def counted(spec: ExperimentSpec, arms: Arms) -> Population:
        seen.append(sum(len(columns["bought"]) for columns in arms.values()))
        return population_of(spec, arms)

    monkeypatch.setattr(played_decision, "population_of", counted)
    units = played(spec, sizing, runs=1).units
    # Units enter for 14 days, and their window is a day.
    assert seen == pytest.approx([units * 4 / 14, units * 10 / 14, units], abs=1)


def test_the_same_seed_counts_the_same() -> None:
    spec = planned({"bought": RATE})
    sizing = sized(spec)
    first, again, other = (played(spec, sizing, runs=40, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.power.hits != other.power.hits


def test_of_several_arms_the_one_with_the_fewest_units_gets_the_effect() -> None:
    variants = {"old": {"weight": 2}, "new": {"weight": 2}, "newer": {"weight": 1}}
    spec = planned({"bought": RATE}, variants=variants)
    found = played(spec, sized(spec), runs=100)
    assert found.arm == "newer"
    assert found.power.power == pytest.approx(0.8, abs=0.13)


def test_what_cannot_be_played_is_said() -> None:
    slow = LATENCY | {"role": "guardrail", "margin": {"relative": 0.1}}
    spec = planned(
        {"bought": RATE, "latency": slow, "spent": SPENT | {"role": "secondary"}}, analysis={"cuped": {"days": 14}}
    )
    assert list(playable(spec).metrics) == ["bought", "error_rate"]  # a secondary never decides
    assert list(
        playable(planned({"bought": RATE, "spent": AMOUNT | {"role": "secondary"}}, analysis={"family": "all"})).metrics
    ) == ["bought", "spent"]
    alone = planned({"bought": RATE})
    found = play_decision(spec, sized(alone), VALUES, runs=20, seed=1)
    assert found.left_out == ("latency, a quantile of rows", "CUPED")
    told = played_in_words(spec, found, formula=0.8)
    assert told.endswith("the formulas say at least 80 %. Not played: latency, a quantile of rows and CUPED.")


def test_the_sentence_says_what_was_played_and_what_was_promised() -> None:
    spec = planned({"bought": RATE})
    sizing = sized(spec)
    found = played(spec, sizing, runs=50)
    told = played_in_words(spec, found, formula=plan_table(spec, sizing).power_with_expected)
    assert told.startswith("Played through 50 times with ")
    assert "drawn from 20 000 of the A/A phase: when new has the planned effect on bought, it is promoted " in told
    assert told.endswith("the formulas say at least 80 %.")
    assert played_in_words(spec, found, formula=None).endswith("the formulas give no power.")


def test_a_plan_without_a_value_per_unit_or_without_units_is_refused() -> None:
    spec = planned(
        {"latency": LATENCY | {"role": "primary", "mde": {"relative": -0.1}, "why": "speed is the question"}}
    )
    with pytest.raises(SpecError, match="latency is a quantile of rows"):
        playable(spec)
    spec = planned({"bought": RATE})
    nobody = size_test(spec, None, None, days=15)
    with pytest.raises(NotEnoughData, match="nobody knows how many units come"):
        played(spec, nobody)
