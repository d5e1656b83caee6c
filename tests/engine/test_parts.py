"""What a look shows besides the metrics, against the plain-Python reference on random logs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import pytest

from abflow.analysis.attribution import FATES
from abflow.analysis.population import POLICIES, Population
from abflow.engine import segments, since_exposure
from abflow.engine.measuring import measure, measure_in_depth
from abflow.spec.calendar import Period, calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import CountMetric, MeanMetric, Metric, ProportionMetric, RatioMetric
from abflow.spec.row_filter import Where, in_words
from tests.engine.reference import Unit, expected_units, passes, with_aa
from tests.engine.reference_parts import (
    expected_days,
    expected_fates,
    expected_levels,
    expected_overlaps,
    expected_requests,
    expected_values,
    first_rows,
)
from tests.engine.rich_logs import rich_aa, rich_logs
from tests.engine.small_logs import (
    Days,
    build,
    experiment,
    partitions_of,
    random_metrics,
    recorded,
    seeded,
)

SEEDS = range(12)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Random logs, and what the engine makes of them in a day and at a look.

    Attributes:
        aa: Outcomes of an A/A phase before the test; half of the logs have one.
    """

    spec: ExperimentSpec
    exposures: Days
    outcomes: Days
    aa: Days
    daily: Population
    look: Population
    most_levels: int

    @property
    def period(self) -> Period:
        return calendar_of(self.spec).test

    @cached_property
    def known(self) -> Days:
        return with_aa(self.outcomes, self.aa)

    @cached_property
    def units(self) -> dict[str, Unit]:
        return expected_units(self.spec, self.period, self.exposures)

    @cached_property
    def enrolled(self) -> dict[str, Unit]:
        return {name: unit for name, unit in self.units.items() if unit.enrolled}

    def levels(self, segment: str) -> dict[str, str]:
        return expected_levels(self.spec, self.period, self.exposures, segment, most=self.most_levels)


@pytest.fixture(scope="module", params=SEEDS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    chance, folder = seeded(request.param), tmp_path_factory.mktemp("drawn")
    spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5), segments="[country]")
    exposures, outcomes = rich_logs(chance)
    before: tuple[Days, Days] = rich_aa(seeded(request.param + 100)) if request.param % 2 else ({}, {})
    aa = partitions_of(folder / "aa", build(spec, folder / "aa", *before))
    record = recorded(spec, folder, partitions_of(folder, build(spec, folder, exposures, outcomes)), aa=aa)
    most_levels = chance.choice([2, 4, 20])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MOST_LEVELS", most_levels)
        patch.setattr(since_exposure, "UNITS_AT_ONCE", chance.choice([1, 2, 50_000]))
        look = measure_in_depth(spec, record)
    return Drawn(
        spec=spec,
        exposures=exposures,
        outcomes=outcomes,
        aa=before[1],
        daily=measure(spec, record),
        look=look,
        most_levels=most_levels,
    )


def test_segments_are_what_the_rules_say(drawn: Drawn) -> None:
    got, spec = drawn.look, drawn.spec
    units = drawn.enrolled
    values = expected_values(spec, drawn.period, drawn.exposures, drawn.known)
    levels = {name: drawn.levels(name) for name in ("country", "is_new_user")}
    known = set(levels["is_new_user"].values()) - {"(missing)"}
    shown = ["country", *(["is_new_user"] if known else [])]
    wanted = Counter((name, levels[name][unit], units[unit].variant) for name in shown for unit in units)
    assert Counter({(s.segment, s.level, s.variant): s.units for s in got.segments}) == wanted
    seen = set()
    for part in (part for part in got.slices if part.by in shown):
        seen.add((part.metric, part.by, part.contamination, part.variant, part.level))
        own = [
            values[part.metric][unit]
            for unit, state in units.items()
            if unit in values[part.metric]
            and (levels[part.by][unit], state.variant) == (part.level, part.variant)
            and (part.contamination == "keep_first" or not state.crossed)
        ]
        mean = math.fsum(x for x, _ in own) / len(own)
        wanted_numbers = (len(own), mean, math.fsum((x - mean) ** 2 for x, _ in own), sum(x != 0 for x, _ in own))
        found = (part.moments.n, part.moments.mean, part.moments.m2, part.non_zero)
        assert found == pytest.approx(wanted_numbers, rel=1e-12, abs=1e-12), part
        if part.pair is not None:
            assert part.pair.mean_y == pytest.approx(math.fsum(y for _, y in own) / len(own), rel=1e-12)
    assert seen == {
        (name, segment, policy, state.variant, levels[segment][unit])
        for name in values
        for segment in shown
        for policy in POLICIES
        for unit, state in units.items()
        if unit in values[name] and (policy == "keep_first" or not state.crossed)
    }


