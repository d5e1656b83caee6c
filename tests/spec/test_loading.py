from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import load_experiment, parse_experiment
from abflow.spec.metrics import MeanMetric
from abflow.spec.phases import AaPhase
from tests.spec.files import GOOD, edited


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_experiment(text, source="churn_v3.yaml")
    return str(caught.value)


def test_a_whole_file_becomes_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "churn_v3.yaml"
    path.write_text(GOOD)
    spec = load_experiment(path)
    assert (spec.experiment, spec.control_name, spec.treatments) == ("churn_v3", "control", ("treatment",))
    assert spec.variants["treatment"].version == "@challenger"
    assert isinstance(spec.phases.aa, AaPhase)
    assert spec.phases.aa.enroll_days == 7
    assert (spec.primary_name, spec.primary.window_days) == ("retained", 7)
    revenue = spec.metrics["revenue"]
    assert isinstance(revenue, MeanMetric)
    assert revenue.cap_quantile == pytest.approx(0.999)
    assert revenue.cap_value is None
    assert spec.metrics["tickets"].sign == -1
    assert spec.sizing.continue_reason == "this is all the traffic there is"


@pytest.mark.parametrize("name", ["churn_demo", "open_bandit_men"])
def test_the_files_that_come_with_abflow_load(name: str) -> None:
    folder = Path(__file__).parents[2] / "dags" / "experiments"
    assert load_experiment(folder / f"{name}.yaml").experiment == name


def test_defaults_follow_from_what_is_there() -> None:
    spec = parse_experiment(edited("test: {enroll_days: 14, days: 21}", "test: {days: 28}"))
    assert spec.enroll_days == 28 - 7
    assert spec.assignment_salt == "churn_v3"
    assert spec.arm_alpha == 0.05


