"""The rolling state: the same numbers however many days are rolled at once, in whatever order rows and days came."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from abflow.engine.measuring import Recorded, measure
from abflow.engine.unit_state import KnownState, roll_state, scale_of, state_inputs
from abflow.logs.cost import metered
from abflow.spec.calendar import calendar_of
from tests.engine.small_logs import (
    START,
    Row,
    at,
    build,
    by_day,
    experiment,
    exposure,
    outcome,
    partitions_of,
    random_logs,
    random_metrics,
    recorded,
    seeded,
)


def moments(record: Recorded, metric: str = "visits", variant: str = "a") -> tuple[int, float]:
    found = measure(SPEC, record).of(metric, variant, "exclude")
    assert found is not None
    return found.moments.n, found.moments.mean


SPEC = experiment(enroll_days=5)


@pytest.mark.parametrize("seed", range(6))
def test_one_day_at_a_time_or_all_at_once_with_one_thread_or_four_leaves_the_same_bytes(
    seed: int, tmp_path: Path
) -> None:
    chance = seeded(seed)
    spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5))
    built = build(spec, tmp_path, *random_logs(chance))
    partitions = partitions_of(tmp_path, built)
    states = []
    for name, step, threads in (("daily", 1, 1), ("in_pairs", 2, 4), ("at_once", 5, 4)):
        (tmp_path / name).mkdir()
        record = recorded(spec, tmp_path / name, partitions, step=step, threads=threads)
        states.append((record.state.made, record.state.file.read_bytes(), measure(spec, record)))
    assert states[0] == states[1] == states[2]


def test_sums_do_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    """0.1 + 0.2 + 0.3 added in another order has another last digit; a hundred thousand of them have several."""
    chance = seeded(1)
    paid = [outcome("u", "purchase", at(0, 12), chance.uniform(0, 1) * 10 ** chance.randint(-6, 6)) for _ in range(999)]
    shown = by_day([exposure("u", "a", at(0, 1)), exposure("v", "b", at(0, 1))])
    found = []
    for n in range(3):
        chance.shuffle(paid)
        built = build(SPEC, tmp_path / str(n), shown, by_day(paid))
        record = recorded(SPEC, tmp_path / str(n), partitions_of(tmp_path / str(n), built))
        found.append(moments(record, "revenue"))
    assert found[0] == found[1] == found[2]
    assert found[0][1] == pytest.approx(sum(row["value"] for row in paid), rel=1e-14)


def test_a_restated_day_is_rolled_anew_from_what_the_logs_say_now(tmp_path: Path) -> None:
    shown = by_day([exposure("u", "a", at(0, 1)), exposure("v", "b", at(0, 1))])
    done = by_day([outcome("u", "visit", at(n, 5)) for n in range(5)])
    first = recorded(SPEC, tmp_path, partitions_of(tmp_path, build(SPEC, tmp_path, shown, done)))
    assert moments(first) == (1, 5)
    restated = dict(done) | {START + timedelta(days=2): done[START][:1]}
    again = tmp_path / "again"
    partitions = partitions_of(again, build(SPEC, again, shown, restated))
    period = calendar_of(SPEC).test
    made = roll_state(SPEC, period, partitions, again, known=first.state)
    assert made.inputs != first.state.made.inputs
    record = Recorded(period=period, state=KnownState(made=made, folder=again), partitions=tuple(partitions))
    assert moments(record) == (1, 4)


def test_an_earlier_state_is_gone_on_with_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    shown = by_day([exposure("u", "a", at(0, 1))])
    partitions = partitions_of(tmp_path, build(SPEC, tmp_path, shown, by_day([outcome("u", "visit", at(0, 5))])))
    period = calendar_of(SPEC).test
    early = roll_state(SPEC, period, partitions[:2], tmp_path)
    assert early.inputs == state_inputs(SPEC, period, partitions)[1]
    # Whoever goes on with this state counts 100 visits more: a roll from the start cannot know of them.
    file = tmp_path / early.files[0]
    with duckdb.connect(":memory:") as db:
        totals = [name for (name, *_) in db.execute(f"describe from '{file}'").fetchall() if name.startswith("t")]
        more = ", ".join(f"{name} + 100 as {name}" for name in totals)
        db.execute(f"create table changed as select * replace ({more}) from '{file}'")
        db.execute(f"copy changed to '{file}' (format parquet)")
    known = KnownState(made=early, folder=tmp_path)
    rolled = roll_state(SPEC, period, partitions, tmp_path, known=known)
    record = Recorded(period=period, state=KnownState(made=rolled, folder=tmp_path), partitions=tuple(partitions))
    assert moments(record) == (1, 101)
    other = experiment("  m: {role: primary, kind: count, event: purchase, mde: {relative: 0.1}}\n", enroll_days=5)
    assert early.inputs not in state_inputs(other, period, partitions)


def test_the_cost_of_a_step_tells_the_rows_of_logs_and_partitions(tmp_path: Path) -> None:
    shown = by_day([exposure(f"u{n}", "a", at(0, 1)) for n in range(30)], days=1)
    done = by_day([outcome(f"u{n}", "visit", at(0, 5)) for n in range(20)], days=1)
    with metered() as meter:
        built = build(SPEC, tmp_path, shown, done)
    assert meter.cost().rows == 31 + 21  # each log has a row of somebody else
    partitions = partitions_of(tmp_path, built)
    with metered() as meter:
        recorded(SPEC, tmp_path, partitions)
    cost = meter.cost()
    assert cost.rows == 30 + 20
    assert cost.bytes == sum(file.stat().st_size for file in (partitions[0].units, partitions[0].events))


def test_a_late_exposure_brings_the_outcomes_of_earlier_days_with_it(tmp_path: Path) -> None:
    """The exposure of day 0 is delivered with day 2; the visits of day 0 and 1 were nobody's until then."""
    shown = by_day([exposure("v", "b", at(0, 1))])
    shown[START + timedelta(days=2)].append(exposure("u", "a", at(0, 1)))
    done = by_day([outcome("u", "visit", at(0, 5)), outcome("u", "visit", at(1, 5)), outcome("u", "visit", at(0, 0.5))])
    partitions = partitions_of(tmp_path, build(SPEC, tmp_path, shown, done))
    assert recorded(SPEC, tmp_path, partitions[:2]).state.made.units == 1
    assert moments(recorded(SPEC, tmp_path, partitions)) == (1, 2)


