from __future__ import annotations

from dataclasses import replace

import pytest

from abflow.analysis.readout import Word
from abflow.report.bars import bars_of
from abflow.report.tones import Tone
from abflow.stats.result import Unavailable, UnavailableReason
from tests.report.stories import NO_EVENT, complaints, estimate, refunds, retained, revenue, spec_of

SPEC = spec_of()


def test_intervals_are_the_relative_ones_in_percent() -> None:
    bar = bars_of(SPEC, [retained()]).rows[0]
    assert (bar.value, bar.lower, bar.upper) == pytest.approx((3.51, 1.82, 5.20))
    assert bar.mde == pytest.approx(100 * 0.008 / 0.4012)


def test_where_more_is_better_the_margin_is_left_of_zero() -> None:
    bar = bars_of(SPEC, [revenue()]).rows[0]
    assert bar.margin == pytest.approx(-2.0)
    assert bar.better == 1
    assert bar.bound == pytest.approx(100 * (0.1391 - 0.2482) / 12.41)


def test_where_less_is_better_everything_is_shown_as_logged() -> None:
    bar = bars_of(SPEC, [complaints()]).rows[0]
    assert bar.margin == pytest.approx(10.0)
    assert bar.better == -1
    assert bar.value < 0
    assert "less is better ←" in bar.detail


@pytest.mark.parametrize(("lower", "upper", "word"), [(0.001, 0.004, Word.SAFE), (-0.001, 0.004, Word.UNCLEAR)])
def test_the_bound_is_within_the_margin_exactly_when_the_word_is_safe(lower: float, upper: float, word: Word) -> None:
    for make, outward in ((complaints, 1), (revenue, -1)):
        found = make()
        assert found.margin is not None
        assert not isinstance(found.margin, Unavailable)
        bar = bars_of(SPEC, [replace(found, margin=replace(found.margin, lower=lower, upper=upper), word=word)]).rows[0]
        assert bar.bound is not None
        assert bar.margin is not None
        assert (outward * bar.bound < outward * bar.margin) == (word is Word.SAFE)


def test_what_cannot_be_plotted_is_listed_with_its_reason() -> None:
    near_zero = Unavailable(reason=UnavailableReason.BASELINE_NEAR_ZERO, detail="the control's interval holds 0")
    bars = bars_of(SPEC, [refunds(), replace(revenue(), relative=near_zero)])
    assert bars.rows == ()
    assert [(row.name, row.reason) for row in bars.missing] == [
        ("refunds", NO_EVENT.detail),
        ("revenue", "the control's interval holds 0"),
    ]


def test_zero_is_always_on_the_axis() -> None:
    for value in (0.05, -0.05):
        bars = bars_of(SPEC, [replace(retained(), relative=estimate(value, 0.001), mde=None)])
        assert bars.low < 0 < bars.high


def test_an_interval_far_wider_than_the_primarys_is_cut_and_named() -> None:
    wide = replace(complaints(), relative=estimate(0.01, 5.0), word=Word.UNCLEAR)
    bars = bars_of(SPEC, [retained(), wide])
    assert bars.cut == ("complaints",)
    assert bars.high < 40
    assert bars.rows[1].tone is Tone.OPEN


def test_the_description_says_what_the_picture_shows() -> None:
    told = bars_of(SPEC, [retained(), complaints()]).described
    assert "retained (primary, more is better →): better, +3.51 % (+1.82 % to +5.20 %)." in told
    assert "complaints (guardrail, less is better ←): safe, -2.90 %" in told
