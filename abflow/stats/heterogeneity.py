"""Does the effect differ between the levels of a segment, and in which levels is it there?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abflow.errors import DataError
from abflow.stats.multiplicity import holm
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import chi_square_sf, normal_isf, tail_of

# With fewer units per arm a level's own standard error is too rough to weigh it by.
MIN_UNITS_PER_ARM = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The effect within one level of a segment, such as one country.

    Attributes:
        name: Of the level.
        effect: Treatment minus control among its units, or why there is none.
        units: In control and treatment.
    """

    name: str
    effect: Estimate | Unavailable
    units: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEffect:
    """The effect in one level, read beside those in the others.

    Attributes:
        name: Of the level.
        effect: As it came, on its own.
        adjusted_p: After Holm's correction over the levels.
        simultaneous: An interval which holds together with those of all other levels (Bonferroni, so wider than
            Holm's p-value asks for; one of the two may exclude 0 alone).
    """

    name: str
    effect: Estimate
    adjusted_p: float
    simultaneous: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heterogeneity:
    """Whether the levels of a segment differ in effect. Never decides an experiment.

    Attributes:
        q: Cochran's Q: squared distances of the levels' effects from their weighted mean, in standard errors.
        dof: Levels minus 1.
        p_value: Of one effect in all levels.
        i_squared: Share of the spread of effects that is not chance, (Q - dof) / Q; 0 when they differ less than
            chance alone makes them.
        levels: Those that took part, in the order given.
        left_out: The others, and why.
    """

    q: float
    dof: int
    p_value: float
    i_squared: float
    levels: tuple[LevelEffect, ...]
    left_out: Mapping[str, Unavailable]


def heterogeneity(levels: Sequence[Level], *, confidence: float = 0.95) -> Heterogeneity | Unavailable:
    """Test whether an effect is the same in all levels of a segment.

    Q = Σ (e_k - m)² / se_k² on levels - 1 degrees of freedom, m being the mean of the effects weighted by 1 / se_k².
    Levels hold different units, so their estimates are independent. Only levels with 100 units per arm take part.

    Args:
        levels: Of one segment.
        confidence: That the simultaneous intervals of all levels hold together.

    Returns:
        The test and the levels; or `too_few_units` when fewer than two levels can take part.

    Raises:
        DataError: A level is given twice.
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Cochran (1954), Biometrics 10, 101-129; Higgins, Thompson (2002), Statistics in Medicine 21, 1539-1558, on I².
    """
    tail = tail_of(confidence, sides=2)
    names = [level.name for level in levels]
    if len(set(names)) < len(names):
        raise DataError(f"a level is given twice among {', '.join(names)}; add its units up first")
    usable = {level.name: _usable(level) for level in levels}
    left_out = {name: effect for name, effect in usable.items() if isinstance(effect, Unavailable)}
    taking_part = {name: effect for name, effect in usable.items() if isinstance(effect, Estimate)}
    if len(taking_part) < 2:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{len(taking_part)} of {len(levels)} levels can be compared; it takes two with "
            f"{MIN_UNITS_PER_ARM} units per arm",
        )
    effects = tuple(taking_part.values())
    q, dof = _q(effects), len(effects) - 1
    adjusted = holm([effect.p_value for effect in effects])
    return Heterogeneity(
        q=q,
        dof=dof,
        p_value=chi_square_sf(q, dof),
        i_squared=max(0.0, (q - dof) / q) if q > 0 else 0.0,
        levels=tuple(
            LevelEffect(name=name, effect=effect, adjusted_p=p, simultaneous=_stretched(effect, tail / len(effects)))
            for (name, effect), p in zip(taking_part.items(), adjusted, strict=True)
        ),
        left_out=left_out,
    )


def _usable(level: Level) -> Estimate | Unavailable:
    if min(level.units) < MIN_UNITS_PER_ARM:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{level.name} has {level.units[0]} and {level.units[1]} units; a level takes part with "
            f"{MIN_UNITS_PER_ARM} per arm",
        )
    if isinstance(level.effect, Estimate) and level.effect.se <= 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail=f"both arms are constant in {level.name}, so its effect has no spread to be weighed by",
        )
    return level.effect


def _q(effects: Sequence[Estimate]) -> float:
    # Weights relative to the sharpest level, because 1 / se² overflows for values near 1e-160.
    sharpest = min(effect.se for effect in effects)
    weights = [(sharpest / effect.se) ** 2 for effect in effects]
    # Seen from the first level, so that a large common effect does not cost digits.
    origin = effects[0].value
    mean = origin + sum(w * (e.value - origin) for w, e in zip(weights, effects, strict=True)) / sum(weights)
    return math.fsum(((effect.value - mean) / effect.se) ** 2 for effect in effects)


def _stretched(effect: Estimate, tail: float) -> tuple[float, float]:
    """An estimate's own interval, widened around its value until it leaves only `tail` on either side.

    By the ratio of normal quantiles, which keeps the shape of an interval that is not symmetric.
    """
    by = normal_isf(tail) / normal_isf(tail_of(effect.confidence, sides=2))
    return effect.value - (effect.value - effect.lower) * by, effect.value + (effect.upper - effect.value) * by
