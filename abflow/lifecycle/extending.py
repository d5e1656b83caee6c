"""Going on past the last day of the plan, as the plan promised, when the test is not precise enough to be read."""

from __future__ import annotations

from datetime import date, datetime

from abflow.analysis.blueprint import Extended
from abflow.analysis.extension import extension_in_words, is_precise, precision_reached
from abflow.engine.measuring import measure
from abflow.lifecycle.bench import Bench, reading
from abflow.lifecycle.daily import harms_before
from abflow.lifecycle.guards import require_frozen, require_gates, require_health
from abflow.spec.calendar import Period, calendar_of
from abflow.store.files import to_json


def extend(bench: Bench, day: date, *, now: datetime) -> str | None:
    """On the last day of the plan: let the test go on when it promised to and is not precise enough.

    It is decided once, from the standard error alone, before the effect is computed; the plan keeps its hash.

    Args:
        bench: The experiment.
        day: The day that has been aggregated and checked.
        now: The time that goes into the ledger.

    Returns:
        That it goes on, in a sentence; None when it is read on this day.
    """
    planned, longer = calendar_of(bench.spec).test, calendar_of(bench.spec.extended).test
    if day != planned.last or longer.last == planned.last:
        return None
    extended = bench.store.find("extended", Extended)
    if extended is None:
        precision = _precision(bench, planned)
        if precision is None:
            return None
        extended = Extended(on=day, last=longer.last, days=longer.days, precision=precision, at=now)
    _keep(bench, extended)
    return extension_in_words(extended)


@reading
def _precision(bench: Bench, test: Period) -> dict[str, float | None] | None:
    """By arm in percent of the plan, where it is too little; None where it is enough."""
    require_gates(bench, through=test.last)
    require_frozen(bench)
    require_health(bench, test.days_through(test.last))
    recorded = bench.recorded(test, test.last, history=True)
    reached = precision_reached(
        bench.spec,
        measure(bench.spec, recorded, resources=bench.settings.resources),
        dropped={harm.arm for harm in harms_before(bench, test.last)},
    )
    if is_precise(reached):
        return None
    return {arm: None if found is None else found.percent_of_plan for arm, found in reached.items()}


def _keep(bench: Bench, extended: Extended) -> None:
    """Twice is once: what is kept stays, and so does its entry in the ledger."""
    if bench.tracking:
        bench.tracking.evidence("extended.json", to_json(extended))
    facts = {
        "day": extended.on.isoformat(),
        "until": extended.last.isoformat(),
        "days": extended.days,
        "precision": extended.precision,
    }
    with bench.ledger.lock():
        bench.store.save("extended", extended)
        bench.ledger.record_once("extended", bench.spec.experiment, facts, at=extended.at, same="day")
