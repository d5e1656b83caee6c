"""The days of a drawn test that may show harm: found by sums over all days at once, for the real check to look at.

A bound that holds at every daily look lies at least 2.19 standard errors from its estimate. A day whose estimate is
nearer to what is allowed shows no harm, and nobody has to measure it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.drawn_units import Arms, DrawnUnits
from abflow.analysis.unit_records import Values
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, QuantileMetric, Role
from abflow.stats.log_histogram import GROWTH
from abflow.stats.unit_rows import UnitRows

# Less than sqrt(2 ln(1 + 1 / (2 · 0.05))) = 2.19, the least that a one-sided sequence at 0.05 adds.
NEAREST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ByDay:
    """One metric in one arm by the end of every day; NaN where there is none.

    Attributes:
        variance: Of the value; 0 where nobody computed one.
        blur: How far the value may be from what is measured.
    """

    value: Values
    variance: Values
    blur: Values


def suspect_days(spec: ExperimentSpec, arms: Arms, shares: Sequence[Mapping[str, float]]) -> list[bool]:
    """Whether some metric of some arm may be beyond what it is allowed to lose, by the end of every day.

    Args:
        spec: The experiment.
        arms: The units of every arm, in the order in which they enter.
        shares: Of them, how many are mature by each day, by metric.
    """
    suspect = np.zeros(len(shares), dtype=bool)
    for name, metric in spec.metrics.items():
        if not metric.role.decides:
            continue
        mature = [day[name] for day in shares]
        control = _by_day(metric, arms[spec.control_name][name], mature)
        for arm in spec.treatments:
            suspect |= _beyond(metric, control, _by_day(metric, arms[arm][name], mature))
    return [bool(day) for day in suspect]


def _beyond(metric: Metric, control: _ByDay, treatment: _ByDay) -> NDArray[np.bool_]:
    """Whether what a metric may lose, less what it lost, may be clearly below 0; see `margin_bounds`."""
    allowed = metric.margin if metric.role is Role.GUARDRAIL else None
    relative = allowed is not None and allowed.relative is not None
    size = allowed.size if allowed else 0.0
    weight = metric.sign - size if relative else float(metric.sign)
    left = metric.sign * treatment.value - weight * control.value + (0.0 if relative else size)
    blur = treatment.blur + abs(weight) * control.blur
    with np.errstate(invalid="ignore"):
        return left < blur - NEAREST * np.sqrt(treatment.variance + weight * weight * control.variance)


def _by_day(metric: Metric, drawn: DrawnUnits, shares: Sequence[float]) -> _ByDay:
    ends = [len(drawn.first(share).places) for share in shares]
    if isinstance(metric, QuantileMetric):
        return _quantiles(drawn, metric.q, ends)
    did = drawn.numbers if drawn.numbers is not None else np.empty(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value, variance = _means(did, ends) if did.ndim == 1 else _ratios(did, ends)
    return _ByDay(value=value, variance=np.maximum(variance, 0.0), blur=np.zeros(len(ends)))


def _means(did: Values, ends: Sequence[int]) -> tuple[Values, Values]:
    n, centre = np.array(ends, dtype=np.float64), did.mean() if did.size else 0.0
    x, xx = _sums(did - centre, ends), _sums((did - centre) ** 2, ends)
    return centre + x / n, (xx - x * x / n) / (n - 1) / n


def _ratios(did: Values, ends: Sequence[int]) -> tuple[Values, Values]:
    """By the delta method, with the unit as cluster."""
    n, (a, b) = np.array(ends, dtype=np.float64), did.T
    x, y, xx, yy, xy = (_sums(column, ends) for column in (a, b, a * a, b * b, a * b))
    ratio = x / y
    return ratio, (xx - 2 * ratio * xy + ratio * ratio * yy) * n / (n - 1) / (y * y)


def _sums(column: Values, ends: Sequence[int]) -> Values:
    """Over the units that entered by the end of each day."""
    until = np.concatenate((np.zeros(1), np.cumsum(column)))
    return np.asarray(until[list(ends)])


def _quantiles(drawn: DrawnUnits, q: float, ends: Sequence[int]) -> _ByDay:
    """As a row has them; the bin of a histogram is wider by half a percent."""
    rows, found = drawn.of.rows, np.full(len(ends), np.nan)
    if rows is not None and rows.values.size:
        # Twice the rows beyond the quantile: those of drawn units are others.
        near = min(rows.values.size, round(2 * min(q, 1 - q) * rows.values.size) + 1)
        for day, end in enumerate(ends):
            if not end:
                continue
            times = np.bincount(drawn.places[:end], minlength=rows.per_unit.size)
            value = _quantile(rows, times, q, near)
            found[day] = _quantile(rows, times, q, rows.values.size) if value is None else value
    return _ByDay(value=found, variance=np.zeros(len(ends)), blur=(GROWTH - 1) * np.abs(found))


def _quantile(rows: UnitRows, times: NDArray[np.int64], q: float, near: int) -> float | None:
    """Counted from its nearer end, through so many rows; None when it lies beyond them."""
    nearest = slice(None, -near - 1, -1) if q >= 0.5 else slice(near)
    mass = np.cumsum(times[rows.unit[nearest]])
    place = int(np.searchsorted(mass, min(q, 1 - q) * float(times @ rows.per_unit)))
    return float(rows.values[nearest][place]) if place < mass.size else None
