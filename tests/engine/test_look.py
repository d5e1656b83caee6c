"""What a look shows besides the metrics, case by case; `test_parts` holds it against the reference."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abflow.analysis.attribution import RequestsAgain
from abflow.analysis.compare import compare
from abflow.analysis.population import CALENDAR_DAY, Overlap, Population
from abflow.engine import calendar_days, requests
from abflow.engine.measuring import measure_in_depth
from abflow.errors import ContractBroken
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import EMPTY, Moments, moments_of
from tests.engine.small_logs import (
    START,
    Days,
    Row,
    at,
    build,
    by_day,
    experiment,
    exposure,
    outcome,
    partitions_of,
    recorded,
)

IN_COUNTRIES = experiment(segments="[country]")
ONE_METRIC = "  visits: {role: primary, kind: count, event: visit, mde: {relative: 0.1}}\n"


def look(
    folder: Path,
    exposures: list[Row] | Days,
    outcomes: list[Row] | None = None,
    *,
    spec: ExperimentSpec = IN_COUNTRIES,
    days: int = 5,
) -> Population:
    shown = by_day(exposures, days) if isinstance(exposures, list) else exposures
    unknown = dict.fromkeys(spec.segments)
    shown = {day: [unknown | row for row in rows] for day, rows in shown.items()}
    built = build(spec, folder, shown, by_day(outcomes or [outcome("nobody", "visit", at(0))], days))
    return measure_in_depth(spec, recorded(spec, folder, partitions_of(folder, built)))


def units_of(population: Population, segment: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for part in population.segments:
        if part.segment == segment:
            found[part.level] += part.units
    return dict(found)


# Segments


def test_twenty_levels_stand_alone_and_the_smallest_are_the_others(tmp_path: Path) -> None:
    countries = [f"C{n:02}" for n in range(22)]
    shown = [exposure(f"u{n}", "a", at(0, 1), country=country) for n, country in enumerate(countries)]
    shown += [exposure("more", "b", at(0, 1), country="C21"), exposure("late", "b", at(4, 1), country="C20")]
    got = units_of(look(tmp_path, shown), "country")
    # All have one unit but the last, and a unit that came too late makes no level larger; ties go by name.
    assert got == dict.fromkeys([*countries[:19]], 1) | {"C21": 2, "other": 2}


def test_a_segment_is_what_the_first_exposure_says(tmp_path: Path) -> None:
    shown = [
        exposure("moved", "a", at(1, 1), country="DE"),
        exposure("moved", "a", at(0, 1), country="CH"),
        exposure("unknown", "a", at(0, 1), country=""),
        exposure("unknown", "a", at(1, 1), country="DE"),
        exposure("nowhere", "b", at(0, 1), country=None),
    ]
    assert units_of(look(tmp_path, shown), "country") == {"CH": 1, "(missing)": 2}


def test_a_segment_may_have_any_name_and_any_value(tmp_path: Path) -> None:
    spec = experiment(segments="""['the "country"''s name']""")
    odd = {'the "country"\'s name': "Côte d'Ivoire; drop table units"}
    got = look(tmp_path, [exposure("u", "a", at(0, 1), **odd)], spec=spec)
    assert [(part.segment, part.level) for part in got.segments] == list(odd.items())


def test_a_day_without_the_column_of_a_segment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match=r"no column country \(needed by segment country\)"):
        build(IN_COUNTRIES, tmp_path, by_day([exposure("u", "a", at(0, 1))]), by_day([]))


def test_new_users_are_told_apart_whatever_the_log_calls_them_and_nobody_asks(tmp_path: Path) -> None:
    spellings = ["true", "True", "T", "1", True, 1, 1.0, "false", "f", "0", False, 0, "sometimes", "", None]
    shown = [exposure(f"u{n}", "a", at(0, 1), is_new_user=value) for n, value in enumerate(spellings)]
    got = look(tmp_path, shown, spec=experiment())
    assert units_of(got, "is_new_user") == {"true": 7, "false": 5, "sometimes": 1, "(missing)": 2}
    assert {part.by for part in got.slices} == {"entry_day", "calendar_day", "is_new_user"}


def test_on_a_day_whose_log_does_not_tell_new_users_apart_they_are_missing(tmp_path: Path) -> None:
    shown = [exposure("u", "a", at(0, 1), is_new_user=True), exposure("v", "a", at(1, 1))]
    assert units_of(look(tmp_path, shown, spec=experiment()), "is_new_user") == {"true": 1, "(missing)": 1}


@pytest.mark.parametrize("columns", [{}, {"is_new_user": None}])
def test_a_log_that_never_tells_new_users_apart_has_no_such_segment(columns: Row, tmp_path: Path) -> None:
    got = look(tmp_path, [exposure("u", "a", at(0, 1), **columns)], spec=experiment())
    assert got.segments == ()
    assert {part.by for part in got.slices} == {"entry_day", "calendar_day"}


# Days since exposure


def course(population: Population, metric: str = "visits", variant: str = "a") -> tuple[int, tuple[float, ...]] | None:
    found = [d.moments for d in population.daily if (d.metric, d.variant) == (metric, variant)]
    return (found[0].n, found[0].mean) if found else None


def test_a_day_since_exposure_lasts_24_hours_and_begins_with_the_exposure(tmp_path: Path) -> None:
    tick, entered = timedelta(microseconds=1), at(0, 6)
    moments = [entered - tick, entered, at(1, 6) - tick, at(1, 6), at(4, 6) - tick, at(4, 6)]
    done = [outcome("u", "visit", moment) for moment in moments]
    metric = ONE_METRIC.replace("visit,", "visit, window_days: 4,")
    got = look(tmp_path, [exposure("u", "a", entered)], done, spec=experiment(metric))
    assert course(got) == (1, (2.0, 1.0, 0.0, 1.0))


def test_only_units_seen_on_all_days_are_followed(tmp_path: Path) -> None:
    shown = [exposure("early", "a", at(1)), exposure("late", "a", at(1) + timedelta(microseconds=1))]
    done = [outcome(unit, "visit", at(2, 1)) for unit in ("early", "late", "late")]
    metric = ONE_METRIC.replace("visit,", "visit, window_days: 4,")
    assert course(look(tmp_path, shown, done, spec=experiment(metric))) == (1, (0.0, 1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("window", "enroll_days", "days", "shown"),
    [
        (", window_days: 1", 3, 5, None),
        (", window_days: 2", 3, 5, 2),
        ("", 3, 5, 5),  # seven days are wanted, five have passed
        ("", 3, 12, 9),
        ("", 10, 12, 7),
        (", window_days: 30", 1, 31, 28),
    ],
)
def test_how_many_days_are_shown(window: str, enroll_days: int, days: int, shown: int | None, tmp_path: Path) -> None:
    spec = experiment(ONE_METRIC.replace("visit,", f"visit{window},"), enroll_days=enroll_days, days=days)
    got = course(look(tmp_path, [exposure("u", "a", at(0))], spec=spec, days=days))
    assert (got and len(got[1])) == shown


def test_a_cap_is_over_the_window_and_not_over_a_day(tmp_path: Path) -> None:
    metric = (
        ONE_METRIC + "  paid: {role: secondary, kind: mean, event: purchase, value: value, cap: 5, window_days: 2}\n"
    )
    done = [outcome("u", "purchase", at(0, 1), 9.5)]
    got = look(tmp_path, [exposure("u", "a", at(0))], done, spec=experiment(metric))
    paid = got.of("paid", "a", "exclude")
    assert paid is not None
    assert (paid.moments.mean, course(got, "paid")) == (5.0, (1, (9.5, 0.0)))


def test_ratios_have_no_days_since_exposure(tmp_path: Path) -> None:
    metric = ONE_METRIC + "  ctr: {role: secondary, kind: ratio, numerator: visit, denominator: exposures}\n"
    got = look(tmp_path, [exposure("u", "a", at(0))], spec=experiment(metric))
    assert {each.metric for each in got.daily} == {"visits"}


# Calendar days


def on_days(population: Population, metric: str = "visits", variant: str = "a") -> dict[str, tuple[int, float]]:
    """Units and mean of every day, as its place in the test."""
    found = population.sliced(metric, CALENDAR_DAY, "exclude")
    return {part.level[-2:]: (part.moments.n, part.moments.mean) for part in found if part.variant == variant}


def test_on_a_calendar_day_everybody_counts_who_had_entered_by_its_end(tmp_path: Path) -> None:
    tick = timedelta(microseconds=1)
    shown = [exposure("early", "a", at(0)), exposure("late", "a", at(2) - tick), exposure("later", "a", at(2))]
    done = [outcome("early", "visit", moment) for moment in (at(0), at(1) - tick, at(1), at(2), at(3), at(5))]
    done += [outcome("late", "visit", at(1)), outcome("late", "visit", at(2) - tick), outcome("nobody", "visit", at(1))]
    got = on_days(look(tmp_path, shown, done, spec=experiment(ONE_METRIC)))
    assert got == {"02": (1, 2.0), "03": (2, 1.0), "04": (3, 1 / 3), "05": (3, 1 / 3), "06": (3, 0.0)}


def test_a_unit_whose_window_is_over_is_on_no_later_calendar_day(tmp_path: Path) -> None:
    shown = [exposure("u", "a", at(0, 6)), exposure("v", "a", at(1))]
    done = [outcome("u", "visit", at(1, 5)), outcome("u", "visit", at(1, 6)), outcome("v", "visit", at(1, 23))]
    metric = ONE_METRIC.replace("visit,", "visit, window_days: 1,")
    got = on_days(look(tmp_path, shown, done, spec=experiment(metric)))
    assert got == {"02": (1, 0.0), "03": (2, 1.0)}


def test_calendar_days_add_up_to_what_the_state_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a window every event that counts is on one day; units are read three at a time."""
    monkeypatch.setattr(calendar_days, "UNITS_AT_ONCE", 3)
    random = np.random.default_rng(20261123)
    units = {f"u{n}": "ab"[n % 2] for n in range(11)}
    shown = [exposure(unit, variant, at(0, random.uniform(0, 72))) for unit, variant in units.items()]
    done = [outcome(f"u{random.integers(13)}", "visit", at(0, random.uniform(0, 130))) for _ in range(90)]
    got = look(tmp_path, shown, done, spec=experiment(ONE_METRIC))
    for variant in "ab":
        whole = got.of("visits", variant, "exclude")
        assert whole is not None
        days = on_days(got, variant=variant)
        assert sum(n * mean for n, mean in days.values()) == pytest.approx(whole.moments.n * whole.moments.mean)
        assert days["06"][0] == whole.moments.n
    parts = [part for part in got.sliced("visits", CALENDAR_DAY, "exclude") if part.level == "2026-03-05"]
    by_hand = {
        variant: [
            sum(
                row["user_id"] == unit and entered <= row["timestamp"] and row["timestamp"].date().day == 5
                for row in done
            )
            for unit, entered in ((row["user_id"], row["timestamp"]) for row in shown if row["variant"] == variant)
        ]
        for variant in "ab"
    }
    for part in parts:
        assert part.moments.m2 == pytest.approx(moments_of(by_hand[part.variant]).m2)
        assert part.non_zero == np.count_nonzero(by_hand[part.variant])


