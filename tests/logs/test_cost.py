from __future__ import annotations

import sys

import pytest

from abflow.logs.cost import Cost, count_read, metered

BIG = 200 * 1024 * 1024


def test_a_step_counts_what_is_read_while_it_runs() -> None:
    with metered() as meter:
        count_read(rows=10, size=100)
        count_read(rows=5)
        count_read(size=7)
    count_read(rows=1_000, size=1_000)  # after its end
    cost = meter.cost()
    assert (cost.rows, cost.bytes) == (15, 107)
    assert cost.seconds >= 0


def test_nobody_counts_outside_a_step() -> None:
    count_read(rows=1, size=1)
    with metered() as meter:
        pass
    assert (meter.cost().rows, meter.cost().bytes) == (0, 0)


def test_a_step_that_fails_has_a_cost_too() -> None:
    def break_off() -> None:
        count_read(rows=3)
        raise ValueError("broken")

    with metered() as outer, pytest.raises(ValueError, match="broken"), metered() as meter:
        break_off()
    count_read(rows=4)
    assert (meter.cost().rows, outer.cost().rows) == (3, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a process's highest memory")
def test_peak_memory_is_that_of_the_step_and_not_of_the_one_before() -> None:
    with metered() as hungry:
        held = bytearray(BIG)
        held[::4096] = b"x" * len(held[::4096])
        del held
    high = hungry.cost().peak_memory
    with metered() as modest:
        pass
    assert high > BIG
    assert modest.cost().peak_memory < high - BIG / 2


def test_a_cost_is_one_plain_line() -> None:
    cost = Cost(rows=1_234_567, bytes=8_100_000, seconds=1.256, peak_memory=312_000_000)
    assert str(cost) == "read 1,234,567 rows from 8.1 MB of files in 1.26 s, with at most 312 MB of memory"
