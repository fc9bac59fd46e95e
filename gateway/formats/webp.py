"""WebP pictures, still and animated (RFC 9649): decoded. Those in VP8 were compressed with loss."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from gateway.config import Reading
from gateway.formats import raster
from gateway.formats.format import Format
from gateway.formats.raster import MOST_FRAMES, NotWhole, Picture, Unfit, take
from gateway.model import Kind, Probe, Source

VP8_METHOD = "RFC_6386"
"""The method of VP8's compression: PS3.3 C.7.6.1.1.5.1 has terms for other standards only, made like this."""

_MOST_CHUNKS = 1_000_000
_LARGEST_EXIF = 1 << 20


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a WebP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def probe(source: Source, reading: Reading) -> Probe:
    """What a WebP says of itself. Raises `Reject` for one that is not whole."""
    return raster.probe(source, reading, FORMAT, read)


FORMAT = Format(
    name="webp",
    title="a WebP picture",
    short="WebP",
    kind=Kind.IMAGE,
    media_type="image/webp",
    extensions=(".webp",),
    sniff=sniff,
    probe=probe,
)


def read(file: BinaryIO, size: int) -> Picture:
    """What the chunks of a WebP say; NotWhole when one is missing."""
    (length,) = struct.unpack("<4xL4x", take(file, 12))
    end = 8 + length
    if end > size:
        raise NotWhole(f"it ends {end - size:,} bytes too soon")
    extent: tuple[int, int] | None = None
    times: list[float] = []
    lossy = pictures = 0
    plays = 1
    exif: bytes | None = None
    for kind, start, count in _chunks(file, 12, end):
        if kind == b"VP8X":
            extent = _three(take(file, 10), 4, 7)
        elif kind == b"ANIM":
            plays = int.from_bytes(take(file, 6)[4:], "little")
        elif kind == b"ANMF":
            times.append(float(int.from_bytes(take(file, 16)[12:15], "little")))
            inside = list(_chunks(file, start + 16, start + count))
            lossy += _lossy(inside)
        elif kind in (b"VP8 ", b"VP8L"):
            pictures += 1
            extent = extent or _extent(kind, take(file, min(10, count)))
            lossy += _lossy([(kind, start, count)])
        elif kind == b"EXIF" and count <= _LARGEST_EXIF:
            exif = take(file, count)
    if extent is None or not (times or pictures):
        raise NotWhole("it has no picture")
    if len(times) > MOST_FRAMES:
        raise Unfit(f"has more than {MOST_FRAMES:,} frames, which is more than is decoded")
    return Picture(
        columns=extent[0],
        rows=extent[1],
        colour=True,
        decoder="WEBP",
        frames=tuple(range(len(times))) if times else (0,),
        times=tuple(times),
        plays=plays,
        compressed=(lossy, VP8_METHOD) if lossy else None,
        exif=exif,
        messages=(f"has {size - end:,} bytes behind its picture; they are left out",) if size > end else (),
    )


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk between two places: its kind, where its value is, and how long it is."""
    for _ in range(_MOST_CHUNKS):
        if start >= end - 1:  # an odd length at the end may lack its padding
            return
        file.seek(start)
        kind, count = struct.unpack("<4sL", take(file, 8))
        if start + 8 + count > end:
            raise NotWhole("it ends amid its picture")
        yield kind, start + 8, count
        start += 8 + count + count % 2
    raise Unfit(f"is no valid WebP: it has more than {_MOST_CHUNKS:,} chunks")


def _lossy(chunks: list[tuple[bytes, int, int]]) -> int:
    """Bytes of pictures that are coded with loss."""
    return sum(count for kind, _, count in chunks if kind == b"VP8 ")


def _three(data: bytes, *places: int) -> tuple[int, int]:
    """Columns and rows, each a number of three bytes that is one less."""
    columns, rows = (1 + int.from_bytes(data[place : place + 3], "little") for place in places)
    return columns, rows


def _extent(kind: bytes, head: bytes) -> tuple[int, int]:
    """Columns and rows of a stream (RFC 6386 9.1, RFC 9649 3.4)."""
    if kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(head) == 10 and head[3:6] == b"\x9d\x01\x2a":
        columns, rows = struct.unpack("<HH", head[6:])
        return columns & 0x3FFF, rows & 0x3FFF
    raise NotWhole("its picture has a damaged header")
