"""The ledger: an append-only chain of decisions, each holding the hash of the one before."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from abflow.errors import DataError, LedgerBroken

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision."""

    number: int
    at: str
    kind: str
    experiment: str
    facts: Mapping[str, Any]
    before: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The file that holds the chain, and the lock that every change of the registry takes.

    The lock is a file beside the ledger, taken with flock: on one machine and on a shared file system that
    honours flock it makes promotions one after the other. Writers that do not use abflow are only noticed.
    """

    path: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait for, then hold, the right to change the registry and the ledger."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def append(self, kind: str, experiment: str, facts: Mapping[str, Any], *, at: datetime) -> Entry:
        """Add a decision; the caller holds the lock.

        Args:
            kind: What was decided, such as promoted or approval.
            experiment: The experiment, or the model for a rollback.
            facts: Plain values that say what and why.
            at: The time of the decision, with its zone.

        Raises:
            LedgerBroken: The chain was edited; nothing is added to a broken chain.
            DataError: The entry could not be written, because the disk is full; the chain is as it was.
        """
        entries = self.entries()
        before = entries[-1].sha256 if entries else GENESIS
        body: dict[str, Any] = {
            "number": len(entries) + 1,
            "at": at.isoformat(),
            "kind": kind,
            "experiment": experiment,
            "facts": dict(facts),
            "before": before,
        }
        entry = Entry(**body, sha256=_hash(body))
        line = json.dumps({**body, "sha256": entry.sha256}, sort_keys=True, ensure_ascii=False) + "\n"
        self._write(line.encode())
        return entry

    def _write(self, line: bytes) -> None:
        """Add a line, or leave the file as it was: an entry that is cut would break the chain for good."""
        with self.path.open("ab", buffering=0) as stream:
            whole = stream.seek(0, os.SEEK_END)
            try:
                written = 0
                while written < len(line):
                    written += stream.write(line[written:])
                os.fsync(stream.fileno())
            except OSError as error:
                stream.truncate(whole)
                raise DataError(
                    f"{self.path}: the entry could not be written ({error.strerror}), and the ledger is as it was; "
                    "make room there, then run this again"
                ) from error

    def record_once(self, kind: str, experiment: str, facts: Mapping[str, Any], *, at: datetime, same: str) -> Entry:
        """Add a decision unless it is the last of its kind already; the caller holds the lock.

        Args:
            kind: See `append`.
            experiment: See `append`.
            facts: See `append`.
            at: See `append`.
            same: The fact by which two entries of this kind are the same decision.
        """
        alike = [e for e in self.entries() if (e.kind, e.experiment) == (kind, experiment)]
        if alike and alike[-1].facts.get(same) == facts[same]:
            return alike[-1]
        return self.append(kind, experiment, facts, at=at)

    def entries(self) -> tuple[Entry, ...]:
        """Every entry, after checking the whole chain.

        Raises:
            LedgerBroken: An entry was edited, removed, added or cut.
        """
        if not self.path.exists():
            return ()
        found: list[Entry] = []
        *lines, rest = self.path.read_text(encoding="utf-8").split("\n")  # splitlines also splits inside facts
        if rest:
            where = f"{self.path}, line {len(lines) + 1}"
            raise LedgerBroken(f"{where}: the entry was cut; restore the ledger from a backup")
        for number, line in enumerate(lines, start=1):
            before = found[-1].sha256 if found else GENESIS
            found.append(self._checked(line, number, before))
        return tuple(found)

    def _checked(self, line: str, number: int, before: str) -> Entry:
        where = f"{self.path}, line {number}"
        try:
            body = json.loads(line)
            entry = Entry(**body)
            claimed = body.pop("sha256")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LedgerBroken(f"{where}: not an entry ({error}); restore the ledger from a backup") from error
        if claimed != _hash(body):
            raise LedgerBroken(f"{where}: the entry was edited; its hash no longer fits. Restore the ledger")
        if entry.before != before or entry.number != number:
            raise LedgerBroken(f"{where}: an entry before this one was removed, added or edited. Restore the ledger")
        return entry


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