# Other experiments


def test_other_experiments_count_until_the_cut_off_and_by_their_first_variant(tmp_path: Path) -> None:
    def elsewhere(unit: str, variant: str, when: datetime, experiment: str = "prices") -> Row:
        return exposure(unit, variant, when, experiment_id=experiment)

    shown = [
        exposure("u", "a", at(0, 1)),
        exposure("v", "b", at(0, 1)),
        exposure("too_late", "b", at(4, 1)),
        elsewhere("u", "y", at(2, 1)),
        elsewhere("u", "x", at(1, 1)),
        elsewhere("v", "x", at(4, 23)),
        elsewhere("v", "x", at(0, 1), "colours"),
        elsewhere("too_late", "x", at(0, 1)),
        elsewhere("stranger", "x", at(0, 1)),
    ]
    days = by_day(shown)
    days[START].append(elsewhere("v", "y", at(5)))  # a clock that is wrong: after the cut-off
    got = look(tmp_path, days, spec=experiment())
    assert got.overlaps == (
        Overlap(experiment="colours", variant="b", other_variant="x", units=1),
        Overlap(experiment="prices", variant="a", other_variant="x", units=1),
        Overlap(experiment="prices", variant="b", other_variant="x", units=1),
    )


# Probabilities


def weights(population: Population) -> dict[str, Moments]:
    return population.inverse_propensity()


