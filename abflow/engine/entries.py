"""Units out of exposures, each with what its first exposure says of it."""

from __future__ import annotations

from typing import Any

from abflow.engine.statements import filled, rows, statement
from abflow.logs.database import Database
from abflow.logs.reading import identifier, literal
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.variants import MOST_VARIANTS

# Microseconds until the year 9999 leave room for a factor of 32 in a number of 64 bits: enough for all variants.
ROOM = MOST_VARIANTS


def units_query(db: Database, spec: ExperimentSpec) -> str:
    """The statement that makes units of the relation `exposures_once`.

    An exposure becomes one number, its rank: its time, then its variant's place in the alphabet, then the number of
    what it says. A unit's lowest rank tells all three, and numbers are compared many times faster than rows.
    """
    names = sorted(spec.variants)
    room = ROOM // len(names)
    sayings = list(rows(db, statement("sayings"), experiment=spec.experiment, limit=room + 1))
    places = list(enumerate(names))
    place = " ".join(f"when {literal(name)} then {number}" for number, name in places)
    return filled(
        "units",
        variants=f"[{', '.join(map(literal, names))}]",
        count=str(len(names)),
        place=f"case variant {place} end",
        lowest=_first_seen(places),
        highest=_first_seen(places[::-1]),
        **(_numbered(sayings) if len(sayings) <= room else _compared()),
    )


def _first_seen(places: list[tuple[int, str]]) -> str:
    """The first of some variants whose bit is set in `seen`."""
    whens = " ".join(f"when (seen & {1 << place}) <> 0 then {literal(name)}" for place, name in places)
    return f"case {whens} end"


def _numbered(sayings: list[dict[str, Any]]) -> dict[str, str]:
    """What few exposures say differently has a number, in the order of its comparison."""
    parts = [_parts(saying) for saying in sayings]
    telling = [name for name in parts[0] if any(of[name] != parts[0][name] for of in parts)] if parts else []
    numbers = " ".join(f"when {_says(of, telling)} then {number}" for number, of in enumerate(parts))
    count = max(1, len(sayings))

    def said(part: str) -> str:
        return f"list_extract([{', '.join(_constant(saying[part]) for saying in sayings)}], 1 + first % {count})"

    return {
        "sayings": str(count),
        "number": f"case {numbers} end" if count > 1 else "0",
        "first": "min(rank)",
        "rank": "first",
        "propensity": f"cast({said('propensity')} as double)",  # also where nobody says any
        "context": said("context"),
    }


def _compared() -> dict[str, str]:
    """Where many different things are said, what is said follows the rank in the comparison."""
    return {
        "sayings": "1",
        "number": "0",
        "first": "min({'rank': rank, 'propensity': propensity, 'context': context})",
        "rank": "first.rank",
        "propensity": "first.propensity",
        "context": "first.context",
    }


def _parts(saying: dict[str, Any]) -> dict[str, float | str | None]:
    """What is said, by the column that says it."""
    context = {f"context.{identifier(name)}": value for name, value in saying["context"].items()}
    return {"propensity": saying["propensity"], **context}


def _says(parts: dict[str, float | str | None], telling: list[str]) -> str:
    """SQL text: whether an exposure says this; columns in which all say the same need not be read for that."""
    given = ((name, parts[name]) for name in telling)
    return " and ".join(f"{name} is null" if value is None else f"{name} = {_constant(value)}" for name, value in given)


def _constant(value: float | str | dict[str, str | None] | None) -> str:
    match value:
        case None:
            return "null"
        case float():
            return f"cast({value!r} as double)"
        case str():
            return literal(value)
        case _:
            return f"{{{', '.join(f'{literal(name)}: {_text(text)}' for name, text in value.items())}}}"


def _text(value: str | None) -> str:
    return "cast(null as varchar)" if value is None else literal(value)
