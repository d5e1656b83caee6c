"""Every experiment in `dags/experiments/` as a DAG of its own."""

from pathlib import Path

from abflow.orchestration.dag_factory import experiment_dags

globals().update(experiment_dags(Path(__file__).resolve().parent))  # Airflow finds DAGs among a module's globals
