from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from abflow.errors import DataError, EvidenceMissing
from abflow.store.experiment_store import ExperimentStore, clear_staging

PLACE = "unit_day/log=outcomes/date=2026-10-01"


@dataclass(frozen=True)
class Manifest:
    inputs: str
    files: tuple[str, ...]


def build(inputs: str, folder: Path, *, size: int = 1) -> Manifest:
    made = Manifest(inputs, (f"units-{inputs}.parquet", f"events-{inputs}.parquet"))
    for name in made.files:
        (folder / name).write_text(f"{name} " * size)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> ExperimentStore:
    return ExperimentStore(tmp_path, "churn_v3")


def test_a_value_is_found_under_its_name_and_forgotten(store: ExperimentStore) -> None:
    store.save("gates/aa", Manifest("i", ("u", "e")))
    assert store.find("gates/aa", Manifest) == Manifest("i", ("u", "e"))
    assert store.get("gates/aa", Manifest, step="aa_check") == Manifest("i", ("u", "e"))
    store.forget("gates/aa")
    store.forget("gates/aa")
    assert store.find("gates/aa", Manifest) is None


def test_missing_evidence_names_the_step_that_makes_it(store: ExperimentStore) -> None:
    with pytest.raises(EvidenceMissing, match="'churn_v3' has no gates/aa; it is made by aa_check"):
        store.get("gates/aa", Manifest, step="aa_check")


def test_a_value_of_another_shape_is_an_error_and_not_a_missing_one(store: ExperimentStore) -> None:
    store.save_text("verdict.json", "{}")
    with pytest.raises(DataError, match=r"verdict\.json is not what abflow wrote"):
        store.find("verdict", Manifest)


def test_experiments_do_not_see_each_other(store: ExperimentStore) -> None:
    store.save("verdict", Manifest("i", ("u", "e")))
    assert ExperimentStore(store.root, "churn_v4").find("verdict", Manifest) is None


def test_a_partition_is_its_manifest_and_the_two_files_it_names(store: ExperimentStore) -> None:
    made = store.commit(PLACE, lambda folder: build("one", folder))
    folder = store.folder / PLACE
    assert set(contents(folder)) == {"manifest.json", "units-one.parquet", "events-one.parquet"}
    assert store.find(f"{PLACE}/manifest", Manifest) == made


def test_a_restated_day_replaces_the_old_files(store: ExperimentStore) -> None:
    store.commit(PLACE, lambda folder: build("one", folder))
    store.commit(PLACE, lambda folder: build("two", folder))
    assert set(contents(store.folder / PLACE)) == {"manifest.json", "units-two.parquet", "events-two.parquet"}
    found = store.find(f"{PLACE}/manifest", Manifest)
    assert found is not None
    assert found.inputs == "two"


def test_building_the_same_day_again_changes_no_byte(store: ExperimentStore) -> None:
    store.commit(PLACE, lambda folder: build("one", folder))
    before = contents(store.folder)
    store.commit(PLACE, lambda folder: build("one", folder))
    assert contents(store.folder) == before


def test_a_build_that_fails_leaves_the_old_partition_as_it_was(store: ExperimentStore) -> None:
    store.commit(PLACE, lambda folder: build("one", folder))
    before = contents(store.root)

    def half_built(folder: Path) -> Manifest:
        build("two", folder)
        raise DataError("the log broke off")

    with pytest.raises(DataError, match="the log broke off"):
        store.commit(PLACE, half_built)
    assert contents(store.root) == before


def test_a_build_that_forgot_a_file_leaves_the_old_partition_readable(store: ExperimentStore) -> None:
    store.commit(PLACE, lambda folder: build("one", folder))
    before = contents(store.folder / PLACE)

    def forgetful(folder: Path) -> Manifest:
        made = build("two", folder)
        (folder / made.files[1]).unlink()
        return made

    with pytest.raises(FileNotFoundError):
        store.commit(PLACE, forgetful)
    assert before.items() <= contents(store.folder / PLACE).items()


