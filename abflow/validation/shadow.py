"""The shadow log as counts: what the new version answered beside production, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abflow.errors import DataError
from abflow.logs.layout import DayLog
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.validation.contract import SHADOW_LOG
from abflow.validation.reading import loaded
from abflow.validation.tail import LatencyTail, Q, UnitSums, tail_levels

if TYPE_CHECKING:
    import duckdb

_SQL = Path(__file__).with_name("sql")
# Deciles need more than ten different numbers; fewer, such as 0 and 1, are counted one by one.
_MIN_DISTINCT = 11
_MAX_LABELS = 20


class PredictionKind(StrEnum):
    """What the predictions of a log are."""

    NUMBERS = "numbers"
    LABELS = "labels"
    LISTS = "lists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How many pairs of predictions agree; `logged` when the log's own column says so."""

    pairs: int
    agreements: int
    logged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How much two lists have in common among their first ten items."""

    pairs: int
    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How often each version's predictions fall into each bin.

    Attributes:
        bins: What each bin holds.
        ks_distance: Largest distance of the two distributions; None unless predictions are numbers.
    """

    bins: tuple[str, ...]
    production: tuple[int, ...]
    shadow: tuple[int, ...]
    ks_distance: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCounts:
    """Everything the shadow gate looks at, for one day or for several together."""

    days: tuple[date, ...]
    requests: int
    failed: int
    kind: PredictionKind | Unavailable
    agreement: Agreement | Overlap | Unavailable
    production_latency: LatencyTail | Unavailable
    shadow_latency: LatencyTail | Unavailable
    drift: Drift | Unavailable


def shadow_counts(logs: Sequence[DayLog], *, threads: int | None = None) -> ShadowCounts:
    """Count a sound shadow log; hold its days against the contract first.

    Standard deviation, deciles and P95 are those of the days given: several days are counted together, never
    added up from single days.
    """
    days = tuple(log.day for log in logs)
    if not days:
        raise DataError("there is no day of the shadow log to count; give at least one, with its files")
    with loaded(SHADOW_LOG, logs, threads=threads) as log:
        if log.missing:
            raise DataError(
                f"shadow log of {', '.join(map(str, days))} cannot be counted: "
                f"{', '.join(sorted(log.missing))} is missing; check its contract first"
            )
        for name in ("calls", "pairs", "latencies"):
            _ask(log.connection, name)
        totals = _ask_one(log.connection, "totals")
        kind = _kind(totals)
        return ShadowCounts(
            days=days,
            requests=totals["requests"],
            failed=totals["failed"],
            kind=kind,
            agreement=_agreement(log.connection, kind, logged=totals["logged"] > 0),
            production_latency=_tail(log.connection, "production"),
            shadow_latency=_tail(log.connection, "shadow"),
            drift=_drift(log.connection, kind, distinct=totals["distinct_numbers"]),
        )


def _kind(totals: dict[str, Any]) -> PredictionKind | Unavailable:
    if totals["pairs"] == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no request was answered by both versions")
    if totals["numbers"] == totals["pairs"]:
        return PredictionKind.NUMBERS
    if totals["lists"] == totals["pairs"]:
        return PredictionKind.LISTS
    return PredictionKind.LABELS


def _agreement(
    connection: duckdb.DuckDBPyConnection, kind: PredictionKind | Unavailable, *, logged: bool
) -> Agreement | Overlap | Unavailable:
    if isinstance(kind, Unavailable):
        return kind
    if logged:
        return Agreement(**_ask_one(connection, "agreement_logged"), logged=True)
    match kind:
        case PredictionKind.NUMBERS:
            return Agreement(**_ask_one(connection, "agreement_of_numbers"), logged=False)
        case PredictionKind.LABELS:
            return Agreement(**_ask_one(connection, "agreement_of_labels"), logged=False)
        case PredictionKind.LISTS:
            return Overlap(**_ask_one(connection, "overlap_of_lists"))


def _tail(connection: duckdb.DuckDBPyConnection, arm: str) -> LatencyTail | Unavailable:
    """P95 of an arm: the cut, then each unit's calls at or below it, then the quantiles at both ends."""
    cut = _quantile(connection, arm, Q)
    if cut is None:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail=f"{arm} answered no request")
    sums = UnitSums(**_ask_one(connection, "latency_units", arm=arm, cut=cut))
    levels = tail_levels(sums)
    if isinstance(levels, Unavailable):
        return levels
    lower, upper = (_quantile(connection, arm, level) for level in (levels.lower, levels.upper))
    assert lower is not None and upper is not None  # noqa: S101, PT018  the arm has calls, so it has quantiles
    return LatencyTail(calls=sums.calls, units=sums.units, p95=cut, lower=lower, upper=upper)


def _quantile(connection: duckdb.DuckDBPyConnection, arm: str, q: float) -> float | None:
    answer: float | None = _ask_one(connection, "latency_cut", arm=arm, q=q)["cut"]
    return answer


def _drift(
    connection: duckdb.DuckDBPyConnection, kind: PredictionKind | Unavailable, *, distinct: int
) -> Drift | Unavailable:
    if isinstance(kind, Unavailable):
        return kind
    ks_distance = None
    if kind is PredictionKind.NUMBERS:
        ks_distance = _ask_one(connection, "kolmogorov_smirnov")["distance"]
        if distinct >= _MIN_DISTINCT:
            return _drift_over_deciles(connection, ks_distance)
    rows = [tuple(row.values()) for row in _ask(connection, "drift_of_labels")]
    named, rest = rows[:_MAX_LABELS], rows[_MAX_LABELS:]
    named.append(("other", sum(row[1] for row in rest), sum(row[2] for row in rest)))
    labels, production, shadow = zip(*named, strict=True)
    return Drift(bins=labels, production=production, shadow=shadow, ks_distance=ks_distance)


def _drift_over_deciles(connection: duckdb.DuckDBPyConnection, ks_distance: float) -> Drift:
    rows = _ask(connection, "drift_of_numbers")
    pairs = _ask_one(connection, "totals")["pairs"]
    cuts = [row["cut"] for row in rows]
    below = {arm: [0, *(row[f"{arm}_at_or_below"] for row in rows), pairs] for arm in ("production", "shadow")}
    return Drift(
        bins=(*(f"up to {cut:.6g}" for cut in cuts), f"above {cuts[-1]:.6g}"),
        production=tuple(after - before for before, after in pairwise(below["production"])),
        shadow=tuple(after - before for before, after in pairwise(below["shadow"])),
        ks_distance=ks_distance,
    )


def _ask_one(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> dict[str, Any]:
    (row,) = _ask(connection, name, **parameters)
    return row


def _ask(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows that one statement of `sql/` answers."""
    statement = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    cursor = connection.execute(statement, parameters or None)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
