from __future__ import annotations

import pytest

from abflow.analysis.verdict import Decision
from abflow.calibration.decision import BOUGHT, planned
from abflow.calibration.decision_looks import STUDIES, WINDOW_DAYS, decisions_at_looks
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_decisions_that_may_fall_early_are_kept(study: Study) -> None:
    assert_kept(study)


def test_the_same_seed_decides_the_same_and_every_run_is_decided() -> None:
    spec = planned(BOUGHT, window_days=WINDOW_DAYS, method="always_valid")
    first, second = (decisions_at_looks(spec, effect=0.01, runs=20, seed=3) for _ in range(2))
    assert first == second
    assert sum(first.values()) == 20
    assert Decision.NONE_YET not in first
