"""`abflow plan`: from assumptions, from the file, and from the A/A phase."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from abflow import cli
from abflow.analysis.population import Population
from abflow.errors import EvidenceMissing, NotEnoughData, SpecError
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.planning import Plan, plan_experiment, play_through, write_curves
from abflow.lifecycle.steps import due, run_step
from abflow.settings import Settings, load_settings
from abflow.simulate.truth import EventTruth, Truth
from abflow.spec.calendar import Step
from abflow.store.files import to_json
from tests.lifecycle.world import EQUAL, World, spec_of

ROOT = Path(__file__).parents[2]
ASSUMED = ("returned=0.30", "revenue=20,50")
SHORT_AA = {"start": "2026-10-01", "enroll_days": 1, "days": 2}
POPULAR = [f"item-{number:03}" for number in range(40)]
WITHOUT_MODEL = {"model": None, "variants": {"control": {"weight": 0.5}, "treatment": {"weight": 0.5}}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, plain=spec_of(**WITHOUT_MODEL), mlflow=False)
    made.write()
    return made


def settings(world: World) -> Settings:
    return load_settings(root=world.root, threads=1)


def planned(world: World, *baselines: str, **options: Any) -> Plan:
    return plan_experiment("short", settings(world), baselines=baselines, **options)


def test_before_any_log_what_is_assumed_sizes_the_test(world: World) -> None:
    plan = planned(world, *ASSUMED, units_per_day=2000.0)
    assert [row.source for row in plan.table.rows] == ["assumed", "assumed"]
    assert plan.table.expected == 10_000  # five days of enrolment
    assert plan.table.needed
    assert plan.table.takes


def test_a_correlation_that_the_plan_does_not_use_is_refused(world: World) -> None:
    with pytest.raises(SpecError, match=r"a correlation of 0\.7 takes nothing off short"):
        planned(world, *ASSUMED, units_per_day=2000.0, correlation=0.7)


def test_without_any_knowledge_it_says_what_is_missing(world: World) -> None:
    table = planned(world).table
    assert table.needed is None
    told = " ".join(table.sentences)
    assert "Nobody measured how many units come" in told
    assert "returned cannot be sized: no A/A phase has measured it" in told
    assert "revenue cannot be sized" in told


def test_a_declared_baseline_is_enough_for_the_primary(world: World) -> None:
    metrics = {"returned": world.plain["metrics"]["returned"]}
    world.write(metrics=metrics, sizing={"baseline": {"value": 0.3, "units_per_day": 2000, "source": "last year"}})
    table = planned(world).table
    assert table.rows[0].source == "declared: last year"
    assert table.needed


@pytest.mark.slow
def test_the_aa_phase_speaks_once_its_days_are_aggregated_as_the_gate_will(world: World) -> None:
    phases = world.plain["phases"] | {"shadow": {"skip": "nothing to mirror"}, "aa": SHORT_AA}
    world.write(phases=phases)
    world.draw(EQUAL)
    bench = world.bench()
    aa = bench.calendar.aa
    assert aa is not None
    days = aa.days_through(aa.last)
    for day in days[:-1]:
        bench.unit_day(day)
    assert planned(world).table.needed is None  # its last day is missing
    bench.unit_day(days[-1])
    measured = planned(world).table
    assert measured.rows[0].source.endswith("mature A/A units")
    bench = gated(bench)
    assert bench.store.find("aa/population", Population)
    gate = planned(world).table
    assert (gate.needed, gate.expected) == (measured.needed, measured.expected)


@pytest.mark.slow
def test_a_decision_is_played_through_on_the_units_of_the_aa_phase(world: World) -> None:
    phases = world.plain["phases"] | {"shadow": {"skip": "nothing to mirror"}, "aa": SHORT_AA}
    world.write(phases=phases)
    world.draw(EQUAL)
    bench = world.bench()
    assert bench.calendar.aa is not None
    with pytest.raises(EvidenceMissing, match="Run aggregate_day"):
        play_through(planned(world), settings(world), runs=20, seed=1)
    for day in bench.calendar.aa.days_through(bench.calendar.aa.last):
        bench.unit_day(day)
    plan = planned(world)
    played = play_through(plan, settings(world), runs=20, seed=1)
    found = played.table.played
    assert found is not None
    assert plan.table.expected is not None
    assert (found.arm, found.power.runs, found.units) == ("treatment", 20, round(plan.table.expected))
    assert 1500 < found.drawn_from < 4000  # one day of enrolment
    assert found.power.power > 0.5
    assert played.table.sentences[:-1] == plan.table.sentences
    assert played.table.sentences[-1].startswith("Played through 20 times with ")
    assert play_through(plan, settings(world), runs=20, seed=1) == played
    assert '"played": {' in to_json(played.table)
    # The same days serve a plan that cannot be run yet.
    world.write(phases=phases, allocation="thompson")
    bandit = play_through(planned(world), settings(world), runs=20, seed=1).table
    assert bandit.method == "thompson"
    assert bandit.played is not None
    assert bandit.played.dealt_share is not None
    assert " when the weights stay." in bandit.sentences[-1]
    assert " Of the units treatment is dealt " in bandit.sentences[-1]


LOYAL = Truth(
    units_per_day=1500,
    history_days=4,
    established_share=1.0,
    returning=2.0,
    active_days=60,
    events={
        "session": EventTruth(share=0.5, per_day=1.5, value=None),
        "purchase": EventTruth(share=0.5, per_day=0.8),
    },
)
LATENCY = {
    "role": "guardrail",
    "kind": "quantile",
    "value": "latency_ms",
    "q": 0.95,
    "window_days": 1,
    "direction": "decrease",
    "margin": {"relative": 0.1},
}


@pytest.mark.slow
def test_history_quantiles_and_filters_are_played_as_they_decide(world: World) -> None:
    phases = world.plain["phases"] | {"shadow": {"skip": "nothing to mirror"}, "aa": SHORT_AA}
    returned = world.plain["metrics"]["returned"] | {"mde": {"relative": 0.1}}
    metrics = world.plain["metrics"] | {"returned": returned, "latency": LATENCY}
    world.write(phases=phases, metrics=metrics, analysis={"cuped": {"days": 4}})
    world.draw(LOYAL)
    read = {"returned": returned | {"where": {"item_id": POPULAR}}, "latency": LATENCY | {"where": {"fallback": False}}}
    world.write(metrics=metrics | read)
    bench = world.bench()
    assert bench.calendar.aa is not None
    for day in bench.calendar.aa.days_through(bench.calendar.aa.last):
        bench.unit_day(day)
    plan = planned(world)
    played = play_through(plan, settings(world), runs=40, seed=1)
    found = played.table.played
    assert found is not None
    assert found.history_days == 4
    assert len(found.left_out) == 1
    told = played.table.sentences[-1]
    assert " CUPED takes off what they did in the 4 days before they entered it." in told
    assert told.endswith(
        " Not played: CUPED of error_rate, because exposures are logged only while the experiment runs, and before "
        "the A/A phase it did not."
    )
    world.write(analysis={})
    without = play_through(planned(world), settings(world), runs=40, seed=1).table.played
    assert without is not None
    assert (without.history_days, without.left_out) == (None, ())
    assert without.power.hits < found.power.hits


@pytest.mark.slow
def test_without_logs_of_the_days_before_cuped_is_not_played_and_that_is_said(world: World) -> None:
    phases = world.plain["phases"] | {"shadow": {"skip": "nothing to mirror"}, "aa": SHORT_AA}
    world.write(phases=phases, analysis={"cuped": {"days": 4}})
    world.draw(EQUAL)
    bench = world.bench()
    assert bench.calendar.aa is not None
    for day in bench.calendar.aa.days_through(bench.calendar.aa.last):
        bench.unit_day(day)
    played = play_through(planned(world), settings(world), runs=5, seed=1).table.played
    assert played is not None
    why = "because the logs have no day before the A/A phase"
    assert played.left_out == (f"CUPED of returned, {why}", f"CUPED of revenue, {why}")


def test_without_an_aa_phase_there_are_no_units_to_play_with(world: World) -> None:
    phases = world.plain["phases"] | {"aa": {"skip": "trusted for years"}}
    world.write(phases=phases)
    with pytest.raises(SpecError, match="short has no A/A phase, whose units a decision is played through with"):
        play_through(planned(world, *ASSUMED, units_per_day=2000.0), settings(world), runs=20, seed=1)


def gated(bench: Bench) -> Bench:
    """The same after its A/A gate."""
    for day in (bench.calendar.first, bench.calendar.first + timedelta(days=1)):
        for step in due(bench, day):
            if step is not Step.SAMPLE_SIZE_GATE:
                run_step(bench, step, day)
    return bench


def test_what_is_assumed_goes_before_what_was_measured(world: World) -> None:
    plan = planned(world, "returned=0.25", "revenue=20,50", units_per_day=100.0)
    assert plan.table.rows[0].baseline == 0.25


def test_a_file_that_cannot_be_run_yet_can_be_planned(world: World) -> None:
    world.write(analysis={"method": "always_valid"}, allocation="ramp", metrics=_with_cap(30.0, world))
    plan = planned(world, *ASSUMED, units_per_day=2000.0)
    assert plan.table.rows[0].factor == 1.92


def _with_cap(cap: float, world: World) -> dict[str, Any]:
    metrics: dict[str, Any] = dict(world.plain["metrics"])
    return metrics | {"revenue": metrics["revenue"] | {"cap": cap}}


def test_a_file_that_describes_nothing_is_refused_with_its_line(world: World) -> None:
    world.file.write_text(world.file.read_text(encoding="utf-8").replace("owner:", "ownr:"), encoding="utf-8")
    with pytest.raises(SpecError, match="did you mean 'owner'"):
        planned(world)
    world.file.write_text("{", encoding="utf-8")
    with pytest.raises(SpecError, match="not valid YAML"):
        planned(world)
    world.file.unlink()
    with pytest.raises(SpecError, match="there is no such file"):
        planned(world)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("returnd=0.3", "there is no metric 'returnd'; there are returned, revenue"),
        ("returned", "write METRIC=VALUE, or METRIC=VALUE,SD"),
        ("returned=a lot", "write METRIC=VALUE"),
        ("returned=0.3,0.2,0.1", "write METRIC=VALUE"),
        ("returned=nan", "write METRIC=VALUE"),
        ("returned=1.3", "returned is a proportion; give its rate alone"),
        ("returned=0.3,0.4", "returned is a proportion; give its rate alone"),
        ("revenue=20", "its standard deviation per unit is needed too: revenue=20,SD"),
        ("revenue=20,0", "its standard deviation per unit is needed too"),
    ],
)
def test_an_assumption_that_makes_no_sense_says_what_would(world: World, text: str, said: str) -> None:
    with pytest.raises(SpecError, match="baseline") as caught:
        planned(world, text)
    assert said in str(caught.value)


def test_a_ratio_may_be_described_by_its_rows(world: World) -> None:
    """By hand: 0.2 sqrt((1 + 9 * 0.2) / 10), and with rows that vary 0.2 sqrt((1 + (1.25 * 10 - 1) * 0.2) / 10)."""
    clicks = {"role": "guardrail", "kind": "ratio", "numerator": "session", "denominator": "exposures"}
    world.write(metrics=world.plain["metrics"] | {"clicks": clicks | {"margin": {"absolute": -0.01}}})
    for text, sd in (("clicks=0.04,0.2,10,0.2", 0.105830), ("clicks=0.04,0.2,10,0.2,0.5", 0.114891)):
        (row,) = [row for row in planned(world, *ASSUMED, text).table.rows if row.metric == "clicks"]
        assert (row.baseline, row.source) == (0.04, "assumed")
        assert row.sd == pytest.approx(sd, abs=1e-6)
    for wrong, why in (
        ("clicks=0.04,0.2,10", "METRIC=VALUE,SD,ROWS,CORRELATION"),
        ("clicks=0.04,0.2,10,2", "correlation of 2"),
        ("revenue=20,50,10,0.2", "write METRIC=VALUE"),
    ):
        with pytest.raises(SpecError, match=f"baseline '{wrong}'.*{re.escape(why)}"):
            planned(world, *ASSUMED, wrong)


@pytest.mark.parametrize("per_day", [0.0, -1.0, float("nan"), float("inf")])
def test_units_a_day_must_come(world: World, per_day: float) -> None:
    with pytest.raises(SpecError, match="units a day are impossible"):
        planned(world, *ASSUMED, units_per_day=per_day)


def test_curves_are_written_as_picture_or_page(world: World, tmp_path: Path) -> None:
    plan = planned(world, *ASSUMED, units_per_day=2000.0)
    write_curves(plan, tmp_path / "new" / "power.svg")
    assert (tmp_path / "new" / "power.svg").read_text(encoding="utf-8").startswith("<svg")
    write_curves(plan, tmp_path / "power.html")
    assert "Power of short" in (tmp_path / "power.html").read_text(encoding="utf-8")
    with pytest.raises(SpecError, match=r"written as \.svg or \.html, not as \.png"):
        write_curves(plan, tmp_path / "power.png")
    with pytest.raises(NotEnoughData, match="has no power curves yet"):
        write_curves(planned(world), tmp_path / "power.svg")


def test_planning_leaves_nothing_behind(world: World) -> None:
    before = sorted(world.root.rglob("*"))
    planned(world, *ASSUMED, units_per_day=2000.0)
    assert sorted(world.root.rglob("*")) == before
    assert yaml.safe_load(world.file.read_text(encoding="utf-8")) == world.plain


def test_the_guides_example_is_what_is_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "planning.md").read_text(encoding="utf-8")
    shown = re.search(r"```console\n\$ abflow (.*)\n((?:.*\n)*?)```", guide)
    assert shown
    monkeypatch.setenv("ABFLOW_ROOT", str(ROOT))
    monkeypatch.setenv("ABFLOW_STORE", str(tmp_path))  # nothing is known of it but what is assumed
    console = Console(width=100, no_color=True, soft_wrap=True, highlight=False, markup=False)
    monkeypatch.setattr(cli, "out", console)
    with console.capture() as captured:
        result = CliRunner().invoke(cli.app, shown[1].split())
    assert result.exit_code == 0, result.output
    assert [line.rstrip() for line in captured.get().splitlines()] == shown[2].splitlines()
