"""The random logs with what routers add: columns of the context, probabilities, and other experiments."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date

from tests.engine.small_logs import Row, exposure, random_aa, random_logs

SPELLINGS = ["true", "True", "t", "1", "yes", True, "false", "F", 0, "no", False, "", None, "perhaps"]
PROPENSITIES = [0.125, 0.25, 0.5, 0.9, 1, "0.3", "", None]
COUNTRIES = ["CH", "DE", "other", "(missing)", "", None, *(f"X{n:02}" for n in range(30))]


def rich_logs(chance: random.Random, *, days: int = 5) -> tuple[dict[date, list[Row]], dict[date, list[Row]]]:
    """Exposures with context, and outcomes, by the day of their file."""
    exposures, outcomes = random_logs(chance, days=days)
    return _enriched(chance, exposures), outcomes


def rich_aa(chance: random.Random, *, days: int = 3) -> tuple[dict[date, list[Row]], dict[date, list[Row]]]:
    """The same of an A/A phase that ends where the test begins."""
    exposures, outcomes = random_aa(chance, days=days)
    return _enriched(chance, exposures), outcomes


def _enriched(chance: random.Random, exposures: Mapping[date, list[Row]]) -> dict[date, list[Row]]:
    countries = chance.sample(COUNTRIES, k=chance.randint(2, len(COUNTRIES)))
    filed = _with_others(chance, exposures)
    return {day: _with_context(chance, rows, countries) for day, rows in filed.items()}


def _with_others(chance: random.Random, exposures: Mapping[date, list[Row]]) -> dict[date, list[Row]]:
    """Some of the units are in other experiments as well, at any time, also after the cut-off."""
    mine = [row for rows in exposures.values() for row in rows]
    found = {day: list(rows) for day, rows in exposures.items()}
    for _ in range(chance.randint(0, 40)):
        day, row = chance.choice(list(found)), chance.choice(mine)
        other = exposure(row["user_id"], chance.choice("xy"), chance.choice(mine)["timestamp"])
        found[day].append(other | {"experiment_id": chance.choice(["prices", "colours"])})
    return found


def _with_context(chance: random.Random, rows: list[Row], countries: list[str | None]) -> list[Row]:
    """The same for all rows of one unit and time, so that there is no doubt which value came first."""
    columns: dict[str, Sequence[object]] = {
        "country": countries,
        "is_new_user": SPELLINGS,
        "variant_propensity": PROPENSITIES,
    }
    absent = [name for name in ("is_new_user", "variant_propensity") if chance.random() < 0.2]
    found = []
    for row in rows:
        own = random.Random(repr((row["user_id"], row["timestamp"])))  # noqa: S311  the same rows every time
        context = {name: own.choice(values) for name, values in columns.items()}  # drawn also where they are absent
        found.append(row | {name: value for name, value in context.items() if name not in absent})
    return found
