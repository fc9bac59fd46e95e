"""What becomes of files in a hot folder, however they come: step by step, by a clock of the test's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driven import Book, Driven, configure, driven, files_in, in_archive, jpeg, picture
from gateway.archive.server import running
from gateway.errors import Fatal
from gateway.intake import complete, lock, work
from gateway.intake.lock import Lock
from gateway.ledger import Query, State
from gateway.ledger.claims import Claims
from gateway.ledger.files import Files
from gateway.ledger.outcomes import Outcomes
from gateway.ledger.trouble import LedgerFull

NAME = "4711001_20240531_L_1.jpg"
URL = "http://archive.test/dicom-web"


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def it(tmp_path: Path, book: Book) -> Iterator[Driven]:
    with driven(configure(tmp_path, URL, originals={"move": "done"}), archive=book) as made:
        yield made


def scans(it: Driven, count: int, every: float = 2.0) -> None:
    """The daemon goes on for so many scans."""
    for _ in range(count):
        it.scan()
        it.work()
        it.passed += every


def stored_once(it: Driven, book: Book, count: int = 1) -> None:
    """So many files are stored, each once, and are where the configuration says."""
    assert [row.state for row in it.rows()] == [State.STORED] * count
    assert (len(book.stored), set(book.stored.values())) == (count, {1})
    assert len(files_in(it.place / "done")) == count
    assert files_in(it.inbox) == []


# How files are written


def test_file_written_slowly_is_not_touched_before_it_is_complete(it: Driven, book: Book) -> None:
    data = jpeg()
    for end in range(40, len(data), 40):
        (it.inbox / NAME).write_bytes(data[:end])
        scans(it, 2)
        assert it.states() == {NAME: "seen"}
    (it.inbox / NAME).write_bytes(data)
    scans(it, 5)
    stored_once(it, book)


def test_file_written_with_long_pauses_waits_for_its_end(it: Driven, book: Book) -> None:
    data = jpeg()
    for end in (50, 200, len(data) - 1):
        (it.inbox / NAME).write_bytes(data[:end])
        scans(it, 100)
        assert it.states() == {NAME: "retry incomplete"}
    (it.inbox / NAME).write_bytes(data)
    scans(it, 5)
    stored_once(it, book)


def test_cut_file_is_looked_at_less_and_less_often_and_given_up_in_the_end(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    real = work.pipeline.look

    def look(*args: Any) -> Any:
        looks.append(it.passed)
        return real(*args)

    monkeypatch.setattr(work.pipeline, "look", look)
    (it.inbox / NAME).write_bytes(jpeg()[:-20])
    began = it.passed
    while it.states() != {NAME: "rejected incomplete"}:
        scans(it, 1)
        assert it.passed - began < 4000
    assert it.passed - began > 3600
    assert len(looks) < 150
    scans(it, 1)
    said = json.loads((it.place / "rejected" / f"{NAME}.error.json").read_text())
    assert (said["status"], said["reason"]) == ("rejected", "incomplete")
    assert book.posted == {}


def test_cut_file_that_comes_whole_after_it_was_given_up_is_a_new_one(it: Driven, book: Book) -> None:
    (it.inbox / NAME).write_bytes(jpeg()[:-20])
    it.through()
    it.passed += 4000
    it.work()
    it.scan()
    assert files_in(it.inbox) == []
    (it.inbox / NAME).write_bytes(jpeg())
    it.through()
    assert len(book.stored) == 1
    assert [row.state for row in it.rows(replaced=True)] == [State.REJECTED, State.STORED]


def test_file_renamed_into_place_is_complete_at_once(it: Driven, book: Book) -> None:
    part = it.inbox / f"{NAME}.part"
    part.write_bytes(jpeg()[:100])
    scans(it, 10)
    assert it.rows() == []
    part.write_bytes(jpeg())
    part.rename(it.inbox / NAME)
    scans(it, 5)
    stored_once(it, book)


@pytest.mark.parametrize("when", ["examined", "built", "sent"])
def test_file_overwritten_while_it_is_read_is_not_sent_half(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = picture(it.inbox / NAME, 1)
    overwritten: list[bool] = []

    def overwrite() -> None:
        if not overwritten:
            path.write_bytes(jpeg(2) + b"\0" * 1000)
            overwritten.append(True)

    def around(name: str, *, before: bool) -> None:
        real = getattr(work.pipeline, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            if before:
                overwrite()
            made = real(*args, **options)
            if not before:
                overwrite()
            return made

        monkeypatch.setattr(work.pipeline, name, wrapped)

    if when == "examined":
        around("examine", before=False)
    else:
        around("construct", before=when == "built")
    it.settle()
    it.work()
    assert it.states() == {NAME: "seen changed"}
    assert book.stored == {}
    it.work()
    path.write_bytes(jpeg(3))
    scans(it, 6)
    stored_once(it, book)


def test_empty_file_is_never_sent_and_put_aside_in_the_end(it: Driven, book: Book) -> None:
    (it.inbox / NAME).touch()
    scans(it, 100)
    assert it.states() == {NAME: "seen"}
    it.passed += 3600
    scans(it, 2)
    assert it.states() == {NAME: "rejected empty"}
    assert files_in(it.place / "rejected") == [NAME, f"{NAME}.error.json"]
    assert (book.posted, it.events("waited-in-vain")) == (
        {}, [{"folder": "photos", "reason": "empty", "files": 1}],
    )  # fmt: skip


def test_locked_file_waits_is_told_of_and_goes_on_by_itself(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(path: str, *_: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(complete, "open", locked, raising=False)
    picture(it.inbox / NAME)
    scans(it, 100)
    assert it.states() == {NAME: "seen"}
    it.passed += 3600
    scans(it, 2)
    assert it.held(NAME) == "unreadable"
    scans(it, 2)
    assert len(it.events("waited-in-vain")) == 1
    monkeypatch.undo()
    scans(it, 2)
    stored_once(it, book)


def test_names_of_any_bytes_are_stored_moved_and_told(it: Driven, book: Book) -> None:
    good, bad = (os.fsdecode(name) for name in (b"4711001_M\xfcller.jpg", b"4711002_\xe9\xe8.jpg"))
    (it.inbox / good).write_bytes(jpeg())
    (it.inbox / bad).write_bytes(b"no picture")
    scans(it, 6)
    assert {row.path: row.state.value for row in it.rows()} == {good: "stored", bad: "rejected"}
    assert [os.fsencode(path.name) for path in (it.place / "done").iterdir()] == [b"4711001_M\xfcller.jpg"]
    assert (it.place / "rejected" / bad).exists()
    said = json.loads((it.place / "rejected" / f"{bad}.error.json").read_text("utf-8"))
    assert said["source"].endswith(r"4711002_\udce9\udce8.jpg")
    assert not it.events("defect")


def test_folder_moved_in_as_a_whole(it: Driven, book: Book, tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / f"export/day/{number}.jpg", number)
    (tmp_path / "export").rename(it.inbox / "4711001")
    scans(it, 5)
    stored_once(it, book, 5)
    assert files_in(it.place / "done")[0] == "4711001/day/0.jpg"


# Files and folders that go and come


def test_root_that_goes_away_is_offline_and_its_files_are_not_gone(it: Driven, book: Book) -> None:
    (it.inbox / NAME).write_bytes(jpeg())
    it.scan()
    away = it.place / "away"
    it.inbox.rename(away)
    scans(it, 20)
    assert it.states() == {NAME: "seen"}
    assert it.hot.offline_since is not None
    assert (len(it.events("offline")), it.events("defect")) == (1, [])
    away.rename(it.inbox)
    scans(it, 4)
    assert it.hot.offline_since is None
    assert len(it.events("online")) == 1
    stored_once(it, book)


def test_folder_that_others_have_by_now_is_left_to_them(it: Driven, book: Book) -> None:
    """Another daemon with another ledger came while this one could not see the folder."""
    it.scan()
    it.inbox.rename(it.place / "away")
    it.scan()
    picture(it.inbox / NAME)
    other = Lock(it.inbox, it.place / "other.db")
    other.acquire()
    scans(it, 5)
    assert "with another ledger" in it.hot.offline_why
    assert it.rows() == []
    other.release()
    scans(it, 5)
    stored_once(it, book)


def test_lock_that_was_deleted_is_made_again(it: Driven) -> None:
    it.scan()
    (it.inbox / lock.NAME).unlink()
    it.scan()
    with pytest.raises(Fatal, match="another ledger"):
        Lock(it.inbox, it.place / "other.db").acquire()
    Lock(it.inbox, it.place / "ledger.db").acquire()


def test_worker_of_a_root_that_is_away_waits(it: Driven, book: Book) -> None:
    (it.inbox / NAME).write_bytes(jpeg())
    it.settle()
    away = it.place / "away"
    it.inbox.rename(away)
    it.work()
    assert it.states() == {NAME: "retry later"}
    away.rename(it.inbox)
    scans(it, 20)
    stored_once(it, book)


def test_part_of_the_folder_that_cannot_be_read_says_nothing_of_its_files(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(it.inbox / "s" / NAME)
    it.scan()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("/s"):
            raise OSError(5, "Input/output error")
        return real(path)

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", scandir)
        scans(it, 5)
        assert it.states() == {f"s/{NAME}": "seen"}
    scans(it, 4)
    stored_once(it, book)


def test_file_taken_away_while_it_waits_and_brought_back(it: Driven, book: Book) -> None:
    path = picture(it.inbox / NAME)
    it.scan()
    path.rename(it.place / "elsewhere")
    it.scan()
    assert it.states() == {NAME: "skipped vanished"}
    (it.place / "elsewhere").rename(path)
    scans(it, 5)
    stored_once(it, book)


def test_file_taken_away_from_a_worker(it: Driven, book: Book) -> None:
    path = picture(it.inbox / NAME)
    it.settle()
    path.unlink()
    it.work()
    assert it.states() == {NAME: "skipped vanished"}
    assert book.posted == {}


def test_files_that_come_and_go_while_the_daemon_is_down(tmp_path: Path, book: Book) -> None:
    configuration = configure(tmp_path, URL, originals={"move": "done"})
    with driven(configuration, archive=book) as it:
        for name in ("4711001_a.jpg", "4711001_b.jpg"):
            picture(it.inbox / name, ord(name[8]))
        it.settle()
    (tmp_path / "inbox/4711001_a.jpg").unlink()
    picture(tmp_path / "inbox/4711001_c.jpg", 3)
    picture(tmp_path / "inbox/4711001_b.jpg", 4)  # it was overwritten meanwhile
    with driven(configuration, archive=book, passed=60) as it:
        scans(it, 5)
        assert it.states() == {
            "4711001_a.jpg": "skipped vanished", "4711001_b.jpg": "stored", "4711001_c.jpg": "stored",
        }  # fmt: skip
    assert files_in(tmp_path / "done") == ["4711001_b.jpg", "4711001_c.jpg"]


def test_file_changed_while_a_worker_had_it_comes_again(it: Driven, book: Book) -> None:
    """The scan saw that it changed, but it was not the scan's to say so then."""
    path = picture(it.inbox / NAME, 1)
    it.settle()
    worker = it.workers[0]
    claims = it.ledger.claims.claim(worker.owner, ["archive"])
    path.write_bytes(jpeg(2) + b"\0")
    it.scan()
    for claim in claims:
        it.ledger.claims.release(claim)
    it.work()
    assert it.states() == {NAME: "seen changed"}
    scans(it, 6)
    stored_once(it, book)


