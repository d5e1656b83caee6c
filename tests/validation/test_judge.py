from __future__ import annotations

import math
from dataclasses import replace

import pytest

from abflow.stats.result import Unavailable, UnavailableReason
from abflow.validation.judge import Coverage, judge_shadow, overall
from abflow.validation.shadow import Agreement, Drift, Overlap, PredictionKind, ShadowCounts
from abflow.validation.shadow_check import ShadowCheck, ShadowStatus, ShadowThresholds
from abflow.validation.tail import LatencyTail
from tests.validation.shadow_logs import DAY

NOTHING = Unavailable(reason=UnavailableReason.NO_UNITS, detail="no request was answered by both versions")


def tail(p95: float, spread: float = 0.01) -> LatencyTail:
    return LatencyTail(calls=10_000, units=5_000, p95=p95, lower=p95 * (1 - spread), upper=p95 * (1 + spread))


def drift(*shadow: int, ks_distance: float | None = 0.01) -> Drift:
    bins = tuple(f"bin {n}" for n in range(len(shadow)))
    return Drift(bins=bins, production=(1000,) * len(shadow), shadow=shadow, ks_distance=ks_distance)


SOUND = ShadowCounts(
    days=(DAY,),
    requests=10_000,
    failed=20,
    kind=PredictionKind.NUMBERS,
    agreement=Agreement(pairs=9_980, agreements=9_000, logged=False),
    production_latency=tail(100),
    shadow_latency=tail(105),
    drift=drift(*[1000] * 10),
)


def judged(name: str, counts: ShadowCounts, coverage: Coverage | None = None) -> ShadowCheck:
    return {check.name: check for check in judge_shadow(counts, coverage=coverage)}[name]


def test_sound_log_passes_and_says_what_was_not_checked() -> None:
    checks = judge_shadow(SOUND)
    assert {check.name: check.status for check in checks} == {
        "requests": "pass",
        "error_rate": "pass",
        "latency_p95": "pass",
        "agreement": "pass",
        "drift": "pass",
        "coverage": "not_checked",
    }
    assert overall(checks) == "pass"
    assert "there is no request log" in checks[-1].sentence


def test_fewer_than_a_thousand_requests_are_not_judged() -> None:
    checks = judge_shadow(replace(SOUND, requests=999, failed=999))
    assert [(check.name, check.status) for check in checks] == [("requests", "insufficient")]
    assert checks[0].sentence == "999 requests were mirrored, needed are 1 000; so far 999 failed"
    assert judge_shadow(replace(SOUND, requests=1000))[0].status == "pass"


@pytest.mark.parametrize(("requests", "status"), [(299, "pass"), (298, "insufficient")])
def test_no_error_in_299_requests_shows_at_most_one_percent(requests: int, status: str) -> None:
    # The rule of three made exact: 0.99^299 < 0.05 < 0.99^298.
    counts = replace(SOUND, requests=requests, failed=0)
    checks = judge_shadow(counts, thresholds=ShadowThresholds(min_requests=0))
    found = next(check for check in checks if check.name == "error_rate")
    assert found.status == status
    assert found.numbers["upper"] == pytest.approx(1 - 0.05 ** (1 / requests))


@pytest.mark.parametrize(
    ("failed", "status"),
    [(0, "pass"), (83, "pass"), (84, "insufficient"), (117, "insufficient"), (118, "fail")],
)
def test_error_rate_is_shown_below_or_above_one_percent(failed: int, status: str) -> None:
    assert judged("error_rate", replace(SOUND, failed=failed)).status == status


def test_sentence_of_the_error_rate_names_count_bound_and_limit() -> None:
    found = judged("error_rate", replace(SOUND, requests=12_000, failed=276))
    assert found.sentence == "2.3 % of 12 000 mirrored requests failed (95 % lower bound 2.08 %), allowed is 1 %"


@pytest.mark.parametrize(("shadow", "status"), [(80, "pass"), (118, "pass"), (120, "insufficient"), (123, "fail")])
def test_latency_is_shown_below_or_above_a_fifth_more(shadow: float, status: str) -> None:
    found = judged("latency_p95", replace(SOUND, shadow_latency=tail(shadow)))
    assert found.status == status
    assert found.numbers["value"] == pytest.approx(shadow / 100)


@pytest.mark.parametrize(
    "counts",
    [
        replace(SOUND, shadow_latency=NOTHING),
        replace(SOUND, production_latency=NOTHING),
        replace(SOUND, production_latency=tail(0)),
    ],
)
def test_latency_that_cannot_be_compared_is_insufficient(counts: ShadowCounts) -> None:
    found = judged("latency_p95", counts)
    assert found.status == "insufficient"
    assert found.sentence.startswith("latency_p95 cannot be judged: ")


