"""`abflow peek`: an honest look at a test that is read once, and the mark that it leaves."""

from __future__ import annotations

from datetime import date, datetime

from abflow.analysis.compare import compare
from abflow.analysis.gates import Status
from abflow.analysis.looks import Look
from abflow.analysis.peeking import Peek, as_read, why_no_peek
from abflow.analysis.readout import Comparison
from abflow.analysis.verdict import Verdict
from abflow.analysis.wording import effect, interval
from abflow.engine.measuring import measure
from abflow.errors import EvidenceMissing, ExperimentStopped, GateStopped, LifecycleError, NotEnoughData
from abflow.lifecycle.bench import Bench, reading
from abflow.lifecycle.daily import Health
from abflow.lifecycle.guards import require_frozen, require_health, require_running
from abflow.lifecycle.looking import peek_name
from abflow.lifecycle.page import write_scorecard
from abflow.stats.result import Unavailable
from abflow.store.files import to_json


def peek(bench: Bench, *, by: str, reason: str, now: datetime) -> list[str]:
    """Show the primary before the cut-off by a confidence sequence; from then on the test is read by sequences.

    The look is kept before anything is shown. A second one on the same day is the same look.

    Args:
        bench: The experiment.
        by: Who looks.
        reason: Why; it goes into the ledger.
        now: The time that goes into the ledger.

    Returns:
        What there is to see, in lines.

    Raises:
        LifecycleError: The plan has no use for a peek, the test is not running, or there is no reason.
        NotEnoughData: There is nothing to see yet; nothing is kept.
    """
    _require_use(bench, reason)
    day = _last_healthy_day(bench)
    look = Peek(day=day, number=bench.calendar.test.number_of(day), by=by, reason=reason.strip(), at=now)
    seen = _primary(bench, look)
    kept = _keep(bench, look)
    write_scorecard(bench)
    day_of_days = f"Day {kept.number} of {bench.calendar.test.days}"
    follows = (
        "From now on the test is read by confidence sequences, which hold however often anybody looks; at the horizon "
        f"they are about half as wide again. It goes on, and its result is due when {bench.calendar.last} is over."
    )
    return [f"{day_of_days}, looked at by {kept.by} on {kept.at:%Y-%m-%d}: {kept.reason}", *seen, follows]


def _require_use(bench: Bench, reason: str) -> None:
    name = bench.spec.experiment
    require_running(bench)
    verdict = bench.store.find("verdict", Verdict)
    if verdict and verdict.ends:
        raise ExperimentStopped(f"experiment {name!r} ended on {verdict.on}: {verdict.decision}. {verdict.sentence}")
    if useless := why_no_peek(bench.spec):
        raise LifecycleError(f"{name}: {useless}")
    if len(reason.strip()) < 3:
        raise LifecycleError(f"{name}: a peek needs a reason that others can read later; look again with one")


def _last_healthy_day(bench: Bench) -> date:
    """The last day of the test that was checked, which must not be its horizon; no check may have failed so far."""
    name, test = bench.spec.experiment, bench.calendar.test
    health = {day: bench.store.find(f"health/date={day}", Health) for day in test.days_through(test.last)}
    checked = [day for day, found in health.items() if found]
    if not checked:
        raise EvidenceMissing(f"{name}: no day of the test was checked yet, so there is nothing to look at")
    day = checked[-1]
    if day == test.last:
        raise LifecycleError(f"{name}: the test is over; its result is read by the steps of {day}, without a peek")
    require_health(bench, test.days_through(day))
    failed = [check for found in health.values() if found for check in found.checks if check.status is Status.FAIL]
    if failed:
        raise GateStopped(f"{name} is invalid, so there is nothing to look at. {failed[0].sentence}")
    return day


@reading
def _primary(bench: Bench, look: Peek) -> list[str]:
    """The primary of every arm by its confidence sequence, and nothing that is only valid at one look."""
    frozen = require_frozen(bench)
    recorded = bench.recorded(bench.calendar.test, look.day, history=True)
    found = compare(
        as_read(bench.spec, (look,)),
        measure(bench.spec, recorded, resources=bench.settings.resources),
        contamination=bench.spec.analysis.contamination,
        look=Look(day=look.number, final=False, planned=frozen.expected_units),
    )
    primary = [comparison for comparison in found if comparison.metric == bench.spec.primary_name]
    if all(isinstance(comparison.effect, Unavailable) for comparison in primary):
        raise NotEnoughData(f"{bench.spec.experiment}: nothing to see on day {look.number}. {_told(bench, primary[0])}")
    return [_told(bench, comparison) for comparison in primary]


def _told(bench: Bench, found: Comparison) -> str:
    name, metric = f"{found.metric}, {found.arm}", bench.spec.primary
    if isinstance(found.effect, Unavailable) or found.deciding is None:
        why = found.effect.detail if isinstance(found.effect, Unavailable) else "it has no interval"
        return f"{name} could not be computed: {why}."
    shown = found.deciding
    ends = f"{interval(metric, shown.lower, shown.upper)}; {100 * shown.confidence:g} % confidence sequence"
    return f"{name}: {effect(metric, shown.value)} ({ends}), {found.word}."


def _keep(bench: Bench, look: Peek) -> Peek:
    """Keep the look, unless somebody looked on that day before: then theirs is the one that is kept."""
    name = peek_name(look.day)
    with bench.ledger.lock():
        kept = bench.store.find(name, Peek) or look
        if bench.tracking:
            bench.tracking.evidence(f"{name}.json", to_json(kept))
        bench.store.save(name, kept)
        facts = {"day": kept.day.isoformat(), "number": kept.number, "by": kept.by, "reason": kept.reason}
        bench.ledger.record_once("looked_at", bench.spec.experiment, facts, at=kept.at, same="day")
    return kept
