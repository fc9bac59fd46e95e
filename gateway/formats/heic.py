"""HEIC pictures of telephones (ISO/IEC 23008-12): decoded by libheif, which comes as an extra.

They were compressed with loss. libheif turns them as their container says; an orientation in their EXIF
data is there for information only (ISO/IEC 23008-12 A.2.2).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.config import Reading
from gateway.convert import heif
from gateway.formats import raster
from gateway.formats.format import Format
from gateway.formats.raster import NotWhole, Picture, Unfit, take
from gateway.model import Kind, Probe, Source

METHOD = "ISO_23008_2"

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
_MOST_BOXES = 10_000
_GENERAL = frozenset({b"mif1", b"mif2", b"msf1"})
"""Brands that say nothing of the coding; the compatible ones do."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a HEIC: by its brand, or one of those it is compatible with."""
    if head[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = {head[place : place + 4] for place in range(16, length - 3, 4)}
    return head[8:12] in _BRANDS or (head[8:12] in _GENERAL and not compatible.isdisjoint(_BRANDS))


def probe(source: Source, reading: Reading) -> Probe:
    """What a HEIC says of itself. Raises `Reject` for one that cannot be read."""
    return raster.probe(source, reading, FORMAT, partial(read, source.path))


FORMAT = Format(
    name="heic",
    title="a HEIC or HEIF picture",
    short="HEIC",
    kind=Kind.IMAGE,
    media_type="image/heic",
    extensions=(".heic", ".heif", ".hif"),
    sniff=sniff,
    probe=probe,
    aliases=("image/heif",),
)


def read(path: Path, file: BinaryIO, size: int) -> Picture:
    """What libheif says of a HEIC. Raises `Reject`, and NotWhole where its boxes go beyond its end."""
    _check_whole(file, size)
    facts = heif.facts(path)
    messages: list[str] = []
    if facts.bits > 8:
        messages.append(f"has {facts.bits} bits a sample; they are reduced to 8")
    if facts.pictures > 1:
        messages.append(f"has {facts.pictures} pictures; the main one is stored")
    return Picture(
        columns=facts.columns,
        rows=facts.rows,
        colour=facts.colour,
        decoder="HEIF",
        frames=(facts.main,),
        orientation=1,
        compressed=(size, METHOD),
        exif=facts.exif,
        messages=tuple(messages),
    )


def _check_whole(file: BinaryIO, size: int) -> None:
    """Goes over the outermost boxes (ISO/IEC 14496-12 4.2), which fill the file."""
    start = 0
    for _ in range(_MOST_BOXES):
        if start == size:
            return
        file.seek(start)
        length = int.from_bytes(take(file, 8)[:4], "big")
        if length == 1:
            length = int.from_bytes(take(file, 8), "big")
        length = length or size - start  # without a size, the box reaches to the end
        if length < 8 or start + length > size:
            raise NotWhole("it ends amid one of its parts")
        start += length
    raise Unfit(f"is no valid HEIC: it has more than {_MOST_BOXES:,} parts")
