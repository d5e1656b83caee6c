"""Stopping for harm errs as rarely as it says."""

from __future__ import annotations

import pytest

from abflow.calibration.harm import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_study_is_kept(study: Study) -> None:
    assert_kept(study)
