"""Exploratory metrics: added at any time, counted from the first day on, and never a reason for anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.gates import Gate
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.errors import ContractBroken, EvidenceMissing, SpecFrozen
from abflow.lifecycle import consequences
from abflow.lifecycle.daily import Health
from abflow.lifecycle.page import SCORECARD, summary, write_scorecard
from abflow.lifecycle.plans import sha256_of
from abflow.lifecycle.steps import run_through
from abflow.lifecycle.tables import ask
from abflow.registry.plan import MoveAlias, PromotionPlan
from abflow.simulate.truth import Truth
from abflow.stats.result import Estimate, Unavailable
from tests.lifecycle.restating import (
    BETTER,
    EVEN,
    ONLY_TEST,
    bench_of,
    day,
    kinds,
    log_file,
    project,
    recheck,
    run,
    run_day,
    verdict_of,
    with_model,
)
from tests.lifecycle.world import NOON, World, spec_of

VISITS = {"role": "exploratory", "kind": "count", "event": "session", "window_days": 2}
SLOWNESS = {"role": "exploratory", "kind": "quantile", "value": "latency_ms", "q": 0.9, "direction": "decrease"}
NOWHERE = {"role": "exploratory", "kind": "proportion", "event": "refund"}
WORTH = {"role": "exploratory", "kind": "mean", "event": "visit", "value": "value"}
EXPLORED = {"visits": VISITS, "slowness": SLOWNESS, "refunded": NOWHERE}
SECONDARY = VISITS | {"role": "secondary", "window_days": 1}
BOUGHT = {"role": "secondary", "kind": "proportion", "event": "purchase"}
SEQUENTIAL = {name: metric | ({"cap": 500} if "cap" in metric else {}) for name, metric in spec_of()["metrics"].items()}
WITH_AA = ONLY_TEST["phases"] | {"aa": {"start": "2026-09-20", "enroll_days": 2, "days": 3}}


def explore(world: World, **metrics: Any) -> None:
    """Write exploratory metrics into a file beside those of its plan."""
    planned = {name: metric for name, metric in world.plain["metrics"].items() if metric["role"] != "exploratory"}
    world.write(metrics=planned | metrics)


def readout_of(world: World) -> Readout:
    return world.bench().store.get("readout", Readout, step="analyze")


def without_hashes(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in Verdict.__slots__ if name != "readout"}


def test_one_that_is_added_on_the_way_is_counted_from_the_first_day_on(tmp_path: Path) -> None:
    """As if it had been there from the start: the A/A days and the first days of the test are read again."""
    late, early = (project(tmp_path / name, BETTER, phases=WITH_AA) for name in ("late", "early"))
    explore(early, **EXPLORED)
    run(early)
    run(late, through=2)
    explore(late, **EXPLORED)
    told = run(late)
    assert any("other things are asked of their logs now: 2026-09-20 to 2026-09-22, 2026-10-01" in s for s in told)
    assert readout_of(late) == readout_of(early)
    assert verdict_of(late) == verdict_of(early)
    visits, slowness = (readout_of(late).of(name, "treatment") for name in ("visits", "slowness"))
    assert isinstance(visits.effect, Estimate)
    assert visits.effect.value > 0
    assert visits.control.immature > 0  # two days are not over for those who entered on the third
    assert isinstance(slowness.effect, Estimate)


def test_nothing_that_is_decided_asks_them(tmp_path: Path) -> None:
    """Gates, checks, harm, families and the verdict are what they are without them."""
    plain, exploring = (
        project(
            tmp_path / name,
            BETTER,
            phases=WITH_AA,
            analysis={"cuped": {"days": 3}, "method": "always_valid"},
            metrics=SEQUENTIAL | {"bought": BOUGHT},
        )
        for name in ("plain", "exploring")
    )
    explore(exploring, **EXPLORED)
    for world in (plain, exploring):
        run(world)
    stores = [world.bench().store for world in (plain, exploring)]
    for name in ("gates/aa", "gates/sizing"):
        assert stores[0].find(name, Gate) == stores[1].find(name, Gate)
    for number in (1, 2, 3):
        healths = [store.find(f"health/date={day(number)}", Health) for store in stores]
        assert healths[0] is not None
        assert healths[1] is not None
        assert healths[0].checks == healths[1].checks
    one, other = readout_of(plain), readout_of(exploring)
    assert one.checks == other.checks
    assert one.comparisons == other.only(plain.plain["metrics"]).comparisons
    assert without_hashes(verdict_of(plain)) == without_hashes(verdict_of(exploring))
    found = other.of("visits", "treatment")
    assert (found.word, found.adjusted_p, found.answer) == (None, None, "exploratory")
    assert found.deciding is not None  # the test may end on any day, so the interval holds on any day


def test_one_that_is_worse_stops_nothing(tmp_path: Path) -> None:
    """The better version brings more sessions, which this one calls a loss."""
    world = project(tmp_path, BETTER, phases=WITH_AA, analysis={"method": "always_valid"}, metrics=SEQUENTIAL)
    explore(world, calm={"role": "exploratory", "kind": "count", "event": "session", "direction": "decrease"})
    run(world)
    assert verdict_of(world).decision == "promote"
    calm = readout_of(world).of("calm", "treatment")
    assert calm.deciding is not None
    assert calm.deciding.lower > 0


def test_one_that_is_added_after_the_promotion_changes_nothing_but_the_readout(
    tmp_path: Path, registry_template: Path
) -> None:
    world = with_model(tmp_path, registry_template, BETTER)
    run(world, pages=True)
    aliases, verdict, said = world.aliases(), verdict_of(world), kinds(world)
    explore(world, visits=VISITS)
    told = recheck(world, pages=True)
    assert told.startswith("Read again, because other metrics are explored now. Verdict: promote")
    assert recheck(world) == ""
    assert world.aliases() == aliases
    assert without_hashes(verdict_of(world)) == without_hashes(verdict)
    assert kinds(world) == [*said, "verdict"]  # a newer one that says the same, of a newer readout
    page = (world.bench().store.folder / SCORECARD).read_text(encoding="utf-8")
    assert "visits" in page
    explore(world)
    write_scorecard(world.bench())  # nobody has read the days again
    assert "visits" not in (world.bench().store.folder / SCORECARD).read_text(encoding="utf-8")
    assert not any("visits" in line for line in summary(world.bench()))
    recheck(world)
    assert verdict_of(world) == verdict
    assert world.aliases() == aliases
    run(world)  # clears nothing up, promotes nothing again
    assert world.aliases() == aliases


def test_a_promotion_that_waits_for_its_approval_asks_again(tmp_path: Path, registry_template: Path) -> None:
    """What was approved names the verdict, and the verdict names the readout."""
    world = with_model(tmp_path, registry_template, BETTER, promotion={"approval": "required"})
    run(world)
    first = world.bench().store.get("plan", PromotionPlan, step="decide")
    explore(world, visits=VISITS)
    recheck(world)
    second = world.bench().store.get("plan", PromotionPlan, step="decide")
    assert first.promotes == second.promotes
    assert first.evidence != second.evidence
    assert second.evidence == sha256_of(verdict_of(world))


def test_one_whose_question_changed_is_not_shown_until_the_days_are_read_again(tmp_path: Path) -> None:
    world = project(tmp_path, BETTER)
    explore(world, visits=VISITS)
    run(world)
    assert any(line.startswith("exploratory visits, treatment: exploratory") for line in summary(world.bench()))
    explore(world, visits=VISITS | {"kind": "proportion"})
    assert not any("visits" in line for line in summary(world.bench()))
    recheck(world)
    assert any("exploratory visits" in line and " % -> " in line for line in summary(world.bench()))


def test_a_word_is_refused_once_the_plan_is_frozen_and_a_look_is_offered(tmp_path: Path) -> None:
    world = project(tmp_path, BETTER)
    run(world, through=2)
    explore(world, visits=SECONDARY)
    offered = r"metrics\.visits was None .*; visits may be looked at with `role: exploratory`"
    with pytest.raises(SpecFrozen, match=offered):
        run(world)
    explore(world, visits=VISITS)
    run(world)
    explore(world, visits=SECONDARY)
    with pytest.raises(SpecFrozen, match=r"metrics\.visits was None"):
        run(world)


def test_days_whose_logs_are_gone_cannot_be_explored(tmp_path: Path) -> None:
    """Taken out of the file again, the experiment goes on."""
    world = project(tmp_path, BETTER)
    run(world, through=2)
    log_file(world, "outcomes", day(1)).unlink()
    explore(world, worth=WORTH)
    with pytest.raises(EvidenceMissing, match="day 2026-10-01, was read before something else was asked"):
        run_day(world, 3)
    explore(world)
    run_day(world, 3)
    run_day(world, 4)
    assert verdict_of(world).decision == "promote"


def test_a_day_that_cannot_answer_says_that_the_question_is_new(tmp_path: Path) -> None:
    """Sessions have no value: what was asked before stays answered, and taken out again the experiment goes on."""
    world = project(tmp_path, BETTER)
    run(world, through=2)
    explore(world, worth=WORTH | {"event": "session"})
    told = r"else is asked of the logs of 2026-10-01 than before\. .* 'session' events .*; or ask what was asked"
    with pytest.raises(ContractBroken, match=told):
        run(world)
    explore(world)
    run(world)
    assert verdict_of(world).decision == "promote"


def test_latency_brings_its_failed_calls_along(tmp_path: Path) -> None:
    world = project(tmp_path, BETTER)
    sha256 = world.bench().spec.sha256
    explore(world, slowness=SLOWNESS, refunded=NOWHERE)
    assert world.bench().spec.sha256 == sha256
    run(world)
    failed, refunded = (readout_of(world).of(name, "treatment") for name in ("error_rate", "refunded"))
    assert (failed.role, failed.margin) == ("exploratory", None)
    assert isinstance(refunded.effect, Unavailable)
    assert refunded.answer == "unavailable"


def test_days_of_a_phase_that_is_over_are_read_again_by_the_next_days_run(tmp_path: Path) -> None:
    """Added while the test runs: the A/A gate is judged again beside the old one, and says the same."""
    world = project(tmp_path, BETTER, phases=WITH_AA)
    run(world, through=2)
    gate = world.bench().store.find("gates/aa", Gate)
    explore(world, slowness=SLOWNESS)
    told = [done.sentence for done in run_through(bench_of(world), date(2026, 10, 3), clock=lambda: NOON)]
    assert any("The frozen plan stands." in sentence for sentence in told)
    assert world.bench().store.find("gates/aa", Gate) == gate
    assert not (world.bench().store.folder / "gates" / "aa_again.json").exists()


@pytest.mark.parametrize("truth", [BETTER, EVEN])
def test_who_became_champion_after_the_verdict_changes_none_of_its_words(
    tmp_path: Path, registry_template: Path, truth: Truth
) -> None:
    """The next experiment has promoted since, which is no reason to call this one invalid."""
    world = with_model(tmp_path, registry_template, truth)
    run(world)
    verdict, serving = verdict_of(world), world.aliases()["champion"]
    registry = world.bench().registry
    assert registry is not None
    registry.do((MoveAlias(model="churn", alias="champion", from_version=serving, to_version=None),))
    explore(world, visits=VISITS)
    recheck(world)
    assert without_hashes(verdict_of(world)) == without_hashes(verdict)
    assert "champion" not in world.aliases()


def test_a_promotion_that_waits_is_void_once_the_champion_has_moved(tmp_path: Path, registry_template: Path) -> None:
    world = with_model(tmp_path, registry_template, BETTER, promotion={"approval": "required"})
    run(world)
    registry = world.bench().registry
    assert registry is not None
    registry.do((MoveAlias(model="churn", alias="champion", from_version="1", to_version=None),))
    explore(world, visits=VISITS)
    recheck(world)
    assert verdict_of(world).decision == "invalid"
    assert world.bench().store.find("plan", PromotionPlan) is None


def test_whoever_is_killed_before_the_verdict_is_made_again_makes_it_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no day is read again, because the same events are asked for."""
    world = project(tmp_path, BETTER)
    explore(world, visits=VISITS)
    run(world)

    def killed(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    explore(world, visits=VISITS | {"direction": "decrease"})
    with monkeypatch.context() as patch:
        patch.setattr(consequences, "judge", killed)
        with pytest.raises(KeyboardInterrupt):
            recheck(world)
    assert verdict_of(world).readout != sha256_of(readout_of(world))
    assert recheck(world)
    assert verdict_of(world).readout == sha256_of(readout_of(world))
    assert recheck(world) == ""


def test_tables_call_what_units_did_by_what_was_counted(tmp_path: Path) -> None:
    """Before the days are read again, and of the A/A phase afterwards: its units are not counted anew."""
    world = project(tmp_path, BETTER, phases=WITH_AA)
    explore(world, visits=VISITS)
    run(world)
    query = """select sum("count of session in 2 days") from units where phase = 'aa'"""
    counted = ask(world.bench(), query).rows
    explore(world, visits=VISITS | {"window_days": 3}, slowness=SLOWNESS)
    assert ask(world.bench(), query).rows == counted
    explore(world, visits=VISITS | {"window_days": 3})
    recheck(world)
    assert ask(world.bench(), query).rows == counted
    found = ask(world.bench(), """select phase, count("count of session in 3 days") from units group by all""").rows
    assert dict(found)["aa"] == 0
    assert dict(found)["test"] > 0


def test_what_was_counted_from_a_day_whose_log_is_gone_stays_asked(tmp_path: Path) -> None:
    """A partition holds what was asked of its day, and nobody can read it again for anything else."""
    world = project(tmp_path, BETTER)
    explore(world, worth=WORTH)
    run(world, through=2)
    log_file(world, "outcomes", day(1)).unlink()
    explore(world)
    with pytest.raises(EvidenceMissing, match=r"day 2026-10-01, .* or put back what was taken out"):
        run_day(world, 3)
    explore(world, worth=WORTH)
    run_day(world, 3)
    run_day(world, 4)
    assert verdict_of(world).decision == "promote"
