"""Effects in parts of the population, and the checks that the parts were alike."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from abflow.analysis.comparability import controls_agree, overlap_checks, pre_period_difference, split_by_segment
from abflow.analysis.compare import beats, compare
from abflow.analysis.gates import Status
from abflow.analysis.outcome_holes import outcome_holes
from abflow.analysis.over_time import over_time
from abflow.analysis.population import CALENDAR_DAY, ENTRY_DAY, DailyEffects, Overlap, SegmentUnits, Slice
from abflow.analysis.segments import by_segment
from abflow.stats.moments import JointMoments, Moments
from abflow.stats.result import Estimate
from abflow.stats.trends import Trend, trend_of_cohorts
from abflow.stats.vector_moments import VectorMoments
from tests.analysis.experiments import BOUGHT, SPENT, arms_of, measured, population_of, rate, spec_of

CLICKS: dict[str, Any] = {
    "role": "secondary",
    "kind": "ratio",
    "numerator": "purchase",
    "denominator": "visit",
}


def part(
    variant: str, level: str, moments: Moments, *, by: str = ENTRY_DAY, metric: str = "bought", **more: Any
) -> Slice:
    return Slice(
        metric=metric,
        variant=variant,
        contamination="exclude",
        by=by,
        level=level,
        moments=moments,
        non_zero=round(moments.n * moments.mean),
        **more,
    )


def parts(by: str, rates: dict[str, tuple[int, int]], n: int = 1000) -> tuple[Slice, ...]:
    return tuple(
        part(variant, level, rate(events, n), by=by)
        for level, pair in rates.items()
        for variant, events in zip(("old", "new"), pair, strict=True)
    )


# Segments


def test_levels_with_different_effects_are_told_apart() -> None:
    spec = spec_of(segments=["country"])
    slices = parts("country", {"CH": (100, 200), "DE": (100, 100), "FR": (100, 101)})
    (found,) = by_segment(spec, population_of(slices=slices))
    assert (found.segment, found.planned, found.left_out) == ("country", True, ())
    assert found.p_value is not None
    assert found.p_value < 1e-4
    assert found.adjusted_p == found.p_value
    assert [level.level for level in found.levels] == ["CH", "DE", "FR"]
    assert all(level.lower is not None and isinstance(level.effect, Estimate) for level in found.levels)
    assert all(level.lower < level.effect.lower for level in found.levels)  # type: ignore[operator, union-attr]


def test_a_small_level_is_named_and_left_out() -> None:
    slices = (*parts("country", {"CH": (100, 110), "DE": (100, 100)}), *parts("country", {"LI": (9, 9)}, n=99))
    (found,) = by_segment(spec_of(segments=["country"]), population_of(slices=slices))
    assert found.left_out == ("LI",)


def test_new_users_are_shown_although_nobody_asked_and_then_it_is_exploratory() -> None:
    slices = parts("is_new_user", {"false": (100, 110), "true": (100, 90)})
    (found,) = by_segment(spec_of(), population_of(slices=slices))
    assert (found.planned, found.adjusted_p) == (False, None)
    assert found.p_value is not None


def test_several_segments_of_the_plan_share_one_correction() -> None:
    slices = (*parts("country", {"CH": (100, 140), "DE": (100, 100)}), *parts("os", {"a": (100, 100), "b": (100, 100)}))
    found = {
        each.segment: each for each in by_segment(spec_of(segments=["country", "os"]), population_of(slices=slices))
    }
    country = found["country"]
    assert country.p_value is not None
    assert country.adjusted_p == pytest.approx(2 * country.p_value)


# Days


def test_the_second_estimate_holds_the_day_of_entry_fixed() -> None:
    # Simpson's paradox: no effect on either day, but the treatment entered mostly on the better one.
    days = (
        part("old", "2026-10-08", rate(90, 900)),
        part("new", "2026-10-08", rate(10, 100)),
        part("old", "2026-10-09", rate(50, 100)),
        part("new", "2026-10-09", rate(450, 900)),
    )
    arms = arms_of("bought", rate(140, 1000), rate(460, 1000))
    (found,) = compare(spec_of(), population_of(*arms, slices=days), contamination="exclude")
    assert isinstance(found.effect, Estimate)
    assert isinstance(found.stratified, Estimate)
    assert found.effect.value == pytest.approx(0.32)
    assert found.stratified.value == pytest.approx(0.0, abs=1e-12)


def test_an_effect_that_wears_off_over_the_days_of_entry_is_named() -> None:
    days = {f"2026-10-{8 + n:02}": (200, 400 - 30 * n) for n in range(7)}
    (found,) = over_time(spec_of(), population_of(slices=parts(ENTRY_DAY, days, n=2000)))
    assert (found.by, found.word) == ("entry_day", "wears_off")
    assert found.method == "Cochran's Q; weighted least squares, z"
    assert found.trend_p is not None
    assert found.trend_p < 0.001
    assert len(found.effects) == len(found.days) == 7


def test_a_day_on_which_nobody_entered_keeps_its_place() -> None:
    days = {"2026-10-08": (200, 300), "2026-10-09": (200, 330), "2026-10-15": (200, 300)}
    (found,) = over_time(spec_of(), population_of(slices=parts(ENTRY_DAY, days, n=2000)))
    effects = [effect for effect in found.effects if isinstance(effect, Estimate)]
    by_hand = trend_of_cohorts(effects, days=[1, 2, 8])
    assert isinstance(by_hand, Trend)
    assert isinstance(by_hand.slope, Estimate)
    assert found.trend_p == pytest.approx(by_hand.slope.p_value, rel=1e-9)


def test_days_since_exposure_are_read_with_their_covariance() -> None:
    found = over_time(
        spec_of({"spent": SPENT}), population_of(daily=(days("old", 1.0, 1.0, 1.0), days("new", 1.0, 1.05, 1.1)))
    )
    assert [(each.by, each.word, each.days) for each in found] == [("day_since_exposure", "grows", ("1", "2", "3"))]
    assert found[0].method == "Hotelling's T²; Welch t of the units' slopes"


def test_calendar_days_are_shown_and_not_tested_against_each_other() -> None:
    shown = {f"2026-10-{8 + n:02}": (200, 300 - 30 * n) for n in range(3)}
    (found,) = over_time(spec_of(), population_of(slices=parts(CALENDAR_DAY, shown, n=2000)))
    assert (found.by, found.days, found.p_value, found.trend_p, found.word) == (
        "calendar_day",
        tuple(shown),
        None,
        None,
        None,
    )
    effects = [effect.value for effect in found.effects if isinstance(effect, Estimate)]
    assert effects == pytest.approx([0.05, 0.035, 0.02])


def test_several_controls_are_one_on_every_day() -> None:
    spec = spec_of({"spent": SPENT}, arms=2, control=["old", "new"])
    shown = (days("old", 1.0, 1.0), days("new", 1.2, 1.2), days("newer", 1.1, 1.3))
    (found,) = over_time(spec, population_of(daily=shown))
    assert found.arm == "newer"
    assert [effect.value for effect in found.effects if isinstance(effect, Estimate)] == pytest.approx([0.0, 0.2])


def days(variant: str, *mean: float) -> DailyEffects:
    """5 000 units whose days are alike."""
    cross = tuple(tuple(4999.0 if i == j else 0.8 * 4999 for j in range(len(mean))) for i in range(len(mean)))
    return DailyEffects(metric="spent", variant=variant, moments=VectorMoments(n=5000, mean=mean, cross=cross))


def test_a_ratio_is_read_in_parts_too() -> None:
    spec = spec_of({"bought": BOUGHT, "clicks": CLICKS}, segments=["country"])
    pair = JointMoments(n=1000, mean_x=1.0, mean_y=4.0, m2_x=1000.0, m2_y=4000.0, cross=1000.0)
    slices = tuple(
        part(variant, level, pair.x, by="country", metric="clicks", pair=pair)
        for level in ("CH", "DE")
        for variant in ("old", "new")
    )
    (found,) = [each for each in by_segment(spec, population_of(slices=slices)) if each.metric == "clicks"]
    (first, _) = found.levels
    assert isinstance(first.effect, Estimate)
    assert first.effect.value == 0.0
    assert "delta method" in first.effect.method


# Were the arms alike?


def test_a_split_that_is_right_in_total_can_be_wrong_in_a_level() -> None:
    units = tuple(
        SegmentUnits(segment="country", level=level, variant=variant, units=n)
        for level, pair in {"CH": (600, 400), "DE": (400, 600)}.items()
        for variant, n in zip(("old", "new"), pair, strict=True)
    )
    (check,) = split_by_segment(spec_of(segments=["country"]), population_of(segments=units))
    assert check.status is Status.FAIL
    even = tuple(SegmentUnits(segment="country", level="CH", variant=v, units=500) for v in ("old", "new"))
    (check,) = split_by_segment(spec_of(segments=["country"]), population_of(segments=even))
    assert check.status is Status.NOT_CHECKED  # one level is no table


def history(variant: str, before: float) -> Any:
    cross = ((2500.0 * 4999, 1250.0 * 4999), (1250.0 * 4999, 2500.0 * 4999))
    return measured(
        "spent",
        variant,
        Moments(n=5000, mean=100.0, m2=2500.0 * 4999),
        history=VectorMoments(n=5000, mean=(100.0, before), cross=cross),
    )


def test_arms_that_differed_before_the_test_are_reported() -> None:
    spec = spec_of({"spent": SPENT}, analysis={"cuped": {"days": 14}})
    alike = pre_period_difference(spec, population_of(history("old", 50.0), history("new", 50.5)))
    apart = pre_period_difference(spec, population_of(history("old", 50.0), history("new", 56.0)))
    assert [check.status for check in (*alike, *apart)] == [Status.PASS, Status.FAIL]
    assert pre_period_difference(spec_of({"spent": SPENT}), population_of()) == ()


def test_cuped_takes_history_off_and_shows_what_it_did() -> None:
    spec = spec_of({"spent": SPENT}, analysis={"cuped": {"days": 14}})
    population = population_of(history("old", 50.0), history("new", 52.0))
    (found,) = compare(spec, population, contamination="exclude")
    assert isinstance(found.effect, Estimate)
    assert isinstance(found.unadjusted, Estimate)
    # Covariance over variance is 1/2, so a head start of 2 explains 1 of the difference of 0.
    assert found.unadjusted.value == pytest.approx(0.0)
    assert found.effect.value == pytest.approx(-1.0, abs=0.01)
    assert found.variance_kept == pytest.approx(0.75, abs=0.001)
    assert found.effect.method == "CUPED, Welch t"


def test_treatments_are_ranked_by_what_is_left_when_history_is_taken_off() -> None:
    analysis = {"cuped": {"days": 14}}
    cross = ((2500.0 * 4999, 1250.0 * 4999), (1250.0 * 4999, 2500.0 * 4999))
    arms = [
        measured(
            "spent",
            variant,
            Moments(n=5000, mean=mean, m2=2500.0 * 4999),
            history=VectorMoments(n=5000, mean=(mean, 50.0), cross=cross),
        )
        for variant, mean in (("old", 100.0), ("new", 104.0), ("newer", 105.8))
    ]
    for changes, shown in (({}, False), ({"analysis": analysis}, True)):
        spec = spec_of({"spent": SPENT}, arms=2, **changes)
        new, newer = (c.treatment for c in compare(spec, population_of(*arms), contamination="exclude"))
        # 1.8 apart: z 1.80 with a standard deviation of 50, 2.08 with the 43.3 that history leaves.
        assert beats(spec, newer, [new]) == (shown,)


def test_without_history_cuped_changes_nothing_and_says_so() -> None:
    spec = spec_of({"spent": SPENT}, analysis={"cuped": {"days": 14}})
    arms = arms_of("spent", *(Moments(n=5000, mean=mean, m2=2500.0 * 4999) for mean in (100.0, 101.0)))
    (found,) = compare(spec, population_of(*arms), contamination="exclude")
    assert isinstance(found.effect, Estimate)
    assert (found.effect.method, found.unadjusted) == ("Welch t", None)
    assert any("CUPED took nothing off" in note for note in found.notes)


def test_several_controls_are_compared_with_one_another_and_pooled() -> None:
    spec = spec_of(arms=2, control=["old", "new"])
    arms = arms_of("bought", rate(100, 1000), rate(110, 1000), rate(150, 1000))
    assert spec.treatments == ("newer",)
    (check,) = controls_agree(spec, population_of(*arms))
    assert check.status is Status.PASS
    (found,) = compare(spec, population_of(*arms), contamination="exclude")
    assert (found.arm, found.control.units) == ("newer", 2000)
    assert found.control.mean == pytest.approx(0.105)
    (check,) = controls_agree(spec, population_of(*arms_of("bought", rate(100, 1000), rate(160, 1000), rate(1, 1000))))
    assert check.status is Status.FAIL
    assert controls_agree(spec_of(), population_of()) == ()


def test_an_assignment_that_is_tied_to_another_experiments_is_a_warning() -> None:
    def overlaps(*units: int) -> tuple[Overlap, ...]:
        cells = [(mine, other) for mine in ("old", "new") for other in ("a", "b")]
        return tuple(
            Overlap(experiment="prices", variant=mine, other_variant=other, units=n)
            for (mine, other), n in zip(cells, units, strict=True)
        )

    (free,), (tied,) = overlap_checks(overlaps(500, 500, 490, 510)), overlap_checks(overlaps(800, 200, 200, 800))
    assert (free.status, tied.status) == (Status.PASS, Status.WARN)


# Holes in the outcome log


def cohorts(*events: int) -> tuple[Slice, ...]:
    return tuple(
        part(variant, f"2026-10-{8 + day:02}", rate(n, 1000))
        for day, n in enumerate(events)
        for variant in ("old", "new")
    )


def test_a_day_without_events_whose_cohort_did_nothing_is_a_hole() -> None:
    days = [date(2026, 10, 8), date(2026, 10, 9), date(2026, 10, 10)]
    seen = {days[0]: ("purchase",), days[1]: (), days[2]: ("purchase",)}
    whole = dict.fromkeys(days, ("purchase",))
    population = population_of(slices=cohorts(100, 0, 100))
    check = outcome_holes(spec_of(), population, seen)
    assert check.status is Status.FAIL
    assert "bought on 2026-10-09 (2000 units entered, about 200 expected)" in check.sentence
    assert outcome_holes(spec_of(), population, whole).status is Status.PASS  # nobody bought, but the log was there
    few = population_of(slices=cohorts(9, 0, 9))
    assert outcome_holes(spec_of(), few, seen).status is Status.PASS  # 18 expected: 0 of them is no proof
