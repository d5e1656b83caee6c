"""`World`: everything that the days of one simulation share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from abflow.simulate.clock import Floats, Ints, stream
from abflow.simulate.levers import Levers, control_names, latency_ratios, levers_of
from abflow.simulate.population import Units, draw_units, serving_days
from abflow.simulate.truth import Truth
from abflow.spec.calendar import Calendar, calendar_of
from abflow.spec.experiment import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An experiment, the truth about it, and the units that live through it."""

    spec: ExperimentSpec
    truth: Truth
    calendar: Calendar
    seed: int
    units: Units
    levers: dict[str, Levers]
    latency_ratio: Floats
    error_rate: Floats
    variants: tuple[str, ...]
    controls: Ints

    @property
    def control(self) -> int:
        """Index of the variant whose version everybody gets during the A/A."""
        return self.variants.index(self.spec.control_name)

    def stream(self, day: date, purpose: str) -> np.random.Generator:
        """Random numbers of one day and purpose."""
        return stream(self.seed, day, purpose)

    @property
    def exposure_days(self) -> tuple[date, ...]:
        """Days with a file of exposures."""
        return serving_days(self.calendar)

    @property
    def outcome_days(self) -> tuple[date, ...]:
        """Days with a file of outcomes: those with exposures, and the history before them."""
        first = self.exposure_days[0]
        before = self.truth.history_days
        history = tuple(first - timedelta(days=ago) for ago in range(before, 0, -1))
        return history + self.exposure_days


def create_world(spec: ExperimentSpec, truth: Truth, *, seed: int) -> World:
    """Draw the units, and translate effects into what the treatments change.

    Raises:
        SpecError: The truth does not fit the experiment.
    """
    calendar = calendar_of(spec)
    levers = levers_of(spec, truth)
    variants = tuple(spec.variants)
    return World(
        spec=spec,
        truth=truth,
        calendar=calendar,
        seed=seed,
        units=draw_units(spec, truth, calendar, seed=seed),
        levers=levers,
        latency_ratio=latency_ratios(spec, truth),
        error_rate=truth.error_rate * np.array([truth.error_ratio.get(name, 1.0) for name in variants]),
        variants=variants,
        controls=np.array([variants.index(name) for name in control_names(spec)]),
    )
