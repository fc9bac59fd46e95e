"""`gateway queue`: what an operator asks and decides, seen from outside and in the ledger's tables."""

from __future__ import annotations

import getpass
import io
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import examples
from doors import Done, gateway
from gateway.archive.server import running as running_archive
from gateway.intake.configuration import load
from gateway.intake.journal import Journal
from gateway.intake.watch import running as watching
from gateway.ledger import Ledger, Ready, Result, State
from gateway.stream import FileStamp
from ledgers import ARCHIVE, FOLDER, Day


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path / "ledger.db")


def queue(day: Day, *arguments: object) -> Done:
    command, *others = arguments
    return gateway("queue", command, "--ledger", day.path, *others)


def objects(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def rows(day: Day, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(day.path) as connection:
        return connection.execute(sql, values).fetchall()


def configure(day: Day) -> Path:
    """A configuration beside the ledger, whose mapping and secrets are not to be had here."""
    path = day.path.with_name("gateway.yaml")
    path.write_text(
        "destinations: {archive: {url: 'http://127.0.0.1:1/rs', auth: {basic: {env: NOT_SET_HERE}}}}\n"
        "folders: [{path: inbox, mapping: gone.yaml}]\n"
        "ledger: ledger.db\n",
        "utf-8",
    )
    (day.path.parent / FOLDER).mkdir(exist_ok=True)
    return path


class Terminal(io.StringIO):
    """A person at a terminal, and what they type."""

    def isatty(self) -> bool:
        return True


def typing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))


# Which ledger


def test_without_a_ledger_nothing_can_be_asked(tmp_path: Path) -> None:
    done = gateway("queue", "list")
    assert (done.status, done.out) == (2, "")
    assert "name its configuration with --config, or its file with --ledger" in done.err
    done = gateway("queue", "list", "--ledger", tmp_path / "ledger.db")
    assert done.status == 2
    assert f"there is no ledger at {tmp_path}/ledger.db" in done.err
    assert not list(tmp_path.iterdir())


