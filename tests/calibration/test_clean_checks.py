from __future__ import annotations

import pytest

from abflow.calibration.clean_checks import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_clean_experiments_stay_valid(study: Study) -> None:
    assert_kept(study)
