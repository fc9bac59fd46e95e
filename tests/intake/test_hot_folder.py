"""A daemon in a process of its own, as an operator runs it: many files, two daemons, signals, full disks."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from driven import Book, configure, driven, in_archive, jpeg, picture
from faults import Fault, Proxy, proxy
from gateway.archive.server import running
from gateway.intake import watch
from gateway.intake.configuration import load
from gateway.intake.journal import Journal
from gateway.ledger import State
from intake.drop import drop as thousands
from sink import sink
from watching import FOLDER, Watched, small_disk

NAME = "4711001_20240531_L_{}.jpg"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("archive")) as url:
        yield url


@pytest.fixture
def between(archive: str) -> Iterator[tuple[str, Proxy]]:
    """A proxy in front of the archive, which lets all through until it is told otherwise."""
    base, _, path = archive.rpartition("/")
    with proxy(base) as (address, server):
        yield f"{address}/{path}", server


def drop(watched: Watched, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        part = watched.inbox / f".{number}.part"
        part.write_bytes(jpeg(number))
        part.rename(watched.inbox / NAME.format(number))


def stored_once(watched: Watched, server: Proxy, count: int) -> None:
    assert watched.states() == {"stored": count}
    assert (len(server.answered), set(server.answered.values())) == (count, {1})
    assert len(watched.files_in(watched.done)) == count
    assert not [each for each in watched.events() if each["event"] in ("defect", "noise")]


@pytest.mark.xdist_group("servers")
def test_thousands_of_files_at_once(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    with sink(names=True) as (url, server):
        record_property("files_a_second", round(thousands(tmp_path, url, 5000)))
    assert (len(server.stored), set(server.stored.values())) == (5000, {1})


def test_two_daemons_on_one_folder_share_the_work(tmp_path: Path, between: tuple[str, Proxy]) -> None:
    url, server = between
    one = Watched(tmp_path, url)
    two = Watched(tmp_path, url)
    two.log = tmp_path / "log of the other"
    with one, two:
        for each in (one, two):
            each.until(lambda each=each: any(e["event"] == "started" for e in each.events()), "started")
        for number in range(60):
            picture(one.inbox / f"{4711000 + number % 12}_20240531_L_{number}.jpg", number)
        one.until(lambda: one.settled(60), "all files settled")
        assert (one.stop(), two.stop()) == (0, 0)
    stored_once(one, server, 60)
    shares = [sum(e["event"] == "stored" for e in each.events()) for each in (one, two)]
    assert sum(shares) == 60
    assert min(shares) > 0


def test_second_daemon_with_another_ledger_refuses(tmp_path: Path, archive: str) -> None:
    with Watched(tmp_path, archive) as first:
        first.until(lambda: any(e["event"] == "started" for e in first.events()), "started")
        text = first.configuration.read_text()
        other = first.place / "other.yaml"
        other.write_text(text.replace("ledger.db", "other.db"))
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "watch", os.fspath(other)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert "is watched by another daemon with another ledger" in done.stderr
        assert "Stop it, or use its ledger" in done.stderr
        assert "Traceback" not in done.stderr
        drop(first, 1)
        first.until(lambda: first.settled(1), "the first goes on")
    first.configuration.write_text(text.replace("ledger.db", "other.db"))  # once it is gone, another may
    with first:
        first.until(lambda: sum(e["event"] == "started" for e in first.events()) == 2, "started")
        assert first.stop() == 0


def test_told_to_stop_it_ends_what_is_being_sent(tmp_path: Path, between: tuple[str, Proxy]) -> None:
    url, server = between
    with Watched(tmp_path, url) as watched:
        drop(watched, 40)
        watched.until(lambda: watched.states()["stored"] > 3, "some are stored")
        began = time.monotonic()
        assert watched.stop() == 0
        assert time.monotonic() - began < 15
        left = watched.states()
        assert 0 < left["stored"] < 40
        assert not left["claimed"]
        watched.start()
        watched.until(lambda: watched.settled(40), "all files settled")
        assert watched.stop() == 0
    stored_once(watched, server, 40)
    assert server.searches == 0  # nothing was left in doubt


def test_told_to_stop_it_gives_back_what_hangs(
    tmp_path: Path, between: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, server = between
    server.patience = 300
    server.plan = lambda _: Fault.HANG
    monkeypatch.setattr(watch, "GRACE", 2.0)
    monkeypatch.setattr(watch, "LAST", 0.5)
    watched = Watched(tmp_path, url, jobs=1)
    drop(watched, 3)
    with watch.running(load(watched.configuration), Journal(time.time, io.StringIO())):
        watched.until(lambda: server.faults[Fault.HANG], "a send hangs")
        began = time.monotonic()
    assert 2 < time.monotonic() - began < 15
    assert not watched.states()["claimed"]
    server.plan = lambda _: Fault.NONE
    with watched:
        watched.until(lambda: watched.settled(3), "all files settled")
        assert watched.stop() == 0
    stored_once(watched, server, 3)


def test_archive_that_goes_down_and_comes_back(tmp_path: Path, between: tuple[str, Proxy]) -> None:
    url, server = between
    with Watched(tmp_path, url) as watched:
        drop(watched, 10)
        watched.until(lambda: watched.settled(10), "the first files are stored")
        server.down.set()
        drop(watched, 10, first=10)
        watched.until(lambda: any(e["event"] == "paused" for e in watched.events()), "it is paused")
        assert not watched.states()["rejected"]
        server.down.clear()
        watched.until(lambda: watched.settled(20), "all files settled")
        assert watched.stop() == 0
    stored_once(watched, server, 20)
    assert [e["event"] for e in watched.events() if e["event"] in ("paused", "resumed")] == [
        "paused",
        "resumed",
    ]


def test_full_disk_pauses_and_it_goes_on_by_itself(tmp_path: Path, between: tuple[str, Proxy]) -> None:
    url, server = between
    with small_disk(tmp_path / "disk", "8m") as disk:
        watched = Watched(tmp_path, url)
        watched.ledger = disk / "ledger.db"
        watched.configure(
            destinations={"archive": {"url": url, "jobs": 2}}, folders=[FOLDER], ledger="disk/ledger.db"
        )
        with watched:
            drop(watched, 5)
            watched.until(lambda: watched.settled(5), "the first files are stored")
            filler = disk / "filler"
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            drop(watched, 200, first=5)
            watched.until(lambda: any(e["event"] == "ledger-paused" for e in watched.events()), "it pauses")
            [said] = [e["why"] for e in watched.events() if e["event"] == "ledger-paused"][:1]
            assert "is full: make room, and it goes on by itself" in said
            filler.unlink()
            watched.until(lambda: watched.settled(205), "all files settled")
            assert watched.stop() == 0
            assert watched.events()[-2]["event"] != "ledger-paused"
            assert any(e["event"] == "ledger-resumed" for e in watched.events())
        stored_once(watched, server, 205)


def test_full_disk_for_converted_files(tmp_path: Path) -> None:
    book = Book()
    with small_disk(tmp_path / "disk", "1m") as disk:
        (disk / "filler").write_bytes(bytes(1000 * 1024))
        configuration = configure(tmp_path, "http://archive.test/dicom-web", tmp_dir="disk")
        with driven(configuration, archive=book) as it:
            noise = Image.effect_noise((300, 300), 50).convert("RGB")
            noise.save(it.inbox / "4711001_20240531_L_1.png")
            picture(it.inbox / NAME.format(2))
            it.through()
            row = it.row("4711001_20240531_L_1.png")
            assert (row.state, it.row(NAME.format(2)).state) == (State.RETRY, State.STORED)
            assert "No space left on device" in (row.text or "")
            (disk / "filler").unlink()
            it.passed += 60
            it.work()
            assert it.row("4711001_20240531_L_1.png").state is State.STORED
            assert list(disk.iterdir()) == []
    assert set(book.stored.values()) == {1}


def started(watched: Watched) -> tuple[int, str]:
    """The exit status of a daemon that cannot start, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "watch", os.fspath(watched.configuration)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_read_only_ledger_is_said_at_the_start(tmp_path: Path, archive: str) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        watched = Watched(tmp_path, archive)
        watched.configure(
            destinations={"archive": {"url": archive}}, folders=[FOLDER], ledger="disk/ledger.db"
        )
        subprocess.run(["mount", "-o", "remount,ro", os.fspath(disk)], check=True)
        status, said = started(watched)
    assert status == 2
    assert f"the ledger {disk / 'ledger.db'} cannot be written" in said
    assert "Traceback" not in said


