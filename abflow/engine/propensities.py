"""How likely each unit's variant was, as the log says: what the sample ratio is held against when weights change."""

from __future__ import annotations

from abflow.engine.statements import filled, rows
from abflow.engine.unit_state import UnitState, exact_sum, scale_of
from abflow.logs.database import Database
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import Moments


def reads_propensities(spec: ExperimentSpec, state: UnitState) -> bool:
    """Whether the log's probabilities count; where abflow's own hash assigns, the file says them already."""
    return state.has_propensity and spec.assignment == "external"


def inverse_propensities(db: Database, *, level: str) -> dict[tuple[str, str, bool], Moments]:
    """Moments of 1 over the logged probability of the variant that an enrolled unit got, over units that have one.

    Args:
        db: A connection with the units of a phase.
        level: SQL text of what the units of a group share; never null.

    Returns:
        By variant, level, and whether the units were seen in two variants.
    """
    (smallest,) = db.execute("select min(propensity) from units where enrolled").fetchall()[0]
    if smallest is None:
        return {}
    largest = 1 / smallest
    query = filled(
        "inverse_propensities",
        level=level,
        sum="".join(exact_sum("weight", scale_of(largest))),
        squares="".join(exact_sum("(w.weight - m.mean) * (w.weight - m.mean)", scale_of(largest * largest))),
    )
    return {
        (row["variant"], row["level"], row["crossed"]): Moments(n=row["n"], mean=row["mean"], m2=row["m2"])
        for row in rows(db, query)
    }
