"""`ExperimentSpec`: one experiment, as its file describes it."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from abflow.spec.built_in import with_built_in
from abflow.spec.field_error import FieldError
from abflow.spec.log_source import Log, LogSource, source_of
from abflow.spec.metrics import Metric, QuantileMetric, RatioMetric, Reason, Role, SpecModel, Text
from abflow.spec.policy import AnalysisPolicy, PromotionPolicy, SizingPolicy

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
BUCKETS = 10_000


class Variant(SpecModel):
    """One arm: which model version answers, and its share of units."""

    version: str | None = Field(default=None, description="A registry alias such as @champion, or a number.")
    weight: Annotated[float, Field(gt=0)]

    @field_validator("version", mode="before")
    @classmethod
    def _alias_or_number(cls, version: Any) -> Any:
        if version is None:
            return None
        text = str(version)
        if isinstance(version, bool) or not re.fullmatch(r"@[A-Za-z][\w-]*|[1-9]\d*", text):
            raise ValueError(
                f"version {version!r} is neither an alias such as '@champion' nor a version number such as 3"
            )
        return text


class Skipped(SpecModel):
    """A phase left out, with the reason that follows the experiment."""

    skip: Reason


class ShadowPhase(SpecModel):
    """Days on which the new version answers a copy of the traffic."""

    start: date
    days: Annotated[int, Field(ge=1, le=90)]


class AaPhase(SpecModel):
    """Days on which the assignment is in force and everybody gets the control."""

    start: date | None = Field(default=None, description="Default: the day after the shadow phase.")
    enroll_days: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[int, Field(ge=1, le=180)]


class Extension(SpecModel):
    """A longer test, promised before it began, for when it is not precise enough by its last day."""

    max_days: Annotated[int, Field(ge=1, le=365, description="Days of the longer test; whole weeks more.")]


class TestPhase(SpecModel):
    """The experiment itself; the horizon is its last day."""

    __test__ = False  # not a test class

    start: date | None = Field(default=None, description="Default: the day after the A/A phase.")
    enroll_days: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[int, Field(ge=1, le=365)]
    why: Reason | None = None
    immature: Literal["allowed"] | None = None
    extend: Extension | None = None


class Phases(SpecModel):
    """The fixed order: shadow, A/A, test."""

    shadow: ShadowPhase | Skipped
    aa: AaPhase | Skipped
    test: TestPhase


class Logs(SpecModel):
    """Where the logs are; relative paths start at the project's root."""

    shadow: Log | None = None
    exposures: Log
    outcomes: Log

    def source(self, name: str) -> LogSource:
        """Where one log is, by its name: shadow, exposures or outcomes."""
        return source_of(getattr(self, name))