def test_a_row_from_the_future_counts_when_its_day_has_come(tmp_path: Path) -> None:
    shown = by_day([exposure("u", "a", at(0, 1))])
    done = by_day([])
    done[START].append(outcome("u", "visit", at(3, 5)))
    partitions = partitions_of(tmp_path, build(SPEC, tmp_path, shown, done))
    counts = [moments(recorded(SPEC, tmp_path, partitions[:days])) for days in range(1, 6)]
    assert counts == [(1, 0), (1, 0), (1, 0), (1, 1), (1, 1)]


def test_an_earlier_repeat_that_arrives_late_takes_the_place_of_the_one_that_was_counted(tmp_path: Path) -> None:
    """Event e was counted for u on day 1; the row of day 2 says that it happened on day 0, to w."""
    shown = by_day([exposure(unit, "a", at(0, 1)) for unit in ("u", "w")])
    done = by_day([outcome("u", "purchase", at(1, 5), 7.0, event_id="e"), outcome("u", "visit", at(1, 5))])
    done[START + timedelta(days=2)].append(outcome("w", "purchase", at(0, 5), 3.0, event_id="e"))
    partitions = partitions_of(tmp_path, build(SPEC, tmp_path, shown, done))
    assert moments(recorded(SPEC, tmp_path, partitions[:2]), "revenue") == (2, 3.5)
    assert moments(recorded(SPEC, tmp_path, partitions), "revenue") == (2, 1.5)
    assert moments(recorded(SPEC, tmp_path, partitions), "visits") == (2, 0.5)


PAID = """
  visited: {role: primary, kind: proportion, event: visit, mde: {relative: 0.1}}
  on_phones: {role: secondary, kind: mean, event: purchase, value: value, where: {device: phone}}
"""


