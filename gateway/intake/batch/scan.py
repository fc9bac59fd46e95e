"""The files of an import, from a tree or a table into the ledger; their contents are not read.

What is in the ledger already and has kept its size, time and inode stays as it is there, digest included.
Memory does not grow with the tree, nor with a folder: the names of a large one are sorted on the disk.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any

from gateway import walk
from gateway.errors import Fatal
from gateway.intake.batch import disk
from gateway.intake.batch.disk import Disk
from gateway.intake.batch.job import DESTINATION, WHO, Input
from gateway.ledger import Entry, Ledger, Query, State
from gateway.ledger.part import batches
from gateway.ledger.records import Sighting
from gateway.ledger.states import UNCLAIMED
from gateway.stream import FileStamp

BATCH = 10_000
"""Files that the ledger hears of at a time."""

IN_MEMORY = 20_000
"""Names of one folder that are sorted in memory."""

NAMED = 10
"""Examples that are kept of each thing that is odd."""

SNAPSHOTS = frozenset({".snapshot", ".snapshots", ".zfs"})
"""Folders with all files once more, as often as a file server has been told to keep them: not looked into."""

SPECIAL = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}

GONE = FileStamp(0, 0, 0)
"""The stamp of a file that a table names and that is not there."""

NO_FILE = "no-file"
"""The reason of a file that a table names and that is not there."""

STAYING = frozenset({NO_FILE, "by-hand"})
"""Reasons of rejected files that stay so when the file is taken away."""

Tell = Callable[[int], None]
"""Is told how many files were found so far."""


@dataclass(slots=True)
class Scanned:
    """What a scan has found.

    `files` of `size` bytes, of which so many are `new` to the ledger or have `changed`; `disk` says what was
    left out. `missing` are named by the table and not there, `gone` were there before. `unreadable` are
    folders, `unusable` rows of the table, with the reason; both have the first of them only.
    """

    files: int = 0
    size: int = 0
    new: int = 0
    changed: int = 0
    missing: int = 0
    gone: int = 0
    rows: int | None = None
    disk: Disk = field(default_factory=Disk)
    unreadable: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """What there is to say of it, for programs."""
        facts = {
            "files": self.files,
            "bytes": self.size,
            "new": self.new,
            "changed": self.changed,
            "left_out": self.disk.omitted,
            "kinds": {each.kind: each.names for each in self.disk.kinds()},
            "missing": self.missing,
            "gone": self.gone,
            "rows": self.rows,
            "unreadable_folders": self.disk.unreadable,
            "unreadable": self.unreadable,
            "unusable": self.unusable,
            "seconds": self.seconds,
        }
        return {name: value for name, value in facts.items() if value not in (None, [])}

    def words(self) -> str:
        """What there is to say of it, in a sentence."""
        parts = [f"{self.files:,} files", f"{self.new:,} new", f"{self.changed:,} changed"]
        named = {
            "named in the table and not there": self.missing,
            "gone since the last scan": self.gone,
        }
        parts += [f"{count:,} {what}" for what, count in named.items() if count]
        return ", ".join([*parts, self.disk.omitted_words()])


def scan(
    given: Input,
    ledger: Ledger,
    tell: Tell = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Scanned:
    """Tells the ledger what is there now, and what of it was left out.

    Raises `Fatal` when the folder or table cannot be read at all, and `Pause` as the ledger does.
    """
    began, moment = clock(), ledger.files.now()
    known = _count(ledger, given.name)
    found = Scanned(disk=Disk(is_table=given.is_table))
    sightings = _from_table(given, found) if given.is_table else _from_tree(given, found)
    for number, batch in enumerate(batches(sightings, BATCH)):
        if number == 0:
            disk.begin(ledger, given.name)
        _see(given, ledger, batch, found)
        tell(found.files)
    if known and not found.files:
        raise Fatal(
            f"{given.path} has no files, and {known:,} were found in it before: check whether its disk is "
            "mounted. Nothing was changed"
        )
    if known > found.files - found.new:  # else all that was there before is there now
        found.gone = _let_go(given, ledger, moment)
    found.disk.taken = found.files + found.missing
    disk.end(ledger, given.name, found.disk)
    found.seconds = clock() - began
    return found


def _see(given: Input, ledger: Ledger, batch: list[Sighting], found: Scanned) -> None:
    there = [each for each in batch if each[1] != GONE]
    seen = ledger.files.see(given.name, there, [DESTINATION])
    found.files += len(there)
    found.size += sum(stamp.size for _, stamp in there)
    found.new += len(seen.new)
    found.changed += len(seen.changed)
    for path, stamp in batch:
        if stamp == GONE:
            found.missing += 1
            _see_missing(given, ledger, path)


def _see_missing(given: Input, ledger: Ledger, path: str) -> None:
    """Records a file that the table names and that is not there; one that was stored may be gone."""
    if ledger.files.at(given.name, path):
        return
    text = "The table names it, and there is no such file: check its path, and upper and lower case"
    new = ledger.files.see(given.name, [(path, GONE)], [DESTINATION]).new
    ledger.files.reject(new, NO_FILE, text)


def _count(ledger: Ledger, name: str) -> int:
    """How many files earlier scans have found."""
    return sum(each.files for each in ledger.reports.counts() if each.folder == name)


def _let_go(given: Input, ledger: Ledger, moment: float) -> int:
    """Files that were found before, are not stored, and are gone; how many. They may come back."""
    rejected = Query(states=frozenset({State.REJECTED}), folder=given.name)
    settled = (row.id for row in _gone(given, ledger, rejected, moment) if row.reason not in STAYING)
    for some in batches(settled, 1000):  # whoever took them away has settled what was wrong with them
        ledger.decisions.retry(Query(ids=tuple(some)), WHO)
    waiting = Query(states=UNCLAIMED, folder=given.name)
    return ledger.files.vanished(given.name, (row.path for row in _gone(given, ledger, waiting, moment)))


def _gone(given: Input, ledger: Ledger, which: Query, moment: float) -> Iterator[Entry]:
    """Files that were found before this moment and are gone."""
    for row in ledger.reports.every(which):
        if row.path and row.seen_at < moment and _is_gone(given.root / row.path):
            yield row


def _is_gone(path: Path) -> bool:
    """Whether a file is not there; one that cannot be looked at may be."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


