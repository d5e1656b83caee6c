from __future__ import annotations

from dataclasses import replace

import pytest

from abflow.analysis.readout import Base, Comparison, Deciding
from abflow.report.rows import MetricRow, metric_rows
from abflow.stats.result import Unavailable, UnavailableReason
from tests.report.rich_stories import at_a_look, believed, doubted, shown_at_a_look
from tests.report.stories import (
    NO_EVENT,
    estimate,
    lines_of,
    page_of,
    promote,
    readout_of,
    refunds,
    retained,
    revenue,
    spec_of,
)

SPEC = spec_of()


def row_of(comparison: Comparison) -> MetricRow:
    (row,) = metric_rows(SPEC, [comparison])
    return row


def readings(row: MetricRow) -> dict[str, str]:
    return {reading.name: reading.value for reading in row.readings}


def test_the_effects_own_interval_decides_where_the_readout_names_no_other() -> None:
    row = row_of(retained())
    assert (row.shown.effect, row.shown.interval) == ("+1.41 pp", "+0.74 pp to +2.08 pp")
    assert row.shown.basis == ""
    assert "On its own" not in readings(row)


def test_the_interval_that_decides_comes_first_and_the_effects_own_beside_it() -> None:
    strict = Deciding(value=0.0141, lower=0.0061, upper=0.0221, confidence=0.975, method="pooled z, one of 2 tests")
    row = row_of(replace(retained(), deciding=strict))
    assert (row.shown.interval, row.shown.confidence) == ("+0.61 pp to +2.21 pp", "97.5 %")
    assert row.shown.basis == "This interval decides: pooled z, one of 2 tests."
    assert readings(row)["On its own"] == "+1.41 pp (95 %: +0.74 pp to +2.08 pp)"


def test_where_the_test_has_ended_its_own_estimate_is_shown() -> None:
    row = row_of(shown_at_a_look())
    assert row.shown.effect == "+1.37 pp"
    assert row.shown.measure == "stage-wise ordering"
    assert "error level used up so far, on each side: 0.000347" in row.facts


def test_a_percentile_cap_says_of_which_units_it_is() -> None:
    told = "values capped at 310.5"
    assert f"{told}, p99.9 of the units of all variants, zeros included" in row_of(revenue()).facts
    metrics = SPEC.model_dump(mode="json")["metrics"]
    for change, words in (
        ({"over": "positive"}, ", p99.9 of the units of all variants, zeros left out"),
        ({"cap": 310.5}, ""),
    ):
        spec = spec_of(metrics=metrics | {"revenue": metrics["revenue"] | change})
        (row,) = metric_rows(spec, [revenue()])
        assert f"{told}{words}" in row.facts


def test_units_of_a_ratio_without_a_denominator_are_told() -> None:
    told = "units with a numerator and no denominator, which count: 7 of control and 1 204 of treatment"
    bare = replace(
        retained(),
        control=replace(retained().control, without_denominator=7),
        treatment=replace(retained().treatment, without_denominator=1204),
    )
    assert told in row_of(bare).facts
    assert not any("no denominator" in fact for fact in row_of(retained()).facts)


def test_a_conditional_metric_is_labelled_and_shows_what_it_is_conditioned_on() -> None:
    label = "conditional on what units did after exposure, which is no causal claim: rows per unit "
    base = Base(control=3.0, treatment=3.25, effect=estimate(0.25, 0.05))
    compared = row_of(replace(retained(), base=base)).facts
    assert f"{label}3 -> 3.25, difference 0.25 (95 % interval 0.2 to 0.3, p 0.0100)" in compared
    refused = Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="both arms are constant")
    told = row_of(replace(retained(), base=replace(base, effect=refused))).facts
    assert f"{label}3 -> 3.25, not compared: both arms are constant" in told
    assert not any("conditional" in fact for fact in row_of(retained()).facts)


def test_a_look_that_showed_nothing_does_not_offer_its_interval_as_an_answer() -> None:
    row = row_of(at_a_look())
    assert "single look and decides nothing" in row.shown.basis
    assert row.shown.evidence == "–"
    assert "look 1 at 38% of the planned units: |Z| against 3.3914." in row.facts


def test_a_posterior_says_how_sure_what_it_needs_and_what_it_may_cost() -> None:
    row = row_of(believed())
    assert (row.shown.strength, row.shown.evidence) == ("Probability", "> 0.9999")
    assert row.shown.measure == "of being better; 0.9853 needed"
    assert "probability of a gain of the mde or more 0.9612" in row.facts
    assert "probability that the loss stays within the margin > 0.9999; to do no harm 0.9678 is needed" in row.facts
    assert "expected loss below 0.0001 pp if it is chosen, 1.39 pp if control is kept" in row.facts
    assert "prior: lifts of 0 ± 5 %" in row.facts


