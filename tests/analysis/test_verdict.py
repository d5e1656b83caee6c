"""The rule table, one row after the other, from readouts written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.gates import Check, Status
from abflow.analysis.harm import Harm
from abflow.analysis.readout import ArmSummary, Comparison, Deciding, Margin, Precision, Readout, Word
from abflow.analysis.verdict import ArmVerdict, Decision, Verdict, decide, ends_test
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, spec_of

WAITED: dict[str, Any] = SPENT | {"direction": "decrease", "mde": {"absolute": -2.0}}
VISITS: dict[str, Any] = {"role": "guardrail", "kind": "count", "event": "visit", "margin": {"relative": -0.02}}
GUARDED = {"bought": BOUGHT, "errors": ERRORS}
FAILED = Check(name="sample ratio", status=Status.FAIL, sentence="The sample ratio is off (p < 0.0001).")
GONE = Unavailable(reason=UnavailableReason.NO_SUCH_EVENT, detail="no event of type 'purchase' occurs")


def summary(variant: str, mean: float, *, units: int = 1000, sd: float = 0.3) -> ArmSummary:
    return ArmSummary(variant=variant, units=units, mean=mean, sd=sd, non_zero=500, immature=0)


def estimate(value: float, lower: float, upper: float, p: float) -> Estimate:
    return Estimate(value=value, se=0.01, lower=lower, upper=upper, p_value=p, confidence=0.95, method="by hand")


def deciding(value: float, lower: float, upper: float) -> Deciding:
    return Deciding(value=value, lower=lower, upper=upper, confidence=0.975, method="by hand")


def primary(word: Word | None = Word.UNCLEAR, **changes: Any) -> Comparison:
    """+1 point (-0.5 to +2.5), powered, an mde of 2 points."""
    found = Comparison(
        metric="bought",
        role=Role.PRIMARY,
        arm="new",
        contamination="exclude",
        control=summary("old", 0.10),
        treatment=summary("new", 0.11),
        effect=estimate(0.01, -0.005, 0.025, 0.2),
        relative=GONE,
        adjusted_p=0.2,
        word=word,
        mde=0.02,
        precision=Precision(powered=True, percent_of_plan=100, more_units_per_arm=0),
    )
    return replace(found, **changes)


def better(**changes: Any) -> Comparison:
    """+3 points (+1 to +5), p 0.003."""
    return primary(Word.BETTER, **({"effect": estimate(0.03, 0.01, 0.05, 0.003), "adjusted_p": 0.003} | changes))


def worse(**changes: Any) -> Comparison:
    """-3 points (-5 to -1), p 0.003."""
    return primary(Word.WORSE, **({"effect": estimate(-0.03, -0.05, -0.01, 0.003), "adjusted_p": 0.003} | changes))


def margin(lower: float, upper: float, *, allowed: float = 0.005, se: float = 0.004) -> Margin:
    """Bounds of the effect; the bounds of the slack lie one margin above."""
    return Margin(
        margin=allowed,
        lower=lower + allowed,
        upper=upper + allowed,
        effect_lower=lower,
        effect_upper=upper,
        se=se,
        p_value=0.5,
        confidence=0.95,
        method="by hand",
    )


def errors(word: Word | None, **changes: Any) -> Comparison:
    """A guardrail of which less is better: bounds and margin count plus as good."""
    bounds: dict[Word | None, Margin | Unavailable] = {
        Word.SAFE: margin(-0.002, 0.004),
        Word.HARMED: margin(-0.03, -0.01),
        Word.UNCLEAR: margin(-0.008, 0.004),
        None: GONE,
    }
    found = Comparison(
        metric="errors",
        role=Role.GUARDRAIL,
        arm="new",
        contamination="exclude",
        control=summary("old", 0.01),
        treatment=summary("new", 0.03),
        effect=estimate(0.02, 0.01, 0.03, 0.01),
        relative=GONE,
        word=word,
        margin=bounds[word],
    )
    return replace(found, **changes)


def readout_of(
    spec: ExperimentSpec, comparisons: tuple[Comparison, ...], *, beside: tuple[Comparison, ...], **changes: Any
) -> Readout:
    found = Readout(
        experiment=spec.experiment,
        spec_sha256=spec.sha256,
        inputs="1f",
        cut_off=date(2026, 10, 22),
        units={"old": 1000, "new": 1000},
        too_late=0,
        crossed=3,
        contamination="exclude",
        checks=(),
        comparisons=comparisons,
        beside=beside,
    )
    return replace(found, **changes)


def judged(
    spec: ExperimentSpec,
    *comparisons: Comparison,
    beside: dict[str, Word] | None = None,
    checks: tuple[Check, ...] = (),
    champion_moved: Check | None = None,
    daily: tuple[Check, ...] = (),
) -> Verdict:
    """The verdict; `beside` gives an arm's primary another word under the other contamination policy."""
    others = tuple(
        replace(c, contamination="keep_first", word=(beside or {}).get(c.arm, c.word))
        if c.role is Role.PRIMARY
        else replace(c, contamination="keep_first")
        for c in comparisons
    )
    return decide(
        spec,
        readout_of(spec, comparisons, beside=others, checks=checks),
        readout_sha256="2e",
        versions={"old": "6", "new": "7", "newer": "8"},
        champion_moved=champion_moved,
        daily=daily,
        continued={"sizing": "the launch date is fixed"},
    )


