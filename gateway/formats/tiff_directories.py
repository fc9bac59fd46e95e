"""The directories of a TIFF file, one a page: TIFF 6.0 and BigTIFF.

Only what is asked for is read. However a file is made, going over its directories takes bounded time:
none is read twice, and there is a limit to what all of them say together, since they may lie one over the
other. What a value would have beyond the end of the file is not believed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from gateway.formats.raster import NotWhole, Unfit

MOST_PAGES = 10_000
_MOST_ENTRIES = 250_000
"""Entries of all directories; a page has about twenty."""

_LARGEST_VALUE = 8 << 20
_LARGEST_VALUES = 128 << 20
"""Bytes of a value that is read, and of all of them: each strip or tile has a place and a length."""

_TYPES = {1: "B", 2: "B", 3: "H", 4: "L", 6: "b", 7: "B", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}
_RATIONALS = {5: "L", 10: "l"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where the value of a tag is: its type, how many there are, and the place of the first."""

    type: int
    count: int
    place: int


@dataclass(slots=True)
class _Budget:
    """What may still be read of a file."""

    entries: int = _MOST_ENTRIES
    values: int = _LARGEST_VALUES

    def spend(self, entries: int, values: int) -> None:
        """Counts what is about to be read; Unfit when it is too much."""
        self.entries -= entries
        self.values -= values
        if self.entries < 0 or self.values < 0:
            raise Unfit("is no valid TIFF: its directories say more than those of any picture")


@dataclass(frozen=True, slots=True)
class Directory:
    """What a file says of a page, or of its camera, by tag."""

    file: BinaryIO
    size: int
    order: str
    entries: Mapping[int, _Entry]
    budget: _Budget

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag, none where there is no such tag. Raises NotWhole, Unfit."""
        entry = self.entries.get(tag)
        letter = _TYPES.get(entry.type) if entry else None
        if entry is None or letter is None:
            return ()
        return struct.unpack(
            f"{self.order}{entry.count}{letter}", self._value(entry, struct.calcsize(f"<{letter}"))
        )

    def number(self, tag: int, default: int = 0) -> int:
        """The first whole number of a tag."""
        numbers = self.numbers(tag)
        return numbers[0] if numbers else default

    def ratio(self, tag: int) -> Fraction:
        """The first ratio of a tag; 0 where there is none that makes sense."""
        entry = self.entries.get(tag)
        letter = _RATIONALS.get(entry.type) if entry else None
        if entry is None or letter is None or not entry.count:
            return Fraction(0)
        above, below = struct.unpack_from(f"{self.order}2{letter}", self._value(entry, 8))
        return Fraction(above, below) if below else Fraction(0)

    def text(self, tag: int) -> str | None:
        """The text of a tag up to its NUL; None where there is none."""
        entry = self.entries.get(tag)
        if entry is None or entry.type != 2 or entry.count > 1 << 16:
            return None
        return self._value(entry, 1).partition(b"\0")[0].decode("latin-1") or None

    def _value(self, entry: _Entry, width: int) -> bytes:
        length = entry.count * width
        if entry.place + length > self.size:
            raise NotWhole("it ends amid its header")
        self.budget.spend(0, length)
        if length > _LARGEST_VALUE:
            raise Unfit(f"is no valid TIFF: it has {length:,} bytes in one field of its header")
        self.file.seek(entry.place)
        return self.file.read(length)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How directories are written: TIFF 6.0, or BigTIFF with numbers of 64 bits."""

    order: str
    count: str
    entry: str
    place: str

    def size(self, part: str) -> int:
        """Bytes of a part of a directory."""
        return struct.calcsize(self.order + part)


def directories(file: BinaryIO, size: int) -> Iterator[Directory]:
    """The directories of a file in the order of its pages.

    Raises NotWhole where the file ends before, and Unfit for directories without an end.
    """
    layout, place = _start(file)
    seen: set[int] = set()
    budget = _Budget()
    while place:
        if place in seen:
            raise Unfit("is no valid TIFF: its directories lead back to where they began")
        if len(seen) == MOST_PAGES:
            raise Unfit(f"has more than {MOST_PAGES:,} pages. Cut it into several files")
        seen.add(place)
        directory, place = _read(file, size, layout, place, budget)
        yield directory


def inner(directory: Directory, tag: int) -> Directory | None:
    """The directory that a tag of another one points to; None where there is none that can be read."""
    place = directory.number(tag)
    if not place:
        return None
    layout, _ = _start(directory.file)
    try:
        return _read(directory.file, directory.size, layout, place, directory.budget)[0]
    except (NotWhole, Unfit):
        return None


def _start(file: BinaryIO) -> tuple[_Layout, int]:
    """How a file is written, and where its first directory is."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8:
        raise NotWhole("it ends amid its header")
    if struct.unpack_from(f"{order}H", head, 2)[0] == 43:
        if len(head) < 16:
            raise NotWhole("it ends amid its header")
        return _Layout(order, "Q", "HHQ8s", "Q"), struct.unpack_from(f"{order}Q", head, 8)[0]
    return _Layout(order, "H", "HHL4s", "L"), struct.unpack_from(f"{order}L", head, 4)[0]


def _read(file: BinaryIO, size: int, layout: _Layout, place: int, budget: _Budget) -> tuple[Directory, int]:
    """The directory at a place, and the place of the next one."""
    width = layout.size(layout.entry)
    inline = width - layout.size(layout.entry[:-2])
    if place + layout.size(layout.count) > size:
        raise NotWhole("one of its directories is behind its end")
    file.seek(place)
    (count,) = struct.unpack(layout.order + layout.count, file.read(layout.size(layout.count)))
    budget.spend(count, 0)
    data = file.read(count * width + layout.size(layout.place))
    if len(data) != count * width + layout.size(layout.place):
        raise NotWhole("it ends amid one of its directories")
    first = place + layout.size(layout.count)
    entries: dict[int, _Entry] = {}
    for number in range(count):
        tag, kind, values, value = struct.unpack_from(layout.order + layout.entry, data, number * width)
        each = 8 if kind in _RATIONALS else struct.calcsize(f"<{_TYPES.get(kind, 'Q')}")
        where = first + (number + 1) * width - inline
        if values * each > inline:
            (where,) = struct.unpack(layout.order + layout.place, value)
        entries.setdefault(tag, _Entry(kind, values, where))
    (following,) = struct.unpack_from(layout.order + layout.place, data, count * width)
    return Directory(file, size, layout.order, entries, budget), following
