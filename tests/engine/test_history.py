from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from abflow.analysis.compare import compare
from abflow.analysis.population import Population
from abflow.analysis.readout import Word
from abflow.analysis.samples import samples_of
from abflow.engine.history import PastDay, outcomes_of, past_of
from abflow.engine.measuring import Recorded, measure
from abflow.engine.outcome_day import build_outcome_day
from abflow.logs.layout import day_log
from abflow.logs.resources import Resources
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.vector_moments import VectorMoments
from tests.engine.reference import expected_histories
from tests.engine.small_logs import (
    START,
    Days,
    Row,
    at,
    build,
    by_day,
    columns_of,
    experiment,
    exposure,
    outcome,
    partitions_of,
    random_logs,
    random_metrics,
    recorded,
    seeded,
    write_log,
)

SEEDS = range(12)
DAYS = 3  # of the covariate
RATIOS = """
  per_visit: {role: secondary, kind: ratio, numerator: purchase, denominator: visit, why: it is asked for}
  per_exposure: {role: secondary, kind: ratio, numerator: visit, denominator: exposures, why: it is asked for}
  capped: {role: secondary, kind: mean, event: purchase, value: value, cap: p75, window_days: 4}
"""


def with_cuped(metrics: str, **changes: int) -> ExperimentSpec:
    return experiment(f"{metrics}analysis: {{cuped: {{days: {DAYS}}}}}\n", **changes)  # type: ignore[arg-type]


def random_past(chance: random.Random, *, aa_days: int) -> tuple[Days, Days]:
    """Exposures of the A/A days and outcomes of the days before the test, with ids that the test's rows have too."""
    units = [f"u{n}" for n in range(14)]
    days = [START - timedelta(days=ago) for ago in range(DAYS, 0, -1)]
    shown: dict[date, list[Row]] = {
        day: [exposure("zz", "q", at(0), experiment_id="other", **columns_of(day))]
        for day in days[len(days) - aa_days :]
    }
    done: dict[date, list[Row]] = {day: [outcome("zz", "other", at(0), **columns_of(day))] for day in days}

    def when() -> datetime:
        moment = at(chance.randint(-DAYS - 1, 0), chance.choice([0, 6, 12, 18]))
        return moment + timedelta(microseconds=chance.choice([0, 0, 0, 0, -1, 1]))

    def file_of(moment: datetime, filed: Mapping[date, Sequence[Row]]) -> date:
        day = moment.date() + timedelta(days=chance.choice([0, 0, 0, 1, 1, -1]))
        return min(max(day, min(filed)), max(filed))

    for n in range(chance.randint(10, 40) if shown else 0):
        row = exposure(chance.choice(units), chance.choice("ab"), when())
        row |= columns_of(row["user_id"], row["timestamp"], row["variant"])
        day, kind = file_of(row["timestamp"], shown), chance.random()
        if kind < 0.3:
            row["request_id"] = f"shared-{day}-{chance.randint(0, 3)}"
        elif kind < 0.6:
            row["request_id"] = f"past-{n}"
            shown[file_of(row["timestamp"], shown)].append(dict(row))
        shown[day].append(row)
    for n in range(chance.randint(20, 120)):
        event = chance.choice(["visit", "visit", "purchase", "purchase", "ticket"])
        row = outcome(chance.choice(units), event, when(), chance.randint(-8, 40) / 4, tax=chance.randint(0, 8) / 8)
        row |= columns_of("past", n, row["user_id"], row["timestamp"])
        kind = chance.random()
        if kind < 0.3:
            row["event_id"] = f"shared-{chance.randint(0, 5)}"  # the test's rows have these ids as well
        elif kind < 0.6:
            row["event_id"] = f"past-{n}"
            done[file_of(row["timestamp"], done)].append(dict(row))
        done[file_of(row["timestamp"], done)].append(row)
    return shown, done


def lived(
    spec: ExperimentSpec, folder: Path, logs: tuple[Days, Days], past: tuple[Days, Days], *, threads: int = 1
) -> Recorded:
    """The test so far, with the days before it."""
    partitions = partitions_of(folder, build(spec, folder, *logs))
    shown, done = past
    before = folder / "before"
    ran = build(spec, before, shown, {day: done[day] for day in shown})
    rest = write_log(before / "rest", {day: rows for day, rows in done.items() if day not in shown})
    days: list[PastDay] = []
    for day in sorted(done):
        if day in shown:
            days += [past_of(each) for each in partitions_of(before, ran) if each.day == day]
        else:
            place = before / "made" / str(day)
            place.mkdir(parents=True)
            days.append(outcomes_of(build_outcome_day(spec, day_log("outcomes", rest, day), place), place))
    aa = partitions_of(before, ran)
    return replace(recorded(spec, folder, partitions, aa=aa, threads=threads), before=tuple(days))


