from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel
from scipy import stats

from abflow.errors import SpecError
from abflow.simulate.truth import EventTruth, LatencyTruth, Lognormal, Pareto, Truth, load_truth


def _file(folder: Path, text: str) -> Path:
    path = folder / "truth.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_truth_is_read_from_yaml(tmp_path: Path) -> None:
    text = """
units_per_day: 50
effects: {revenue: {treatment: -0.1}}
events: {purchase: {share: 0.3, value: {kind: pareto, minimum: 4, tail: 1.8}}}
"""
    truth = load_truth(_file(tmp_path, text))
    assert truth.units_per_day == 50
    assert truth.effects == {"revenue": {"treatment": -0.1}}
    assert truth.events["purchase"].value == Pareto(kind="pareto", minimum=4, tail=1.8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units_a_day: 5", r"units_a_day: there is no such rate; the rates are units_per_day"),
        ("late_rate: 1.5", r"late_rate: input should be less than or equal to 1, given 1\.5"),
        ("effects: {revenue: {treatment: -1}}", r"effects\.revenue\.treatment: .* given -1"),
        ("weekday: [0, 0, 0, 0, 0, 0, 0]", r"weekday: weekday .* not only zeros"),
        ("weekday: [1, 1]", "weekday"),
        ("segment_levels: [a, a]", "segment_levels: .* twice"),
        ("late_rate: 0.1\nskew: 0.1\nlate_rate: 0.2", r"truth\.yaml:3: 'late_rate' stands twice"),
        ("events: {a: {share: 0.1, share: 0.2}}", "'share' stands twice"),
        ("- 1", "is a mapping of rates"),
        ("", "is empty"),
        ("{", "not valid YAML"),
    ],
)
def test_a_wrong_truth_is_refused_by_the_name_of_its_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_truth(_file(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such file"):
        load_truth(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("model", [Truth, EventTruth, LatencyTruth, Lognormal, Pareto])
def test_every_rate_has_a_default_and_is_described(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        assert not field.is_required(), name
        assert field.description or name == "latency_ms", name


def test_pareto_has_the_moments_that_scipy_knows() -> None:
    value, known = Pareto(kind="pareto", minimum=4, tail=2.5), stats.pareto(b=2.5, scale=4)
    assert value.mean == pytest.approx(known.mean())
    assert value.quantile(0.95) == pytest.approx(known.ppf(0.95))


def test_lognormal_has_the_moments_that_scipy_knows() -> None:
    value, known = Lognormal(mu=1.2, sigma=0.7), stats.lognorm(s=0.7, scale=2.718281828459045**1.2)
    assert value.mean == pytest.approx(known.mean())
    assert value.quantile(0.9) == pytest.approx(known.ppf(0.9))
