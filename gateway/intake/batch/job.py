"""What is to be imported, and how: filled from options or a configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from blake3 import blake3

from gateway.convert.child import PROCESSORS
from gateway.errors import Fatal
from gateway.intake.configuration import Archive, Hours
from gateway.ledger import Entry
from gateway.pipeline import Work

JOBS = max(4, min(8, PROCESSORS))
"""Connections that send at the same time, where nobody says how many. Each has a thread that prepares what
it sends; what has to be decoded is, in processes of its own (`decoders`)."""

DESTINATION = "archive"
"""What an import calls its destination in the ledger."""

WHO = "import"
"""Who it is that has files tried again, in the ledger's events."""

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


class Order(StrEnum):
    """Which files come first."""

    PATH = "path"
    NEWEST = "newest"
    OLDEST = "oldest"
    SIZE = "size"
    """Small ones first."""


@dataclass(frozen=True, slots=True)
class Input:
    """Where the files are: a folder with all below it, or a table that names them.

    `name` is the import's own in the ledger. Paths in a table are relative to its folder, and stand in
    `column`. `ignore` are patterns of names that are passed over, `kept_out` files and folders that are
    the gateway's own or only describe others, and `companions` patterns of names that do, in small letters.
    """

    path: Path
    name: str
    column: str = "file"
    ignore: tuple[str, ...] = ()
    kept_out: frozenset[str] = frozenset()
    companions: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether a table names the files."""
        return not self.path.is_dir()

    @property
    def root(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent if self.is_table else self.path


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files a run takes: at most `limit`, a `share` of all, always the same ones."""

    order: Order = Order.PATH
    limit: int | None = None
    share: float | None = None

    @property
    def is_partial(self) -> bool:
        """Whether files are left for another run."""
        return self.limit is not None or self.share is not None

    def due(self, row: Entry) -> float:
        """When a file is due: long ago, and the earlier the sooner it is to come."""
        match self.order:
            case Order.NEWEST:
                return -row.stamp.modified_ns / 1e12
            case Order.OLDEST:
                return row.stamp.modified_ns / 1e12
            case Order.SIZE:
                return row.stamp.size / 1e9
            case _:
                return float(row.id)

    def has(self, path: str) -> bool:
        """Whether a file is one of the sample; told by its path, so that it is the same every time."""
        if self.share is None:
            return True
        digest = blake3(path.encode("utf-8", "surrogateescape")).digest(length=8)
        return int.from_bytes(digest, "big") < self.share * 2**64


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run may be, and when.

    `rate` is files a second, `bandwidth` bytes a second, `night` the part of the day in which anything is
    sent. `patience` is how many seconds a run goes on while the archive takes nothing; `max_errors` how many
    files may be held, rejected or refused before it ends. `decoders` is how many processes decode at a time.
    """

    rate: float | None = None
    bandwidth: float | None = None
    night: Hours | None = None
    patience: float = 300.0
    max_errors: int | None = None
    decoders: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """An import. `archive` is None for steps that send and ask nothing."""

    input: Input
    work: Work
    archive: Archive | None = None
    selection: Selection = field(default_factory=Selection)
    pace: Pace = field(default_factory=Pace)


def share_of(text: str) -> float:
    """The part in a text such as `1%` or `0.01`. Raises `Fatal`."""
    match = _SHARE.fullmatch(text.strip())
    try:
        share = float(match[1]) / 100 if match else float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise Fatal(f"a sample cannot be {text!r}: write a part of all files, such as 1% or 0.01")
    return share


def hours_of(text: str) -> Hours:
    """The part of the day in a text such as `20:00-06:00`, in local time. Raises `Fatal`."""
    match = _HOURS.fullmatch(text.replace(" ", ""))
    if match is None:
        raise Fatal(f"a night cannot be {text!r}: write from when to when, such as 20:00-06:00")
    first, second, third, fourth = map(int, match.groups())
    return Hours(60 * first + second, 60 * third + fourth)


def kept_out(paths: Iterator[Path | None]) -> frozenset[str]:
    """Places that are never scanned, as scans compare them."""
    return frozenset(str(path.absolute()) for path in paths if path is not None)