def test_several_arms_share_the_alpha() -> None:
    third = 'weight: 50}\n  treatment: {version: "@challenger", weight: 25}\n  other: {version: 7, weight: 25}'
    text = edited('weight: 0.5}\n  treatment: {version: "@challenger", weight: 0.5}', third)
    spec = parse_experiment(text.replace("correction: holm}", "correction: holm, family_size: 5}"))
    assert spec.treatments == ("treatment", "other")
    assert spec.variants["other"].version == "7"
    assert spec.arm_alpha == pytest.approx(0.05 / 2 / 5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # unknown and missing fields
        (
            "owner: growth-ml",
            "owner: growth-ml\nsegmnts: [a]",
            ":4: segmnts: there is no such field; did you mean 'segments'?",
        ),
        (
            "days: 3}",
            "days: 3, wndow_days: 1}",
            ":11: phases.shadow.wndow_days: there is no such field; did you mean 'window_days'",
        ),
        ("owner: growth-ml", "owner: growth-ml\nqqqqqqqq: 1", "see `abflow schema`"),
        ("owner: growth-ml\n", "", ":1: owner: is missing"),
        ("unit: user_id\n", "", "unit: is missing"),
        ("event: ticket, ", "", ":21: metrics.tickets.event: is missing"),
        ("kind: count", "kind: counts", ":21: metrics.tickets: "),
        ("alpha: 0.05", "alpha: 0.7", ":22: analysis.alpha: input should be less than 0.5, given 0.7"),
        ("alpha: 0.05", "alpha: .nan", ":22: analysis.alpha: "),
        ("alpha: 0.05", "alpha: five", ":22: analysis.alpha: input should be a valid number"),
        ("owner: growth-ml", "owner: ''", ":3: owner: "),
        # variants
        (
            'n", weight: 0.5}',
            'n", weight: 0.6}',
            ":5: variants: weights add up to 1.1; fractions must add up to 1 (control 0.6,",
        ),
        ('n", weight: 0.5}', 'n", weight: -1}', ":6: variants.control.weight: input should be greater than 0"),
        ('n", weight: 0.5}', 'n", weight: 0.99995}\n  x: {version: 1, weight: -0.49995}', "variants.x.weight"),
        (
            '{version: "@champion", weight: 0.5}',
            '{version: "champion", weight: 0.5}',
            "neither an alias such as '@champion'",
        ),
        ('{version: "@champion", weight: 0.5}', "{version: yes, weight: 0.5}", "version True is neither an alias"),
        ('{version: "@champion", weight: 0.5}', "{version: 0, weight: 0.5}", "version 0 is neither an alias"),
        (
            '{version: "@champion", weight: 0.5}',
            "{weight: 0.5}",
            ":6: variants.control.version: is missing; every variant needs a version of model 'churn'",
        ),
        ("model: churn\n", "", ":5: variants.control.version: '@champion' is a version of what? No `model` is named"),
        ("  control: {", "  no: {", ":6: the name 'no' is not text in YAML; put it in quotes"),
        ("  control: {", "  1: {", ":6: the name '1' is not text in YAML; put it in quotes"),
        ("  control: {", "  ' ': {", ":6: variants. : the name of a variant must have 1 to 200 visible characters"),
        ("  treatment: {", "  control: {", ":7: 'control' stands twice; keep one of them"),
        ("unit: user_id", "unit: user_id\nowner: me", ":9: 'owner' stands twice"),
        (
            "unit: user_id",
            "unit: user_id\ncontrol: champ",
            ":9: control: 'champ' is not one of the variants control, treatment",
        ),
        ("unit: user_id", "unit: user_id\ncontrol: [control, treatment]", ":9: control: names every variant"),
        # metrics
        (
            "role: secondary",
            "role: primary, mde: {relative: -0.1}",
            ":18: metrics: exactly one metric must have role: primary, found retained, tickets",
        ),
        ("role: primary", "role: secondary", "exactly one metric must have role: primary, found none"),
        (
            "mde: {relative: 0.02}",
            "mde: {relative: -0.02}",
            ":19: metrics.retained.mde: -2 % contradicts direction: increase",
        ),
        ("mde: {relative: 0.02}", "mde: {relative: 0}", ":19: metrics.retained.mde: +0 % contradicts"),
        ("mde: {relative: 0.02}", "mde: {relative: 0.02, absolute: 1}", "give exactly one of relative and absolute"),
        (", mde: {relative: 0.02}", "", ":19: metrics.retained.mde: is missing; the primary needs one"),
        (
            "margin: {relative: -0.02}",
            "margin: {relative: 0.02}",
            ":20: metrics.revenue.margin: +2 % contradicts direction: increase; a margin must be negative",
        ),
        (
            ", margin: {relative: -0.02}",
            "",
            ":20: metrics.revenue.margin: is missing; a guardrail needs the loss that it allows",
        ),
        (
            "direction: decrease",
            "direction: decrease, mde: {absolute: 3}",
            ":21: metrics.tickets.mde: +3 contradicts direction: decrease",
        ),
        (
            "direction: decrease",
            "direction: decrease, sized: false",
            ":21: metrics.tickets.sized: false is for guardrails only",
        ),
        (
            "role: guardrail",
            "role: guardrail, sized: false",
            ":20: metrics.revenue.why: is missing; `sized: false` leaves this guardrail out",
        ),
        ("cap: p99.9", "cap: p100", "cap 'p100' is neither a number nor a percentile"),
        ("cap: p99.9", "cap: p0", "cap 'p0' is neither"),
        ("cap: p99.9", "cap: 0", "cap 0 would remove every positive value"),
        ("  tickets: {", "  tick-ets: {", ":21: metrics.tick-ets: the name of a metric may hold letters"),
        (
            "correction: holm}",
            "preset: do_no_harm}",
            ":19: metrics.retained.margin: is missing; preset do_no_harm rules out a loss",
        ),
        # phases
        ("shadow: data/logs/shadow\n  ", "", ":14: logs.shadow: is missing; the shadow phase reads it"),
        (
            "shadow: {start: 2026-10-01, days: 3}",
            "shadow: {skip: no shadow traffic}",
            ":12: phases.aa.start: is missing; without a shadow phase",
        ),
        ("shadow: {start: 2026-10-01, days: 3}", "shadow: {skip: ''}", "phases.shadow.skip: "),
        (
            "start: 2026-10-01, days: 3",
            "start: 2026-10-45, days: 3",
            ":11: phases.shadow.start: '2026-10-45' is no day of the calendar",
        ),
        (
            "aa: {enroll_days: 7, days: 14}",
            "aa: {start: 2026-10-02, days: 14}",
            ":12: phases.aa.start: 2026-10-02 is too early; the phase before it lasts until 2026-10-04",
        ),
        (
            "aa: {enroll_days: 7, days: 14}",
            "aa: {enroll_days: 15, days: 14}",
            ":12: phases.aa.enroll_days: 15 days of enrolment are more than the phase's 14 days",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {start: 2026-10-17, enroll_days: 14, days: 21}",
            ":13: phases.test.start: 2026-10-17 is too early; the phase before it lasts until 2026-10-18",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {enroll_days: 28, days: 21}",
            ":13: phases.test.enroll_days: 28 days of enrolment are more than the phase's 21 days",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {enroll_days: 21, days: 21}",
            ":13: phases.test.days: 21 days are fewer than enroll_days 21 + longest window 7",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {enroll_days: 13, days: 21}",
            ":13: phases.test: enrols for 13 days of 21; less than 14 days, or not whole weeks",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {enroll_days: 7, days: 13, immature: allowed}",
            "less than 14 days",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {days: 7}",
            ":13: phases.test.days: 7 days, but the longest window is 7 days: nobody could be observed to the end",
        ),
        (
            "test: {enroll_days: 14, days: 21}",
            "test: {enroll_days: 14, days: 0}",
            "phases.test.days: input should be greater",
        ),
        # methods
        ("method: fixed_horizon", "method: fixed_horizon, looks: [7]", ":22: analysis.looks: only group_sequential"),
        ("method: fixed_horizon", "method: group_sequential", ":22: analysis.looks: is missing; group_sequential"),
        (
            "method: fixed_horizon",
            "method: group_sequential, looks: [14, 7]",
            ":22: analysis.looks: [14, 7] must be days of the test in their order",
        ),
        ("method: fixed_horizon", "method: always_valid", ":20: metrics.revenue.cap: a percentile moves from look"),
        (
            "method: fixed_horizon",
            "method: fixed_horizon, prior: {lift_sd: 0.1}",
            ":22: analysis.prior: is for method bayesian",
        ),
        # promotion
        ("alias: champion", "alias: latest", ":24: promotion.alias: 'latest' is reserved by MLflow"),
        ("alias: champion", "alias: v3", ":24: promotion.alias: 'v3' is reserved by MLflow"),
        # names
        ("experiment: churn_v3", "experiment: ../x", ":1: experiment: string should match pattern"),
        ("experiment: churn_v3", "experiment: a/b", ":1: experiment: string should match pattern"),
        ("experiment: churn_v3", 'experiment: "x\\n"', ":1: experiment: string should match pattern"),
        ("experiment: churn_v3", "experiment: 123", ":1: experiment: input should be a valid string, given 123"),
    ],
)
def test_an_error_names_the_place_and_what_is_wrong(old: str, new: str, message: str) -> None:
    got = refusal(edited(old, new))
    assert got.startswith("churn_v3.yaml")
    assert message in got, got