# Trees


def _from_tree(given: Input, found: Scanned) -> Iterator[Sighting]:
    root = os.fspath(given.root)
    try:
        os.scandir(root).close()
    except OSError as error:
        raise Fatal(f"the folder {root} cannot be read: {error.strerror or error}") from error
    return _below(root, "", given, found)


def _below(folder: str, prefix: str, given: Input, found: Scanned) -> Iterator[Sighting]:
    for name in _names(folder, prefix, given, found):
        path = f"{folder}/{name}"
        try:
            status = os.lstat(path)
        except OSError:  # it went away between two looks
            continue
        if stat.S_ISLNK(status.st_mode):
            try:
                status = os.stat(path)  # noqa: PTH116 - a Path for each of millions takes its time
            except OSError:
                found.disk.omit("links", "to nothing")
                continue
            if stat.S_ISDIR(status.st_mode):  # it may lead round in a circle
                found.disk.omit("links", "to a folder")
                continue
        if stat.S_ISDIR(status.st_mode):
            yield from _below(path, f"{prefix}{name}/", given, found)
        elif stat.S_ISREG(status.st_mode):
            yield f"{prefix}{name}", FileStamp.of(status)
        else:
            found.disk.omit("special", SPECIAL.get(stat.S_IFMT(status.st_mode), "other"))


def _names(folder: str, prefix: str, given: Input, found: Scanned) -> Iterator[str]:
    """The names in a folder that are meant, in natural order: `img2` before `img10`."""
    try:
        with os.scandir(folder) as entries:
            yield from _sorted(entry.name for entry in entries if _is_meant(folder, entry, given, found))
    except OSError as error:
        _unreadable(prefix or folder, error, found)


def _is_meant(folder: str, entry: os.DirEntry[str], given: Input, found: Scanned) -> bool:
    why = _why_not(folder, entry.name, given)
    if why is None:
        return True
    kind, name = why
    whole = kind == "snapshots" or not entry.is_dir(follow_symlinks=False)
    found.disk.omit(kind, name, 1 if whole else _files_below(entry.path, found))
    return False


def _why_not(folder: str, name: str, given: Input) -> tuple[str, str] | None:
    """Why a name is left out: the kind, and the pattern or name; None for one that is meant."""
    if walk.is_litter(name):
        pattern = next(each for each in walk.LITTER if fnmatchcase(name, each))
        return ("snapshots", name) if name in SNAPSHOTS else ("litter", pattern)
    if pattern := _matching(name, given.ignore):
        return "ignored", pattern
    if f"{folder}/{name}" in given.kept_out:
        return "own", name
    if pattern := _matching(name, given.companions):
        return "companions", pattern
    return None