def test_a_killed_build_leaves_only_staging_which_can_be_cleared(store: ExperimentStore) -> None:
    store.commit(PLACE, lambda folder: build("one", folder))
    before = contents(store.folder)
    child = multiprocessing.get_context("fork").Process(target=_build_and_die, args=(store,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert contents(store.folder) == before
    assert list((store.root / ".staging").rglob("units-two.parquet"))
    clear_staging(store.root)
    assert not (store.root / ".staging").exists()
    assert store.commit(PLACE, lambda folder: build("two", folder)).inputs == "two"


def _build_and_die(store: ExperimentStore) -> None:
    def die(folder: Path) -> Manifest:
        build("two", folder)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("a killed process goes on")

    store.commit(PLACE, die)


def test_two_who_build_one_place_leave_one_whole_partition(
    store: ExperimentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = ExperimentStore.save
    other = Thread(target=store.commit, args=(PLACE, partial(build, "two")))

    def let_the_other_try(self: ExperimentStore, name: str, value: Manifest) -> None:
        save(self, name, value)
        if value.inputs == "one":  # its files are in place, and it is about to remove all others
            other.start()
            other.join(0.5)

    monkeypatch.setattr(ExperimentStore, "save", let_the_other_try)
    store.commit(PLACE, partial(build, "one"))
    other.join()
    made = store.get(f"{PLACE}/manifest", Manifest, step="")
    assert made.inputs == "two"
    assert {file.name for file in (store.folder / PLACE).iterdir()} == {*made.files, "manifest.json"}


def test_what_somebody_reads_stays_until_the_last_reader_is_done(store: ExperimentStore) -> None:
    def names() -> set[str]:
        return {file.name for file in (store.folder / PLACE).iterdir()} - {"manifest.json"}

    one = {*store.commit(PLACE, partial(build, "one")).files}
    with store.reading():
        with store.reading():
            two = {*store.commit(PLACE, partial(build, "two")).files}
        assert names() == one | two
    assert names() == two


def test_a_value_that_was_kept_stays_readable_under_the_hash_of_its_file(store: ExperimentStore) -> None:
    first, second = Manifest("one", ("u", "e")), Manifest("two", ("u", "e"))
    for value in (first, second, second):
        store.keep("verdict", value)
    kept = store.history("verdict", Manifest)
    assert store.find("verdict", Manifest) == second
    assert sorted(kept.values(), key=lambda value: value.inputs) == [first, second]
    for sha256 in kept:
        file = store.folder / "history" / "verdict" / f"{sha256}.json"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256
    assert store.history("readout", Manifest) == {}


def test_the_newest_value_returns_when_it_is_kept_again(store: ExperimentStore) -> None:
    first, second = Manifest("one", ("u", "e")), Manifest("two", ("u", "e"))
    store.keep("verdict", first)
    before = contents(store.folder)
    store.keep("verdict", second)
    store.keep("verdict", first)
    assert before.items() <= contents(store.folder).items()
    assert len(store.history("verdict", Manifest)) == 2


def test_a_value_that_was_edited_in_the_history_is_an_error(store: ExperimentStore) -> None:
    store.keep("verdict", Manifest("one", ("u", "e")))
    (file,) = (store.folder / "history" / "verdict").iterdir()
    file.write_text(file.read_text(encoding="utf-8").replace("one", "two"), encoding="utf-8")
    with pytest.raises(DataError, match="was edited: its SHA-256 is no longer its name"):
        store.history("verdict", Manifest)


def test_notes_lie_beside_the_evidence(store: ExperimentStore) -> None:
    store.notes.save("files/today", Manifest("one", ("u", "e")))
    assert store.notes.find("files/today", Manifest) == Manifest("one", ("u", "e"))
    assert not store.folder.exists()
    assert store.find("files/today", Manifest) is None
