"""Are two assignments unrelated? Arms against segments, and against the arms of other experiments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError
from abflow.stats.moments import Moments
from abflow.stats.proportions import fisher_test
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import chi_square_sf

# Cochran's rule: below 5 expected units the chi-square distribution is not trusted.
MIN_EXPECTED = 5
DRAWS = 100_000
MOST_SIMULATED = 1_000_000_000  # units of a table; numpy draws no hypergeometric numbers beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Independence:
    """How strongly rows and columns of counted units are tied to one another.

    Attributes:
        statistic: Pearson's chi-square, whichever test gave the p-value.
        dof: Its degrees of freedom; rows and columns without units do not count.
        p_value: Of no relation.
        cramers_v: Size of the relation, from 0 (none) to 1 (one tells the other). With many units a p-value
            finds relations too small to matter.
        method: Name of the test.
    """

    statistic: float
    dof: int
    p_value: float
    cramers_v: float
    method: str


def independence(table: ArrayLike) -> Independence | Unavailable:
    """Test whether the rows of a table of counts say anything about its columns.

    X² = Σ (n_ij - e_ij)² / e_ij, e_ij = n_i n_j / n, and V = sqrt(X² / (n (min(rows, columns) - 1))).

    Arms by levels of a segment: is the split the same in all levels? Arms by another experiment's arms: do the
    two share their units fairly? Pearson's chi-square; when a cell expects fewer than 5 units, Fisher's exact
    test for two by two, else 100 000 simulated tables with the same margins and a fixed seed.

    Args:
        table: Units, shape (rows, columns). Each unit in one cell.

    Returns:
        The test; or `no_units`, or `method_not_valid_here` when all units are in one row or in one column, or when
        a cell expects fewer than 5 of a billion units or more.

    Raises:
        DataError: A count is negative or not whole, or the table has no two dimensions.

    References:
        Pearson (1900), Philosophical Magazine 50, 157-175; Cramér (1946), Mathematical Methods of Statistics,
        section 21.9, on V.
    """
    return independence_within([table])


def independence_within(tables: Sequence[ArrayLike]) -> Independence | Unavailable:
    """The same within every period, all periods together: for arms whose shares changed over time.

    Without the periods, a segment that grows while the shares change looks as if it were split differently.

    Args:
        tables: One per period; see `independence`. A period with a single row or column adds nothing.

    Raises:
        DataError: A count is negative or not whole, or a table has no two dimensions.

    References:
        Those of `independence`.
    """
    counted = [_occupied(table) for table in tables]
    units = int(sum(table.sum() for table in counted))
    if units == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="the table is empty")
    counted = [table for table in counted if min(table.shape) > 1]
    if not counted:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"all {units} units are in one row or in one column, so there is no relation to test",
        )
    statistic = sum(_chi_square(table) for table in counted)
    dof = sum((table.shape[0] - 1) * (table.shape[1] - 1) for table in counted)
    if all(_expected(table).min() >= MIN_EXPECTED for table in counted):
        p_value, method = chi_square_sf(statistic, dof), "chi-square"
    elif len(counted) == 1 and counted[0].shape == (2, 2):
        p_value, method = _fisher_p(counted[0]), "Fisher's exact"
    elif max(int(table.sum()) for table in counted) >= MOST_SIMULATED:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"a cell expects fewer than {MIN_EXPECTED} of {units} units, which are too many to simulate; put "
            "rare rows or columns together",
        )
    else:
        p_value, method = _simulated_p(counted, statistic), f"chi-square, {DRAWS} simulated tables"
    most = sum(float(table.sum()) * (min(table.shape) - 1) for table in counted)
    return Independence(
        statistic=statistic, dof=dof, p_value=p_value, cramers_v=math.sqrt(statistic / most), method=method
    )


def _occupied(table: ArrayLike) -> NDArray[np.int64]:
    """The rows and columns that have units."""
    counts = np.asarray(table)
    if counts.ndim != 2 or not np.issubdtype(counts.dtype, np.number):
        raise DataError(f"a table of shape {counts.shape} has no rows and columns of counts; give arms by levels")
    if counts.size and not (np.all(np.isfinite(counts)) and np.all(counts >= 0) and np.all(counts == np.rint(counts))):
        raise DataError("a table holds a count that is negative or not whole; give units per cell")
    occupied: NDArray[np.int64] = counts.astype(np.int64)[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    return occupied


def _expected(table: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.outer(table.sum(axis=1), table.sum(axis=0) / table.sum()).astype(np.float64)


def _chi_square(table: NDArray[np.int64]) -> float:
    expected = _expected(table)
    return float(np.sum((table - expected) ** 2 / expected))


def _fisher_p(table: NDArray[np.int64]) -> float:
    (a, b), (c, d) = table.tolist()
    left, right = (Moments(n=x + y, mean=x / (x + y), m2=x * y / (x + y)) for x, y in ((a, b), (c, d)))
    test = fisher_test(left, right)
    if isinstance(test, Unavailable):
        raise TypeError(test.detail)  # a bug: rows and columns without units are left out before
    return test.p_value


def _simulated_p(tables: Sequence[NDArray[np.int64]], seen: float) -> float:
    """Share of simulated tables whose chi-square is at least the one seen, which is counted among them."""
    rng = np.random.default_rng(0)
    statistics = np.zeros(DRAWS)
    for table in tables:
        expected = _expected(table)
        for cells, expectation in zip(_tables_like(table, rng), expected.ravel().tolist(), strict=True):
            statistics += (cells - expectation) ** 2 / expectation
    # Equal statistics come out a rounding apart; a part in 10^7 keeps them together.
    return float((1 + np.count_nonzero(statistics >= seen * (1 - 1e-7))) / (1 + DRAWS))


def _tables_like(table: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Tables with the margins of this one, if rows and columns are unrelated: the draws of each cell in turn.

    References:
        Patefield (1981), Applied Statistics 30, 91-97, algorithm AS 159: a table is filled cell by cell,
        hypergeometrically.
    """
    cells: list[NDArray[np.int64]] = []
    columns_left = [np.full(DRAWS, total) for total in table.sum(axis=0)]
    for row_total in table.sum(axis=1):
        row_left = np.full(DRAWS, row_total)
        beyond = np.sum(columns_left, axis=0)
        for j, column in enumerate(columns_left):
            beyond = beyond - column
            drawn = rng.hypergeometric(column, beyond, row_left)
            columns_left[j] = column - drawn
            row_left = row_left - drawn
            cells.append(drawn)
    return cells
