"""Where log files lie: a disk of this machine, or an object store through fsspec."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, Protocol, cast

from abflow.errors import DataError

_MARKS = (".", "_")  # names of what a writer leaves for itself begin so: _SUCCESS, _temporary, .part-0.crc
_UNFINISHED = (".tmp", ".crc", "_$folder$")

# What object stores call the thing that changes with an object's content, the surest first.
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created")
_BLOCK = 4 * 1024 * 1024  # read at once: enough to be quick, and not a whole file where its first line is wanted
_EXTRAS = {"s3": "abflow[s3]", "s3a": "abflow[s3]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or a folder.

    Attributes:
        path: Its path on this machine, or its URL.
        version: Another one after every change; empty where the storage does not tell.
    """

    path: str
    is_folder: bool
    size: int
    version: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


class Storage(Protocol):
    """What finding and reading log files asks of the place where they lie."""

    def look(self, path: str) -> Entry | None:
        """What is at a path; None where nothing is."""

    def entries(self, folder: str) -> list[Entry]:
        """What is directly in a folder, in the order of the names."""

    def open(self, path: str) -> BufferedIOBase:
        """A file's bytes."""


def storage_of(path: str) -> Storage:
    """Where a path or URL leads."""
    scheme, separator, _ = path.partition("://")
    return ObjectStore(_filesystem(scheme)) if separator else Disk()


def is_mark(name: str) -> bool:
    """Whether a name is that of a writer's own mark or of an unfinished file, and not of a log file."""
    return name.startswith(_MARKS) or name.endswith(_UNFINISHED)


class Disk:
    """Folders of this machine."""

    def look(self, path: str) -> Entry | None:
        """What is at a path; None where nothing is."""
        with told(path):
            try:
                found = os.stat(path)  # noqa: PTH116  a URL is no Path, and both are looked at alike
            except (FileNotFoundError, NotADirectoryError):
                return None
        # The time of the last change of any kind is in it, because copying tools set back the time of writing.
        version = f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"
        return Entry(path=path, is_folder=stat.S_ISDIR(found.st_mode), size=found.st_size, version=version)

    def entries(self, folder: str) -> list[Entry]:
        """What is directly in a folder, in the order of the names."""
        with told(folder):
            names = sorted(os.listdir(folder))  # noqa: PTH208  see above
        paths = [os.path.join(folder, name) for name in names if not is_mark(name)]  # noqa: PTH118  see above
        found = [self.look(path) for path in paths]
        lost = next((p for p, entry in zip(paths, found, strict=True) if not entry and os.path.islink(p)), None)  # noqa: PTH114
        if lost:
            raise DataError(f"{lost} is a link that leads nowhere; remove it, or put its file back")
        return [entry for entry in found if entry]  # what went while the folder was read was no log file yet

    def open(self, path: str) -> BufferedIOBase:
        """A file's bytes."""
        with told(path):
            return open(path, "rb")  # noqa: PTH123  see above; the caller closes it


class ObjectStore:
    """Objects that fsspec can read: S3, Google Cloud Storage, Azure and others."""

    def __init__(self, filesystem: Any) -> None:
        self.filesystem = filesystem

    def look(self, path: str) -> Entry | None:
        """What is at a path; None where nothing is."""
        self.filesystem.invalidate_cache()
        with told(path):
            try:
                return self._entry(self.filesystem.info(path))
            except FileNotFoundError:
                return None

    def entries(self, folder: str) -> list[Entry]:
        """What is directly in a folder, in the order of the names."""
        self.filesystem.invalidate_cache()  # otherwise a long-lived worker would not see what came meanwhile
        with told(folder):
            listed = [self._entry(info) for info in self.filesystem.ls(folder, detail=True)]
        # Some tools put an empty object where others see a folder; it is listed inside itself.
        inside = (entry for entry in listed if entry.name and not is_mark(entry.name))
        return sorted(inside, key=lambda entry: entry.name)

    def open(self, path: str) -> BufferedIOBase:
        """A file's bytes."""
        with told(path):
            return cast(BufferedIOBase, self.filesystem.open(path, "rb", block_size=_BLOCK))

    def _entry(self, info: dict[str, Any]) -> Entry:
        version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
        return Entry(
            path=self.filesystem.unstrip_protocol(info["name"]),
            is_folder=info["type"] == "directory",
            size=int(info["size"] or 0),
            version=version and f"{info['size']}-{version}",
        )


def _filesystem(scheme: str) -> Any:
    import fsspec

    try:
        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        known = _EXTRAS.get(scheme)
        how = f"install {known!r}" if known else str(error)
        raise DataError(f"{scheme}:// cannot be read here: {how}") from error


@contextmanager
def told(path: str) -> Iterator[None]:
    """Turn whatever a storage complains of into an error that names the place; every store has errors of its own."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}: {error})") from error
