"""Tests and margins after adaptive shares, hard limits and other policies keep their promises."""

from __future__ import annotations

import pytest

from abflow.calibration import bandit, bandit_margins
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", [*bandit.STUDIES, *bandit_margins.STUDIES], ids=lambda study: study.name)
def test_the_study_is_kept(study: Study) -> None:
    assert_kept(study)
