"""A daemon that stands still: its parts without their threads, and a clock that moves when it is told to."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.config import uid_namespace
from gateway.intake.archives import Gate
from gateway.intake.configuration import Configuration, load
from gateway.intake.folder import HotFolder
from gateway.intake.journal import Journal
from gateway.intake.timing import Durations
from gateway.intake.watch import Daemon
from gateway.ledger import Identity, Ledger, Ready, Result, State
from gateway.stream import FileStamp

START = 1_700_000_000.0
"""Seconds since 1970 at which it starts: 2023-11-14 22:13:20 UTC."""

UPTIME = 1000.0
"""What its clock shows then."""

NOWHERE = "http://127.0.0.1:9/dicom-web"


def configured(
    place: Path, url: str = NOWHERE, *, folder: dict[str, Any] | None = None, **more: Any
) -> Configuration:
    """A configuration with one folder, `photos`, and one destination, `archive`."""
    (place / "inbox").mkdir(exist_ok=True)
    inbox = {"path": "inbox", "name": "photos", "mapping": "photo", "settle": "0.1s", "scan": "0.2s"}
    sheet = {
        "destinations": {"archive": {"url": url, "jobs": 1}},
        "folders": [{**inbox, **(folder or {})}],
        "ledger": "ledger.db",
        **more,
    }
    (place / "gateway.yaml").write_text(yaml.safe_dump(sheet), "utf-8")
    return load(place / "gateway.yaml")


@dataclass
class Standing:
    """The daemon, and what the world around it does."""

    configuration: Configuration
    passed: float = 0.0
    log: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        given = self.configuration.uid_namespace
        namespace = uid_namespace(given).value if given else None
        self.ledger = Ledger.open(self.configuration.ledger, now=self.now, uid_namespace=namespace)
        self.daemon = Daemon(
            self.configuration, self.ledger, Journal(self.now, self.log), self.clock, self.now
        )

    def clock(self) -> float:
        return UPTIME + self.passed

    def now(self) -> float:
        return START + self.passed

    def open(self) -> None:
        """Opens folders and destinations as `Daemon.start` does, without a thread."""
        daemon = self.daemon
        for name, archive in self.configuration.archives.items():
            daemon.durations[name] = Durations()
            daemon.gates[name] = Gate(archive, clock=self.clock, sleep=lambda _: None)
        for folder in self.configuration.folders:
            hot = HotFolder(folder, self.configuration, self.ledger, daemon.journal, self.clock, self.now)
            daemon.folders.append(hot)

    @property
    def hot(self) -> HotFolder:
        return self.daemon.folders[0]

    @property
    def gate(self) -> Gate:
        return self.daemon.gates["archive"]

    def seen(self, *paths: str, size: int = 10) -> tuple[int, ...]:
        """Files that a scan has found."""
        return self.ledger.files.see(
            "photos", [(each, FileStamp(size, 1, 1)) for each in paths], ["archive"]
        ).new

    def ready(self, *paths: str, size: int = 10) -> tuple[int, ...]:
        """Files that are complete."""
        ids = self.seen(*paths, size=size)
        self.ledger.files.ready(Ready(each) for each in ids)
        return ids

    def end(
        self, *paths: str, state: State = State.STORED, reason: str | None = None, size: int = 10
    ) -> None:
        """Files that a worker is through with."""
        self.ready(*paths, size=size)
        owner = self.ledger.claims.join("test")
        claims = self.ledger.claims.claim(owner, ["archive"], units=len(paths))
        for file in (entry.id for claim in claims for entry in claim.files):
            identity = Identity("1.2", "1.2.3", f"1.2.3.{file}", "1.2.840")
            self.ledger.outcomes.record(owner, {file: Result(state, reason, identity=identity)})
        self.ledger.claims.leave(owner)

    def events(self, what: str) -> list[dict[str, Any]]:
        """What was journaled of one kind, without the time."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [
            {k: v for k, v in line.items() if k not in ("time", "event")}
            for line in lines
            if line["event"] == what
        ]


@contextmanager
def standing(configuration: Configuration) -> Iterator[Standing]:
    """The daemon, with its folders and destinations opened."""
    it = Standing(configuration)
    with it.ledger:
        it.open()
        yield it


def until(holds: Callable[[], object], seconds: float = 30) -> None:
    """Waits for what has to come about."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
