"""The word a posterior earns at a pre-registered look: believing is not enough, looking has its price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from abflow.errors import SpecError
from abflow.stats.group_sequential import pocock_constant
from abflow.stats.posterior import EffectPosterior
from abflow.stats.tails import normal_sf

# A win may give away a tenth of what the test was made to find.
LOSS_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorRule:
    """What a posterior must show for a word, in an effect of which more is better.

    Attributes:
        doubt: Most probability the wrong sign may keep: 1 minus the threshold, which has more digits.
        max_loss: Most expected loss of choosing the arm with which it is still better; None asks nothing.
        mde: The smallest effect worth detecting; None when there is none.
        mde_doubt: Most probability of an effect of the mde or more with which it is excluded; 0 excludes it never.
    """

    doubt: float
    max_loss: float | None = None
    mde: float | None = None
    mde_doubt: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.doubt <= 0.5 and 0 <= self.mde_doubt < 1):
            raise SpecError(
                f"a posterior threshold of {1 - self.doubt:g} (for the mde {1 - self.mde_doubt:g}) is impossible; "
                "it lies between 0.5 and 1"
            )
        for name, size in (("max_loss", self.max_loss), ("mde", self.mde)):
            if size is not None and not size > 0:
                raise SpecError(f"{name} {size:g} must be above 0; turn the effect so that more is better")

    @property
    def threshold(self) -> float:
        """Probability of the right sign that a word needs."""
        return 1 - self.doubt


def look_threshold(looks: int, *, alpha: float) -> float:
    """Posterior probability that a word needs at each of several looks.

    With a flat prior the posterior probability is a one-sided p-value turned round, so looking at it spends
    error like any other test: the threshold is Φ(C), C being Pocock's constant.

    Args:
        looks: Planned, at equal distances.
        alpha: Two-sided error level of all looks together.

    Raises:
        SpecError: There is no look, or the error level is impossible.

    References:
        Pocock (1977), Biometrika 64, 191-199; Stallard, Todd, Ryan, Gates (2020), BMC Medical Research
        Methodology 20:4, on the equivalence.
    """
    return 1 - _look_doubt(looks, alpha)


def _look_doubt(looks: int, alpha: float) -> float:
    return normal_sf(pocock_constant(looks, alpha=alpha))


def posterior_rule(looks: int, *, alpha: float, mde: float | None = None) -> PosteriorRule:
    """The rule of a plan with so many looks.

    Args:
        looks: Planned, at equal distances.
        alpha: Two-sided error level of this comparison, all looks together.
        mde: The smallest effect worth detecting, above 0; None for a metric that has none.

    Raises:
        SpecError: There is no look, or the error level or the mde is impossible.

    References:
        Those of `look_threshold`.
    """
    return PosteriorRule(
        doubt=_look_doubt(looks, alpha),
        max_loss=None if mde is None else LOSS_SHARE * mde,
        mde=mde,
        mde_doubt=0.0 if mde is None else alpha / 2,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorWord:
    """What a posterior says at a look.

    Attributes:
        word: Of the effect's sign.
        mde_excluded: Whether an effect of the mde or more is ruled out, which a small win can be as well.
    """

    word: Literal["better", "worse", "unclear"]
    mde_excluded: bool


def posterior_word(posterior: EffectPosterior, rule: PosteriorRule) -> PosteriorWord:
    """The word that a posterior earns.

    Args:
        posterior: Of the effect, turned so that more is better.
        rule: Registered before the first look.

    References:
        Those of `look_threshold`.
    """
    return PosteriorWord(word=_sign_word(posterior, rule), mde_excluded=_excludes_mde(posterior, rule))


def _sign_word(posterior: EffectPosterior, rule: PosteriorRule) -> Literal["better", "worse", "unclear"]:
    if posterior.probability_below() <= rule.doubt:
        cheap = rule.max_loss is None or posterior.loss_of_choosing <= rule.max_loss
        return "better" if cheap else "unclear"
    return "worse" if posterior.probability_above() <= rule.doubt else "unclear"


def _excludes_mde(posterior: EffectPosterior, rule: PosteriorRule) -> bool:
    # A probability can underflow to 0, which is no reason to exclude what the rule never excludes.
    return rule.mde is not None and rule.mde_doubt > 0 and posterior.probability_above(rule.mde) <= rule.mde_doubt