def only_arm(verdict: Verdict) -> ArmVerdict:
    (arm,) = verdict.arms
    return arm


def harmless(**analysis: Any) -> ExperimentSpec:
    bought = BOUGHT | {"margin": {"absolute": -0.01}}
    return spec_of({"bought": bought, "errors": ERRORS}, analysis={"preset": "do_no_harm"} | analysis)


# V1


@pytest.mark.parametrize("where", ["checks", "daily", "champion_moved"])
def test_v1_a_failed_check_forbids_reading_even_a_clear_win(where: str) -> None:
    found: dict[str, Any] = {where: FAILED if where == "champion_moved" else (FAILED,)}
    verdict = judged(spec_of(), better(), **found)
    assert (verdict.decision, verdict.rule, verdict.winner, verdict.version) == (Decision.INVALID, "V1", None, None)
    assert verdict.sentence == (
        "Do not read this result: sample ratio. The sample ratio is off (p < 0.0001). Nothing was promoted."
    )


@pytest.mark.parametrize("status", [Status.WARN, Status.PASS, Status.NOT_CHECKED, Status.INSUFFICIENT])
def test_only_a_failed_check_makes_a_result_invalid(status: Status) -> None:
    check = replace(FAILED, status=status)
    assert judged(spec_of(), better(), checks=(check,), champion_moved=check).decision is Decision.PROMOTE


# A1


def test_a1_a_primary_without_a_number_is_undecided_and_says_why() -> None:
    verdict = judged(spec_of(), primary(effect=GONE, word=None, adjusted_p=None))
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer, arm.also) == ("A1", ArmAnswer.UNDECIDED, ())
    assert arm.sentence == "bought could not be computed: no event of type 'purchase' occurs."
    assert (verdict.rule, verdict.decision) == ("E3", Decision.UNDECIDED)


def test_a1_comes_before_a_harmed_guardrail() -> None:
    verdict = judged(spec_of(GUARDED), primary(effect=GONE, word=None, adjusted_p=None), errors(Word.HARMED))
    assert (only_arm(verdict).rule, only_arm(verdict).also) == ("A1", ("A2",))


# A2, A3


def test_a2_a_harmed_guardrail_rejects_a_better_arm() -> None:
    verdict = judged(spec_of(GUARDED), better(), errors(Word.HARMED))
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer) == ("A2", ArmAnswer.REJECTED)
    # Less is better: +2 points of errors, and the bounds turned back to how they are logged.
    assert arm.sentence == ("errors got worse by more than the 0.50 pp allowed: +2.00 pp (+1.00 pp to +3.00 pp).")
    assert (verdict.decision, verdict.rule) == (Decision.KEEP, "E2")
    assert verdict.sentence.endswith("old stays.")