@pytest.mark.parametrize("wrong", [0, -0.5, 1.01, "often", "NaN", "inf", 1e-101])
def test_a_probability_that_no_variant_can_have_is_refused(wrong: Any, tmp_path: Path) -> None:
    shown = [exposure(f"u{n}", "a", at(0, 1), variant_propensity=p) for n, p in enumerate((0.5, wrong))]
    with pytest.raises(ContractBroken, match="variant_propensity in 1 rows of try_it is no number above 0 and up to 1"):
        look(tmp_path, shown, spec=experiment())


def test_the_probability_is_that_of_the_first_exposure_and_may_be_unknown(tmp_path: Path) -> None:
    shown = [
        exposure("u", "a", at(0, 1), variant_propensity=0.25),
        exposure("u", "a", at(0, 2), variant_propensity=0.5),
        exposure("v", "b", at(0, 1), variant_propensity=None),
        exposure("w", "b", at(0, 1), variant_propensity=""),
        exposure("x", "b", at(1, 1)),
        exposure("other", "q", at(0, 1), variant_propensity=7, experiment_id="elsewhere"),
    ]
    assert weights(look(tmp_path, shown, spec=experiment())) == {"a": Moments(n=1, mean=4.0, m2=0.0), "b": EMPTY}


@pytest.mark.parametrize("column", [{}, {"variant_propensity": None}])
def test_without_probabilities_there_is_nothing_to_turn_over(column: Row, tmp_path: Path) -> None:
    assert weights(look(tmp_path, [exposure("u", "a", at(0, 1), **column)], spec=experiment())) == {}


