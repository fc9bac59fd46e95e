"""Every file on the disk is explained: it is in the account, or was left out for a reason that is counted."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import zipfile
from pathlib import Path
from typing import Any

import pytest

import sites
from doors import gateway
from gateway.intake.batch import scan as scanning
from gateway.intake.batch.job import Input
from gateway.ledger import Ledger
from imports import report, summary

MAPPING = ("--mapping", "photo")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three photos among all that people, desktops and file servers leave on a disk."""
    folder = tmp_path / "tree"
    for number in range(3):
        write(folder / f"box {number}" / f"4711001_20240531_L_{number}.jpg", sites.photo(str(number)))
    for name in (
        ".DS_Store", "box 0/Thumbs.db", "box 0/@eaDir/a.jpg", "box 0/@eaDir/deep/er/b.jpg", "box 1/copy.part",
        "@eaDir/c.jpg", ".Trash/1/d.jpg", "drafts/e.jpg", "drafts/more/f.jpg", "box 2/g.bak", "~$letter.doc",
        ".snapshot/1/h.jpg", ".snapshot/2/h.jpg",
    ):  # fmt: skip
        write(folder / name, b"left out")
    (folder / "round").symlink_to(folder)
    (folder / "box 1" / "dead").symlink_to("nowhere")
    (folder / "again.jpg").symlink_to(folder / "box 2" / "4711001_20240531_L_2.jpg")
    os.mkfifo(folder / "pipe")
    return folder


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def there(folder: Path) -> int:
    """How many files a tree has, by the system: all that is no folder."""
    return sum(path.is_symlink() or not path.is_dir() for path in folder.rglob("*"))


def scanned(*words: object) -> dict[str, Any]:
    done = gateway("import", "scan", *words, "--json")
    assert done.status == 0, done.err
    found: dict[str, Any] = json.loads(done.out)["scan"]
    return found


def test_the_account_and_what_was_left_out_are_the_disk(tree: Path, archive: str, tmp_path: Path) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db", "-u", archive, "--ignore", "drafts", "--ignore",
             "*.BAK", "--report", tmp_path / "report")  # fmt: skip
    done = gateway("import", *words)
    assert done.status == 3, done.err
    found = summary(tmp_path / "report")
    disk = found["disk"]
    assert disk["kinds"] == {
        "litter": {".*": 2, "@eaDir": 3, "Thumbs.db": 1, "*.part": 1, "~$*": 1},
        "ignored": {"drafts": 2, "*.bak": 1},
        "links": {"to a folder": 1, "to nothing": 1},
        "snapshots": {".snapshot": 1},
        "special": {"pipe": 1},
    }
    in_snapshots = 2 - 1  # they count as one
    assert there(tree) == disk["files"] + in_snapshots
    assert disk["files"] == found["files"] + disk["left_out"]
    assert disk["taken"] == found["files"] == len(report(tmp_path / "report")) == 4
    assert "19 files, 4 taken and 15 left out" in done.out
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "What is on the disk" in page
    assert "Thumbs.db" in page
    assert re.search(r"on the disk at the last scan.*>19<", page)


def test_later_steps_still_know_it(tree: Path, archive: str, tmp_path: Path) -> None:
    ledger = ("--ledger", tmp_path / "i.db")
    first = scanned(tree, *MAPPING, *ledger)
    run = gateway("import", "run", *ledger, "-u", archive, "--json")
    assert run.summary["disk"]["left_out"] == first["left_out"]
    assert run.summary["disk"]["kinds"] == first["kinds"]
    planned = gateway("import", "plan", *ledger, "--html", tmp_path / "plan.html")
    assert f"{first['left_out']} left out" in planned.out
    assert f"{first['left_out']} left out" in (tmp_path / "plan.html").read_text("utf-8")
    again = gateway("import", *ledger, "-u", archive, "--json")
    assert again.summary["disk"]["kinds"] == first["kinds"]


def test_a_scan_says_how_it_is_now(tree: Path, tmp_path: Path) -> None:
    """Counts are not added up over scans; what went and what came is right at once."""
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db")
    assert scanned(*words) == {**scanned(*words), "new": 7, "seconds": pytest.approx(0, abs=60)}
    (tree / "box 0" / "Thumbs.db").unlink()
    write(tree / "box 2" / "desktop.ini", b"x")
    found = scanned(*words)
    assert "Thumbs.db" not in found["kinds"]["litter"]
    assert found["kinds"]["litter"]["desktop.ini"] == 1
    assert there(tree) == found["files"] + found["left_out"] + 1