def _matching(name: str, patterns: tuple[str, ...]) -> str:
    """The first of the patterns that a name has; nothing where it has none."""
    return next((each for each in patterns if walk.is_companion(name, (each,))), "")


def _files_below(folder: str, found: Scanned) -> int:
    """How many files are in a folder that is left out, and in all below it."""
    files, folders = 0, [folder]
    while folders:
        place = folders.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        files += 1
        except OSError as error:
            _unreadable(place, error, found)
    return files


def _unreadable(folder: str, error: OSError, found: Scanned) -> None:
    found.disk.unreadable += 1
    if len(found.unreadable) < NAMED:
        found.unreadable.append(f"{folder}: {error.strerror or error}")


def _sorted(names: Iterable[str]) -> Iterator[str]:
    """The names in natural order."""
    left = iter(names)
    first = list(islice(left, IN_MEMORY))
    if len(first) < IN_MEMORY:
        yield from sorted(first, key=_natural)
        return
    with closing(sqlite3.connect("")) as database:  # a file of SQLite's own that is gone afterwards
        database.execute("CREATE TABLE names (key BLOB, name BLOB)")
        rows = ((_natural(name), os.fsencode(name)) for name in chain(first, left))
        database.executemany("INSERT INTO names VALUES (?, ?)", rows)
        first.clear()
        for (name,) in database.execute("SELECT name FROM names ORDER BY key, name"):
            yield os.fsdecode(name)


_DIGITS = re.compile(r"([0-9]+)")


def _natural(name: str) -> bytes:
    """A key under which numbers in names count as numbers; the same order as `walk.natural`, in few bytes."""
    parts = []
    for part in _DIGITS.split(name):
        if part.isdecimal() and part.isascii():
            digits = part.lstrip("0")
            parts.append(b"\x01%03d" % len(digits) + digits.encode())
        elif part:
            parts.append(b"\x02" + part.casefold().encode("utf-8", "surrogateescape"))
    return b"".join(parts)


# Tables


def _from_table(given: Input, found: Scanned) -> Iterator[Sighting]:
    from gateway.mapping.tables import reading
    from gateway.mapping.tables.sheet import BadTable, Layout

    found.rows = 0
    try:
        with reading.opened(given.path, Layout()) as sheet, closing(_Once()) as once:
            for line in sheet.lines:
                found.rows += 1
                place = _column(given, sheet.columns)
                fault = line.fault
                cell = line.cells[place] if not fault and place < len(line.cells) else None
                relative = _relative(given, cell) if not fault else None
                if relative is None:
                    _unusable(found, line.number, fault or f"its {given.column} is {cell!r}, no file of here")
                    continue
                if not once.add(relative):
                    found.disk.omit("rows", "named before")
                    continue
                yield relative, _stamp_of(given.root / relative)
    except BadTable as error:
        raise Fatal(f"the table {given.path} {error}") from error


def _column(given: Input, columns: list[str]) -> int:
    """Where the file's name stands. Raises `Fatal` when there is no such column."""
    names = [name.casefold() for name in columns]
    if given.column.casefold() not in names:
        raise Fatal(
            f"the table {given.path} has no column {given.column!r}: name the one that has the files with "
            f"--file-column; there are {', '.join(columns)}"
        )
    return names.index(given.column.casefold())


def _relative(given: Input, cell: object) -> str | None:
    """The path of a file below the table's folder, with `/`; None for nothing, and for one outside."""
    if not isinstance(cell, str) or not cell.strip():
        return None
    text = cell.strip().replace("\\", "/")
    root = f"{given.root.as_posix()}/"
    path = PurePosixPath(text.removeprefix(root))
    if path.is_absolute() or ".." in path.parts or path.parts[:1] == (".",) or not path.parts:
        return None
    return path.as_posix()


def _stamp_of(path: Path) -> FileStamp:
    with suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return FileStamp.of(status)
    return GONE


class _Once:
    """Names that were not there before, told in a file of SQLite's own that is gone afterwards."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, name: str) -> bool:
        """Whether a name comes for the first time."""
        done = self._database.execute("INSERT OR IGNORE INTO names VALUES (?)", (os.fsencode(name),))
        return bool(done.rowcount)

    def close(self) -> None:
        """Gives the file back."""
        self._database.close()


def _unusable(found: Scanned, number: int, why: str) -> None:
    found.disk.omit("rows", "no file")
    if len(found.unusable) < NAMED:
        found.unusable.append(f"row {number}: {why}")


UNFINISHED = frozenset({State.SEEN, State.SETTLING})
"""States of files that a scan has found and nobody has looked at."""
