"""Which validity checks a look makes, and which wait for the look that ends the test."""

from __future__ import annotations

from datetime import date
from itertools import product

from abflow.analysis.gates import Check, Status
from abflow.analysis.look_checks import checks_of_look
from abflow.analysis.population import ENTRY_DAY, Measured, Overlap, Population, SegmentUnits, Slice
from abflow.stats.moments import Moments
from abflow.stats.vector_moments import VectorMoments
from tests.analysis.experiments import BOUGHT, SPENT, arms_of, cohort, measured, population_of, rate, spec_of

TWICE = {"bought": BOUGHT, "spent": SPENT | {"role": "secondary"}}
SPEC = spec_of(TWICE, arms=2, control=["old", "new"], segments=["country"], analysis={"cuped": {"days": 14}})
HOLE = date(2026, 10, 9)
PURCHASES: dict[date, tuple[str, ...]] = {date(2026, 10, 8 + day): ("purchase",) for day in range(3)}


def spent(variant: str, *, before: float) -> Measured:
    """100 of each unit, and what the same units spent before."""
    cross = ((2500.0 * 4999, 1250.0 * 4999), (1250.0 * 4999, 2500.0 * 4999))
    history = VectorMoments(n=5000, mean=(100.0, before), cross=cross)
    return measured("spent", variant, Moments(n=5000, mean=100.0, m2=2500.0 * 4999), history=history)


def flawed() -> Population:
    """Everything that is tested once is wrong with it, and nothing that may be tested every day."""
    uneven = {"CH": (600, 400, 600), "DE": (400, 600, 400)}
    return population_of(
        *arms_of("bought", rate(100, 1000), rate(160, 1000), rate(100, 1000)),
        *(spent(variant, before=before) for variant, before in (("old", 50.0), ("new", 50.0), ("newer", 60.0))),
        cohorts=(cohort("old", 110), cohort("new", 150), cohort("newer", 130)),
        segments=tuple(
            SegmentUnits(segment="country", level=level, variant=variant, units=n)
            for level, units in uneven.items()
            for variant, n in zip(("old", "new", "newer"), units, strict=True)
        ),
        overlaps=tuple(
            Overlap(experiment="prices", variant=mine, other_variant=other, units=900 if (mine == "old") else 100)
            for mine, other in product(("old", "new"), ("a", "b"))
        ),
    )


def look(population: Population, *, ends: bool, seen: dict[date, tuple[str, ...]] | None = None) -> tuple[Check, ...]:
    return checks_of_look(SPEC, population, days=14, events_by_day=seen or PURCHASES, ends=ends)


def names(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks]


def test_what_each_look_would_make_likelier_by_chance_waits_for_the_look_that_ends_the_test() -> None:
    early, last = look(flawed(), ends=False), look(flawed(), ends=True)
    assert names(early) == ["sample ratio so far", "contamination", "outcome log"]
    assert {check.status for check in early} == {Status.PASS}
    assert names(last) == [
        "sample ratio",
        "sample ratio of the analysed units",
        "split over time",
        "contamination",
        "split by country",
        "spent before the test, newer",
        "bought between the controls, new",
        "overlap with prices",
        "outcome log",
    ]
    failed = [check.name for check in last if check.status is Status.FAIL]
    assert failed == ["split by country", "spent before the test, newer", "bought between the controls, new"]


def test_what_chance_does_not_do_is_found_at_every_look() -> None:
    slices = tuple(
        Slice(
            metric="bought",
            variant=variant,
            contamination="exclude",
            by=ENTRY_DAY,
            level=str(day),
            moments=rate(0 if day == HOLE else 100, 1000),
            non_zero=0 if day == HOLE else 100,
        )
        for day, variant in product(PURCHASES, ("old", "new", "newer"))
    )
    broken = population_of(cohorts=(cohort("old", 500), cohort("old", 500, crossed=True)), slices=slices)
    for ends in (False, True):
        checks = look(broken, ends=ends, seen=PURCHASES | {HOLE: ()})
        failed = {check.name for check in checks if check.status is Status.FAIL}
        assert {"contamination", "outcome log"} <= failed
