"""PNG pictures, still and animated (ISO/IEC 15948, third edition): decoded, and stored exactly."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from gateway.config import Reading
from gateway.formats import raster
from gateway.formats.format import Format
from gateway.formats.raster import NotWhole, Picture, Unfit, all_grey, aspect_of, take
from gateway.model import Kind, Probe, Source
from gateway.stream import CHUNK

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_KEPT = frozenset({b"IHDR", b"PLTE", b"pHYs", b"eXIf", b"acTL", b"fcTL"})
_LARGEST_KEPT = 1 << 20
_MOST_CHUNKS = 1_000_000
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits a sample for each colour type (11.2.1)."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a PNG."""
    return head.startswith(SIGNATURE)


def probe(source: Source, reading: Reading) -> Probe:
    """What a PNG says of itself. Raises `Reject` for one that is not whole."""
    return raster.probe(source, reading, FORMAT, read)


FORMAT = Format(
    name="png",
    title="a PNG picture",
    short="PNG",
    kind=Kind.IMAGE,
    media_type="image/png",
    extensions=(".png", ".apng"),
    sniff=sniff,
    probe=probe,
    aliases=("image/x-png", "image/apng"),
)


@dataclass(slots=True)
class _Chunks:
    """What is kept of the chunks of a file."""

    first: dict[bytes, bytes] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    has_data: bool = False
    still_first: bool = False
    """Whether the picture comes before the first frame of the animation, and is none of them."""
    behind: int = 0


def read(file: BinaryIO, size: int) -> Picture:
    """What the chunks of a PNG say; NotWhole when one is damaged or missing, Unfit for what is no PNG."""
    take(file, len(SIGNATURE))
    chunks = _read_chunks(file, size)
    header = chunks.first.get(b"IHDR", b"")
    if len(header) != 13 or not chunks.has_data:
        raise NotWhole("it has no picture")
    columns, rows, depth, colour_type = struct.unpack(">LLBB", header[:10])
    if depth not in _DEPTHS.get(colour_type, ()):
        raise Unfit(f"is no valid PNG: it has {depth} bits a sample and the colour type {colour_type}")
    frames, times, plays = _animation(chunks)
    if depth == 16 and len(frames) > 1:
        raise Unfit(
            "is an animated PNG of 16 bits a sample, which is not decoded exactly. Save it with 8 bits"
        )
    palette = chunks.first.get(b"PLTE", b"")
    return Picture(
        columns=columns,
        rows=rows,
        colour=colour_type in (2, 6) or (colour_type == 3 and not all_grey(palette)),
        decoder="png" if depth == 16 else "PNG",
        bits=16 if depth == 16 else 8,
        frames=frames,
        times=times,
        plays=plays,
        aspect=_aspect(chunks.first.get(b"pHYs", b"")),
        exif=chunks.first.get(b"eXIf"),
        messages=(f"has {chunks.behind:,} bytes behind its picture; they are left out",)
        if chunks.behind
        else (),
    )


def _read_chunks(file: BinaryIO, size: int) -> _Chunks:
    """Goes over all chunks and checks their sums, as far as a picture depends on them."""
    chunks = _Chunks()
    for _ in range(_MOST_CHUNKS):
        length, kind = struct.unpack(">L4s", take(file, 8))
        if file.tell() + length + 4 > size:
            raise NotWhole("it ends amid its picture" if kind in (b"IDAT", b"fdAT") else "it ends too soon")
        value = _read_chunk(file, kind, length)
        if kind == b"fcTL" and value is not None:
            chunks.delays.append(_delay(value))
        elif value is not None:
            chunks.first.setdefault(kind, value)
        if kind == b"IDAT":
            chunks.still_first = chunks.still_first or not chunks.delays
            chunks.has_data = True
        if kind == b"IEND":
            chunks.behind = size - file.tell()
            return chunks
    raise Unfit(f"is no valid PNG: it has more than {_MOST_CHUNKS:,} chunks")


def _read_chunk(file: BinaryIO, kind: bytes, length: int) -> bytes | None:
    """The value of a chunk that is kept; the file is behind the chunk afterwards."""
    kept = kind in _KEPT and length <= _LARGEST_KEPT
    parts: list[bytes] = []
    total = zlib.crc32(kind)
    left = length
    while left:
        part = take(file, min(CHUNK, left))
        total = zlib.crc32(part, total)
        left -= len(part)
        if kept:
            parts.append(part)
    (expected,) = struct.unpack(">L", take(file, 4))
    critical = not kind[0] & 0x20 or kind == b"fdAT"  # a small letter: what a decoder need not know (5.4)
    if total != expected and critical:
        raise NotWhole(f"its chunk {kind.decode('latin-1')!r} is damaged")
    return b"".join(parts) if kept and total == expected else None


def _delay(control: bytes) -> float:
    """Milliseconds for which a frame is shown (11.3.6.2)."""
    if len(control) != 26:
        raise NotWhole("one of its frames has a damaged header")
    numerator, denominator = struct.unpack(">HH", control[20:24])
    return float(round(1000 * numerator / (denominator or 100), 3))


def _animation(chunks: _Chunks) -> tuple[tuple[int, ...], tuple[float, ...], int]:
    """The frames of an animation, how long each is shown, and how often all of them are.

    Of a still picture, its only frame.
    """
    control = chunks.first.get(b"acTL", b"")
    count, plays = struct.unpack(">LL", control) if len(control) == 8 else (0, 1)
    if count < 2:
        return (0,), (), 1
    if count != len(chunks.delays):
        raise NotWhole(f"it has {len(chunks.delays):,} frames, and says that it has {count:,}")
    first = 1 if chunks.still_first else 0  # the decoder counts a picture that is no frame as the first
    return tuple(range(first, first + count)), tuple(chunks.delays), plays


def _aspect(density: bytes) -> Fraction | None:
    """The shape of pixels, where it is no square (11.3.4.3)."""
    if len(density) != 9:
        return None
    horizontal, vertical = struct.unpack(">LL", density[:8])
    return aspect_of(Fraction(horizontal), Fraction(vertical))
