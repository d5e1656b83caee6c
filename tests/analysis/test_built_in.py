"""The built-in guardrail before and after the test: sized where it can be, and never in the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abflow.analysis.aa import aa_checks
from abflow.analysis.compare import compare
from abflow.analysis.gates import GateStatus, Status, judge
from abflow.analysis.plan_table import plan_table
from abflow.analysis.population import Measured
from abflow.analysis.readout import Word
from abflow.analysis.sizing import Sizing, size_test
from abflow.analysis.wording import role
from abflow.spec.calendar import GateName, Period, Phase
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.quantile_rows import quantile_rows_of
from abflow.stats.result import Unavailable
from tests.analysis.experiments import BOUGHT, FIRST, arms_of, cohort, measured, population_of, rate, spec_of

WEEK = Period(Phase.AA, FIRST, 7, 7)
STEADY = tuple(cohort(name, 1000, day=day) for day in range(1, 8) for name in ("old", "new"))
LATENCY: dict[str, Any] = {
    "role": "guardrail",
    "kind": "quantile",
    "value": "latency_ms",
    "q": 0.9,
    "direction": "decrease",
    "margin": {"relative": 0.1},
}
SPEC = spec_of({"bought": BOUGHT, "latency": LATENCY})
UNITS = 5000


def failing(share: float) -> list[Measured]:
    """Ten calls of every unit, in both arms."""
    found = []
    for seed, name in enumerate(("old", "new")):
        failed = np.random.default_rng(seed).binomial(10, share, UNITS)
        pair = joint_moments_of(failed, np.full(UNITS, 10))
        seen = int(np.count_nonzero(failed))
        found.append(measured("error_rate", name, pair.linearised(), pair=pair, non_zero=seen))
    return found


def others() -> list[Measured]:
    rng = np.random.default_rng(3)
    rows = quantile_rows_of([(np.arange(UNITS), rng.lognormal(4, 0.5, UNITS)) for _ in range(2)], 0.9)
    assert not isinstance(rows, Unavailable)
    latency = [
        measured("latency", name, moments_of(np.ones(UNITS)), rows=each, non_zero=500)
        for name, each in zip(("old", "new"), rows, strict=True)
    ]
    return [*arms_of("bought", rate(500, UNITS), rate(500, UNITS)), *latency]


def sized(*error_rate: Measured) -> Sizing:
    return size_test(SPEC, population_of(*others(), *error_rate, cohorts=STEADY), WEEK, days=14)


def test_it_takes_part_in_the_size_where_the_aa_phase_has_measured_it() -> None:
    sizing = sized(*failing(0.01))
    assert [asked.question.name for asked in sizing.asked] == ["bought", "latency", "error_rate"]
    assert {check.status for check in sizing.checks} == {Status.PASS}


def test_a_service_that_hardly_fails_may_begin_its_test() -> None:
    sizing = sized(*failing(0.0001))
    assert [asked.question.name for asked in sizing.asked] == ["bought", "latency"]
    assert sizing.needed
    left_out = sizing.checks[-1]
    assert left_out.status is Status.NOT_CHECKED
    assert left_out.sentence.startswith(
        "error_rate is built in and takes no part in the size: the A/A phase has 10 000"
    )
    assert judge(GateName.SIZING, sizing.checks, data_through=FIRST, passed="").status is GateStatus.PASS
    plan = plan_table(SPEC, sizing)
    assert plan.missing == ()
    assert left_out.sentence in plan.sentences


def test_what_somebody_wrote_down_must_be_sized() -> None:
    own = {"role": "guardrail", "kind": "ratio", "numerator": "failed_exposures", "denominator": "exposures"}
    spec = spec_of(
        {"bought": BOUGHT, "error_rate": own | {"direction": "decrease", "margin": {"absolute": 0.005}}},
    )
    sizing = size_test(spec, population_of(*others(), *failing(0.0001), cohorts=STEADY), WEEK, days=14)
    assert sizing.checks[0].status is Status.INSUFFICIENT


@pytest.mark.parametrize(("share", "status"), [(0.01, Status.PASS), (0.0, Status.NOT_CHECKED)])
def test_calls_that_never_fail_do_not_keep_the_aa_gate_shut(share: float, status: Status) -> None:
    population = population_of(*others(), *failing(share), cohorts=STEADY)
    checks = {check.name: check for check in aa_checks(SPEC, population)}
    assert checks["A/A difference of error_rate, new"].status is status
    assert judge(GateName.AA, tuple(checks.values()), data_through=FIRST, passed="").status is GateStatus.PASS


@pytest.mark.parametrize(("extra", "word"), [(0.0, Word.SAFE), (0.02, Word.HARMED)])
def test_the_readout_says_that_it_is_built_in(extra: float, word: Word) -> None:
    old, _ = failing(0.01)
    _, new = failing(0.01 + extra)
    found = compare(SPEC, population_of(*others(), old, new), contamination="exclude")
    told = next(comparison for comparison in found if comparison.metric == "error_rate")
    assert told.word is word
    assert told.notes == ("Built in: failed calls have no latency, so their rate is always tested beside it.",)
    assert role(SPEC.metrics["error_rate"]) == "built-in guardrail"
    assert role(SPEC.metrics["latency"]) == "guardrail"


def test_no_failed_call_at_all_is_within_the_margin_once_there_are_units_enough() -> None:
    # Wilson's upper end for none of n is z²/(n + z²), z = 1.645: below 0.5 % from 539 units on.
    words = []
    for units in (538, 539):
        pair = joint_moments_of(np.zeros(units), np.full(units, 10))
        arms = [measured("error_rate", name, moments_of(np.zeros(units)), pair=pair) for name in ("old", "new")]
        found = compare(SPEC, population_of(*others(), *arms), contamination="exclude")
        words.append(next(comparison for comparison in found if comparison.metric == "error_rate").word)
    assert words == [Word.UNCLEAR, Word.SAFE]
