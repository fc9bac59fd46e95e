"""A scan of a hot folder: the files that are there now.

A scan is the truth. Events of the operating system, where there are any, only make the next one come
early. A root that cannot be read, or of which a mounted part is gone, is offline: what was in it is still
in it, and nothing follows from not seeing it.
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
from gateway.mounts import Mount
from gateway.stream import FileStamp

if TYPE_CHECKING:
    from watchfiles import Change

SHORTEST_WAIT = 0.2
"""Seconds between two scans at least, however much happens in the folder."""


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

    `ignore` are patterns for names, `kept_out` places whose content is the gateway's own. `mountinfo`
    is as in `gateway.mounts`.
    """

    path: Path
    ignore: Collection[str] = ()
    kept_out: frozenset[str] = frozenset()
    mountinfo: Path = mounts.MOUNTS
    skipped: dict[str, str] = field(default_factory=dict)
    """What the last scan could not look at, with the reason: paths below the root."""
    _mounted: frozenset[Mount] = frozenset()

    def check(self) -> None:
        """Raises `Offline` where it cannot be read, or where something was unmounted that was in it."""
        try:
            os.stat(self.path / ".")  # noqa: PTH116 - a folder that is not there must not be made up
        except OSError as error:
            raise self._offline(error) from error
        # only now: looking at it is what makes an automounter mount it
        there = mounts.all_mounts(self.mountinfo)
        gone = next((each for each in self._mounted if there and each not in there), None)
        if gone is not None:
            raise Offline(
                f"{self.path} is offline: {gone.source} ({gone.type}) is no longer mounted at {gone.point}. "
                "Mount it again"
            )

    def scan(self) -> list[Entry]:
        """All files that are there, folder by folder. Raises `Offline` also when the root goes meanwhile."""
        self.check()
        mounted = mounts.mounts_at(self.path, self.mountinfo)
        self.skipped = {}
        try:
            found = list(self._below(os.fspath(self.path), ""))
        except OSError as error:
            raise self._offline(error) from error
        self.check()
        self._mounted = mounted
        return found

    def has_seen(self, relative: str) -> bool:
        """Whether the last scan would have found a file, had it been there: its folder could be read."""
        return not any(relative == each or relative.startswith(f"{each}/") for each in self.skipped)

    def _offline(self, error: OSError) -> Offline:
        return Offline(f"{self.path} is offline: {error.strerror or error}")

    def _below(self, folder: str, prefix: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise
            if not isinstance(error, FileNotFoundError):  # it went away between two looks
                self.skipped[prefix.rstrip("/")] = error.strerror or str(error)
            return
        for entry in entries:
            if self._is_ignored(entry):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(entry.path, f"{prefix}{entry.name}/")
                elif entry.is_file():
                    yield Entry(f"{prefix}{entry.name}", FileStamp.of(entry.stat()))
            except FileNotFoundError:
                continue
            except OSError as error:
                self.skipped[f"{prefix}{entry.name}"] = error.strerror or str(error)

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
    waits. `mode` says which it is, in words. `mountinfo` is as in
    `gateway.mounts`.
    """

    def __init__(self, path: Path, *, wanted: bool = True, mountinfo: Path = mounts.MOUNTS) -> None:
        self._path = path
        self._happened = threading.Event()
        self._stopped = threading.Event()
        self.mode = self._mode(wanted, mountinfo)
        if self.mode == "events":
            threading.Thread(target=self._watch, name="events", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Returns after this time, when something happened, or soon after it was stopped."""
        if self.mode == "events":
            self._stopped.wait(min(seconds, SHORTEST_WAIT))
            self._happened.wait(max(0.0, seconds - SHORTEST_WAIT))
            self._happened.clear()
        else:
            self._stopped.wait(seconds)

    def stop(self) -> None:
        """Ends the waiting and gives the watch up."""
        self._stopped.set()
        self._happened.set()

    def _mode(self, wanted: bool, mountinfo: Path) -> str:
        if not wanted:
            return "polling, as configured"
        mount = mounts.mount_of(self._path, mountinfo)
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
                self._path, watch_filter=_is_news, stop_event=self._stopped, rust_timeout=1000, debounce=50
            ):
                self._happened.set()
        except (OSError, RuntimeError):  # no more watches, or the folder went away: the scan goes on
            self.mode = "polling, because events are not to be had"


def _is_news(change: Change, path: str) -> bool:
    """Whether there may be something to do: not where a file goes, which the gateway mostly does itself."""
    return change.name != "deleted"
