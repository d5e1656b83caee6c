from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from abflow.simulate.shadow import SCORE_MEAN, SCORE_SD, draw_shadow
from tests.simulate.worlds import truth_of

DAY = date(2026, 10, 1)
N = 40_000


@pytest.mark.parametrize("agreement", [0.28, 0.5, 0.9, 1.0])
def test_predictions_agree_as_often_as_told_and_do_not_drift(agreement: float) -> None:
    rows = draw_shadow(truth_of(shadow_requests_per_day=N, shadow_agreement=agreement), DAY, seed=1)
    within = np.abs(rows["shadow"] - rows["production"]) <= 0.5 * SCORE_SD + 1e-9
    assert np.array_equal(within, rows["agree"])
    assert within.mean() == pytest.approx(agreement, abs=4.5 * 0.5 / N**0.5)
    for column in ("shadow", "production"):
        assert rows[column].mean() == pytest.approx(SCORE_MEAN, abs=0.004)
        assert rows[column].std() == pytest.approx(SCORE_SD, rel=0.02)


def test_drift_moves_the_predictions() -> None:
    rows = draw_shadow(truth_of(shadow_requests_per_day=N, shadow_drift=0.8), DAY, seed=1)
    assert rows["shadow"].mean() - rows["production"].mean() == pytest.approx(0.8 * SCORE_SD, abs=0.003)


def test_the_shadow_is_slower_by_the_ratio_and_fails_as_often_as_told() -> None:
    truth = truth_of(shadow_requests_per_day=N, shadow_latency_ratio=1.3, shadow_error_rate=0.05)
    rows = draw_shadow(truth, DAY, seed=1)
    failed = rows["failed"]
    assert failed.mean() == pytest.approx(0.05, abs=4.5 * 0.22 / N**0.5)
    assert set(rows["shadow_ms"][failed]) == {-1.0}
    assert rows["shadow_ms"][~failed].min() > 0
    for q in (0.5, 0.95):
        ratio = np.quantile(rows["shadow_ms"][~failed], q) / np.quantile(rows["production_ms"], q)
        assert ratio == pytest.approx(1.3, rel=0.03)
