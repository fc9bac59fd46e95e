"""The boxes of a JP2 file (ITU-T T.800 annex I; JPX and JPH files begin with the same ones).

They say where the codestream lies and what its components mean. Only headers and small boxes are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Reject
from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.jpeg2000_codestream import damaged, not_whole
from gateway.formats.jpeg_boxes import boxes, small

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
"""The first box of every file of this family."""

ENUMERATED = {3: "YCC", 16: "RGB", 17: "GRAY", 18: "YCC"}
"""Enumerated colour spaces (T.800 table I.10, T.801 table M.25) by the components that they have."""

COLOUR, OPACITY, PREMULTIPLIED, UNSPECIFIED = 0, 1, 2, 65_535
"""What a channel is for (T.800 table I.16)."""

_ICC_SPACES = {b"GRAY": "GRAY", b"RGB ": "RGB"}


@dataclass(frozen=True, slots=True)
class Palette:
    """A palette (T.800 I.5.3.4): its columns, with the bits of their values and whether these have a sign."""

    columns: tuple[tuple[int, ...], ...]
    bits: tuple[int, ...]
    signed: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What one channel is for (T.800 I.5.3.6): its kind, and the number of its colour, 0 for all."""

    channel: int
    kind: int
    colour: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a JP2 header says of the components of the codestream at `start`, which has ended at `limit`.

    `space` is `RGB`, `GRAY`, `YCC`, None where nothing is said, or in words what else it is. `mapped` has
    component and palette column, or None, of each channel. `further` counts other codestreams.
    """

    start: int
    limit: int
    space: str | None = None
    palette: Palette | None = None
    mapped: tuple[tuple[int, int | None], ...] = ()
    purposes: tuple[Purpose, ...] = ()
    further: int = 0


@dataclass(slots=True)
class _Found:
    """What the boxes have said so far."""

    codestreams: list[tuple[int, int]] = field(default_factory=list)
    has_header: bool = False
    is_scattered: bool = False
    space: str | None = None
    palette: Palette | None = None
    mapped: tuple[tuple[int, int | None], ...] = ()
    purposes: tuple[Purpose, ...] = ()


def read(file: BinaryIO, path: Path, size: int) -> Header:
    """What the boxes of a file of `size` bytes say.

    Raises `Reject` for a file that is not whole, is damaged, or keeps its codestream elsewhere.
    """
    found = _Found()
    try:
        _look(file, size, found)
    except Incomplete as error:
        raise not_whole(path) from error
    except Malformed as error:
        raise damaged(path, str(error)) from error
    if found.is_scattered and not found.codestreams:
        raise Reject(
            f"{path} is a JPX file that keeps its picture in pieces or in other files (ftbl), which this "
            "version cannot convert. Save it as a JP2 file and give that"
        )
    if found.palette and not found.mapped:
        raise damaged(path, "it has a palette, and does not say what for")
    if not found.codestreams:
        raise not_whole(path)
    start, end = found.codestreams[0]
    return Header(
        start,
        end,
        found.space,
        found.palette,
        found.mapped,
        found.purposes,
        further=len(found.codestreams) - 1,
    )


def _look(file: BinaryIO, size: int, found: _Found) -> None:
    """Notes what the boxes say."""
    for kind, start, end in boxes(file, 0, size):
        if kind == b"jp2h" and not found.has_header:
            found.has_header = True
            seen: set[bytes] = set()
            for inner, first, last in boxes(file, start, end):
                if inner in _READERS and (inner not in seen or inner == b"colr"):
                    seen.add(inner)
                    _READERS[inner](small(file, first, last), found)
        elif kind == b"jp2c":
            found.codestreams.append((start, end))
        elif kind == b"ftbl":
            found.is_scattered = True


def _colour(data: bytes, found: _Found) -> None:
    """The colour space; readers use the first one only (T.800 I.5.3.3)."""
    if found.space:
        return
    if data[:1] == b"\1" and len(data) >= 7:
        number = int.from_bytes(data[3:7], "big")
        found.space = ENUMERATED.get(number, f"in the colour space {number} of JPX")
    elif data[:1] in (b"\2", b"\3") and len(data) >= 3 + 128:
        name = data[3 + 16 : 3 + 20]
        found.space = _ICC_SPACES.get(name, f"in the colours of a {name.decode('latin-1').strip()} profile")


def _palette(data: bytes, found: _Found) -> None:
    """The palette: number of entries and columns, depth of each column, then the entries (T.800 I.5.3.4)."""
    entries, count = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:3], "big")
    depths = data[3 : 3 + count]
    bits = tuple((depth & 0x7F) + 1 for depth in depths)
    widths = [(each + 7) // 8 for each in bits]
    at = 3 + count
    if not 1 <= entries <= 1024 or len(depths) != count or not count:
        raise Malformed("its palette has an impossible size")
    if len(data) != at + entries * sum(widths):
        raise Malformed("its palette has a wrong length")
    signed = tuple(depth >= 0x80 for depth in depths)
    columns: list[list[int]] = [[] for _ in depths]
    for _ in range(entries):
        for column, width, sign in zip(columns, widths, signed, strict=True):
            column.append(int.from_bytes(data[at : at + width], "big", signed=sign))
            at += width
    found.palette = Palette(tuple(map(tuple, columns)), bits, signed)


def _mapping(data: bytes, found: _Found) -> None:
    """Of which component, and through which column of the palette, each channel is (T.800 I.5.3.5)."""
    if not data or len(data) % 4 or len(data) > 4 * 256:
        raise Malformed("its component mapping has a wrong length")
    found.mapped = tuple(
        (int.from_bytes(data[at : at + 2], "big"), data[at + 3] if data[at + 2] else None)
        for at in range(0, len(data), 4)
    )


def _definition(data: bytes, found: _Found) -> None:
    """What each channel is for (T.800 I.5.3.6)."""
    count = int.from_bytes(data[:2], "big")
    if not count or len(data) != 2 + 6 * count or count > 16_384:
        raise Malformed("its channel definition has a wrong length")
    numbers = [int.from_bytes(data[at : at + 2], "big") for at in range(2, len(data), 2)]
    found.purposes = tuple(
        Purpose(channel, kind, colour)
        for channel, kind, colour in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    )


_READERS = {b"colr": _colour, b"pclr": _palette, b"cmap": _mapping, b"cdef": _definition}
