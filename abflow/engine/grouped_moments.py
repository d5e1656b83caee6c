"""Moments of every metric in groups of units, by sums that no order of rows can change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from abflow.engine.observed import Observed
from abflow.engine.statements import filled, make, rows
from abflow.engine.unit_state import exact_sum, scale_of
from abflow.logs.database import Database
from abflow.stats.moments import EMPTY, NO_PAIRS, JointMoments, Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One metric among the units of one variant that share something.

    Attributes:
        level: What they share.
        crossed: Whether they were seen in another variant as well.
        moments: Of x, over mature units.
        pair: Of a ratio's x and y.
        non_zero: Mature units with an x other than 0.
        bare: Mature units of a ratio that have a numerator and no denominator.
        immature: Units whose window is not over.
        lowest: The smallest x.
        highest: The largest x.
    """

    metric: str
    variant: str
    level: str
    crossed: bool
    moments: Moments
    pair: JointMoments | None
    non_zero: int
    bare: int
    immature: int
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scales:
    """How far the sums of one metric are stretched; see `exact_sum`."""

    x: float
    y: float
    xx: float
    yy: float
    xy: float


def grouped_moments(db: Database, metrics: Sequence[Observed], *, level: str) -> tuple[Group, ...]:
    """Moments of every metric by variant, level, and whether units were seen in two variants.

    Two scans: means first, then squares of the distances from them, because squares of the numbers themselves
    lose everything when the mean is large.

    Args:
        db: A connection with the observed units.
        metrics: The metrics.
        level: SQL text of what the units of a group share; never null.
    """
    if not metrics:
        return ()
    scales = _scales(db, metrics)
    sums = ", ".join(part for each in metrics for part in _sums(each, scales[each.number]))
    first = list(rows(db, filled("grouped_sums", level=level, sums=sums)))
    _keep_means(db, metrics, first)
    squares = ", ".join(part for each in metrics for part in _squares(each, scales[each.number]))
    second = {
        (row["variant"], row["crossed"], row["level"]): row
        for row in rows(db, filled("grouped_squares", level=level, squares=squares))
    }
    return tuple(
        _group(each, row, second[row["variant"], row["crossed"], row["level"]]) for row in first for each in metrics
    )


def _scales(db: Database, metrics: Sequence[Observed]) -> dict[int, _Scales]:
    """The largest sizes decide; they are the same whatever the order of the rows."""
    largest = ", ".join(
        part
        for each in metrics
        for part in (f"max(abs({each.x})) as {each.x}", *([f"max(abs({each.y})) as {each.y}"] if each.is_ratio else []))
    )
    row = next(rows(db, f"select {largest} from observed"))
    found = {}
    for each in metrics:
        x, y = (float(row.get(name) or 0.0) for name in (each.x, each.y))
        found[each.number] = _Scales(
            # No distance from a mean is more than twice the largest size.
            x=scale_of(x),
            y=scale_of(y),
            xx=scale_of(4 * x * x),
            yy=scale_of(4 * y * y),
            xy=scale_of(4 * x * y),
        )
    return found


def _sums(each: Observed, scales: _Scales) -> Iterable[str]:
    where = f"filter (where {each.mature})"
    yield f"count(*) {where} as n{each.number}"
    yield f"count(*) filter (where {each.mature} and {each.x} <> 0) as non_zero{each.number}"
    yield f"count(*) filter (where not {each.mature}) as immature{each.number}"
    yield f"min({each.x}) {where} as lowest{each.number}"
    yield f"max({each.x}) {where} as highest{each.number}"
    yield f"{_exact(each.x, scales.x, where)} as sum_x{each.number}"
    if each.is_ratio:
        yield f"{_exact(each.y, scales.y, where)} as sum_y{each.number}"
        bare = f"{each.mature} and {each.x} <> 0 and {each.y} = 0"
        yield f"count(*) filter (where {bare}) as bare{each.number}"


def _squares(each: Observed, scales: _Scales) -> Iterable[str]:
    where = f"filter (where o.{each.mature})"
    x, y = (f"(o.{name} - m.mean_{name})" for name in (each.x, each.y))
    yield f"{_exact(f'{x} * {x}', scales.xx, where)} as xx{each.number}"
    if each.is_ratio:
        yield f"{_exact(f'{y} * {y}', scales.yy, where)} as yy{each.number}"
        yield f"{_exact(f'{x} * {y}', scales.xy, where)} as xy{each.number}"


def _exact(expression: str, scale: float, where: str) -> str:
    total, back = exact_sum(expression, scale)
    return f"coalesce({total} {where}{back}, 0)"


def _keep_means(db: Database, metrics: Sequence[Observed], first: list[dict[str, Any]]) -> None:
    """Make the table `means`, a row per group."""
    names = [name for each in metrics for name in (each.x, *([each.y] if each.is_ratio else []))]
    columns = ", ".join(f"cast(0 as double) as mean_{name}" for name in names)
    empty = f"select '' as variant, false as crossed, '' as level, {columns} limit 0"
    make(db, "means", empty)
    if first:
        values = [
            [row["variant"], row["crossed"], row["level"], *(_mean(row, name) for name in names)] for row in first
        ]
        places = ", ".join("?" for _ in values[0])
        db.executemany(f"insert into means values ({places})", values)


def _mean(row: dict[str, Any], name: str) -> float:
    """The mean of a column such as x3."""
    n: int = row[f"n{name[1:]}"]
    return float(row[f"sum_{name}"]) / n if n else 0.0


def _group(each: Observed, row: dict[str, Any], squares: dict[str, Any]) -> Group:
    number, n = each.number, int(row[f"n{each.number}"])
    mean, m2 = _mean(row, each.x), float(squares[f"xx{number}"])
    pair = None
    if each.is_ratio:
        pair = NO_PAIRS
        if n:
            pair = JointMoments(
                n=n,
                mean_x=mean,
                mean_y=_mean(row, each.y),
                m2_x=m2,
                m2_y=float(squares[f"yy{number}"]),
                cross=float(squares[f"xy{number}"]),
            )
    return Group(
        metric=each.metric,
        variant=row["variant"],
        level=row["level"],
        crossed=row["crossed"],
        moments=Moments(n=n, mean=mean, m2=m2) if n else EMPTY,
        pair=pair,
        non_zero=row[f"non_zero{number}"],
        bare=row.get(f"bare{number}", 0),
        immature=row[f"immature{number}"],
        lowest=float(row[f"lowest{number}"] or 0.0),
        highest=float(row[f"highest{number}"] or 0.0),
    )
