"""Did units arrive in the planned shares on every day, and while the shares themselves changed?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.srm import (
    DRAWS,
    MIN_EXPECTED,
    PlannedCounts,
    SampleRatio,
    mixture_log_e,
    planned_counts,
    ratio_test,
    simulated_p,
)
from abflow.stats.tails import chi_square_sf

Label = TypeVar("Label", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Units that arrived while one set of shares was in force, such as on one day.

    Attributes:
        counts: Units by arm; an arm that is not named has 0.
        shares: Planned relative shares by arm; they need not add up to 1.
    """

    counts: Mapping[str, int]
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOverTime(Generic[Label]):
    """The sample ratio of each period and of all periods against the shares of each.

    Attributes:
        by_period: One test per period that has units.
        together: Arms by periods in one test: chi-squares and degrees of freedom summed. It sees small
            deviations that take different directions, which vanish in the total.
    """

    by_period: Mapping[Label, SampleRatio]
    together: SampleRatio

    @property
    def worst(self) -> Label:
        """The period with the smallest p-value, which is one of `len(by_period)`."""
        return min(self.by_period, key=lambda label: self.by_period[label].p_value)


def split_over_time(periods: Mapping[Label, Period]) -> SplitOverTime[Label] | Unavailable:
    """Test the split of every period and of all together, each period against its own shares.

    All together: the sum of the periods' X² = Σ (n_i - n s_i)² / (n s_i) on the sum of their degrees of freedom.
    When an arm expects fewer than 5 units in any period, the p-value of all together comes from 100 000
    simulated histories; the seed is fixed, so that the same counts give the same answer.

    Args:
        periods: By day, or by the time that one set of shares was in force. A period without units is left out.

    Returns:
        The tests; or `no_units`, or the reason why a period with units has no test.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite.

    References:
        Pearson (1900), Philosophical Magazine 50, 157-175.
    """
    tables: dict[Label, PlannedCounts] = {}
    for label, period in periods.items():
        if not any(period.counts.values()):
            continue
        arms = planned_counts(period.counts, period.shares)
        if isinstance(arms, Unavailable):
            return arms
        tables[label] = arms
    if not tables:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no period has any unit yet")
    by_period = {label: ratio_test(arms) for label, arms in tables.items()}
    return SplitOverTime(by_period=by_period, together=_together(by_period.values(), tables.values()))


def _together(each: Collection[SampleRatio], tables: Collection[PlannedCounts]) -> SampleRatio:
    if len(each) == 1:
        return next(iter(each))
    statistic, dof = sum(one.statistic for one in each), sum(one.dof for one in each)
    if all(arms.expected.min() >= MIN_EXPECTED for arms in tables):
        p_value, method = chi_square_sf(statistic, dof), "chi-square over periods"
    else:
        p_value, method = simulated_p(tuple(tables)), f"multinomial over periods, {DRAWS} simulated histories"
    expected: Counter[str] = Counter()
    for one in each:
        expected.update(one.expected)
    return SampleRatio(statistic=statistic, dof=dof, p_value=p_value, expected=dict(expected), method=method)


def log_e_over_periods(periods: Iterable[Period]) -> float | Unavailable:
    """Log e-value against shares that changed, valid at every look: the e-values of the periods, multiplied.

    Σ ln E_k, E_k being the mean e-value of period k as in `mixture_log_e`.

    Shares may depend on all that was seen in earlier periods, as a bandit's do. For shares that never change
    `mixture_log_e` over the total is sharper, because it does not start again with every period.

    Args:
        periods: In any order, the current one as far as it goes. A period without units adds nothing.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite.

    References:
        Lindon, Malek (2022), NeurIPS 35 (arXiv 2011.03567), section 2; Vovk, Wang (2021), Annals of Statistics 49,
        1736-1754, section 4, on products of e-values.
    """
    log_es = [mixture_log_e(period.counts, period.shares) for period in periods if any(period.counts.values())]
    for log_e in log_es:
        if isinstance(log_e, Unavailable):
            return log_e
    if not log_es:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no period has any unit yet")
    return sum(log_e for log_e in log_es if not isinstance(log_e, Unavailable))
