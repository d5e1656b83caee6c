"""What the partitions of both logs have in common."""

from __future__ import annotations

from collections.abc import Callable

from abflow.errors import ContractBroken
from abflow.logs.layout import DayLog

# Of the partition; raised when its columns change or are read in another way, so that old partitions are built again.
FORMAT = 10
UNIT_COLUMN = "user_id"
# Of rows without ids.
NO_KEY = "cast(null as bigint) as id_high, cast(null as bigint) as id_low"
LOWEST_KEY, HIGHEST_KEY = -(2**63), 2**63 - 1


def key_of(text: str) -> str:
    """Two columns that hold the MD5 of an id: equal ids have equal keys, and 16 bytes are read faster than text."""
    # Parquet knows no unsigned number of 64 bits that every reader understands.
    high = f"cast(cast(md5_number({text}) >> 64 as hugeint) - 9223372036854775808 as bigint) as id_high"
    return f"{high}, {low_key_of(text)}"


def low_key_of(text: str) -> str:
    """The second of these columns: enough where a wrong match in 10^19 is no harm."""
    return f"cast(cast(md5_number({text}) & 18446744073709551615 as hugeint) - 9223372036854775808 as bigint) as id_low"


def refuse_nulls(log: DayLog, columns: tuple[str, ...], nulls: list[int], example: Callable[[], str]) -> None:
    """Refuse a day in which rows have nothing readable in a column that every row needs.

    Raises:
        ContractBroken: There are such rows.
    """
    found = [f"{column} in {count} rows" for column, count in zip(columns, nulls, strict=True) if count]
    if found:
        raise ContractBroken(
            f"log {log.log!r}, day {log.day}: {log.folder} has no readable {', '.join(found)}; "
            f"these rows belong to nobody or to no time. Correct the log and run the day again.{example()}"
        )
