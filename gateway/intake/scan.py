"""A scan of a hot folder: the files that are there now.

A scan is the truth. Events of the operating system, where there are any, only make the next one come
early. A root that cannot be read, or on which something else is mounted than before, is offline: what
was in it is still in it, and nothing follows from not seeing it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import mounts, walk
from gateway.errors import GatewayError
from gateway.stream import FileStamp

if TYPE_CHECKING:
    from watchfiles import Change


class Offline(GatewayError):
    """A root cannot be read now; nothing is known of what is in it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a hot folder: its path below the root, and the stamp that it has now."""

    relative: str
    stamp: FileStamp


@dataclass(slots=True)
class Root:
    """The folder that is scanned, with what never belongs to it.

    `ignore` are patterns for names, `kept_out` places whose content is the gateway's own. `mounted` is
    what was mounted there when it was last seen, and is to be there again; None if that is not known.
    """

    path: Path
    ignore: Collection[str] = ()
    kept_out: frozenset[str] = frozenset()
    mounted: str | None = None
    skipped: list[str] = field(default_factory=list)
    """Folders that the last scan could not read, with the reason."""

    def check(self) -> str:
        """What is mounted at the root, to be remembered. Raises `Offline`."""
        mount = mounts.mount_of(self.path)
        what = f"{mount.type} {mount.source}" if mount else ""
        if self.mounted and what and what != self.mounted:
            raise Offline(
                f"{self.path} is offline: it was on {self.mounted}, and is on {what} now. Mount it again"
            )
        try:
            os.stat(self.path / ".")  # noqa: PTH116 - a folder that is not there must not be made up
        except OSError as error:
            raise Offline(f"{self.path} is offline: {error.strerror or error}") from error
        return what

    def scan(self) -> Iterator[Entry]:
        """All files that are there, folder by folder. Raises `Offline` when the root goes away."""
        self.check()
        self.skipped = []
        yield from self._below(os.fspath(self.path), "")

    def _below(self, folder: str, prefix: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise Offline(f"{self.path} is offline: {error.strerror or error}") from error
            self.skipped.append(f"{prefix.rstrip('/')}: {error.strerror or error}")
            return
        for entry in entries:
            if self._is_ignored(entry):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(entry.path, f"{prefix}{entry.name}/")
                elif entry.is_file():
                    yield Entry(f"{prefix}{entry.name}", FileStamp.of(entry.stat()))
            except OSError:  # it went away between two looks
                continue

    def _is_ignored(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        return (
            walk.is_litter(name)
            or any(fnmatch(name, pattern) for pattern in self.ignore)
            or entry.path in self.kept_out
        )


class Waker:
    """Waits until the next scan is due, or until something happened in the folder.

    Without events (`wanted` is False, the library is missing, the folder is on another machine) it just
    waits. `mode` says which it is, in words.
    """

    def __init__(self, path: Path, *, wanted: bool = True) -> None:
        self._path = path
        self._happened = threading.Event()
        self._stopped = threading.Event()
        self.mode = self._mode(wanted)
        if self.mode == "events":
            threading.Thread(target=self._watch, name="events", daemon=True).start()

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Returns after this time, when something happened, or soon after `stopped` is set."""
        if self.mode != "events":
            stopped.wait(seconds)
            return
        self._happened.wait(seconds)
        self._happened.clear()

    def wake(self) -> None:
        """Ends the waiting."""
        self._happened.set()

    def stop(self) -> None:
        """Ends the waiting and gives the watch up."""
        self._stopped.set()
        self._happened.set()

    def _mode(self, wanted: bool) -> str:
        if not wanted:
            return "polling, as configured"
        mount = mounts.mount_of(self._path)
        if mount and mount.remote:
            return f"polling, because it is on {mount.type}"
        try:
            import watchfiles  # noqa: F401 - whether it is there
        except ImportError:
            return "polling, because watchfiles is not installed"
        return "events"

    def _watch(self) -> None:
        from watchfiles import watch

        try:
            for _ in watch(
                self._path, watch_filter=_everything, stop_event=self._stopped, rust_timeout=1000, debounce=50
            ):
                self._happened.set()
        except (OSError, RuntimeError):  # no more watches, or the folder went away: the scan goes on
            self.mode = "polling, because events are not to be had"


def _everything(change: Change, path: str) -> bool:
    return True
