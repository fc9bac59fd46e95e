"""The archive's files and the index that follows them."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

import examples
from gateway.archive.levels import Level
from gateway.archive.store import INCOMING_NAME, INDEX_NAME, Kept, Store, describe, is_uid


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "archive")


def _keep(store: Store, **attributes: str) -> Kept:
    with store.incoming() as folder:
        path = examples.write(folder / "object", examples.dicom(**attributes))
        return store.keep(path, describe(path))


def _studies(store: Store) -> list[str]:
    return [found.study_uid for found in store.index.search(Level.STUDY, [], limit=100).found]


def test_objects_lie_under_their_uids(store: Store, tmp_path: Path) -> None:
    assert _keep(store) is Kept.NEW
    assert _keep(store) is Kept.SAME
    assert _keep(store, PatientName="Other") is Kept.DIFFERENT
    files = sorted(path.relative_to(tmp_path / "archive").as_posix() for path in tmp_path.rglob("*.dcm"))
    assert files == ["2.25.1002/2.25.1003/2.25.1001.dcm"]


def test_index_is_made_again_from_the_files(store: Store, tmp_path: Path) -> None:
    _keep(store)
    _keep(store, SOPInstanceUID="2.25.5", StudyInstanceUID="2.25.6")
    store.close()
    for file in (tmp_path / "archive").glob(f"{INDEX_NAME}*"):
        file.unlink()
    assert sorted(_studies(Store(tmp_path / "archive"))) == ["2.25.1002", "2.25.6"]


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100])
def test_damaged_index_is_made_again(damage: bytes, store: Store, tmp_path: Path) -> None:
    _keep(store)
    store.close()
    (tmp_path / "archive" / INDEX_NAME).write_bytes(damage)
    assert _studies(Store(tmp_path / "archive")) == ["2.25.1002"]


def test_index_of_another_revision_is_made_again(store: Store, tmp_path: Path) -> None:
    _keep(store)
    store.close()
    with sqlite3.connect(tmp_path / "archive" / INDEX_NAME) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert _studies(Store(tmp_path / "archive")) == ["2.25.1002"]


def test_index_follows_what_happened_to_the_files(store: Store, tmp_path: Path) -> None:
    _keep(store)
    _keep(store, SOPInstanceUID="2.25.5", StudyInstanceUID="2.25.6")
    store.close()
    folder = tmp_path / "archive"
    (folder / "2.25.6/2.25.1003/2.25.5.dcm").unlink()
    (folder / "2.25.7/2.25.8").mkdir(parents=True)
    new = examples.dicom(StudyInstanceUID="2.25.7", SeriesInstanceUID="2.25.8", SOPInstanceUID="2.25.9")
    (folder / "2.25.7/2.25.8/2.25.9.dcm").write_bytes(new)
    (folder / "2.25.7/2.25.8/2.25.10.dcm").write_bytes(new)  # not named by its UIDs
    (folder / "2.25.7/2.25.8/2.25.11.dcm").write_bytes(b"nothing")
    again = Store(folder)
    assert sorted(_studies(again)) == ["2.25.1002", "2.25.7"]
    assert [record.sop_uid for record in again.index.instances("2.25.7")] == ["2.25.9"]


def test_what_was_coming_in_when_the_archive_ended_goes_away(store: Store, tmp_path: Path) -> None:
    left = tmp_path / "archive" / INCOMING_NAME / "left"
    left.mkdir()
    (left / "part-1").write_bytes(b"half")
    Store(tmp_path / "archive")
    assert not left.exists()


def test_deleting_takes_the_empty_folders_along(store: Store, tmp_path: Path) -> None:
    for number in (1, 2):
        _keep(store, SOPInstanceUID=f"2.25.5{number}")
    records = store.index.instances("2.25.1002")
    store.delete(records[:1])
    assert [record.sop_uid for record in store.index.instances("2.25.1002")] == ["2.25.52"]
    assert (tmp_path / "archive/2.25.1002/2.25.1003").is_dir()
    store.delete(records)
    assert _studies(store) == []
    assert {path.name for path in (tmp_path / "archive").iterdir()} <= {
        INCOMING_NAME, INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-shm",
    }  # fmt: skip


def test_threads_store_side_by_side(store: Store) -> None:
    results: list[Kept] = []

    def work(thread: int) -> None:
        for number in range(10):
            results.append(_keep(store, SOPInstanceUID=f"2.25.{thread}.{number}"))
            results.append(_keep(store, SOPInstanceUID=f"2.25.9.{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(Kept.NEW) == 50
    assert results.count(Kept.SAME) == 30
    assert len(store.index.instances("2.25.1002")) == 50


def test_one_series_uid_in_two_studies_is_two_series(store: Store) -> None:
    _keep(store)
    _keep(store, SOPInstanceUID="2.25.5", StudyInstanceUID="2.25.6")
    found = store.index.search(Level.SERIES, [], limit=10).found
    assert [(each.study_uid, each.series_uid) for each in found] == [
        ("2.25.1002", "2.25.1003"), ("2.25.6", "2.25.1003"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1.2.840", True), ("0", True), ("1.02", True), ("1" * 64, True),
        ("1" * 65, False), ("", False), (".", False), ("..", False), ("1.", False), ("1..2", False),
        ("1/2", False), ("1.2\n", False), ("１.２", False), ("a", False), ("-1", False),
    ],
)  # fmt: skip
def test_uids_are_safe_names_of_files(text: str, answer: bool) -> None:
    assert is_uid(text) is answer


def test_large_values_stay_out_of_the_index(store: Store) -> None:
    _keep(store, ImageComments="x" * 10_000, LensMake="Short")
    [found] = store.index.search(Level.INSTANCE, [], limit=1).found
    assert found.attributes["0016004F"]["Value"] == ["Short"]
    assert "00204000" not in found.attributes
    assert "7FE00010" not in found.attributes
