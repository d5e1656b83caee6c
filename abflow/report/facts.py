"""What bears on a comparison's answer, one short statement each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from abflow.analysis import wording
from abflow.analysis.readout import Base, Comparison, Margin, PosteriorSummary, Precision
from abflow.report.notation import coverage, loss, p_of, probability
from abflow.spec.metrics import MeanMetric, Metric, RatioMetric
from abflow.stats.result import Unavailable


def facts_of(metric: Metric, found: Comparison) -> Iterable[str]:
    """The margin, the sizes that matter, what is believed, how precise it is, and what to be careful with."""
    yield from _margin(metric, found.margin)
    if found.posterior is not None:
        yield from _posterior(metric, found.posterior)
    if found.mde is not None:
        excluded = "; ruled out" if found.mde_excluded else ""
        yield f"worth detecting (mde): {wording.size(metric, found.mde)}{excluded}"
    if found.practical:
        yield f"smallest gain that matters: {wording.size(metric, found.practical)}"
    if found.precision is not None:
        yield _precision(found.precision)
    if found.spent is not None:
        yield f"error level used up so far, on each side: {found.spent.spent:.4g}"
    arms = (found.control, found.treatment)
    if any(arm.immature for arm in arms):
        yield f"immature units left out: {_by_arm({arm.variant: arm.immature for arm in arms})}"
    if any(arm.without_denominator for arm in arms):
        bare = _by_arm({arm.variant: arm.without_denominator for arm in arms})
        yield f"units with a numerator and no denominator, which count: {bare}"
    if found.base is not None:
        yield _conditional(metric, found.base)
    if found.cap is not None:
        yield _cap(metric, found.cap)
    if found.fragile:
        yield "fragile: without one unit, or by the permutation p, the word would be another"
    yield from found.notes


def _cap(metric: Metric, cap: float) -> str:
    """The limit of a unit's value, and of which units a percentile was taken."""
    told = f"values capped at {wording.number(cap)}"
    if not isinstance(metric, MeanMetric) or metric.cap_quantile is None:
        return told
    zeros = "zeros included" if metric.over == "all" else "zeros left out"
    return f"{told}, {metric.cap} of the units of all variants, {zeros}"


def _by_arm(units: Mapping[str, int]) -> str:
    return " and ".join(f"{wording.count(n)} of {variant}" for variant, n in units.items())


def _conditional(metric: Metric, base: Base) -> str:
    """The label of a metric that is read among what units did after exposure, and whether that moved too."""
    of = metric.denominator if isinstance(metric, RatioMetric) else "rows"
    told = f"conditional on what units did after exposure, which is no causal claim: {of} per unit "
    told += f"{wording.number(base.control)} -> {wording.number(base.treatment)}"
    if isinstance(base.effect, Unavailable):
        return f"{told}, not compared: {base.effect.detail}"
    lower, upper = wording.number(base.effect.lower), wording.number(base.effect.upper)
    return (
        f"{told}, difference {wording.number(base.effect.value)} ({coverage(base.effect.confidence)} interval "
        f"{lower} to {upper}, {p_of(base.effect.p_value)})"
    )


def _margin(metric: Metric, margin: Margin | Unavailable | None) -> Iterable[str]:
    if isinstance(margin, Unavailable):
        yield f"margin not testable: {margin.detail}"
    elif margin is not None:
        worst = wording.effect(metric, metric.sign * margin.effect_lower)
        yield (
            f"loss allowed {wording.size(metric, margin.margin)}; at worst {worst} "
            f"(one-sided {coverage(margin.confidence)} bound), "
            f"{p_of(margin.p_value)} against the margin"
        )


def _posterior(metric: Metric, believed: PosteriorSummary) -> Iterable[str]:
    if believed.beyond_mde is not None:
        yield f"probability of a gain of the mde or more {probability(believed.beyond_mde)}"
    if believed.within_mde is not None:
        yield f"probability that the difference is smaller than the mde {probability(believed.within_mde)}"
    if believed.within_margin is not None:
        yield (
            f"probability that the loss stays within the margin {probability(believed.within_margin)}; "
            f"to do no harm {probability(believed.margin_needed)} is needed"
        )
    yield (
        f"expected loss {loss(metric, believed.loss_if_chosen)} if it is chosen, "
        f"{loss(metric, believed.loss_if_not)} if control is kept"
    )
    if believed.best is not None and believed.control_best is not None and believed.loss_against_best is not None:
        yield (
            f"probability of being the best of all arms {probability(believed.best)}, "
            f"of control {probability(believed.control_best)}; "
            f"expected loss {loss(metric, believed.loss_against_best)} against the best"
        )
    yield f"prior: {believed.prior}"


def _precision(precision: Precision) -> str:
    reached = f"precision {precision.percent_of_plan:.0f} % of plan"
    if precision.powered:
        return f"{reached}: enough"
    return f"{reached}: {wording.count(precision.more_units_per_arm)} more units per arm would reach it"