def test_days_since_exposure_are_what_the_rules_say(drawn: Drawn) -> None:
    got, spec = drawn.look, drawn.spec
    wanted = {
        (name, variant): numbers
        for name, metric in spec.metrics.items()
        if isinstance(metric, ProportionMetric | CountMetric | MeanMetric)
        for variant, numbers in expected_days(spec, drawn.period, drawn.exposures, drawn.known, metric).items()
    }
    assert {(each.metric, each.variant) for each in got.daily} == set(wanted)
    for each in got.daily:
        units, mean, cross = wanted[each.metric, each.variant]
        assert each.moments.n == units
        assert list(each.moments.mean) == pytest.approx(mean, rel=1e-12, abs=1e-12)
        for row, wanted_row in zip(each.moments.cross, cross, strict=True):
            assert list(row) == pytest.approx(wanted_row, rel=1e-9, abs=1e-12)


def test_overlaps_are_what_the_rules_say(drawn: Drawn) -> None:
    got, spec = drawn.look, drawn.spec
    found = Counter({(o.experiment, o.variant, o.other_variant): o.units for o in got.overlaps})
    assert found == expected_overlaps(spec, drawn.period, drawn.exposures)


def test_requests_that_come_again_are_counted(drawn: Drawn) -> None:
    found = drawn.look.exposures
    assert found is not None
    assert found.again is not None
    again = (found.again.compared, found.again.other_days, found.again.other_files)
    assert again == expected_requests(drawn.spec, drawn.period, drawn.exposures)
    log = [row for rows in drawn.exposures.values() for row in rows]
    assert found.counted + found.repeated + found.other_experiments == len(log)


def sides_of(metric: Metric) -> list[tuple[str, Where]]:
    """The events that a metric reads, each with its filter."""
    if isinstance(metric, RatioMetric):
        sides = [(metric.numerator, metric.numerator_where), (metric.denominator, metric.denominator_where)]
        return [side for side in sides if side[0] != "exposures"]
    return [(str(metric.event), metric.where)]


def test_every_outcome_row_is_counted_once(drawn: Drawn) -> None:
    got, spec, logs = drawn.look, drawn.spec, (drawn.exposures, drawn.outcomes)
    log = [row for day in drawn.outcomes.values() for row in day]
    types = {row["event_type"] for row in log}
    sides = {name: sides_of(metric) for name, metric in spec.metrics.items()}
    by_words = {f"{event} {in_words(where)}".rstrip(): (event, where) for own in sides.values() for event, where in own}
    for each in got.attribution:
        event, where = by_words[each.event]
        wanted = expected_fates(spec, drawn.period, logs, (event, where), each.window_days, aa=drawn.aa)
        assert each.by_fate == dict(wanted), each
        assert each.rows == sum(row["event_type"] == event and passes(row, where) for row in log)
    read = {
        (name, words)
        for name, own in sides.items()
        for words, side in by_words.items()
        if side in own and side[0] in types
    }
    assert {(name, each.event) for each in got.attribution for name in each.metrics} == read


