"""Imports of legacy disks, from outside: sums exact, faults named, memory bounded, resumed after any end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import legacy
from doors import gateway
from gateway.archive.server import running
from imports import JOBS, Door, Ended, check, crash, imported, in_archive, report, summary
from support import orthanc_server

FILES = 5_000
LIMIT = 200 * 1024 * 1024


@pytest.fixture(scope="module")
def imported_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, Ended, Path]]:
    place = tmp_path_factory.mktemp("disk")
    disk = legacy.write(place, FILES)
    archive = place / "archive"
    with running(archive) as url:
        door = Door(disk, url, place)
        yield door, door("--json"), archive


@pytest.mark.xdist_group("memory")
def test_every_file_of_a_legacy_disk_is_accounted_for(imported_disk: tuple[Door, Ended, Path]) -> None:
    door, ended, archive = imported_disk
    check(door, ended)
    assert len(door.disk.faults) == FILES // legacy.EVERY
    assert {said for _, said in door.disk.faults.values()} == {said for _, _, said in legacy.FAULTS}
    stored = door.stored()
    assert len(stored) == summary(door.report)["stored"]
    assert {path.stem for path in archive.rglob("*.dcm")} == stored
    assert ended.peak < LIMIT


@pytest.mark.xdist_group("memory")
def test_a_second_run_sends_nothing(imported_disk: tuple[Door, Ended, Path]) -> None:
    """Nobody listens where it would send to, so whatever it sent would be left."""
    door, _, _ = imported_disk
    again = door("--json", url="http://127.0.0.1:9/dicom-web")
    check(door, again)
    assert again.result["summary"]["run"]["files"] == 0
    assert again.peak < LIMIT


@pytest.mark.xdist_group("memory")
def test_the_archive_has_what_the_ledger_says(imported_disk: tuple[Door, Ended, Path]) -> None:
    door, _, _ = imported_disk
    ended = imported("verify", *door.words, "-u", door.url, "--json", "--sample", "10%")
    found = ended.result["verify"]
    assert ended.status == 0
    assert found["checked"] == found["same"] > FILES * 0.05
    assert ended.peak < LIMIT


def test_killed_and_resumed_it_stores_each_instance_once(tmp_path: Path) -> None:
    """What was on its way when it was killed may be stored again under its name: at most one a connection."""
    assert crash(tmp_path, files=300, kills=3, seed=7) <= JOBS * 3


def test_orthanc_has_what_was_imported(tmp_path: Path) -> None:
    disk = legacy.write(tmp_path, 200, decoded=10)
    (tmp_path / "orthanc").mkdir()
    with orthanc_server(tmp_path / "orthanc") as base:
        door = Door(disk, f"{base}/dicom-web", tmp_path)
        check(door, door())
        stored = door.stored()
        assert in_archive(door.url) == stored
        ended = imported("verify", *door.words, "-u", door.url, "--json")
    assert ended.status == 0, ended.out
    assert ended.result["verify"]["checked"] == ended.result["verify"]["same"] == len(stored)


def test_the_example_of_the_readme_works_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    [demo] = re.findall(r"^gateway (demo --keep-files .*)$", readme, re.MULTILINE)
    [door] = re.findall(r"^gateway (import .*)$", readme, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert gateway(*shlex.split(demo)).status == 0
    with running(tmp_path / "archive") as url:
        words = shlex.split(door)
        words[words.index("-u") + 1] = url
        done = gateway(*words)
        assert done.status == 0, done.err
        assert in_archive(url) == {line["sop_instance_uid"] for line in report(tmp_path / "report").values()}
        assert gateway("import", "verify", "--ledger", "import.db", "-u", url).status == 0
    assert len(report(tmp_path / "report")) >= 4
