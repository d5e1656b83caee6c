"""Which arm the next units should meet: Thompson sampling in batches, with a floor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.moments import Moments
from abflow.stats.result import Unavailable, UnavailableReason

# With fewer units a run of luck in the first batch starves an arm, and a normal posterior is not yet normal.
MIN_UNITS = 100
# Every arm keeps this share: a starved arm can neither recover nor be tested.
FLOOR = 0.05
# The error of a probability from 10 000 draws is at most half a point.
DRAWS = 10_000
# Top-two sampling plays the leader this often and its challenger otherwise.
LEADER_SHARE = 0.5
# Converged: one arm is best with 95 % probability, and changing to another gains 1 % with 5 % at most.
SURE = 0.95
NEGLIGIBLE = 0.01

Rule = Literal["thompson", "top_two"]
Kind = Literal["proportion", "mean"]
Floats = NDArray[np.float64]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What the posterior says about the arms, and the shares it asks for.

    Attributes:
        weights: Share of the next batch by arm; they add up to 1.
        p_best: Probability that the arm is the best, by arm.
        best: The arm most likely to be the best.
        value_remaining: 95th percentile of what changing from `best` to the truly best arm would gain, as a
            share of what `best` gives; or why nothing can be expressed relative to it.
        converged: Whether learning more would change little. The weights may then be frozen; it is no verdict.
        method: Name of the rule and of the posterior.
    """

    weights: Mapping[str, float]
    p_best: Mapping[str, float]
    best: str
    value_remaining: float | Unavailable
    converged: bool
    method: str


def thompson_allocation(
    arms: Mapping[str, Moments],
    *,
    kind: Kind,
    seed: int,
    sign: Literal[1, -1] = 1,
    rule: Rule = "thompson",
    floor: float = FLOOR,
) -> Allocation | Unavailable:
    """Shares of the next batch from everything the arms have shown so far.

    `thompson` gives each arm its probability of being the best; `top_two` gives half to the leader of one draw and half
    to the leader of another draw in which a different arm leads, so that it keeps learning (with two arms: half and
    half): p_i / 2 + p_i / 2 Σ p_j / (1 - p_j) over the other arms j, p being the probabilities of being the best. Then
    every arm of K gets the floor, floor + (1 - K floor) share. Arms are taken in the order of their names, so the same
    moments and seed give the same shares.

    Args:
        arms: Moments of the mature units by arm.
        kind: `proportion` for 0 or 1 per unit, flat Beta(1, 1) prior; `mean` for any number, flat prior on the
            mean, whose posterior is normal.
        seed: Of the 10 000 draws; change it from batch to batch.
        sign: +1 when more is better, -1 when less is better.
        rule: How probabilities become shares.
        floor: Least share of an arm. A floor that all arms together cannot have gives equal shares.

    Returns:
        The allocation; or why there is none, and the present weights stay: fewer than 100 units in an arm,
        an arm without spread, one arm only.

    Raises:
        SpecError: The floor is no share, or the rule is unknown.

    References:
        Scott (2010), Applied Stochastic Models in Business and Industry 26, 639-658 (probability matching;
        value remaining as in the Content Experiments he built on it); Russo (2016), COLT, arXiv 1602.08448
        (top-two Thompson sampling, section 3.4).
    """
    _require_share(floor)
    refusal = _why_no_weights(arms, kind)
    if refusal is not None:
        return refusal
    names = sorted(arms)
    rng = np.random.default_rng(seed)
    draws = sign * posterior_draws(*_stacked([arms[name] for name in names]), kind=kind, rng=rng, draws=DRAWS)
    p_best = best_shares(draws)
    leader = int(np.argmax(p_best))
    remaining = _value_remaining(draws, leader, names[leader])
    posterior = "Beta posterior" if kind == "proportion" else "normal posterior"
    return Allocation(
        weights=_by_name(names, with_floor(play_shares(draws, rule=rule), floor)),
        p_best=_by_name(names, p_best),
        best=names[leader],
        value_remaining=remaining,
        converged=bool(p_best[leader] >= SURE) and not isinstance(remaining, Unavailable) and remaining < NEGLIGIBLE,
        method=f"{rule.replace('_', '-')} sampling, {posterior}, {DRAWS} draws",
    )


def _require_share(floor: float) -> None:
    if not 0 <= floor < 1:
        raise SpecError(f"floor {floor:g} is not a share below 1; 0.05 keeps every arm at 5 % of the units")


def _why_no_weights(arms: Mapping[str, Moments], kind: Kind) -> Unavailable | None:
    if len(arms) < 2:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"units are shared out between two arms or more, got {len(arms)}",
        )
    for name in sorted(arms):
        arm = arms[name]
        if arm.n < MIN_UNITS:
            return Unavailable(
                reason=UnavailableReason.TOO_FEW_UNITS if arm.n else UnavailableReason.NO_UNITS,
                detail=f"{name} has {arm.n} mature units; weights change from {MIN_UNITS} per arm on",
            )
        if not (math.isfinite(arm.mean) and math.isfinite(arm.m2)):
            return Unavailable(
                reason=UnavailableReason.NOT_FINITE,
                detail=f"{name} holds an infinite, missing or too large value (mean {arm.mean:g})",
            )
        if kind == "proportion" and not -1e-9 <= arm.mean <= 1 + 1e-9:
            return Unavailable(
                reason=UnavailableReason.METHOD_NOT_VALID_HERE,
                detail=f"{name} has mean {arm.mean:g}, which is no rate; a proportion counts 0 or 1 per unit",
            )
        if kind == "mean" and arm.is_constant:
            return Unavailable(
                reason=UnavailableReason.NO_VARIANCE,
                detail=f"every unit of {name} has the value {arm.mean:g}, so its mean has no posterior",
            )
    return None