def test_a2_says_no_effect_of_zero_where_there_are_bounds_and_no_effect() -> None:
    got = only_arm(judged(spec_of(GUARDED), better(), errors(Word.HARMED, effect=GONE)))
    assert got.rule == "A2"
    assert got.sentence == "errors got worse by more than the 0.50 pp allowed: +1.00 pp to +3.00 pp."


def test_a9_speaks_of_open_guardrails_not_of_harmed_ones() -> None:
    spec = spec_of({"bought": BOUGHT, "errors": ERRORS, "visits": VISITS})
    visits = errors(Word.SAFE, metric="visits")
    assert only_arm(judged(spec, better(), errors(Word.HARMED), visits)).also == ()
    visits = errors(Word.UNCLEAR, metric="visits")
    assert only_arm(judged(spec, better(), errors(Word.HARMED), visits)).also == ("A9",)


def test_a2_comes_before_a3_and_names_it_beside() -> None:
    arm = only_arm(judged(spec_of(GUARDED), worse(mde_excluded=True), errors(Word.HARMED)))
    assert (arm.rule, arm.also) == ("A2", ("A3", "A10"))


def test_a3_a_worse_primary_is_rejected_with_its_interval() -> None:
    arm = only_arm(judged(spec_of(), worse()))
    assert (arm.rule, arm.answer) == ("A3", ArmAnswer.REJECTED)
    assert arm.sentence == "new is worse than old on bought: -3.00 pp (-5.00 pp to -1.00 pp)."


def test_a3_holds_whichever_policy_says_so() -> None:
    arm = only_arm(judged(spec_of(), worse(), beside={"new": Word.UNCLEAR}))
    assert (arm.rule, arm.also) == ("A3", ("A4",))


def test_a3_comes_before_a_sensitive_answer_for_do_no_harm_too() -> None:
    arm = only_arm(judged(harmless(), worse(fragile=True, margin=margin(-0.05, -0.02)), errors(Word.SAFE)))
    assert (arm.rule, arm.also) == ("A3", ("A4",))


def test_the_stricter_interval_is_shown_where_there_is_one() -> None:
    arm = only_arm(judged(spec_of(), worse(deciding=deciding(-0.03, -0.06, -0.002))))
    assert "-3.00 pp (-6.00 pp to -0.20 pp)" in arm.sentence


# A4


def test_a4_an_answer_that_hangs_on_one_unit_is_undecided() -> None:
    arm = only_arm(judged(spec_of(), better(fragile=True)))
    assert (arm.rule, arm.answer, arm.also) == ("A4", ArmAnswer.UNDECIDED, ("A7",))
    assert arm.sentence == "The answer for new hangs on one unit; see the comparison of bought."


def test_a4_an_answer_that_hangs_on_crossed_units_is_undecided() -> None:
    arm = only_arm(judged(spec_of(), better(), beside={"new": Word.UNCLEAR}))
    assert (arm.rule, arm.also) == ("A4", ("A7",))
    assert "how crossed units are treated" in arm.sentence


# A5


@pytest.mark.parametrize(("p", "rule"), [(0.003, "A5"), (0.001, "A5"), (0.0009, "A7")])
def test_a5_a_small_test_needs_a_stronger_signal(p: float, rule: str) -> None:
    small = Precision(powered=False, percent_of_plan=40, more_units_per_arm=1500)
    arm = only_arm(judged(spec_of(), better(adjusted_p=p, precision=small)))
    assert arm.rule == rule


