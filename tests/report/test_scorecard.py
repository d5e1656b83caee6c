from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from abflow.analysis import wording
from abflow.analysis.arm_rules import ARM_RULES
from abflow.analysis.gates import GateStatus, skipped
from abflow.analysis.population import Contamination
from abflow.analysis.readout import Comparison, Margin, Word
from abflow.analysis.verdict import Verdict
from abflow.report.headline import RULE_IN_WORDS
from abflow.report.results import POLICY_IN_WORDS
from abflow.spec.calendar import GateName
from abflow.stats.result import Estimate, Unavailable
from tests.report.pages import Page, outside_addresses
from tests.report.stories import (
    NO_EVENT,
    SKEWED,
    blueprint_of,
    complaints,
    estimate,
    gates,
    invalid,
    keep,
    page_of,
    promote,
    readout_of,
    refunds,
    retained,
    revenue,
    spec_of,
    undecided,
)

SPEC = spec_of()
READOUT = readout_of(SPEC)
HOSTILE = '<script>alert("x")</script>&'
STORIES = {
    "promote": page_of(promote(), readout=READOUT),
    "keep": page_of(keep(), readout=READOUT, registry=()),
    "undecided": page_of(undecided(), readout=READOUT, registry=()),
    "invalid": page_of(invalid(), readout=readout_of(SPEC, checks=(SKEWED,)), registry=()),
    "invalid before the horizon": page_of(invalid(), registry=()),
    "not yet": page_of(None, registry=()),
    "nothing yet": page_of(None, gates=(), blueprint=None, registry=()),
}


@pytest.mark.parametrize("page", STORIES.values(), ids=STORIES)
def test_every_page_is_well_formed(page: str) -> None:
    read = Page(page)
    assert (read.unbalanced, read.open) == ([], [])
    assert len(read.ids) == len(set(read.ids))
    labels = {value for _, name, value in read.attributes if name == "aria-labelledby"}
    assert labels <= set(read.ids)
    assert all(("th", "scope", scope) in read.attributes for scope in ("col", "row")) or "table" not in read.tags
    assert [tag for tag, name, _ in read.attributes if tag == "th" and name == "scope"] == ["th"] * read.tags.count(
        "th"
    )


@pytest.mark.parametrize("page", STORIES.values(), ids=STORIES)
def test_no_page_fetches_or_runs_anything(page: str) -> None:
    read = Page(page)
    assert outside_addresses(page) == []
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]


def test_the_search_for_addresses_finds_them() -> None:
    page = '<img src="//cdn/x.png"><style>a{background:url(//b)}</style><p data-x="https://c/d">'
    assert outside_addresses(page) == ["//cdn/x.png", "//b", "https://c/d"]


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        (promote(), "Promote treatment (version 7)"),
        (keep(), "Keep control"),
        (undecided(), "Undecided: control stays"),
    ],
)
def test_banner_says_decision_rule_and_sentence(verdict: Verdict, title: str) -> None:
    text = Page(page_of(verdict, readout=READOUT)).text
    banner = text[: text.index("What happened in the registry")]
    assert f"Verdict: {verdict.decision.value}" in banner
    assert title in banner
    assert f"Rule {verdict.rule}: {RULE_IN_WORDS[verdict.rule]}" in banner
    assert verdict.sentence in banner


def test_every_rule_of_the_table_is_explained() -> None:
    codes = {rule.code for rule in ARM_RULES} | {"V1", "V2", "V3", "E1", "E2", "E3"}
    assert set(RULE_IN_WORDS) == codes
    assert set(POLICY_IN_WORDS) == set(get_args(Contamination))


def test_page_follows_the_order_a_manager_reads_in() -> None:
    text = Page(STORIES["promote"]).text
    headings = [
        "Verdict: promote",
        "What happened in the registry",
        "The metric that decides",
        "All effects at a glance",
        "Every metric, every arm",
        "under the other policy",
        "The way here",
        "Who was in the test",
        "May the numbers be read?",
        "What the rule table says",
        "Where this comes from",
        "The words on this page",
    ]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)


def test_registry_lines_are_on_the_page() -> None:
    assert "churn@champion: 6 -> 7" in Page(STORIES["promote"]).text
    assert "No change is recorded." in Page(STORIES["keep"]).text


