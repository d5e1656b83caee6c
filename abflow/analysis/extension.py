"""Is a test precise enough to be read? Asked before anybody computes its effect, and without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from abflow.analysis import estimates
from abflow.analysis.blueprint import Extended
from abflow.analysis.population import Population
from abflow.analysis.precision import precision_of
from abflow.analysis.readout import Precision
from abflow.analysis.samples import samples_of
from abflow.analysis.wording import percent
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import Unavailable


def precision_reached(
    spec: ExperimentSpec, population: Population, *, dropped: Collection[str] = ()
) -> dict[str, Precision | None]:
    """How precise the primary is in every arm that is still served; only its standard error is read.

    Args:
        spec: The experiment.
        population: The mature units so far.
        dropped: Arms that were stopped for harm.

    Returns:
        By arm; None where there is no standard error, or no size that it could be held against.
    """
    samples = samples_of(spec, population, spec.primary_name, spec.analysis.contamination)
    control, mde = samples[spec.control_name], spec.primary.mde
    found: dict[str, Precision | None] = {}
    for arm in spec.treatments:
        if arm in dropped:
            continue
        compared = estimates.difference(control, samples[arm], confidence=1 - spec.analysis.alpha)
        size = mde.in_units_of(control.plain.mean) if mde else 0.0
        if isinstance(compared, Unavailable) or not size:
            found[arm] = None
            continue
        found[arm] = precision_of(
            mde=size,
            se=compared.se,
            alpha=spec.arm_alpha,
            power=spec.analysis.power,
            units_per_arm=(control.plain.n + samples[arm].plain.n) / 2,
        )
    return found


def is_precise(reached: Mapping[str, Precision | None]) -> bool:
    """Whether every arm has the precision that its plan promised, a tenth to spare."""
    return all(found is not None and found.powered for found in reached.values())


def extension_in_words(extended: Extended) -> str:
    """When and why the test went on."""
    precision = " and ".join(
        f"{'not to be told' if found is None else f'{percent(found / 100, 0)} of the plan'} for {arm}"
        for arm, found in extended.precision.items()
    )
    return (
        f"On {extended.on} precision was {precision}, so the test goes on until {extended.last}, day {extended.days}, "
        "as its plan promised. The effect had no part in that."
    )
