"""How often the whole decision promotes and keeps, from the sizing gate's units to the verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

import numpy as np

from abflow.analysis.compare import compare
from abflow.analysis.measurement import Assumed, Assumptions
from abflow.analysis.played_course import verdict_on
from abflow.analysis.population import Measured, Population
from abflow.analysis.sizing import size_test
from abflow.analysis.verdict import Decision
from abflow.calibration.study import Rate, Study, at_least, at_most, exactly
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import ProportionMetric
from abflow.stats.moments import Moments
from abflow.stats.power_simulation import drawn_moments

FIRST = date(2026, 10, 1)
DAYS = 14
EVENTS = ("error", "purchase", "visit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A metric's true values without an effect.

    Attributes:
        mean: Per unit; of a proportion its rate.
        sd: Per unit; None for a proportion.
    """

    mean: float
    sd: float | None = None


RATE, ERROR_RATE, AMOUNT = Truth(mean=0.10), Truth(mean=0.01), Truth(mean=20.0, sd=50.0)
TRUTHS = {"bought": RATE, "spent": AMOUNT, "errors": ERROR_RATE, "visits": AMOUNT}
BOUGHT: dict[str, Any] = {"role": "primary", "kind": "proportion", "event": "purchase", "mde": {"absolute": 0.02}}
SPENT: dict[str, Any] = {
    "role": "primary",
    "kind": "mean",
    "event": "purchase",
    "value": "value",
    "mde": {"absolute": 1.0},
}
GUARDRAILS: dict[str, Any] = {
    "errors": {
        "role": "guardrail",
        "kind": "proportion",
        "event": "error",
        "direction": "decrease",
        "margin": {"absolute": 0.002},
    },
    "visits": {"role": "guardrail", "kind": "count", "event": "visit", "margin": {"relative": -0.05}},
}


def planned(
    primary: Mapping[str, Any], *, guardrails: int = 0, window_days: int | None = None, **analysis: Any
) -> ExperimentSpec:
    """An experiment of one treatment whose truth is known."""
    name = "bought" if primary["kind"] == "proportion" else "spent"
    metrics = {name: dict(primary)} | dict(list(GUARDRAILS.items())[:guardrails])
    return ExperimentSpec.model_validate(
        {
            "experiment": "known_truth",
            "hypothesis": "the decision keeps its promises",
            "owner": "abflow",
            "variants": {"old": {"weight": 1}, "new": {"weight": 1}},
            "unit": "user_id",
            "phases": {
                "shadow": {"skip": "nothing to mirror"},
                "aa": {"skip": "the truth is known"},
                "test": {"start": FIRST, "enroll_days": DAYS, "days": DAYS + (window_days or 0)},
            },
            "logs": {"exposures": "logs/exposures", "outcomes": "logs/outcomes"},
            "metrics": {each: metric | {"window_days": window_days} for each, metric in metrics.items()},
            "analysis": analysis,
        }
    )


def units_per_arm(spec: ExperimentSpec) -> int:
    """What the sizing gate asks for when it knows the truth."""
    known = {name: Assumed(mean=TRUTHS[name].mean, sd=TRUTHS[name].sd) for name in spec.metrics}
    sizing = size_test(
        spec, None, None, days=spec.phases.test.days, assumed=Assumptions(baselines=known, units_per_day=1.0)
    )
    if sizing.needed is None:
        raise TypeError("a known truth has a size")  # a bug: the world above is well described
    return math.ceil(sizing.needed / 2)


def decisions(spec: ExperimentSpec, *, effect: float, runs: int, seed: int) -> Counter[Decision]:
    """How often each decision falls when the primary has this effect and the guardrails have none."""
    rng, units = np.random.default_rng(seed), units_per_arm(spec)
    return Counter(_decided(spec, _drawn(rng, spec, units, effect)) for _ in range(runs))


def _drawn(rng: np.random.Generator, spec: ExperimentSpec, units: int, effect: float) -> Population:
    return population_of(spec, drawn_arms(rng, spec, units, effect))


def drawn_arms(
    rng: np.random.Generator, spec: ExperimentSpec, units: int, effect: float
) -> dict[tuple[str, str], Moments]:
    """Moments by metric and variant, of so many units in each variant."""
    found = {}
    for name, variant in product(spec.metrics, spec.variants):
        truth = TRUTHS[name]
        moved = effect if name == spec.primary_name and variant == "new" else 0.0
        found[name, variant] = drawn_moments(rng, units=units, mean=truth.mean + moved, sd=truth.sd)
    return found


