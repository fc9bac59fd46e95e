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
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any

from gateway import walk
from gateway.errors import Fatal
from gateway.intake.batch.job import DESTINATION, Input
from gateway.ledger import Ledger, Query, State
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

GONE = FileStamp(0, 0, 0)
"""The stamp of a file that a table names and that is not there."""

Tell = Callable[[int], None]
"""Is told how many files were found so far."""


@dataclass(slots=True)
class Scanned:
    """What a scan has found.

    `files` of `size` bytes, of which so many are `new` to the ledger or have `changed`. `litter` and
    `companions` were left out: what desktops and file servers leave, and files that only describe others.
    `missing` are named by the table and not there, `gone` were there before. `unreadable` are folders,
    `unusable` rows of the table, with the reason; both have the first of them only.
    """

    files: int = 0
    size: int = 0
    new: int = 0
    changed: int = 0
    litter: int = 0
    companions: int = 0
    missing: int = 0
    gone: int = 0
    rows: int | None = None
    unusable_rows: int = 0
    unreadable: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """What there is to say of it, for programs."""
        return {name: value for name, value in asdict(self).items() if value not in (None, [])}

    def words(self) -> str:
        """What there is to say of it, in a sentence."""
        parts = [f"{self.files:,} files", f"{self.new:,} new", f"{self.changed:,} changed"]
        named = {
            "left out as litter": self.litter,
            "left out, since they only describe others": self.companions,
            "named in the table and not there": self.missing,
            "gone since the last scan": self.gone,
            "rows of the table that cannot be used": self.unusable_rows,
        }
        parts += [f"{count:,} {what}" for what, count in named.items() if count]
        return ", ".join(parts)


def scan(
    given: Input,
    ledger: Ledger,
    tell: Tell = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Scanned:
    """Tells the ledger what is there now.

    Raises `Fatal` when the folder or table cannot be read at all, and `Pause` as the ledger does.
    """
    began, moment = clock(), ledger.files.now()
    known = _count(ledger, given.name)
    found = Scanned()
    sightings = _from_table(given, found) if given.is_table else _from_tree(given, found)
    for batch in batches(sightings, BATCH):
        _see(given, ledger, batch, found)
        tell(found.files)
    if known and not found.files:
        raise Fatal(
            f"{given.path} has no files, and {known:,} were found in it before: check whether its disk is "
            "mounted. Nothing was changed"
        )
    if known > found.files - found.new:  # else all that was there before is there now
        found.gone = _let_go(given, ledger, moment)
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
    ledger.files.reject(new, "no-file", text)


def _count(ledger: Ledger, name: str) -> int:
    """How many files earlier scans have found."""
    return sum(each.files for each in ledger.reports.counts() if each.folder == name)


def _let_go(given: Input, ledger: Ledger, moment: float) -> int:
    """Files that were found before, are not stored, and are gone; how many. They may come back."""
    gone = (
        row.path
        for row in ledger.reports.every(Query(states=UNCLAIMED, folder=given.name))
        if row.seen_at < moment and _is_gone(given.root / row.path)
    )
    return ledger.files.vanished(given.name, gone)


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
            if stat.S_ISLNK(status.st_mode):
                status = os.stat(path)  # noqa: PTH116 - a Path for each of millions takes its time
                if stat.S_ISDIR(status.st_mode):
                    continue  # a link to a folder may lead round in a circle
        except OSError:  # it went away between two looks, or leads nowhere
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _below(path, f"{prefix}{name}/", given, found)
        elif stat.S_ISREG(status.st_mode):
            yield f"{prefix}{name}", FileStamp.of(status)


def _names(folder: str, prefix: str, given: Input, found: Scanned) -> Iterator[str]:
    """The names in a folder that are meant, in natural order: `img2` before `img10`."""
    try:
        with os.scandir(folder) as entries:
            names = (entry.name for entry in entries)
            yield from _sorted(name for name in names if _is_meant(folder, name, given, found))
    except OSError as error:
        if len(found.unreadable) < NAMED:
            found.unreadable.append(f"{prefix or folder}: {error.strerror or error}")


def _is_meant(folder: str, name: str, given: Input, found: Scanned) -> bool:
    if walk.is_litter(name) or (given.ignore and walk.is_companion(name, given.ignore)):
        found.litter += 1
        return False
    if f"{folder}/{name}" in given.kept_out or (
        given.companions and walk.is_companion(name, given.companions)
    ):
        found.companions += 1
        return False
    return True


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
        with reading.opened(given.path, Layout()) as sheet:
            for line in sheet.lines:
                found.rows += 1
                place = _column(given, sheet.columns)
                fault = line.fault
                cell = line.cells[place] if not fault and place < len(line.cells) else None
                relative = _relative(given, cell) if not fault else None
                if relative is None:
                    _unusable(found, line.number, fault or f"its {given.column} is {cell!r}, no file of here")
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


def _unusable(found: Scanned, number: int, why: str) -> None:
    found.unusable_rows += 1
    if len(found.unusable) < NAMED:
        found.unusable.append(f"row {number}: {why}")


UNFINISHED = frozenset({State.SEEN, State.SETTLING})
"""States of files that a scan has found and nobody has looked at."""
