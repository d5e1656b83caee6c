"""Who is in a phase: the units, without what anybody did."""

from __future__ import annotations

from abflow.analysis.population import Cohort, Population
from abflow.engine.database import database
from abflow.engine.observed import open_units
from abflow.engine.propensities import inverse_propensities, reads_propensities
from abflow.engine.statements import statement
from abflow.engine.unit_state import KnownState, UnitState
from abflow.logs.database import Database
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.assignment import bucket_sql, variant_edges
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import EMPTY


def cohorts(
    spec: ExperimentSpec, period: Period, state: KnownState, *, resources: Resources = WHOLE_MACHINE
) -> Population:
    """Who entered the phase so far, without looking at what anybody did."""
    with database(spec, resources) as db:
        open_units(db, spec, period, state)
        return Population(
            cohorts=cohorts_of(db, spec, state.made), measured=(), events_seen=(), misassigned=misassigned(db, spec)
        )


def cohorts_of(db: Database, spec: ExperimentSpec, state: UnitState) -> tuple[Cohort, ...]:
    """Units by variant, day of entry and kind."""
    found = db.execute(statement("cohorts")).fetchall()
    logged = {}
    if reads_propensities(spec, state):
        logged = inverse_propensities(db, level="cast(entry_day as varchar)")
    return tuple(
        Cohort(
            variant=variant,
            day=day,
            enrolled=enrolled,
            crossed=crossed,
            units=units,
            inverse_propensity=logged.get((variant, str(day), crossed), EMPTY) if enrolled and logged else None,
        )
        for variant, day, enrolled, crossed, units in found
    )


def misassigned(db: Database, spec: ExperimentSpec) -> int | None:
    """Units whose first variant is not the one that the hash gives them; None when somebody else assigns."""
    if spec.assignment != "hash":
        return None
    ranges = [(name, start, end) for name, (start, end) in variant_edges(spec).items()]
    db.execute("create or replace temp table edges (variant varchar, first integer, last integer)")
    db.executemany("insert into edges values (?, ?, ?)", ranges)
    row = db.execute(
        f"select count(*) from (select variant, {bucket_sql('unit_id', '$salt')} as bucket from units) as u "
        "inner join edges as e on u.bucket >= e.first and u.bucket < e.last where u.variant <> e.variant",
        {"salt": spec.assignment_salt},
    ).fetchone()
    return int(row[0]) if row else 0
