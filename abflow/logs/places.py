"""Which files of a log belong to a day: by a template, by what their paths say, or all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from abflow.errors import DataError, LogMissing
from abflow.logs.files import Entry, Storage, storage_of
from abflow.logs.formats import format_of
from abflow.spec.log_source import is_template, on_day

_DAY = re.compile(r"(?<!\d)(20\d\d)([-_/]?)(\d\d)\2(\d\d)(?!\d)")  # 2026-10-01, 2026_10_01, 2026/10/01, 20261001
_KEYS = re.compile(r"(?<![^/])year=(\d{4})/month=(\d\d?)/day=(\d\d?)(?![^/])")
_PART_OF_DAY = re.compile(r"(?<![^/])(?:year=)?(20\d\d)(?:/(?:month=)?(\d\d?))?$")
_HOW_TO_TELL = "use a template with {date}, or say day: timestamp when a file may hold any day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look for a log.

    Attributes:
        folder: The part of the path that is meant as it stands.
        pattern: The parts below it, from the first with a wildcard on.
        fixed: Whether the day was filled in, so that everything that is found belongs to it.
    """

    folder: str
    pattern: tuple[str, ...] = ()
    fixed: bool = False

    @classmethod
    def of(cls, location: Path | str, day: date, root: Path | None) -> Self:
        """Where a log is on a day; a `Path` is meant as it stands, a text may be a URL, a glob or a template."""
        if isinstance(location, Path):
            return cls(folder=str(location))
        fixed = is_template(location)
        path = (on_day(location, day) if fixed else location).removeprefix("file://").rstrip("/")
        scheme, separator, below = path.rpartition("://")
        parts = [part for part in below.split("/") if part]
        wild = next((n for n, part in enumerate(parts) if set("*?[") & set(part)), len(parts))
        literal = "/".join(parts[:wild])
        start = "" if separator else "/" if below.startswith("/") else f"{root or Path()}/"
        return cls(folder=f"{scheme}{separator}{start}{literal}".rstrip("/"), pattern=tuple(parts[wild:]), fixed=fixed)

    def __str__(self) -> str:
        return "/".join((self.folder, *self.pattern))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files that hold a day.

    Attributes:
        files: In the order of their paths.
        by_timestamp: They hold other days too, and only the timestamps tell.
    """

    files: tuple[Entry, ...]
    by_timestamp: bool


def find(log: str, place: Place, day: date, *, by_timestamp: bool) -> Found:
    """Find the files that hold one day of a log.

    Raises:
        LogMissing: No file is there for that day.
        DataError: The log is not there at all, or its paths do not say clearly which day a file holds.
    """
    storage = storage_of(place.folder)
    walk = _Walk(storage=storage, base=place.folder, day=None if place.fixed or by_timestamp else day)
    start = storage.look(place.folder)
    if start is None and not place.fixed:
        raise DataError(
            f"log {log!r}: there is no folder {place.folder} and no such file; set logs.{log} to where the log is"
        )
    matching = {entry.path: entry for entry in walk.matching(start, place.pattern)} if start else {}
    files = tuple(matching[path] for path in sorted(matching))
    if walk.day is not None:
        return _on_day(log, place, day, files, walk)
    if not files:
        raise LogMissing(f"log {log!r} has no day {day}: there are no files at {place}; run again once they are there")
    return Found(files=files, by_timestamp=by_timestamp)


def days_in(path: str) -> set[date]:
    """Every day that a path names."""
    found = set()
    for year, month, day in [*(m.group(1, 3, 4) for m in _DAY.finditer(path)), *_KEYS.findall(path)]:
        try:
            found.add(date(int(year), int(month), int(day)))
        except ValueError:  # eight digits that are no date
            continue
    return found


@dataclass(kw_only=True)
class _Walk:
    """What is below a folder, without the folders of other days.

    Attributes:
        day: The day that is looked for; None when paths are not asked for theirs.
        folders: Folders of the day that were looked into.
        others: Other days that folders name.
        tells: Whether a folder names a day, or a part of one.
    """

    storage: Storage
    base: str
    day: date | None
    folders: list[str] = field(default_factory=list)
    others: set[date] = field(default_factory=set)
    tells: bool = False

    def matching(self, entry: Entry, pattern: tuple[str, ...]) -> Iterator[Entry]:
        """Files at or below an entry that match the rest of a pattern; with `**` one may come twice."""
        if not pattern or not entry.is_folder:
            yield from self._below(entry) if not pattern else ()
            return
        head, rest = pattern[0], pattern[1:]
        if head == "**":
            yield from self.matching(entry, rest)
        for inner in self._inside(entry):
            if head == "**" and inner.is_folder:
                yield from self.matching(inner, pattern)
            elif head != "**" and fnmatchcase(inner.name, head):
                yield from self.matching(inner, rest)

    def relative(self, entry: Entry) -> str:
        """An entry's path below the folder that the walk began in."""
        return entry.path[len(self.base) :].lstrip("/")

    def _below(self, entry: Entry) -> Iterator[Entry]:
        if not entry.is_folder:
            yield entry
            return
        for inner in self._inside(entry):
            yield from self._below(inner)

    def _inside(self, folder: Entry) -> Iterator[Entry]:
        if self.day in days_in(self.relative(folder)):
            self.folders.append(folder.path)
        for entry in self.storage.entries(folder.path):
            if not (entry.is_folder and self._is_elsewhere(self.relative(entry))):
                yield entry

    def _is_elsewhere(self, folder: str) -> bool:
        """Whether everything in a folder belongs to other days."""
        if self.day is None:
            return False
        days, part = days_in(folder), _PART_OF_DAY.search(folder)
        self.tells = self.tells or bool(days or part)
        self.others |= days - {self.day}
        if days or not part:
            return bool(days) and self.day not in days
        return int(part[1]) != self.day.year or int(part[2] or self.day.month) != self.day.month


def _on_day(log: str, place: Place, day: date, files: tuple[Entry, ...], walk: _Walk) -> Found:
    """Those of the files whose path names the day; all of them when no path names any."""
    named = {entry: days_in(walk.relative(entry)) for entry in files}
    unclear = next((entry for entry, days in named.items() if len(days) > 1), None)
    if unclear:
        raise DataError(f"log {log!r}: {unclear.path} names more than one day; {_HOW_TO_TELL}")
    days = walk.others.union(*named.values())
    if not (days or walk.tells) and files:
        return Found(files=files, by_timestamp=True)
    nameless = next((entry for entry, its in named.items() if not its and format_of(entry.name)), None)
    if nameless:
        raise DataError(
            f"log {log!r}: {nameless.path} names no day, and other paths of the log do; move it away, or {_HOW_TO_TELL}"
        )
    mine = tuple(entry for entry, its in named.items() if its == {day})
    if mine:
        return Found(files=mine, by_timestamp=False)
    if walk.folders:
        raise LogMissing(f"log {log!r} has an empty day: no files in {walk.folders[0]}; run again once they are there")
    known = f" (they name {min(days)} to {max(days)})" if days else ""
    raise LogMissing(
        f"log {log!r} has no day {day}: there is no folder {place.folder}/date={day}, and no other path below "
        f"{place.folder} names that day{known}; run again once it is there"
    )
