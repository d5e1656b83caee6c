"""The sample-size gate: can this test answer its question in its time?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Population
from abflow.spec.assignment import bucket_shares
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Amount, ProportionMetric, Role
from abflow.stats.decision_size import DecisionSize, decision_sample_size
from abflow.stats.moments import EMPTY, Moments
from abflow.stats.power import PowerQuestion, Split, detectable
from abflow.stats.result import Unavailable

MIN_UNITS = 1000  # below, a standard deviation is known to a few percent at best
MIN_NON_ZERO = 100  # below, a rate is known to a tenth at best


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a metric looks like without any effect.

    Attributes:
        sd: Standard deviation per unit; None for a proportion, whose rate says it.
        source: Where the numbers come from.
    """

    mean: float
    sd: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How many units the decision needs, and how many will come.

    Attributes:
        needed: Units in all arms, or why that cannot be said.
        expected: Units in all arms that will count.
    """

    checks: tuple[Check, ...]
    needed: int | None
    expected: float


def size_test(spec: ExperimentSpec, aa: Population | None, aa_period: Period | None, *, days: int) -> Sizing:
    """Weigh the units that will come against those that the decision needs.

    Args:
        spec: The experiment.
        aa: The A/A population with its moments; None when the A/A phase is skipped.
        aa_period: Its days.
        days: Days of the test.

    References:
        The union bound over primary and guardrails: Schultzberg, Ankargren, Frånberg (2024), arXiv 2402.11609.
    """
    expected = expected_units(spec, aa, aa_period, days=days)
    if isinstance(expected, Check):
        return Sizing(checks=(expected,), needed=None, expected=0.0)
    questions, missing = _questions(spec, aa)
    if missing:
        return Sizing(checks=tuple(missing), needed=None, expected=expected)
    asked = [question for question, _ in questions]
    split, needed = _hardest_arm(spec, asked)
    if isinstance(needed, Unavailable):
        check = Check(
            name="sample size",
            status=Status.INSUFFICIENT,
            sentence=f"No sample size can be worked out: {needed.detail}.",
        )
        return Sizing(checks=(check,), needed=None, expected=expected)
    rows = [_row(spec, question, source, needed, split, expected) for question, source in questions]
    return Sizing(
        checks=(_answer(spec, asked[0], needed, split, expected), *rows),
        needed=needed.total,
        expected=expected,
    )


def expected_units(
    spec: ExperimentSpec, aa: Population | None, aa_period: Period | None, *, days: int
) -> float | Check:
    """Units that will count in the test: the A/A curve of new units, continued with its last half's mean."""
    primary = spec.primary
    enroll_days = max(min(spec.enroll_days, days - (primary.window_days or 0)), 0)
    if aa is None or aa_period is None or not aa.cohorts:
        baseline = spec.sizing.baseline
        if baseline is None:
            return Check(
                name="sample size",
                status=Status.INSUFFICIENT,
                sentence="Nobody measured how many units come: run an A/A phase, or declare sizing.baseline "
                "{value, sd, units_per_day, source}.",
            )
        return baseline.units_per_day * enroll_days
    new = [0] * aa_period.days
    for cohort in aa.cohorts:
        new[aa_period.number_of(cohort.day) - 1] += cohort.units
    if enroll_days <= len(new):
        total = float(sum(new[:enroll_days]))
    else:
        last_half = new[len(new) // 2 :]
        total = sum(new) + (enroll_days - len(new)) * sum(last_half) / len(last_half)
    if spec.analysis.contamination == "exclude" and aa.enrolled:
        total *= 1 - aa.crossed / aa.enrolled
    return total


def _questions(spec: ExperimentSpec, aa: Population | None) -> tuple[list[tuple[PowerQuestion, str]], list[Check]]:
    """The primary first, then every guardrail that is sized; or what is missing for them."""
    questions: list[tuple[PowerQuestion, str]] = []
    missing: list[Check] = []
    for name, metric in sorted(spec.metrics.items(), key=lambda item: item[1].role is not Role.PRIMARY):
        if metric.role is Role.SECONDARY or not metric.sized:
            continue
        measured = _measurement(spec, name, aa)
        if isinstance(measured, Check):
            missing.append(measured)
            continue
        to_find = metric.role is Role.PRIMARY and spec.analysis.preset == "clear_signals"
        size = _size_of(metric.mde if to_find else metric.margin)
        question = PowerQuestion(
            name=name,
            kind="difference" if to_find else "margin",
            mean=measured.mean,
            sd=measured.sd,
            size=size.signed,
            relative=size.relative is not None,
            alpha=spec.arm_alpha if metric.role is Role.PRIMARY else spec.analysis.alpha,
        )
        questions.append((question, measured.source))
    return questions, missing


def _size_of(amount: Amount | None) -> Amount:
    if amount is None:
        raise TypeError("the spec demands a size here")  # a bug: see _check_primary and MetricBase
    return amount


def _measurement(spec: ExperimentSpec, name: str, aa: Population | None) -> Measurement | Check:
    """Baseline and spread of a metric, pooled over the arms of the A/A phase, or declared."""
    metric = spec.metrics[name]
    proportion = isinstance(metric, ProportionMetric)
    moments, non_zero = _pooled(spec, name, aa)
    if moments.n >= MIN_UNITS and non_zero >= MIN_NON_ZERO:
        source = f"{wording.count(moments.n)} mature A/A units"
        return Measurement(mean=moments.mean, sd=None if proportion else math.sqrt(moments.variance), source=source)
    baseline = spec.sizing.baseline
    if metric.role is Role.PRIMARY and baseline and (proportion or baseline.sd):
        return Measurement(
            mean=baseline.value, sd=None if proportion else baseline.sd, source=f"declared: {baseline.source}"
        )
    return Check(
        name=f"baseline of {name}",
        status=Status.INSUFFICIENT,
        sentence=(
            f"{name} cannot be sized: the A/A phase has {wording.count(moments.n)} mature units, of them "
            f"{wording.count(non_zero)} not zero; needed are {MIN_UNITS} and {MIN_NON_ZERO}. "
            f"{_way_out(spec, name, aa, moments.n, non_zero)}"
        ),
        numbers={"units": float(moments.n), "non_zero": float(non_zero)},
    )


def _pooled(spec: ExperimentSpec, name: str, aa: Population | None) -> tuple[Moments, int]:
    moments, non_zero = EMPTY, 0
    for variant in spec.variants:
        measured = aa.of(name, variant, spec.analysis.contamination) if aa else None
        if measured:
            moments, non_zero = moments + measured.moments, non_zero + measured.non_zero
    return moments, non_zero


def _way_out(spec: ExperimentSpec, name: str, aa: Population | None, units: int, non_zero: int) -> str:
    metric = spec.metrics[name]
    declare = "declare sizing.baseline" if metric.role is Role.PRIMARY else "set `sized: false` with a `why`"
    if aa is None:
        return f"There was no A/A phase: {declare}."
    if units == 0 and metric.window_days:
        return (
            f"Nobody's window of {metric.window_days} days was over: let the A/A phase last its enroll_days plus "
            f"{metric.window_days} days, or {declare}."
        )
    if units == 0 or non_zero == 0:
        return f"Look at whether its event reaches the outcome log, or {declare}."
    factor = max(MIN_UNITS / units, MIN_NON_ZERO / non_zero)
    return f"An A/A phase that enrols {factor:.1f} times as many units would do, or {declare}."


def _hardest_arm(spec: ExperimentSpec, questions: list[PowerQuestion]) -> tuple[Split, DecisionSize | Unavailable]:
    shares = bucket_shares(spec)
    sizes = []
    for arm in spec.treatments:
        split = Split(control=shares[spec.control_name], treatment=shares[arm])
        needed = decision_sample_size(questions, split=split, power=spec.analysis.power)
        if isinstance(needed, Unavailable):
            return split, needed
        sizes.append((split, needed))
    return max(sizes, key=lambda size: size[1].total)


def _answer(spec: ExperimentSpec, primary: PowerQuestion, needed: DecisionSize, split: Split, expected: float) -> Check:
    enough = expected >= needed.total
    metric = spec.metrics[primary.name]
    change = wording.size(metric, abs(primary.absolute_size))
    verb = "Finding a change of" if primary.kind == "difference" else "Ruling out a loss of"
    reach = detectable(primary, total=expected, split=split, power=spec.analysis.power)
    shows = ""
    if not isinstance(reach, Unavailable):
        smallest = abs(reach * primary.mean if primary.relative else reach)
        shows = f" With those the smallest is {wording.size(metric, smallest)}."
    others = len(needed.questions) - 1
    guarded = f" and {others} guardrail{'s' if others > 1 else ''}" if others else ""
    sentence = (
        f"{verb} {change} on {primary.name}{guarded} with {100 * spec.analysis.power:g} % power takes "
        f"{wording.count(needed.control)} units in {spec.control_name} and {wording.count(needed.treatment)} in the "
        f"treatment; {wording.count(expected * split.control)} and {wording.count(expected * split.treatment)} are "
        f"expected, {100 * expected / needed.total:.0f} % of what is needed.{shows}"
    )
    return Check(
        name="sample size",
        status=Status.PASS if enough else Status.INSUFFICIENT,
        sentence=sentence,
        numbers={
            "needed": float(needed.total),
            "needed_control": float(needed.control),
            "needed_treatment": float(needed.treatment),
            "expected": expected,
            "share": expected / needed.total,
        },
    )


def _row(
    spec: ExperimentSpec,
    question: PowerQuestion,
    source: str,
    needed: DecisionSize,
    split: Split,
    expected: float,
) -> Check:
    metric = spec.metrics[question.name]
    own = next(size for size in needed.questions if size.name == question.name)
    reach = detectable(question, total=expected, split=split, power=spec.analysis.power)
    numbers = {"baseline": question.mean, "alone": float(own.alone), "power": own.power}
    smallest = "no size at all can be shown"
    if not isinstance(reach, Unavailable):
        absolute = abs(reach * question.mean if question.relative else reach)
        numbers["detectable"] = absolute
        what = "effect" if question.kind == "difference" else "margin"
        smallest = f"the smallest {what} the expected units can show is {wording.size(metric, absolute)}"
    return Check(
        name=f"size of {question.name}",
        status=Status.PASS,
        sentence=(
            f"{question.name}: baseline {wording.level(metric, question.mean)} ({source}); alone it needs "
            f"{wording.count(own.alone)} units in all; {smallest}."
        ),
        numbers=numbers,
    )
