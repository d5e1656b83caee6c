"""The whole lifecycle on logs ends as the rules promise."""

from __future__ import annotations

import pytest

from abflow.calibration.study import Study
from abflow.calibration.whole_lifecycle import MDE, ROOM, STUDIES, busy_world, short_experiment
from abflow.simulate.expected import expected
from tests.calibration.kept import assert_kept


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_lifecycle_ends_as_promised(study: Study) -> None:
    assert_kept(study)


def test_the_units_are_those_of_the_textbook() -> None:
    """Fleiss, Levin, Paik (2003), 4.14: 40 % against 45 %, 80 % power, takes 1 533.3 units in each arm."""
    spec = short_experiment()
    units = busy_world(spec).units_per_day * spec.enroll_days
    assert units == pytest.approx(ROOM * 2 * 1533.3, abs=2)


def test_a_log_that_loses_units_still_shows_as_many() -> None:
    spec = short_experiment()
    whole, halved = busy_world(spec), busy_world(spec, lost=0.5)
    assert halved.units_per_day * (1 - 0.5 / 2) == pytest.approx(whole.units_per_day)
    assert halved.skew == 0.5


@pytest.mark.parametrize("effect", [0.0, MDE, -MDE])
def test_the_world_has_the_effect_that_the_study_names(effect: float) -> None:
    spec = short_experiment()
    returned = expected(spec, busy_world(spec, effect=effect))["returned"]
    assert returned["old"] == pytest.approx(0.40)
    assert returned["new"] - returned["old"] == pytest.approx(effect)
