"""Before the cut-off: looks, harm and arms that were dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.verdict import Decision, Verdict
from abflow.report.tones import OF_ANSWER, OF_DECISION
from tests.report.pages import Page
from tests.report.rich_stories import (
    DROPPED,
    HARM,
    HEALTHY,
    at_a_look,
    bayesian,
    believed,
    look,
    none_yet,
    one_arm_dropped,
    sequential,
    shown_at_a_look,
    stopped,
    three_arms,
)
from tests.report.stories import (
    SKEWED,
    blueprint_of,
    complaints,
    invalid,
    lines_of,
    page_of,
    promote,
    readout_of,
    refunds,
    retained,
    revenue,
    spec_of,
    undecided,
)

SPEC = sequential()
REST = (revenue(), complaints(), refunds())
OPEN_LOOK = look(SPEC, at_a_look(), *REST)
LAST_LOOK = look(SPEC, shown_at_a_look(), *REST, day=14)


def text_of(verdict: Verdict | None, **evidence: Any) -> str:
    return Page(page_of(verdict, **evidence)).text


def banner(text: str) -> str:
    return text[: text.index("What happened in the registry")]


def test_every_decision_and_every_answer_has_a_tone_and_a_title() -> None:
    assert set(OF_DECISION) == set(Decision)
    assert set(OF_ANSWER) == set(ArmAnswer)
    titles = {banner(text_of(replace(promote(), decision=decision))) for decision in Decision}
    assert len(titles) == len(Decision)


def test_a_look_without_an_answer_says_that_all_is_well_and_when_the_result_is_due() -> None:
    top = banner(text_of(none_yet(SPEC), spec=SPEC, readout=OPEN_LOOK, registry=()))
    assert "Verdict: none yet" in top
    assert "No verdict yet: the test goes on" in top
    assert HEALTHY in top
    assert "Rule V3: nothing is wrong, and nothing has been shown yet" in top
    assert "Look on day 10 of 21, not final." in top


def test_a_look_is_labelled_wherever_its_numbers_are() -> None:
    text = text_of(none_yet(SPEC), spec=SPEC, readout=OPEN_LOOK, registry=())
    assert text.count("This interval is that of a single look and decides nothing; the bound of the look does.") == 2
    assert "Last read on day 10, which was not final; the result is due when 2026-11-07 is over." in text
    assert "Data of the look, up to 2026-10-28, midnight UTC" in text
    assert "treatment – goes on V3" in text
    lines = lines_of(none_yet(SPEC), spec=SPEC, readout=OPEN_LOOK, registry=())
    assert "  This interval is that of a single look and decides nothing; the bound of the look does." in lines
    assert lines.index("Look on day 10 of 21, not final:") < next(
        n for n, line in enumerate(lines) if line.startswith("primary retained")
    )


def test_a_look_that_ended_the_test_says_so() -> None:
    verdict = replace(promote(), on=LAST_LOOK.cut_off)
    text = text_of(verdict, spec=SPEC, readout=LAST_LOOK)
    assert "Look on day 14 of 21, which ended the test." in banner(text)
    assert "The look on day 14 ended the test before its horizon." in text
    assert "Verdict fell on 2026-11-01" in text
    assert "2026-10-18 to 2026-11-01" in text
    assert "not final" not in text[: text.index("The words on this page")]


def test_at_the_horizon_nothing_is_called_a_look() -> None:
    text = text_of(promote(), spec=SPEC, readout=readout_of(SPEC, shown_at_a_look(), *REST))
    assert "Look on day" not in text
    assert "The test was read at its horizon, after looks that were planned." in text
    assert "read once, at its horizon" in text_of(promote(), readout=readout_of(spec_of()))


def test_a_test_that_is_read_once_shows_no_number_of_its_primary_before_the_horizon() -> None:
    for verdict in (None, none_yet(spec_of()), stopped()):
        text = text_of(verdict, registry=())
        for absent in ("The metric that decides", "40.12", "41.53", "1.41", "All effects", "By segment", "over time"):
            assert absent not in text
        assert not any("retained" in line for line in lines_of(verdict, registry=()))


def test_before_the_horizon_a_test_without_a_readout_runs() -> None:
    text = text_of(none_yet(spec_of()), registry=())
    assert "The result is due when 2026-11-07 is over." in text
    assert "ended early" not in text


def test_harm_stops_the_test_without_a_readout() -> None:
    text = text_of(stopped(), registry=())
    top = banner(text)
    assert "Verdict: stop" in top
    assert "Stop: harm was found; control stays" in top
    assert f"{HARM} control stays." in top
    assert "was dropped" not in top  # the sentence has said it
    assert "✕ ended early" in text
    assert "The test was stopped for harm before its horizon." in text
    assert "2026-10-18 to 2026-10-22" in text
    assert lines_of(stopped(), registry=())[0].startswith("churn_v3: Stop: harm was found; control stays [V2:")


def test_harm_after_a_look_leaves_that_look_and_calls_it_not_final() -> None:
    text = text_of(stopped(), spec=SPEC, readout=OPEN_LOOK, registry=())
    assert "Look on day 10 of 21, not final." in banner(text)
    assert "The test was stopped for harm before its horizon." in text


@pytest.mark.parametrize("decision", [Decision.NONE_YET, Decision.INVALID])
def test_a_dropped_arm_is_named_at_the_top_and_beside_its_numbers(decision: Decision) -> None:
    spec = three_arms()
    dropped = replace(one_arm_dropped(none_yet(spec)), decision=decision)
    found = [make(arm) for make in (retained, revenue) for arm in spec.treatments]
    page = page_of(dropped, spec=spec, readout=readout_of(spec, *found), blueprint=blueprint_of(spec), registry=())
    text = Page(page).text
    assert f"✕ bold was dropped for harm. {DROPPED}" in banner(text)
    assert "careful was dropped" not in text
    table = text[text.index("Every metric, every arm") :]
    assert table.count("bold, dropped for harm") == 2
    assert "bold – rejected V2" in text
    lines = lines_of(dropped, spec=spec, readout=readout_of(spec, *found), registry=())
    assert f"dropped for harm: bold. {DROPPED}" in lines


def test_a_dropped_arm_is_not_told_twice() -> None:
    spec = three_arms()
    verdict = replace(
        one_arm_dropped(none_yet(spec)), decision=Decision.UNDECIDED, sentence=f"{DROPPED} control stays."
    )
    assert "was dropped for harm" not in banner(text_of(verdict, spec=spec, registry=()))


def test_a_posterior_is_explained_where_it_decides() -> None:
    spec = bayesian()
    text = text_of(promote(), spec=spec, readout=readout_of(spec, believed(), *REST))
    words = text[text.index("The words on this page") :]
    assert "probability better" in words
    assert "expected loss" in words
    assert "Probability > 0.9999 of being better; 0.9853 needed" in text
    assert "probability better" not in text_of(promote(), readout=readout_of(spec_of()))


def test_a_look_whose_checks_failed_is_invalid() -> None:
    broken = replace(OPEN_LOOK, checks=(*OPEN_LOOK.checks, SKEWED))
    text = text_of(invalid(), spec=SPEC, readout=broken, registry=())
    assert "The metric that decides" not in text
    assert "The test was read, but its numbers may not be used." in text


def test_an_undecided_test_is_over_at_its_horizon() -> None:
    text = text_of(undecided(), readout=readout_of(spec_of()), registry=())
    assert "2026-10-18 to 2026-11-07" in text
    assert "ended early" not in text
