"""An import as an operator types it: in a process of its own, killed and typed again at will."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomweb_client.api import DICOMwebClient

import legacy
from faults import proxy
from gateway.archive.server import running
from legacy import Legacy

JOBS = 4
"""Connections of an import that nobody says more about."""

NAMESPACE = ("--uid-namespace", "imaging.hospital.example")

MEASURED = """
import pathlib, re, sys
from gateway import cli
status = cli.run(cli.group, "gateway", sys.argv[1:])
said = pathlib.Path("/proc/self/status").read_text()
print(re.search("VmHWM:[^0-9]*([0-9]+)", said)[1], file=sys.stderr)
sys.exit(status)
"""
"""A run that prints its own peak of memory in KiB, last on standard error."""


@dataclass(frozen=True)
class Ended:
    """How a command ended. `peak` is the most memory that its process had, in bytes."""

    status: int
    out: str
    err: str
    peak: int

    @property
    def result(self) -> dict[str, Any]:
        """The last line of standard output, which is JSON."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of progress."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


def arguments(*words: object) -> list[str]:
    """The command line of an import."""
    return [sys.executable, "-c", MEASURED, "import", *map(str, words)]


def imported(*words: object, **environment: str) -> Ended:
    """Runs an import to its end."""
    done = subprocess.run(
        arguments(*words),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GATEWAY_TRACEBACK": "1", **environment},
    )
    *lines, peak = done.stderr.splitlines() or ["0"]
    return Ended(done.returncode, done.stdout, "\n".join(lines), int(peak) * 1024 if peak.isdigit() else 0)


def killed(after: float, *words: object) -> bool:
    """Runs an import and kills it after so many seconds; whether it was still running."""
    process = subprocess.Popen(arguments(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def report(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of a report by file, each with the list in which it stands; no file stands in two."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("stored", "duplicate", "held", "rejected", "skipped", "retry"):
        with (folder / f"{name}.ndjson").open("rb") as file:
            for text in file:
                line = json.loads(text)
                assert line["file"] not in found
                found[line["file"]] = {"list": name, **line}
    return found


def summary(folder: Path) -> dict[str, Any]:
    """The figures of a report."""
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
    return found


def in_archive(url: str) -> set[str]:
    """The SOP Instance UIDs of all that an archive has, by somebody else's client."""
    client = DICOMwebClient(url)
    found: list[str] = []
    for study in client.search_for_studies(get_remaining=True):
        instances = client.search_for_instances(study["0020000D"]["Value"][0], get_remaining=True)
        found += [each["00080018"]["Value"][0] for each in instances]
    assert len(found) == len(set(found))
    return set(found)


class Door:
    """A disk, an archive, and what is typed to bring one into the other."""

    def __init__(self, disk: Legacy, url: str, place: Path) -> None:
        self.disk = disk
        self.url = url
        self.ledger = place / "import.db"
        self.report = place / "report"
        self.words: tuple[object, ...] = (
            disk.tree,
            "--mapping",
            disk.mapping,
            "--ledger",
            self.ledger,
            *NAMESPACE,
        )

    def __call__(self, *more: object, url: str | None = None) -> Ended:
        return imported(*self.words, "-u", url or self.url, "--report", self.report, *more)

    def stored(self) -> set[str]:
        """The SOP Instance UIDs that the report calls stored."""
        return {line["sop_instance_uid"] for line in report(self.report).values() if line["list"] == "stored"}


def on_disk(folder: Path) -> int:
    """How many files are in a folder and all below it, by the system."""
    return sum(len(files) for _, _, files in os.walk(folder))


def check(door: Door, ended: Ended) -> None:
    """What must hold when all of a disk was imported."""
    disk = door.disk
    assert ended.status == 3, ended.err[-2000:]
    counted = summary(door.report)
    assert counted["files"] == disk.files
    assert counted["files"] == sum(v for name, v in counted.items() if name not in ("files", "bytes", "disk"))
    assert counted["disk"]["files"] == counted["files"] + counted["disk"]["left_out"] == on_disk(disk.tree)
    lines = report(door.report)
    assert len(lines) == disk.files
    faulty = {file: line for file, line in lines.items() if line["list"] not in ("stored", "duplicate")}
    assert faulty.keys() == disk.faults.keys()
    for file, (status, said) in disk.faults.items():
        assert faulty[file]["status"] == status, faulty[file]
        assert said in faulty[file]["text"], (said, faulty[file])


def crash(place: Path, *, files: int, kills: int, seed: int) -> int:
    """Kills an import again and again and then lets it end; how often an instance was stored again."""
    chance = random.Random(seed)
    disk = legacy.write(place, files, decoded=20, seed=seed)
    with running(place / "archive") as url:
        base, _, path = url.rpartition("/")
        with proxy(base) as (address, between):
            door = Door(disk, f"{address}/{path}", place)
            words = (*door.words, "-u", door.url, "--rate", "100/s", "--report", door.report)
            running_still = [killed(chance.uniform(0.8, 3.5), *words) for _ in range(kills)]
            assert any(running_still)
            check(door, door())
        stored = {
            line["sop_instance_uid"] for line in report(door.report).values() if line["list"] == "stored"
        }
        assert in_archive(url) == stored == set(between.answered)
        assert len(stored) == summary(door.report)["stored"]
        return sum(count - 1 for count in between.answered.values())