def test_a5_says_how_far_the_test_came() -> None:
    small = Precision(powered=False, percent_of_plan=40, more_units_per_arm=1500)
    verdict = judged(spec_of(), better(precision=small))
    assert only_arm(verdict).sentence == (
        "The data lean towards new (p 0.0030), but precision is 40 % of the plan, and wins in small tests are "
        "often false or exaggerated. About 1 500 more units per arm would reach it."
    )
    assert (verdict.decision, verdict.rule, verdict.winner) == (Decision.UNDECIDED, "E3", None)
    assert verdict.sentence.endswith("old stays; not decided.")


def test_a5_an_mde_relative_to_a_control_of_zero_plans_nothing() -> None:
    arm = only_arm(judged(spec_of(), better(mde=0.0, precision=None)))
    assert arm.rule == "A5"
    assert "relative to a control of 0" in arm.sentence


def test_a5_an_error_of_nothing_is_no_precision() -> None:
    arm = only_arm(judged(spec_of(), better(mde=0.02, precision=None)))
    assert arm.rule == "A5"
    assert arm.sentence.endswith("nothing varied within either arm, so nobody knows how precise the test was.")


def test_a5_is_no_rule_of_do_no_harm() -> None:
    small = Precision(powered=False, percent_of_plan=40, more_units_per_arm=1500)
    arm = only_arm(judged(harmless(), better(precision=small, margin=margin(0.0, 0.05)), errors(Word.SAFE)))
    assert (arm.rule, arm.also) == ("A7", ("A8",))


# A6


@pytest.mark.parametrize(
    ("upper", "answer", "words"),
    [
        (0.05, ArmAnswer.UNDECIDED, "but perhaps below the 4.00 pp"),
        (0.039, ArmAnswer.REJECTED, "but below the 4.00 pp"),
    ],
)
def test_a6_a_gain_too_small_to_matter(upper: float, answer: ArmAnswer, words: str) -> None:
    arm = only_arm(judged(spec_of(), better(effect=estimate(0.03, 0.02, upper, 0.003), practical=0.04)))
    assert (arm.rule, arm.answer, arm.also) == ("A6", answer, ("A7",))
    assert words in arm.sentence


def test_a6_reads_the_strict_interval() -> None:
    found = better(effect=estimate(0.03, 0.02, 0.039, 0.003), deciding=deciding(0.03, 0.01, 0.045), practical=0.04)
    assert only_arm(judged(spec_of(), found)).answer is ArmAnswer.UNDECIDED


def test_a6_is_silent_where_the_gain_matters() -> None:
    assert only_arm(judged(spec_of(), better(practical=0.03))).rule == "A7"


# A7


def test_a7_a_shown_gain_wins_and_is_promoted_by_version() -> None:
    verdict = judged(spec_of(GUARDED), better(), errors(Word.SAFE))
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer, arm.also) == ("A7", ArmAnswer.WINNER, ())
    assert arm.sentence == (
        "new is better than old on bought: +3.00 pp (+1.00 pp to +5.00 pp); every guardrail stays within its margin."
    )
    assert (verdict.decision, verdict.rule, verdict.winner, verdict.version) == (Decision.PROMOTE, "E1", "new", "7")
    assert verdict.continued == {"sizing": "the launch date is fixed"}
    assert verdict.readout == "2e"


def test_a7_without_guardrails_claims_none() -> None:
    assert only_arm(judged(spec_of(), better())).sentence.endswith("; there are no guardrails.")


def test_a7_a_win_below_the_mde_is_still_a_win() -> None:
    arm = only_arm(judged(spec_of(), better(effect=estimate(0.012, 0.004, 0.02, 0.003))))
    assert arm.rule == "A7"
    assert arm.sentence.endswith("It is smaller than the 2.00 pp planned for.")


def test_a7_lets_an_unclear_guardrail_pass_where_the_plan_says_so() -> None:
    spec = spec_of({"bought": BOUGHT, "errors": ERRORS | {"unclear": "warn"}})
    arm = only_arm(judged(spec, better(), errors(Word.UNCLEAR)))
    assert (arm.rule, arm.also) == ("A7", ())
    assert "errors stayed unclear, which the plan allows with a warning" in arm.sentence
    assert only_arm(judged(spec, better(), errors(None))).rule == "A9"  # unavailable is not unclear


