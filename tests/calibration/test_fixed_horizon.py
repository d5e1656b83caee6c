"""Tests that are read once."""

from __future__ import annotations

import pytest

from abflow.calibration.fixed_horizon import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_promise_is_kept(study: Study) -> None:
    assert_kept(study)
