"""What tests read: one sample per arm and metric, whatever kind the metric is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from abflow.analysis.population import Contamination, Measured, Population, Slice
from abflow.analysis.wording import count
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import (
    EXPOSURES,
    FAILED_EXPOSURES,
    OF_EXPOSURES,
    Metric,
    ProportionMetric,
    QuantileMetric,
    RatioMetric,
    events_of,
)
from abflow.stats.cuped import Cuped, CupedArm, cuped_of_means, cuped_of_ratios
from abflow.stats.means import ratio_moments
from abflow.stats.moments import EMPTY, JointMoments, Moments
from abflow.stats.quantile_interval import quantile_moments
from abflow.stats.quantile_rows import QuantileRows
from abflow.stats.result import Unavailable, UnavailableReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One metric in one arm, ready to be compared.

    Attributes:
        moments: Of what is compared: a ratio's units are linearised, and history is taken off where the plan says so.
        plain: The same before history is taken off.
        is_rate: Whether the units hold 0 or 1 and are compared as rates; also where not one call of any unit failed.
        was_rate: Whether they did before history was taken off.
        rows: Of a quantile, which is compared by its rows.
        q: Level of the quantile.
        cuped: What history took off, where it took something.
        base: What the metric is conditioned on: the denominator of every unit, or how many rows of a quantile it has.
        made_by: How the moments came about, for the method's name; empty when they are the units' own.
        missing: Why there is nothing to compare, or None.
    """

    variant: str
    moments: Moments
    plain: Moments
    is_rate: bool = False
    was_rate: bool = False
    rows: QuantileRows | None = None
    q: float = 0.5
    cuped: CupedArm | None = None
    lowest: float = 0.0
    highest: float = 0.0
    non_zero: int = 0
    immature: int = 0
    without_denominator: int = 0
    cap: float | None = None
    base: Moments | None = None
    made_by: str = ""
    missing: Unavailable | None = None