def test_where_the_hash_assigns_the_file_says_the_probabilities(tmp_path: Path) -> None:
    shown = [exposure("u", "a", at(0, 1), variant_propensity=0.5)]
    assert weights(look(tmp_path, shown, spec=experiment(assignment="hash"))) == {}


# Rows


def test_an_event_read_through_two_columns_and_windows_is_told_for_each(tmp_path: Path) -> None:
    metrics = (
        "  bought: {role: primary, kind: proportion, event: purchase, mde: {relative: 0.1}}\n"
        "  paid: {role: secondary, kind: mean, event: purchase, value: value, window_days: 1}\n"
        "  taxed: {role: secondary, kind: mean, event: purchase, value: tax, window_days: 1}\n"
        "  tickets: {role: secondary, kind: count, event: ticket}\n"
    )
    done = [outcome("u", "purchase", at(0, 2)), outcome("u", "purchase", at(2, 2), event_id="e")]
    done += [outcome("u", "purchase", at(3, 2), event_id="e")]
    got = look(tmp_path, [exposure("u", "a", at(0, 1))], done, spec=experiment(metrics)).attribution
    told = [(a.metrics, a.window_days, a.rows, a.attributed, a.after_window, a.repeated) for a in got]
    assert told == [(("bought",), None, 3, 2, 0, 1), (("paid", "taxed"), 1, 3, 1, 1, 1)]  # nobody has a ticket


def test_units_with_a_numerator_and_no_denominator_reach_the_readout(tmp_path: Path) -> None:
    metric = ONE_METRIC + "  ratio: {role: secondary, kind: ratio, numerator: purchase, denominator: visit}\n"
    spec = experiment(metric)
    units = {variant: [f"{variant}{n}" for n in range(12)] for variant in "ab"}
    shown = [exposure(unit, variant, at(0, 1)) for variant, own in units.items() for unit in own]
    done = [outcome(unit, "visit", at(0, 2)) for own in units.values() for unit in own[2:]]
    done += [outcome(unit, "purchase", at(0, 2)) for unit in (*units["a"][:1], *units["b"][:5])]
    population = look(tmp_path, shown, done, spec=spec)
    (ratio,) = [c for c in compare(spec, population, contamination="exclude") if c.metric == "ratio"]
    assert (ratio.control.without_denominator, ratio.treatment.without_denominator) == (1, 2)


def again_of(population: Population) -> RequestsAgain | None:
    assert population.exposures is not None
    return population.exposures.again


def test_a_request_counts_on_every_day_it_stands_on_and_the_report_says_how_many_do(tmp_path: Path) -> None:
    shown = [exposure("u", "a", at(0, 1), request_id=r) for r in "rs"]
    shown += [exposure("u", "a", at(1, 1), request_id="r"), exposure("u", "a", at(2, 1), request_id="r")]
    shown += [exposure("v", "b", at(2, hour), request_id="t") for hour in (1, 2)]
    filed = by_day(shown)
    filed[START + timedelta(days=1)].append(exposure("u", "a", at(0, 1), request_id="s"))  # delivered again a day later
    got = look(tmp_path, filed)
    assert again_of(got) == RequestsAgain(compared=3, share=1.0, other_days=2, other_files=1)
    assert got.exposures is not None
    assert (got.exposures.counted, got.exposures.repeated, got.exposures.other_experiments) == (6, 1, 5)


def test_of_a_busy_day_the_same_ids_are_compared_as_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MOST_COMPARED", 400)
    shown = [exposure(f"u{n}", "a", at(day, 1), request_id=f"r{n}") for day in (0, 1) for n in range(400)]
    shown += [exposure(f"v{n}", "a", at(1, 1), request_id=f"s{n}") for n in range(1200)]  # only on the second day
    found = again_of(look(tmp_path, shown))
    assert found is not None
    assert found.share == pytest.approx(0.25)
    # Of 400 ids on both days and 1 200 on one a quarter each, within five standard deviations.
    assert found.other_days == pytest.approx(100, abs=45)
    assert found.compared == pytest.approx(400, abs=90)


def test_a_log_without_request_ids_has_none_that_come_again(tmp_path: Path) -> None:
    named = by_day([exposure("u", "a", at(0, 1))])
    filed = {
        day: [{name: row[name] for name in row if name != "request_id"} for row in rows] for day, rows in named.items()
    }
    assert again_of(look(tmp_path, filed)) is None
