"""Where each arm stands among all of them, beside draws from the same posteriors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from abflow.analysis.compare import compare
from abflow.analysis.population import Measured
from abflow.analysis.readout import PosteriorSummary
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import Moments
from tests.analysis.experiments import BOUGHT, SPENT, arms_of, population_of, rate, spec_of

DRAWS = 400_000  # a share of draws is within 0.0026 of its probability in 999 of 1 000 runs


def bayesian(metric: dict[str, Any], *, arms: int, **analysis: Any) -> ExperimentSpec:
    name = "bought" if metric["kind"] == "proportion" else "spent"
    return spec_of({name: metric}, arms=arms, analysis={"method": "bayesian", **analysis})


def believed(spec: ExperimentSpec, *found: Measured) -> dict[str, PosteriorSummary | None]:
    listed = compare(spec, population_of(*found), contamination="exclude")
    return {comparison.arm: comparison.posterior for comparison in listed}


def stands(drawn: NDArray[np.float64], arm: int) -> tuple[float, float]:
    """How often an arm has the largest draw, and how far it falls short of it on average."""
    return float(np.mean(drawn.argmax(axis=0) == arm)), float(np.mean(drawn.max(axis=0) - drawn[arm]))


@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_rates_are_ranked_as_draws_from_their_betas_are(direction: str) -> None:
    metric = BOUGHT | {"direction": direction, "mde": {"absolute": 0.02 if direction == "increase" else -0.02}}
    events, units = (100, 115, 118), 1000
    found = believed(bayesian(metric, arms=2), *arms_of("bought", *(rate(e, units) for e in events)))
    random = np.random.default_rng(1)
    drawn = np.stack([random.beta(1 + e, 1 + units - e, size=DRAWS) for e in events])
    drawn = drawn if direction == "increase" else -drawn
    for arm, name in ((1, "new"), (2, "newer")):
        told = found[name]
        assert told is not None
        best, loss = stands(drawn, arm)
        assert told.best == pytest.approx(best, abs=0.003)
        assert told.loss_against_best == pytest.approx(loss, abs=0.0001)
        assert told.control_best == pytest.approx(stands(drawn, 0)[0], abs=0.003)


def test_means_are_ranked_as_draws_from_their_normals_are() -> None:
    means, n, sd = (100.0, 101.0, 100.5, 99.0), 5000, 50.0
    arms = arms_of("spent", *(Moments(n=n, mean=mean, m2=sd * sd * (n - 1)) for mean in means))
    found = believed(bayesian(SPENT, arms=3), *arms)
    random = np.random.default_rng(2)
    drawn = np.stack([random.normal(mean, sd / n**0.5, size=DRAWS) for mean in means])
    for arm, name in ((1, "new"), (2, "newer"), (3, "newest")):
        told = found[name]
        assert told is not None
        best, loss = stands(drawn, arm)
        assert told.best == pytest.approx(best, abs=0.003)
        assert told.loss_against_best == pytest.approx(loss, abs=0.01)


def test_the_best_of_two_and_a_prior_on_the_lift_have_no_standing() -> None:
    two = believed(bayesian(BOUGHT, arms=1), *arms_of("bought", rate(100, 1000), rate(115, 1000)))["new"]
    three = arms_of("bought", rate(100, 1000), rate(115, 1000), rate(118, 1000))
    shrunk = believed(bayesian(BOUGHT, arms=2, prior={"lift_sd": 0.05}), *three)["new"]
    for told in (two, shrunk):
        assert told is not None
        assert (told.best, told.control_best, told.loss_against_best) == (None, None, None)


def test_the_region_of_practical_equivalence_is_as_wide_as_the_mde() -> None:
    told = believed(bayesian(BOUGHT, arms=1), *arms_of("bought", rate(100, 1000), rate(115, 1000)))["new"]
    assert told is not None
    random = np.random.default_rng(3)
    effect = random.beta(116, 886, size=DRAWS) - random.beta(101, 901, size=DRAWS)
    assert told.within_mde == pytest.approx(float(np.mean(np.abs(effect) < 0.02)), abs=0.003)
    assert told.within_mde is not None
    assert told.beyond_mde is not None
    assert told.within_mde + told.beyond_mde < 1
