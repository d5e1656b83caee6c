"""Do the parts of an experiment fit together? The rules that read several of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from abflow.spec.field_error import FieldError
from abflow.spec.metrics import QuantileMetric, RatioMetric
from abflow.spec.phases import AaPhase, ShadowPhase, Skipped, TestPhase

if TYPE_CHECKING:
    from abflow.spec.experiment import ExperimentSpec


def check_coherence(spec: ExperimentSpec) -> None:
    """Refuse an experiment whose parts contradict each other.

    Raises:
        FieldError: Which field to change, and why.
    """
    _check_control(spec)
    _check_versions(spec)
    _check_calendar(spec)
    _check_primary(spec)
    _check_method(spec)
    _check_bandit(spec)
    _check_extension(spec)


def _check_control(spec: ExperimentSpec) -> None:
    names = spec.control if isinstance(spec.control, tuple) else (spec.control_name,)
    for name in names:
        if name not in spec.variants:
            raise FieldError("control", wrong=f"{name!r} is not one of the variants {', '.join(spec.variants)}")
    if len(set(names)) >= len(spec.variants):
        raise FieldError("control", wrong="names every variant, so there is nothing to compare with it")


def _check_versions(spec: ExperimentSpec) -> None:
    for name, variant in spec.variants.items():
        field = ("variants", name, "version")
        if spec.model and variant.version is None:
            wrong = f"is missing; every variant needs a version of model {spec.model!r}, such as '@challenger'"
            raise FieldError(*field, wrong=wrong)
        if not spec.model and variant.version is not None:
            raise FieldError(*field, wrong=f"{variant.version!r} is a version of what? No `model` is named")


def _check_calendar(spec: ExperimentSpec) -> None:
    phases = spec.phases
    if isinstance(phases.shadow, ShadowPhase) and spec.logs.shadow is None:
        wrong = "is missing; the shadow phase reads it. Or skip the phase: shadow: {skip: <reason>}"
        raise FieldError("logs", "shadow", wrong=wrong)
    if isinstance(phases.aa, AaPhase):
        if isinstance(phases.shadow, Skipped) and phases.aa.start is None:
            wrong = "is missing; without a shadow phase nothing says when A/A begins"
            raise FieldError("phases", "aa", "start", wrong=wrong)
        _check_enrolment("aa", phases.aa)
    elif isinstance(phases.shadow, Skipped) and phases.test.start is None:
        wrong = "is missing; without shadow and A/A nothing says when the test begins"
        raise FieldError("phases", "test", "start", wrong=wrong)
    _check_enrolment("test", phases.test)
    _check_test(spec, phases.test)


def _check_enrolment(name: str, phase: AaPhase | TestPhase) -> None:
    if phase.enroll_days and phase.enroll_days > phase.days:
        wrong = f"{phase.enroll_days} days of enrolment are more than the phase's {phase.days} days"
        raise FieldError("phases", name, "enroll_days", wrong=wrong)


def _check_test(spec: ExperimentSpec, test: TestPhase) -> None:
    enrolled, window = spec.enroll_days, spec.longest_window
    if enrolled < 1:
        wrong = f"{test.days} days, but the longest window is {window} days: nobody could be observed to the end"
        raise FieldError("phases", "test", "days", wrong=wrong)
    if enrolled + window > test.days and test.immature != "allowed":
        wrong = (
            f"{test.days} days are fewer than enroll_days {enrolled} + longest window {window}: late units would be "
            "left out; raise days, or say `immature: allowed` here"
        )
        raise FieldError("phases", "test", "days", wrong=wrong)
    if (enrolled % 7 or test.days < 14) and test.why is None:
        wrong = (
            f"enrols for {enrolled} days of {test.days}; less than 14 days, or not whole weeks, mixes weekdays "
            "unevenly: change it, or give the reason in `why`"
        )
        raise FieldError("phases", "test", wrong=wrong)


def _check_primary(spec: ExperimentSpec) -> None:
    name, primary = spec.primary_name, spec.primary
    if spec.analysis.preset == "do_no_harm":
        if primary.margin is None:
            wrong = "is missing; preset do_no_harm rules out a loss, so the primary needs one"
            raise FieldError("metrics", name, "margin", wrong=wrong)
    elif primary.mde is None:
        wrong = "is missing; the primary needs one, such as mde: {relative: 0.02}"
        raise FieldError("metrics", name, "mde", wrong=wrong)
    if isinstance(primary, RatioMetric | QuantileMetric) and primary.why is None:
        wrong = (
            f"is missing; a {primary.kind} is conditioned on behaviour after exposure and no causal claim, so as "
            "primary it needs the reason"
        )
        raise FieldError("metrics", name, "why", wrong=wrong)


def _check_method(spec: ExperimentSpec) -> None:
    """A method that looks early needs to know when, at what, and against how many units."""
    analysis, method = spec.analysis, spec.analysis.method
    _check_looks(spec)
    if method in ("group_sequential", "sprt") and spec.primary.window_days is None:
        wrong = f"is missing; {method} counts a unit once, when it is mature. always_valid may run without"
        raise FieldError("metrics", spec.primary_name, "window_days", wrong=wrong)
    if method == "sprt" and spec.primary.mde is None:
        wrong = "is missing; sprt weighs no effect against one of the mde's size"
        raise FieldError("metrics", spec.primary_name, "mde", wrong=wrong)
    if not analysis.is_sequential:
        return
    for name, metric in spec.metrics.items():
        if isinstance(getattr(metric, "cap", None), str):
            wrong = f"a percentile moves from look to look; {method} needs a value"
            raise FieldError("metrics", name, "cap", wrong=wrong)
    if spec.sizing.skip and isinstance(spec.phases.aa, Skipped) and spec.sizing.baseline is None:
        wrong = (
            f"is missing; {method} is tuned to the units planned, and nothing says how many come: run an A/A phase, or "
            "declare {value, sd, units_per_day, source}"
        )
        raise FieldError("sizing", "baseline", wrong=wrong)


def _check_looks(spec: ExperimentSpec) -> None:
    analysis, looks, last = spec.analysis, spec.analysis.looks, spec.phases.test.days
    field = ("analysis", "looks")
    if looks is not None and analysis.method not in ("group_sequential", "bayesian"):
        when = "every day" if analysis.reads_every_day else "once, at its horizon"
        wrong = f"only group_sequential and bayesian have looks; {analysis.method} is read {when}: remove it"
        raise FieldError(*field, wrong=wrong)
    if analysis.method == "group_sequential" and not looks:
        wrong = (
            "is missing; group_sequential is read on days fixed beforehand, such as looks: [14] "
            f"(the horizon, day {last}, is always the last)"
        )
        raise FieldError(*field, wrong=wrong)
    if looks and (any(later <= earlier for earlier, later in pairwise(looks)) or looks[-1] >= last):
        wrong = (
            f"{list(looks)} must be days of the test in their order, all before its last, {last}; the horizon is a "
            "look without being named"
        )
        raise FieldError(*field, wrong=wrong)


def _check_bandit(spec: ExperimentSpec) -> None:
    """Units that are dealt by what the days have shown are read in one way only, day by day of entry."""
    if spec.allocation != "thompson":
        return
    analysis = spec.analysis
    if analysis.method != "fixed_horizon":
        wrong = (
            f"{analysis.method} takes the shares of the arms for fixed; with allocation thompson the primary is read "
            "at the cut-off, by batched OLS over the days of entry: remove it"
        )
        raise FieldError("analysis", "method", wrong=wrong)
    if analysis.cuped is not None:
        wrong = "takes history off all days together; with allocation thompson they are read one by one: remove it"
        raise FieldError("analysis", "cuped", wrong=wrong)
    if isinstance(spec.primary, QuantileMetric):
        wrong = (
            "is of kind quantile, which has no value per unit that could be added up over the days of entry; "
            "allocation thompson needs a primary of another kind"
        )
        raise FieldError("metrics", spec.primary_name, wrong=wrong)


def _check_extension(spec: ExperimentSpec) -> None:
    """A test goes on only for want of precision, which a test that is read once has promised."""
    test, name = spec.phases.test, spec.primary_name
    if test.extend is None:
        return
    field, more = ("phases", "test", "extend"), test.extend.max_days - test.days
    if spec.analysis.is_sequential or spec.allocation == "thompson":
        read = spec.allocation if spec.allocation == "thompson" else spec.analysis.method
        wrong = f"is for a test that is read once, at its horizon; {read} promises no precision there: remove it"
        raise FieldError(*field, wrong=wrong)
    if spec.primary.mde is None:
        wrong = "is missing; phases.test.extend asks whether the test is precise enough for it"
        raise FieldError("metrics", name, "mde", wrong=wrong)
    if more <= 0:
        wrong = f"{test.extend.max_days} days are no extension of a test of {test.days}"
        raise FieldError(*field, "max_days", wrong=wrong)
    if more % 7 and test.why is None:
        wrong = (
            f"{test.extend.max_days} adds {more} days to {test.days}, which are not whole weeks and mix weekdays "
            "unevenly: change it, or give the reason in phases.test.why"
        )
        raise FieldError(*field, "max_days", wrong=wrong)