@pytest.mark.parametrize("comparison", READOUT.comparisons, ids=lambda c: c.metric)
def test_every_number_of_a_comparison_appears(comparison: Comparison) -> None:
    text = Page(STORIES["promote"]).text
    metric = SPEC.metrics[comparison.metric]
    wanted = [comparison.metric, comparison.role.value]
    wanted += [wording.count(arm.units) for arm in (comparison.control, comparison.treatment)]
    match comparison.effect:
        case Unavailable(detail=detail):
            wanted.append(detail)
        case Estimate() as effect:
            wanted += [wording.level(metric, comparison.control.mean)]
            wanted += [wording.level(metric, comparison.treatment.mean)]
            wanted += [wording.effect(metric, effect.value), effect.method]
            wanted.append(wording.interval(metric, effect.lower, effect.upper))
    if isinstance(comparison.relative, Estimate):
        wanted += [f"{100 * v:+.2f} %" for v in (comparison.relative.value, comparison.relative.lower)]
    if isinstance(comparison.margin, Margin):
        wanted += [
            wording.size(metric, comparison.margin.margin),
            wording.effect(metric, metric.sign * comparison.margin.effect_lower),
            wording.p_value(comparison.margin.p_value),
            comparison.margin.method,
        ]
    if comparison.adjusted_p is not None:
        wanted.append(wording.p_value(comparison.adjusted_p))
    if comparison.word:
        wanted.append(comparison.word.value)
    if comparison.cap is not None:
        wanted.append(wording.number(comparison.cap))
    wanted += comparison.notes
    table = text[text.index("Every metric, every arm") : text.index("under the other policy")]
    assert [number for number in wanted if number not in table] == []


def test_an_unavailable_metric_shows_no_mean() -> None:
    text = Page(page_of(promote(), readout=readout_of(SPEC, retained(), refunds()))).text
    table = text[text.index("Every metric, every arm") : text.index("under the other policy")]
    row = table[table.index("refunds") :]
    assert NO_EVENT.detail in row
    assert " 0.00 %" not in row


def test_primary_line_shows_precision_and_effect_size() -> None:
    text = Page(STORIES["promote"]).text
    assert "104 % of the information planned" in text
    assert "Cohen's h +0.029: negligible" in text


def test_other_policy_stands_beside_and_a_different_word_is_named() -> None:
    other = replace(READOUT.beside[0], word=Word.UNCLEAR, effect=estimate(0.0042, 0.0066))
    changed = replace(READOUT, beside=(other, *READOUT.beside[1:]))
    sections = [
        text[text.index("under the other policy") : text.index("The way here")]
        for text in (
            Page(page_of(undecided(), readout=READOUT)).text,
            Page(page_of(undecided(), readout=changed)).text,
        )
    ]
    assert "✓ yes" in sections[0]
    assert "✕ no" in sections[1]
    assert "+0.42 pp" in sections[1]


def test_not_due_yet_shows_gates_and_no_primary_numbers() -> None:
    text = Page(STORIES["not yet"]).text
    assert "Not due yet" in text
    assert "due when 2026-11-07 is over" in text
    assert "No metric differs where everybody gets the same." in text
    for absent in ("The metric that decides", "40.12", "41.53", "All effects", "Who was in the test"):
        assert absent not in text


def test_the_plan_gives_the_date_before_a_blueprint_exists() -> None:
    text = Page(STORIES["nothing yet"]).text
    assert "due when 2026-11-07 is over" in text  # 3 + 14 + 21 days from 1 October
    assert text.count("not reached") == len(GateName)


def test_a_shut_gate_is_the_headline() -> None:
    shut = replace(gates()[1], status=GateStatus.FAIL, reason="retained differs although both got the same.")
    text = Page(page_of(None, gates=(gates()[0], shut), registry=())).text
    assert "Held at the A/A gate: fail" in text
    assert "retained differs although both got the same." in text
    assert "not begun" in text


def test_a_gate_passed_later_is_no_longer_held() -> None:
    shut = replace(gates()[1], status=GateStatus.FAIL, reason="retained differs.")
    text = Page(page_of(None, gates=(gates()[0], shut, *gates()[1:]))).text
    assert "Held at" not in text