def moments_in_plain_python(units: Sequence[Sequence[float]]) -> tuple[int, list[float], list[list[float]]]:
    n = len(units)
    k = len(units[0]) if units else 0
    mean = [math.fsum(unit[i] for unit in units) / n for i in range(k)]
    cross = [[math.fsum((u[i] - mean[i]) * (u[j] - mean[j]) for u in units) for j in range(k)] for i in range(k)]
    return n, mean, cross


def check(got: VectorMoments, units: Sequence[Sequence[float]]) -> None:
    n, mean, cross = moments_in_plain_python(units)
    assert got.n == n
    if n:
        assert got.mean == pytest.approx(mean, rel=1e-9, abs=1e-9)
        for row, wanted in zip(got.cross, cross, strict=True):
            assert row == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def histories_of(population: Population) -> dict[tuple[str, str, str], VectorMoments]:
    return {(m.metric, m.variant, m.contamination): m.history for m in population.measured if m.history}


@pytest.mark.parametrize("seed", SEEDS)
def test_random_logs_give_the_history_that_the_rules_say(seed: int, tmp_path: Path) -> None:
    chance = seeded(100 + seed)
    spec = with_cuped(random_metrics(chance) + RATIOS, enroll_days=chance.randint(1, 5))
    logs, past = random_logs(chance), random_past(chance, aa_days=chance.randint(0, DAYS))
    wanted = expected_histories(spec, calendar_of(spec).test, logs, past)
    got = histories_of(measure(spec, lived(spec, tmp_path, logs, past)))
    assert set(got) == set(wanted)
    for cell, units in wanted.items():
        check(got[cell], units)


@pytest.mark.parametrize("seed", [0, 1])
def test_history_leaves_the_metrics_themselves_as_they_are(seed: int, tmp_path: Path) -> None:
    chance = seeded(100 + seed)
    spec = with_cuped(random_metrics(chance) + RATIOS)
    known = lived(spec, tmp_path, random_logs(chance), random_past(chance, aa_days=2))
    with_it, without = measure(spec, known), measure(spec, replace(known, before=()))
    assert any(measured.history for measured in with_it.measured)
    plain = tuple(replace(measured, history=None, history_days=0) for measured in with_it.measured)
    assert replace(with_it, measured=plain) == without


