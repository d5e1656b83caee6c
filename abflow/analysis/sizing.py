"""The sample-size gate: can this test answer its question in its time?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from abflow.analysis import wording
from abflow.analysis.asked import Asked, aim_of, asked_of, no_size, reach_of
from abflow.analysis.gates import Check, Status
from abflow.analysis.inflow import Inflow, counting_days, inflow_of
from abflow.analysis.looks import arm_shares
from abflow.analysis.measurement import NOTHING_ASSUMED, Assumptions
from abflow.analysis.population import Population
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.decision_size import DecisionSize, decision_sample_size
from abflow.stats.power import PowerCurve, PowerQuestion, Split, power_curve
from abflow.stats.result import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How many units the decision needs, and how many will come.

    Attributes:
        checks: The answer, then one check per metric; or what is missing.
        needed: Units in all arms, or None when that cannot be said.
        expected: Units in all arms that will count; 0 when nobody knows.
        asked: What every sized metric is asked, the primary first.
        size: Units of the decision and its parts; None when it has none.
        split: Shares of control and of the treatment with the fewest units.
        inflow: How units come; None when nobody knows.
    """

    checks: tuple[Check, ...]
    needed: int | None
    expected: float
    asked: tuple[Asked, ...] = ()
    size: DecisionSize | None = None
    split: Split | None = None
    inflow: Inflow | None = None

    @property
    def questions(self) -> tuple[PowerQuestion, ...]:
        """What the test must be able to show, the primary first."""
        return tuple(asked.question for asked in self.asked)

    @property
    def read_once(self) -> PowerCurve | None:
        """The primary's power if it was read once, at the end; None without a size, or where it has no spread."""
        if self.needed is None or self.split is None:
            return None
        primary = self.asked[0]
        found = power_curve(replace(primary.question, factor=primary.measured.history), self.split)
        return None if isinstance(found, Unavailable) else found


def size_test(
    spec: ExperimentSpec,
    aa: Population | None,
    aa_period: Period | None,
    *,
    days: int,
    assumed: Assumptions = NOTHING_ASSUMED,
) -> Sizing:
    """Weigh the units that will come against those that the decision needs.

    Args:
        spec: The experiment.
        aa: The A/A population with its moments; None when the A/A phase is skipped.
        aa_period: Its days.
        days: Days of the test.
        assumed: What goes before measured and declared numbers, for a reckoning beforehand.

    References:
        The union bound over primary and guardrails: Schultzberg, Ankargren, Frånberg (2024), arXiv 2402.11609v1.
    """
    inflow = inflow_of(spec, aa, aa_period, units_per_day=assumed.units_per_day)
    expected = inflow.units(counting_days(spec, days=days)) if inflow else 0.0
    found = [asked_of(spec, name, aa, inflow, assumed=assumed) for name in _sized(spec)]
    asked = tuple(one for one in found if isinstance(one, Asked))
    left_out = [one for one in found if isinstance(one, Check) and one.status is Status.NOT_CHECKED]
    missing = [one for one in found if isinstance(one, Check) and one not in left_out]
    unsized = bool(missing)
    if inflow is None:
        missing.insert(0, _no_inflow())
    if unsized:
        return Sizing(checks=tuple(missing), needed=None, expected=expected, asked=asked, inflow=inflow)
    split, size = _hardest_arm(spec, [one.question for one in asked])
    if isinstance(size, Unavailable):
        missing.append(no_size(size))
        return Sizing(checks=tuple(missing), needed=None, expected=expected, asked=asked, inflow=inflow)
    checks = missing or [
        _answer(spec, asked[0], size, split, expected),
        *(_row(spec, one, size, split, expected) for one in asked),
    ]
    return Sizing(
        checks=(*checks, *left_out),
        needed=size.total,
        expected=expected,
        asked=asked,
        size=size,
        split=split,
        inflow=inflow,
    )


def _sized(spec: ExperimentSpec) -> list[str]:
    """The primary first, then every guardrail that is sized."""
    guardrails = [name for name, metric in spec.metrics.items() if metric.role is Role.GUARDRAIL and metric.sized]
    return [spec.primary_name, *guardrails]


def _hardest_arm(spec: ExperimentSpec, questions: Sequence[PowerQuestion]) -> tuple[Split, DecisionSize | Unavailable]:
    shares = arm_shares(spec)
    sizes = []
    for arm in spec.treatments:
        split = Split(control=shares[spec.control_name], treatment=shares[arm])
        needed = decision_sample_size(questions, split=split, power=spec.analysis.power)
        if isinstance(needed, Unavailable):
            return split, needed
        sizes.append((split, needed))
    return max(sizes, key=lambda size: size[1].total)


def _no_inflow() -> Check:
    return Check(
        name="sample size",
        status=Status.INSUFFICIENT,
        sentence="Nobody measured how many units come: run an A/A phase, or declare sizing.baseline "
        "{value, sd, units_per_day, source}.",
    )


def _answer(spec: ExperimentSpec, primary: Asked, size: DecisionSize, split: Split, expected: float) -> Check:
    question, metric = primary.question, spec.metrics[primary.question.name]
    reach = reach_of(question, total=expected, split=split, power=spec.analysis.power)
    shows = "" if reach is None else f" With those the smallest is {wording.size(metric, reach)}."
    others = len(size.questions) - 1
    guarded = f" and {others} guardrail{'s' if others > 1 else ''}" if others else ""
    sentence = (
        f"{aim_of(spec, question)}{guarded} with {100 * spec.analysis.power:g} % power takes "
        f"{wording.count(size.control)} units in {spec.control_name} and {wording.count(size.treatment)} in the "
        f"treatment; {wording.count(expected * split.control)} and {wording.count(expected * split.treatment)} are "
        f"expected, {100 * expected / size.total:.0f} % of what is needed.{shows}"
    )
    return Check(
        name="sample size",
        status=Status.PASS if expected >= size.total else Status.INSUFFICIENT,
        sentence=sentence,
        numbers={
            "needed": float(size.total),
            "needed_control": float(size.control),
            "needed_treatment": float(size.treatment),
            "expected": expected,
            "share": expected / size.total,
        },
    )


def _row(spec: ExperimentSpec, asked: Asked, size: DecisionSize, split: Split, expected: float) -> Check:
    question, metric = asked.question, spec.metrics[asked.question.name]
    own = size.of(question.name)
    reach = reach_of(question, total=expected, split=split, power=spec.analysis.power)
    numbers = {"baseline": question.mean, "alone": float(own.alone), "power": own.power, "factor": question.factor}
    smallest = "no size at all can be shown"
    paid = f" ({asked.pays_for})" if asked.pays_for else ""
    if reach is not None:
        numbers["detectable"] = reach
        what = "effect" if question.kind == "difference" else "margin"
        smallest = f"the smallest {what} the expected units can show is {wording.size(metric, reach)}"
    return Check(
        name=f"size of {question.name}",
        status=Status.PASS,
        sentence=(
            f"{question.name}: baseline {wording.level(metric, question.mean)} ({asked.measured.source}); alone it "
            f"needs {wording.count(own.alone)} units in all{paid}; {smallest}."
        ),
        numbers=numbers,
    )
