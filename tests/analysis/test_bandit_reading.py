"""How the primary of an allocation that followed the data is read: by its days of entry."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from abflow.analysis.compare import compare
from abflow.analysis.entry_batches import entry_batches
from abflow.analysis.population import ENTRY_DAY, Population, Slice
from abflow.analysis.readout import Comparison, Margin, Word
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import EMPTY, NO_PAIRS, JointMoments, Moments, joint_moments_of, moments_of
from abflow.stats.result import Estimate, Unavailable
from tests.analysis.experiments import BOUGHT, SPENT, arms_of, measured, population_of, spec_of

PER_VISIT: dict[str, Any] = {
    "role": "primary",
    "kind": "ratio",
    "numerator": "purchase",
    "denominator": "visit",
    "mde": {"relative": 0.1},
    "why": "the page is what changes",
}
N = 1000


def bandit(metric: dict[str, Any] = SPENT, **changes: Any) -> ExperimentSpec:
    name = {"proportion": "bought", "ratio": "per_visit"}.get(metric["kind"], "spent")
    return spec_of({name: metric}, allocation="thompson", **changes)


def day(number: int, variant: str, values: np.ndarray[Any, Any], *, metric: str = "spent") -> Slice:
    pair: JointMoments | None = joint_moments_of(*values.T) if values.ndim == 2 else None
    return Slice(
        metric=metric,
        variant=variant,
        contamination="exclude",
        by=ENTRY_DAY,
        level=f"2026-10-{7 + number:02}",
        moments=pair.x if pair else moments_of(values),
        non_zero=int(np.count_nonzero(values)),
        pair=pair,
        lowest=None if pair else float(values.min()),
        highest=None if pair else float(values.max()),
    )


def spread(mean: float, *, n: int = N, seed: int = 1) -> np.ndarray[Any, Any]:
    """Values of exactly this mean and sd 10."""
    values = np.random.default_rng(seed).normal(size=n)
    return np.asarray(mean + 10 * (values - values.mean()) / values.std(ddof=1))


def whole(days: list[Slice], metric: str = "spent") -> Population:
    sums = {v: sum((d.moments for d in days if d.variant == v), EMPTY) for v in ("old", "new")}
    return population_of(*arms_of(metric, sums["old"], sums["new"]), slices=tuple(days))


def read(spec: ExperimentSpec, population: Population) -> Comparison:
    return compare(spec, population, contamination="exclude")[0]


def test_precision_is_that_of_the_days_and_not_of_their_sums() -> None:
    # On each day the smaller arm has a tenth of the units; the sums are balanced and look twice as precise.
    days = []
    for number, (old, new) in enumerate([(900, 100), (100, 900)], start=1):
        days += [day(number, "old", spread(100.0, n=old)), day(number, "new", spread(100.0, n=new))]
    found = read(bandit(SPENT | {"mde": {"absolute": 2.0}}), whole(days))
    # One day: 10 sqrt(1/900 + 1/100) = 1.054, and two such days 1.054 / sqrt(2) = 0.745; the sums would say 0.447.
    assert found.precision is not None
    reach = (1.959964 + 0.841621) * 10 * math.sqrt(1 / 900 + 1 / 100) / math.sqrt(2)
    assert found.precision.percent_of_plan == pytest.approx(100 * (2.0 / reach) ** 2, rel=1e-3)


def test_a_ratio_is_compared_as_a_ratio_and_not_by_its_numerators() -> None:
    rng = np.random.default_rng(2)
    days = []
    for number in (1, 2, 3):
        for variant, visits in (("old", 4.0), ("new", 8.0)):  # twice the visits, and the same share of them buys
            seen = 1 + rng.poisson(visits - 1, N)
            days.append(day(number, variant, np.column_stack([rng.binomial(seen, 0.3), seen]), metric="per_visit"))
    spec = bandit(PER_VISIT)
    for control, treatment in entry_batches(spec, whole(days, "per_visit"), "per_visit", "new", "exclude"):
        assert (control.moments.mean, treatment.moments.mean) == pytest.approx((0.3, 0.3), abs=0.02)
    sums = [
        measured("per_visit", v, EMPTY, pair=sum((d.pair for d in days if d.variant == v and d.pair), NO_PAIRS))
        for v in ("old", "new")
    ]
    found = read(spec, population_of(*sums, slices=tuple(days)))
    assert found.word is Word.UNCLEAR
    assert found.deciding is not None
    assert found.deciding.value == pytest.approx(0.0, abs=0.02)
    assert any("nobody keeps the outermost units of a day" in note for note in found.notes)


def test_a_day_of_one_arm_alone_is_left_out_and_counted() -> None:
    days = [day(1, "old", spread(100.0))]
    days += [day(number, arm, spread(100.0)) for number in (2, 3) for arm in ("old", "new")]
    found = read(bandit(), whole(days))
    assert found.deciding is not None
    assert found.deciding.method == "batched OLS over 2 days of entry"
    assert isinstance(found.effect, Estimate)
    assert found.effect.method == "batched OLS, Student t, 2 of 3 days of entry"
    assert found.notes[0] == "1 of 3 days of entry had too few units, or no spread, for a test."


def test_every_control_is_in_the_batches() -> None:
    spec = bandit(arms=2, control=["old", "newer"])
    days = [day(1, v, spread(mean)) for v, mean in (("old", 90.0), ("newer", 110.0), ("new", 100.0))]
    ((control, treatment),) = entry_batches(spec, population_of(slices=tuple(days)), "spent", "new", "exclude")
    assert (control.moments.n, treatment.moments.n) == (2 * N, N)
    assert control.moments.mean == pytest.approx(100.0)


def test_a_unit_that_carries_the_answer_is_left_out_of_its_own_day() -> None:
    days = [day(number, arm, spread(100.0)) for number in (1, 2) for arm in ("old", "new")]
    carried = np.append(spread(100.0), 1_000_000.0)
    plain = read(bandit(), whole([*days, day(3, "old", spread(100.0)), day(3, "new", spread(103.0))]))
    assert plain.word is Word.BETTER
    assert not plain.fragile
    odd = read(bandit(), whole([*days, day(3, "old", spread(100.0)), day(3, "new", carried)]))
    assert odd.word is Word.UNCLEAR  # its own day's error grows with it
    moved = next(note for note in odd.notes if note.startswith("One unit moves the effect by"))
    assert "more than half its standard error" in moved


def test_an_answer_that_hangs_on_one_unit_of_a_small_day_is_fragile() -> None:
    # Four days of Z 0.99 add up to 1.77 with a fifth that says nothing; one of its 13 units lifts them over 1.96.
    days = [day(n, arm, spread(mean, n=400)) for n in range(1, 5) for arm, mean in (("old", 100.0), ("new", 100.7))]
    small = spread(100.0, n=12) / 10
    days += [day(5, "old", small), day(5, "new", np.append(small, small.mean() + 20))]
    found = read(bandit(), whole(days))
    assert found.word is Word.BETTER
    assert found.fragile


def test_a_rate_is_asked_for_no_single_unit() -> None:
    ones = [np.repeat([1.0, 0.0], [k, N - k]) for k in (200, 260)]
    sides = list(zip(("old", "new"), ones, strict=True))
    days = [day(number, arm, values, metric="bought") for number in (1, 2) for arm, values in sides]
    found = read(bandit(BOUGHT), whole(days, "bought"))
    assert found.word is Word.BETTER
    assert not found.fragile


@pytest.mark.parametrize("values", [(5.0,), ()])
def test_days_without_enough_units_are_no_answer(values: tuple[float, ...]) -> None:
    days = [day(1, arm, np.array(values or (5.0, 6.0))) for arm in ("old", "new")]
    sums = [Moments(n=200, mean=5.0, m2=50.0)] * 2
    found = read(bandit(), population_of(*arms_of("spent", *sums), slices=tuple(days)))
    assert found.word is None
    assert "none of 1 batches has 10 units in each arm and any spread" in str(found.effect)


def drifting(metric: str, levels: tuple[float, float], lost: float) -> list[Slice]:
    """Two days of another level; the new arm gets most of the second, and does `lost` worse on both."""
    days = []
    for number, (level, units) in enumerate(zip(levels, [(900, 100), (100, 900)], strict=True), start=1):
        for arm, n, mean in (("old", units[0], level), ("new", units[1], level - lost)):
            days.append(day(number, arm, spread(mean, n=n), metric=metric))
    return days


def test_guardrails_and_secondaries_are_read_by_their_days_too() -> None:
    metrics = {
        "spent": SPENT,
        "kept": SPENT | {"role": "guardrail", "mde": None, "margin": {"absolute": -3.0}},
        "liked": SPENT | {"role": "secondary", "mde": None},
    }
    spec = spec_of(metrics, allocation="thompson")
    days = {name: drifting(name, (100.0, 150.0), 0.0) for name in metrics}
    sums = {
        (name, arm): sum((part.moments for part in parts if part.variant == arm), EMPTY)
        for name, parts in days.items()
        for arm in ("old", "new")
    }
    arms = [each for name in metrics for each in arms_of(name, sums[name, "old"], sums[name, "new"])]
    population = population_of(*arms, slices=tuple(part for parts in days.values() for part in parts))
    primary, kept, liked = compare(spec, population, contamination="exclude")
    for found in (primary, kept, liked):
        assert isinstance(found.effect, Estimate)
        assert found.effect.value == pytest.approx(0.0, abs=1e-9)  # the sums say +40
        assert isinstance(found.relative, Unavailable)
    assert liked.word is Word.UNCLEAR
    # 10 sqrt(1/900 + 1/100) / sqrt(2) = 0.745; a margin of 3 is four of them.
    assert kept.word is Word.SAFE
    assert isinstance(kept.margin, Margin)
    assert kept.margin.se == pytest.approx(0.745, abs=0.001)
    assert kept.margin.method == "batched OLS, Welch t bounds, 2 of 2 days of entry"


def test_a_guardrail_that_never_moved_is_bounded_at_its_margin() -> None:
    error = BOUGHT | {"role": "guardrail", "mde": None, "margin": {"absolute": 0.01}, "direction": "decrease"}
    spec = spec_of({"spent": SPENT, "bought": error}, allocation="thompson")
    days = [day(number, arm, np.zeros(N), metric="bought") for number in (1, 2) for arm in ("old", "new")]
    days += drifting("spent", (100.0, 100.0), 0.0)
    bought = arms_of("bought", *[moments_of(np.zeros(2 * N))] * 2)
    population = replace(whole(days[4:]), measured=(*whole(days[4:]).measured, *bought), slices=tuple(days))
    found = compare(spec, population, contamination="exclude")[1]
    assert isinstance(found.margin, Margin)
    assert found.margin.method == "batched OLS, score bounds, 2 of 2 days of entry"
    assert found.word is Word.SAFE


def test_a_quantile_says_that_its_days_are_read_together() -> None:
    latency = {"kind": "quantile", "value": "latency_ms", "q": 0.95, "role": "guardrail", "direction": "decrease"}
    metrics = {"spent": SPENT, "latency": latency | {"margin": {"relative": 0.1}}}
    for allocation, told in (("thompson", True), ("fixed", False)):
        spec = spec_of(metrics, allocation=allocation)
        found = compare(spec, whole(drifting("spent", (100.0, 100.0), 0.0)), contamination="exclude")[1]
        assert any("part of this difference is one of days" in note for note in found.notes) is told
