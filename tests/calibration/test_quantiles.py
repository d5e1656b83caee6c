"""The error rates of comparisons of quantiles."""

from __future__ import annotations

import pytest

from abflow.calibration.quantiles import STUDIES
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_quantiles_keep_their_error_rates(study: Study) -> None:
    assert_kept(study)