def test_folder_of_the_ledger_that_is_not_there_is_said_at_the_start(tmp_path: Path, archive: str) -> None:
    watched = Watched(tmp_path, archive)
    watched.configure(destinations={"archive": {"url": archive}}, folders=[FOLDER], ledger="nowhere/l.db")
    status, said = started(watched)
    assert (status, "nowhere" in said, "Traceback" in said) == (2, True, False)


MAPPING = """
extends: photo
sources:
  path: {relative: '(?P<who>[^/]+)/.*'}
  table: {file: names.csv, key: who, equals: '{{ path.who }}'}
attributes: {PatientName: '{{ row.name | dicom_name }}'}
"""


def test_nothing_of_a_patient_is_in_the_log(tmp_path: Path, between: tuple[str, Proxy]) -> None:
    url, server = between
    busy = iter([Fault.BUSY, Fault.FAILED, Fault.DROPPED])
    server.plan = lambda _: next(busy, Fault.NONE)
    names = ("Zzyzx", "8675309", "Qwertz")
    watched = Watched(tmp_path, url, mapping="mapping.yaml", name="photos")
    table, mapping = watched.place / "names.csv", watched.place / "mapping.yaml"
    table.write_text(f"who,name\n{names[1]},{names[2]}^Jane\n")
    mapping.write_text(MAPPING)
    with watched:
        for number in range(3):
            picture(watched.inbox / names[1] / f"{names[0]}_{number}.jpg", number)
        (watched.inbox / f"{names[1]}_{names[0]}.txt").write_text(names[2])
        picture(watched.inbox / f"IMG_{names[0]}.jpg", 9)
        wanted = {"stored": 3, "rejected": 1, "held": 1}
        watched.until(lambda: watched.states() == wanted, "all are settled")
        table.write_text(f"who,name\n{names[1]},{names[2]}^Joan\n")
        watched.until(lambda: watched.states()["changed"] == 3, "a change is seen")
        mapping.write_text(f"{MAPPING}nonsense: 1\n")
        watched.until(lambda: "mapping-faulty" in watched.log.read_text(), "the mapping is faulty")
        assert watched.stop() == 0
    log = watched.log.read_text("utf-8")
    assert {e["event"] for e in watched.events()} >= {"stored", "rejected", "held", "changed"}
    assert [name for name in names if name.casefold() in log.casefold()] == []
    assert all(json.loads(line) for line in log.splitlines())


