"""What a scan finds, what it never takes for gone, and when it is waked."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.intake import scan
from gateway.intake.scan import Offline, Root, Waker

PLAIN = "36 35 98:0 / / rw - ext4 /dev/root rw\n"


def found(root: Root) -> list[str]:
    return [each.relative for each in root.scan()]


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def mounted(tmp_path: Path, *mounts: tuple[Path, str, str]) -> Path:
    """A mountinfo file with these on top of the root: where, type and source."""
    lines = [f"40 36 0:40 / {point} rw - {kind} {source} rw\n" for point, kind, source in mounts]
    table = tmp_path / "mountinfo"
    table.write_text(PLAIN + "".join(lines))
    return table


def test_files_in_all_folders_are_found_and_litter_is_not(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a/x.jpg", "a/b/y.jpg", ".hidden", "a/.hidden/z.jpg", "c.part", "@eaDir/t.jpg")
    make(tmp_path, "Thumbs.db", "old.bak", "rejected/r.jpg")
    root = Root(tmp_path, ["*.bak"], frozenset({str(tmp_path / "rejected")}))
    assert sorted(found(root)) == ["a/b/y.jpg", "a/x.jpg", "b.jpg"]


def test_names_of_any_bytes_are_found_and_open(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/M\xfcller.jpg"
    Path(os.fsdecode(name)).write_bytes(b"x")
    [entry] = Root(tmp_path).scan()
    assert os.fsencode(entry.relative) == b"M\xfcller.jpg"
    assert (tmp_path / entry.relative).read_bytes() == b"x"


def test_stamp_is_that_of_the_file_now(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    [before] = Root(tmp_path).scan()
    (tmp_path / "a.jpg").write_bytes(b"xyz")
    [after] = Root(tmp_path).scan()
    assert (before.stamp.size, after.stamp.size) == (1, 3)


def test_root_that_is_not_there_is_offline_and_not_empty(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    make(folder, "a.jpg")
    root = Root(folder)
    assert found(root) == ["a.jpg"]
    folder.rename(tmp_path / "away")
    with pytest.raises(Offline, match=r"inbox is offline: No such file"):
        root.scan()
    (tmp_path / "away").rename(folder)
    assert found(root) == ["a.jpg"]


def test_unmounted_root_is_offline_though_it_looks_empty(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    make(folder, "a.jpg")
    table = mounted(tmp_path, (folder, "cifs", "//server/share"))
    root = Root(folder, mountinfo=table)
    assert found(root) == ["a.jpg"]
    (folder / "a.jpg").unlink()
    mounted(tmp_path)
    with pytest.raises(Offline, match=r"//server/share \(cifs\) is no longer mounted at .*inbox\. Mount it"):
        root.scan()
    mounted(tmp_path, (folder, "cifs", "//server/share"))
    assert found(root) == []


def test_mount_below_the_root_belongs_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    make(folder, "room1/a.jpg", "room2/b.jpg")
    table = mounted(tmp_path, (folder / "room1", "nfs4", "nas:/room1"))
    root = Root(folder, mountinfo=table)
    assert found(root) == ["room1/a.jpg", "room2/b.jpg"]
    mounted(tmp_path)
    with pytest.raises(Offline, match="nas:/room1"):
        root.scan()


def test_share_that_is_mounted_later_is_welcome(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    make(folder, "a.jpg")
    root = Root(folder, mountinfo=mounted(tmp_path))
    assert found(root) == ["a.jpg"]
    mounted(tmp_path, (folder, "cifs", "//server/share"))
    assert found(root) == ["a.jpg"]
    mounted(tmp_path)
    with pytest.raises(Offline):
        root.scan()


def test_mounts_elsewhere_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    make(folder, "a.jpg")
    root = Root(folder, mountinfo=mounted(tmp_path, (tmp_path / "inbox-2", "nfs", "nas:/x")))
    assert found(root) == ["a.jpg"]
    mounted(tmp_path)
    assert found(root) == ["a.jpg"]


def failing(monkeypatch: pytest.MonkeyPatch, place: Path, code: int) -> None:
    """Reading this folder fails as on a share that is in trouble."""
    real: Callable[..., Any] = os.scandir

    def scandir(path: str) -> Any:
        if path == str(place):
            raise OSError(code, os.strerror(code))
        return real(path)

    monkeypatch.setattr(scan.os, "scandir", scandir)


def test_folder_that_cannot_be_read_says_nothing_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/x.jpg", "ab/y.jpg", "b.jpg")
    root = Root(tmp_path)
    failing(monkeypatch, tmp_path / "a", errno.EACCES)
    assert found(root) == ["ab/y.jpg", "b.jpg"]
    assert [root.has_seen(each) for each in ("a/x.jpg", "ab/z.jpg", "c.jpg")] == [False, True, True]
    assert root.skipped == {"a": "Permission denied"}
    monkeypatch.undo()
    assert len(found(root)) == 3
    assert root.has_seen("a/x.jpg")


def test_root_that_fails_while_it_is_read_is_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, tmp_path, errno.ESTALE)
    with pytest.raises(Offline, match="Stale"):
        Root(tmp_path).scan()


def test_folder_that_goes_between_two_looks_is_just_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/x.jpg")
    failing(monkeypatch, tmp_path / "a", errno.ENOENT)
    root = Root(tmp_path)
    assert found(root) == []
    assert root.has_seen("a/x.jpg")


@pytest.mark.parametrize("kind", ["cifs", "nfs4", "fuse.sshfs", "9p"])
def test_shares_are_polled(tmp_path: Path, kind: str) -> None:
    waker = Waker(tmp_path, mountinfo=mounted(tmp_path, (tmp_path, kind, "server:/x")))
    assert waker.mode == f"polling, because it is on {kind}"


def test_polling_can_be_asked_for(tmp_path: Path) -> None:
    assert Waker(tmp_path, wanted=False).mode == "polling, as configured"


def test_events_wake_the_scan_early_and_no_more_often_than_sense(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    waker = Waker(tmp_path)
    assert waker.mode == "events"
    try:
        end = time.monotonic() + 30
        woken = False
        while not woken and time.monotonic() < end:  # the watch takes its time to begin
            (tmp_path / f"{time.monotonic()}.jpg").write_bytes(b"x")
            began = time.monotonic()
            waker.wait(5)
            took = time.monotonic() - began
            assert took >= scan.SHORTEST_WAIT
            woken = took < 4
        assert woken
    finally:
        waker.stop()
    waker.wait(3600)  # does not wait once it was stopped
