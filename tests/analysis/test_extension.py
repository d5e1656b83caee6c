"""Whether a test is precise enough to be read, asked without its effect."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from abflow.analysis.blueprint import Extended
from abflow.analysis.compare import compare
from abflow.analysis.extension import extension_in_words, is_precise, precision_reached
from abflow.analysis.readout import Precision
from abflow.stats.moments import EMPTY, Moments
from tests.analysis.experiments import BOUGHT, SPENT, arms_of, population_of, rate, spec_of


def spent(mean: float, *, n: int = 5000) -> Moments:
    return Moments(n=n, mean=mean, m2=2500.0 * (n - 1))


def test_it_is_the_precision_that_the_readout_will_show() -> None:
    spec = spec_of({"bought": BOUGHT}, arms=2)
    population = population_of(*arms_of("bought", rate(500, 5000), rate(520, 5000), rate(100, 1000)))
    reached = precision_reached(spec, population)
    shown = {found.arm: found.precision for found in compare(spec, population, contamination="exclude")}
    assert reached == shown
    assert [found.powered for found in reached.values() if found] == [True, False]
    assert not is_precise(reached)
    assert is_precise(precision_reached(spec, population, dropped=["newer"]))


@pytest.mark.parametrize("units", [5000, 12_000])
def test_the_effect_has_no_part_in_it(units: int) -> None:
    spec = spec_of({"spent": SPENT})
    none, gain, loss = (
        precision_reached(spec, population_of(*arms_of("spent", spent(100.0, n=units), spent(100.0 + by, n=units))))
        for by in (0.0, 9.0, -9.0)
    )
    assert none == gain == loss
    assert is_precise(none) is (units == 12_000)


@pytest.mark.parametrize(
    ("metric", "moments"),
    [
        (BOUGHT, (rate(5, 50), EMPTY)),
        (SPENT, (spent(100.0, n=9), spent(100.0, n=9))),
        (SPENT | {"mde": {"relative": 0.1}}, (spent(0.0), spent(1.0))),
    ],
    ids=["an arm without units", "too few units", "a size relative to nothing"],
)
def test_what_cannot_be_told_is_not_precise(metric: dict[str, Any], moments: tuple[Moments, Moments]) -> None:
    reached = precision_reached(spec_of({"m": metric}), population_of(*arms_of("m", *moments)))
    assert reached == {"new": None}
    assert not is_precise(reached)


def test_a_tenth_is_forgiven() -> None:
    nearly = Precision(powered=True, percent_of_plan=83.0, more_units_per_arm=10)
    assert is_precise({"new": nearly})
    assert not is_precise({"new": nearly, "newer": replace(nearly, powered=False)})


def test_the_sentence_names_every_arm() -> None:
    extended = Extended(
        on=date(2026, 11, 7),
        last=date(2026, 11, 14),
        days=28,
        precision={"new": 61.7, "newer": None},
        at=datetime(2026, 11, 8, tzinfo=UTC),
    )
    assert extension_in_words(extended) == (
        "On 2026-11-07 precision was 62 % of the plan for new and not to be told for newer, so the test goes on until "
        "2026-11-14, day 28, as its plan promised. The effect had no part in that."
    )
