"""Files written whole or not at all, and values as JSON that is the same for the same value."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from abflow.errors import AbflowError, DataError

Value = TypeVar("Value")

# In the system's words, which DuckDB repeats in an error of its own.
_NO_ROOM = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))

# Understanding a class takes longer than reading a value of it, and a step reads many.
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def to_json(value: Any) -> str:
    """A frozen value as text: keys sorted, no NaN, a newline at the end."""
    plain = _adapter(type(value)).dump_python(value, mode="json", by_alias=True)
    return json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, kind: type[Value], *, source: Path) -> Value:
    """The value that `to_json` wrote.

    Raises:
        DataError: The file was edited or cut.
    """
    adapter: TypeAdapter[Value] = _adapter(kind)
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{source} is not what abflow wrote ({'.'.join(map(str, first['loc']))}: {first['msg']}); "
            "delete it and run its step again"
        ) from error


def write_whole(path: Path, text: str, *, staging: Path) -> None:
    """Write a text file so that a reader sees the old one or the new one, never a part.

    Args:
        path: The file.
        text: Its content.
        staging: A folder on the same file system for the unfinished file.
    """
    with staged_folder(staging) as folder:
        unfinished = folder / path.name
        unfinished.write_text(text, encoding="utf-8")
        place(unfinished, path)


def place(unfinished: Path, path: Path) -> None:
    """Move a finished file to where it is read, surviving a crash of the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("rb") as stream:
        os.fsync(stream.fileno())
    unfinished.replace(path)


@contextmanager
def staged_folder(staging: Path) -> Iterator[Path]:
    """A private folder for unfinished files; what a killed process leaves there is never read.

    Raises:
        DataError: A disk is full.
    """
    folder = None
    try:
        staging.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=staging))
        yield folder
    except Exception as error:  # a full disk is an OSError here, an error of DuckDB or of Spark there
        if isinstance(error, AbflowError) or not any(reason in str(error) for reason in _NO_ROOM):
            raise
        raise DataError(
            f"{staging}: no room is left on the disk ({error}). Nothing is half-written: make room there, then run "
            "this again"
        ) from error
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
