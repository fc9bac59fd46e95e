"""Originals are kept, deleted, moved or put aside; never overwritten, and never in no place."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from driven import Driven, configure, driven, files_in, picture
from gateway.archive.server import running
from gateway.errors import Retry
from gateway.intake import originals
from gateway.intake.originals import delete, move, put_aside, remove_old
from gateway.stream import FileStamp

MOVES = ("os.link", "os.unlink", "os.replace", "os.fsync")
"""Between these a crash may come."""


def stamped(path: Path, data: bytes = b"picture") -> FileStamp:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return FileStamp.of(path.stat())


def reason(**more: object) -> dict[str, object]:
    return {"source": "/in/a.jpg", "status": "rejected", **more}


class Crash(BaseException):
    """The process ends here."""


def crashing(monkeypatch: pytest.MonkeyPatch, function: str, after: bool) -> None:
    """The process ends just before, or just after, it calls this function of the system."""
    module, name = function.split(".")
    assert module == "os"
    real = getattr(os, name)

    def crash(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise Crash

    monkeypatch.setattr(os, name, crash)


def across(monkeypatch: pytest.MonkeyPatch, *, links: bool = True) -> None:
    """The target is on another file system, which may have no hard links at all."""
    real = os.link

    def link(source: Any, target: Any, **options: Any) -> None:
        same = Path(source).parent == Path(target).parent
        if not (links and same):
            raise OSError(errno.EXDEV if links else errno.EPERM, "not here")
        real(source, target, **options)

    monkeypatch.setattr(os, "link", link)


def test_move_keeps_the_path_below_the_root(tmp_path: Path) -> None:
    stamp = stamped(tmp_path / "in/s/a.jpg")
    target = move(tmp_path / "in/s/a.jpg", tmp_path / "done", "s/a.jpg", stamp)
    assert target == tmp_path / "done/s/a.jpg"
    assert (files_in(tmp_path / "in"), target.read_bytes()) == ([], b"picture")


@pytest.mark.parametrize("links", [None, True, False], ids=["same disk", "other disk", "no links"])
def test_move_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool | None) -> None:
    if links is not None:
        across(monkeypatch, links=links)
    for number in range(3):
        stamp = stamped(tmp_path / "in/a.jpg", b"%d" % number)
        move(tmp_path / "in/a.jpg", tmp_path / "done", "a.jpg", stamp)
    contents = {name: (tmp_path / "done" / name).read_bytes() for name in files_in(tmp_path / "done")}
    assert contents == {"a.jpg": b"0", "a-2.jpg": b"1", "a-3.jpg": b"2"}
    assert files_in(tmp_path / "in") == []
    assert not [path for path in (tmp_path / "done").iterdir() if path.name.startswith(".")]


def test_what_has_changed_since_it_was_read_stays(tmp_path: Path) -> None:
    path = tmp_path / "in/a.jpg"
    stamp = stamped(path)
    path.write_bytes(b"another picture")
    assert move(path, tmp_path / "done", "a.jpg", stamp) is None
    assert put_aside(path, tmp_path / "bad", "a.jpg", stamp, reason()) is None
    assert delete(path, stamp) is False
    assert (path.read_bytes(), files_in(tmp_path)) == (b"another picture", ["in/a.jpg"])


def test_delete(tmp_path: Path) -> None:
    stamp = stamped(tmp_path / "a.jpg")
    assert delete(tmp_path / "a.jpg", stamp) is True
    assert delete(tmp_path / "a.jpg", stamp) is False
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("function", MOVES)
@pytest.mark.parametrize("disk", ["same", "other"])
@pytest.mark.parametrize("what", ["move", "put_aside"])
def test_crash_at_any_moment_loses_nothing_and_leaves_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, disk: str, function: str, after: bool
) -> None:
    path = tmp_path / "in/a.jpg"
    stamp = stamped(path)

    def go() -> Path | None:
        if what == "move":
            return move(path, tmp_path / "out", "a.jpg", stamp)
        return put_aside(path, tmp_path / "out", "a.jpg", stamp, reason())

    if disk == "other":
        across(monkeypatch)
    with monkeypatch.context() as crash:
        crashing(crash, function, after)
        with suppress(Crash):
            go()
    there = [name for name in files_in(tmp_path) if name.endswith(".jpg")]
    assert there
    assert all((tmp_path / name).read_bytes() == b"picture" for name in there)
    assert go() == tmp_path / "out/a.jpg"
    assert go() == tmp_path / "out/a.jpg"  # it says again where it is
    wanted = ["out/a.jpg"] + (["out/a.jpg.error.json"] if what == "put_aside" else [])
    assert files_in(tmp_path) == wanted


def test_reason_is_beside_the_file_before_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in/a.jpg"
    stamp = stamped(path)
    with monkeypatch.context() as crash, pytest.raises(Crash):
        crashing(crash, "os.link", after=False)
        put_aside(path, tmp_path / "bad", "a.jpg", stamp, reason())
    assert files_in(tmp_path) == ["bad/a.jpg.error.json", "in/a.jpg"]


def test_each_rejected_file_of_one_name_has_a_reason_of_its_own(tmp_path: Path) -> None:
    for number in range(2):
        stamp = stamped(tmp_path / "in/a.jpg", b"%d" % number)
        put_aside(tmp_path / "in/a.jpg", tmp_path / "bad", "a.jpg", stamp, reason(text=str(number)))
    assert files_in(tmp_path / "bad") == ["a-2.jpg", "a-2.jpg.error.json", "a.jpg", "a.jpg.error.json"]
    said = json.loads((tmp_path / "bad/a-2.jpg.error.json").read_text())
    assert (said["text"], (tmp_path / "bad/a-2.jpg").read_bytes()) == ("1", b"1")


def test_somebody_elses_error_file_is_not_overwritten(tmp_path: Path) -> None:
    stamp = stamped(tmp_path / "in/a.jpg")
    stamped(tmp_path / "bad/a.jpg.error.json", b'{"source": "/in/other.jpg"}')
    assert put_aside(tmp_path / "in/a.jpg", tmp_path / "bad", "a.jpg", stamp, reason()) == (
        tmp_path / "bad/a-2.jpg"
    )


def test_no_room_leaves_the_original_and_no_reason_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in/a.jpg"
    stamp = stamped(path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    across(monkeypatch)
    monkeypatch.setattr(originals.shutil, "copy2", full)
    with pytest.raises(Retry, match=r"No space left on device\. It stays where it is"):
        move(path, tmp_path / "done", "a.jpg", stamp)
    with pytest.raises(Retry):
        put_aside(path, tmp_path / "bad", "a.jpg", stamp, reason())
    assert files_in(tmp_path) == ["in/a.jpg"]


def test_names_of_any_bytes_are_moved_and_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"M\xfcller.jpg")
    stamp = stamped(tmp_path / "in" / name)
    target = put_aside(tmp_path / "in" / name, tmp_path / "bad", name, stamp, reason(text=f"{name} is bad"))
    assert target is not None
    assert os.fsencode(target.name) == b"M\xfcller.jpg"
    beside = target.with_name(target.name + ".error.json").read_text("utf-8")
    assert json.loads(beside)["text"] == f"{name} is bad"


def test_one_file_of_two_names_is_not_deleted(tmp_path: Path) -> None:
    """The folder that files are moved to may be reached by another way."""
    stamp = stamped(tmp_path / "in/a.jpg")
    (tmp_path / "done").symlink_to(tmp_path / "in")
    move(tmp_path / "in/a.jpg", tmp_path / "done", "a.jpg", stamp)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"picture"


def test_old_originals_are_removed_with_their_empty_folders(tmp_path: Path) -> None:
    for name in ("s/a.jpg", "s/t/b.jpg", "c.jpg"):
        stamped(tmp_path / "done" / name)
        os.utime(tmp_path / "done" / name, (0, 0))  # taken long ago, but it came here only now
    came = (tmp_path / "done/c.jpg").stat().st_ctime
    assert remove_old(tmp_path / "done", came - 60) == 0
    assert remove_old(tmp_path / "done", came + 60) == 3
    assert (files_in(tmp_path), (tmp_path / "done").is_dir(), list((tmp_path / "done").iterdir())) == (
        [], True, [],
    )  # fmt: skip


# A folder's originals


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("archive")) as address:
        yield address


def one(it: Driven, name: str = "4711001_20240531_L_1.jpg") -> Path:
    path = picture(it.inbox / name)
    it.through()
    return path


@pytest.mark.parametrize(("what", "left"), [(None, 1), ("keep", 1), ("delete", 0)])
def test_kept_or_deleted(tmp_path: Path, url: str, what: str | None, left: int) -> None:
    with driven(configure(tmp_path, url, **({"originals": what} if what else {}))) as it:
        path = one(it)
        assert it.states() == {path.name: "stored"}
        assert len(files_in(it.inbox)) == left
        it.through()  # a file that stays is not sent again
        assert [(row.state, row.attempts) for row in it.rows()] == [("stored", 1)]


def test_moved_to_a_templated_place(tmp_path: Path, url: str) -> None:
    to = "done/{{ original.date }}/{{ original.patient }}/{{ original.status }}"
    with driven(configure(tmp_path, url, originals={"move": to})) as it:
        one(it, "sub/4711001_20240531_L_1.jpg")
        [moved] = files_in(tmp_path / "done")
    day, patient, status, *path = moved.split("/")
    assert (patient, status, path) == ("4711001", "stored", ["sub", "4711001_20240531_L_1.jpg"])
    assert day.startswith("2023-11-1")


def test_facts_of_a_patient_make_no_paths(tmp_path: Path, url: str) -> None:
    mapping = "extends: photo\nattributes: {PatientID: '../../x/y', AccessionNumber: '..'}\n"
    to = "done/{{ original.patient }}/{{ original.accession }}"
    with driven(configure(tmp_path, url, mapping, originals={"move": to})) as it:
        one(it)
        assert [name.rsplit("/", 1)[0] for name in files_in(tmp_path / "done")] == ["_.._x_y"]


def test_retention_counts_from_when_it_was_moved(tmp_path: Path, url: str) -> None:
    keep = {"move": "done/{{ original.date }}", "retention": "24h"}
    with driven(configure(tmp_path, url, originals=keep)) as it:
        one(it)
        [moved] = (tmp_path / "done").rglob("*.jpg")
        it.passed = moved.stat().st_ctime - it.now() + it.passed + 86_000
        it.daemon.look_after()
        assert moved.exists()
        it.passed += 800
        it.daemon.look_after()
        assert not moved.exists()


def test_rejected_file_with_its_reason(tmp_path: Path, url: str) -> None:
    with driven(configure(tmp_path, url, originals="delete")) as it:
        (it.inbox / "notes.jpg").write_bytes(b"these are notes")
        it.through()
        assert it.states() == {"notes.jpg": "rejected rejected"}
    assert files_in(tmp_path / "inbox") == []
    assert files_in(tmp_path / "rejected") == ["notes.jpg", "notes.jpg.error.json"]
    said = json.loads((tmp_path / "rejected/notes.jpg.error.json").read_text())
    assert set(said) == {
        "source", "destination", "status", "reason", "text", "attempts", "time", "sop_instance_uid",
    }  # fmt: skip
    assert (said["source"], said["destination"]) == (str(tmp_path / "inbox/notes.jpg"), url)
    assert (said["status"], said["attempts"], said["sop_instance_uid"]) == ("rejected", 0, None)
    assert said["time"].startswith("2023-11-14T22:13:2")
    assert said["text"]


def test_original_that_cannot_be_moved_waits_for_room(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with driven(configure(tmp_path, url, originals={"move": "done"})) as it:
        (tmp_path / "done").write_bytes(b"a file is in the way")
        path = one(it)
        it.scan()
        assert (it.states(), path.exists()) == ({path.name: "stored"}, True)
        assert [each["why"] for each in it.events("original-stays")][:1] == ["File exists"]
        (tmp_path / "done").unlink()
        it.scan()
        assert files_in(tmp_path / "done") == [path.name]
        assert [row.attempts for row in it.rows()] == [1]


def test_gateways_own_places_in_the_folder_are_never_scanned(tmp_path: Path, url: str) -> None:
    own = {"originals": {"move": "inbox/done"}, "rejected": "inbox/rejected"}
    with driven(configure(tmp_path, url, **own)) as it:
        (it.inbox / "notes.jpg").write_bytes(b"these are notes")
        one(it)
        it.through()
        assert len(it.rows()) == 2
        assert files_in(it.inbox) == [
            "done/4711001_20240531_L_1.jpg", "rejected/notes.jpg", "rejected/notes.jpg.error.json",
        ]  # fmt: skip