# A8


def test_a8_a_loss_within_the_margin_wins_under_do_no_harm() -> None:
    verdict = judged(harmless(), primary(margin=margin(-0.004, 0.02, allowed=0.01)), errors(Word.SAFE))
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer, arm.also) == ("A8", ArmAnswer.WINNER, ())
    assert arm.sentence == (
        "new is not worse than old on bought by more than 1.00 pp (at worst -0.40 pp); "
        "every guardrail stays within its margin."
    )
    assert verdict.decision is Decision.PROMOTE


def test_a8_needs_more_than_an_insignificant_difference() -> None:
    arm = only_arm(judged(harmless(), primary(margin=margin(-0.011, 0.02, allowed=0.01)), errors(Word.SAFE)))
    assert (arm.rule, arm.answer) == ("A11", ArmAnswer.UNDECIDED)


def test_a8_is_no_rule_of_clear_signals() -> None:
    assert only_arm(judged(spec_of(), primary(margin=margin(-0.004, 0.02, allowed=0.01)))).rule == "A11"


def test_a8_names_a_guardrail_that_stayed_unclear() -> None:
    spec = spec_of(
        {"bought": BOUGHT | {"margin": {"absolute": -0.01}}, "errors": ERRORS | {"unclear": "warn"}},
        analysis={"preset": "do_no_harm"},
    )
    arm = only_arm(judged(spec, primary(margin=margin(-0.004, 0.02, allowed=0.01)), errors(Word.UNCLEAR)))
    assert arm.rule == "A8"
    assert arm.sentence.endswith("errors stayed unclear, which the plan allows with a warning.")


# A9


def test_a9_a_gain_waits_for_a_guardrail_and_says_how_long() -> None:
    verdict = judged(spec_of(GUARDED), better(), errors(Word.UNCLEAR))
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer, arm.also) == ("A9", ArmAnswer.UNDECIDED, ())
    # 1 000 · ((1.644854 + 0.841621) · 0.004 / 0.005)² = 3 956.8
    assert arm.sentence == (
        "new holds up on bought, but errors could still be worse than the 0.50 pp allowed (bound +0.80 pp). "
        "About 3 957 units per arm would settle it."
    )


def test_a9_names_a_guardrail_that_cannot_be_computed() -> None:
    arm = only_arm(judged(spec_of(GUARDED), better(), errors(None)))
    assert arm.rule == "A9"
    assert arm.sentence.endswith("errors could not be computed: no event of type 'purchase' occurs.")


def test_a9_a_margin_of_nothing_is_never_settled() -> None:
    nothing = errors(Word.UNCLEAR, margin=margin(-0.002, 0.004, allowed=0.0))
    arm = only_arm(judged(spec_of(GUARDED), better(), nothing))
    assert arm.rule == "A9"
    assert "no number of units would settle it" in arm.sentence


def test_a9_an_error_of_nothing_promises_no_number_of_units() -> None:
    # Not one failed call in either arm, and too few units to rule half a point out.
    unfailing = errors(Word.UNCLEAR, margin=margin(-0.013, 0.013, se=0.0))
    arm = only_arm(judged(spec_of(GUARDED), better(), unfailing))
    assert arm.rule == "A9"
    assert arm.sentence.endswith("Nothing varied within either arm, so nobody knows how many units would settle it.")


def test_a9_holds_for_a_loss_ruled_out_under_do_no_harm() -> None:
    found = primary(margin=margin(-0.004, 0.02, allowed=0.01))
    assert only_arm(judged(harmless(), found, errors(Word.UNCLEAR))).rule == "A9"


def test_a9_does_not_hold_for_a_primary_that_shows_nothing() -> None:
    assert only_arm(judged(spec_of(GUARDED), primary(), errors(Word.UNCLEAR))).rule == "A11"


# A10, A11


