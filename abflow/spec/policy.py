"""How an experiment is sized, judged and promoted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from abflow.spec.field_error import FieldError
from abflow.spec.metrics import Reason, SpecModel, Text


class Cuped(SpecModel):
    """Variance reduction by what units did before."""

    days: Annotated[int, Field(ge=1, le=90)] = 14


class Prior(SpecModel):
    """What is believed of the relative lift beforehand."""

    lift_sd: Annotated[float, Field(gt=0)]


class AnalysisPolicy(SpecModel):
    """How numbers become words and words a verdict."""

    method: Literal["fixed_horizon", "group_sequential", "always_valid", "sprt", "bayesian"] = "fixed_horizon"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.80
    correction: Literal["holm", "hochberg", "bonferroni", "sidak", "benjamini_hochberg", "benjamini_yekutieli"] = "holm"
    preset: Literal["clear_signals", "do_no_harm"] = "clear_signals"
    contamination: Literal["exclude", "keep_first"] = "exclude"
    cuped: Cuped | None = None
    looks: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    family: Literal["roles", "all"] = "roles"
    family_size: Annotated[int, Field(ge=1)] = Field(
        default=1, description="This file is one of this many tests of one claim."
    )
    prior: Prior | None = None

    @property
    def reads_every_day(self) -> bool:
        """Whether the primary may be read at the end of every day."""
        return self.method in ("always_valid", "sprt")

    @property
    def is_sequential(self) -> bool:
        """Whether the test may end before its cut-off, so that nothing may be read as if it were looked at once."""
        return self.reads_every_day or self.method == "group_sequential" or bool(self.looks)

    @model_validator(mode="after")
    def _prior_is_read(self) -> AnalysisPolicy:
        if self.prior is not None and self.method != "bayesian":
            raise FieldError("prior", wrong=f"is for method bayesian; {self.method} has no use for it: remove it")
        return self


class ContinueAnyway(SpecModel):
    """Go on although the test is too small, and say why."""

    model_config = SpecModel.model_config | {"populate_by_name": True}

    reason: Reason = Field(alias="continue")


class Baseline(SpecModel):
    """Declared knowledge of the primary metric, where no A/A phase measured it."""

    value: float = Field(description="Mean per unit; for a proportion its rate.")
    sd: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Standard deviation per unit; a proportion's follows from its rate."
    )
    units_per_day: Annotated[float, Field(gt=0)]
    source: Text


class SizingPolicy(SpecModel):
    """What happens when the test cannot answer its question in its time."""

    on_insufficient: Literal["stop"] | ContinueAnyway = "stop"
    skip: Reason | None = None
    baseline: Baseline | None = None

    @property
    def continue_reason(self) -> str | None:
        """Why an insufficient test may run all the same, or None."""
        return self.on_insufficient.reason if isinstance(self.on_insufficient, ContinueAnyway) else None


class PromotionPolicy(SpecModel):
    """Who says yes, and what is written."""

    approval: Literal["required", "none"] = "required"
    approvers: tuple[Text, ...] = Field(default=(), description="Airflow users who may answer; empty: any.")
    timeout_hours: Annotated[float, Field(gt=0, le=24 * 90)] = Field(
        default=72, description="Silence for this long rejects."
    )
    alias: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,60}$")] = "champion"
    stages: bool = Field(default=False, description="Write the registry's older stages as well.")

    @model_validator(mode="after")
    def _alias_is_free(self) -> PromotionPolicy:
        if self.alias == "latest" or self.alias.removeprefix("v").isdigit():
            raise FieldError("alias", wrong=f"{self.alias!r} is reserved by MLflow; choose another, such as champion")
        return self
