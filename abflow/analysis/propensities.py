"""Weights of its own for every unit: did the arms get the units that the logged probabilities announced?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Population
from abflow.analysis.sample_ratio import SRM_FAIL, SRM_WARN
from abflow.analysis.wording import count, p_value, percent
from abflow.stats.confidence_sequence import always_valid_p
from abflow.stats.moments import Moments
from abflow.stats.multiplicity import holm
from abflow.stats.propensity_balance import ArmBalance, propensity_balance
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import chi_square_sf, normal_isf

# Units for which the daily test is sharpest; with a tenth or ten times as many it is a little wider.
SHARPEST_AT = 10_000
SMALLEST = 1e-300  # a p-value below has no normal quantile


def balance_check(name: str, weighed: Mapping[str, Moments], *, tests: int = 1) -> Check:
    """Did every arm get the units that the logged probabilities announced?

    Args:
        name: Of the check.
        weighed: By arm, 1 over the probability of each of its units.
        tests: Tests that share the error.
    """
    found = propensity_balance(weighed)
    if isinstance(found, Unavailable):
        return Check(name=name, status=Status.NOT_CHECKED, sentence=f"The {name} is not tested: {found.detail}.")
    p = min(arm.adjusted_p for arm in found.values())
    words = "does not fit" if p < SRM_FAIL / tests else "fits"
    sentence = f"The {name} {words} the logged probabilities: {_announced(found)} (adjusted p {p_value(p)})."
    return Check(name=name, status=_status(p, tests=tests), sentence=sentence, numbers={"p_value": p})


def balance_so_far(population: Population) -> Check:
    """The same for all units so far, by a p-value that holds however often it is looked at.

    References:
        Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), arXiv 2103.06476v9, theorem 2.2, for the mean of one
        arm's weights.
    """
    name, weighed = "sample ratio so far", population.inverse_propensity()
    found = propensity_balance(weighed)
    if isinstance(found, Unavailable):
        return Check(name=name, status=Status.NOT_CHECKED, sentence=f"The {name} is not tested: {found.detail}.")
    units = sum(moments.n for moments in weighed.values())
    p = min(holm([_at_every_look(arm, units) for arm in found.values()]))
    words = "does not fit" if p < SRM_FAIL else "fits"
    evidence = f"adjusted p {p_value(p)}, valid on every day"
    sentence = f"The {name} {words} the logged probabilities: {_announced(found)} ({evidence})."
    return Check(name=name, status=_status(p), sentence=sentence, numbers={"p_value": p})


def _at_every_look(arm: ArmBalance, units: int) -> float:
    if arm.se == 0:  # that one arm gets everybody is as unlikely at its last look as at all looks together
        return arm.p_value
    return always_valid_p(arm.mean - 1, arm.se, n=units, planned=SHARPEST_AT, alpha=SRM_FAIL)


def balance_of_day(population: Population, day: date, *, days: int) -> Check:
    """The same for the units that entered on this day, which is tested once."""
    return balance_check("split of the day", _entered_on(population, day), tests=days)


def balance_over_time(population: Population, *, days: int) -> Check:
    """The same on every day: probabilities that fit in total can hide an assignment tied to time."""
    name = "split over time"
    entered = sorted({cohort.day for cohort in population.cohorts if cohort.enrolled})
    found = balance_in_parts({str(day): _entered_on(population, day) for day in entered})
    if isinstance(found, Unavailable):
        return Check(name=name, status=Status.NOT_CHECKED, sentence=f"The {name} is not tested: {found.detail}.")
    numbers = {"p_value": found.together, "smallest_daily_p_value": found.smallest}
    status = max(_status(found.together), _status(found.smallest, tests=days), key=[*Status].index)
    words = "fits the logged probabilities on every day"
    if status is Status.FAIL:
        words = f"does not fit the logged probabilities on every day, worst on {found.worst}"
    sentence = f"The split {words} (all days p {p_value(found.together)}; smallest p {p_value(found.smallest)})."
    return Check(name=name, status=status, sentence=sentence, numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class InParts:
    """Whether the probabilities fit in every part of the population.

    Attributes:
        together: The p-value of all parts.
        smallest: The smallest of one part.
        worst: That part.
    """

    together: float
    smallest: float
    worst: str


def balance_in_parts(parts: Mapping[str, Mapping[str, Moments]]) -> InParts | Unavailable:
    """Whether every arm got its units in every part: per arm a chi-square of all parts, Holm over the arms.

    Args:
        parts: By part and arm; parts with too few units to be tested are left out.
    """
    tested = {part: propensity_balance(weighed) for part, weighed in parts.items()}
    usable = {part: found for part, found in tested.items() if not isinstance(found, Unavailable)}
    if not usable:
        nobody = Unavailable(reason=UnavailableReason.NO_UNITS, detail="there are no units")
        return next((found for found in tested.values() if isinstance(found, Unavailable)), nobody)
    squares: dict[str, list[float]] = {}
    for found in usable.values():
        for arm, balance in found.items():
            squares.setdefault(arm, []).append(normal_isf(max(balance.p_value, SMALLEST) / 2) ** 2)
    smallest = {part: min(arm.adjusted_p for arm in found.values()) for part, found in usable.items()}
    worst = min(smallest, key=smallest.__getitem__)
    return InParts(
        together=min(holm([chi_square_sf(sum(own), len(own)) for own in squares.values()])),
        smallest=smallest[worst],
        worst=worst,
    )


def without_propensity(population: Population) -> tuple[Check, ...]:
    """A warning where some units have no probability in a log that has them."""
    known = sum(moments.n for moments in population.inverse_propensity().values())
    missing = population.enrolled - known
    if not missing:
        return ()
    share = missing / population.enrolled
    sentence = (
        f"{count(missing)} of {count(population.enrolled)} units ({percent(share)}) have no variant_propensity at "
        "their first exposure; the sample ratio is tested without them."
    )
    name = "logged probabilities"
    return (Check(name=name, status=Status.WARN, sentence=sentence, numbers={"missing": share}),)


def _entered_on(population: Population, day: date) -> dict[str, Moments]:
    return population.inverse_propensity(lambda cohort: cohort.day == day)


def _status(p: float, *, tests: int = 1) -> Status:
    return Status.FAIL if p < SRM_FAIL / tests else Status.WARN if p < SRM_WARN / tests else Status.PASS


def _announced(found: Mapping[str, ArmBalance]) -> str:
    """What each arm got of the units that were announced for it."""
    return ", ".join(f"{arm} {percent(balance.mean, 1)} of the units announced" for arm, balance in found.items())