def test_a_rule_that_reads_several_fields_points_at_the_line_of_the_one_to_change() -> None:
    block = edited(
        "analysis: {method: fixed_horizon, alpha: 0.05, power: 0.8, correction: holm}",
        "# read twice\nanalysis:\n  method: group_sequential\n  alpha: 0.05\n  looks:\n    - 14\n    - 7",
    )
    assert refusal(block).startswith("churn_v3.yaml:26: analysis.looks: [14, 7] must be days of the test")
    metric = "retained: {role: primary, kind: proportion, event: session, window_days: 7, mde: {relative: 0.02}}"
    fields = ("role: primary", "kind: proportion", "event: session", "window_days: 7", "mde: {relative: -0.02}")
    block = edited(metric, "retained:\n    " + "\n    ".join(fields))
    assert refusal(block).startswith("churn_v3.yaml:24: metrics.retained.mde: -2 % contradicts direction")


def test_a_field_that_is_not_there_has_the_line_of_what_it_belongs_to() -> None:
    text = "# a comment, then\n" + edited("owner: growth-ml\n", "")
    assert refusal(text) == "churn_v3.yaml:2: owner: is missing"
    looks = edited("method: fixed_horizon", "method: sprt").replace(", window_days: 7", "").replace("cap: p99.9, ", "")
    assert ":19: metrics.retained.window_days: is missing; sprt counts a unit once" in refusal(looks)


def test_a_skipped_shadow_and_aa_need_the_start_of_the_test() -> None:
    text = edited("shadow: {start: 2026-10-01, days: 3}", "shadow: {skip: nothing to mirror}")
    text = text.replace("aa: {enroll_days: 7, days: 14}", "aa: {skip: trusted for years}")
    assert ":13: phases.test.start: is missing; without shadow and A/A" in refusal(text)
    spec = parse_experiment(text.replace("test: {", "test: {start: 2026-11-02, "))
    assert spec.phases.test.start == date(2026, 11, 2)


def test_every_problem_is_told_at_once() -> None:
    got = refusal(edited("alpha: 0.05, power: 0.8", "alpha: 2, power: 3"))
    assert "analysis.alpha" in got
    assert "analysis.power" in got