def test_a_scan_that_was_broken_off_is_known_as_such(
    tree: Path, archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (tree, *MAPPING, "--ledger", tmp_path / "i.db")
    whole = scanned(*words)
    monkeypatch.setattr(scanning, "BATCH", 2)

    def interrupt(files: int) -> None:
        raise KeyboardInterrupt

    with Ledger.open(tmp_path / "i.db") as ledger, pytest.raises(KeyboardInterrupt):
        scanning.scan(Input(tree, str(tree)), ledger, interrupt)
    again = ("--ledger", tmp_path / "i.db", "-u", archive, "--report", tmp_path / "report")
    run = gateway("import", "run", *again)
    assert "did not come to its end" in run.out
    assert summary(tmp_path / "report")["disk"]["ended"] is False
    assert "did not come to its end" in (tmp_path / "report" / "report.html").read_text("utf-8")
    found = scanned(*words)
    assert found["kinds"] == whole["kinds"]
    gateway("import", "report", "--ledger", tmp_path / "i.db", "--out", tmp_path / "report")
    assert summary(tmp_path / "report")["disk"]["left_out"] == whole["left_out"]


def test_an_account_that_may_lack_files_does_not_end_with_0(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "tree" / "4711001_20240531_L_0.jpg", sites.photo("0"))
    words = ("--ledger", tmp_path / "i.db", "-u", archive)
    assert gateway("import", tmp_path / "tree", *MAPPING, *words).status == 0
    with Ledger.open(tmp_path / "i.db") as ledger:
        scanning.disk.begin(ledger, str(tmp_path / "tree"))
    assert gateway("import", "run", *words).status == 5
    assert gateway("import", *words).status == 0


def test_the_rows_of_a_table_add_up(tmp_path: Path) -> None:
    """Files in the account, rows without one, and rows that name one for the second time."""
    for number in range(2):
        write(tmp_path / "disk" / f"{number}.jpg", sites.photo(str(number)))
    names = ("disk/0.jpg", "disk/1.jpg", "disk\\0.jpg", "disk/9.jpg", "../x.jpg", "")
    table = sites.table(tmp_path / "files.csv", ("file", "who"), [(name, "x") for name in names])
    found = scanned(table, "--ledger", tmp_path / "i.db")
    assert (found["rows"], found["files"], found["missing"]) == (6, 2, 1)
    assert found["kinds"] == {"rows": {"no file": 2, "named before": 1}}
    done = gateway("import", "report", "--ledger", tmp_path / "i.db", "--out", tmp_path / "report")
    assert "In the table: 6 rows, 3 taken and 3 left out" in done.out
    assert summary(tmp_path / "report")["files"] == summary(tmp_path / "report")["disk"]["taken"] == 3


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tree" / "a.jpg", b"x")
    monkeypatch.chdir(tmp_path / "tree")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("s")
        found = scanned(tmp_path / "tree", "--ledger", tmp_path / "i.db")
    assert found["kinds"] == {"special": {"socket": 1}}


def test_a_zip_archive_is_named_with_what_to_do(tree: Path, archive: str, tmp_path: Path) -> None:
    """It is a kind of its own; once it is unpacked and taken away as it says, all is well."""
    (tree / "again.jpg").unlink()
    box = tree / "box 1" / "it's old.zip"
    with zipfile.ZipFile(box, "w") as made:
        made.writestr("4711002_20240531_R_1.jpg", sites.photo("packed"))
    words = ("--ledger", tmp_path / "i.db", "--ignore", "drafts", "--ignore", "*.bak")
    planned = gateway("import", "plan", tree, *MAPPING, *words, "--json")
    plan = json.loads(planned.out.splitlines()[-1])["plan"]
    [problem] = [each for each in plan["problems"] if each["reason"] == "packed"]
    assert (problem["status"], problem["files"]) == ("rejected", 1)
    [example] = problem["examples"]
    assert example["file"] == "box 1/it's old.zip"
    ran = ("import", tree, *MAPPING, *words, "-u", archive, "--report", tmp_path / "report")
    assert gateway(*ran).status == 3
    line = report(tmp_path / "report")["box 1/it's old.zip"]
    assert (line["status"], line["reason"]) == ("rejected", "packed")
    command = line["text"].partition("with: ")[2]
    assert example["text"].endswith(command)
    assert shlex.split(command) == ["unzip", "-d", str(box.with_suffix("")), str(box)]
    with zipfile.ZipFile(box) as packed:
        packed.extractall(box.with_suffix(""))
    box.unlink()
    assert gateway(*ran).status == 0
    lines = report(tmp_path / "report")
    assert lines["box 1/it's old/4711002_20240531_R_1.jpg"]["status"] == "stored"
    assert (lines["box 1/it's old.zip"]["status"], lines["box 1/it's old.zip"]["reason"]) == (
        "skipped", "vanished",
    )  # fmt: skip
