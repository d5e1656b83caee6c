"""Several tests of one claim: which p-values are corrected together."""

from __future__ import annotations

from collections.abc import Mapping

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.multiplicity import adjust

Key = tuple[str, str]  # metric and arm


def adjusted(spec: ExperimentSpec, p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Every p-value after the correction of its family; guardrails have no family, because all of them must hold.

    By default the primary's arms are one family and all secondaries times arms another; `family: all` makes one of
    both. What could not be computed has no p-value and is in no family, and what is explored is in none either.

    Args:
        spec: The experiment.
        p_values: By metric and arm.
    """
    found: dict[Key, float] = {}
    for roles, times in _families(spec):
        family = {key: p for key, p in p_values.items() if spec.metrics[key[0]].role in roles}
        values = adjust(tuple(family.values()), spec.analysis.correction, family_size=times)
        found |= dict(zip(family, values, strict=True))
    return found


def _families(spec: ExperimentSpec) -> tuple[tuple[tuple[Role, ...], int], ...]:
    size = spec.analysis.family_size
    if spec.analysis.family == "all":
        return (((Role.PRIMARY, Role.SECONDARY), size),)
    return (((Role.PRIMARY,), size), ((Role.SECONDARY,), 1))