@pytest.mark.parametrize("given", ["'01.10.2026'", "20261001", "2026-10-01T05:00:00", "[2026]"])
def test_a_date_that_is_none_is_explained_once(given: str) -> None:
    got = refusal(edited("shadow: {start: 2026-10-01", f"shadow: {{start: {given}"))
    assert got.count("\n") == 0
    assert "phases.shadow.start: is no date; write it as 2026-10-01, without a time, given" in got


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("window_days: 7", "window_days: true", "metrics.retained.window_days"),
        ("shadow: {start: 2026-10-01, days: 3}", "shadow: {start: 2026-10-01, days: yes}", "phases.shadow.days"),
        ("mde: {relative: 0.02}", "mde: {relative: on}", "metrics.retained.mde.relative"),
    ],
)
def test_yes_is_no_number(old: str, new: str, place: str) -> None:
    assert refusal(edited(old, new)).endswith(f": {place}: is a number, given true")


@pytest.mark.parametrize("given", ["2026-13-01", "2026-02-30", "2026-10-01 25:00:00"])
def test_an_impossible_day_is_named_with_its_line(given: str) -> None:
    got = refusal(edited("shadow: {start: 2026-10-01", f"shadow: {{start: {given}"))
    assert f"churn_v3.yaml:11: phases.shadow.start: '{given}' is no day of the calendar" in got


def test_a_name_that_is_a_list_is_told_in_words() -> None:
    got = refusal("experiment: x\na: {[1]: 2}\n")
    assert got == "churn_v3.yaml:2: the name of a field, a list or a mapping, is not text in YAML; put it in quotes"


def test_a_directory_is_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a directory; give an experiment's name"):
        load_experiment(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("unit: user_id", "unit: user_id\nallocation: ramp", ":9: allocation: 'ramp'"),
        ("unit: user_id", "unit: user_id\nallocation: thompson", ":9: allocation: 'thompson'"),
    ],
)
def test_what_this_version_cannot_run_is_refused_by_name(old: str, new: str, place: str) -> None:
    got = refusal(edited(old, new))
    assert got.startswith(
        f"churn_v3.yaml{place} is part of the file format, but this version of abflow cannot run it yet; `abflow plan`"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an experiment file is a mapping"),
        ("- experiment: x", "an experiment file is a mapping"),
        ("experiment", "an experiment file is a mapping"),
        ("experiment: [x", "not valid YAML"),
        ("experiment: x\n\towner: me", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: *nowhere", "not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a: !!int many", "not valid YAML"),
        ("a: !!bool perhaps", "not valid YAML"),
        ("a: !!timestamp soon", "is no day of the calendar"),
        ("? [a, b]\n: 1", "is not text in YAML"),
        ("a: &loop [*loop]", "nested too deeply"),
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n"
         + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
         "too many fields"),
        ("\x00", "not valid YAML"),
    ],
)  # fmt: skip
def test_text_that_is_no_experiment_is_refused(text: str, words: str) -> None:
    assert words in refusal(text)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40), st.integers(0, len(GOOD)), st.integers(0, 40))
def test_whatever_is_typed_into_the_file_it_loads_or_says_why(typed: str, place: int, cut: int) -> None:
    text = GOOD[:place] + typed + GOOD[place + cut :]
    try:
        spec = parse_experiment(text)
    except SpecError:
        return
    assert isinstance(spec, ExperimentSpec)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "churn_v3.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_experiment(path).sha256 == parse_experiment(GOOD).sha256


def test_bytes_of_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "churn_v3.yaml"
    path.write_bytes(edited("growth-ml", "gr\u00f6wth").encode("latin-1"))
    with pytest.raises(SpecError, match="cannot be read as UTF-8 text"):
        load_experiment(path)


def test_a_missing_file_is_a_spec_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: there is no such file"):
        load_experiment(tmp_path / "nowhere.yaml")


def test_the_file_has_the_name_of_its_experiment(tmp_path: Path) -> None:
    path = tmp_path / "churn.yaml"
    path.write_text(GOOD)
    with pytest.raises(SpecError, match=r"rename it to churn_v3\.yaml"):
        load_experiment(path)


def test_a_date_at_the_end_of_time_is_refused_in_words() -> None:
    with pytest.raises(SpecError, match="beyond the end of the calendar"):
        parse_experiment(edited("start: 2026-10-01, days: 3", "start: 9999-12-30, days: 3"))
