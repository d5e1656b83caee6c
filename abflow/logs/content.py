"""What a day's files hold, as hashes, and whether a file changes while it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from abflow.errors import DataError, LogMissing
from abflow.logs.cost import count_read
from abflow.logs.expressions import identifier, literal
from abflow.logs.files import Storage, storage_of, told
from abflow.logs.reading import open_day, reading
from abflow.logs.resources import connection

if TYPE_CHECKING:
    from abflow.logs.layout import DayLog

_AT_ONCE = 8  # hashing lets other threads run, and an object store answers many requests at once

T = TypeVar("T")


def content_hash(log: DayLog) -> str:
    """Hash of what a day says; see `DayLog.content_hash`."""
    digest = hashlib.sha256(_meaning(log))
    if log.by_timestamp:
        digest.update(_rows_of_day(log).encode())
        return digest.hexdigest()
    count_read(size=log.size)
    for file, content in zip(log.files, _digests(log), strict=True):
        digest.update(file.name.encode() + b"\0" + content)
    return digest.hexdigest()


def stamp(log: DayLog) -> str:
    """A short text that changes whenever a file changed; see `DayLog.stamp`."""
    seen = json.dumps([file.name for file in log.files] + list(_versions(log).values()))
    return hashlib.sha256(_meaning(log) + seen.encode()).hexdigest()[:32]


@contextmanager
def unchanged(log: DayLog) -> Iterator[None]:
    """Refuse what was read in this block when a file of the day changed meanwhile.

    Raises:
        DataError: A file was written, replaced or removed while it was read.
    """
    before = _versions(log)
    try:
        yield
    except DataError as error:  # half of one file and half of another are seldom readable
        _refuse_change(log, before, error)
        raise
    _refuse_change(log, before)


def _refuse_change(log: DayLog, before: dict[str, str], cause: DataError | None = None) -> None:
    now = _versions(log, gone="gone")
    changed = next((path for path, version in before.items() if now[path] != version), None)
    if changed:
        raise DataError(
            f"log {log.log!r}, day {log.day}: {changed} changed while it was read; "
            "run this day again once its writer is done"
        ) from cause


def _meaning(log: DayLog) -> bytes:
    """How the day is read, as far as it is not read as it stands."""
    told = {
        **({"columns": dict(log.columns)} if log.columns else {}),
        **({"day": str(log.day)} if log.by_timestamp else {}),
    }
    return json.dumps(told, sort_keys=True).encode() if told else b""


def _rows_of_day(log: DayLog) -> str:
    """The number of rows and the sum of their hashes: the same for the same rows in any order and in any files."""
    with connection() as db, reading(log):
        columns = open_day(db, log, view="rows_of_day", as_json=True)
        # A column that first occurs on a later day is null in this one, and nulls do not count.
        parts = (f"{literal(name + chr(0x1F))} || to_json({identifier(name)})::varchar" for name in sorted(columns))
        row = f"concat_ws({literal(chr(0x1E))}, {', '.join(parts)})"
        return str(db.execute(f"select count(*), sum(md5_number_lower({row})) from rows_of_day").fetchall()[0])


def _digests(log: DayLog) -> list[bytes]:
    def digest(storage: Storage, path: str) -> bytes:
        with storage.open(path) as stream, told(path):
            return hashlib.file_digest(stream, "sha256").digest()

    return _each(digest, log)


def _versions(log: DayLog, *, gone: str = "") -> dict[str, str]:
    """What changes with each file, by its path; `gone` stands for a file that is not there."""

    def version(storage: Storage, path: str) -> str:
        entry = storage.look(path)
        if entry and not entry.version:
            raise DataError(f"the storage of {path} does not say when a file changes; copy the log to another one")
        return entry.version if entry else gone

    versions = dict(zip((file.path for file in log.files), _each(version, log), strict=True))
    lost = next((path for path, found in versions.items() if not found), None)
    if lost:
        raise LogMissing(f"log {log.log!r}, day {log.day}: {lost} is gone; run this day again once it is back")
    return versions


def _each(function: Callable[[Storage, str], T], log: DayLog) -> list[T]:
    storage = storage_of(log.files[0].path)  # fsspec would connect anew in every thread
    if len(log.files) == 1:  # threads take longer to start than one file takes to look at
        return [function(storage, log.files[0].path)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda file: function(storage, file.path), log.files))
