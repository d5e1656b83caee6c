"""The folder of one experiment: its evidence, by name, and its unit-days."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol, TypeVar

from abflow.errors import EvidenceMissing
from abflow.store.files import from_json, place, staged_folder, to_json, write_whole

Value = TypeVar("Value")


class Manifest(Protocol):
    """What a partition's manifest must tell the store."""

    @property
    def inputs(self) -> str:
        """Hash of what the partition was made from."""

    @property
    def units_file(self) -> str:
        """Name of the file of units."""

    @property
    def events_file(self) -> str:
        """Name of the file of events."""


Partition = TypeVar("Partition", bound=Manifest)


@dataclass(frozen=True, slots=True)
class ExperimentStore:
    """Everything that is known of one experiment.

    A value is a JSON file; a partition is a manifest and the two Parquet files that it names. The manifest is
    replaced last, so a partition is the old one or the new one at every moment.
    """

    root: Path
    experiment: str

    @property
    def folder(self) -> Path:
        """The experiment's folder."""
        return self.root / self.experiment

    def save(self, name: str, value: object) -> None:
        """Keep a value under a name such as `gates/aa`."""
        write_whole(self.folder / f"{name}.json", to_json(value), staging=self._staging)

    def save_text(self, name: str, text: str) -> None:
        """Keep a text file, such as the scorecard."""
        write_whole(self.folder / name, text, staging=self._staging)

    def find(self, name: str, kind: type[Value]) -> Value | None:
        """The value kept under a name, or None."""
        path = self.folder / f"{name}.json"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return from_json(text, kind, source=path)

    def get(self, name: str, kind: type[Value], *, step: str) -> Value:
        """The value kept under a name.

        Args:
            name: The name.
            kind: Its type.
            step: The step that makes it, for the message when it is not there.

        Raises:
            EvidenceMissing: Nothing is kept under that name.
        """
        value = self.find(name, kind)
        if value is None:
            raise EvidenceMissing(
                f"experiment {self.experiment!r} has no {name}; it is made by {step}, which has not succeeded. "
                f"Run {step} first: marking it as successful does not make its evidence"
            )
        return value

    def forget(self, name: str) -> None:
        """Remove a value."""
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def partition_folder(self, day: date) -> Path:
        """The folder of a day's partition."""
        return self.folder / "unit_day" / f"date={day}"

    def commit_partition(self, day: date, build: Callable[[Path], Partition]) -> Partition:
        """Build a day's partition aside, then put it in place; the files that it replaces are removed last."""
        folder = self.partition_folder(day)
        with staged_folder(self._staging) as staged:
            manifest = build(staged)
            folder.mkdir(parents=True, exist_ok=True)
            for name in (manifest.units_file, manifest.events_file):
                place(staged / name, folder / name)
        self.save(f"unit_day/date={day}/manifest", manifest)
        keep = {manifest.units_file, manifest.events_file, "manifest.json"}
        for old in folder.iterdir():
            if old.name not in keep:
                old.unlink(missing_ok=True)
        return manifest

    @property
    def _staging(self) -> Path:
        return self.root / ".staging"


def clear_staging(root: Path) -> None:
    """Remove what killed processes left unfinished; only when nothing else runs on this store."""
    shutil.rmtree(root / ".staging", ignore_errors=True)