@pytest.mark.parametrize(
    ("agreements", "status"),
    [
        (10_000, "warn"),
        (9_999, "pass"),
        (8_000, "pass"),
        (7_999, "warn"),
        (5_084, "warn"),
        (5_050, "insufficient"),
        (4_950, "insufficient"),
        (4_910, "fail"),
        (0, "fail"),
    ],
)
def test_agreement_is_shown_above_or_below_half(agreements: int, status: str) -> None:
    agreement = Agreement(pairs=10_000, agreements=agreements, logged=False)
    assert judged("agreement", replace(SOUND, agreement=agreement)).status == status


@pytest.mark.parametrize(
    ("kind", "logged", "words"),
    [
        (PredictionKind.NUMBERS, False, "within half a standard deviation"),
        (PredictionKind.LABELS, False, "same label"),
        (PredictionKind.NUMBERS, True, "as logged"),
    ],
)
def test_agreement_says_what_agreeing_means(kind: PredictionKind, logged: bool, words: str) -> None:
    agreement = Agreement(pairs=10_000, agreements=9_000, logged=logged)
    assert words in judged("agreement", replace(SOUND, kind=kind, agreement=agreement)).sentence


@pytest.mark.parametrize(("mean", "status"), [(0.05, "warn"), (0.29, "warn"), (0.3, "pass"), (1.0, "warn")])
def test_overlap_of_lists_warns_and_never_fails(mean: float, status: str) -> None:
    counts = replace(SOUND, kind=PredictionKind.LISTS, agreement=Overlap(pairs=10_000, mean=mean, sd=0.2))
    found = judged("agreement", counts)
    assert found.status == status
    assert found.numbers["upper"] - mean == pytest.approx(1.6448536 * 0.2 / 100)
    assert overall(judge_shadow(counts)) == "pass"


def test_identical_predictions_raise_the_question_of_the_same_model() -> None:
    same = replace(SOUND, agreement=Agreement(pairs=500, agreements=500, logged=False))
    assert "is it the same model?" in judged("agreement", same).sentence


@pytest.mark.parametrize("name", ["agreement", "drift"])
def test_no_pairs_leave_likeness_insufficient(name: str) -> None:
    counts = replace(SOUND, agreement=NOTHING, drift=NOTHING, kind=NOTHING)
    assert judged(name, counts).status == "insufficient"


@pytest.mark.parametrize(
    ("shadow", "status"),
    [((1000, 1000), "pass"), ((1300, 700), "pass"), ((1350, 650), "warn"), ((1500, 500), "fail")],
)
def test_drift_is_held_to_the_stability_index(shadow: tuple[int, int], status: str) -> None:
    found = judged("drift", replace(SOUND, drift=drift(*shadow)))
    # Known answer: of two bins at 1/2 and s, (s - 1/2) ln(s / (1 - s)).
    s = shadow[0] / 2000
    assert found.numbers["value"] == pytest.approx((s - 0.5) * math.log(s / (1 - s)), abs=1e-9)
    assert found.status == status


def test_large_distance_of_distributions_warns_and_never_fails() -> None:
    found = judged("drift", replace(SOUND, drift=drift(1000, 1000, ks_distance=0.9)))
    assert found.status == "warn"
    assert found.numbers["ks_distance"] == 0.9


def test_bin_that_only_one_version_fills_is_finite() -> None:
    found = judged("drift", replace(SOUND, drift=drift(2000, 0)))
    assert found.status == "fail"
    assert math.isfinite(found.numbers["value"])


@pytest.mark.parametrize(
    ("coverage", "status"),
    [
        (Coverage(eligible=1000, mirrored=90, sampling_rate=0.1, empty_hours=0), "pass"),
        (Coverage(eligible=1000, mirrored=89, sampling_rate=0.1, empty_hours=0), "fail"),
        (Coverage(eligible=1000, mirrored=100, sampling_rate=0.1, empty_hours=1), "fail"),
        (Coverage(eligible=0, mirrored=0, sampling_rate=0.1, empty_hours=0), "fail"),
    ],
)
def test_coverage_is_held_to_the_sampling_rate(coverage: Coverage, status: str) -> None:
    assert judged("coverage", SOUND, coverage).status == status


@pytest.mark.parametrize(
    ("statuses", "gate"),
    [
        (("pass", "warn", "not_checked"), "pass"),
        (("pass", "insufficient", "warn"), "insufficient"),
        (("insufficient", "fail", "pass"), "fail"),
        ((), "insufficient"),
    ],
)
def test_gate_is_the_worst_of_its_checks(statuses: tuple[ShadowStatus, ...], gate: str) -> None:
    assert overall([ShadowCheck(name="n", status=status, sentence="s") for status in statuses]) == gate
