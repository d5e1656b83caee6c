"""One experiment from its first day to its end: logs whose truth is known, and every step without a scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import GateStopped
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.horizon import gates_so_far
from abflow.lifecycle.steps import run_through
from abflow.logs.resources import one_database
from abflow.settings import load_settings
from abflow.simulate.simulation import SimulationSummary, simulate
from abflow.simulate.truth import Truth
from abflow.spec.calendar import GateName, Step
from abflow.spec.experiment import ExperimentSpec

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)

End = GateName | Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """What became of an experiment.

    Attributes:
        end: The gate that stayed shut, or the decision.
        drawn: What the logs held, and what was done to them on purpose.
        readout: None when the experiment ended without one.
    """

    end: End
    drawn: SimulationSummary
    readout: Readout | None


def live_through(spec: ExperimentSpec, truth: Truth, *, seed: int) -> Lifetime:
    """Draw the logs of an experiment and do its steps on them, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        drawn = simulate(spec, truth, seed=seed, root=root)
        bench = _bench_at(root, spec)
        with one_database(bench.settings.resources):
            end = _end_of(bench)
        return Lifetime(end=end, drawn=drawn, readout=bench.store.find("readout", Readout))


def _bench_at(root: Path, spec: ExperimentSpec) -> Bench:
    """A bench that takes everything from one folder and nothing from the environment."""
    here = load_settings(
        root=root,
        store=root / "store",
        ledger=root / "ledger.jsonl",
        mlflow_tracking_uri=None,
        threads=1,
        memory_limit=None,
        spill=None,
    )
    return Bench(spec, here, pages=False)


def _end_of(bench: Bench) -> End:
    try:
        for _ in run_through(bench, clock=lambda: NOON):
            pass
    except GateStopped:
        shut = [gate.gate for gate in gates_so_far(bench) if not gate.opens]
        return shut[0] if shut else Decision.INVALID  # with open gates only a test day's own checks stop it
    return bench.store.get("verdict", Verdict, step=Step.DECIDE).decision
