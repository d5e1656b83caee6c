"""Experiments drawn from units that all got the same: dealt as the plan deals, with an effect put in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.unit_listing import listings_of
from abflow.analysis.unit_records import UnitRecords, Values
from abflow.errors import NotEnoughData
from abflow.spec.metrics import Metric, ProportionMetric, RatioMetric
from abflow.stats.power_simulation import Effect, added, dealing, flipped, multiplied


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnUnits:
    """The units of one arm in one metric, in the order in which they enter.

    Attributes:
        of: What they are drawn from; of a quantile with the effect in its rows.
        places: Where they stand there.
        numbers: What they did, with the effect in it; None of a quantile.
    """

    of: UnitRecords
    places: NDArray[np.int64]
    numbers: Values | None = None

    @property
    def records(self) -> UnitRecords:
        """What they did, and what they did before."""
        before = None if self.of.before is None else self.of.before[self.places]
        return UnitRecords(numbers=self.numbers, before=before)

    def first(self, share: float) -> DrawnUnits:
        """The share of them that entered first."""
        return self.where(slice(round(share * len(self.places))))

    def where(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> DrawnUnits:
        """Some of them, by their order."""
        numbers = None if self.numbers is None else self.numbers[chosen]
        return DrawnUnits(of=self.of, places=self.places[chosen], numbers=numbers)


Arms = Mapping[str, Mapping[str, DrawnUnits]]  # by arm, then by metric
Draw = Callable[[np.random.Generator], Arms]


def drawing(
    records: Mapping[str, UnitRecords],
    *,
    shares: Mapping[str, float],
    effects: Mapping[str, Mapping[str, Effect]],
    units: int,
) -> Draw:
    """Draw experiments of so many units.

    A unit is drawn with everything that it did in every metric, so that they stay related, and with what it did
    before. Where its window of one metric is not over, a unit whose window is over stands in for it in that metric.

    Args:
        spec: The experiment.
        records: What the units did, by metric.
        shares: Of the units, by arm.
        effects: What happens to a metric's units, by arm and metric. What they did before stays as it was.
        units: Of an experiment, all arms together.

    Raises:
        DataError: Metrics list different units, and do not say which.
        NotEnoughData: There are no units to draw, or their values are not finite.
    """
    for name, record in records.items():
        _require_units(name, record)
    listings = listings_of(records)
    deal = dealing(listings[0].everybody, shares=shares, total=units)
    moved = {(arm, name): _moved(records[name], effect) for arm, of in effects.items() for name, effect in of.items()}

    def draw(rng: np.random.Generator) -> Arms:
        arms: dict[str, dict[str, DrawnUnits]] = {arm: {} for arm in shares}
        for arm, chosen in deal(rng).items():
            for listing in listings:
                places = listing.places(chosen, rng)
                for name in listing.metrics:
                    effect = effects.get(arm, {}).get(name)
                    arms[arm][name] = _drawn(moved.get((arm, name), records[name]), places, effect, rng)
        return arms

    return draw


def _require_units(name: str, record: UnitRecords) -> None:
    if record.units == 0:
        raise NotEnoughData(f"{name} cannot be drawn: there are no units to split")
    if not all(np.isfinite(numbers).all() for numbers in (record.numbers, record.before) if numbers is not None):
        raise NotEnoughData(f"{name} cannot be drawn: the units hold infinities or NaN")


def _moved(record: UnitRecords, effect: Effect) -> UnitRecords:
    """Of a quantile, its units with the effect in all their rows: the same in every draw."""
    if record.rows is None:
        return record
    return replace(record, rows=record.rows.mapped(lambda values: effect(values, np.random.default_rng(0))))


def _drawn(
    record: UnitRecords, places: NDArray[np.int64], effect: Effect | None, rng: np.random.Generator
) -> DrawnUnits:
    if record.numbers is None:
        return DrawnUnits(of=record, places=places)
    numbers = record.numbers[places]
    return DrawnUnits(of=record, places=places, numbers=effect(numbers, rng) if effect else numbers)


def planned_effect(metric: Metric, record: UnitRecords) -> Effect:
    """What the mde of a metric does to its units, which have none of it yet: to their numbers, or to all their rows."""
    if metric.mde is None:
        return added(0.0)
    size, relative = metric.mde.signed, metric.mde.relative is not None
    match metric:
        case ProportionMetric():
            rate = 0.0 if record.numbers is None or not record.units else float(record.numbers.mean())
            return flipped(size * rate if relative else size)
        case RatioMetric():
            return _on_the_numerator(size, relative=relative)
        case _:
            return multiplied(1 + size) if relative else added(size)


def _on_the_numerator(size: float, *, relative: bool) -> Effect:
    def moved(pairs: Values, _: np.random.Generator) -> Values:
        more = size * (pairs[:, 0] if relative else pairs[:, 1])
        return np.column_stack((pairs[:, 0] + more, pairs[:, 1]))

    return moved
