"""A log's columns as DuckDB expressions: ids as text, amounts as numbers, times in UTC, whatever the log's types."""

from __future__ import annotations

import re

import sqlglot.expressions as sql

# How logs spell true and false, small letters and capitals alike.
YES, NO = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")
_FLOATS = ("FLOAT", "DOUBLE")
_WHOLE_NUMBERS = 2**53  # up to here a float tells every whole number from its neighbours

# Units in which an epoch may count, with the microseconds of one. As numbers, the years 2001 to 2099 of one unit
# lie apart from those of every other, so a whole number says itself what it counts.
_SECONDS_2001, _SECONDS_2100 = 10**9, 4_102_444_800
_EPOCH_UNITS = {1: "* 1000000", 10**3: "* 1000", 10**6: "", 10**9: "// 1000"}


def identifier(name: str) -> str:
    """A name quoted for DuckDB."""
    return sql.to_identifier(name, quoted=True).sql("duckdb")


def literal(text: str) -> str:
    """A text quoted for DuckDB, for the few places that take no bound parameter."""
    return sql.Literal.string(text).sql("duckdb")


def as_text(column: str, type_: str) -> str:
    """DuckDB expression that reads a column as the text it has in the log; whole numbers have no point and no exponent.

    A writer who meets a missing id turns whole numbers into floats, and the missing one into NaN: 7 and 7.0 are the
    same unit, and NaN is nothing.
    """
    name = identifier(column)
    if type_ == "JSON":
        text = f"({name} ->> '$')"
        is_float = f"json_type({name}) = 'DOUBLE'"
        return f"case when {is_float} then {_float(f'try_cast({text} as double)', text)} else {text} end"
    if type_ in _FLOATS:
        return _float(name, f"cast({name} as varchar)")
    if is_fractional(type_):
        return _decimal(name, f"cast({name} as varchar)")
    return f"cast({name} as varchar)"


def as_id(column: str, type_: str) -> str:
    """DuckDB expression that reads a column as the id of a unit, an event or a request; an empty text is no id."""
    return f"nullif({as_text(column, type_)}, '')"


def as_number(column: str, type_: str) -> str:
    """DuckDB expression that reads a column as a double; what is no number becomes null."""
    name = identifier(column)
    return f"try_cast({name} ->> '$' as double)" if type_ == "JSON" else f"try_cast({name} as double)"


def as_boolean(column: str, type_: str) -> str:
    """DuckDB expression that reads a column as true or false; what is neither becomes null."""
    name = identifier(column)
    return f"try_cast({name} ->> '$' as boolean)" if type_ == "JSON" else f"try_cast({name} as boolean)"


def utc(column: str, type_: str) -> str | None:
    """DuckDB expression that reads a column as a UTC timestamp without zone; None when its type cannot be a time.

    Text without a zone is UTC. Whole numbers count from 1970 in seconds, milli-, micro- or nanoseconds. What cannot
    be read becomes null.
    """
    name = identifier(column)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return _without_zone(name)
    if type_ == "TIMESTAMPTZ_NS":
        return _without_zone(f"cast({name} as timestamptz)")
    if type_.startswith("TIMESTAMP") or type_ == "DATE":
        return f"cast({name} as timestamp)"
    if is_whole(type_):
        return _since_1970(f"try_cast({name} as bigint)")
    if is_fractional(type_) or type_ in {"VARCHAR", "JSON"}:
        return utc_of_text(as_text(column, type_))
    return None


def utc_of_text(text: str) -> str:
    """The same for an expression that is text."""
    number = f"case when regexp_full_match({text}, '[0-9]+') then try_cast({text} as bigint) end"
    return f"coalesce({_without_zone(f'try_cast({text} as timestamptz)')}, {_since_1970(number)})"


def is_whole(type_: str) -> bool:
    """Whether a type holds whole numbers only."""
    return bool(re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?", type_))


def is_fractional(type_: str) -> bool:
    """Whether a type holds numbers with a fraction."""
    return type_ in _FLOATS or type_.startswith("DECIMAL")


def _float(number: str, otherwise: str) -> str:
    # Asked first: where a file's statistics know of no NaN, DuckDB leaves out the condition that would stop the cast.
    return f"case when not isnan({number}) then {_decimal(number, otherwise)} end"


def _decimal(number: str, otherwise: str) -> str:
    return (
        f"case when {number} = floor({number}) and abs({number}) <= {_WHOLE_NUMBERS} "
        f"then cast(cast({number} as bigint) as varchar) else {otherwise} end"
    )


def _without_zone(moment: str) -> str:
    # `timezone('UTC', ...)` says the same and takes twenty times as long.
    return f"make_timestamp(epoch_us({moment}))"


def _since_1970(number: str) -> str:
    units = "".join(
        f" when {number} >= {_SECONDS_2001 * per_second} and {number} < {_SECONDS_2100 * per_second} "
        f"then make_timestamp({number} {to_micros})"
        for per_second, to_micros in _EPOCH_UNITS.items()
    )
    return f"case{units} end"
