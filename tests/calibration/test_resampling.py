"""Re-randomised, permuted, ranked and bootstrapped: every promise is kept."""

from __future__ import annotations

import pytest

from abflow.calibration.resampling import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import SEED, assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_study_is_kept(study: Study) -> None:
    assert_kept(study)


def test_the_gates_own_limits_are_kept() -> None:
    study = next(study for study in STUDIES if study.name == "rerandomised")
    *units, rows = study.rates(1_000, SEED)
    assert {rate.what: rate.hits for rate in units if not 36 <= rate.hits <= 64} == {}
    assert rows.hits > 79