def test_stored_file_that_is_overwritten_is_a_new_one(tmp_path: Path, book: Book) -> None:
    with driven(configure(tmp_path, URL), archive=book) as it:
        picture(it.inbox / NAME, 1)
        scans(it, 5)
        picture(it.inbox / NAME, 2)
        scans(it, 5)
        assert len(book.stored) == 2
        assert [row.generation for row in it.rows(replaced=True)] == [1, 2]


def test_copy_of_a_stored_file_is_a_duplicate(it: Driven, book: Book) -> None:
    picture(it.inbox / NAME, 1)
    scans(it, 5)
    picture(it.inbox / "4711001_20240531_L_1 (copy).jpg", 1)
    scans(it, 5)
    assert sorted(it.states().values()) == ["duplicate known", "stored"]
    assert set(book.posted.values()) == {1}
    assert len(files_in(it.place / "done")) == 2


def test_names_that_are_ignored(tmp_path: Path, book: Book) -> None:
    with driven(configure(tmp_path, URL, ignore=["*.bak", "old"]), archive=book) as it:
        for name in ("a.bak", "old/4711001_1.jpg", "~$x.jpg", ".DS_Store", "4711001_1.jpg"):
            picture(it.inbox / name)
        scans(it, 5)
        assert it.states() == {"4711001_1.jpg": "stored"}


