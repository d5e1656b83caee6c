"""`Blueprint`: the experiment with every alias resolved, as it was when it began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What is compared, by version number.

    Attributes:
        versions: The model version that each variant stands for; None without a model.
        shares: The share of units that each variant gets, after rounding to buckets.
        champion: The version behind the promotion alias when the experiment began.
    """

    experiment: str
    hypothesis: str
    owner: str
    model: str | None
    control: str
    versions: dict[str, str | None]
    shares: dict[str, float]
    champion: str | None
    first_day: date
    test_start: date
    horizon: date
    spec_sha256: str

    @property
    def candidates(self) -> dict[str, str]:
        """The versions as MLflow addresses."""
        return {
            variant: f"models:/{self.model}/{version}"
            for variant, version in self.versions.items()
            if version is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The plan that may not change any more: made when the sizing gate opens.

    Attributes:
        needed_units: Units in all arms that the decision needs; None where the sizing was skipped.
        expected_units: Units in all arms that are expected to count.
    """

    spec_sha256: str
    spec: dict[str, object]
    test_start: date
    needed_units: int | None
    expected_units: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A test that goes on past the last day of its plan, as the plan promised for want of precision.

    Attributes:
        on: The last day of the plan.
        last: The last day now.
        days: Of the test now.
        precision: By arm, the information that it had, in percent of the plan; None where there was none.
    """

    on: date
    last: date
    days: int
    precision: dict[str, float | None]
    at: datetime
