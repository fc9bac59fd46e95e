"""Where indexes of tables are kept: a folder of this user's, which nobody else may read.

Indexes hold what the tables hold, names and birth dates of patients. So the folder and the files in it
are open to their owner alone, an index goes when its table has changed, and one that nobody has used for
a month goes as well. The folder is in the user's cache, or below the one that `GATEWAY_CACHE` names.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import platformdirs
from blake3 import blake3

from gateway.errors import Retry
from gateway.mapping.tables import index
from gateway.mapping.tables.index import Index
from gateway.mapping.tables.sheet import BadTable
from gateway.stream import FileStamp

KEPT = 30 * 86_400
"""Seconds for which an index is kept that nobody uses."""
ABANDONED = 86_400
"""Seconds after which an unfinished index has been left behind by a process that ended."""

Stamp = tuple[FileStamp, ...]
"""What tells that a table has not changed: its file's, and that of the log beside a database."""


def folder() -> Path:
    """The folder of indexes, made if there is none. Raises `BadTable` where it cannot be private."""
    above = os.environ.get("GATEWAY_CACHE") or platformdirs.user_cache_dir("stow-gateway")
    path = Path(above) / "tables"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":
            status = path.lstat()
            if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
                raise BadTable(f"cannot be indexed: {path} is another user's; name a folder in GATEWAY_CACHE")
            path.chmod(0o700)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def stamp(table: Path) -> Stamp:
    """The stamp of a table as it is now. Raises `BadTable` where there is no such file."""
    try:
        found = [FileStamp.of(table.stat())]
    except OSError as error:
        reason = (
            "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        )
        raise BadTable(reason) from error
    with contextlib.suppress(OSError):
        found.append(FileStamp.of(table.with_name(f"{table.name}-wal").stat()))
    return tuple(found)


def settled(now: Stamp) -> bool:
    """Whether the next change of a table that has this stamp will show in it."""
    return all(each.settled for each in now)


def opened(table: Path, settings: str, now: Stamp, build: Callable[[Path], None]) -> Index:
    """The index of a table in the state of a stamp, built if there is none.

    `settings` is all that an index depends on besides the table. Several processes may build the same
    one: each puts a whole file in place. Of a table that has just changed none is left behind, since it may
    change again without a sign. Raises `BadTable`, `Retry` where the table changes while it is being read,
    and what `build` raises.
    """
    place = folder()
    family = blake3(f"{index.VERSION}\0{table.absolute()}\0{settings}".encode(errors="replace")).hexdigest(16)
    path = place / f"{family}-{blake3(repr(now).encode()).hexdigest(8)}.sqlite"
    lasting = settled(now)
    with contextlib.suppress(sqlite3.Error, ValueError, OSError):
        if lasting:
            os.utime(path)  # it is in use
            return Index(path)
    made = place / f"{uuid4().hex}.part"
    try:
        made.touch(0o600, exist_ok=False)
        build(made)
        if stamp(table) != now:
            raise Retry(f"{table} changed while it was being read; try again when it is complete")
        if not lasting:
            return Index(made)
        _settle(made)
        made.replace(path)
        _sweep(place, family, path)
        return Index(path)
    except (OSError, sqlite3.Error) as error:
        raise _unwritable(place, error) from error
    finally:
        with contextlib.suppress(
            OSError
        ):  # where what is open has to keep its name, it goes with a later sweep
            made.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Waits until a file is on the disk: its name must never lead to half of it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sweep(place: Path, family: str, newest: Path) -> None:
    """Removes what is no longer of use: indexes of the table as it was, and those that nobody uses."""
    now = time.time()
    for path in place.iterdir():
        with contextlib.suppress(OSError):  # another process may be about the same, or have it open
            age = now - path.stat().st_mtime
            old = age > (ABANDONED if path.suffix == ".part" else KEPT)
            if path != newest and (old or path.name.startswith(f"{family}-")):
                path.unlink()


def _unwritable(place: Path, error: Exception) -> BadTable:
    reason = error.strerror if isinstance(error, OSError) else error
    return BadTable(
        f"cannot be indexed in {place} ({reason}): make room there, or name a folder in GATEWAY_CACHE"
    )