def test_what_a_count_adds_up_is_what_was_attributed(drawn: Drawn) -> None:
    got, spec = drawn.look, drawn.spec
    for each in got.attribution:
        for name in (name for name in each.metrics if isinstance(spec.metrics[name], CountMetric)):
            for policy, counted in (("exclude", each.attributed), ("keep_first", each.attributed + each.crossed)):
                parts = [m.moments for m in got.measured if (m.metric, m.contamination) == (name, policy)]
                assert sum(part.n * part.mean for part in parts) == pytest.approx(counted)


def test_logged_probabilities_are_turned_over_and_added(drawn: Drawn) -> None:
    got, spec = drawn.look, drawn.spec
    units, firsts = drawn.units, first_rows(spec, drawn.period, drawn.exposures)
    levels = drawn.levels("country")
    weights = {
        name: 1 / float(firsts[name]["variant_propensity"])
        for name, unit in units.items()
        if unit.enrolled and firsts[name].get("variant_propensity")
    }
    for cohort in (cohort for cohort in got.cohorts if cohort.enrolled):
        own = [
            weights[name]
            for name, unit in units.items()
            if (unit.variant, unit.entered.date(), unit.crossed) == (cohort.variant, cohort.day, cohort.crossed)
            and name in weights
        ]
        assert_moments(cohort.inverse_propensity, own, any_at_all=bool(weights))
    for part in (part for part in got.segments if part.segment == "country"):
        own = [
            weights[name]
            for name, level in levels.items()
            if (level, units[name].variant) == (part.level, part.variant) and name in weights
        ]
        assert_moments(part.inverse_propensity, own, any_at_all=bool(weights))


def assert_moments(found: object, values: list[float], *, any_at_all: bool) -> None:
    if not any_at_all:
        assert found is None
        return
    n = len(values)
    mean = math.fsum(values) / n if n else 0.0
    m2 = math.fsum((value - mean) ** 2 for value in values)
    assert (found.n, found.mean, found.m2) == pytest.approx((n, mean, m2), rel=1e-12, abs=1e-9)  # type: ignore[attr-defined]


def test_a_look_has_the_metrics_of_a_day(drawn: Drawn) -> None:
    daily, look = drawn.daily, drawn.look
    assert (look.cohorts, look.measured, look.events_seen) == (daily.cohorts, daily.measured, daily.events_seen)
    assert look.slices[: len(daily.slices)] == daily.slices
    assert (daily.segments, daily.overlaps, daily.daily, daily.attribution) == ((), (), (), ())


def test_the_random_logs_meet_every_awkward_case() -> None:
    """Without this the comparisons above could pass because nothing happens in their logs."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        chance = seeded(seed)
        spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5), segments="[country]")
        exposures, outcomes = rich_logs(chance)
        period = calendar_of(spec).test
        for segment in ("country", "is_new_user"):
            met.update(expected_levels(spec, period, exposures, segment, most=2).values())
        _, other_days, other_files = expected_requests(spec, period, exposures)
        met += Counter({"request on another day": other_days, "request in another file": other_files})
        met["overlap"] += sum(expected_overlaps(spec, period, exposures).values())
        for event, window in (("visit", None), ("visit", 4), ("purchase", 2)):
            met += expected_fates(spec, period, (exposures, outcomes), (event, {}), window, aa={})
        propensities = [row.get("variant_propensity") for row in first_rows(spec, period, exposures).values()]
        met["no propensity"] += sum(not propensity for propensity in propensities)
        met["a propensity"] += sum(bool(propensity) for propensity in propensities)
        for metric in spec.metrics.values():
            if isinstance(metric, CountMetric):
                days = expected_days(spec, period, exposures, outcomes, metric)
                met["followed"] += sum(units for units, _, _ in days.values())
    wanted = {*FATES, "other", "(missing)", "true", "false", "overlap", "no propensity", "a propensity", "followed"}
    wanted |= {"request on another day", "request in another file"}
    assert all(met[case] >= 3 for case in wanted), met
