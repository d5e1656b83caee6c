"""The folder of one experiment: its evidence, by name, and its unit-days."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from abflow.errors import DataError, EvidenceMissing
from abflow.store.files import from_json, place, staged_folder, to_json, write_whole

Value = TypeVar("Value")

_READERS = "readers"  # the right to read partitions, which many have at once


class Manifest(Protocol):
    """What a partition's manifest must tell the store."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files."""


Partition = TypeVar("Partition", bound=Manifest)


@dataclass(frozen=True, slots=True)
class ExperimentStore:
    """Everything that is known of one experiment.

    A value is a JSON file; a partition is a manifest and the Parquet files that it names. The manifest is
    replaced last, so a partition is the old one or the new one at every moment. Under a name lies its newest value;
    in `history/<name>/` lies every value that was kept under it, each named by the SHA-256 of its file.
    """

    root: Path
    experiment: str

    @property
    def folder(self) -> Path:
        """The experiment's folder."""
        return self.root / self.experiment

    @property
    def notes(self) -> ExperimentStore:
        """What only spares work: it lies beside the evidence, is no part of it and may be deleted at any time."""
        return ExperimentStore(self.root / ".notes", self.experiment)

    @contextmanager
    def lock(self, name: str = "lock", *, shared: bool = False) -> Iterator[None]:
        """Wait for, then hold, the right to do what nobody else must do at the same time; by flock, as the ledger's.

        Args:
            name: Of the right.
            shared: Whether others may do the same, and only who takes it for himself must wait.
        """
        with self._lock_file(name).open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield  # closing the file gives the right back

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While this block lasts nobody removes a file of a partition; who leaves last removes those replaced since."""
        if not self.folder.exists():  # nothing is there to be removed
            yield
            return
        with self.notes.lock(_READERS, shared=True):
            yield
        for manifest in self.folder.glob("unit_*/**/manifest.json"):
            with self.notes.lock(f"{manifest.parent.relative_to(self.folder)}/lock"):
                self._sweep(manifest.parent, json.loads(manifest.read_text(encoding="utf-8"))["files"])

    def save(self, name: str, value: object) -> None:
        """Keep a value under a name such as `gates/aa`."""
        write_whole(self.folder / f"{name}.json", to_json(value), staging=self._staging)

    def keep(self, name: str, value: object) -> None:
        """Keep a value under a name for good; the one before it stays readable in the history."""
        self.save(f"history/{name}/{_sha256(to_json(value))}", value)
        self.save(name, value)

    def history(self, name: str, kind: type[Value]) -> dict[str, Value]:
        """Every value that was kept under a name, by its hash.

        Raises:
            DataError: A file is not what was kept.
        """
        found = {}
        for file in sorted((self.folder / "history" / name).glob("*.json")):
            text = file.read_text(encoding="utf-8")
            if _sha256(text) != file.stem:
                raise DataError(f"{file} was edited: its SHA-256 is no longer its name; restore it from a backup")
            found[file.stem] = from_json(text, kind, source=file)
        return found

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

    def commit(self, name: str, build: Callable[[Path], Partition]) -> Partition:
        """Build files aside, then put them in place under a name; the files that they replace are removed last.

        While somebody is `reading`, these stay until he is done.
        Processes that build the same place at the same time put it in place one after the other.

        Args:
            name: Of the folder, such as `unit_state/test`.
            build: Writes the files into a folder and returns the manifest that names them.
        """
        folder = self.folder / name
        with staged_folder(self._staging) as staged:
            manifest = build(staged)
            with self.notes.lock(f"{name}/lock"):
                folder.mkdir(parents=True, exist_ok=True)
                for file in manifest.files:
                    place(staged / file, folder / file)
                self.save(f"{name}/manifest", manifest)
                self._sweep(folder, manifest.files)
        return manifest

    def _sweep(self, folder: Path, files: Iterable[str]) -> None:
        """Remove what a partition's manifest does not name, unless somebody reads; its place is locked."""
        old = {file.name for file in folder.iterdir()} - {*files, "manifest.json"}
        if not old:
            return
        with self.notes._lock_file(_READERS).open("a") as handle, suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in old:
                (folder / name).unlink(missing_ok=True)

    def _lock_file(self, name: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    @property
    def _staging(self) -> Path:
        return self.root / ".staging"


def clear_staging(root: Path) -> None:
    """Remove what killed processes left unfinished; only when nothing else runs on this store."""
    shutil.rmtree(root / ".staging", ignore_errors=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