Batches = tuple[tuple[Sample, Sample], ...]  # one metric in control and arm, on every day of entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """One metric in every arm; several controls are one.

    Attributes:
        history: What was taken off for it, or why nothing could be; None when the plan does not ask for it.
        history_days: Days before the phase whose logs the history was read from.
    """

    by_arm: dict[str, Sample]
    history: Cuped | Unavailable | None = None
    history_days: int = 0

    def __getitem__(self, arm: str) -> Sample:
        return self.by_arm[arm]


def samples_of(
    spec: ExperimentSpec,
    population: Population,
    name: str,
    contamination: Contamination,
    *,
    take_history_off: bool = True,
) -> Samples:
    """One metric in every arm, as the plan wants it compared.

    Args:
        spec: The experiment.
        population: Its units.
        name: The metric.
        contamination: What to do with units seen in two variants.
        take_history_off: Whether to follow the plan's CUPED; an A/A difference is read as it is.
    """
    metric = spec.metrics[name]
    arms = {arm: _measured(spec, population, name, arm, contamination) for arm in (spec.control_name, *spec.treatments)}
    plain = {arm: _sample(metric, population, arm, measured) for arm, measured in arms.items()}
    if not take_history_off or spec.analysis.cuped is None or isinstance(metric, QuantileMetric):
        return Samples(by_arm=plain)
    return _without_history(metric, plain, arms)


def without_cuped(sample: Sample) -> Sample:
    """The sample as it was observed."""
    return replace(
        sample,
        moments=sample.plain,
        is_rate=sample.was_rate,
        cuped=None,
        made_by=sample.made_by.removeprefix("CUPED").removeprefix(", "),
    )


def _measured(
    spec: ExperimentSpec, population: Population, name: str, arm: str, contamination: Contamination
) -> Measured | None:
    if arm != spec.control_name:
        return population.of(name, arm, contamination)
    found = [population.of(name, control, contamination) for control in spec.controls]
    return pooled([measured for measured in found if measured])


def pooled(arms: Sequence[Measured]) -> Measured | None:
    """Several variants as one; None when there is none."""
    if not arms:
        return None
    first = arms[0]
    if len(arms) == 1:
        return first
    return replace(
        first,
        # A ratio's are made from its pair, and a quantile's from its rows, when they are compared.
        moments=reduce(add, (arm.moments for arm in arms)),
        lowest=min(arm.lowest for arm in arms),
        highest=max(arm.highest for arm in arms),
        non_zero=sum(arm.non_zero for arm in arms),
        immature=sum(arm.immature for arm in arms),
        without_denominator=sum(arm.without_denominator for arm in arms),
        cap_removes_all=any(arm.cap_removes_all for arm in arms),
        pair=reduce(add, (arm.pair for arm in arms if arm.pair)) if first.pair else None,
        history=reduce(add, (arm.history for arm in arms if arm.history)) if first.history else None,
        rows=reduce(add, (arm.rows for arm in arms if arm.rows)) if first.rows else None,
    )


def pooled_sample(spec: ExperimentSpec, population: Population, name: str, variants: Sequence[str]) -> Sample:
    """One metric in some variants as if they were one, as it was observed."""
    found = [population.of(name, variant, spec.analysis.contamination) for variant in variants]
    measured = pooled([each for each in found if each])
    return _sample(spec.metrics[name], population, " and ".join(variants), measured)


def slice_sample(metric: Metric, parts: Sequence[Slice]) -> Sample:
    """One arm within one level of a segment, or one day of entry."""
    moments = reduce(add, (part.moments for part in parts))
    missing, made_by = None, ""
    if parts[0].pair is not None:
        moments, missing, made_by = _linearised(
            reduce(add, (part.pair for part in parts if part.pair)), parts[0].variant
        )
    is_rate = isinstance(metric, ProportionMetric)
    return Sample(
        variant=parts[0].variant,
        moments=moments,
        plain=moments,
        is_rate=is_rate,
        was_rate=is_rate,
        lowest=min((part.lowest for part in parts if part.lowest is not None), default=moments.mean),
        highest=max((part.highest for part in parts if part.highest is not None), default=moments.mean),
        non_zero=sum(part.non_zero for part in parts),
        made_by=made_by,
        missing=missing,
    )


def _linearised(pair: JointMoments, arm: str) -> tuple[Moments, Unavailable | None, str]:
    linear = ratio_moments(pair, arm=arm)
    if isinstance(linear, Unavailable):
        return replace(EMPTY, n=pair.n), linear, "delta method"
    return linear, None, "delta method"


def _sample(metric: Metric, population: Population, arm: str, measured: Measured | None) -> Sample:
    missing = _why_missing(metric, population, measured)
    if measured is None:
        return Sample(variant=arm, moments=EMPTY, plain=EMPTY, missing=missing)
    moments, made_by = measured.moments, ""
    if measured.pair is not None:
        moments, no_ratio, made_by = _linearised(measured.pair, arm)
        missing = missing or no_ratio
    if measured.rows is not None and isinstance(metric, QuantileMetric):
        moments = quantile_moments(measured.rows, metric.q)
    is_rate = isinstance(metric, ProportionMetric) or _no_call_failed(metric, measured)
    return Sample(
        variant=arm,
        moments=moments,
        plain=moments,
        is_rate=is_rate,
        was_rate=is_rate,
        rows=measured.rows,
        q=metric.q if isinstance(metric, QuantileMetric) else 0.5,
        lowest=measured.lowest,
        highest=measured.highest,
        non_zero=measured.non_zero,
        immature=measured.immature,
        without_denominator=measured.without_denominator,
        cap=measured.cap,
        base=_base(measured),
        made_by=made_by,
        missing=missing,
    )


def _base(measured: Measured) -> Moments | None:
    if measured.pair is not None:
        return measured.pair.y
    return measured.rows.at_pooled.y if measured.rows is not None else None


def _no_call_failed(metric: Metric, measured: Measured) -> bool:
    """Whether a share of failed calls is 0: it has no spread of its own, and units are compared as rates instead."""
    if not isinstance(metric, RatioMetric) or metric.denominator_where:
        return False  # a unit may have no call that the denominator counts, and then none of them cannot have failed
    return (metric.numerator, metric.denominator) == (FAILED_EXPOSURES, EXPOSURES) and measured.non_zero == 0


def _why_missing(metric: Metric, population: Population, measured: Measured | None) -> Unavailable | None:
    unseen = [event for event in events_of(metric) if event not in population.events_seen]
    if unseen:
        return Unavailable(
            reason=UnavailableReason.NO_SUCH_EVENT,
            detail=f"no event of type {unseen[0]!r} occurs anywhere in the outcome log",
        )
    if measured and measured.cap_removes_all:
        return Unavailable(
            reason=UnavailableReason.CAP_REMOVES_ALL,
            detail="the percentile cap is 0, because so many units have 0; give `over: positive` or a value",
        )
    if measured and measured.moments.n == 0 and measured.immature:
        return Unavailable(
            reason=UnavailableReason.WINDOW_NOT_OVER,
            detail=f"the window of all {count(measured.immature)} units is not over at the cut-off",
        )
    return None


def _without_history(metric: Metric, plain: dict[str, Sample], arms: dict[str, Measured | None]) -> Samples:
    """CUPED: one coefficient from all arms together; as they were where history says nothing."""
    if any(sample.missing for sample in plain.values()):
        return Samples(by_arm=plain)
    histories = [measured.history for measured in arms.values() if measured and measured.history]
    if len(histories) < len(plain):
        detail = "the logs hold no history of this metric for all arms"
        if isinstance(metric, RatioMetric) and {metric.numerator, metric.denominator} & {*OF_EXPOSURES}:
            detail = "exposures are logged only while the experiment runs, and before this phase it did not"
        return Samples(by_arm=plain, history=Unavailable(reason=UnavailableReason.METHOD_NOT_VALID_HERE, detail=detail))
    days = min(measured.history_days for measured in arms.values() if measured)
    a_ratio = any(measured.pair for measured in arms.values() if measured)
    found = cuped_of_ratios(histories) if a_ratio else cuped_of_means(histories)
    if isinstance(found, Unavailable) or found.why_unadjusted:
        return Samples(by_arm=plain, history=found, history_days=days)
    adjusted = {
        arm: replace(
            sample,
            moments=cuped.adjusted,
            is_rate=False,
            cuped=cuped,
            made_by=", ".join(["CUPED", *([sample.made_by] if sample.made_by else [])]),
        )
        for (arm, sample), cuped in zip(plain.items(), found.arms, strict=True)
    }
    return Samples(by_arm=adjusted, history=found, history_days=days)
