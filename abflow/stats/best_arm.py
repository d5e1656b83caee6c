"""Which of several arms is the best, how surely, and what picking another one would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.marginal import Marginal, Profile
from abflow.stats.panel_quadrature import panel_nodes
from abflow.stats.result import Unavailable, UnavailableReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One arm among the others.

    Attributes:
        probability_best: That its value is the largest; over the arms these add up to 1.
        expected_loss: How far it falls short of the largest on average, E max(values) - E value.
    """

    probability_best: float
    expected_loss: float


def best_arm(posteriors: Mapping[str, Marginal]) -> dict[str, Standing] | Unavailable:
    """How likely each arm is the best and what choosing it would cost, for any number of arms.

    Both are integrals over one line, because the posteriors are independent:
    P(k best) = ∫ f_k ∏ F_j and E max - E value_k = ∫ F_k (1 - ∏ F_j), the products over the other arms j.

    Args:
        posteriors: By arm, of a value of which more is better; all normal or all Beta. Losses are in its unit.

    Raises:
        SpecError: Normal and Beta posteriors are mixed.

    References:
        Russo (2020), Operations Research 68, 1625-1647, on the probability of being the best.
    """
    if len(posteriors) < 2:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the best of {len(posteriors)} arms is no question; it takes two",
        )
    if len({type(posterior) for posterior in posteriors.values()}) > 1:
        raise SpecError("normal and Beta posteriors cannot be ranked together; describe every arm in the same way")
    nodes, weights = panel_nodes(np.concatenate([posterior.panel_ends() for posterior in posteriors.values()]))
    profiles = {arm: posterior.profile(nodes) for arm, posterior in posteriors.items()}
    return {arm: _standing(arm, profiles, weights) for arm in profiles}


def _standing(arm: str, profiles: Mapping[str, Profile], weights: NDArray[np.float64]) -> Standing:
    own = profiles[arm]
    all_below, any_above = np.ones_like(weights), np.zeros_like(weights)
    for other, profile in profiles.items():
        if other != arm:
            # 1 - ∏ F, one factor at a time and without a subtraction that could round it away.
            all_below, any_above = all_below * profile.below, any_above * profile.below + profile.above
    return Standing(
        probability_best=min(float(np.sum(weights * own.density * all_below)), 1.0),
        expected_loss=float(np.sum(weights * own.below * any_above * own.stretch)),
    )
