"""GIF pictures, still and animated (GIF89a): decoded, each frame composed as it is seen."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway.config import Reading
from gateway.formats import raster
from gateway.formats.format import Format
from gateway.formats.raster import MOST_FRAMES, NotWhole, Picture, Unfit, all_grey, skip, take
from gateway.model import Kind, Probe, Source

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
"""The extension of an application that says how often an animation is repeated; no standard has it."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a GIF."""
    return head.startswith((b"GIF87a", b"GIF89a"))


def probe(source: Source, reading: Reading) -> Probe:
    """What a GIF says of itself. Raises `Reject` for one that is not whole."""
    return raster.probe(source, reading, FORMAT, read)


FORMAT = Format(
    name="gif",
    title="a GIF picture",
    short="GIF",
    kind=Kind.IMAGE,
    media_type="image/gif",
    extensions=(".gif",),
    sniff=sniff,
    probe=probe,
)


@dataclass(slots=True)
class _Frames:
    """What is seen of the frames on the way."""

    columns: int
    rows: int
    times: list[float] = field(default_factory=list)
    delay: float = 0.0
    grey: bool = True
    plays: int = 1


def read(file: BinaryIO, size: int) -> Picture:
    """What the blocks of a GIF say; NotWhole when one is missing."""
    columns, rows, packed = struct.unpack("<6xHHBxx", take(file, 13))
    frames = _Frames(columns, rows)
    if packed & 0x80:
        frames.grey = all_grey(take(file, 3 << (packed & 7) + 1))
    while (block := take(file, 1)[0]) != _TRAILER:
        if block == _IMAGE:
            _read_image(file, size, frames)
        elif block == _EXTENSION:
            _read_extension(file, size, frames)
        elif block:  # bytes of padding mean nothing
            raise NotWhole(f"it has a block of the unknown kind {block}")
    if not frames.times:
        raise Unfit("is a GIF without a picture. Check where it comes from")
    return Picture(
        columns=frames.columns,
        rows=frames.rows,
        colour=not frames.grey,
        decoder="GIF",
        frames=tuple(range(len(frames.times))),
        times=tuple(frames.times),
        plays=frames.plays,
    )


def _read_image(file: BinaryIO, size: int, frames: _Frames) -> None:
    """Goes over a frame (20, 22). The first one may be larger than the screen it says it is for."""
    left, top, width, height, packed = struct.unpack("<HHHHB", take(file, 9))
    if not frames.times:
        frames.columns, frames.rows = max(frames.columns, left + width), max(frames.rows, top + height)
    if packed & 0x80:
        frames.grey &= all_grey(take(file, 3 << (packed & 7) + 1))
    take(file, 1)  # the size of codes
    _skip_blocks(file, size)
    frames.times.append(frames.delay)
    frames.delay = 0.0
    if len(frames.times) > MOST_FRAMES:
        raise Unfit(f"has more than {MOST_FRAMES:,} frames, which is more than is decoded")


def _read_extension(file: BinaryIO, size: int, frames: _Frames) -> None:
    """Goes over an extension, and takes the delay of the next frame from it (23), or the repetitions (26)."""
    kind, length = take(file, 2)
    if kind == _GRAPHIC_CONTROL and length == 4:
        frames.delay = 10.0 * struct.unpack("<xHx", take(file, 4))[0]
    elif kind == _APPLICATION and length == 11:
        if take(file, length) in _LOOPING:
            _read_repetitions(file, size, frames)
            return
    elif length:
        skip(file, size, length)
    else:
        return
    _skip_blocks(file, size)


def _read_repetitions(file: BinaryIO, size: int, frames: _Frames) -> None:
    """Takes from the blocks of the extension how often an animation is played; 0 is without end."""
    while length := take(file, 1)[0]:
        if length != 3:
            skip(file, size, length)
            continue
        kind, repeated = struct.unpack("<BH", take(file, 3))
        if kind == 1:
            frames.plays = repeated + 1 if repeated else 0


def _skip_blocks(file: BinaryIO, size: int) -> None:
    """Goes over blocks of data up to the empty one that ends them (15)."""
    while length := take(file, 1)[0]:
        skip(file, size, length)
