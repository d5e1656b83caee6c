"""What a step loads: a day that needs no scipy does not wait for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEALTHY_DAY = """
import sys
from datetime import date, timedelta
from abflow.analysis.population import Cohort, Population
from abflow.analysis.validity import daily_checks
from abflow.lifecycle import daily, harm, horizon, preparation, steps
from tests.analysis.experiments import cohort, population_of, spec_of

population = population_of(cohorts=(cohort("old", 5000), cohort("new", 5010)), misassigned=0)
for check in daily_checks(spec_of(), population, day=date(2026, 10, 1), days=14):
    assert check.status == "pass", check
print(*[name for name in ("scipy", "pandas", "mlflow", "great_expectations", "altair") if name in sys.modules])
"""


def loaded_by(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_checks_of_a_healthy_day_load_no_scipy() -> None:
    assert loaded_by(HEALTHY_DAY) == []


@pytest.mark.parametrize("package", ["stats", "analysis", "calibration"])
def test_importing_the_statistics_loads_no_scipy(package: str) -> None:
    code = f"""
import importlib, pkgutil, sys
import abflow.{package} as package
for module in pkgutil.walk_packages(package.__path__, "abflow.{package}."):
    importlib.import_module(module.name)
print(*[name for name in ("scipy", "pandas", "mlflow", "altair") if name in sys.modules])
"""
    assert loaded_by(code) == []
