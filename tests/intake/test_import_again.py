"""What an import was told once need not be typed again, and what is typed must agree with its ledger."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from pydicom import dcmread

import examples
import sites
from doors import Done, gateway
from gateway.ledger import Ledger
from imports import report, summary


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos, and a mapping that says whose they are; the user's folder is the one above."""
    monkeypatch.chdir(tmp_path)
    return photos(tmp_path / "disk")


def photos(folder: Path, *names: str) -> Path:
    for name in names or ("4711001_1.jpg", "4711002_2.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(sites.photo(name, "2024:05:31 14:22:00"))
    return folder


def mapping(path: Path, description: str = "first") -> Path:
    text = sites._plain(f"""
        extends: photo
        attributes:
          StudyDescription: {description}
    """)
    return examples.write(path, text.encode())


def verified(done: Done) -> tuple[int, dict[str, int]]:
    found: dict[str, int] = json.loads(done.out.splitlines()[-1])["verify"]
    return done.status, {name: found[name] for name in ("checked", "same", "different", "missing")}


ALL_SAME = (0, {"checked": 2, "same": 2, "different": 0, "missing": 0})


def test_ledger_and_address_are_enough(
    disk: Path, archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed with names relative to one folder, and continued in another one."""
    mapping(tmp_path / "m.yaml")
    first = gateway(
        "import", "disk", "--mapping", "m.yaml", "-m", "StationName=Scanner 1", "--no-app",
        "--site", "institution=St. Mary's", "--ledger", "i.db", "-u", archive, "--limit", "1",
    )  # fmt: skip
    assert first.status == 5, first.err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    alone = ("--ledger", tmp_path / "i.db")
    assert gateway("import", "run", *alone, "-u", archive, "--json").summary["stored"] == 2
    assert verified(gateway("import", "verify", *alone, "-u", archive, "--json")) == ALL_SAME
    assert gateway("import", "report", *alone, "--out", "report").status == 0
    assert summary(Path("report"))["stored"] == 2
    again = gateway("import", *alone, "-u", archive, "--json")
    assert (again.status, again.summary["run"]["files"]) == (0, 0)
    for file in (tmp_path / "archive").rglob("*.dcm"):
        made = dcmread(file)
        assert (made.InstitutionName, made.StationName) == ("St. Mary's", "Scanner 1")
        assert b"Exif" not in made.PixelData


def test_what_is_verified_is_what_was_sent(disk: Path, archive: str, tmp_path: Path) -> None:
    """Whatever was planned since, with another mapping and with EXIF."""
    sent, other = mapping(tmp_path / "sent.yaml"), mapping(tmp_path / "other.yaml", "second")
    ledger = ("--ledger", "i.db")
    first = gateway("import", disk, "--mapping", sent, "--no-app", *ledger, "-u", archive)
    assert first.status == 0, first.err
    gateway("import", "plan", disk, "--mapping", other, *ledger)
    assert verified(gateway("import", "verify", *ledger, "-u", archive, "--json")) == ALL_SAME
    assert verified(gateway("import", "verify", disk, *ledger, "-u", archive, "--json")) == ALL_SAME
    with Ledger.open(tmp_path / "i.db") as opened:
        opened.imports.keep(str(disk), sent={})  # then it would be as it was planned, and that is not so
    planned = gateway("import", "verify", *ledger, "-u", archive, "--json")
    assert verified(planned) == (3, {"checked": 2, "same": 0, "different": 2, "missing": 0})


def test_what_is_typed_with_the_tree_is_all_there_is(disk: Path, archive: str, tmp_path: Path) -> None:
    """A flag can be left out again; without the tree the last run is typed once more."""
    made = mapping(tmp_path / "m.yaml")
    gateway("import", "plan", disk, "--mapping", made, "-m", "InstitutionName=A", "--ledger", "i.db")
    gateway("import", disk, "--mapping", made, "--ledger", "i.db", "-u", archive, "--limit", "1")
    gateway("import", "run", "--ledger", "i.db", "-u", archive)
    files = list((tmp_path / "archive").rglob("*.dcm"))
    assert len(files) == 2
    assert all("InstitutionName" not in dcmread(file) for file in files)


def test_a_scan_adds_to_what_is_remembered(disk: Path, archive: str, tmp_path: Path) -> None:
    made = mapping(tmp_path / "m.yaml")
    gateway("import", disk, "--mapping", made, "--ledger", "i.db", "-u", archive)
    photos(disk, "4711003_3.jpg")
    assert gateway("import", "scan", disk, "--ledger", "i.db").status == 0
    assert gateway("import", "run", "--ledger", "i.db", "-u", archive, "--json").summary["stored"] == 3


def test_a_configuration_is_remembered_with_its_archive(disk: Path, archive: str, tmp_path: Path) -> None:
    mapping(tmp_path / "m.yaml")
    text = f"{{files: disk, mapping: m.yaml, ledger: i.db, destination: {{url: '{archive}'}}}}"
    examples.write(tmp_path / "import.yaml", text.encode())
    assert gateway("import", "--config", "import.yaml").status == 0
    assert verified(gateway("import", "verify", "--ledger", "i.db", "--json")) == ALL_SAME
    (tmp_path / "import.yaml").unlink()
    done = gateway("import", "verify", "--ledger", "i.db", "-u", archive)
    assert done.status == 2
    assert "as it was typed before" in done.err
    assert "import.yaml" in done.err


def test_a_table_is_remembered_with_its_column(disk: Path, archive: str, tmp_path: Path) -> None:
    made = mapping(tmp_path / "m.yaml")
    table = sites.table(disk / "files.csv", ("Datei",), [("4711001_1.jpg",), ("4711002_2.jpg",)])
    words = ("--mapping", made, "--ledger", "i.db")
    wrong = gateway("import", "scan", table, *words)
    assert "no column 'file'" in wrong.err
    assert gateway("import", "scan", table, *words, "--file-column", "datei").status == 0
    done = gateway("import", "--ledger", "i.db", "-u", archive, "--json")
    assert done.summary["stored"] == 2


# One ledger, one place


def test_another_tree_needs_a_name_of_its_own(disk: Path, archive: str, tmp_path: Path) -> None:
    made = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive)
    other = photos(tmp_path / "other", "4711003_3.jpg")
    assert gateway("import", disk, *made).status == 0
    for step in ((), ("scan",), ("plan",), ("run",), ("verify",)):
        done = gateway("import", *step, other, *(made[:4] if step in (("scan",), ("plan",)) else made))
        assert done.status == 2
        assert f"{other} is another place" in done.err
        assert f"--name '{disk}'" in done.err
    assert gateway("import", "report", other, "--ledger", "i.db", "--out", "r").status == 2
    assert gateway("import", other, *made, "--name", "other").status == 0
    both = gateway("import", "verify", "--ledger", "i.db", "-u", archive)
    assert (both.status, "say which is meant with --name" in both.err) == (2, True)
    assert f"{disk}, other" in both.err
    one = gateway("import", "verify", "--ledger", "i.db", "-u", archive, "--name", "other", "--json")
    assert verified(one)[1]["same"] == 1
    gateway("import", "report", "--ledger", "i.db", "--name", "other", "--out", "report")
    assert report(tmp_path / "report").keys() == {"4711003_3.jpg"}
    unknown = gateway("import", "run", "--ledger", "i.db", "-u", archive, "--name", "third")
    assert (unknown.status, "no import 'third'" in unknown.err) == (2, True)


def test_a_disk_may_be_somewhere_else_today(disk: Path, archive: str, tmp_path: Path) -> None:
    made = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive)
    assert gateway("import", disk, *made, "--name", "old disk").status == 0
    there = disk.rename(tmp_path / "there")
    gone = gateway("import", "run", *made[2:])
    assert (gone.status, "mounted" in gone.err) == (2, True)
    assert verified(gateway("import", "verify", *made[2:], "--json")) == ALL_SAME
    wrong = gateway("import", photos(tmp_path / "wrong", "0_0.jpg"), *made, "--name", "old disk")
    assert (wrong.status, "has none of the files" in wrong.err) == (2, True)
    photos(there, "4711003_3.jpg")
    done = gateway("import", there, *made, "--name", "old disk", "--json")
    assert (done.summary["files"], done.summary["run"]["files"]) == (3, 1)
    assert verified(gateway("import", "verify", *made[2:], "--json"))[1]["same"] == 3


def test_a_tree_may_be_named_in_several_ways(disk: Path, archive: str, tmp_path: Path) -> None:
    made = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive, "--json")
    (tmp_path / "link").symlink_to(disk)
    for name in ("disk", "./disk/", f"../{tmp_path.name}/disk", "link", disk):
        assert gateway("import", name, *made).summary["files"] == 2


def test_nothing_is_made_up(disk: Path, archive: str, tmp_path: Path) -> None:
    """A step that has nothing to do says so, rather than that all is well."""
    made = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive)
    nothing = gateway("import", "verify", "--ledger", "i.db", "-u", archive)
    assert (nothing.status, "there is nothing to import, and no ledger" in nothing.err) == (2, True)
    assert not (tmp_path / "i.db").exists()
    for step in ("run", "verify"):
        done = gateway("import", step, disk, *made)
        assert (done.status, "gateway import scan" in done.err) == (2, True)
    empty = gateway("import", "run", *made)
    assert (empty.status, "has nothing yet" in empty.err) == (2, True)


# What is kept, and what is not


def test_no_secret_is_remembered(disk: Path, archive: str, tmp_path: Path) -> None:
    words = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive)
    gateway("import", disk, *words, "--bearer", "s3cret-t0ken", "-H", "x-key: s3cret-header")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("i.db*"))
    assert b"4711001" in kept
    assert b"s3cret" not in kept


def test_what_was_typed_is_forgotten_with_the_files(disk: Path, archive: str, tmp_path: Path) -> None:
    words = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive)
    gateway("import", disk, *words, "-m", "PatientName=Lindqvist^Ada")
    with Ledger.open(tmp_path / "i.db") as ledger:
        assert ledger.imports.kept(str(disk))["settings"]["typed"] == ["PatientName=Lindqvist^Ada"]
        assert ledger.upkeep.purge(ledger.files.now() + 1, "test") == 2
    assert b"Lindqvist" not in b"".join(path.read_bytes() for path in tmp_path.glob("i.db*"))


def test_a_name_of_any_bytes_is_remembered(disk: Path, archive: str, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"M\xfcller")
    shutil.move(disk, odd)
    words = ("--mapping", mapping(tmp_path / "m.yaml"), "--ledger", "i.db", "-u", archive, "--json")
    assert gateway("import", odd, *words).summary["stored"] == 2
    assert verified(gateway("import", "verify", *words[2:])) == ALL_SAME
    assert gateway("import", odd, *words).summary["files"] == 2
