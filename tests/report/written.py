"""Every way in which a page may write the numbers of a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from tests.report.pages import NUMBER


def written(record: Any) -> set[str]:
    """All numbers of a record as text: plain, in percent, with and without sign, and those in its sentences."""
    return {number for text in _texts(record) for number in NUMBER.findall(text)}


def _texts(record: Any) -> Iterator[str]:
    if is_dataclass(record):
        for field in fields(record):
            yield from _texts(getattr(record, field.name))
    elif isinstance(record, dict):
        yield from _texts(tuple(record.items()))
    elif isinstance(record, list | tuple):
        for each in record:
            yield from _texts(each)
    elif isinstance(record, int | float):
        for value in (record, -record):
            yield f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}")
            yield from (f"{value:{form}}" for form in ("+.4g", ".4g", "+.3f", ".4f"))
            yield from (f"{100 * value:{form}}" for form in ("+.2f", ".2f", ".1f", ".0f", ".6g", ".4g"))
        yield from (("0.0001",) if abs(record) < 1e-4 else ())  # below which nobody reads a p-value
        yield from (("0.9999",) if record > 0.9999 else ())
    elif record is not None:
        yield str(record)