def test_a_posterior_of_several_arms_says_which_is_the_best() -> None:
    found = believed()
    assert found.posterior is not None
    ranked = replace(found.posterior, within_mde=0.0388, best=0.61, control_best=0.05, loss_against_best=0.0002)
    row = row_of(replace(found, posterior=ranked))
    assert "probability that the difference is smaller than the mde 0.0388" in row.facts
    told = "probability of being the best of all arms 0.6100, of control 0.0500; expected loss 0.02 pp against the best"
    assert told in row.facts


def test_a_posterior_without_mde_and_margin_says_nothing_of_them() -> None:
    found = believed()
    assert found.posterior is not None
    plain = row_of(replace(found, posterior=replace(found.posterior, beyond_mde=None, within_margin=None)))
    assert not [fact for fact in plain.facts if fact.startswith("probability")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("holm", "Holm"),
        ("benjamini_hochberg", "Benjamini-Hochberg"),
        ("asymptotic confidence sequence", "asymptotic confidence sequence"),
        (None, "Holm"),
    ],
)
def test_the_correction_is_named(name: str | None, told: str) -> None:
    row = row_of(replace(retained(), corrected_by=name))
    assert row.shown.measure == told
    assert f"adjusted p: {told}" in row.methods


def test_every_second_reading_is_shown_with_the_reason_why() -> None:
    row = row_of(doubted())
    assert readings(row) == {
        "Without CUPED": "+1.38 pp (95 %: +0.59 pp to +2.17 pp)",
        "Variance kept": "71.4 %",
        "Within days of entry": "+1.44 pp (95 %: +0.76 pp to +2.12 pp)",
        "Relative, by Fieller": "+1.71 % to +5.38 %",
        "Permutation p": "0.0312",
        "Cohen's h": "+0.029: negligible",
    }
    assert all(reading.why for reading in row.readings)
    assert any("both are shown" in reading.why for reading in row.readings)


def test_a_second_estimate_that_does_not_exist_says_why() -> None:
    gone = Unavailable(reason=UnavailableReason.TOO_FEW_UNITS, detail="no day has units in both arms")
    row = row_of(replace(retained(), stratified=gone))
    assert readings(row)["Within days of entry"] == "not available: no day has units in both arms"


def test_without_second_readings_there_are_none() -> None:
    assert row_of(revenue()).readings == ()
    assert row_of(refunds()).readings == ()


def test_a_metric_without_an_effect_shows_no_interval_that_decides() -> None:
    row = row_of(replace(shown_at_a_look(), effect=NO_EVENT, relative=NO_EVENT))
    assert (row.shown.effect, row.shown.interval, row.shown.evidence) == ("–", "", "–")
    assert row.unavailable == NO_EVENT.detail


def test_units_whose_window_is_not_over_are_counted_apart() -> None:
    found = retained()
    waiting = replace(
        found, control=replace(found.control, immature=1390), treatment=replace(found.treatment, immature=0)
    )
    row = row_of(waiting)
    assert row.control_units == "41 237"
    assert "immature units left out: 1 390 of control and 0 of treatment" in row.facts
    assert not any("immature" in fact for fact in row_of(found).facts)


def test_a_guardrail_is_held_against_its_margin() -> None:
    assert row_of(revenue()).shown.measure == "margin test below"


def test_small_losses_of_means_keep_their_digits() -> None:
    found = believed()
    assert found.posterior is not None
    mean = replace(revenue(), effect=estimate(0.07, 0.2), posterior=replace(found.posterior, loss_if_chosen=0.0000123))
    assert any(fact.startswith("expected loss 1.23e-05 if it is chosen") for fact in row_of(mean).facts)


def test_a_reader_is_told_which_rows_a_metric_reads() -> None:
    metrics = SPEC.model_dump(mode="json")["metrics"]
    metrics["retained"]["where"] = {"surface": ["search", "<home>"]}
    metrics["revenue"] |= {"where": {"paid": True}}
    spec = spec_of(metrics=metrics)
    page = page_of(promote(), spec=spec, readout=readout_of(spec))
    assert "control, where surface = &lt;home&gt; or search, more is better" in page
    assert "retained<small>where surface = &lt;home&gt; or search</small>" in page
    assert "revenue<small>where paid = true</small>" in page
    lines = lines_of(promote(), spec=spec, readout=readout_of(spec))
    assert [line for line in lines if line.startswith("guardrail revenue (where paid = true), treatment: safe")]
    assert not [line for line in lines_of(promote(), readout=readout_of(SPEC)) if "(where" in line]
