"""The documentation names what there is, and only that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from abflow.cli import app
from abflow.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> set[str]:
    """Every command, with its group before it."""
    found = set()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        found |= {f"{name} {sub}" for sub in below} if below else {name}
    return found


def test_readme_names_every_command_and_no_other() -> None:
    named = set(re.findall(r"`abflow ([a-z]+(?: (?:verify|show))?)", README))
    assert named == commands()


def test_readme_shows_the_demo_experiment_as_it_is() -> None:
    shown = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert shown
    text = re.sub(r" +#.*", "", shown[1]).strip()
    file = (ROOT / "dags" / "experiments" / "churn_demo.yaml").read_text(encoding="utf-8")
    assert text == "\n".join(line for line in file.splitlines() if not line.startswith("#")).strip()


def test_every_setting_is_documented() -> None:
    guide = (ROOT / "docs" / "guides" / "airflow.md").read_text(encoding="utf-8")
    for name in set(Settings.model_fields) - {"experiments", "mlflow_tracking_uri"}:
        assert f"ABFLOW_{name.upper()}" in guide
    assert "MLFLOW_TRACKING_URI" in guide


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)\b", README):
        if target not in {"completes"}:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_guide_on_bandits_can_be_run_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "guides" / "bandits.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(program.replace("runs=1_000", "runs=300"), {})  # noqa: S102
    assert float(capsys.readouterr().out) == pytest.approx(0.57, abs=0.05)
