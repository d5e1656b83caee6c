"""The A/A check: do assignment, logging and metrics tell the truth while everybody gets the same?"""

from __future__ import annotations

from abflow.analysis.compare import difference
from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Population
from abflow.analysis.wording import count, effect, p_value
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.multiplicity import holm
from abflow.stats.result import Unavailable

MIN_UNITS_PER_ARM = 100
FAIL, WARN = 0.01, 0.05
SAID = {
    Status.FAIL: "differs although both got the same",
    Status.WARN: "differs a little more than chance usually does",
    Status.PASS: "shows no difference",
}
LIMITS_OF_AA = (
    "An A/A check cannot reveal that the unit itself is wrong (randomised by market, analysed by user), nor that "
    "units influence one another."
)


def aa_checks(spec: ExperimentSpec, population: Population) -> tuple[Check, ...]:
    """Enough units, and no difference in any metric where there can be none."""
    return (_enough_units(spec, population), *_differences(spec, population))


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


def _differences(spec: ExperimentSpec, population: Population) -> list[Check]:
    found, unavailable = {}, []
    for name, metric in spec.metrics.items():
        for arm in spec.treatments:
            result = difference(spec, population, name, arm, contamination="exclude")
            if isinstance(result, Unavailable):
                decides = metric.role is not Role.SECONDARY
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
