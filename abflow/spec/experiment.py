"""`ExperimentSpec`: one experiment, as its file describes it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from abflow.spec.built_in import with_built_in
from abflow.spec.coherence import check_coherence
from abflow.spec.field_error import FieldError
from abflow.spec.log_source import Logs
from abflow.spec.metrics import Metric, Role, SpecModel, Text
from abflow.spec.phases import Phases
from abflow.spec.policy import AnalysisPolicy, PromotionPolicy, SizingPolicy
from abflow.spec.variants import Variants

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"


class ExperimentSpec(SpecModel):
    """One experiment: hypothesis, variants, phases, metrics and the rule that decides."""

    experiment: Annotated[str, Field(pattern=NAME, description="Also the file's name and the DAG's.")]
    hypothesis: Annotated[str, Field(min_length=10, max_length=2000)]
    owner: Text
    model: Text | None = Field(default=None, description="Registered model in MLflow.")
    variants: Variants
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

    @model_validator(mode="after")
    def _parts_fit_together(self) -> ExperimentSpec:
        check_coherence(self)
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
    def plan(self) -> ExperimentSpec:
        """What is promised beforehand: the experiment without its exploratory metrics; itself where it has none."""
        if all(metric.role.planned for metric in self.metrics.values()):
            return self
        return self.model_copy(update={"metrics": {n: m for n, m in self.metrics.items() if m.role.planned}})

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
        return self.phases.test.enroll_days or self.phases.test.days - self.longest_window

    @property
    def longest_window(self) -> int:
        """Days until the slowest metric of the plan is complete for a unit."""
        return max((metric.window_days or 0 for metric in self.plan.metrics.values()), default=0)

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
        """Hash of the plan, which is frozen when the sizing gate passes."""
        return self.plan.file_sha256

    @property
    def file_sha256(self) -> str:
        """Hash of all that the file says, exploratory metrics too."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of the experiment file, for editors."""
    schema = ExperimentSpec.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "abflow experiment"
    return schema
