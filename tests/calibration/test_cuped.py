"""The error rates of CUPED and post-stratification."""

from __future__ import annotations

import pytest

from abflow.calibration.cuped import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_cuped_keeps_its_error_rates(study: Study) -> None:
    assert_kept(study)