def _stacked(arms: Sequence[Moments]) -> tuple[Floats, Floats, Floats]:
    n, mean, m2 = np.array([(arm.n, arm.mean, arm.m2) for arm in arms], dtype=np.float64).T
    return n, mean, m2


def posterior_draws(
    n: Floats, mean: Floats, m2: Floats, *, kind: Kind, rng: np.random.Generator, draws: int = DRAWS
) -> Floats:
    """Draws of the arms' true means, given what was seen.

    Of Beta(1 + k, 1 + n - k) for a proportion with k events, of N(mean, s²/n) for a mean.

    Args:
        n: Units, shape (..., arms), at least 2 each; many experiments may be drawn at once.
        mean: Means, same shape.
        m2: Centred sums of squares, same shape; not read for a proportion.
        kind: As in `thompson_allocation`.
        rng: Where the randomness comes from.
        draws: How many.

    Returns:
        Shape (..., draws, arms).

    References:
        Thompson (1933), Biometrika 25, 285-294, for the proportion; the mean's is the large-sample posterior.
    """
    shape = (*n.shape[:-1], draws, n.shape[-1])
    if kind == "proportion":
        successes = np.rint(n * mean)
        return rng.beta((1 + successes)[..., None, :], (1 + n - successes)[..., None, :], size=shape)
    se = np.sqrt(m2 / (n - 1) / n)
    return mean[..., None, :] + se[..., None, :] * rng.standard_normal(shape)


def best_shares(draws: Floats) -> Floats:
    """Share of the draws in which each arm is the largest: shape (..., draws, arms) to (..., arms).

    References:
        Scott (2010), Applied Stochastic Models in Business and Industry 26, 639-658: the probability of being best.
    """
    leaders = draws.argmax(axis=-1)
    return np.stack([(leaders == arm).mean(axis=-1) for arm in range(draws.shape[-1])], axis=-1)


def play_shares(draws: Floats, *, rule: Rule) -> Floats:
    """Shares that the rule asks for, before the floor: shape (..., draws, arms) to (..., arms).

    Args:
        draws: Of the arms' true means.
        rule: As in `thompson_allocation`.

    Raises:
        SpecError: The rule is unknown.

    References:
        Those of `thompson_allocation`.
    """
    p_best = best_shares(draws)
    if rule not in RULES:
        raise SpecError(f"rule {rule!r} is unknown; choose one of {', '.join(RULES)}")
    if rule == "thompson":
        return p_best
    return LEADER_SHARE * p_best + (1 - LEADER_SHARE) * _challenger_shares(draws, p_best)


def _challenger_shares(draws: Floats, p_best: Floats) -> Floats:
    """Probability of leading the first draw that the leader of the draw before does not lead."""
    # Arm i follows leader j with probability p_i / (1 - p_j), so the redraws need not be made.
    certain = p_best == 1
    odds = p_best / np.where(certain, 1, 1 - p_best)
    challengers: Floats = p_best * (odds.sum(axis=-1, keepdims=True) - odds)
    if certain.any():
        # No draw has another leader; as that chance goes to 0 the challenger becomes the runner-up.
        runners_up = best_shares(np.where(draws == draws.max(axis=-1, keepdims=True), -np.inf, draws))
        challengers = np.where(certain.any(axis=-1, keepdims=True), runners_up, challengers)
    return challengers


def with_floor(weights: Floats, floor: float) -> Floats:
    """Weights of shape (..., arms) after each arm gets the floor; equal when the floors alone exceed 1.

    floor + (1 - K floor) weight, with K arms.

    Args:
        weights: Shares that add up to 1.
        floor: Least share of an arm.

    Raises:
        SpecError: The floor is no share.
    """
    _require_share(floor)
    arms = weights.shape[-1]
    return np.full_like(weights, 1 / arms) if arms * floor > 1 else floor + (1 - arms * floor) * weights


def _value_remaining(draws: Floats, leader: int, name: str) -> float | Unavailable:
    own = draws[:, leader]
    low, high = np.quantile(own, [0.025, 0.975])
    if low <= 0 <= high:
        return Unavailable(
            reason=UnavailableReason.BASELINE_NEAR_ZERO,
            detail=f"the mean of {name} lies between {low:g} and {high:g}, so nothing can be expressed relative to it",
        )
    return float(np.quantile((draws.max(axis=-1) - own) / np.abs(own), 0.95))


def _by_name(names: Sequence[str], values: Floats) -> Mapping[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
