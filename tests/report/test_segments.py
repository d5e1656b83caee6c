from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from abflow.analysis.readout import LevelEffect, SegmentEffects
from abflow.report.segments import SegmentGroup, SegmentTables, segment_tables
from abflow.report.tones import Tone
from tests.report.rich_stories import NO_SPREAD, by_country, by_device, by_novelty, level, three_arms, with_cuped
from tests.report.stories import estimate

SPEC = with_cuped()


def tables_of(*segments: SegmentEffects) -> SegmentTables:
    found = segment_tables(SPEC, segments)
    assert found is not None
    return found


def group_of(segment: SegmentEffects) -> SegmentGroup:
    return tables_of(segment).primary[0].groups[0]


def test_without_segments_there_are_no_tables() -> None:
    assert segment_tables(SPEC, ()) is None


def test_metrics_stand_in_the_order_of_the_plan_what_decides_first() -> None:
    found = tables_of(*(by_country(name) for name in reversed(SPEC.metrics)))
    assert [table.metric for table in found.primary] == ["retained"]
    assert [table.metric for table in found.guardrails] == ["revenue", "complaints"]
    assert [table.metric for table in found.secondaries] == ["refunds"]


def test_every_arm_has_a_table_of_its_own() -> None:
    spec = three_arms(segments=["country"])
    found = segment_tables(spec, [by_country(arm=arm) for arm in reversed(spec.treatments)])
    assert found is not None
    assert [table.arm for table in found.primary] == ["bold", "careful"]


def test_planned_segments_come_before_those_that_are_only_explored() -> None:
    groups = tables_of(by_novelty(), by_country(), by_device()).primary[0].groups
    assert [(group.segment, group.standing) for group in groups] == [
        ("country", "planned"),
        ("device", "planned"),
        ("is_new_user", "exploratory, corrected for nothing"),
    ]


def test_a_planned_segment_is_judged_by_its_adjusted_p() -> None:
    assert group_of(by_country()).word == "effects differ"
    assert group_of(replace(by_country(), adjusted_p=0.0501)).word == "no difference shown"
    assert "p 0.0121, adjusted p 0.0242, I² 67 %" in group_of(by_country()).test


def test_an_exploratory_segment_is_judged_by_its_own_p() -> None:
    assert group_of(by_novelty()).word == "no difference shown"
    assert group_of(replace(by_novelty(), p_value=0.0499)).word == "effects differ"
    assert group_of(by_novelty()).test == "any difference between levels: p 0.8312, I² 0 %"


def test_a_segment_that_could_not_be_tested_says_so_and_names_its_levels() -> None:
    group = group_of(by_device())
    assert (group.word, group.tone, group.levels) == ("not tested", Tone.CALM, ())
    assert group.left_out == "left out: phone, tv"


def test_a_level_without_an_effect_says_why() -> None:
    gone = LevelEffect(level="AT", control_units=120, treatment_units=131, effect=NO_SPREAD)
    line = group_of(replace(by_country(), levels=(gone,))).levels[0]
    assert line.unavailable == NO_SPREAD.detail
    assert (line.effect, line.interval, line.adjusted_p) == ("–", "–", "–")


def test_the_summary_names_every_segment_with_its_word() -> None:
    table = tables_of(by_country("revenue"), by_device("revenue")).guardrails[0]
    assert table.in_short == "country: effects differ; device: not tested"


effects = st.floats(-0.9, 0.9).map(lambda value: round(value, 6))


@given(st.lists(st.tuples(effects, st.integers(100, 10**6)), min_size=1, max_size=6))
def test_every_number_of_a_table_is_the_readouts(found: list[tuple[float, int]]) -> None:
    levels = tuple(level(f"l{n}", value, 0.01, units=units) for n, (value, units) in enumerate(found))
    shown = group_of(replace(by_country(), levels=levels)).levels
    assert [line.level for line in shown] == [each.level for each in levels]
    for line, each in zip(shown, levels, strict=True):
        assert int(line.control_units.replace(" ", "")) == each.control_units
        assert int(line.treatment_units.replace(" ", "")) == each.treatment_units
        assert each.lower is not None
        assert each.upper is not None
        wanted = (100 * estimate(each.effect.value, 0.01).value, 100 * each.lower, 100 * each.upper)  # type: ignore[union-attr]
        read = [float(text.removesuffix(" pp")) for text in (line.effect, *line.interval.split(" to "))]
        assert all(abs(a - b) <= 0.005 + 1e-9 for a, b in zip(read, wanted, strict=True))
