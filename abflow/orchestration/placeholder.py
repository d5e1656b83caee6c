"""The DAG of an experiment file that cannot be read: it says why, and runs nothing."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException


class ReportBrokenSpec(BaseOperator):
    """Fail with what is wrong with the file."""

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def execute(self, context: Context) -> None:  # noqa: ARG002  Airflow's signature
        """Say what is wrong."""
        raise AirflowFailException(self.message)


def broken_dag(dag_id: str, message: str) -> DAG:
    """A DAG under the experiment's own id whose description is the error."""
    with DAG(
        dag_id=dag_id,
        description=message[:500],
        doc_md=f"**This experiment file cannot be used.**\n\n```\n{message}\n```\n\nCheck it with `abflow validate`.",
        schedule=None,
        tags={"abflow", "broken spec"},
    ) as dag:
        ReportBrokenSpec(task_id="broken_spec", message=message)
    return dag