def test_a10_a_ruled_out_gain_rejects() -> None:
    verdict = judged(spec_of(), primary(mde_excluded=True, effect=estimate(0.001, -0.01, 0.012, 0.8)))
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer) == ("A10", ArmAnswer.REJECTED)
    assert arm.sentence == (
        "A gain of 2.00 pp on bought is ruled out for new (at most +1.20 pp). Smaller effects are possible."
    )
    assert (verdict.decision, verdict.rule) == (Decision.KEEP, "E2")


def test_a10_is_off_under_do_no_harm() -> None:
    found = primary(mde_excluded=True, margin=margin(-0.02, 0.01, allowed=0.01))
    assert only_arm(judged(harmless(), found, errors(Word.SAFE))).rule == "A11"


def test_a9_comes_before_a10() -> None:
    arm = only_arm(judged(spec_of(GUARDED), better(mde_excluded=True), errors(Word.UNCLEAR)))
    assert (arm.rule, arm.also) == ("A9", ("A10",))


def test_a7_comes_before_a10() -> None:
    arm = only_arm(judged(spec_of(), better(mde_excluded=True)))
    assert (arm.rule, arm.also) == ("A7", ("A10",))


def test_a11_nothing_shown_is_said_without_claiming_no_effect() -> None:
    verdict = judged(spec_of(), primary())
    arm = only_arm(verdict)
    assert (arm.rule, arm.answer, arm.also) == ("A11", ArmAnswer.UNDECIDED, ())
    assert arm.sentence == (
        "The effect of new on bought lies between -0.50 pp and +2.50 pp: neither a gain nor a loss is shown. "
        "This is not evidence of no effect."
    )
    assert verdict.rule == "E3"


# Less is better


def waited(word: Word, value: float, lower: float, upper: float, **changes: Any) -> Comparison:
    found = estimate(value, lower, upper, 0.003)
    return primary(word, metric="waited", effect=found, adjusted_p=0.003, mde=2.0, **changes)


def test_where_less_is_better_a_smaller_value_wins_and_small_wins_are_named() -> None:
    spec = spec_of({"waited": WAITED})
    arm = only_arm(judged(spec, waited(Word.BETTER, -1.5, -2.5, -0.5)))
    assert arm.rule == "A7"
    assert "-1.5 (-2.5 to -0.5)" in arm.sentence
    assert arm.sentence.endswith("It is smaller than the 2 planned for.")


@pytest.mark.parametrize(("lower", "answer"), [(-2.9, ArmAnswer.REJECTED), (-3.1, ArmAnswer.UNDECIDED)])
def test_where_less_is_better_practical_reads_the_lower_end(lower: float, answer: ArmAnswer) -> None:
    arm = only_arm(judged(spec_of({"waited": WAITED}), waited(Word.BETTER, -1.5, lower, -0.5, practical=3.0)))
    assert (arm.rule, arm.answer) == ("A6", answer)


def test_where_less_is_better_the_largest_possible_gain_is_negative() -> None:
    arm = only_arm(judged(spec_of({"waited": WAITED}), waited(Word.UNCLEAR, 0.1, -1.2, 1.4, mde_excluded=True)))
    assert arm.rule == "A10"
    assert "A gain of 2 on waited is ruled out for new (at most -1.2)." in arm.sentence


def test_where_less_is_better_the_worst_case_of_do_no_harm_is_positive() -> None:
    spec = spec_of({"waited": WAITED | {"margin": {"absolute": 1.0}}}, analysis={"preset": "do_no_harm"})
    arm = only_arm(judged(spec, waited(Word.UNCLEAR, 0.1, -0.5, 0.7, margin=margin(-0.6, 0.4, allowed=1.0))))
    assert arm.rule == "A8"
    assert "by more than 1 (at worst +0.6)" in arm.sentence


# Several arms


