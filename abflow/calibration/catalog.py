"""Every study there is, by its name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from abflow.calibration import (
    bandit,
    bandit_margins,
    bayesian,
    clean_checks,
    clean_logs,
    cuped,
    decision,
    decision_looks,
    fixed_horizon,
    harm,
    multiplicity,
    quantiles,
    resampling,
    sample_ratio,
    sequential,
    trends,
    whole_lifecycle,
)
from abflow.calibration.study import Study
from abflow.errors import SpecError

STUDIES: tuple[Study, ...] = (
    *fixed_horizon.STUDIES,
    *quantiles.STUDIES,
    *cuped.STUDIES,
    *resampling.STUDIES,
    *trends.STUDIES,
    *multiplicity.STUDIES,
    *sample_ratio.STUDIES,
    *clean_checks.STUDIES,
    *clean_logs.STUDIES,
    *sequential.STUDIES,
    *bayesian.STUDIES,
    *bandit.STUDIES,
    *bandit_margins.STUDIES,
    *decision.STUDIES,
    *decision_looks.STUDIES,
    *harm.STUDIES,
    *whole_lifecycle.STUDIES,
)


def studies_named(names: Sequence[str]) -> tuple[Study, ...]:
    """The studies of these names in the order of the catalogue; all of them when no name is given.

    Raises:
        SpecError: There is no study of such a name.
    """
    known = [study.name for study in STUDIES]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`abflow calibrate --list` prints them all"
            raise SpecError(f"there is no study {name!r}; {hint}")
    return tuple(study for study in STUDIES if not names or study.name in names)
