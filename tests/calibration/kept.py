"""What a test asks of a study."""

from __future__ import annotations

from abflow.calibration.study import Study

SHARE_IN_CI = 10  # CI makes a tenth of the runs; `abflow calibrate` makes them all
SEED = 20_261_122


def assert_kept(study: Study) -> None:
    """Every judged rate of the study is what it should be, over a tenth of its runs."""
    found = study.rates(study.runs // SHARE_IN_CI, SEED)
    assert any(rate.judged for rate in found), f"{study.name} judges nothing"
    broken = [f"{r.what}: {r.share:.4f} of {r.runs}, not within {r.limits}" for r in found if not r.holds]
    assert not broken, broken
