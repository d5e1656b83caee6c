"""What Airflow's API answers, as far as it is used here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """One DAG."""

    dag_id: str
    paused: bool
    description: str | None
    tags: tuple[str, ...]

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Dag:
        """The DAG that Airflow describes."""
        return cls(
            dag_id=answer["dag_id"],
            paused=answer["is_paused"],
            description=answer["description"],
            tags=tuple(sorted(tag["name"] for tag in answer["tags"])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DagRun:
    """One run of a DAG."""

    run_id: str
    state: str
    run_type: str
    run_after: datetime
    logical_date: datetime | None
    data_interval_start: datetime | None

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> DagRun:
        """The run that Airflow describes."""
        return cls(
            run_id=answer["dag_run_id"],
            state=answer["state"],
            run_type=answer["run_type"],
            run_after=datetime.fromisoformat(answer["run_after"]),
            logical_date=_time(answer["logical_date"]),
            data_interval_start=_time(answer["data_interval_start"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One task in one run; `state` is None until the scheduler looked at it.

    Attributes:
        map_index: Which of those that a mapped task became; -1 for a task that is not mapped, or not yet.
        label: What it calls itself among them.
    """

    task_id: str
    map_index: int = -1
    label: str | None = None
    state: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> TaskRun:
        """The task that Airflow describes."""
        return cls(
            task_id=answer["task_id"],
            map_index=answer["map_index"],
            label=answer["rendered_map_index"],
            state=answer["state"],
            try_number=answer["try_number"],
            started=_time(answer["start_date"]),
            ended=_time(answer["end_date"]),
        )

    @property
    def name(self) -> str:
        """The task's name, with what it calls itself where it is one of many."""
        return self.task_id if self.map_index < 0 else f"{self.task_id} {self.label or self.map_index}"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFailure:
    """One DAG file that Airflow could not read."""

    filename: str
    text: str

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> ImportFailure:
        """The failure that Airflow describes."""
        return cls(filename=answer["filename"], text=answer["stack_trace"])


def log_line(message: str | Mapping[str, Any]) -> str:
    """One message of a task's log as text, with the exception that it carries."""
    if isinstance(message, str):
        return message
    said = [message.get("timestamp"), message.get("level"), message["event"]]
    # A chain of exceptions comes with the one that ended the task first.
    raised = [f"{each['exc_type']}: {each['exc_value']}" for each in message.get("error_detail") or ()]
    return " ".join(str(part) for part in [*said, *raised] if part)