def population_of(spec: ExperimentSpec, arms: Mapping[tuple[str, str], Moments]) -> Population:
    """The same as the engine would measure it."""
    measured = []
    for (name, variant), moments in arms.items():
        rate = isinstance(spec.metrics[name], ProportionMetric)
        # About where the outermost of so many normal units lie.
        reach = (TRUTHS[name].sd or 0.0) * math.sqrt(2 * math.log(moments.n))
        measured.append(
            Measured(
                metric=name,
                variant=variant,
                contamination="exclude",
                moments=moments,
                lowest=0.0 if rate else moments.mean - reach,
                highest=1.0 if rate else moments.mean + reach,
                non_zero=round(moments.n * moments.mean) if rate else moments.n,
                immature=0,
                cap=None,
                cap_removes_all=False,
            )
        )
    return Population(cohorts=(), measured=tuple(measured), events_seen=EVENTS, misassigned=None)


def _decided(spec: ExperimentSpec, population: Population) -> Decision:
    return verdict_on(spec, compare(spec, population, contamination="exclude"), day=DAYS, final=True).decision


def _clear_signals(primary: Mapping[str, Any], mde: float, guardrails: int) -> Callable[[int, int], tuple[Rate, ...]]:
    def rates(runs: int, seed: int) -> tuple[Rate, ...]:
        spec = planned(primary, guardrails=guardrails)
        equal, better, worse = (
            decisions(spec, effect=effect, runs=runs, seed=seed + place) for place, effect in enumerate((0, mde, -mde))
        )
        promoted, kept, undecided = Decision.PROMOTE, Decision.KEEP, Decision.UNDECIDED
        # A guardrail can only hold a win back, and a rate spreads less without the effect it is sized for.
        win = at_most if guardrails else exactly
        keep, open_ = (at_least, at_most) if guardrails or primary["kind"] == "proportion" else (exactly, exactly)
        return (
            win("no effect: promoted", equal[promoted], runs, 0.025),
            keep("no effect: kept", equal[kept], runs, 0.80),
            open_("no effect: undecided", equal[undecided], runs, 0.175),
            at_least("effect of the mde: promoted", better[promoted], runs, 0.80),
            at_most("effect of -mde: promoted", worse[promoted], runs, 0.0005),
            at_least("effect of -mde: kept", worse[kept], runs, 0.99),
        )

    return rates


def _do_no_harm(primary: Mapping[str, Any], margin: float, guardrails: int) -> Callable[[int, int], tuple[Rate, ...]]:
    def rates(runs: int, seed: int) -> tuple[Rate, ...]:
        spec = planned({**primary, "margin": {"absolute": margin}}, guardrails=guardrails, preset="do_no_harm")
        harmful, equal = (
            decisions(spec, effect=effect, runs=runs, seed=seed + place) for place, effect in enumerate((margin, 0))
        )
        return (
            at_most("loss of the margin: promoted", harmful[Decision.PROMOTE], runs, 0.05),
            at_least("no effect: promoted", equal[Decision.PROMOTE], runs, 0.80),
        )

    return rates


LESS: dict[str, Any] = {**BOUGHT, "direction": "decrease", "mde": {"absolute": -0.02}}
STUDIES = (
    Study(
        name="decision-rate",
        claim="A rate sized by the gate is promoted 2.5 % of the time without an effect and 80 % with the mde.",
        runs=10_000,
        rates=_clear_signals(BOUGHT, 0.02, guardrails=0),
    ),
    Study(
        name="decision-mean",
        claim="A mean sized by the gate is promoted 2.5 % of the time without an effect and 80 % with the mde.",
        runs=10_000,
        rates=_clear_signals(SPENT, 1.0, guardrails=0),
    ),
    Study(
        name="decision-guarded",
        claim="With two guardrails the decision keeps its power, and promotes an equal version even less often.",
        runs=10_000,
        rates=_clear_signals(BOUGHT, 0.02, guardrails=2),
    ),
    Study(
        name="decision-do-no-harm",
        claim="do_no_harm promotes a loss of the margin at most 5 % of the time, and an equal version at least 80 %.",
        runs=10_000,
        rates=_do_no_harm(BOUGHT, -0.01, guardrails=0),
    ),
    Study(
        name="decision-do-no-harm-guarded",
        claim="do_no_harm keeps both promises with two guardrails.",
        runs=10_000,
        rates=_do_no_harm(BOUGHT, -0.01, guardrails=2),
    ),
    Study(
        name="decision-do-no-harm-less",
        claim="do_no_harm keeps both promises where less is better.",
        runs=10_000,
        rates=_do_no_harm(LESS, 0.01, guardrails=0),
    ),
)
