"""Harm before the cut-off: found by a bound for every look, and told without the primary's numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from abflow.analysis.gates import Status
from abflow.analysis.harm import Harm, find_harm, harm_check
from abflow.analysis.population import Measured
from abflow.analysis.verdict import Decision, stopped_for_harm
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.confidence_sequence import one_sided_multiplier
from abflow.stats.moments import Moments
from tests.analysis.experiments import ERRORS, FIRST, SPENT, arms_of, population_of, rate, spec_of

N = 5000  # per arm; with units of sd 50 the standard error of a difference is 1


def spend(*effects: float) -> tuple[Measured, ...]:
    return arms_of("spent", *(Moments(n=N, mean=100.0 + moved, m2=2500.0 * (N - 1)) for moved in (0.0, *effects)))


def found(spec: ExperimentSpec, *measured: Measured, **changes: Any) -> tuple[Harm, ...]:
    arms = len(spec.variants)
    return find_harm(spec, population_of(*measured), day=4, planned=arms * N, **changes)


def test_a_primary_that_is_worse_at_all_is_harm() -> None:
    spec = spec_of({"spent": SPENT})
    border = one_sided_multiplier(2 * N, alpha=0.05, planned=2 * N)
    assert found(spec, *spend(-border * 0.999)) == ()
    (harm,) = found(spec, *spend(-border * 1.01))
    assert (harm.arm, harm.metric, harm.day, harm.limit) == ("new", "spent", 4, "old")
    assert harm.beyond == pytest.approx(0.01 * border, rel=0.01)
    assert harm.sentence == (
        f"Stopped on day 4 for harm: spent of new is worse than old by at least {harm.beyond:.4g}, "
        "a bound that holds at every daily look."
    )


def test_a_guardrail_is_harmed_beyond_its_margin_and_shares_the_error_with_the_primary() -> None:
    spec = spec_of({"spent": SPENT, "errors": ERRORS})
    se = math.sqrt(2 * 0.05 * 0.95 / N)
    border = one_sided_multiplier(2 * N, alpha=0.025, planned=2 * N)
    margin = 0.005
    near, far = 0.05 + margin + border * se * 0.9, 0.05 + margin + border * se * 1.15
    quiet = found(spec, *spend(0.0), *arms_of("errors", rate(250, N), rate(round(near * N), N)))
    (harm,) = found(spec, *spend(0.0), *arms_of("errors", rate(250, N), rate(round(far * N), N)))
    assert quiet == ()
    assert (harm.metric, harm.limit) == ("errors", "the 0.50 pp allowed")


def test_better_is_never_harm_where_less_is_better() -> None:
    spec = spec_of({"spent": SPENT | {"direction": "decrease", "mde": {"absolute": -2.0}}})
    assert found(spec, *spend(-9.0)) == ()
    assert [harm.metric for harm in found(spec, *spend(9.0))] == ["spent"]


def test_each_arm_is_told_once_and_a_dropped_arm_not_again() -> None:
    spec = spec_of({"spent": SPENT}, arms=2)
    assert [harm.arm for harm in found(spec, *spend(-9.0, -9.0))] == ["new", "newer"]
    assert [harm.arm for harm in found(spec, *spend(-9.0, -9.0), dropped={"new"})] == ["newer"]


def test_nothing_is_said_before_the_sequence_begins() -> None:
    few = arms_of("spent", *(Moments(n=99, mean=100.0 + moved, m2=2500.0 * 98) for moved in (0.0, -90.0)))
    assert found(spec_of({"spent": SPENT}), *few) == ()


def test_the_page_says_that_no_harm_was_found_and_not_how_the_primary_does() -> None:
    quiet = harm_check(found(spec_of({"spent": SPENT}), *spend(-1.0)))
    assert (quiet.status, quiet.sentence, quiet.numbers) == (Status.PASS, "No harm found.", {})
    assert harm_check(found(spec_of({"spent": SPENT}), *spend(-9.0))).status is Status.WARN


def test_the_verdict_tells_every_arm_and_keeps_control() -> None:
    spec = spec_of({"spent": SPENT}, arms=2)
    harms = found(spec, *spend(-9.0, -9.0))
    verdict = stopped_for_harm(spec, harms, on=FIRST, spec_sha256="1f", continued={"sizing": "why"})
    assert (verdict.decision, verdict.rule, verdict.winner, verdict.ends) == (Decision.STOP, "V2", None, True)
    assert [arm.rule for arm in verdict.arms] == ["V2", "V2"]
    assert verdict.sentence.endswith("old stays.")
