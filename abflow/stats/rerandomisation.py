"""How often a test calls equal arms different: the units of an A/A, dealt to its arms again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError
from abflow.stats.means import difference_in_means, difference_in_ratios
from abflow.stats.moments import JointMoments
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.random_splits import SplitSums, random_splits
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import chi_square_sf

DRAWS = 1_000
ALPHA = 0.05
BINS = 10

Kind = Literal["proportion", "mean", "ratio"]
_TESTS: dict[Kind, Callable[[JointMoments, JointMoments], Estimate | Unavailable]] = {
    "proportion": lambda control, treatment: difference_in_proportions(control.x, treatment.x),
    "mean": lambda control, treatment: difference_in_means(control.x, treatment.x),
    "ratio": difference_in_ratios,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerandomised:
    """What one treatment's test said of equal arms.

    Attributes:
        draws: Splits of the units.
        rejections: Splits with a p-value below 0.05; one in twenty is right.
        histogram: Splits by p-value, in ten bins of equal width.
        uniformity_p: Chi-square test that the p-values fall evenly into the bins. Tests of small counts are
            discrete and fail it without being wrong.
    """

    draws: int
    rejections: int
    histogram: tuple[int, ...]
    uniformity_p: float


def rerandomised_aa(
    kind: Kind, values: ArrayLike, shares: Sequence[float], *, draws: int = DRAWS, seed: int
) -> tuple[Rerandomised, ...] | Unavailable:
    """Deal the units anew and count how often the metric's own test tells the arms apart.

    Evenness of the p-values in the bins: Σ (n_i - e)² / e, e = draws / bins, on bins - 1 degrees of freedom.

    Dealing units cannot show that the unit itself is wrong, such as users of a test that was randomised by
    market, nor that units influence one another.

    Args:
        kind: Of the metric; counts are means, and quantiles are ratios.
        values: One row per unit: 0 or 1 for a proportion, the total for a mean, both of shape (units,); for a
            ratio (units, 2), numerator and denominator; for a quantile the same, rows at or below the cut
            point of all arms together, and rows.
        shares: Relative shares of the arms, the control's first.
        draws: Splits.
        seed: The same seed gives the same answer.

    Returns:
        One answer per treatment, in the order of the shares.

    Raises:
        DataError: The values do not have the shape that their kind has.
        SpecError: The shares or the number of draws are impossible.

    References:
        Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 19.
    """
    p_values = rerandomised_p_values(kind, values, shares, draws=draws, seed=seed)
    return p_values if isinstance(p_values, Unavailable) else tuple(map(_told_apart, p_values))


def _told_apart(p_values: NDArray[np.float64]) -> Rerandomised:
    histogram, _ = np.histogram(p_values, bins=BINS, range=(0, 1))
    even = p_values.size / BINS
    return Rerandomised(
        draws=p_values.size,
        rejections=int(np.count_nonzero(p_values < ALPHA)),
        histogram=tuple(histogram.tolist()),
        uniformity_p=chi_square_sf(float(np.sum((histogram - even) ** 2)) / even, BINS - 1),
    )


def rerandomised_p_values(
    kind: Kind, values: ArrayLike, shares: Sequence[float], *, draws: int = DRAWS, seed: int
) -> NDArray[np.float64] | Unavailable:
    """The p-value of every treatment in every split, of shape (treatments, draws).

    The test is the very one that reads the metric, on moments of the arms as dealt. When it refuses one of
    the splits there is no answer, because what is left is not a random choice of splits.

    Args:
        kind: As in `rerandomised_aa`, as are the others.
        values: Shape (units,), or (units, 2) for a ratio.
        shares: Relative shares of the arms, the control's first.
        draws: Splits.
        seed: The same seed gives the same answer.

    Raises:
        DataError: The values do not have the shape that their kind has.
        SpecError: The shares or the number of draws are impossible.

    References:
        Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 19.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[1:] != ((2,) if kind == "ratio" else ()):
        wanted = "(units, 2)" if kind == "ratio" else "(units,)"
        raise DataError(f"values of shape {array.shape}; a {kind} needs {wanted}")
    if not array.size:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="there are no units to deal")
    groups, sizes = _equal_units(array.reshape(len(array), -1))
    with np.errstate(invalid="ignore", over="ignore"):
        centre = np.average(groups, axis=0, weights=sizes)
        features = _features(groups - centre)
    if not np.isfinite(features).all():
        return Unavailable(
            reason=UnavailableReason.NOT_FINITE, detail="a unit's value is infinite, missing or too large"
        )
    splits = random_splits(features, sizes, shares, draws=draws, seed=seed)
    p_values = np.empty((len(shares) - 1, draws))
    for draw, (control, *treatments) in enumerate(_moments(splits, centre)):
        for arm, treatment in enumerate(treatments):
            found = _TESTS[kind](control, treatment)
            if isinstance(found, Unavailable):
                return found
            p_values[arm, draw] = found.p_value
    return p_values


def _equal_units(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every value there is, or pair of values, and how many units have it."""
    # A pair sorts as one complex number, ten times faster than as a row.
    keys = np.ascontiguousarray(values).view(np.complex128) if values.shape[1] == 2 else values
    groups, sizes = np.unique(keys, return_counts=True)
    return groups.view(np.float64).reshape(len(groups), -1), sizes


def _features(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from the centre, their squares, and the product of a pair's."""
    columns = [distances, distances * distances]
    if distances.shape[1] == 2:
        columns.append(distances.prod(axis=1, keepdims=True))
    return np.column_stack(columns)


def _moments(splits: SplitSums, centre: NDArray[np.float64]) -> Iterator[list[JointMoments]]:
    """Moments of every arm, draw by draw; a single value per unit is a numerator over nothing."""
    columns, units = centre.size, splits.units[:, :, np.newaxis]
    shifts = splits.sums[:, :, :columns] / np.maximum(units, 1)
    means = centre + shifts
    spread = np.maximum(splits.sums[:, :, columns : 2 * columns] - units * shifts * shifts, 0.0)
    parts: tuple[NDArray[np.generic], ...]
    if columns == 1:
        nothing = np.zeros_like(means)
        parts = (units, means, nothing, spread, nothing, nothing)
    else:
        cross = splits.sums[:, :, 2 * columns :] - units * shifts.prod(axis=2, keepdims=True)
        parts = (units, means, spread, cross)
    for arms in np.concatenate(parts, axis=2).tolist():
        yield [
            JointMoments(n=int(n), mean_x=mean_x, mean_y=mean_y, m2_x=m2_x, m2_y=m2_y, cross=cross)
            for n, mean_x, mean_y, m2_x, m2_y, cross in arms
        ]
