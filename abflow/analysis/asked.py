"""What every metric of a decision is asked: how large an effect or margin to show, at what cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from abflow.analysis import wording
from abflow.analysis.gates import Check, Status
from abflow.analysis.inflow import Inflow, counting_days
from abflow.analysis.measurement import Assumptions, Measurement, measurement
from abflow.analysis.method_cost import MethodCost, cost_of_a_gain, cost_of_a_margin
from abflow.analysis.population import Population
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Amount, Role
from abflow.stats.power import PowerQuestion, Split, detectable
from abflow.stats.result import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One metric's part in the decision.

    Attributes:
        question: What the test must be able to show.
        measured: What it starts from.
        cost: What the method adds.
    """

    question: PowerQuestion
    measured: Measurement
    cost: MethodCost

    @property
    def pays_for(self) -> str:
        """What the method and the history do to the units; empty where they do nothing."""
        told = []
        if self.cost.factor != 1:
            told.append(f"times {self.cost.factor:.3g}, because it {self.cost.words}")
        if self.measured.history_source:
            told.append(f"times {self.measured.history:.3g} for CUPED ({self.measured.history_source})")
        return ", ".join(told)


def asked_of(
    spec: ExperimentSpec, name: str, aa: Population | None, inflow: Inflow | None, *, assumed: Assumptions
) -> Asked | Check:
    """What one metric is asked, or the check that says why nothing can be asked of it.

    Args:
        spec: The experiment.
        name: The metric.
        aa: The A/A population; None when there is none.
        inflow: How units come; None when nobody knows, and looks then weigh as their days do.
        assumed: What goes before measured and declared numbers.
    """
    measured = measurement(spec, name, aa, assumed=assumed)
    if isinstance(measured, Check):
        return measured
    metric = spec.metrics[name]
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
    cost = _cost(spec, question, inflow)
    if isinstance(cost, Unavailable):
        return no_size(cost)
    # A primary that is shown to be worse loses, whatever its margin (rule A3 stands before A8).
    most = 1 - spec.arm_alpha / 2 if metric.role is Role.PRIMARY and not to_find else 1.0
    question = replace(question, factor=cost.factor * measured.history, most=most)
    return Asked(question=question, measured=measured, cost=cost)


def _size_of(amount: Amount | None) -> Amount:
    if amount is None:
        raise TypeError("the spec demands a size here")  # a bug: see _check_primary and MetricBase
    return amount


def _cost(spec: ExperimentSpec, question: PowerQuestion, inflow: Inflow | None) -> MethodCost | Unavailable:
    if question.kind == "margin":
        return cost_of_a_margin(spec, spec.metrics[question.name], alpha=question.alpha)
    return cost_of_a_gain(spec, look_fractions(spec, inflow), mean=question.mean, effect=abs(question.absolute_size))


def look_fractions(spec: ExperimentSpec, inflow: Inflow | None) -> tuple[float, ...]:
    """Mature units at each look as a share of those at the cut-off; a look without new ones is none."""
    days = [counting_days(spec, days=day) for day in spec.looks]
    units = [inflow.units(enrolled) if inflow else float(enrolled) for enrolled in days]
    if units[-1] <= 0:
        return (1.0,)
    return tuple(dict.fromkeys(count / units[-1] for count in units if count > 0))


def no_size(why: Unavailable) -> Check:
    """The check that says why there is no sample size."""
    return Check(
        name="sample size",
        status=Status.INSUFFICIENT,
        sentence=f"No sample size can be worked out: {why.detail}.",
    )


def aim_of(spec: ExperimentSpec, question: PowerQuestion) -> str:
    """What the primary is asked to show."""
    verb = "Finding a change of" if question.kind == "difference" else "Ruling out a loss of"
    return f"{verb} {wording.size(spec.metrics[question.name], abs(question.absolute_size))} on {question.name}"


def reach_of(question: PowerQuestion, *, total: float, split: Split, power: float) -> float | None:
    """The smallest effect or margin that so many units can show, in the metric's unit, without sign.

    Returns:
        The size; None when they can show none.
    """
    return in_the_metrics_unit(question, detectable(question, total=total, split=split, power=power))


def in_the_metrics_unit(question: PowerQuestion, size: float | Unavailable) -> float | None:
    """A size in a question's own terms as an absolute one without sign; None when there is none."""
    if isinstance(size, Unavailable):
        return None
    return abs(size * question.mean if question.relative else size)