def on(device: str, unit: str, when: datetime, value: float) -> Row:
    return outcome(unit, "purchase", when, value, event_id="e", device=device)


def paid_on_phones(folder: Path, *filed: tuple[int, Row]) -> list[float]:
    """The sum over two units after each of five days; every row in the file of the day that is named."""
    spec = experiment(PAID, enroll_days=5)
    done = {day: [row | {"device": None} for row in rows] for day, rows in by_day([]).items()}
    for number, row in filed:
        done[START + timedelta(days=number)].append(row)
    shown = by_day([exposure(unit, "a", at(0, 1)) for unit in ("u", "w")])
    partitions = partitions_of(folder, build(spec, folder, shown, done))
    found = []
    for days in range(1, 6):
        of = measure(spec, recorded(spec, folder, partitions[:days])).of("on_phones", "a", "exclude")
        assert of is not None
        found.append(2 * of.moments.mean)
    return found


@pytest.mark.parametrize("devices", [("phone", "phone"), ("phone", "desk"), ("desk", "phone"), ("desk", "desk")])
@pytest.mark.parametrize("files", [(0, 0), (0, 2), (2, 0), (1, 2)])
def test_the_earliest_row_of_an_id_wins_and_then_the_filter_looks_at_it(
    devices: tuple[str, str], files: tuple[int, int], tmp_path: Path
) -> None:
    """Two rows of one event, the earlier one first here, in the files of whichever days."""
    first, second = on(devices[0], "u", at(0, 5), 3.0), on(devices[1], "w", at(0, 9), 7.0)
    counts = paid_on_phones(tmp_path, (files[0], first), (files[1], second))
    amounts = {"phone": (3.0, 7.0), "desk": (0.0, 0.0)}
    came = [
        amounts[devices[0]][0] if files[0] <= day else amounts[devices[1]][1] if files[1] <= day else 0.0
        for day in range(5)
    ]
    assert counts == came


def test_an_event_that_was_counted_in_the_aa_phase_counts_no_second_time(tmp_path: Path) -> None:
    """Only what the A/A phase could count: a row of its files that lies after its end is nobody's repeat."""
    shown = by_day([exposure("u", "a", at(0, 1))])
    before = {START - timedelta(days=1): [outcome("u", "visit", at(-1, 5), event_id="e")]}
    before[START - timedelta(days=1)].append(outcome("u", "visit", at(0, 3), event_id="f"))
    done = by_day([outcome("u", "visit", at(n, 5), event_id=event_id) for n, event_id in enumerate("efge")])
    built = build(SPEC, tmp_path / "aa", dict.fromkeys(before, shown[START]), before)
    aa = partitions_of(tmp_path / "aa", built)
    partitions = partitions_of(tmp_path, build(SPEC, tmp_path, shown, done))
    assert moments(recorded(SPEC, tmp_path, partitions, aa=aa)) == (1, 2)
    assert moments(recorded(SPEC, tmp_path, partitions)) == (1, 3)


def test_a_state_rests_on_the_aa_days_only_from_the_first_day_on_whose_events_have_ids(tmp_path: Path) -> None:
    shown = by_day([exposure("u", "a", at(0, 1))])
    done = by_day([outcome("u", "visit", at(0, 5)), outcome("u", "visit", at(2, 5), event_id="e")])
    partitions = partitions_of(tmp_path, build(SPEC, tmp_path, shown, done))
    period = calendar_of(SPEC).test
    alone, after = (state_inputs(SPEC, period, partitions, aa) for aa in ([], partitions[2:3]))
    assert [one == other for one, other in zip(alone, after, strict=True)] == [True, True, False, False, False]


@pytest.mark.parametrize("largest", [0.0, 5e-324, 1e-9, 1.0, 0.999999, 1e9, 1e300])
def test_a_scale_is_a_power_of_two_that_leaves_room_for_two_to_the_36_rows(largest: float) -> None:
    scale = scale_of(largest)
    assert scale.hex().startswith("0x1.0000000000000p")
    assert largest * scale * 2**36 < 2**127
