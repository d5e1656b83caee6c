"""Exact tests of two rates that do not fix the number of events: Boschloo's and Barnard's."""

from __future__ import annotations

from abflow.stats.moments import Moments
from abflow.stats.proportions import Alternative, RateTest, pooled_z_test, successes_of
from abflow.stats.result import Unavailable, UnavailableReason

# All (n + 1)(m + 1) tables are visited at every trial rate; a hundred thousand, some 300 units per arm, take a
# second, and with more units the z test or Fisher's says the same.
MAX_TABLES = 100_000


def boschloo_test(
    control: Moments, treatment: Moments, *, alternative: Alternative = "two-sided"
) -> RateTest | Unavailable:
    """Do two rates differ? Exact for any counts, and never weaker than Fisher's test on the same side.

    Tables are ordered by Fisher's one-sided p-value, and the common rate is the least favourable one.
    Two-sided, it is twice the smaller one-sided p-value.

    One-sided, the largest P(Fisher's p-value ≤ the one seen) over all common rates.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        alternative: What a small p-value shows: any difference, or a higher or lower treatment rate.

    References:
        Boschloo (1970), Statistica Neerlandica 24, 1-35.
    """
    ready = _ready(control, treatment)
    if isinstance(ready, Unavailable):
        return ready
    from scipy import stats

    p_value = float(stats.boschloo_exact(_table(control, treatment), alternative=alternative).pvalue)
    return RateTest(z=ready.z, p_value=p_value, alternative=alternative, method="Boschloo's exact")


def barnard_test(
    control: Moments, treatment: Moments, *, alternative: Alternative = "two-sided"
) -> RateTest | Unavailable:
    """Do two rates differ? Exact for any counts, with tables ordered by the pooled z.

    The common rate is the least favourable one. Two-sided, it counts tables whose z is as large in size: the largest
    P(abs(Z) ≥ abs(z)) over all common rates, Z being that of `pooled_z_test`.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        alternative: What a small p-value shows: any difference, or a higher or lower treatment rate.

    References:
        Barnard (1947), Biometrika 34, 123-138; Suissa, Shuster (1985), JRSS A 148, 317-327.
    """
    ready = _ready(control, treatment)
    if isinstance(ready, Unavailable):
        return ready
    from scipy import stats

    p_value = float(stats.barnard_exact(_table(control, treatment), alternative=alternative, pooled=True).pvalue)
    return RateTest(z=ready.z, p_value=p_value, alternative=alternative, method="Barnard's exact")


def _ready(control: Moments, treatment: Moments) -> RateTest | Unavailable:
    test = pooled_z_test(control, treatment)
    if not isinstance(test, Unavailable) and (control.n + 1) * (treatment.n + 1) > MAX_TABLES:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"{control.n} and {treatment.n} units are too many tables to visit; this test is for small "
            "counts, take the z test or Fisher's",
        )
    return test


def _table(control: Moments, treatment: Moments) -> list[list[int]]:
    """One column per arm, the treatment first: scipy asks whether the first column's rate is the higher."""
    arms = (treatment, control)
    return [[successes_of(arm) for arm in arms], [arm.n - successes_of(arm) for arm in arms]]