def test_interrupt_is_as_good_as_being_told(tmp_path: Path, archive: str) -> None:
    with Watched(tmp_path, archive) as watched:
        watched.until(lambda: any(e["event"] == "started" for e in watched.events()), "started")
        assert watched.process is not None
        watched.process.send_signal(signal.SIGINT)
        assert watched.process.wait(60) == 0
        assert watched.events()[-1]["event"] == "stopped"


def test_latin_1_and_sub_folders_in_a_process(tmp_path: Path, between: tuple[str, Proxy]) -> None:
    url, server = between
    with Watched(tmp_path, url) as watched:
        place = watched.inbox / "4711001" / os.fsdecode(b"Z\xfcrich")
        place.mkdir(parents=True)
        (place / os.fsdecode(b"M\xfcller.jpg")).write_bytes(jpeg(1))
        watched.until(lambda: watched.settled(1), "it is stored")
        assert watched.stop() == 0
    [moved] = watched.done.rglob("*.jpg")
    assert os.fsencode(moved).endswith(b"/done/4711001/Z\xfcrich/M\xfcller.jpg")
    assert len(server.answered) == 1
    assert not [each for each in watched.events() if each["event"] in ("defect", "noise")]


def test_what_is_stored_is_what_was_dropped(tmp_path: Path) -> None:
    with running(tmp_path / "archive") as url, Watched(tmp_path / "place", url) as watched:
        drop(watched, 2)
        watched.until(lambda: watched.settled(2), "both are stored")
        assert watched.stop() == 0
        objects = in_archive(url)
    assert {each.PatientID for each in objects} == {"4711001"}
    assert {each.StudyDate for each in objects} == {"20240531"}
    assert sorted(int(each.InstanceNumber) for each in objects) == [1, 2]
