"""Small experiments with hand-made numbers, one for each way a story can end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.blueprint import Blueprint
from abflow.analysis.gates import Check, Gate, GateStatus, Status
from abflow.analysis.readout import ArmSummary, Comparison, Margin, Precision, Readout, Word
from abflow.analysis.verdict import ArmVerdict, Decision, Verdict
from abflow.report.evidence import Evidence
from abflow.report.scorecard import render_scorecard
from abflow.report.text import summary_lines
from abflow.spec.calendar import GateName
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

NO_EVENT = Unavailable(
    reason=UnavailableReason.NO_SUCH_EVENT,
    detail="no event of type 'refund' occurs anywhere in the outcome log",
)


def spec_of(**changes: Any) -> ExperimentSpec:
    described: dict[str, Any] = {
        "experiment": "churn_v3",
        "hypothesis": "v3's sequence features raise 7-day retention by at least 2 %",
        "owner": "growth-ml",
        "model": "churn",
        "variants": {
            "control": {"version": "@champion", "weight": 0.5},
            "treatment": {"version": "@challenger", "weight": 0.5},
        },
        "unit": "user_id",
        "phases": {
            "shadow": {"start": "2026-10-01", "days": 3},
            "aa": {"enroll_days": 7, "days": 14},
            "test": {"enroll_days": 14, "days": 21},
        },
        "logs": {"shadow": "logs/shadow", "exposures": "logs/exposures", "outcomes": "logs/outcomes"},
        "metrics": {
            "retained": {
                "role": "primary",
                "kind": "proportion",
                "event": "session",
                "window_days": 7,
                "mde": {"relative": 0.02},
            },
            "revenue": {
                "role": "guardrail",
                "kind": "mean",
                "event": "purchase",
                "value": "value",
                "cap": "p99.9",
                "margin": {"relative": -0.02},
            },
            "complaints": {
                "role": "guardrail",
                "kind": "count",
                "event": "complaint",
                "direction": "decrease",
                "margin": {"relative": 0.10},
            },
            "refunds": {"role": "secondary", "kind": "proportion", "event": "refund"},
        },
    }
    return ExperimentSpec.model_validate(described | changes)


def estimate(value: float, half: float, *, p_value: float = 0.01, method: str = "Welch t") -> Estimate:
    return Estimate(
        value=value,
        se=half / 1.96,
        lower=value - half,
        upper=value + half,
        p_value=p_value,
        confidence=0.95,
        method=method,
    )


def arm(variant: str, mean: float, *, units: int = 41_237) -> ArmSummary:
    return ArmSummary(variant=variant, units=units, mean=mean, sd=0.4, non_zero=900, immature=0)


def retained(name: str = "treatment") -> Comparison:
    return Comparison(
        metric="retained",
        role=Role.PRIMARY,
        arm=name,
        contamination="exclude",
        control=arm("control", 0.4012),
        treatment=arm(name, 0.4153, units=41_102),
        effect=estimate(0.0141, 0.0067, method="pooled z, Newcombe interval"),
        relative=estimate(0.0351, 0.0169, method="delta method, Welch t"),
        adjusted_p=0.00004,
        word=Word.BETTER,
        mde=0.008,
        precision=Precision(powered=True, percent_of_plan=104.0, more_units_per_arm=0.0),
        cohens_h=0.0287,
        cohens_h_in_words="negligible",
    )


def revenue(name: str = "treatment") -> Comparison:
    return Comparison(
        metric="revenue",
        role=Role.GUARDRAIL,
        arm=name,
        contamination="exclude",
        control=arm("control", 12.41),
        treatment=arm(name, 12.48, units=41_102),
        effect=estimate(0.0712, 0.2154),
        relative=estimate(0.0057, 0.0174, method="delta method, Welch t"),
        word=Word.SAFE,
        margin=Margin(
            margin=0.2482,
            lower=0.1391,
            upper=0.4997,
            effect_lower=-0.1096,
            effect_upper=0.2520,
            se=0.11,
            p_value=0.0018,
            confidence=0.95,
            method="Welch t bounds",
        ),
        cap=310.5,
        notes=("One unit moves the effect by 0.06, more than half its standard error.",),
    )


def complaints(name: str = "treatment") -> Comparison:
    return Comparison(
        metric="complaints",
        role=Role.GUARDRAIL,
        arm=name,
        contamination="exclude",
        control=arm("control", 0.0310),
        treatment=arm(name, 0.0301, units=41_102),
        effect=estimate(-0.0009, 0.0021),
        relative=estimate(-0.029, 0.068, method="delta method, Welch t"),
        word=Word.SAFE,
        margin=Margin(
            margin=0.0031,
            lower=0.0022,
            upper=0.0058,
            effect_lower=-0.0009,
            effect_upper=0.0027,
            se=0.0011,
            p_value=0.0001,
            confidence=0.95,
            method="Welch t bounds",
        ),
    )


def refunds(name: str = "treatment") -> Comparison:
    return Comparison(
        metric="refunds",
        role=Role.SECONDARY,
        arm=name,
        contamination="exclude",
        control=arm("control", 0.0),
        treatment=arm(name, 0.0, units=41_102),
        effect=NO_EVENT,
        relative=NO_EVENT,
    )


def readout_of(spec: ExperimentSpec, *comparisons: Comparison, checks: tuple[Check, ...] = ()) -> Readout:
    found = comparisons or (retained(), revenue(), complaints(), refunds())
    passed = Check(
        name="sample ratio",
        status=Status.PASS,
        sentence="The sample ratio fits the plan: control 41 380 (expected 41 303), treatment 41 226 "
        "(expected 41 303) (p 0.5921).",
    )
    return Readout(
        experiment=spec.experiment,
        spec_sha256=spec.sha256,
        inputs="1f" * 32,
        cut_off=date(2026, 11, 8),
        units={name: 41_380 - 154 * n for n, name in enumerate(spec.variants)},
        too_late=118,
        crossed=21,
        contamination="exclude",
        checks=(passed, *checks),
        comparisons=found,
        beside=tuple(replace(c, contamination="keep_first") for c in found),
    )


def blueprint_of(spec: ExperimentSpec) -> Blueprint:
    versions: dict[str, str | None] = {name: str(6 + n) for n, name in enumerate(spec.variants)}
    return Blueprint(
        experiment=spec.experiment,
        hypothesis=spec.hypothesis,
        owner=spec.owner,
        model=spec.model,
        control=spec.control_name,
        versions=versions,
        shares=dict.fromkeys(spec.variants, 0.5),
        champion="6",
        first_day=date(2026, 10, 1),
        test_start=date(2026, 10, 18),
        horizon=date(2026, 11, 7),
        spec_sha256=spec.sha256,
    )


def gates() -> tuple[Gate, ...]:
    agreement = Check(
        name="agreement",
        status=Status.WARN,
        sentence="Predictions agree in 71.20 % of requests; below 80 % is worth a look.",
    )
    errors = Check(name="error rate", status=Status.PASS, sentence="At most 0.31 % of shadow calls fail.")
    return (
        Gate(
            gate=GateName.SHADOW,
            status=GateStatus.PASS,
            reason="The shadow log is healthy: 48 211 mirrored requests.",
            data_through=date(2026, 10, 3),
            checks=(errors, agreement),
        ),
        Gate(
            gate=GateName.AA,
            status=GateStatus.PASS,
            reason="No metric differs where everybody gets the same.",
            data_through=date(2026, 10, 17),
        ),
        Gate(
            gate=GateName.SIZING,
            status=GateStatus.INSUFFICIENT,
            reason="The test has 93 % of the units that the decision needs.",
            data_through=date(2026, 10, 17),
            continued="The launch date is fixed; an undecided answer is acceptable.",
        ),
    )


def verdict_of(
    decision: Decision,
    rule: str,
    sentence: str,
    *,
    answer: ArmAnswer,
    arm_rule: str,
    also: tuple[str, ...] = (),
    spec: ExperimentSpec | None = None,
) -> Verdict:
    spec = spec or spec_of()
    return Verdict(
        experiment=spec.experiment,
        decision=decision,
        rule=rule,
        sentence=sentence,
        arms=tuple(
            ArmVerdict(arm=name, answer=answer, rule=arm_rule, sentence=sentence, also=also) for name in spec.treatments
        ),
        winner=spec.treatments[0] if decision is Decision.PROMOTE else None,
        version="7" if decision is Decision.PROMOTE else None,
        continued={"sizing": "The launch date is fixed; an undecided answer is acceptable."},
        spec_sha256=spec.sha256,
        readout="2e" * 32,
    )


def promote() -> Verdict:
    return verdict_of(
        Decision.PROMOTE,
        "E1",
        "treatment is better than control on retained: +1.41 pp (+0.74 pp to +2.08 pp); "
        "every guardrail stays within its margin.",
        answer=ArmAnswer.WINNER,
        arm_rule="A7",
    )


def keep() -> Verdict:
    return verdict_of(
        Decision.KEEP,
        "E2",
        "revenue got worse by more than the 0.2482 allowed: -0.9 (-1.2 to -0.6). control stays.",
        answer=ArmAnswer.REJECTED,
        arm_rule="A2",
        also=("A9", "A10"),
    )


def undecided() -> Verdict:
    return verdict_of(
        Decision.UNDECIDED,
        "E3",
        "The effect of treatment on retained lies between -0.20 pp and +0.90 pp: neither a gain nor a loss "
        "is shown. This is not evidence of no effect. control stays; not decided.",
        answer=ArmAnswer.UNDECIDED,
        arm_rule="A11",
    )


SKEWED = Check(
    name="sample ratio",
    status=Status.FAIL,
    sentence="The sample ratio is off: control 41 380 (expected 39 000), treatment 36 620 (expected 39 000) "
    "(p < 0.0001).",
)


def invalid() -> Verdict:
    return verdict_of(
        Decision.INVALID,
        "V1",
        f"Do not read this result: sample ratio. {SKEWED.sentence} Nothing was promoted.",
        answer=ArmAnswer.WINNER,
        arm_rule="A7",
    )


REGISTRY = ("churn@previous_champion: 5 -> 6", "churn@champion: 6 -> 7")


def evidence_of(
    verdict: Verdict | None,
    *,
    spec: ExperimentSpec | None = None,
    readout: Readout | None = None,
    **changes: Any,
) -> dict[str, Any]:
    spec = spec or spec_of()
    return {
        "spec": spec,
        "gates": gates(),
        "readout": readout,
        "verdict": verdict,
        "blueprint": blueprint_of(spec),
        "registry": REGISTRY,
    } | changes


def page_of(verdict: Verdict | None, **evidence: Any) -> str:
    return render_scorecard(Evidence(**evidence_of(verdict, **evidence)))


def lines_of(verdict: Verdict | None, **evidence: Any) -> list[str]:
    return summary_lines(Evidence(**evidence_of(verdict, **evidence)))
