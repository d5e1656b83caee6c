"""Object stores as DuckDB reads them: without a copy, and from several threads at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem

_BLOCK = 64 * 1024  # a request to an object store costs more than this many bytes
_UNCHANGED = datetime(1970, 1, 1, tzinfo=UTC)


class InPlace(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no type information
    """The files of another file system, by their exact names, each open file safe to share between threads.

    The open files of fsspec have one position and one buffer. DuckDB moves the position and reads in two calls, from
    several threads on the same file, and would now and then get bytes of another place.
    """

    cachable = False

    def __init__(self, filesystem: AbstractFileSystem, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self._filesystem = filesystem

    def glob(self, path: str, **_: Any) -> list[str]:  # noqa: D102
        return [path]  # a name is a name, also with a * in it

    def unstrip_protocol(self, name: str) -> str:  # noqa: D102
        return name

    def info(self, path: str, **_: Any) -> dict[str, Any]:  # noqa: D102
        return dict(self._filesystem.info(path))

    def modified(self, _: str) -> datetime:  # noqa: D102
        return _UNCHANGED  # DuckDB forgets what it has read with its connection; `unchanged` watches over the files

    def open(self, path: str, *_: Any) -> OpenFile:  # noqa: D102
        return OpenFile(self._filesystem, path)


class OpenFile:
    """A file read by ranges of its bytes; whoever has just sought reads from there, whatever others do meanwhile."""

    def __init__(self, filesystem: AbstractFileSystem, path: str) -> None:
        self._filesystem, self._path = filesystem, path
        self._size = int(filesystem.info(path)["size"])
        self._position = 0
        self._sought: dict[int, int] = {}  # by thread; not a threading.local, which DuckDB's threads lose between calls
        self._block = (0, b"")

    def seek(self, position: int) -> int:
        """Say where to read next."""
        self._sought[threading.get_ident()] = self._position = position
        return position

    def tell(self) -> int:
        """Where a read without a seek before it begins."""
        return self._position

    def read(self, count: int = -1) -> bytes:
        """The next bytes, fewer at the end."""
        start = self._sought.pop(threading.get_ident(), None)
        if start is None:  # one thread after the other reads on where the last one stopped
            start = self._position
            self._sought.clear()
        end = self._size if count < 0 else min(start + count, self._size)
        self._position = max(start, end)
        return self._bytes(start, end) if start < end else b""

    def _bytes(self, start: int, end: int) -> bytes:
        first, block = self._block
        if not first <= start <= end <= first + len(block):
            first, block = start, self._filesystem.cat_file(self._path, start=start, end=max(end, start + _BLOCK))
            if end - start < _BLOCK:
                self._block = (first, block)
        return bytes(block[start - first : end - first])

    def close(self) -> None:
        """Nothing is held open."""
