"""How the whole lifecycle ends on logs whose truth is known, step by step from the first A/A day to the verdict.

A run is one experiment: its logs are drawn into files, late, repeated and crossed rows among them, and the steps are
done as a scheduler would do them. That takes more than a second of a processor, so the phases are short and the
scorecard is not drawn. No two studies draw the same experiment.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import numpy as np

from abflow.analysis.measurement import Assumed, Assumptions
from abflow.analysis.sizing import size_test
from abflow.analysis.verdict import Decision
from abflow.calibration.lifetime import End, live_through
from abflow.calibration.study import Rate, Study, at_least, at_most, between
from abflow.simulate.truth import EventTruth, Lognormal, Truth
from abflow.spec.calendar import GateName
from abflow.spec.experiment import ExperimentSpec

RUNS = 1_000
MDE = 0.05
RETURNED = Assumed(mean=0.40)
SPENT = Assumed(mean=18.2, sd=24.8)  # a share of 0.8 buys once a day on average, for 22.8 with sd 12.1
# The gate reckons with the units that it counted in two A/A days. This much more of them than it asks for is five
# standard deviations of that count.
ROOM = 1.1
# What the gates may err in sum: validity checks 1 %, A/A differences 1 %, re-randomised A/A 1 %.
OPENS = 0.97
# A treatment that loses one unit in four is 3/7 of the log. Chi-square calls that p < 0.001 in 93 % of A/As of 1 125
# units, and in all but one of a million tests of 3 370.
LOST = 0.25


def short_experiment(*, mde: float = MDE) -> ExperimentSpec:
    """An A/A of two days and a test of four, whose units act within a day."""
    return ExperimentSpec.model_validate(
        {
            "experiment": "known_truth",
            "hypothesis": "the lifecycle keeps its promises",
            "owner": "abflow",
            "variants": {"old": {"weight": 1}, "new": {"weight": 1}},
            "unit": "user_id",
            "phases": {
                "shadow": {"skip": "nothing to mirror"},
                "aa": {"start": "2026-10-01", "enroll_days": 1, "days": 2},
                "test": {"enroll_days": 3, "days": 4, "why": "every day of a thousand experiments is paid for"},
            },
            "logs": {"exposures": "logs/exposures", "outcomes": "logs/outcomes"},
            "metrics": {
                "returned": {
                    "role": "primary",
                    "kind": "proportion",
                    "event": "session",
                    "window_days": 1,
                    "mde": {"absolute": mde},
                },
                "spent": {
                    "role": "guardrail",
                    "kind": "mean",
                    "event": "purchase",
                    "value": "value",
                    "window_days": 1,
                    "cap": "p99",
                    "margin": {"relative": -0.3},
                },
            },
        }
    )


def busy_world(
    spec: ExperimentSpec, *, effect: float = 0.0, lost: float = 0.0, lost_in: Literal["both", "test"] = "both"
) -> Truth:
    """A world whose log shows the units that the sizing gate asks for, and a little more.

    Args:
        spec: The experiment.
        effect: Absolute, of the primary.
        lost: Share of the treatment's units that the log lacks.
        lost_in: The phases in which it lacks them.
    """
    known = Assumptions(baselines={"returned": RETURNED, "spent": SPENT}, units_per_day=1.0)
    sizing = size_test(spec, None, None, days=spec.phases.test.days, assumed=known)
    if sizing.needed is None:
        raise TypeError("a known truth has a size")  # a bug: the world below is well described
    return Truth(
        units_per_day=ROOM * sizing.needed / spec.enroll_days / (1 - lost / 2),
        weekday=(1, 1, 1, 1, 1, 1, 1),
        # Units come back for a day or two: most of those that the test counts are its own.
        returning=0.2,
        active_days=2.0,
        crossed_rate=0.0005,
        events={
            # Half of those who come back at all do so within a day.
            "session": EventTruth(share=2 * RETURNED.mean, per_day=math.log(2), established_ratio=1.0, value=None),
            "purchase": EventTruth(share=0.8, per_day=1.0, established_ratio=1.0, value=Lognormal(mu=3.0, sigma=0.5)),
        },
        effects={"returned": {"new": effect / RETURNED.mean}} if effect else {},
        skew=lost,
        skew_phase=lost_in,
    )


def ends(spec: ExperimentSpec, truth: Truth, *, runs: int, seed: int) -> Counter[End]:
    """How often the lifecycle ends at each gate and with each decision."""
    seeds = np.random.default_rng(seed).integers(2**62, size=runs)
    return Counter(live_through(spec, truth, seed=int(each)).end for each in seeds)


def _equal(runs: int, seed: int) -> tuple[Rate, ...]:
    spec = short_experiment()
    ended = ends(spec, busy_world(spec), runs=runs, seed=seed)
    return (
        at_least("equal: both gates open", _begun(ended), runs, OPENS),
        between("equal: promoted", ended[Decision.PROMOTE], runs, OPENS * 0.025, 0.025),
        at_least("equal: kept", ended[Decision.KEEP], runs, OPENS * 0.80),
        at_most("equal: undecided", ended[Decision.UNDECIDED], runs, 0.175),
        at_most("equal: stopped for harm", ended[Decision.STOP], runs, 0.05),
        at_most("equal: invalid", ended[Decision.INVALID], runs, 0.01),
    )


def _better(runs: int, seed: int) -> tuple[Rate, ...]:
    spec = short_experiment()
    ended = ends(spec, busy_world(spec, effect=MDE), runs=runs, seed=seed + 1)
    return (
        at_least("better by the mde: both gates open", _begun(ended), runs, OPENS),
        at_least("better by the mde: promoted", ended[Decision.PROMOTE], runs, OPENS * 0.80),
        at_most("better by the mde: stopped for harm", ended[Decision.STOP], runs, 0.05),
        at_most("better by the mde: invalid", ended[Decision.INVALID], runs, 0.01),
    )


def _harmful(runs: int, seed: int) -> tuple[Rate, ...]:
    spec = short_experiment()
    ended = ends(spec, busy_world(spec, effect=-MDE), runs=runs, seed=seed + 2)
    refused = ended[Decision.KEEP] + ended[Decision.STOP]
    return (
        at_least("worse by the mde: both gates open", _begun(ended), runs, OPENS),
        at_most("worse by the mde: promoted", ended[Decision.PROMOTE], runs, 0.0005),
        at_least("worse by the mde: kept, or stopped for harm", refused, runs, OPENS * 0.99),
        at_most("worse by the mde: invalid", ended[Decision.INVALID], runs, 0.01),
    )


def _skewed(runs: int, seed: int) -> tuple[Rate, ...]:
    """Better by the mde, so that checks that see nothing would promote it."""
    spec = short_experiment()
    always = ends(spec, busy_world(spec, effect=MDE, lost=LOST), runs=runs, seed=seed + 3)
    later = ends(spec, busy_world(spec, effect=MDE, lost=LOST, lost_in="test"), runs=runs, seed=seed + 4)
    return (
        at_least("a quarter lost from the A/A on: stopped at its gate", always[GateName.AA], runs, 0.90),
        at_least("a quarter lost from the A/A on: stopped there, or invalid", _caught(always), runs, 0.999),
        at_most("a quarter lost from the A/A on: promoted", always[Decision.PROMOTE], runs, 0.0005),
        at_least("a quarter lost in the test: the gates open", _begun(later), runs, OPENS),
        at_least("a quarter lost in the test: invalid, once it began", later[Decision.INVALID], runs, OPENS * 0.999),
        at_most("a quarter lost in the test: promoted", later[Decision.PROMOTE], runs, 0.0005),
    )


def _too_small(runs: int, seed: int) -> tuple[Rate, ...]:
    """Half the effect takes four times the units."""
    world, spec = busy_world(short_experiment()), short_experiment(mde=MDE / 2)
    ended = ends(spec, world, runs=runs, seed=seed + 5)
    return (
        at_least("too small: the sizing gate is insufficient", ended[GateName.SIZING], runs, OPENS),
        at_most("too small: the test begins", _begun(ended), runs, 0.0005),
    )


def _begun(ended: Counter[End]) -> int:
    return sum(ended[decision] for decision in Decision)


def _caught(ended: Counter[End]) -> int:
    return ended[GateName.AA] + ended[Decision.INVALID]


STUDIES = (
    Study(
        name="lifecycle-equal",
        claim="From logs to verdict, an equal version is promoted 2.5 % of the time and kept at least 80 %.",
        runs=RUNS,
        rates=_equal,
    ),
    Study(
        name="lifecycle-better",
        claim="From logs to verdict, a version that is better by the mde is promoted at least 80 % of the time.",
        runs=RUNS,
        rates=_better,
    ),
    Study(
        name="lifecycle-harmful",
        claim="From logs to verdict, a version that is worse by the mde is never promoted, and often stopped for harm.",
        runs=RUNS,
        rates=_harmful,
    ),
    Study(
        name="lifecycle-skewed",
        claim="A log that loses a quarter of the treatment is stopped at the A/A gate or called invalid.",
        runs=RUNS,
        rates=_skewed,
    ),
    Study(
        name="lifecycle-too-small",
        claim="A test that is too small is stopped at the sizing gate and does not begin.",
        runs=RUNS,
        rates=_too_small,
    ),
)