def test_file_whose_folder_is_not_configured_here_keeps_nobody_waiting(it: Driven, book: Book) -> None:
    from gateway.ledger import Ready
    from gateway.stream import FileStamp

    seen = it.ledger.files.see("another folder", [("x.jpg", FileStamp(1, 1, 1))], ["archive"])
    it.ledger.files.ready(Ready(each) for each in seen.new)
    picture(it.inbox / NAME)
    scans(it, 5)
    assert it.states() == {"x.jpg": "retry folder", NAME: "stored"}
    assert it.daemon.ledger_trouble is None


def test_other_content_under_a_uid_that_is_stored_is_held(tmp_path: Path, book: Book) -> None:
    import pydicom

    from doors import gateway

    picture(tmp_path / "x.jpg")
    made = gateway("render", "--part10", tmp_path / "dcm", "-m", "PatientID=1", tmp_path / "x.jpg")
    assert made.status == 0
    [file] = (tmp_path / "dcm").glob("*.dcm")
    with driven(configure(tmp_path, URL, mapping="match: {}\n"), archive=book) as it:
        (it.inbox / "a.dcm").write_bytes(file.read_bytes())
        scans(it, 5)
        (it.inbox / "same.dcm").write_bytes(file.read_bytes())
        dataset = pydicom.dcmread(file)
        dataset.PatientName = "Other^One"
        dataset.save_as(it.inbox / "other.dcm")
        scans(it, 5)
        assert it.states() == {"a.dcm": "stored", "same.dcm": "duplicate known", "other.dcm": "held conflict"}
    assert set(book.posted.values()) == {1}


