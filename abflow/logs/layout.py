"""A day of a log is the files that hold it, wherever they lie and whatever their columns are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BufferedIOBase
from pathlib import Path

from abflow.errors import DataError
from abflow.logs.files import Disk, storage_of
from abflow.logs.formats import SUFFIXES, LogFormat, format_of
from abflow.logs.places import Place, find

__all__ = ["DayLog", "LogFile", "LogFormat", "day_log", "log_of_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """One file of a log.

    Attributes:
        path: Its path on this machine, or its URL in an object store.
        name: Its path below the log's folder.
        size: Bytes, when the day was looked up.
    """

    path: str
    name: str
    size: int

    def __str__(self) -> str:
        return self.path

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed with gzip."""
        return self.name.endswith(".gz")

    def open(self) -> BufferedIOBase:
        """Its bytes, as they are stored.

        Raises:
            DataError: It cannot be read.
        """
        return storage_of(self.path).open(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLog:
    """The files that hold one day of one log, and how to read them.

    Attributes:
        columns: By our name of a column, its name in the log; other columns have the same name in both.
        by_timestamp: The files hold other days too; a row's day is that of its timestamp.
    """

    log: str
    day: date
    format: LogFormat
    files: tuple[LogFile, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    by_timestamp: bool = False

    @property
    def folder(self) -> str:
        """The folder that holds all the files."""
        first, *rest = (file.path.split("/")[:-1] for file in self.files)
        return "/".join(
            part for depth, part in enumerate(first) if all(r[: depth + 1] == first[: depth + 1] for r in rest)
        )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def content_hash(self) -> str:
        """Hash of what the day says: the files' names and bytes, or those rows of them that are of this day.

        A restated day has another one. Where the columns have other names in the log, these are part of it.

        Raises:
            LogMissing: The day is told by timestamps, and no row is of it.
            DataError: A file cannot be read.
        """
        from abflow.logs.content import content_hash

        return content_hash(self)

    def stamp(self) -> str:
        """A short text that changes whenever a file changed; much cheaper than the hash of its content.

        Raises:
            DataError: A file is gone, or its storage does not tell when a file changes.
        """
        from abflow.logs.content import stamp

        return stamp(self)


def day_log(
    log: str,
    location: Path | str,
    day: date,
    *,
    root: Path | None = None,
    columns: Mapping[str, str] | None = None,
    by_timestamp: bool = False,
) -> DayLog:
    """Find the files of one day of a log.

    Args:
        log: The log's name in the experiment file: shadow, exposures or outcomes.
        location: Where the log is: a path that is meant as it stands, or a text as the experiment file has it, which
            may be a URL, a glob or a template.
        day: The UTC day.
        root: Where relative paths start.
        columns: By our name of a column, its name in the log.
        by_timestamp: Whether a row's day is that of its timestamp although the paths name days.

    Raises:
        LogMissing: No file is there for that day.
        DataError: The log is not there at all, cannot be listed, does not say clearly which day a file holds, or holds
            files that are not of one known format.
    """
    place = Place.of(location, day, root)
    found = find(log, place, day, by_timestamp=by_timestamp)
    files = [
        LogFile(path=entry.path, name=entry.path[len(place.folder) :].lstrip("/") or entry.name, size=entry.size)
        for entry in found.files
    ]
    return DayLog(
        log=log,
        day=day,
        format=_one_format(files),
        files=tuple(files),
        columns=columns or {},
        by_timestamp=found.by_timestamp,
    )


def log_of_files(log: str, day: date, files: Sequence[Path]) -> DayLog:
    """One day of a log from its files.

    Raises:
        DataError: A file is of an unknown format, or they are not all of one.
    """
    entries = {file: Disk().look(str(file)) for file in files}
    given = [
        LogFile(path=str(file), name=file.name, size=entry.size if entry else 0) for file, entry in entries.items()
    ]
    return DayLog(log=log, day=day, format=_one_format(given), files=tuple(given))


def _one_format(files: Sequence[LogFile]) -> LogFormat:
    unknown = next((file for file in files if format_of(file.name) is None), None)
    if unknown:
        raise DataError(f"{unknown} is not a log file; known are {', '.join(SUFFIXES)}. Move it away, or rename it")
    examples = {format_: file for file in reversed(files) if (format_ := format_of(file.name))}
    if len(examples) > 1:
        found = sorted(examples)
        raise DataError(
            f"one day holds {' and '.join(found)} files, such as {' and '.join(str(examples[f]) for f in found)}; "
            "a day must have one format"
        )
    return next(iter(examples))
