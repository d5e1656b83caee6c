"""Which units are known in which metric: where its window is not over, a unit is known in the others only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.unit_records import UnitRecords
from abflow.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """Metrics that list the same units.

    Attributes:
        metrics: Their names.
        units: How many they list.
        stands: Where each unit that any metric lists stands among theirs; -1 where they do not list it.
    """

    metrics: tuple[str, ...]
    units: int
    stands: NDArray[np.int64]

    @property
    def everybody(self) -> int:
        """Units that any metric lists."""
        return len(self.stands)

    def places(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Where some units stand among those of these metrics.

        A unit that is not listed is stood in for by one that is, drawn at random: so the metrics keep the values of
        their own units, and stay related as far as anybody knows how.

        Args:
            chosen: Numbers among the units that any metric lists.
            rng: Where the chance comes from.
        """
        places = self.stands[chosen]
        unknown = np.flatnonzero(places < 0)
        if unknown.size:
            places[unknown] = rng.integers(self.units, size=unknown.size)
        return places


def listings_of(records: Mapping[str, UnitRecords]) -> list[Listing]:
    """Metrics by the units that they list.

    Args:
        records: What the units did, by metric, at least one.

    Raises:
        DataError: Metrics list different units, and do not say which.
    """
    if len({record.units for record in records.values() if record.who is None}) > 1:
        raise DataError(f"metrics {', '.join(records)} do not list the same units; give one record per unit")
    who = {name: np.arange(each.units) if each.who is None else each.who for name, each in records.items()}
    everybody = reduce(np.union1d, who.values())
    alike: dict[bytes, list[str]] = {}
    for name, units in who.items():
        alike.setdefault(units.astype(np.int64).tobytes(), []).append(name)
    listings = []
    for names in alike.values():
        stands = np.full(everybody.size, -1)
        stands[np.searchsorted(everybody, who[names[0]])] = np.arange(who[names[0]].size)
        listings.append(Listing(metrics=tuple(names), units=who[names[0]].size, stands=stands))
    return listings
