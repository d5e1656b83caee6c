"""What the experiment file must say for a method that looks early."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from abflow.spec.calendar import Step, calendar_of, look_days, steps_due
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, SPENT, spec_of

WINDOWED = BOUGHT | {"window_days": 3}
PHASES: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"start": "2026-10-01", "days": 7},
    "test": {"enroll_days": 14, "days": 21},
}


def planned(metric: dict[str, Any] = WINDOWED, **changes: Any) -> ExperimentSpec:
    analysis = changes.pop("analysis")
    return spec_of({"bought": metric}, analysis=analysis, **({"phases": PHASES} | changes))


@pytest.mark.parametrize(
    ("analysis", "looks"),
    [
        ({"method": "fixed_horizon"}, (21,)),
        ({"method": "group_sequential", "looks": [7, 14]}, (7, 14, 21)),
        ({"method": "bayesian"}, (21,)),
        ({"method": "bayesian", "looks": [14]}, (14, 21)),
        ({"method": "always_valid"}, tuple(range(1, 22))),
        ({"method": "sprt"}, tuple(range(1, 22))),
    ],
)
def test_the_days_on_which_the_primary_is_read(analysis: dict[str, Any], looks: tuple[int, ...]) -> None:
    spec = planned(analysis=analysis)
    assert spec.looks == looks
    calendar = calendar_of(spec)
    days = look_days(spec, calendar)
    assert [calendar.test.number_of(day) for day in days] == list(looks)
    read = [day for day in calendar.test.days_through(calendar.last) if Step.ANALYZE in steps_due(spec, day)]
    assert tuple(read) == days


@pytest.mark.parametrize(
    ("analysis", "why"),
    [
        ({"method": "group_sequential"}, "analysis.looks: is missing"),
        ({"method": "group_sequential", "looks": [14, 7]}, "in their order"),
        ({"method": "group_sequential", "looks": [7, 7]}, "in their order"),
        ({"method": "group_sequential", "looks": [7, 21]}, "all before its last, 21"),
        ({"method": "fixed_horizon", "looks": [7]}, "read once, at its horizon: remove it"),
        ({"method": "always_valid", "looks": [7]}, "read every day: remove it"),
        ({"method": "fixed_horizon", "prior": {"lift_sd": 0.05}}, "prior: is for method bayesian"),
    ],
)
def test_looks_and_priors_belong_to_their_methods(analysis: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        planned(analysis=analysis)


@pytest.mark.parametrize("analysis", [{"method": "sprt"}, {"method": "group_sequential", "looks": [7]}])
def test_a_method_that_counts_mature_units_needs_a_window(analysis: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"metrics\.bought\.window_days: is missing"):
        planned(BOUGHT, analysis=analysis)
    assert planned(BOUGHT, analysis={"method": "always_valid"}).looks


def test_a_likelihood_ratio_needs_an_effect_to_weigh_whatever_the_preset() -> None:
    lossless = {name: value for name, value in WINDOWED.items() if name != "mde"} | {"margin": {"relative": -0.02}}
    assert planned(lossless, analysis={"method": "always_valid", "preset": "do_no_harm"})
    with pytest.raises(ValidationError, match=r"metrics\.bought\.mde: is missing; sprt weighs"):
        planned(lossless, analysis={"method": "sprt", "preset": "do_no_harm"})


def test_a_percentile_cap_moves_from_look_to_look() -> None:
    capped = SPENT | {"cap": "p99", "window_days": 3}
    with pytest.raises(ValidationError, match="always_valid needs a value"):
        planned(capped, analysis={"method": "always_valid"})
    assert planned(capped, analysis={"method": "bayesian"}).looks == (21,)  # read once, so nothing moves
    assert planned(capped | {"cap": 100.0}, analysis={"method": "always_valid"})


def test_somebody_must_know_how_many_units_come() -> None:
    blind = PHASES | {"aa": {"skip": "trusted"}, "test": PHASES["test"] | {"start": "2026-10-08"}}
    sizing: dict[str, Any] = {"skip": "we only look"}
    with pytest.raises(ValidationError, match="nothing says how many come"):
        planned(analysis={"method": "always_valid"}, phases=blind, sizing=sizing)
    declared = {"value": 0.1, "units_per_day": 500, "source": "last year"}
    assert planned(analysis={"method": "always_valid"}, phases=blind, sizing=sizing | {"baseline": declared})


def test_several_controls_are_no_treatments() -> None:
    spec = spec_of(arms=2, control=["old", "new"])
    assert (spec.control_name, spec.controls, spec.treatments) == ("old", ("old", "new"), ("newer",))
    assert spec.arm_alpha == 0.05


def test_exposures_of_a_ratio_are_counted() -> None:
    ratio = {"role": "secondary", "kind": "ratio", "numerator": "click", "denominator": "exposures"}
    spec_of({"bought": BOUGHT, "ctr": ratio})
    with pytest.raises(ValidationError, match="exposures are counted"):
        spec_of({"bought": BOUGHT, "ctr": ratio | {"denominator_value": "value"}})


@pytest.mark.parametrize(
    ("metrics", "analysis", "why"),
    [
        ({"bought": WINDOWED}, {"method": "sprt"}, r"analysis\.method: sprt takes the shares of the arms for fixed"),
        ({"bought": WINDOWED}, {"method": "bayesian"}, "by batched OLS over the days of entry: remove it"),
        ({"bought": WINDOWED}, {"cuped": {"days": 7}}, r"analysis\.cuped: takes history off all days together"),
        (
            {
                "latency": {"kind": "quantile", "value": "latency_ms", "q": 0.95, "role": "primary"}
                | {"mde": {"relative": -0.1}, "direction": "decrease", "why": "speed is the question"}
            },
            {},
            r"metrics\.latency: is of kind quantile, which has no value per unit",
        ),
    ],
)
def test_units_dealt_by_results_are_read_in_one_way_only(
    metrics: dict[str, Any], analysis: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        spec_of(metrics, analysis=analysis, phases=PHASES, allocation="thompson")
    assert spec_of({"bought": WINDOWED}, phases=PHASES, allocation="thompson").looks == (21,)
