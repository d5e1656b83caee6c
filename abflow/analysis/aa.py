"""The A/A check: do assignment, logging and metrics tell the truth while everybody gets the same?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.compare import difference
from abflow.analysis.gates import Check, Status
from abflow.analysis.looks import arm_shares
from abflow.analysis.population import Population
from abflow.analysis.wording import count, effect, p_value
from abflow.spec.built_in import is_built_in
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, ProportionMetric, QuantileMetric, RatioMetric
from abflow.stats.multiplicity import holm
from abflow.stats.rerandomisation import Rerandomised, rerandomised_aa
from abflow.stats.result import Unavailable, UnavailableReason

MetricValues = Callable[[str], NDArray[np.float64]]  # one row per unit; a ratio's numerator and denominator

MIN_UNITS_PER_ARM = 100
FAIL, WARN = 0.01, 0.05
# Of 1 000 splits of equal arms: 79 or more happen to a true rate of 6 % once in a hundred, and 36 to 64 are what a
# true rate of 5 % gives 95 times in a hundred.
TOO_MANY, FEWEST_USUAL, MOST_USUAL = 79, 36, 64
UNIFORMITY_WARN = 0.001
SEED = 1  # any: the same units give the same answer
SAID = {
    Status.FAIL: "differs although both got the same",
    Status.WARN: "differs a little more than chance usually does",
    Status.PASS: "shows no difference",
}
LIMITS_OF_AA = (
    "An A/A check cannot reveal that the unit itself is wrong (randomised by market, analysed by user), nor that "
    "units influence one another."
)


def aa_checks(spec: ExperimentSpec, population: Population, *, values: MetricValues | None = None) -> tuple[Check, ...]:
    """Enough units, no difference in any metric where there can be none, and tests that err as often as they say.

    Args:
        spec: The experiment.
        population: The A/A units with their moments.
        values: Fetches what every mature unit did, all arms together, so that they can be dealt anew; None leaves
            that out.
    """
    rerandomised = _rerandomised(spec, values) if values else ()
    return (_enough_units(spec, population), *_differences(spec, population), *rerandomised)


def _enough_units(spec: ExperimentSpec, population: Population) -> Check:
    units = population.units()
    smallest = min(units.get(variant, 0) for variant in spec.variants)
    enough = smallest >= MIN_UNITS_PER_ARM
    return Check(
        name="A/A units",
        status=Status.PASS if enough else Status.INSUFFICIENT,
        sentence=f"The smallest variant has {count(smallest)} A/A units; {MIN_UNITS_PER_ARM} are needed.",
        numbers={"units": float(smallest)},
    )


def _rerandomised(spec: ExperimentSpec, values: MetricValues) -> Iterable[Check]:
    """How often the test of a metric that decides calls the same units different, dealt to the arms 1 000 times."""
    shares = tuple(arm_shares(spec).values())
    for name, metric in spec.metrics.items():
        if not metric.role.decides:
            continue
        found = rerandomised_aa(_kind(metric), values(name), shares, seed=SEED)
        if isinstance(found, Unavailable):
            yield Check(
                name=f"re-randomised {name}",
                status=Status.NOT_CHECKED,
                sentence=f"{name} could not be re-randomised: {found.detail}.",
            )
            continue
        for arm, told in zip(spec.treatments, found, strict=True):
            yield _false_positives(name, arm, told)


def _false_positives(name: str, arm: str, told: Rerandomised) -> Check:
    rejected, uneven = told.rejections, told.uniformity_p < UNIFORMITY_WARN
    usual = FEWEST_USUAL <= rejected <= MOST_USUAL
    status = Status.FAIL if rejected >= TOO_MANY else Status.PASS if usual and not uneven else Status.WARN
    words = "far too often" if status is Status.FAIL else "about as often as it says" if usual else "unusually often"
    if rejected < FEWEST_USUAL:
        words = "unusually seldom"
    sentence = (
        f"Dealt anew {told.draws} times, the test of {name} ({arm}) rejects {words}: {rejected} times at 5 %."
        + (" Its p-values are not uniform." if uneven else "")
    )
    numbers = {"rejections": float(rejected), "uniformity_p_value": told.uniformity_p}
    return Check(name=f"re-randomised {name}, {arm}", status=status, sentence=sentence, numbers=numbers)


def _kind(metric: Metric) -> Literal["proportion", "mean", "ratio"]:
    if isinstance(metric, ProportionMetric):
        return "proportion"
    return "ratio" if isinstance(metric, RatioMetric | QuantileMetric) else "mean"


def _differences(spec: ExperimentSpec, population: Population) -> list[Check]:
    found, unavailable = {}, []
    for name, metric in spec.plan.metrics.items():
        for arm in spec.treatments:
            result = difference(spec, population, name, arm, contamination=spec.analysis.contamination)
            if isinstance(result, Unavailable):
                # Calls that never fail are no reason to distrust the logs.
                never_fails = is_built_in(metric) and result.reason is UnavailableReason.NO_VARIANCE
                decides = metric.role.decides and not never_fails
                unavailable.append(
                    Check(
                        name=f"A/A difference of {name}, {arm}",
                        status=Status.INSUFFICIENT if decides else Status.NOT_CHECKED,
                        sentence=f"{name} could not be compared in the A/A phase: {result.detail}.",
                    )
                )
            else:
                found[name, arm] = result
    adjusted = holm([estimate.p_value for estimate in found.values()])
    checks = []
    for ((name, arm), estimate), p in zip(found.items(), adjusted, strict=True):
        status = Status.FAIL if p < FAIL else Status.WARN if p < WARN else Status.PASS
        words = SAID[status]
        sentence = f"{name} {words}: {arm} {effect(spec.metrics[name], estimate.value)} (adjusted p {p_value(p)})."
        numbers = {"p_value": estimate.p_value, "adjusted_p_value": p, "effect": estimate.value}
        checks.append(Check(name=f"A/A difference of {name}, {arm}", status=status, sentence=sentence, numbers=numbers))
    return checks + unavailable
