"""The planning table as a terminal shows it."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from abflow.analysis.plan_table import PlanRow, PlanTable
from abflow.report.plan_text import LEGEND, heading, planning_lines, planning_table
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, spec_of

REVENUE_METRIC = {"role": "guardrail", "kind": "count", "event": "visit", "margin": {"absolute": -0.5}}
SPEC = spec_of({"retained": BOUGHT, "revenue": REVENUE_METRIC})
ROW = PlanRow(
    metric="retained",
    role="primary",
    kind="proportion",
    asks="effect",
    size=0.05,
    relative=True,
    baseline=0.4,
    sd=None,
    source="10 000 mature A/A units",
    alone=7682,
    power=0.85,
    detectable=0.0213,
    factor=1.92,
    pays_for="times 1.92, because it may be read every day",
)
REVENUE = replace(
    ROW,
    metric="revenue",
    role="guardrail",
    kind="mean",
    asks="margin",
    size=-0.5,
    relative=False,
    baseline=4.0,
    sd=15.0,
)
PLAN = PlanTable(
    experiment="ranker",
    method="always_valid",
    preset="clear_signals",
    alpha=0.05,
    arm_alpha=0.025,
    power=0.8,
    rows=(ROW, REVENUE),
    needed=7682,
    needed_by_arm={"a": 3841, "b": 3841},
    expected=None,
    expected_from="",
    power_with_expected=None,
    enroll_days=14,
    days=14,
    takes=None,
    prospects=None,
    missing=(),
    sentences=("It takes 7 682 units.",),
)


def printed(plan: PlanTable = PLAN, *, width: int = 100, spec: ExperimentSpec = SPEC) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(planning_table(spec, plan))
    return captured.get().splitlines()


def test_every_row_says_where_it_starts_and_what_is_asked() -> None:
    told = "\n".join(printed())
    for wanted in (
        "retained",
        "primary, proportion",
        "40.00 %",
        "10 000 mature A/A units",
        "effect +5 %",
        "2.00 pp",
        "7 682",
        "x 1.92",
        "85 %",
        "2.13 pp",
        "4 (sd 15)",
        "margin -0.5",
        "guardrail, mean",
    ):
        assert wanted in told


def test_the_table_fits_a_hundred_columns_and_eighty() -> None:
    for width in (100, 80):
        assert all(len(line) <= width for line in printed(width=width))


def test_a_metric_that_reads_only_some_rows_says_which_and_the_table_still_fits() -> None:
    filtered = spec_of({"retained": BOUGHT | {"where": {"surface": "search"}}, "revenue": REVENUE_METRIC})
    assert "where surface = search" in "\n".join(printed(spec=filtered))
    assert all(len(line) <= 80 for line in printed(width=80, spec=filtered))


def test_nothing_is_said_by_colour_or_in_brackets_alone() -> None:
    odd = replace(PLAN, rows=(replace(ROW, source="[red]declared[/red]"),))
    assert "[red]declared[/red]" in "\n".join(printed(odd))


def test_free_text_cannot_command_a_terminal() -> None:
    odd = replace(PLAN, rows=(replace(ROW, source="dash\x1b[31mboard\n"),), sentences=("a\x1b[2Jb",))
    told = "\n".join([*printed(odd), *planning_lines(odd)])
    assert "\x1b" not in told
    assert "dash [31mboard" in told


def test_what_is_not_known_is_a_dash() -> None:
    unknown = replace(PLAN, rows=(replace(ROW, alone=None, power=None, detectable=None, pays_for="", relative=False),))
    assert [line.split()[-3:] for line in printed(unknown) if "retained" in line] == [["-", "-", "-"]]


def test_the_heading_names_method_arms_and_levels() -> None:
    assert heading(SPEC, PLAN) == (
        "ranker: always_valid, clear_signals, 1 treatment against "
        f"{SPEC.control_name}, alpha 5 % (2.5 % for each arm), power 80 %"
    )


def test_factors_and_answer_stand_below() -> None:
    lines = list(planning_lines(PLAN))
    assert lines[0] == "retained: times 1.92, because it may be read every day."
    assert lines[2] == "It takes 7 682 units."
    assert lines[-1].startswith("To plan with what you assume: --baseline")
    assert list(planning_lines(replace(PLAN, expected=9000.0)))[-1] == "It takes 7 682 units."
    assert "n alone" in LEGEND