class ExperimentSpec(SpecModel):
    """One experiment: hypothesis, variants, phases, metrics and the rule that decides."""

    experiment: Annotated[str, Field(pattern=NAME, description="Also the file's name and the DAG's.")]
    hypothesis: Annotated[str, Field(min_length=10, max_length=2000)]
    owner: Text
    model: Text | None = Field(default=None, description="Registered model in MLflow.")
    variants: Annotated[dict[str, Variant], Field(min_length=2)]
    control: str | tuple[str, ...] | None = Field(default=None, description="Default: the first variant.")
    unit: Text = Field(description="What is randomised, such as user_id; it stands in the column user_id.")
    assignment: Literal["hash", "external"] = "hash"
    salt: Text | None = Field(default=None, description="Default: the experiment's name.")
    phases: Phases
    logs: Logs
    metrics: Annotated[dict[str, Metric], Field(min_length=1)] = Field(
        description="Beside a metric of latency stands the guardrail error_rate, built in unless it is given here."
    )
    segments: tuple[Text, ...] = ()
    allocation: Literal["fixed", "ramp", "thompson"] = "fixed"
    analysis: AnalysisPolicy = AnalysisPolicy()
    sizing: SizingPolicy = SizingPolicy()
    promotion: PromotionPolicy = PromotionPolicy()
    engine: Literal["duckdb", "spark"] = "duckdb"

    @field_validator("metrics")
    @classmethod
    def _metric_names(cls, metrics: dict[str, Metric]) -> dict[str, Metric]:
        for name in metrics:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", name):
                wrong = "the name of a metric may hold letters, digits and _ only, a letter first"
                raise FieldError(name, wrong=wrong)
        primaries = [name for name, metric in metrics.items() if metric.role is Role.PRIMARY]
        if len(primaries) != 1:
            found = ", ".join(primaries) or "none"
            raise ValueError(f"exactly one metric must have role: primary, found {found}")
        return with_built_in(metrics)

    @field_validator("variants")
    @classmethod
    def _weights_add_up(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        for name in variants:
            if not name.strip() or len(name) > 200:
                raise FieldError(name, wrong="the name of a variant must have 1 to 200 visible characters")
        weights = [variant.weight for variant in variants.values()]
        total = sum(weights)
        fractions = any(weight != int(weight) for weight in weights)
        if fractions and min(abs(total - 1), abs(total - 100)) > 1e-9:
            shares = ", ".join(f"{name} {variant.weight:g}" for name, variant in variants.items())
            raise ValueError(
                f"weights add up to {total:g}; fractions must add up to 1 ({shares}). "
                "Whole numbers are read as shares: 2 and 1 are two thirds and one third"
            )
        for name, variant in variants.items():
            if variant.weight / total * BUCKETS < 1:
                raise FieldError(name, "weight", wrong=f"is below 1/{BUCKETS} of all, the finest share there is")
        return variants

    @model_validator(mode="after")
    def _parts_fit_together(self) -> ExperimentSpec:
        _check_control(self)
        _check_versions(self)
        _check_calendar(self)
        _check_primary(self)
        _check_method(self)
        _check_extension(self)
        return self

    @property
    def control_name(self) -> str:
        """The variant that the others are compared with."""
        if isinstance(self.control, tuple):
            return self.control[0]
        return self.control or next(iter(self.variants))

    @property
    def controls(self) -> tuple[str, ...]:
        """Every variant that is a control; several are compared with one another and pooled for the comparison."""
        return self.control if isinstance(self.control, tuple) else (self.control_name,)

    @property
    def treatments(self) -> tuple[str, ...]:
        """Every variant that is no control, in the order of the file."""
        return tuple(name for name in self.variants if name not in self.controls)

    @property
    def looks(self) -> tuple[int, ...]:
        """Days of the test at whose end the primary is read; the last one is the cut-off.

        Every day with a method that may be read every day.
        """
        days = self.phases.test.days
        if self.analysis.reads_every_day:
            return tuple(range(1, days + 1))
        return (*(self.analysis.looks or ()), days)

    @property
    def extended(self) -> ExperimentSpec:
        """The same over the days of its extension, on as many of which more units enter; itself without one."""
        test = self.phases.test
        if test.extend is None:
            return self
        more = test.extend.max_days - test.days
        longer = {"days": test.extend.max_days, "enroll_days": self.enroll_days + more, "extend": None}
        phases = self.phases.model_copy(update={"test": test.model_copy(update=longer)})
        return self.model_copy(update={"phases": phases})

    @property
    def primary_name(self) -> str:
        """The name of the one metric that decides."""
        return next(name for name, metric in self.metrics.items() if metric.role is Role.PRIMARY)

    @property
    def primary(self) -> Metric:
        """The one metric that decides."""
        return self.metrics[self.primary_name]

    @property
    def assignment_salt(self) -> str:
        """What is hashed with the unit."""
        return self.salt or self.experiment

    @property
    def enroll_days(self) -> int:
        """Days of the test on which new units enter."""
        return self.phases.test.enroll_days or self.phases.test.days - longest_window(self)

    @property
    def arm_alpha(self) -> float:
        """The alpha of one arm's primary comparison: alpha / (arms x family size)."""
        return self.analysis.alpha / (len(self.treatments) * self.analysis.family_size)

    def canonical_json(self) -> str:
        """The same text for the same experiment, however its file was written."""
        return json.dumps(
            self.model_dump(mode="json", by_alias=True),
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
        ) + json.dumps(list(self.variants))  # the order of the variants decides their buckets

    @property
    def sha256(self) -> str:
        """Hash of the whole experiment; what is frozen when the sizing gate passes."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def longest_window(spec: ExperimentSpec) -> int:
    """Days until the slowest metric of a unit is complete."""
    return max((metric.window_days or 0 for metric in spec.metrics.values()), default=0)


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
    enrolled, window = spec.enroll_days, longest_window(spec)
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


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of the experiment file, for editors."""
    schema = ExperimentSpec.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "abflow experiment"
    return schema
