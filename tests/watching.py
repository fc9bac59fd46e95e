"""A daemon as an operator runs it: in a process of its own, killed and started again at will."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from support import unavailable

PATIENCE = 120.0
"""Seconds in which what must happen has happened, on the slowest machine."""

FOLDER: dict[str, Any] = {
    "path": "inbox", "mapping": "photo", "settle": "1s", "scan": "1s", "originals": {"move": "done"},
}  # fmt: skip


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own with so much room (`2m`); what is not permitted here is not tested."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.fspath(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        unavailable(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", os.fspath(place)], check=True)


class Watched:
    """A configuration in a folder of its own, and the daemon that runs on it."""

    def __init__(self, place: Path, url: str, **folder: Any) -> None:
        self.place = place
        self.inbox = place / "inbox"
        self.done = place / "done"
        self.rejected = place / "rejected"
        self.ledger = place / "ledger.db"
        self.log = place / "log"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.configure(
            destinations={"archive": {"url": url, "jobs": folder.pop("jobs", 2)}},
            folders=[{**FOLDER, **folder}],
            ledger="ledger.db",
        )

    @property
    def configuration(self) -> Path:
        """The file that the daemon reads."""
        return self.place / "gateway.yaml"

    def configure(self, **configuration: Any) -> None:
        """Writes the configuration."""
        self.configuration.write_text(yaml.safe_dump(configuration), "utf-8")

    def start(self) -> None:
        """Starts the daemon."""
        log = self.log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "watch", os.fspath(self.configuration)],
            stdout=log,
            stderr=log,
            env={**os.environ, "GATEWAY_TRACEBACK": "1"},
        )
        log.close()

    def kill(self) -> None:
        """Ends the daemon as a crash does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ends the daemon as systemd does; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self) -> Watched:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.kill()

    def states(self) -> Counter[str]:
        """How many current rows are in each state, asked of the database itself."""
        if not self.ledger.exists():
            return Counter()
        with sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True) as database:
            try:
                rows = database.execute("SELECT state, count(*) FROM files WHERE current GROUP BY state")
                return Counter(dict(rows.fetchall()))
            except sqlite3.OperationalError:
                return Counter()

    def events(self) -> list[dict[str, Any]]:
        """What the daemon has logged."""
        found = []
        for line in self.log.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"event": "noise", "text": line})
        return found

    def settled(self, count: int) -> bool:
        """Whether so many files are finished, and each is where the configuration wants it."""
        states = self.states()
        return (
            sum(states.values()) == count
            and not set(states) - {"stored", "warning", "duplicate", "rejected"}
            and not self.files_in(self.inbox)
        )

    def until(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Waits for a condition; fails with the log where it does not come about."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                log = self.log.read_text("utf-8")[-4000:] if self.log.exists() else ""
                raise AssertionError(f"{what} did not come about; states {dict(self.states())}; log:\n{log}")
            time.sleep(0.1)

    def files_in(self, folder: Path) -> list[str]:
        """The files in a folder and below, by their paths in it."""
        return sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )
