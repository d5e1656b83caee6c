"""Every day of A/A and test: the unit-day partition, and whether the experiment is healthy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date

from abflow.analysis.blueprint import Blueprint, Frozen
from abflow.analysis.gates import Check, Status
from abflow.analysis.harm import Harm, find_harm, harm_check
from abflow.analysis.population import Population
from abflow.analysis.validity import Answered, daily_checks, served_version
from abflow.analysis.wording import count, spans
from abflow.engine.measuring import Recorded, measure
from abflow.engine.population import cohorts
from abflow.engine.unit_day import UnitDay
from abflow.errors import GateStopped, LifecycleError
from abflow.lifecycle.bench import Bench, reading
from abflow.lifecycle.guards import current_blueprint, require_earlier_gates
from abflow.lifecycle.partitions import asked_before, past_days
from abflow.spec.calendar import GateName, Period, Phase, calendar_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the experiment does at the end of one day; it holds no outcome of any variant.

    Attributes:
        units: Units so far by variant, by first exposure in the phase.
        new_units: Units that entered on this day.
        partition: What was read on this day, and what was left out.
        harms: Arms that were found to do harm on this day.
    """

    day: date
    phase: Phase
    number: int
    units: dict[str, int]
    new_units: int
    crossed: int
    too_late: int
    partition: UnitDay
    checks: tuple[Check, ...]
    harms: tuple[Harm, ...] = ()


def aggregate_day(bench: Bench, day: date) -> str:
    """Turn one day's logs into its unit-day partition."""
    current_blueprint(bench)
    require_earlier_gates(bench, day)
    made = bench.unit_day(day)
    exposures, outcomes = made.exposure_log, made.outcome_log
    told = (
        f"{count(exposures.exposures)} exposures of {count(exposures.units)} units on {day} "
        f"({count(exposures.repeated)} repeated, {count(exposures.other_experiments)} of other experiments), "
        f"{count(sum(outcomes.events.values()))} outcomes ({count(outcomes.repeated)} repeated)."
    )
    return f"{told} {_days_before(bench, day)}".rstrip()


def _days_before(bench: Bench, day: date) -> str:
    """On the first day of a phase: read what CUPED wants to know of the days before, while their logs are there."""
    period = bench.calendar.period_of(day)
    if period is None or day != period.start:
        return ""
    asked = asked_before(bench, period)
    missing = sorted({*asked} - {past.day for past in past_days(bench, period)})
    if not asked:
        return ""
    if not missing:
        return f"CUPED has all {len(asked)} days before."
    found = len(asked) - len(missing)
    return f"Of the {len(asked)} days before that CUPED reads, the outcome log has {found}: not {spans(missing)}."


@reading
def check_health(bench: Bench, day: date) -> str:
    """Check the sample ratio, contamination, assignment and volume of the phase so far.

    Raises:
        GateStopped: The test has become invalid. In the A/A phase its own gate says so, at its end.
    """
    blueprint = current_blueprint(bench)
    require_earlier_gates(bench, day)
    # A day of the plan is checked as the plan has it, also again once the test has been extended.
    period = calendar_of(bench.spec).period_of(day) or bench.calendar.period_of(day)
    if period is None or period.phase is Phase.SHADOW:
        raise LifecycleError(f"{day} is neither an A/A nor a test day of {bench.spec.experiment}")
    recorded = bench.recorded(period, day)
    population = cohorts(bench.spec, period, recorded.state, resources=bench.settings.resources)
    checks = (
        *daily_checks(bench.spec, population, day=day, days=period.enroll_days),
        served_version(
            bench.spec, answered_by(recorded, harms_before(bench, day)), expected_versions(blueprint, period)
        ),
        *_volume(bench, period, day, population),
    )
    harms = _harms(bench, day, recorded)
    health = Health(
        day=day,
        phase=period.phase,
        number=period.number_of(day),
        units=population.units(),
        new_units=sum(population.units(lambda cohort: cohort.day == day).values()),
        crossed=population.crossed,
        too_late=population.too_late,
        partition=recorded.partitions[-1].made,
        checks=(*checks, *(() if harms is None else (harm_check(harms),))),
        harms=harms or (),
    )
    if bench.tracking:
        step = (day - bench.calendar.first).days + 1
        bench.tracking.health(day, step, _metrics(health))
    bench.store.save(f"health/date={day}", health)
    failed = [check for check in checks if check.status is Status.FAIL]
    if failed and period.phase is Phase.TEST:
        raise GateStopped(
            f"{bench.spec.experiment} is invalid on day {health.number} (rule V1). Do not read its result: "
            f"{' '.join(check.sentence for check in failed)} Nothing is promoted. Mend the cause, then run this day "
            "again (in Airflow: clear the tasks of the day); or give the experiment up with `abflow stop`."
        )
    told = " ".join(check.sentence for check in health.checks if check.status is not Status.NOT_CHECKED)
    return f"Day {health.number} of the {period.phase} phase, {count(population.enrolled)} units. {told}"


def answered_by(recorded: Recorded, dropped: Iterable[Harm] = ()) -> tuple[Answered, ...]:
    """Who answered, over several days; not for an arm after the day of its harm, when the control should answer it."""
    until = {harm.arm: harm.day for harm in dropped}
    period = recorded.period
    return tuple(
        Answered(**asdict(served))
        for partition in recorded.partitions
        for served in partition.made.served
        if period.number_of(partition.day) <= until.get(served.variant, period.days)
    )


def expected_versions(blueprint: Blueprint, period: Period) -> dict[str, str | None]:
    """The version that should answer for each variant; during A/A everybody gets the control's."""
    if period.phase is Phase.AA:
        return dict.fromkeys(blueprint.versions, blueprint.versions[blueprint.control])
    return blueprint.versions


def _harms(bench: Bench, day: date, recorded: Recorded) -> tuple[Harm, ...] | None:
    """Harm on a test day before the cut-off; None where nobody looks for it.

    Without an A/A phase the plan is frozen at the end of the first test day: on that day nobody looks, also when it
    runs again.
    """
    frozen, period = bench.store.find("frozen", Frozen), recorded.period
    if frozen is None or day <= bench.calendar.gate_day(GateName.SIZING):
        return None
    if period.phase is not Phase.TEST or day == period.last or bench.spec.allocation == "thompson":
        return None
    population = measure(bench.spec, recorded, resources=bench.settings.resources)
    return find_harm(
        bench.spec,
        population,
        day=period.number_of(day),
        planned=frozen.expected_units,
        dropped={harm.arm for harm in harms_before(bench, day)},
    )


def harms_before(bench: Bench, day: date) -> tuple[Harm, ...]:
    """What was found on the test's earlier days."""
    earlier = (bench.store.find(f"health/date={each}", Health) for each in bench.calendar.test.days_through(day)[:-1])
    return tuple(harm for health in earlier if health for harm in health.harms)


def _volume(bench: Bench, period: Period, day: date, population: Population) -> tuple[Check, ...]:
    """Are there half as many units as planned, once two days are over?"""
    frozen = bench.store.find("frozen", Frozen)
    number = period.number_of(day)
    if frozen is None or period.phase is not Phase.TEST or number < 2 or not frozen.expected_units:
        return ()
    planned = frozen.expected_units * min(number, period.enroll_days) / bench.spec.enroll_days
    share = population.enrolled / planned
    sentence = f"{count(population.enrolled)} units by day {number}, about {count(planned)} were planned."
    status = Status.WARN if share < 0.5 else Status.PASS
    return (Check(name="volume", status=status, sentence=sentence, numbers={"share": share}),)


def _metrics(health: Health) -> dict[str, float]:
    """The day's health as MLflow metrics; variants are numbered, because their names are free text."""
    found: dict[str, float] = {
        "units": float(sum(health.units.values())),
        "new_units": float(health.new_units),
        "crossed_units": float(health.crossed),
        "exposures": float(health.partition.exposure_log.exposures),
        "repeated_requests": float(health.partition.exposure_log.repeated),
        "failed_checks": float(sum(check.status is Status.FAIL for check in health.checks)),
        "warnings": float(sum(check.status is Status.WARN for check in health.checks)),
    }
    for check in health.checks:
        for name, value in check.numbers.items():
            if math.isfinite(value):
                found[f"{check.name.replace(' ', '_')}.{name}"] = value
    return found
