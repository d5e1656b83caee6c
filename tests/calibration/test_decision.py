from __future__ import annotations

import pytest

from abflow.analysis.verdict import Decision
from abflow.calibration.decision import BOUGHT, STUDIES, decisions, planned, units_per_arm
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_decision_studies_are_kept(study: Study) -> None:
    assert_kept(study)


def test_the_units_are_those_of_the_textbook() -> None:
    assert units_per_arm(planned(BOUGHT)) == 3841


def test_the_same_seed_decides_the_same() -> None:
    spec = planned(BOUGHT, guardrails=2)
    first, second = (decisions(spec, effect=0.01, runs=40, seed=3) for _ in range(2))
    assert first == second
    assert sum(first.values()) == 40


def test_a_large_effect_is_promoted_and_a_large_loss_is_not() -> None:
    spec = planned(BOUGHT)
    assert decisions(spec, effect=0.06, runs=20, seed=1)[Decision.PROMOTE] == 20
    assert decisions(spec, effect=-0.06, runs=20, seed=1)[Decision.KEEP] == 20
