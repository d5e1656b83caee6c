"""Experiments drawn as a bandit deals them: over night the shares follow what the mature units have shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.drawn_units import Arms, DrawnUnits, drawing
from abflow.analysis.inflow import Inflow, counting_days
from abflow.analysis.looks import arm_shares
from abflow.analysis.margins import sign_of
from abflow.analysis.population import ENTRY_DAY, Slice
from abflow.analysis.samples import slice_sample
from abflow.analysis.unit_records import UnitRecords
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import ProportionMetric
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.power_simulation import Effect
from abflow.stats.result import Unavailable
from abflow.stats.thompson import thompson_allocation

_EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dealt:
    """One drawn experiment.

    Attributes:
        arms: The units of every arm, in the order in which they enter.
        days: Every metric by arm and day of entry, but no quantile.
    """

    arms: Arms
    days: tuple[Slice, ...]

    def share(self, arm: str) -> float:
        """Of all units, those that an arm was dealt."""
        units = {name: max(len(drawn.places) for drawn in of.values()) for name, of in self.arms.items()}
        return units[arm] / sum(units.values())


def dealing_by_results(
    spec: ExperimentSpec,
    records: Mapping[str, UnitRecords],
    *,
    effects: Mapping[str, Mapping[str, Effect]],
    inflow: Inflow,
) -> Callable[[np.random.Generator], Dealt]:
    """Draw experiments whose units are dealt by Thompson sampling.

    The first day is dealt as the file says. Every night the shares follow all units whose primary is mature by then,
    once each arm has 100 of them; when they have converged they stay.

    Args:
        spec: The experiment.
        records: What the units did, by metric.
        effects: What happens to a metric's units, by arm and metric; never to a quantile's.
        inflow: How units come, day by day.

    Raises:
        DataError: Metrics list different units, and do not say which.
        NotEnoughData: There are no units to draw, or their values are not finite.
    """
    last = spec.phases.test.days
    counting = {name: counting_days(spec, days=last, metric=name) for name in records}
    ends = [round(inflow.units(day)) for day in range(max(counting.values()) + 1)]
    draw_everybody = drawing(records, shares={_EVERYBODY: 1.0}, effects={}, units=ends[-1])

    def draw(rng: np.random.Generator) -> Dealt:
        everybody = draw_everybody(rng)[_EVERYBODY]
        # What everybody would do in every arm, before anybody is in one.
        arms = {arm: _in_arm(everybody, effects.get(arm, {}), rng) for arm in arm_shares(spec)}
        got = _dealt(spec, {arm: of[spec.primary_name] for arm, of in arms.items()}, ends, rng)
        return Dealt(
            arms={
                arm: {name: drawn.where(_of_arm(number, got, ends[counting[name]])) for name, drawn in of.items()}
                for number, (arm, of) in enumerate(arms.items())
            },
            days=tuple(
                part
                for name, days in counting.items()
                for day in range(days)
                for part in _slices(spec, name, day, {arm: of[name] for arm, of in arms.items()}, got, ends)
            ),
        )

    return draw


def _of_arm(number: int, got: NDArray[np.int64], mature: int) -> NDArray[np.int64]:
    """The units of an arm among the first, whose window is over."""
    return np.flatnonzero(got[:mature] == number)


def _in_arm(
    everybody: Mapping[str, DrawnUnits], effects: Mapping[str, Effect], rng: np.random.Generator
) -> dict[str, DrawnUnits]:
    """What everybody would do in an arm, by metric; a quantile's rows have no effect put in."""
    return {
        name: replace(drawn, numbers=effects[name](drawn.numbers, rng))
        if name in effects and drawn.numbers is not None
        else drawn
        for name, drawn in everybody.items()
    }


def _dealt(
    spec: ExperimentSpec, primary: Mapping[str, DrawnUnits], ends: Sequence[int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """The number of the arm that every unit gets, and what each day shows of the primary."""
    shares: Mapping[str, float] = arm_shares(spec)
    converged = False
    got = np.empty(ends[-1], dtype=np.int64)
    days: list[tuple[Slice, ...]] = []
    for day, (start, end) in enumerate(pairwise(ends)):
        mature = days[: counting_days(spec, days=day)]
        if mature and not converged:
            shares, converged = _shares_after(spec, mature, shares, seed=int(rng.integers(2**63)))
        until = np.cumsum([shares[arm] for arm in primary])[:-1]
        got[start:end] = np.searchsorted(until, rng.random(end - start), side="right")
        days.append(tuple(_slices(spec, spec.primary_name, day, primary, got, ends)))
    return got


def _shares_after(
    spec: ExperimentSpec, mature: Sequence[Sequence[Slice]], shares: Mapping[str, float], *, seed: int
) -> tuple[Mapping[str, float], bool]:
    """The shares after what mature units have shown, and whether they stay; as they were while nobody can say."""
    seen: dict[str, list[Slice]] = {}
    for part in (part for parts in mature for part in parts):
        seen.setdefault(part.variant, []).append(part)
    if len(seen) < len(shares):
        return shares, False
    found = thompson_allocation(
        {arm: slice_sample(spec.primary, parts).moments for arm, parts in seen.items()},
        kind="proportion" if isinstance(spec.primary, ProportionMetric) else "mean",
        seed=seed,
        sign=sign_of(spec.primary),
    )
    return (shares, False) if isinstance(found, Unavailable) else (found.weights, found.converged)


def _slices(
    spec: ExperimentSpec,
    name: str,
    day: int,
    arms: Mapping[str, DrawnUnits],
    got: NDArray[np.int64],
    ends: Sequence[int],
) -> Iterator[Slice]:
    """A metric on a day of entry, in every arm that somebody entered; nothing of a quantile."""
    start, end = ends[day : day + 2]
    level = (calendar_of(spec).test.start + timedelta(days=day)).isoformat()
    for number, (arm, drawn) in enumerate(arms.items()):
        did = drawn.where(start + np.flatnonzero(got[start:end] == number)).numbers
        if did is None or not len(did):
            continue
        pair = joint_moments_of(*did.T) if did.ndim == 2 else None
        yield Slice(
            metric=name,
            variant=arm,
            contamination=spec.analysis.contamination,
            by=ENTRY_DAY,
            level=level,
            moments=pair.x if pair else moments_of(did),
            non_zero=int(np.count_nonzero(did[:, 0] if pair else did)),
            pair=pair,
            lowest=None if pair else float(did.min()),
            highest=None if pair else float(did.max()),
        )
