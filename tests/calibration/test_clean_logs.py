"""Clean logs with late, repeated and crossed rows stay valid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from abflow.calibration.clean_logs import MISHAPS, STUDIES, checked_experiment, miscounted
from abflow.calibration.lifetime import live_through
from abflow.calibration.study import Study
from tests.calibration.kept import assert_kept


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_clean_experiments_stay_valid(study: Study) -> None:
    assert_kept(study)


def test_the_logs_hold_every_mishap_and_each_is_counted_right() -> None:
    life = live_through(checked_experiment(), MISHAPS, seed=5)
    drawn, readout = life.drawn, life.readout
    assert readout is not None
    assert all(drawn.late[log] > 0 and drawn.duplicated[log] > 0 for log in ("exposures", "outcomes"))
    assert drawn.crossed_units > 0
    assert not miscounted(life)
    assert miscounted(replace(life, readout=replace(readout, crossed=readout.crossed + 1)))
    assert miscounted(replace(life, readout=replace(readout, units=readout.units | {"new": 0})))