def test_a_ledger_is_named_by_its_file_its_configuration_or_the_environment(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = day.held()
    config = configure(day)
    [by_file] = objects(queue(day, "show", number, "--json"))
    [by_config] = objects(gateway("queue", "show", number, "--json", "--config", config))
    assert by_file["source"] == "inbox/scan-Doe.jpg"
    assert by_config["source"] == f"{day.path.parent}/inbox/scan-Doe.jpg"
    both = gateway("queue", "list", "--config", config, "--ledger", day.path)
    assert both.status == 2
    monkeypatch.setenv("GATEWAY_CONFIG", str(config))
    [shown] = objects(gateway("queue", "show", number, "--json"))
    assert shown["source"] == by_config["source"]
    [shown] = objects(queue(day, "show", number, "--json"))
    assert shown["source"] == by_file["source"]  # what is typed counts
    monkeypatch.delenv("GATEWAY_CONFIG")
    monkeypatch.setenv("GATEWAY_LEDGER", str(day.path))
    [shown] = objects(gateway("queue", "show", number, "--json"))
    assert shown["source"] == by_file["source"]


def test_a_configuration_that_does_not_say_where_its_ledger_is(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("folders: [\n", "utf-8")
    done = gateway("queue", "list", "--config", tmp_path / "gateway.yaml")
    assert done.status == 2
    assert "gateway.yaml:" in done.err


# Looking


def test_an_empty_ledger(day: Day) -> None:
    assert queue(day, "list").out == "no file was ever seen\n"


def test_the_list_counts_and_shows_what_needs_a_person(day: Day) -> None:
    day.stored()
    held, changed = day.held(), day.changed()
    for number in range(3):
        day.stored(f"more{number}.jpg", 20 + number)
    done = queue(day, "list")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[:2] == [["Folder", "To", "stored", "held", "changed"], ["inbox", "archive", "4", "1", "1"]]
    assert lines[2] == ["held:", "1", "unidentified"]
    assert [line[:3] for line in lines[4:]] == [
        [str(held), "inbox/scan-Doe.jpg", "held"],
        [str(changed), "inbox/changed.jpg", "changed"],
    ]
    [told] = objects(queue(day, "list", "--json"))
    assert told["reasons"]["held"] == {"unidentified": 1}
    assert {each["state"]: each["files"] for each in told["counts"]} == {"stored": 4, "held": 1, "changed": 1}
    assert [each["id"] for each in told["files"]] == [held, changed]


def test_the_list_is_filtered_and_paged(day: Day) -> None:
    first = [day.held(f"a{number}.jpg", "no-row") for number in range(3)]
    other = day.held("b.jpg")
    stored = day.stored()
    pages, after = [], 0
    while True:
        [told] = objects(queue(day, "list", "--json", "--state", "held", "--limit", 2, "--after", after))
        pages.append([each["id"] for each in told["files"]])
        if told["next"] is None:
            break
        after = told["next"]
    assert pages == [first[:2], [first[2], other]]

    def found(*filters: object) -> list[int]:
        return [each["id"] for each in objects(queue(day, "list", "--json", *filters))[0]["files"]]

    assert found("--reason", "no-row") == first
    assert found("--state", "stored", "--state", "held", "--folder", FOLDER) == [*first, other, stored]
    assert found("--destination", ARCHIVE, "--state", "stored") == [stored]
    assert found("--folder", "elsewhere") == []
    assert queue(day, "list", "--folder", "elsewhere").out == "no file is so\n"
    assert queue(day, "list", "--state", "held", "--limit", 2).out.endswith(
        f"there are more: --after {first[1]}\n"
    )


def test_show_says_everything(day: Day) -> None:
    stored, held, changed = day.stored(), day.held(), day.changed()
    done = queue(day, "show", stored, held, changed)
    assert done.status == 0
    for text in (
        "inbox/Doe_Jane_4711001.jpg",
        "VL Photographic Image Storage, series 1, instance 1",
        "1.2.3.4.1",
        "The archive thanks for Doe^Jane",
        "PatientName Doe^Jane was shortened",
        "http://archive.example/studies/1.2.3/instances/1.2.3.4.1",
        "depends on  /lists/Doe-Jane.csv",
        "held (worker): unidentified",
        "Would be now",
    ):
        assert text in done.out
    told = objects(queue(day, "show", "--json", changed))[0]
    assert told["differences"] == [
        {"attribute": "PatientName", "stored": "Doe^Jane", "wanted": "Doe^Janet"},
        {"attribute": "StudyDate", "stored": "20250615", "wanted": None},
        {"attribute": "Laterality", "stored": None, "wanted": "L"},
    ]
    assert [each["what"] for each in told["events"]] == ["stored", "changed", "show"]
    assert told["since"] == "2025-06-15T15:06:40+00:00"


def test_show_of_a_file_that_is_not_there(day: Day) -> None:
    number = day.held()
    done = queue(day, "show", number, 99)
    assert done.status == 3
    assert "scan-Doe.jpg" in done.out
    assert done.err == "gateway: 99: there is no such file\n"
    assert queue(day, "show").status == 2


@pytest.mark.parametrize(
    "text",
    [
        "4711001",
        "a123",
        "Doe^Jane",
        "doe^ja",
        "DOE_JANE",
        "Doe_Jane_4711001.jpg",
        "1.2.3.4.1",
        "1.2.3.4",
        "1.2.3",
    ],
)
def test_where_is_my_picture(day: Day, text: str) -> None:
    number = day.stored()
    done = queue(day, "find", text)
    assert done.status == 0
    assert len(done.out.splitlines()) < 25  # one screen
    for said in (
        "inbox/Doe_Jane_4711001.jpg",
        "stored since",
        f"file {number}",
        "1.2.3.4.1",
        "archive.example",
    ):
        assert said in done.out
    assert [each["id"] for each in objects(queue(day, "find", text, "--json"))] == [number]


def test_a_held_picture_is_found_by_what_is_known_of_it(day: Day) -> None:
    day.held()
    done = queue(day, "find", "4711001")
    assert "held since" in done.out
    assert "unidentified" in done.out
    assert "scan-Doe.jpg is held: Doe^Jane is not known" in done.out


def test_a_picture_is_found_by_its_path_on_the_disk(day: Day) -> None:
    number = day.stored("ward/7.jpg")
    config = configure(day)
    path = day.path.parent / FOLDER / "ward" / "7.jpg"
    [told] = objects(gateway("queue", "find", path, "--json", "--config", config))
    assert told["id"] == number
    [told] = objects(queue(day, "find", "ward/7.jpg", "--json"))
    assert told["id"] == number


def test_many_pictures_are_listed_and_none_is_said(day: Day) -> None:
    for number in range(5):
        day.stored(f"{number}.jpg", number + 1)
    done = queue(day, "find", "4711001")
    assert [line.split()[1] for line in done.out.splitlines()[1:6]] == [f"inbox/{n}.jpg" for n in range(5)]
    assert "'gateway queue show ID' says all of one" in done.out
    done = queue(day, "find", "nobody")
    assert (done.status, done.out) == (3, "")
    assert "nothing is known of 'nobody'" in done.err


def test_names_that_no_terminal_should_see(day: Day) -> None:
    number = day.held("bad\x1b[2Jname\udce4.jpg")
    for command in ("list", "show"):
        done = queue(day, command, *([number] if command == "show" else []))
        assert "\x1b[2J" not in done.out
        assert "\\x1b" in done.out
    assert queue(day, "export", "--with-names").status == 0


# Who looked


def looks(day: Day) -> list[tuple[Any, ...]]:
    """Who looked, how, at which file, and what is said of it."""
    wanted = "SELECT who, what, file, text FROM events WHERE what IN ('show', 'find', 'list') ORDER BY id"
    return rows(day, wanted)


def test_who_looked_is_recorded_and_not_for_whom(day: Day) -> None:
    stored, held = day.stored(), day.held()
    me = getpass.getuser()
    assert queue(day, "show", held, stored, held, 99).status == 3
    assert queue(day, "find", "Doe^Jane", "--as", "Dr. Roe").status == 0
    assert queue(day, "find", "nobody").status == 3
    assert looks(day) == [
        (me, "show", held, None),
        (me, "show", stored, None),
        ("Dr. Roe", "find", stored, None),
        ("Dr. Roe", "find", held, None),
    ]
    [(at,)] = rows(day, "SELECT max(at) FROM events WHERE what = 'find'")
    assert abs(at - time.time()) < 600
    assert "find (Dr. Roe)" in queue(day, "show", stored, "--as", "ben").out
    assert looks(day)[-1] == ("ben", "show", stored, None)


def test_all_that_is_found_is_recorded_when_it_is_only_listed(day: Day) -> None:
    numbers = [day.stored(f"{number}.jpg", number + 1) for number in range(5)]
    queue(day, "find", "4711001", "--as", "roe")
    queue(day, "find", "4711001", "--as", "ben", "--limit", 2, "--json")
    assert looks(day) == [("roe", "find", number, None) for number in numbers] + [
        ("ben", "find", number, None) for number in numbers[:2]
    ]


def test_a_list_that_somebody_chose_is_noted(day: Day) -> None:
    day.held()
    assert queue(day, "list").status == queue(day, "list", "--json").status == 0
    assert queue(day, "list", "--folder", "elsewhere").status == 0
    assert looks(day) == []
    assert queue(day, "list", "--state", "held", "--as", "roe").status == 0
    assert looks(day) == [("roe", "list", None, "1 file")]


def test_differences_that_were_only_looked_at_are_recorded(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = day.changed()
    typing(monkeypatch, "n\n")
    assert queue(day, "revise", changed, "--as", "roe").status == 130
    assert looks(day) == [("roe", "show", changed, None)]


def test_looking_does_not_wait_for_long(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    number = day.held()
    monkeypatch.setattr("gateway.cli.queue.PATIENCE", 0.01)
    other = sqlite3.connect(day.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        for arguments in (("show", number), ("find", "4711001"), ("list", "--state", "held")):
            done = queue(day, *arguments, "--as", "roe")
            assert (done.status, "scan-Doe.jpg" in done.out) == (0, True)
            [said] = done.err.splitlines()
            assert said.startswith("gateway: that roe looked is not recorded: ")
            assert "being written by others" in said
    finally:
        other.close()
    assert looks(day) == []


@pytest.mark.parametrize("daemon", [True, False])
def test_looking_works_where_not_a_byte_can_be_written(day: Day, daemon: bool) -> None:
    number = day.held()
    if not daemon:  # whose log lies beside the ledger while it runs
        day.ledger.close()
    for arguments in (("show", number, number), ("find", "4711001"), ("list", "--state", "held")):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "queue", *map(str, arguments), "--ledger", day.path],
            capture_output=True,
            check=False,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        )
        assert (done.returncode, "scan-Doe.jpg" in done.stdout) == (0, True)
        [said] = done.stderr.splitlines()
        assert "looked is not recorded" in said
    assert looks(day) == []


@pytest.fixture
def guest() -> Iterator[Callable[[Path, int], None]]:
    """Leaves a folder's files to be read, and the folder with this mode; also when the tests run as root."""
    folders = []
    root = os.geteuid() == 0

    def become(folder: Path, mode: int) -> None:
        folders.append(folder)
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(mode)
        if root:
            os.seteuid(65534)

    yield become
    if root:
        os.seteuid(0)
    for folder in folders:
        folder.chmod(0o700)
        shutil.rmtree(folder)


@pytest.mark.parametrize("mode", [0o555, 0o777])
def test_looking_works_in_a_ledger_that_is_only_to_be_read(
    guest: Callable[[Path, int], None], mode: int
) -> None:
    day = Day(Path(tempfile.mkdtemp()) / "ledger.db")
    number = day.held()
    queue(day, "find", "4711001")  # so that all of the program is read while everything may be
    day.ledger.close()
    before = day.path.read_bytes()
    guest(day.path.parent, mode)
    for arguments in (("show", number), ("find", "4711001"), ("list", "--state", "held")):
        done = queue(day, *arguments)
        assert (done.status, "scan-Doe.jpg" in done.out) == (0, True)
        [said] = done.err.splitlines()
        assert "looked is not recorded" in said
    assert day.path.read_bytes() == before


# Assigning


def test_a_held_file_gets_what_it_lacks(day: Day) -> None:
    held, second = day.held(), day.held("second.jpg")
    done = queue(
        day, "assign", held, second, "-m", "PatientID=1234567", "--accession", "A7", "--study", "2.25.7",
        "--as", "Dr. Roe",
    )  # fmt: skip
    assert (done.status, done.out) == (0, "2 files assigned\n")
    assert rows(day, "SELECT file, assigned, assigned_study FROM details WHERE assigned IS NOT NULL") == [
        (each, '{"PatientID":"1234567","AccessionNumber":"A7"}', "2.25.7") for each in (held, second)
    ]
    assert {day.state(each) for each in (held, second)} == {State.READY}
    [(who, at, text)] = rows(day, "SELECT who, at, text FROM events WHERE what = 'assign' AND file = ?", held)
    assert who == "Dr. Roe"
    assert abs(at - time.time()) < 600
    assert json.loads(text) == {"PatientID": "1234567", "AccessionNumber": "A7", "StudyInstanceUID": "2.25.7"}


def test_an_event_names_the_user(day: Day) -> None:
    held = day.held()
    assert queue(day, "assign", held, "-m", "00100020=1234567").status == 0
    assert rows(day, "SELECT who FROM events WHERE what = 'assign'") == [(getpass.getuser(),)]
    assert rows(day, "SELECT assigned FROM details WHERE file = ?", held) == [('{"PatientID":"1234567"}',)]


def test_all_that_is_wrong_is_said_and_nothing_is_assigned(day: Day) -> None:
    held = day.held()
    wrong = (
        "-m",
        "PatientSex=X",
        "-m",
        "PatientId=1",
        "-m",
        "nothing",
        "--accession",
        "A" * 17,
        "--study",
        "x",
    )
    done = queue(day, "assign", held, *wrong)
    assert (done.status, done.out) == (2, "")
    said = done.err.removeprefix("gateway: ").splitlines()
    assert [line.split(": ")[0] for line in said] == [
        "-m PatientSex=X",
        "-m PatientId=1",
        "-m nothing",
        f"--accession AccessionNumber={'A' * 17}",
        "--study StudyInstanceUID=x",
    ]
    done = queue(day, "assign", held, "-m", "AccessionNumber=1", "--accession", "2")
    assert "AccessionNumber is given twice" in done.err
    assert queue(day, "assign", held).status == 2
    assert queue(day, "assign", "-m", "PatientID=1").status == 2
    assert day.state(held) is State.HELD
    assert rows(day, "SELECT count(*) FROM events WHERE what = 'assign'") == [(0,)]


def test_only_held_files_are_assigned(day: Day) -> None:
    held, stored = day.held(), day.stored()
    done = queue(day, "assign", stored, held, 99, "-m", "PatientID=1234567")
    assert (done.status, done.out) == (3, "1 file assigned\n")
    assert done.err.splitlines() == [
        f"gateway: {stored}: it is stored",
        "gateway: 99: there is no such file",
    ]
    assert (day.state(held), day.state(stored)) == (State.READY, State.STORED)


# Trying again


def test_retry_of_one_of_some_of_a_reason_and_of_all(day: Day) -> None:
    day.stored()
    changed = day.changed()
    files = [day.held(f"{number}.jpg", "no-row" if number % 2 else "unidentified") for number in range(6)]
    refused = day.file("r.jpg", Result(State.REFUSED, "A900", "No"))
    done = queue(day, "retry", files[0], "--json")
    assert json.loads(done.out) == {"done": 1, "not_done": []}
    assert queue(day, "retry", "--reason", "no-row").out == "3 files to be tried again\n"
    assert queue(day, "retry", "--state", "refused").out == "1 file to be tried again\n"
    assert queue(day, "retry", "--all", "--yes").out == "2 files to be tried again\n"
    assert {day.state(each) for each in (*files, refused)} == {State.READY}
    assert rows(day, "SELECT state, count(*) FROM files GROUP BY state ORDER BY 1") == [
        ("changed", 1),
        ("ready", 7),
        ("stored", 1),
    ]
    done = queue(day, "retry", changed)
    assert done.status == 3
    assert "it is changed; see 'gateway queue revise'" in done.err


def test_retry_wants_to_know_which(day: Day) -> None:
    held = day.held()
    for arguments in ((), (held, "--all"), ("--state", "claimed"), (held, "--reason", "x")):
        done = queue(day, "retry", *arguments)
        assert (done.status, done.out) == (2, "")
    assert day.state(held) is State.HELD


def test_a_rejected_file_comes_back_to_its_folder(day: Day) -> None:
    config = configure(day)
    aside = day.path.parent / "rejected"
    (aside / "ward").mkdir(parents=True)
    moved = aside / "ward" / "7-2.jpg"
    moved.write_bytes(b"picture")
    (aside / "ward" / "7-2.jpg.error.json").write_text("{}", "utf-8")
    number = day.rejected("ward/7.jpg", moved, FileStamp.of(moved.stat()))
    done = queue(day, "retry", number)
    assert done.status == 3
    assert f"its original is now at {moved}: name the configuration" in done.err
    assert day.state(number) is State.REJECTED

    done = gateway("queue", "retry", number, "--config", config)
    assert (done.status, done.out) == (0, "1 file to be tried again\n")
    assert (day.path.parent / FOLDER / "ward" / "7.jpg").read_bytes() == b"picture"
    assert not list((aside / "ward").iterdir())
    assert day.state(number) is State.READY


def test_a_rejected_file_that_is_gone_is_not_tried_again(day: Day) -> None:
    config = configure(day)
    number = day.rejected("7.jpg", day.path.parent / "rejected" / "7.jpg", FileStamp(1, 1, 1))
    done = gateway("queue", "retry", "--all", "--config", config)
    assert done.status == 3
    assert f"{number}: its original was moved to" in done.err
    assert day.state(number) is State.REJECTED


def test_what_lies_in_the_folder_is_never_overwritten(day: Day) -> None:
    config = configure(day)
    moved = day.path.parent / "7.jpg"
    moved.write_bytes(b"old")
    number = day.rejected("7.jpg", moved, FileStamp.of(moved.stat()))
    (day.path.parent / FOLDER / "7.jpg").write_bytes(b"new")
    gateway("queue", "retry", number, "--config", config)
    assert (day.path.parent / FOLDER / "7.jpg").read_bytes() == b"new"
    assert moved.read_bytes() == b"old"


# Giving up


def test_reject_says_why(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    held, stored = day.held(), day.stored()
    assert queue(day, "reject", held).status == 2  # nobody can be asked here
    done = queue(day, "reject", held, stored, "--say", "a holiday picture", "--as", "roe")
    assert (done.status, done.out) == (3, "1 file rejected\n")
    assert rows(day, "SELECT state, reason, text, original FROM files WHERE id = ?", held) == [
        ("rejected", "by-hand", "a holiday picture", "due")
    ]
    assert rows(day, "SELECT who, text FROM events WHERE what = 'reject'") == [("roe", "a holiday picture")]
    typing(monkeypatch, "nobody knows\n")
    second = day.held("second.jpg")
    assert queue(day, "reject", "--all").status == 0
    assert rows(day, "SELECT text FROM files WHERE id = ?", second) == [("nobody knows",)]


def test_many_files_are_asked_for_at_a_terminal(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(21):
        day.held(f"{number}.jpg")
    typing(monkeypatch, "n\n")
    done = queue(day, "retry", "--all")
    assert done.status == 130
    assert "Try again 21 files?" in done.err
    assert len(rows(day, "SELECT 1 FROM files WHERE state = 'held'")) == 21
    typing(monkeypatch, "y\n")
    assert queue(day, "retry", "--all").out == "21 files to be tried again\n"
    day.time += 1
    assert queue(day, "reject", "--state", "ready", "--say", "no", "--yes").out == "21 files rejected\n"


# Dismissing


def test_a_change_is_dismissed(day: Day) -> None:
    changed, stored = day.changed(), day.stored()
    done = queue(day, "reject", changed, stored, "--say", "the list is wrong", "--as", "roe")
    assert (done.status, done.out) == (3, "1 change dismissed\n")
    assert done.err == f"gateway: {stored}: it is stored\n"
    assert rows(day, "SELECT state, reason, text, original FROM files WHERE id = ?", changed) == [
        ("stored", None, None, None)
    ]
    assert rows(day, "SELECT who, text FROM events WHERE what = 'dismiss'") == [
        ("roe", "the list is wrong (PatientName, StudyDate, Laterality)")
    ]
    assert "changed" not in queue(day, "list").out
    said = queue(day, "show", changed).out
    assert "dismiss (roe): the list is wrong (PatientName, StudyDate, Laterality)" in " ".join(said.split())
    assert "Would be now" not in said
    wanted = {"PatientName": "Doe^Janet", "PatientID": "4711001", "Laterality": "L"}
    assert day.ledger.outcomes.compare(changed, wanted, "same") == ()
    assert day.state(changed) is State.STORED
    assert day.ledger.outcomes.compare(changed, {**wanted, "Laterality": "R"}, "other")
    assert day.state(changed) is State.CHANGED


def test_changes_are_dismissed_only_where_they_are_named(day: Day) -> None:
    changed, other = day.changed(), day.changed("other.jpg", 10)
    held = [day.held(f"{number}.jpg", "no-row") for number in range(4)]
    say = ("--say", "no")
    assert queue(day, "reject", "--reason", "no-row", *say).out == "4 files rejected\n"
    assert queue(day, "reject", "--folder", FOLDER, *say).out == "0 files rejected\n"
    assert queue(day, "reject", "--all", *say).out == "0 files rejected\n"
    assert {day.state(changed), day.state(other)} == {State.CHANGED}
    held = [day.held(f"new{number}.jpg") for number in range(2)]
    done = queue(day, "reject", held[0], changed, *say)
    assert (done.status, done.out) == (0, "1 file rejected, 1 change dismissed\n")
    done = queue(day, "reject", "--state", "changed", *say, "--json")
    assert json.loads(done.out) == {"done": 1, "not_done": []}
    assert {day.state(changed), day.state(other)} == {State.STORED}
    assert day.state(held[1]) is State.HELD


def test_many_changes_are_asked_for_at_a_terminal(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(21):
        day.changed(f"{number}.jpg", number + 1)
    typing(monkeypatch, "n\n")
    done = queue(day, "reject", "--state", "changed", "--say", "no")
    assert done.status == 130
    assert "Have 21 changes dismissed?" in done.err
    assert queue(day, "reject", "--state", "changed", "--say", "no", "--yes").out == "21 changes dismissed\n"


# Revising


def test_revise_shows_the_differences_first(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = day.changed(), day.changed("other.jpg", 10)
    held = day.held()
    typing(monkeypatch, "n\n")
    done = queue(day, "revise", first)
    assert done.status == 130
    assert "Doe^Janet" in done.out
    assert day.state(first) is State.CHANGED
    done = queue(day, "revise", first, held, "--yes")
    assert done.status == 3
    assert f"{held}: it is held" in done.err
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert queue(day, "revise", "--all").out.endswith("1 file to be sent revised\n")
    assert (
        rows(day, "SELECT state, revision FROM files WHERE id IN (?, ?)", first, second) == [("ready", 1)] * 2
    )
    assert queue(day, "revise").status == 2


# Keeping


def test_an_export_has_no_names_unless_asked_for(day: Day, tmp_path: Path) -> None:
    day.stored()
    day.held()
    done = queue(day, "export", "--out", tmp_path / "all.ndjson", "--as", "roe")
    assert done.out == f"2 files in {tmp_path}/all.ndjson\n"
    text = (tmp_path / "all.ndjson").read_text("utf-8")
    first, second = map(json.loads, text.splitlines())
    assert (first["state"], first["sop_instance_uid"], second["reason"]) == (
        "stored",
        "1.2.3.4.1",
        "unidentified",
    )
    assert not any(name in text for name in ("Doe", "Jane", "4711001", "A123", ".jpg"))
    assert (tmp_path / "all.ndjson").stat().st_mode & 0o777 == 0o600
    named = queue(day, "export", "--with-names", "--state", "stored")
    assert [each["source"] for each in objects(named)] == ["inbox/Doe_Jane_4711001.jpg"]
    assert [row[0] for row in rows(day, "SELECT text FROM events WHERE what = 'export' ORDER BY id")] == [
        "2 files without names",
        "1 files with names",
    ]
    assert queue(day, "export", "--out", tmp_path / "no" / "all").status == 2


def test_purge_forgets_whom_old_files_showed(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = day.stored()
    held = day.held()
    day.time = time.time()
    young = day.stored("young.jpg", 2)
    assert queue(day, "purge", "--older-than", "90d").status == 2  # it wants to hear that it is meant
    assert queue(day, "purge", "--older-than", "90", "--yes").status == 2
    typing(monkeypatch, "n\n")
    assert queue(day, "purge", "--older-than", "90d").status == 130
    done = queue(day, "purge", "--older-than", "90d", "--yes", "--as", "roe")
    assert (done.status, done.out) == (0, "1 file forgotten\n")
    assert rows(day, "SELECT id FROM files WHERE path IS NULL") == [(stored,)]
    [told] = objects(queue(day, "find", "1.2.3.4.1", "--json"))
    assert (told["source"], told["state"], told["attributes"]) == ("(forgotten)", "stored", {})
    assert {day.state(held), day.state(young)} == {State.HELD, State.STORED}
    assert rows(day, "SELECT who FROM events WHERE what = 'purge'") == [("roe",)]
    done = queue(day, "retry", stored)
    assert "its path was forgotten" in done.err


# Beside a daemon


def test_others_work_on_the_ledger_at_the_same_time(day: Day) -> None:
    held = [day.held(f"{number}.jpg") for number in range(30)]
    ended = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with Ledger.open(day.path) as ledger:
                while not ended.is_set():
                    name = f"new{time.monotonic_ns()}.jpg"
                    seen = ledger.files.see(FOLDER, [(name, FileStamp(1, 1, 1))], [ARCHIVE])
                    ledger.files.ready(Ready(each) for each in seen.new)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in held:
            assert queue(day, "assign", number, "-m", "PatientID=1234567").status == 0
            assert queue(day, "list").status == 0
            done = queue(day, "show", number)
            assert (done.status, done.err) == (0, "")
    finally:
        ended.set()
        thread.join()
    assert not failed
    assert {day.state(each) for each in held} == {State.READY}


def test_a_damaged_ledger_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no ledger at all" * 100)
    done = gateway("queue", "list", "--ledger", tmp_path / "ledger.db")
    assert done.status == 2
    assert "is not a ledger" in done.err


MAPPING = """\
template: vl-photographic
sources:
  path: {name: '((?P<mrn>\\d{7})|[a-z]+)\\.jpg'}
attributes:
  PatientID: '{{ path.mrn | default("") }}'
  PatientName: Doe^Jane
patient_id: '\\d{7}'
"""
CHECK = "checks:\n  - {when: '{{ path.mrn == \"4711002\" }}', then: reject, say: not from here}\n"


def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds; there is a minute for it."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def test_a_daemon_does_what_was_decided(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "site.yaml").write_text(MAPPING + CHECK, "utf-8")
    config, log = tmp_path / "gateway.yaml", io.StringIO()

    def states() -> dict[str, str]:
        [told] = objects(gateway("queue", "list", "--json", "--folder", "inbox", "--config", config))
        return {Path(each["source"]).name: each["state"] for each in told["files"]}

    with running_archive(tmp_path / "archive") as url:
        config.write_text(
            f"destinations: {{archive: {{url: '{url}'}}}}\n"
            "folders: [{path: inbox, mapping: site.yaml, settle: 0.05s, scan: 0.05s}]\n"
            "ledger: ledger.db\n",
            "utf-8",
        )
        with watching(load(config), Journal(time.time, log)):
            for name in ("4711001", "4711002", "img"):
                (inbox / f"{name}.jpg").write_bytes(examples.jpeg(size=(8 + len(name), 8)))
            aside = tmp_path / "rejected" / "4711002.jpg"
            until(lambda: aside.exists() and not (inbox / "4711002.jpg").exists())
            until(lambda: states() == {"4711001.jpg": "stored", "4711002.jpg": "rejected", "img.jpg": "held"})
            [img] = objects(gateway("queue", "find", "img.jpg", "--json", "--config", config))
            given = ("-m", "PatientID=4711003", "--accession", "A7")
            assert gateway("queue", "assign", img["id"], *given, "--config", config).status == 0
            until(lambda: states()["img.jpg"] == "stored")

            (tmp_path / "site.yaml").write_text(MAPPING, "utf-8")  # what was wrong with the other is mended
            until(lambda: "mapping-loaded" in log.getvalue())
            assert gateway("queue", "retry", "--state", "rejected", "--config", config).status == 0
            until(lambda: states()["4711002.jpg"] == "stored")
        found = httpx.get(f"{url}/studies?AccessionNumber=A7", trust_env=False).json()
    assert [study["00100020"]["Value"] for study in found] == [["4711003"]]
    assert not aside.with_name("4711002.jpg.error.json").exists()
    [told] = objects(gateway("queue", "find", "A7", "--json", "--config", config))
    assert told["source"] == f"{inbox}/img.jpg"
