"""`python -m abflow.local demo|ui|example`: what the Makefile calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from abflow.errors import AbflowError
from abflow.local.demo import Demo, run_demo, run_ui
from abflow.local.open_bandit import run_example

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Root = Annotated[Path, typer.Option(help="The folder that holds dags/ and data/.")]


@app.command()
def demo(root: Root = Path()) -> None:
    """Run the demo."""
    _guarded(lambda console: run_demo(Demo(root.resolve(), console)))


@app.command()
def ui(root: Root = Path()) -> None:
    """Open Airflow and MLflow over what the demo left behind."""
    _guarded(lambda console: run_ui(Demo(root.resolve(), console)))


@app.command()
def example(root: Root = Path()) -> None:
    """Run the lifecycle on logs of two policies that really served users."""
    _guarded(lambda console: run_example(root.resolve(), console))


def _guarded(work: Callable[[Console], object]) -> None:
    console = Console(soft_wrap=True)
    try:
        work(console)
    except AbflowError as error:
        console.print(f"error: {error}", markup=False, highlight=False, style="red")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
