"""`Phases`: shadow, A/A and test, as the file plans them; `calendar` turns them into days."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from abflow.spec.metrics import Reason, SpecModel


class Skipped(SpecModel):
    """A phase left out, with the reason that follows the experiment."""

    skip: Reason


def _skipped_or_not(phase: Any) -> str:
    """Which of the two a phase is meant as, so that a mistake in it is explained once."""
    return "skipped" if isinstance(phase, Skipped) or (isinstance(phase, dict) and "skip" in phase) else "planned"


class ShadowPhase(SpecModel):
    """Days on which the new version answers a copy of the traffic."""

    start: date
    days: Annotated[int, Field(ge=1, le=90)]


class AaPhase(SpecModel):
    """Days on which the assignment is in force and everybody gets the control."""

    start: date | None = Field(default=None, description="Default: the day after the shadow phase.")
    enroll_days: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[int, Field(ge=1, le=180)]


class Extension(SpecModel):
    """A longer test, promised before it began, for when it is not precise enough by its last day."""

    max_days: Annotated[int, Field(ge=1, le=365, description="Days of the longer test; whole weeks more.")]


class TestPhase(SpecModel):
    """The experiment itself; the horizon is its last day."""

    __test__ = False  # not a test class

    start: date | None = Field(default=None, description="Default: the day after the A/A phase.")
    enroll_days: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[int, Field(ge=1, le=365)]
    why: Reason | None = None
    immature: Literal["allowed"] | None = None
    extend: Extension | None = None


class Phases(SpecModel):
    """The fixed order: shadow, A/A, test."""

    shadow: Annotated[
        Annotated[ShadowPhase, Tag("planned")] | Annotated[Skipped, Tag("skipped")], Discriminator(_skipped_or_not)
    ]
    aa: Annotated[
        Annotated[AaPhase, Tag("planned")] | Annotated[Skipped, Tag("skipped")], Discriminator(_skipped_or_not)
    ]
    test: TestPhase
