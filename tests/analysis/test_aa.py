"""The A/A check: nothing may differ where everybody gets the same."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from abflow.analysis.aa import aa_checks
from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Cohort, Measured
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, ERRORS, arms_of, cohort, population_of, rate, spec_of

VISITS = {"role": "secondary", "kind": "proportion", "event": "visit"}
ENOUGH = (cohort("old", 10_000), cohort("new", 10_000), cohort("newer", 10_000))


def checked(spec: ExperimentSpec, *found: Measured, cohorts: tuple[Cohort, ...] = ENOUGH) -> dict[str, Check]:
    return {c.name: c for c in aa_checks(spec, population_of(*found, cohorts=cohorts))}


@pytest.mark.parametrize(("units", "status"), [(100, Status.PASS), (99, Status.INSUFFICIENT), (0, Status.INSUFFICIENT)])
def test_an_aa_check_needs_100_units_in_every_arm(units: int, status: Status) -> None:
    cohorts = (cohort("old", 5000), cohort("new", units), cohort("new", 5000, enrolled=False))
    check = checked(spec_of(), *arms_of("bought", rate(10, 200), rate(10, 200)), cohorts=cohorts)["A/A units"]
    assert (check.status, check.numbers) == (status, {"units": units})


def test_a_variant_that_never_came_is_the_smallest() -> None:
    check = checked(spec_of(arms=2), cohorts=ENOUGH[:2])["A/A units"]
    assert check.status is Status.INSUFFICIENT


def test_a_difference_fails_below_one_percent_and_warns_below_five() -> None:
    seen = set()
    for more in range(0, 160, 2):
        pooled = (2000 + more) / 20_000
        z = more / 10_000 / math.sqrt(pooled * (1 - pooled) * 2 / 10_000)
        p = float(2 * stats.norm.sf(z))
        arms = arms_of("bought", rate(1000, 10_000), rate(1000 + more, 10_000))
        check = checked(spec_of(), *arms)["A/A difference of bought, new"]
        assert check.status is (Status.FAIL if p < 0.01 else Status.WARN if p < 0.05 else Status.PASS), (more, p)
        assert check.numbers["adjusted_p_value"] == pytest.approx(p)
        seen.add(check.status)
    assert seen == {Status.PASS, Status.WARN, Status.FAIL}


def test_crossed_units_count_in_an_aa_difference_where_the_plan_keeps_them() -> None:
    clean = arms_of("bought", rate(1000, 10_000), rate(1000, 10_000))
    kept = arms_of("bought", rate(1000, 10_100), rate(1200, 10_100), contamination="keep_first")
    for policy, status in (("exclude", Status.PASS), ("keep_first", Status.FAIL)):
        spec = spec_of(analysis={"contamination": policy})
        assert checked(spec, *clean, *kept)["A/A difference of bought, new"].status is status


def test_every_metric_in_every_arm_shares_one_family_whatever_its_role() -> None:
    spec = spec_of({"bought": BOUGHT, "errors": ERRORS, "visits": VISITS}, arms=2)
    same = (rate(1000, 10_000), rate(1000, 10_000), rate(1000, 10_000))
    off = (rate(1000, 10_000), rate(1000, 10_000), rate(1130, 10_000))
    for metric in ("bought", "errors", "visits"):
        arms = [m for name in spec.metrics for m in arms_of(name, *(off if name == metric else same))]
        check = checked(spec, *arms)[f"A/A difference of {metric}, newer"]
        # Six comparisons: 3 metrics in 2 arms.
        assert check.numbers["adjusted_p_value"] == pytest.approx(6 * check.numbers["p_value"])
        # p .003 alone would fail, six times .003 only warns.
        assert check.numbers["p_value"] < 0.01
        assert check.status is Status.WARN


def test_a_better_arm_fails_as_a_worse_one_does() -> None:
    arms = arms_of("bought", rate(1200, 10_000), rate(1000, 10_000))
    lower = checked(spec_of(), *arms)["A/A difference of bought, new"]
    arms = arms_of("bought", rate(1000, 10_000), rate(1200, 10_000))
    higher = checked(spec_of(), *arms)["A/A difference of bought, new"]
    assert lower.status is higher.status is Status.FAIL
    assert "differs although both got the same: new -2.00 pp" in lower.sentence


def test_a_deciding_metric_without_a_number_is_insufficient_a_secondary_is_not_checked() -> None:
    spec = spec_of({"bought": BOUGHT, "errors": ERRORS, "visits": VISITS})
    checks = checked(spec, *arms_of("errors", rate(10, 1000), rate(12, 1000)))
    assert checks["A/A difference of bought, new"].status is Status.INSUFFICIENT
    assert checks["A/A difference of visits, new"].status is Status.NOT_CHECKED
    assert "no units" in checks["A/A difference of bought, new"].sentence
    # What has no number is no part of the family either.
    errors = checks["A/A difference of errors, new"]
    assert errors.status is Status.PASS
    assert errors.numbers["adjusted_p_value"] == errors.numbers["p_value"]
