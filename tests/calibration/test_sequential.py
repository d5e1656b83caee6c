"""Looking many times keeps its promises."""

from __future__ import annotations

import pytest

from abflow.calibration.sequential import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_what_is_promised_is_kept(study: Study) -> None:
    assert_kept(study)
