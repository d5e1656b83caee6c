"""The catalogue of studies, and what `abflow calibrate` makes of them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

import abflow.calibration
from abflow.calibration.catalog import STUDIES, studies_named
from abflow.calibration.charts import rates_plot
from abflow.calibration.report import Result, catalogue, results, table_of, write_report
from abflow.calibration.study import Rate, Study, at_least, at_most, exactly, reported
from abflow.errors import SpecError


def fixed(*rates: Rate) -> Callable[[int, int], tuple[Rate, ...]]:
    return lambda runs, seed: rates


KEPT = Study(
    name="kept",
    claim="A right engine is right.",
    runs=1000,
    rates=fixed(
        exactly("z test: rejected", 52, 1000, 0.05),
        at_most("Fisher | exact: rejected", 20, 1000, 0.05),
        reported("naive: rejected", 193, 1000),
    ),
)
BROKEN = Study(name="broken", claim="A wrong one is not.", runs=500, rates=fixed(at_least("power", 300, 500, 0.8)))


def test_jobs_change_nothing() -> None:
    studies = studies_named(["sample-ratio-once", "trend-of-cohorts"])
    alone = [result.rates for result in results(studies, share=0.01, seed=3)]
    shared = [result.rates for result in results(studies, share=0.01, seed=3, jobs=2)]
    assert shared == alone


def test_names_are_unique_and_fit_a_file() -> None:
    names = [study.name for study in STUDIES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_every_study_claims_something_and_leaves_a_tenth_of_its_runs() -> None:
    for study in STUDIES:
        assert study.claim.strip(), study.name
        assert study.runs >= 10, study.name


def test_studies_are_found_by_name_in_the_order_of_the_catalogue() -> None:
    first, *_, last = STUDIES
    assert studies_named([last.name, first.name]) == (first, last)
    assert studies_named([]) == STUDIES


def test_an_unknown_study_is_refused_with_what_may_be_meant() -> None:
    name = STUDIES[0].name
    with pytest.raises(SpecError, match=f"did you mean '{name}'"):
        studies_named([name[:-1]])
    with pytest.raises(SpecError, match="--list"):
        studies_named(["qqqq"])


def test_a_share_of_the_runs_is_made_with_the_seed() -> None:
    asked = []

    def rates(runs: int, seed: int) -> tuple[Rate, ...]:
        asked.append((runs, seed))
        return (exactly("x", 5, 100, 0.05),)

    study = Study(name="s", claim="C.", runs=2000, rates=rates)
    assert [result.holds for result in results([study], share=0.1, seed=7)] == [True]
    list(results([study], share=0.0001, seed=8))
    assert asked == [(200, 7), (1, 8)]
    for share in (0.0, -1.0, 1.5):
        with pytest.raises(SpecError, match="share"):
            list(results([study], share=share, seed=1))


def test_a_study_holds_when_every_judged_rate_does() -> None:
    assert Result(study=KEPT, rates=KEPT.rates(1, 1)).holds
    assert not Result(study=BROKEN, rates=BROKEN.rates(1, 1)).holds


def test_the_table_says_rate_limits_and_answer() -> None:
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(catalogue((KEPT, BROKEN)))
        for study in (KEPT, BROKEN):
            console.print(table_of(Result(study=study, rates=study.rates(1, 1))))
    told = captured.get()
    # 0.05 ± 3.29 · sqrt(0.05 · 0.95 / 1000) = 0.0273 to 0.0727; 0.8 - 3.29 · sqrt(0.16 / 500) = 0.7411.
    for wanted in (
        "A right engine is right.",
        "500",
        "0.0520",
        "0.0273 to 0.0727",
        "at most 0.0727",
        "reported only",
        "at least 0.7411",
        "NO",
    ):
        assert wanted in told
    assert all(len(line) <= 100 for line in told.splitlines())


def test_the_report_is_the_same_every_time_and_names_no_place(tmp_path: Path) -> None:
    found = list(results([KEPT, BROKEN], share=0.5, seed=3))
    page = write_report(found, tmp_path / "docs", share=0.5, seed=3)
    text = page.read_text(encoding="utf-8")
    again = write_report(found, tmp_path / "again", share=0.5, seed=3)
    assert text == again.read_text(encoding="utf-8")
    assert "2 of 3 judged rates hold. Made by `abflow calibrate --share 0.5 --seed 3 --write FOLDER`." in text
    assert "| z test: rejected | 1000 | 0.0520 | 0.0273 to 0.0727 | yes |" in text
    assert "| Fisher \\| exact: rejected | 1000 | 0.0200 | at most 0.0727 | yes |" in text
    assert "| power | 500 | 0.6000 | at least 0.7411 | NO |" in text
    assert str(tmp_path) not in text
    for name in ("kept", "broken"):
        assert f"![{name}](calibration/{name}.svg)" in text
        picture = tmp_path / "docs" / "calibration" / f"{name}.svg"
        assert picture.read_bytes() == (tmp_path / "again" / "calibration" / f"{name}.svg").read_bytes()


def test_the_picture_shows_every_rate_with_its_number() -> None:
    svg = rates_plot(KEPT.rates(1, 1))
    root = ElementTree.fromstring(svg)  # noqa: S314  our own output
    shown = [element.text for element in root.iter() if element.tag.endswith("}text")]
    for wanted in ("z test: rejected", "Fisher | exact: rejected", "0.0520", "0.1930", "share of runs"):
        assert wanted in shown
    assert "#1a7f4b" in svg  # kept
    assert "#c4321c" not in svg  # broken
    assert "#c4321c" in rates_plot(BROKEN.rates(1, 1))


def test_every_module_of_studies_is_in_the_catalogue() -> None:
    for module in pkgutil.iter_modules(abflow.calibration.__path__):
        if module.name == "catalog":
            continue
        found = getattr(importlib.import_module(f"abflow.calibration.{module.name}"), "STUDIES", ())
        assert {study.name for study in found} <= {study.name for study in STUDIES}, module.name
