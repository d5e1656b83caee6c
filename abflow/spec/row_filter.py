"""`Where`: the rows that a metric reads, told by the values of their columns."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from abflow.spec.field_error import FieldError

Value = str | bool | int | float
EXACT = 2**53  # up to here a float tells every whole number from its neighbours

_TELLS_ARMS_APART = "differs between the arms by itself, and a metric must read them alike"
_NAMES_ROWS = "names single rows, not a kind of them"
_NO_FILTER = {
    "timestamp": "says when; that is for `window_days`",
    "event_type": "is told by the event that the metric names",
    "experiment_id": "is the same in every row of the experiment",
    "user_id": "names units, and a metric is about all of them; `segments` shows some by themselves",
    "event_id": _NAMES_ROWS,
    "request_id": _NAMES_ROWS,
    "variant": _TELLS_ARMS_APART,
    "variant_propensity": _TELLS_ARMS_APART,
    "model_version": _TELLS_ARMS_APART,
    "model_variant_served": _TELLS_ARMS_APART,
}


def _normal(given: Any) -> Any:
    """One form for all ways of writing a filter: columns by name, each with its values in one order."""
    if not isinstance(given, dict) or not given:
        raise ValueError(
            "is no filter; give every column a value or a list of them, such as {surface: search}, or leave it out"
        )
    for column in given:
        if column in _NO_FILTER:
            raise FieldError(column, wrong=f"cannot be filtered by: it {_NO_FILTER[column]}")
    return {column: _values(column, values) for column, values in sorted(given.items())}


def _values(column: str, given: Any) -> tuple[Value, ...]:
    listed = list(given) if isinstance(given, list | tuple) else [given]
    if not listed:
        raise FieldError(column, wrong="has no value, so no row would ever be read; give at least one")
    by_text = {json.dumps(value, ensure_ascii=False): value for value in (_value(column, each) for each in listed)}
    return tuple(by_text[text] for text in sorted(by_text))


def _value(column: str, given: Any) -> Value:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given:
        return given
    if isinstance(given, int):
        return given
    if isinstance(given, float) and math.isfinite(given):
        return int(given) if given.is_integer() and abs(given) <= EXACT else given
    if given is None or given == "":
        wrong = "is empty, and a missing value never matches; text such as null or ~ stands in quotes"
    elif isinstance(given, list | tuple | dict):
        wrong = f"{given!r} is nested; give values of one column, such as [hit, stale]"
    else:
        wrong = f"{given!s} is neither text nor a number nor true or false; put it in quotes to read it as text"
    raise FieldError(column, wrong=wrong)


_ONE = {"type": ["string", "number", "boolean"], "minLength": 1}
Where = Annotated[
    dict[str, tuple[Value, ...]],
    BeforeValidator(_normal),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"not": {"enum": sorted(_NO_FILTER)}},
            "additionalProperties": _ONE | {"type": [*_ONE["type"], "array"], "minItems": 1, "items": _ONE},
        }
    ),
    # A metric without a filter is the same plan as before there were any.
    Field(exclude_if=lambda where: not where),
]


def in_words(where: Where) -> str:
    """The filter as a reader wants it: `where surface = search`; empty without one."""
    conditions = (f"{column} = {' or '.join(map(_shown, values))}" for column, values in where.items())
    return f"where {' and '.join(conditions)}" if where else ""


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def canonical(where: Where) -> str:
    """The filter as text that tells every two filters apart, 1 from true among them; empty without one."""
    return json.dumps(where, ensure_ascii=False) if where else ""