def test_e1_promotes_the_largest_of_two_wins_and_admits_what_is_not_shown() -> None:
    # 110 and 115 of 1 000: nobody can tell them apart.
    new = better(treatment=summary("new", 0.110))
    newer = better(arm="newer", effect=estimate(0.035, 0.01, 0.06, 0.003), treatment=summary("newer", 0.115))
    verdict = judged(spec_of(arms=2), new, newer)
    assert (verdict.decision, verdict.rule, verdict.winner, verdict.version) == (Decision.PROMOTE, "E1", "newer", "8")
    assert verdict.sentence.endswith("It is not shown to be better than new; its estimate is larger.")
    assert [arm.rule for arm in verdict.arms] == ["A7", "A7"]


def test_e1_does_not_doubt_a_winner_that_beats_the_other() -> None:
    # 13 % against 25 % of 1 000 each: z = 6.8.
    new = better(treatment=summary("new", 0.13))
    newer = better(arm="newer", effect=estimate(0.15, 0.1, 0.2, 1e-9), treatment=summary("newer", 0.25))
    verdict = judged(spec_of(arms=2), new, newer)
    assert verdict.winner == "newer"
    assert "not shown" not in verdict.sentence


def test_e1_where_less_is_better_promotes_the_lowest() -> None:
    high = waited(Word.BETTER, -1.5, -2.5, -0.5, treatment=summary("new", 8.5))
    low = waited(Word.BETTER, -2.5, -3.5, -1.5, arm="newer", treatment=summary("newer", 7.5))
    verdict = judged(spec_of({"waited": WAITED}, arms=2), high, low)
    assert verdict.winner == "newer"
    assert "not shown" not in verdict.sentence  # 1 apart with a standard error of 0.013


def test_e1_one_winner_is_enough_whatever_the_other_arm_does() -> None:
    verdict = judged(spec_of(arms=2), worse(), better(arm="newer"))
    assert (verdict.decision, verdict.winner) == (Decision.PROMOTE, "newer")
    assert "new is worse than old" in verdict.sentence
    assert "newer is better than old" in verdict.sentence


def test_e2_needs_every_arm_rejected() -> None:
    verdict = judged(spec_of(arms=2), worse(), primary(arm="newer", mde_excluded=True))
    assert ([arm.rule for arm in verdict.arms], verdict.rule) == (["A3", "A10"], "E2")
    verdict = judged(spec_of(arms=2), worse(), primary(arm="newer"))
    assert ([arm.rule for arm in verdict.arms], verdict.rule) == (["A3", "A11"], "E3")


def test_each_arm_is_held_to_its_own_guardrails() -> None:
    found = (better(), better(arm="newer"), errors(Word.HARMED), errors(Word.SAFE, arm="newer"))
    verdict = judged(spec_of(GUARDED, arms=2), *found)
    assert [arm.rule for arm in verdict.arms] == ["A2", "A7"]
    assert verdict.winner == "newer"


# Does a look end the test?


def ends(spec: ExperimentSpec, *found: Comparison, final: bool = False, dropped: dict[str, Harm] | None = None) -> bool:
    beside = tuple(replace(comparison, contamination="keep_first") for comparison in found)
    readout = readout_of(spec, found, beside=beside, checks=(FAILED,), day=9, final=final)
    return ends_test(spec, readout, dropped=dropped)


def test_the_cut_off_ends_the_test_and_an_earlier_look_when_it_settles_every_arm() -> None:
    assert ends(spec_of(), primary(), final=True)
    assert not ends(spec_of(), primary())
    assert not ends(spec_of(GUARDED), better(), errors(Word.UNCLEAR))
    assert ends(spec_of(GUARDED), better(), errors(Word.SAFE))
    assert ends(spec_of(), worse())
    assert not ends(spec_of(arms=2), worse(), primary(arm="newer"))
    assert ends(spec_of(arms=2), worse(), better(arm="newer"))


def test_an_arm_that_was_dropped_for_harm_is_settled() -> None:
    harm = Harm(arm="newer", metric="errors", day=3, limit="old", beyond=0.01, sentence="Stopped on day 3 for harm.")
    assert ends(spec_of(arms=2), worse(), primary(arm="newer"), dropped={"newer": harm})