def test_answer_that_could_not_be_recorded_is_looked_up(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor could the claim be given back: the disk of the ledger was full."""
    picture(it.inbox / NAME)
    it.settle()

    def full(*_: object) -> None:
        raise LedgerFull("the disk of the ledger is full")

    with monkeypatch.context() as disk:
        disk.setattr(Outcomes, "record", full)
        disk.setattr(Claims, "release", full)
        with pytest.raises(LedgerFull):
            it.work()
    assert (it.state(NAME), set(book.posted.values())) == (State.CLAIMED, {1})
    scans(it, 2)
    stored_once(it, book)
    assert (set(book.posted.values()), len(book.searches)) == ({1}, 1)


def test_scan_that_could_not_be_recorded_is_made_again(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerFull("the disk of the ledger is full")

    picture(it.inbox / NAME)
    for method in ("see", "ready"):
        with monkeypatch.context() as disk:
            disk.setattr(Files, method, full)
            with pytest.raises(LedgerFull):
                scans(it, 10)
    scans(it, 6)
    stored_once(it, book)


# Groups


def group(**more: str) -> dict[str, Any]:
    return {"group": more, "originals": {"move": "done"}}


def test_group_waits_for_its_done_file_which_goes_with_it(tmp_path: Path, book: Book) -> None:
    with driven(configure(tmp_path, URL, **group(by="folder", done="*.done")), archive=book) as it:
        for number in (10, 2):
            picture(it.inbox / f"4711001/{number}.jpg", number)
        scans(it, 50)
        assert set(it.states().values()) == {"seen"}
        (it.inbox / "4711001/all.done").touch()
        scans(it, 6)
        assert set(it.states().values()) == {"stored"}
        numbers = {row.path: row.numbers.instance for row in it.rows() if row.numbers}
        assert numbers == {"4711001/2.jpg": 1, "4711001/10.jpg": 2}
        assert files_in(it.inbox) == []
        assert files_in(tmp_path / "done") == ["4711001/10.jpg", "4711001/2.jpg", "4711001/all.done"]
        picture(it.inbox / "4711001/3.jpg", 3)  # the next ones wait for a file of their own
        scans(it, 50)
        assert it.state("4711001/3.jpg") is State.SEEN


def test_group_without_its_done_file_is_told_of(tmp_path: Path, book: Book) -> None:
    with driven(configure(tmp_path, URL, **group(by="folder", done="*.done")), archive=book) as it:
        picture(it.inbox / "4711001/1.jpg")
        scans(it, 5)
        it.passed += 3600
        scans(it, 2)
        assert it.held("4711001/1.jpg") == "group-open"
        it.passed += 7 * 86_400
        it.work()
        assert book.posted == {}
        (it.inbox / "4711001/x.done").touch()
        scans(it, 6)
        assert it.state("4711001/1.jpg") is State.STORED


def test_group_by_name_goes_when_it_is_quiet(tmp_path: Path, book: Book) -> None:
    keys = group(by="name", pattern="^([0-9]+)_", quiet="30s")
    with driven(configure(tmp_path, URL, **keys), archive=book) as it:
        picture(it.inbox / "4711001_1.jpg", 1)
        picture(it.inbox / "4711002_1.jpg", 2)
        scans(it, 10)
        picture(it.inbox / "4711001_2.jpg", 3)
        scans(it, 8)
        assert it.states() == {
            "4711001_1.jpg": "seen", "4711001_2.jpg": "seen", "4711002_1.jpg": "stored",
        }  # fmt: skip
        scans(it, 10)
        assert set(it.states().values()) == {"stored"}


def test_quiet_folder_is_one_group(tmp_path: Path, book: Book) -> None:
    with driven(configure(tmp_path, URL, **group(by="quiet", quiet="10s")), archive=book) as it:
        for number in range(3):
            picture(it.inbox / f"4711001_{number}.jpg", number)
            scans(it, 3)
            assert set(it.states().values()) == {"seen"}
        scans(it, 5)
        assert set(it.states().values()) == {"stored"}


def test_mapping_knows_what_came_together(tmp_path: Path) -> None:
    mapping = (
        "extends: photo\n"
        "attributes:\n"
        "  ImageComments: '{{ group.count }} files from {{ group.captured | dicom_date }}'\n"
    )
    with running(tmp_path / "archive") as url:
        keys = group(by="folder", quiet="1s")
        with driven(configure(tmp_path, url, mapping, **keys)) as it:
            for number in (1, 2):
                _taken(it.inbox / f"4711001/{number}.jpg", number, f"2024:05:3{number - 1} 10:00:00")
            scans(it, 6)
        assert {each.ImageComments for each in in_archive(url)} == {"2 files from 20240530"}


def _taken(path: Path, number: int, moment: str) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0132] = moment
    exif.get_ifd(0x8769)[0x9003] = moment
    picture(path, number, exif=exif.tobytes())


# Sidecars

SIDECAR = """
extends: photo
sources:
  sidecar: {file: '{{ media.stem }}.ini', required: REQUIRED, select: {note: note}}
attributes: {ImageComments: '{{ sidecar.note }}'}
"""


def sidecar(tmp_path: Path, required: str, book: Book, **folder: Any) -> Any:
    mapping = SIDECAR.replace("REQUIRED", required)
    return driven(configure(tmp_path, URL, mapping, **folder), archive=book)


def comment(it: Driven, path: str = NAME) -> str | None:
    detail = it.ledger.reports.detail(it.row(path).id)
    return (detail.attributes or {}).get("ImageComments") if detail else None


def test_folder_may_require_what_the_mapping_does_not(tmp_path: Path, book: Book) -> None:
    with sidecar(tmp_path, "no", book, sidecar="required") as it:
        picture(it.inbox / NAME)
        scans(it, 5)
        assert it.held(NAME) == "sidecar-missing"
        (it.inbox / NAME).with_suffix(".ini").write_text("note=late")
        it.daemon.look_at_dependencies()
        it.work()
        assert (it.state(NAME), comment(it)) == (State.STORED, "late")
        assert it.states().keys() == {NAME}


def test_folder_may_ignore_sidecars(tmp_path: Path, book: Book) -> None:
    with sidecar(tmp_path, "no", book, sidecar="none") as it:
        picture(it.inbox / NAME)
        (it.inbox / NAME).with_suffix(".ini").write_text("note=unread")
        scans(it, 5)
        assert (it.state(NAME), comment(it)) == (State.STORED, None)
        assert it.row(NAME.replace("jpg", "ini")).state is State.REJECTED  # a file like any other


def test_folder_cannot_require_what_no_mapping_reads(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="sidecar: required, but none of its mappings reads one"):
        driven(configure(tmp_path, URL, sidecar="required")).__enter__()


@pytest.mark.parametrize("moved", [False, True], ids=["kept", "moved"])
@pytest.mark.parametrize("first", ["note=old", None], ids=["changed", "new"])
def test_sidecar_that_comes_or_changes_after_its_file_was_stored(
    tmp_path: Path, book: Book, first: str | None, moved: bool
) -> None:
    folder = {"originals": {"move": "done"}} if moved else {}
    with sidecar(tmp_path, "no", book, **folder) as it:
        picture(it.inbox / NAME)
        beside = (it.inbox / NAME).with_suffix(".ini")
        if first:
            beside.write_text(first)
        scans(it, 5)
        it.daemon.look_at_dependencies()
        assert it.state(NAME) is State.STORED
        beside.write_text("note=new one")
        it.daemon.look_at_dependencies()
        scans(it, 5)
        assert it.state(NAME) is State.CHANGED
        assert it.events("changed")[0]["attributes"] == ["ImageComments"]
        assert set(book.posted.values()) == {1}


# Several destinations


@pytest.fixture
def two() -> dict[str, Any]:
    return {name: {"url": f"http://{name}.test/dicom-web", "jobs": 1} for name in ("one", "two")}


def test_original_moves_when_all_have_answered(tmp_path: Path, two: dict[str, Any]) -> None:
    books = {"one.test": Book(), "two.test": Book()}
    configuration = configure(tmp_path, destinations=two, to=["one", "two"], originals={"move": "done"})
    with driven(configuration, archive=lambda request: books[request.url.host](request)) as it:
        picture(it.inbox / NAME)
        it.settle()
        while it.workers[0].step():
            pass
        it.scan()
        assert files_in(tmp_path / "done") == []
        assert it.row(NAME, "one").state is State.STORED
        it.work()
        it.scan()
        assert files_in(tmp_path / "done") == [NAME]
    assert books["one.test"].stored == books["two.test"].stored != {}


def test_one_destination_that_refuses_puts_the_original_aside_when_the_other_has_it(
    tmp_path: Path, two: dict[str, Any]
) -> None:
    from driven import failed

    books = {"one.test": Book([failed(0xC000)]), "two.test": Book()}
    configuration = configure(tmp_path, destinations=two, to=["one", "two"], originals={"move": "done"})
    with driven(configuration, archive=lambda request: books[request.url.host](request)) as it:
        picture(it.inbox / NAME)
        it.settle()
        it.workers[0].step()
        it.scan()
        assert files_in(tmp_path / "rejected") == []
        it.work()
        it.scan()
    assert files_in(tmp_path / "rejected") == [NAME, f"{NAME}.error.json"]
    said = json.loads((tmp_path / "rejected" / f"{NAME}.error.json").read_text())
    assert said["destination"] == "http://one.test/dicom-web"
    assert len(books["two.test"].stored) == 1


def test_destinations_by_condition_and_by_a_check_of_the_mapping(tmp_path: Path, two: dict[str, Any]) -> None:
    mapping = (
        "extends: photo\n"
        "checks:\n"
        "- when: '{{ media.stem | match(\"(?i)_(R)_\") }}'\n"
        "  then: {send_to: three}\n"
    )
    two["three"] = {"url": "http://three.test/dicom-web", "jobs": 1}
    books = {f"{name}.test": Book() for name in two}
    to = ["one", {"name": "two", "when": '{{ media.stem | match("_(L)_") }}'}]
    configuration = configure(tmp_path, mapping=mapping, destinations=two, to=to, originals={"move": "done"})
    with driven(configuration, archive=lambda request: books[request.url.host](request)) as it:
        left, right = "4711001_20240531_L_1.jpg", "4711001_20240531_R_1.jpg"
        for number, name in enumerate((left, right)):
            picture(it.inbox / name, number)
        scans(it, 6)
        found = {(row.path, row.destination): row.state.value for row in it.rows()}
    assert found == {
        (left, "one"): "stored", (left, "two"): "stored",
        (right, "one"): "stored", (right, "two"): "skipped", (right, "three"): "stored",
    }  # fmt: skip
    assert files_in(tmp_path / "done") == [left, right]
    assert [len(books[f"{name}.test"].stored) for name in two] == [2, 1, 1]


def test_charset_of_each_destination(tmp_path: Path) -> None:
    import pydicom

    mapping = "extends: photo\nattributes: {PatientName: 'Müller^Jürgen'}\n"
    with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
        to = {"one": {"url": one, "jobs": 1}, "two": {"url": two, "jobs": 1, "charset": "ISO_IR 100"}}
        configuration = configure(tmp_path, mapping=mapping, destinations=to, to=["one", "two"])
        with driven(configuration) as it:
            picture(it.inbox / NAME)
            scans(it, 5)
            assert {row.state for row in it.rows()} == {State.STORED}
        sets = []
        for place in ("one", "two"):
            [file] = (tmp_path / place).rglob("*.dcm")
            dataset = pydicom.dcmread(file)
            sets.append(dataset.SpecificCharacterSet)
            assert str(dataset.PatientName) == "Müller^Jürgen"
            assert dataset.PatientName.encode(("latin-1",)) in file.read_bytes() or place == "one"
    assert sets == ["ISO_IR 192", "ISO_IR 100"]


# Doubts


def test_file_of_nobody_is_held(it: Driven, book: Book) -> None:
    picture(it.inbox / "IMG_0001.jpg")
    scans(it, 5)
    assert it.held("IMG_0001.jpg") == "unidentified"
    assert book.posted == {}


def test_assigned_patient_lets_it_go(it: Driven, book: Book) -> None:
    picture(it.inbox / "IMG_0001.jpg")
    scans(it, 5)
    it.ledger.decisions.assign(Query(), "anna", {"PatientID": "4711009", "PatientName": "Roe^Ann"})
    scans(it, 2)
    stored_once(it, book)


def test_mapping_mended_while_it_runs(tmp_path: Path, book: Book) -> None:
    wrong = "extends: photo\nattributes: {PatientBirthDate: '{{ media.stem }}'}\n"
    with driven(configure(tmp_path, URL, wrong, originals={"move": "done"}), archive=book) as it:
        picture(it.inbox / NAME)
        scans(it, 5)
        assert it.held(NAME) == "mapping"
        (tmp_path / "mapping.yaml").write_text("extends: photo\nattributes: {PatientBirthDat: x}\n")
        it.daemon.look_at_dependencies()
        scans(it, 5)
        assert it.held(NAME) == "mapping"
        [said] = it.events("mapping-faulty")
        assert "mapping.yaml:2:" in said["why"]
        (tmp_path / "mapping.yaml").write_text("extends: photo\n")
        it.daemon.look_at_dependencies()
        it.work()
        it.scan()
        assert len(it.events("mapping-loaded")) == 1
        stored_once(it, book)


def test_configuration_mended_before_the_next_start(tmp_path: Path, book: Book) -> None:
    """What was held because of it need not wait for the next look at held files."""
    route = {"name": "archive", "when": "{{ media.captured.year > 2000 }}"}
    originals = {"move": "done"}
    with driven(configure(tmp_path, URL, to=[route], originals=originals), archive=book) as it:
        picture(it.inbox / NAME)
        scans(it, 5)
        assert it.held(NAME) == "mapping"
    with driven(configure(tmp_path, URL, originals=originals), archive=book) as it:
        it.passed = 60  # far less than until held files are looked at again
        scans(it, 3)
        stored_once(it, book)


def test_faulty_mapping_leaves_the_old_one_in_its_place(tmp_path: Path, book: Book) -> None:
    with driven(configure(tmp_path, URL, "extends: photo\n"), archive=book) as it:
        (tmp_path / "mapping.yaml").write_text("extends: [photo\n")
        picture(it.inbox / NAME)
        scans(it, 5)
        assert it.state(NAME) is State.STORED
        assert len(it.events("mapping-faulty")) == 1


def test_template_mended_while_it_runs(tmp_path: Path, book: Book) -> None:
    template = "extends: vl-photographic\nattributes: {SeriesDescription: DESCRIPTION}\n"
    (tmp_path / "object.yaml").write_text(template.replace("DESCRIPTION", "old"))
    mapping = (
        "extends: photo\nkinds: {image: {template: object.yaml}}\nattributes: {SeriesDescription: null}\n"
    )
    with driven(configure(tmp_path, URL, mapping), archive=book) as it:
        picture(it.inbox / "4711001_1.jpg", 1)
        scans(it, 5)
        assert set(it.states().values()) == {"stored"}
        (tmp_path / "object.yaml").write_text(template.replace("DESCRIPTION", "[]"))
        scans(it, 1)
        assert len(it.events("mapping-faulty")) == 1
        (tmp_path / "object.yaml").write_text(template.replace("DESCRIPTION", "new one"))
        scans(it, 1)
        assert len(it.events("mapping-loaded")) == 1


def test_table_mended_before_the_worker_has_read_it_is_not_missed(tmp_path: Path, book: Book) -> None:
    """The mapping changed after it was loaded and before the file was held by it."""
    with driven(configure(tmp_path, URL, "extends: photo\npatient_id: '9.*'\n"), archive=book) as it:
        picture(it.inbox / NAME)
        it.settle()
        (tmp_path / "mapping.yaml").write_text("extends: photo\n")
        it.work()  # with what was loaded before
        assert it.held(NAME) is not None
        it.daemon.look_at_dependencies()
        it.work()
        assert it.state(NAME) is State.STORED


def test_held_files_are_looked_at_again_less_and_less_often(it: Driven, book: Book) -> None:
    picture(it.inbox / "IMG_0001.jpg")
    scans(it, 5)
    looks = [it.row("IMG_0001.jpg").checks]
    for _ in range(10):
        it.passed += 600
        it.work()
        looks.append(it.row("IMG_0001.jpg").checks)
    assert looks[0] == 1
    assert looks[-1] == 4  # after 10, 30 and 70 minutes


def test_files_held_for_long_are_told_of_once_a_day(it: Driven, book: Book) -> None:
    picture(it.inbox / "IMG_0001.jpg")
    scans(it, 5)
    it.passed += 23 * 3600
    it.daemon.look_after()
    assert it.events("held-long") == []
    for _ in range(48):
        it.passed += 3600
        it.work()
        it.daemon.look_after()
    told = it.events("held-long")
    assert told == [{"folder": "photos", "files": 1, "reasons": {"unidentified": 1}}] * 2
    assert it.held("IMG_0001.jpg") == "unidentified"


def test_defect_of_ours_holds_the_file_and_lets_the_others_go(
    it: Driven, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = work.pipeline.construct

    def construct(candidate: Any, *args: Any) -> Any:
        if candidate.probe.source.name == NAME:
            raise ZeroDivisionError("Jane Doe")
        return real(candidate, *args)

    monkeypatch.setattr(work.pipeline, "construct", construct)
    picture(it.inbox / NAME, 1)
    picture(it.inbox / "4711001_20240531_L_2.jpg", 2)
    scans(it, 5)
    assert it.states() == {NAME: "held defect", "4711001_20240531_L_2.jpg": "stored"}
    [told] = it.events("defect")
    assert told["error"] == "ZeroDivisionError"
    assert "Jane" not in json.dumps(told)
