"""What a metric looks like without any effect: measured in the A/A phase, declared, or assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

from abflow.analysis import wording
from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Measured, Population
from abflow.spec.built_in import is_built_in
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, ProportionMetric, QuantileMetric, RatioMetric, Role
from abflow.stats.cuped import cuped_of_means, cuped_of_ratios
from abflow.stats.means import ratio_moments
from abflow.stats.quantile_interval import quantile_of_arm
from abflow.stats.result import Unavailable
from abflow.stats.tails import normal_isf
from abflow.stats.units_factor import history_factor

MIN_UNITS = 1000  # below, a standard deviation is known to a few percent at best
MIN_NON_ZERO = 100  # below, a rate is known to a tenth at best
LEAST_NOISE = 1e-9  # less than this is what rounding leaves of nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """A baseline that somebody gives for one reckoning.

    Attributes:
        mean: Per unit; of a proportion its rate, of a ratio or a quantile its value.
        sd: Standard deviation per unit; None for a proportion. Of a ratio that of its linearised units, which knows how
            the value hangs together with a unit's size; of a quantile its standard error times the root of the units.
    """

    mean: float
    sd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What somebody assumes for one reckoning; it goes before what was measured or declared.

    Attributes:
        baselines: By metric.
        units_per_day: New units of all arms.
        correlation: Of a unit's value with its history, where nothing has measured it.
    """

    baselines: Mapping[str, Assumed] = field(default_factory=dict)
    units_per_day: float | None = None
    correlation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a metric looks like without any effect.

    Attributes:
        sd: Standard deviation per unit; None for a proportion, whose rate says it.
        source: Where the numbers come from.
        history: Share of the variance that stays when history is taken off; 1 without CUPED.
        history_source: Where that share comes from; empty without CUPED.
    """

    mean: float
    sd: float | None
    source: str
    history: float = 1.0
    history_source: str = ""


NOTHING_ASSUMED = Assumptions()


def measurement(
    spec: ExperimentSpec, name: str, aa: Population | None, *, assumed: Assumptions = NOTHING_ASSUMED
) -> Measurement | Check:
    """Baseline and spread of a metric, pooled over the arms of the A/A phase, or declared.

    Args:
        spec: The experiment.
        name: The metric.
        aa: The A/A population; None when there is none.
        assumed: What goes before both.

    Returns:
        The measurement; or the check that says what is missing.
    """
    metric = spec.metrics[name]
    arms = [m for v in spec.variants if aa and (m := aa.of(name, v, spec.analysis.contamination))]
    known = _assumed(name, metric, assumed) or _measured(metric, arms) or _declared(spec, name)
    if known is None:
        return _missing(spec, name, arms, has_aa=aa is not None)
    if spec.analysis.cuped is None or isinstance(metric, QuantileMetric):
        return known
    return _with_history(spec, known, name, arms, assumed)


def _assumed(name: str, metric: Metric, assumed: Assumptions) -> Measurement | None:
    given = assumed.baselines.get(name)
    if given is None:
        return None
    return Measurement(mean=given.mean, sd=None if _is_rate(metric) else given.sd, source="assumed")


def _is_rate(metric: Metric) -> bool:
    return isinstance(metric, ProportionMetric)


def _measured(metric: Metric, arms: Sequence[Measured]) -> Measurement | None:
    """What the A/A phase has shown, when it has shown enough."""
    units, non_zero = _seen(arms)
    if units < MIN_UNITS or non_zero < MIN_NON_ZERO:
        return None
    spread = _quantile_spread(metric.q, arms) if isinstance(metric, QuantileMetric) else _spread(arms)
    if spread is None:
        return None
    mean, sd = spread
    return Measurement(
        mean=mean, sd=None if _is_rate(metric) else sd, source=f"{wording.count(units)} mature A/A units"
    )


def _seen(arms: Sequence[Measured]) -> tuple[int, int]:
    """Mature units, and those with a value other than 0."""
    return sum(arm.moments.n for arm in arms), sum(arm.non_zero for arm in arms)


def _spread(arms: Sequence[Measured]) -> tuple[float, float] | None:
    """Mean and standard deviation per unit, of a ratio those of its linearised units."""
    pairs = [arm.pair for arm in arms if arm.pair]
    moments = ratio_moments(reduce(add, pairs), arm="A/A") if pairs else reduce(add, (arm.moments for arm in arms))
    return None if isinstance(moments, Unavailable) else (moments.mean, math.sqrt(moments.variance))


def _quantile_spread(q: float, arms: Sequence[Measured]) -> tuple[float, float] | None:
    """A quantile, and its standard error times the root of the units: the share's error over the rows' density."""
    rows = [arm.rows for arm in arms if arm.rows]
    if not rows:
        return None
    # The quantile of all arms together is the one that the pooled cut point was made for.
    whole = reduce(add, rows)
    found = quantile_of_arm(replace(whole, at_own=whole.at_pooled), q)
    if isinstance(found, Unavailable):
        return None
    se = (found.upper - found.lower) / (2 * normal_isf(0.025))
    return found.value, se * math.sqrt(_seen(arms)[0])


def _declared(spec: ExperimentSpec, name: str) -> Measurement | None:
    """What the file declares of its primary."""
    baseline, rate = spec.sizing.baseline, _is_rate(spec.metrics[name])
    if baseline is None or name != spec.primary_name or not (rate or baseline.sd):
        return None
    return Measurement(mean=baseline.value, sd=None if rate else baseline.sd, source=f"declared: {baseline.source}")


def _with_history(
    spec: ExperimentSpec, known: Measurement, name: str, arms: Sequence[Measured], assumed: Assumptions
) -> Measurement:
    """How much of the noise CUPED leaves."""
    if assumed.correlation is not None:
        share = history_factor(assumed.correlation)
        return replace(known, history=share, history_source=f"correlation {assumed.correlation:g}, assumed")
    correlation = _correlation(spec, name, arms)
    if correlation is None:
        return replace(known, history_source="nobody has measured how much history explains, so nothing is taken off")
    share = 1 - correlation * correlation
    if share < LEAST_NOISE:
        certain = "history explained everything in the A/A phase, which no test can count on, so nothing is taken off"
        return replace(known, history_source=certain)
    return replace(known, history=share, history_source=f"correlation {correlation:.2f} in the A/A phase")


def _correlation(spec: ExperimentSpec, name: str, arms: Sequence[Measured]) -> float | None:
    """Of outcome and history in the A/A phase, as the test will use it; None when nobody can say."""
    histories = [arm.history for arm in arms if arm.history]
    if len(histories) < len(spec.variants):
        return None
    ratio = isinstance(spec.metrics[name], RatioMetric)
    adjusted = cuped_of_ratios(histories) if ratio else cuped_of_means(histories)
    if isinstance(adjusted, Unavailable) or adjusted.why_unadjusted:
        return None
    return adjusted.correlation


def _missing(spec: ExperimentSpec, name: str, arms: Sequence[Measured], *, has_aa: bool) -> Check:
    units, non_zero = _seen(arms)
    seen = "no A/A phase has measured it"
    if has_aa:
        which = "with rows beyond it" if isinstance(spec.metrics[name], QuantileMetric) else "not zero"
        seen = (
            f"the A/A phase has {wording.count(units)} mature units, of them {wording.count(non_zero)} {which}; "
            f"needed are {MIN_UNITS} and {MIN_NON_ZERO}"
        )
    if is_built_in(spec.metrics[name]):
        # A service that hardly fails could never begin a test, because of a metric that nobody asked for.
        return Check(
            name=f"baseline of {name}",
            status=Status.NOT_CHECKED,
            sentence=f"{name} is built in and takes no part in the size: {seen}. It is tested all the same.",
        )
    way_out = _way_out(spec, name, has_aa=has_aa, units=units, non_zero=non_zero)
    return Check(
        name=f"baseline of {name}",
        status=Status.INSUFFICIENT,
        sentence=f"{name} cannot be sized: {seen}. {way_out}",
        numbers={"units": float(units), "non_zero": float(non_zero)},
    )


def _way_out(spec: ExperimentSpec, name: str, *, has_aa: bool, units: int, non_zero: int) -> str:
    metric = spec.metrics[name]
    declare = "declare sizing.baseline" if metric.role is Role.PRIMARY else "set `sized: false` with a `why`"
    if not has_aa:
        return f"Let one run, or {declare}."
    if units == 0 and metric.window_days:
        return (
            f"Nobody's window of {metric.window_days} days was over: let the A/A phase last its enroll_days plus "
            f"{metric.window_days} days, or {declare}."
        )
    if units == 0 or non_zero == 0:
        return f"Look at whether its event reaches the outcome log, or {declare}."
    factor = max(MIN_UNITS / units, MIN_NON_ZERO / non_zero)
    if factor <= 1:
        return f"Its spread from unit to unit could not be told; {declare}."
    return f"An A/A phase that enrols {factor:.1f} times as many units would do, or {declare}."
