"""What the studies found, for a terminal, for the documentation, and as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Column, Table

from abflow.calibration.catalog import studies_named
from abflow.calibration.charts import rates_plot
from abflow.calibration.study import Rate, Study
from abflow.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A study with the rates it found."""

    study: Study
    rates: tuple[Rate, ...]

    @property
    def holds(self) -> bool:
        """Whether every judged rate is what it should be."""
        return all(rate.holds for rate in self.rates)


def results(studies: Iterable[Study], *, share: float, seed: int, jobs: int = 1) -> Iterator[Result]:
    """Run studies, and hand out their results in the order given.

    Args:
        studies: The studies; with several jobs they must be of the catalogue, where each job looks its own up.
        share: Of each study's runs, such as 0.1 for a tenth.
        seed: The same seed and share, the same rates.
        jobs: Processes to run them in; the rates do not depend on it.

    Raises:
        SpecError: The share is none.
    """
    if not 0 < share <= 1:
        raise SpecError(f"share {share:g} of a study's runs must be above 0 and at most 1; 0.1 is a tenth")
    listed = tuple(studies)
    if jobs == 1:
        for study in listed:
            yield Result(study=study, rates=_rates(study, share, seed))
        return
    with ProcessPoolExecutor(jobs) as pool:
        running = [pool.submit(_rates_of, study.name, share, seed) for study in listed]
        for study, rates in zip(listed, running, strict=True):
            yield Result(study=study, rates=rates.result())


def _rates(study: Study, share: float, seed: int) -> tuple[Rate, ...]:
    return study.rates(max(round(study.runs * share), 1), seed)


def _rates_of(name: str, share: float, seed: int) -> tuple[Rate, ...]:
    """A study by its name, because its functions cannot be sent to another process."""
    (study,) = studies_named([name])
    return _rates(study, share, seed)


def catalogue(studies: Iterable[Study]) -> Table:
    """What there is to run, for a terminal."""
    table = Table(
        "study", Column("runs", justify="right"), "claim", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for study in studies:
        table.add_row(study.name, str(study.runs), study.claim)
    return table


def table_of(result: Result) -> Table:
    """One study for a terminal."""
    table = Table("what", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for numbers in ("runs", "rate", "must lie within"):
        table.add_column(numbers, justify="right", no_wrap=True)
    table.add_column("holds")
    for rate in result.rates:
        table.add_row(rate.what, str(rate.runs), share_of(rate), limits_of(rate), answer_of(rate))
    return table


def share_of(rate: Rate) -> str:
    """The rate observed."""
    return _number(rate.share)


def limits_of(rate: Rate) -> str:
    """Where the rate must lie, the noise of its runs included."""
    low, high = rate.limits
    match rate.low, rate.high:
        case None, None:
            return "reported only"
        case None, _:
            return f"at most {_number(high)}"
        case _, None:
            return f"at least {_number(low)}"
        case _:
            return f"{_number(low)} to {_number(high)}"


def answer_of(rate: Rate) -> str:
    """Whether the rate is what it should be, in a word."""
    if not rate.judged:
        return "-"
    return "yes" if rate.holds else "NO"


def _number(share: float) -> str:
    return f"{share:.4f}"


def write_report(found: Sequence[Result], folder: Path, *, share: float, seed: int) -> Path:
    """Write calibration.md, and one picture per study beside it.

    The same share and seed write the same bytes: nothing in them tells when or where they were made.

    Returns:
        The page.
    """
    pictures = folder / "calibration"
    pictures.mkdir(parents=True, exist_ok=True)
    for result in found:
        (pictures / _picture(result)).write_text(rates_plot(result.rates), encoding="utf-8")
    page = folder / "calibration.md"
    page.write_text("\n".join(_page(found, share=share, seed=seed)) + "\n", encoding="utf-8")
    return page


def _picture(result: Result) -> str:
    return f"{result.study.name}.svg"


def _page(found: Sequence[Result], *, share: float, seed: int) -> Iterator[str]:
    judged = [rate for result in found for rate in result.rates if rate.judged]
    kept = sum(rate.holds for rate in judged)
    again = "abflow calibrate" + ("" if share == 1 else f" --share {share:g}") + f" --seed {seed}"
    yield "# Calibration"
    yield ""
    yield (
        "Each study draws worlds whose truth is known and counts how often a method is wrong. A rate from N runs may "
        "lie 3.29·sqrt(p(1 - p)/N) beyond what is promised, which a right engine oversteps once in a thousand checks."
    )
    yield ""
    yield f"{kept} of {len(judged)} judged rates hold. Made by `{again} --write FOLDER`."
    for result in found:
        yield from _section(result)


def _section(result: Result) -> Iterator[str]:
    study = result.study
    yield ""
    yield f"## {study.name}"
    yield ""
    yield study.claim
    yield ""
    yield f"![{study.name}](calibration/{_picture(result)})"
    yield ""
    yield "| what | runs | rate | must lie within | holds |"
    yield "|---|---:|---:|---:|---|"
    for rate in result.rates:
        what = rate.what.replace("|", "\\|")
        yield f"| {what} | {rate.runs} | {share_of(rate)} | {limits_of(rate)} | {answer_of(rate)} |"