def test_the_random_logs_meet_every_awkward_case() -> None:
    """Without this the comparison above could pass because nothing happens in its logs."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        chance = seeded(100 + seed)
        spec = with_cuped(random_metrics(chance) + RATIOS, enroll_days=chance.randint(1, 5))
        logs, past = random_logs(chance), random_past(chance, aa_days=chance.randint(0, DAYS))
        ids = [{row["event_id"] for rows in days.values() for row in rows} - {None} for days in (past[1], logs[1])]
        met["an id before and in the test"] += len(ids[0] & ids[1])
        met["no A/A day"] += not past[0]
        in_time = {row["timestamp"] for rows in past[1].values() for row in rows}
        met["a row before the covariate's days"] += min(in_time) < at(-DAYS)
        met["a late row in a file of the test"] += sum(row["timestamp"] < at(0) for r in logs[1].values() for row in r)
        for (name, *_), units in expected_histories(spec, calendar_of(spec).test, logs, past).items():
            metric = spec.metrics[name]
            met[f"{metric.kind} before"] += sum(any(unit[len(unit) // 2 :]) for unit in units)
            met["nothing before"] += sum(not any(unit[len(unit) // 2 :]) for unit in units)
            if name == "per_exposure":
                met["exposures before"] += sum(unit[3] for unit in units) > 0
            met["nobody"] += not units
    assert all(count >= 2 for count in met.values()), met


UNITS = [("x", "a", 1), ("y", "a", 1), ("z", "b", 1), ("w", "b", 1)]
SHOWN = by_day([exposure(unit, variant, at(0, hour)) for unit, variant, hour in UNITS])
BOUGHT = "  spent: {role: primary, kind: mean, event: purchase, value: value, mde: {absolute: 1}}\n"


def spent_before(folder: Path, *past: Row, during: Sequence[Row] = (), metrics: str = BOUGHT) -> dict[str, float]:
    """What the units of each variant spent on average before they were exposed."""
    spec = with_cuped(metrics, enroll_days=1)
    filed = {START - timedelta(days=ago): [outcome("zz", "other", at(0))] for ago in range(DAYS, 0, -1)}
    for row in past:
        filed[max(min(row["timestamp"].date(), START - timedelta(days=1)), START - timedelta(days=DAYS))].append(row)
    population = measure(spec, lived(spec, folder, (SHOWN, by_day(list(during))), ({}, filed)))
    found = {m.variant: m for m in population.measured if m.contamination == "exclude" and m.metric == "spent"}
    return {variant: m.history.mean[1] for variant, m in found.items() if m.history}


def test_days_before_end_at_the_first_exposure_and_begin_so_many_times_24_hours_earlier(tmp_path: Path) -> None:
    first, last = at(-DAYS, 1), at(0, 1)
    tick = timedelta(microseconds=1)
    past = [outcome("x", "purchase", first - tick, 1), outcome("x", "purchase", first, 10)]
    during = [outcome("x", "purchase", last - tick, 100), outcome("x", "purchase", last, 1000)]
    assert spent_before(tmp_path, *past, during=during) == {"a": 55.0, "b": 0.0}


def test_a_purchase_delivered_again_in_the_test_counts_once_and_at_its_first_time(tmp_path: Path) -> None:
    twice = outcome("x", "purchase", at(-1), 8, event_id="e1")
    again = outcome("x", "purchase", at(0, 0.5), 8, event_id="e1")
    assert spent_before(tmp_path, twice, during=[again]) == {"a": 4.0, "b": 0.0}


def test_the_cap_of_the_metric_cuts_the_history_too(tmp_path: Path) -> None:
    metrics = BOUGHT.replace("mde", "cap: 20, mde")
    assert spent_before(tmp_path, outcome("x", "purchase", at(-1), 30), metrics=metrics) == {"a": 10.0, "b": 0.0}


def test_history_does_not_depend_on_threads_or_on_the_order_of_rows(tmp_path: Path) -> None:
    chance = seeded(7)
    spec = with_cuped(random_metrics(chance) + RATIOS)
    logs, past = random_logs(chance), random_past(chance, aa_days=2)
    one = measure(spec, lived(spec, tmp_path / "one", logs, past))
    shuffled = [{day: chance.sample(list(rows), k=len(rows)) for day, rows in days.items()} for days in (*logs, *past)]
    known = lived(spec, tmp_path / "two", (shuffled[0], shuffled[1]), (shuffled[2], shuffled[3]), threads=2)
    assert measure(spec, known, resources=Resources(threads=2)) == one


def test_a_ratio_over_exposures_has_no_history_where_the_experiment_never_ran(tmp_path: Path) -> None:
    spec = with_cuped(BOUGHT + RATIOS, enroll_days=1)
    visits = [outcome(unit, "visit", at(0, 2)) for unit, *_ in UNITS]
    days = [START - timedelta(days=ago) for ago in range(DAYS, 0, -1)]
    done = {day: [outcome("x", "visit", at(-1))] for day in days}
    population = measure(spec, lived(spec, tmp_path, (SHOWN, by_day(visits)), ({}, done)))
    found = {m.metric: (m.history is not None, m.history_days) for m in population.measured}
    assert found["per_exposure"] == (False, 0)
    assert found["per_visit"] == (True, DAYS)
    why = samples_of(spec, population, "per_exposure", "exclude").history
    assert isinstance(why, Unavailable)
    assert why.detail == "exposures are logged only while the experiment runs, and before this phase it did not"


def lucky_aa(seed: int, *, units: int = 200) -> tuple[tuple[Days, Days], tuple[Days, Days]]:
    """Logs of A/A and test in which nobody gets anything new, and each unit goes on buying at its own rate."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, 1.0, 2 * units)
    variants = np.array(["a", "b"])[rng.permutation(np.repeat([0, 1], units))]
    counts = {"aa": rng.poisson(rates * DAYS), "test": rng.poisson(rates * 5)}

    def bought(phase: str, hour: float) -> list[Row]:
        return [
            outcome(f"u{unit}", "purchase", at(0, hour), 1.0)
            for unit, count in enumerate(counts[phase])
            for _ in range(count)
        ]

    yesterday = START - timedelta(days=1)
    exposures = by_day([exposure(f"u{unit}", variant, at(0, 1)) for unit, variant in enumerate(variants)])
    shown = {yesterday: [exposure(f"u{unit}", variant, at(-1)) for unit, variant in enumerate(variants)]}
    return (exposures, by_day(bought("test", 2))), (shown, {yesterday: bought("aa", -1)})


@pytest.mark.parametrize("seed", [142, 330])  # drawn so that the A/A favours b by 1 to 2.6 standard errors
def test_an_aa_difference_comes_back_in_the_test_unless_the_covariate_holds_the_aa_days(
    seed: int, tmp_path: Path
) -> None:
    spec = with_cuped("  bought: {role: primary, kind: count, event: purchase, mde: {absolute: 1}}\n", enroll_days=1)
    known = lived(spec, tmp_path, *lucky_aa(seed))
    with_aa, without = (
        compare(spec, measure(spec, each), contamination="exclude")[0] for each in (known, replace(known, before=()))
    )
    assert isinstance(with_aa.effect, Estimate)
    assert isinstance(without.effect, Estimate)
    assert (without.word, without.effect.p_value < 0.05) == (Word.BETTER, True)
    assert without.notes == ("CUPED took nothing off: the logs hold no history of this metric for all arms.",)
    assert (with_aa.word, with_aa.effect.p_value > 0.25) == (Word.UNCLEAR, True)
    assert with_aa.unadjusted == without.effect