def test_invalid_numbers_are_folded_away_and_not_offered_as_a_result() -> None:
    page = STORIES["invalid"]
    text = Page(page).text
    assert "Invalid: do not read this result" in text
    assert "The metric that decides" not in text
    unread = page[page.index('id="unread"') : page.index('id="way"')]
    assert unread.index("<details>") < unread.index("+1.41") < unread.index("</details>")
    assert SKEWED.sentence in text[text.index("May the numbers be read?") :]


def test_a_failed_check_hides_numbers_even_before_the_verdict() -> None:
    text = Page(page_of(None, readout=readout_of(SPEC, checks=(SKEWED,)))).text
    assert "The metric that decides" not in text
    assert "Numbers that may not be read" in text


def test_reasons_for_going_on_stand_in_the_banner_and_at_their_gate() -> None:
    reason = "no shadow traffic for this policy"
    way = (skipped(GateName.SHADOW, reason, data_through=gates()[0].data_through), *gates()[1:])
    text = Page(page_of(promote(), readout=READOUT, gates=way)).text
    banner = text[: text.index("What happened in the registry")]
    assert f"shadow gate skipped, not passed: {reason}" in banner
    assert "sizing gate continued, not passed: The launch date is fixed" in banner
    way_here = text[text.index("The way here") :]
    assert "Skipped; this is not a pass." in way_here
    assert "Continued without a pass: The launch date is fixed" in way_here


def test_warnings_are_visible_without_opening_anything() -> None:
    page = STORIES["promote"]
    assert "Warning, agreement:" in Page(page[: page.index("all 2 checks")]).text


def test_sample_ratio_shows_units_against_plan() -> None:
    text = Page(STORIES["promote"]).text
    split = text[text.index("Who was in the test") : text.index("May the numbers be read?")]
    assert "82 606 units enrolled; 21 of them crossed" in split
    assert "118 came too late" in split
    assert "control control 6 41 380 41 303 50.09 % 50.00 %" in split


def test_rule_table_lists_the_rules_that_also_held() -> None:
    text = Page(STORIES["keep"]).text
    rules = text[text.index("What the rule table says") : text.index("Where this comes from")]
    assert f"A2 {RULE_IN_WORDS['A2']}" in rules
    assert f"A10 {RULE_IN_WORDS['A10']}" in rules


def test_provenance_names_versions_dates_hashes() -> None:
    text = Page(STORIES["promote"]).text
    for wanted in (
        "models:/churn/6",
        "models:/churn/7",
        "2026-10-18 to 2026-11-07",
        SPEC.sha256,
        "2e" * 32,
        "1f" * 32,
    ):
        assert wanted in text


def test_a_readout_of_another_plan_is_called_out() -> None:
    foreign = replace(READOUT, spec_sha256="0" * 64)
    assert "Another specification" in Page(page_of(promote(), readout=foreign)).text
    assert "Another specification" not in Page(STORIES["promote"]).text


def test_hostile_names_stay_text_everywhere() -> None:
    spec = spec_of(
        hypothesis=f"a hypothesis {HOSTILE}",
        owner=HOSTILE,
        variants={
            "control": {"version": "@champion", "weight": 1},
            HOSTILE: {"version": "@challenger", "weight": 1},
            "third": {"version": "9", "weight": 1},
        },
    )
    found = [make(name) for name in spec.treatments for make in (retained, revenue, complaints, refunds)]
    verdict = replace(promote(), winner=HOSTILE, sentence=HOSTILE)
    way = (replace(gates()[0], reason=HOSTILE), *gates()[1:])
    page = page_of(
        verdict,
        spec=spec,
        readout=readout_of(spec, *found),
        gates=way,
        registry=(HOSTILE,),
        blueprint=blueprint_of(spec),
    )
    read = Page(page)
    assert "<script" not in page
    assert "script" not in read.tags
    assert read.text.count(HOSTILE) >= 12
    assert (read.unbalanced, read.open) == ([], [])


def test_same_evidence_gives_the_same_bytes() -> None:
    assert page_of(promote(), readout=READOUT) == STORIES["promote"]
