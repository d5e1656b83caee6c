"""Filters on columns as SQL: which rows of a log a metric reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from abflow.logs.expressions import NO, YES, literal
from abflow.spec.row_filter import EXACT, Value, Where

# With on and off: YAML reads them too as true and false when they stand in a file without quotes.
_SPELLINGS = {True: (*YES, "on"), False: (*NO, "off")}


def condition(where: Where, text_of: Callable[[str], str]) -> str:
    """SQL text: whether a row passes a filter; null, which is no, where a value is missing.

    Text is compared as text, in which the id 7.0 of a float is 7. A number is compared as a number, so that 5 is also
    the 5.0 of a log that is text itself.

    Args:
        where: The filter; at least one column.
        text_of: What reads a column as text.
    """
    return " and ".join(f"({' or '.join(_of_column(text_of(name), values))})" for name, values in where.items())


def _of_column(text: str, values: Iterable[Value]) -> Iterator[str]:
    texts = [value for value in values if isinstance(value, str)]
    for value in values:
        if isinstance(value, bool):
            yield f"lower({text}) in ({_listed(_SPELLINGS[value])})"
        elif isinstance(value, int) and abs(value) >= EXACT:
            texts.append(str(value))  # as a number it could not be told from its neighbours
        elif not isinstance(value, str):
            yield f"try_cast({text} as double) = cast({literal(repr(value))} as double)"
    if texts:
        yield f"{text} in ({_listed(texts)})"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(literal, texts))
