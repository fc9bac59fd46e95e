"""BMP pictures of Windows and OS/2: decoded, and stored exactly."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import BinaryIO

from gateway.config import Reading
from gateway.formats import raster
from gateway.formats.format import Format
from gateway.formats.raster import NotWhole, Picture, Unfit, all_grey, aspect_of, take
from gateway.model import Kind, Probe, Source

_HEADERS = (12, 40, 52, 56, 64, 108, 124)
"""Sizes of the header, by which its versions are told."""

_BITFIELDS = (0, 3, 6)
_RUN_LENGTH = {1: 8, 2: 4}
"""Run length compressions, and the bits a pixel that they are for."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a BMP: two letters alone would be too weak a sign."""
    return head[:2] == b"BM" and head[6:10] == bytes(4) and head[14:18] in _SIGNS


_SIGNS = tuple(struct.pack("<L", size) for size in _HEADERS)


def probe(source: Source, reading: Reading) -> Probe:
    """What a BMP says of itself. Raises `Reject` for one that is not whole."""
    return raster.probe(source, reading, FORMAT, read)


FORMAT = Format(
    name="bmp",
    title="a BMP picture",
    short="BMP",
    kind=Kind.IMAGE,
    media_type="image/bmp",
    extensions=(".bmp", ".dib"),
    sniff=sniff,
    probe=probe,
    aliases=("image/x-bmp", "image/x-ms-bmp"),
)


def read(file: BinaryIO, size: int) -> Picture:
    """What the header of a BMP says; NotWhole when its pixels are not all there."""
    start, length = struct.unpack("<10xLL", take(file, 18))
    header = take(file, length - 4)
    compression = image_size = horizontal = vertical = colours = 0
    if length == 12:
        columns, rows, bits = struct.unpack("<HH2xH", header)
    else:
        columns, rows, bits, compression, image_size, horizontal, vertical, colours = struct.unpack(
            "<ll2xHLLllL", header[:32]
        )
    if columns < 0 or bits not in (1, 2, 4, 8, 16, 24, 32):
        raise Unfit(f"is no valid BMP: it says that it is {columns} pixels wide, of {bits} bits")
    if compression not in _BITFIELDS and _RUN_LENGTH.get(compression) != bits:
        raise Unfit(f"is a BMP with the compression {compression}, which is not decoded. Save it as PNG")
    rows = abs(rows)  # negative where the first row is the highest
    line = (columns * bits + 31) // 32 * 4
    needed = image_size if compression in _RUN_LENGTH else line * rows
    if start + needed > size:
        raise NotWhole(f"it ends {start + needed - size:,} bytes before the end of its pixels")
    return Picture(
        columns=columns,
        rows=rows,
        colour=bits > 8 or not _is_grey(file, start, colours or 1 << bits, 3 if length == 12 else 4),
        decoder="BMP",
        aspect=aspect_of(Fraction(horizontal), Fraction(vertical)),
    )


def _is_grey(file: BinaryIO, start: int, colours: int, width: int) -> bool:
    """Whether the palette that stands before the pixels has no colours."""
    palette = file.read(min(colours * width, max(start - file.tell(), 0)))
    return all_grey(b"".join(palette[entry : entry + 3] for entry in range(0, len(palette), width)))
