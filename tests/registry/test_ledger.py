from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from abflow.errors import DataError, LedgerBroken
from abflow.registry.ledger import GENESIS, Entry, Ledger

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)
PROCESSES, EACH = 8, 12


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Four decisions."""
    made = Ledger(tmp_path / "data" / "ledger.jsonl")
    for n in range(4):
        with made.lock():
            made.append("promoted", f"exp_{n}", {"version": str(n), "why": "größer"}, at=NOW + timedelta(hours=n))
    return made


def lines_of(ledger: Ledger) -> list[str]:
    return ledger.path.read_text(encoding="utf-8").splitlines(keepends=True)


def rewritten(ledger: Ledger, change: Callable[[list[str]], list[str]]) -> None:
    ledger.path.write_text("".join(change(lines_of(ledger))), encoding="utf-8")


def edited(line: str, **new: Any) -> str:
    return json.dumps(json.loads(line) | new, sort_keys=True, ensure_ascii=False) + "\n"


def forged(line: str, **new: Any) -> str:
    """An edit by somebody who knows how the hash is made."""
    body = json.loads(line) | new
    body.pop("sha256")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return edited(json.dumps(body), sha256=digest)


def test_a_ledger_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "ledger.jsonl").entries() == ()


def test_entries_come_back_as_they_were_made(ledger: Ledger) -> None:
    with ledger.lock():
        made = ledger.append("rollback", "churn", {"to": None, "numbers": [1, 2.5]}, at=NOW)
    got = ledger.entries()
    assert [entry.number for entry in got] == [1, 2, 3, 4, 5]
    assert got[-1] == made
    assert (made.kind, made.experiment, made.at) == ("rollback", "churn", "2026-11-08T12:00:00+00:00")


def test_each_entry_holds_the_hash_of_the_one_before(ledger: Ledger) -> None:
    entries = ledger.entries()
    assert [entry.before for entry in entries] == [GENESIS, *(entry.sha256 for entry in entries[:-1])]
    for line, entry in zip(lines_of(ledger), entries, strict=True):
        body = {key: value for key, value in json.loads(line).items() if key != "sha256"}
        text = json.dumps(body, sort_keys=True, ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == entry.sha256


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda ls: [ls[0], edited(ls[1], facts={"version": "9"}), *ls[2:]], 2),
        (lambda ls: [ls[0], edited(ls[1], at="2020-01-01T00:00:00+00:00"), *ls[2:]], 2),
        (lambda ls: [ls[0], forged(ls[1], facts={"version": "9"}), *ls[2:]], 3),
        (lambda ls: [*ls[:3], edited(ls[3], experiment="mine")], 4),
        (lambda ls: ls[1:], 1),
        (lambda ls: [ls[0], *ls[2:]], 2),
        (lambda ls: [ls[0], ls[2], ls[1], ls[3]], 2),
        (lambda ls: [ls[0], ls[0], *ls[1:]], 2),
        (lambda ls: [*ls, ls[-1]], 5),
        (lambda ls: [*ls[:2], forged(ls[1], kind="approval"), *ls[2:]], 3),
        (lambda ls: [*ls, forged(ls[3], number=6, before=json.loads(ls[3])["sha256"])], 5),
        (lambda ls: [*ls[:3], ls[3][:40]], 4),
        (lambda ls: [*ls[:2], "\n", *ls[2:]], 3),
        (lambda ls: [*ls[:2], "[]\n", *ls[2:]], 3),
        (lambda ls: [*ls[:2], '{"kind": "promoted"}\n', *ls[2:]], 3),
        (lambda ls: [*ls[:3], edited(ls[3], note="by the way")], 4),
    ],
    ids=[
        "fact edited", "time edited", "fact and hash edited", "last edited", "first removed", "second removed",
        "two swapped", "first twice", "last twice", "one inserted", "one forged at the end with a gap", "last cut",
        "empty line", "a list", "half an entry", "a field added",
    ],
)  # fmt: skip
def test_any_edit_is_found_with_its_line(ledger: Ledger, change: Callable[[list[str]], list[str]], line: int) -> None:
    rewritten(ledger, change)
    with pytest.raises(LedgerBroken, match=rf"ledger\.jsonl, line {line}:"):
        ledger.entries()


def test_nothing_is_added_to_a_broken_chain(ledger: Ledger) -> None:
    rewritten(ledger, lambda lines: lines[1:])
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerBroken), ledger.lock():
        ledger.append("promoted", "exp", {}, at=NOW)
    assert ledger.path.read_bytes() == before


def test_a_line_that_lost_its_end_is_not_written_on(ledger: Ledger) -> None:
    """A machine that dies while it writes leaves half a line; the next entry must not hide it."""
    whole = ledger.path.read_text(encoding="utf-8")
    ledger.path.write_text(whole[:-1], encoding="utf-8")  # the newline alone
    with pytest.raises(LedgerBroken, match="line 4"), ledger.lock():
        ledger.append("promoted", "exp", {}, at=NOW)


def test_separators_inside_facts_do_not_end_a_line(ledger: Ledger) -> None:
    """Python's splitlines also splits at these; JSON leaves them as they are."""
    reason = "one\u2028two\u2029three\x85four\x1efive\nsix"
    with ledger.lock():
        ledger.append("approval", "exp", {"reason": reason}, at=NOW)
    assert ledger.entries()[-1].facts == {"reason": reason}


def test_the_same_decision_is_recorded_once(ledger: Ledger) -> None:
    def record(verdict: str, experiment: str = "exp") -> Entry:
        return ledger.record_once("verdict", experiment, {"verdict": verdict}, at=NOW, same="verdict")

    with ledger.lock():
        first = record("keep")
        assert record("keep") == first
        other = record("keep", "other")
        changed = record("promote")
        back = record("keep")
    assert [e.number for e in (first, other, changed, back)] == [5, 6, 7, 8]


def test_an_entry_for_which_there_is_no_room_leaves_the_chain_as_it_was(ledger: Ledger) -> None:
    """A disk that is full takes the first bytes of the entry; here a limit of the process does."""
    before = ledger.path.read_bytes()
    child = multiprocessing.get_context("fork").Process(target=_append_with_little_room, args=(ledger,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert ledger.path.read_bytes() == before
    with ledger.lock():
        assert ledger.append("promoted", "exp_4", {}, at=NOW).number == 5


def _append_with_little_room(ledger: Ledger) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size + 20,) * 2)
    with ledger.lock(), pytest.raises(DataError, match=r"could not be written .* the ledger is as it was; make room"):
        ledger.append("promoted", "exp_4", {}, at=NOW)


def test_many_processes_make_one_whole_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    context = multiprocessing.get_context("fork")
    start = context.Barrier(PROCESSES)
    workers = [context.Process(target=_append_many, args=(path, n, start)) for n in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    entries = Ledger(path).entries()
    assert {(e.experiment, e.facts["n"]) for e in entries} == {
        (f"exp_{worker}", n) for worker in range(PROCESSES) for n in range(EACH)
    }
    assert len(entries) == PROCESSES * EACH


def _append_many(path: Path, worker: int, start: Any) -> None:
    ledger = Ledger(path)
    start.wait()
    for n in range(EACH):
        with ledger.lock():
            ledger.append("promoted", f"exp_{worker}", {"n": n}, at=NOW)
