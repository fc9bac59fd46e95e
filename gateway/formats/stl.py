"""STL models, binary and ASCII: stored as they are, after a look at whether they are whole.

A file says nothing of its unit of length, and nothing here guesses it.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

from gateway.config import Reading
from gateway.errors import Reject, Unfinished
from gateway.formats.format import Format
from gateway.formats.model_lines import Extent, name, pieces
from gateway.model import Kind, Probe, Source
from gateway.stream import FileStamp, open_file

_HEADER = 84
"""Bytes before the facets of a binary file: 80 of anything, and their number."""

_FACET = 50
"""Bytes of a facet: a normal and three corners of three floats each, and two bytes more."""

_AT_ONCE = 4096
"""Facets read at a time."""

_FARTHEST = 1e9
"""No coordinate is larger: in micrometres, that is a kilometre."""

_ASCII = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}solid\b[^\n]{0,1024}\n\s*(?:facet\s+normal|endsolid)\b", re.I)
_TITLE = re.compile(rb"\s{0,64}solid\b([^\r\n]*)", re.I)
_VERTEX = re.compile(rb"^[ \t]*vertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*$", re.M | re.I)
_KEYWORD = re.compile(rb"^[ \t]*(facet|outer|vertex|endloop|endfacet|solid|endsolid)\b", re.M | re.I)
_LINE = re.compile(rb"^[ \t]*\S", re.M)

_COLOURS = re.compile(rb"(?:COLOR|MATERIAL)=")
"""Where a header goes on with the bytes of a colour."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are an STL model's: its first words, or facets that can be some."""
    return _ASCII.match(head) is not None or _is_binary(head)


def probe(source: Source, reading: Reading) -> Probe:
    """What an STL model says of itself: its facets, and the box around them.

    Raises `Reject` for a model that is not whole, or has no facets.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        head = file.read(_HEADER + _FACET)
        file.seek(0)
        binary = stamp.size == _announced(head) or not _ASCII.match(file.read(4096))
        file.seek(0)
        facts = _binary(file, path, stamp.size) if binary else _ascii(file, path)
    if not facts["triangles"]:
        raise Reject(f"{path} is an STL model without a single facet. Export it again")
    return FORMAT.whole(source, stamp, facts={"model": facts})


FORMAT = Format(
    name="stl",
    title="an STL model",
    short="STL",
    kind=Kind.DOCUMENT,
    media_type="model/stl",
    extensions=(".stl",),
    sniff=sniff,
    probe=probe,
    aliases=("model/x.stl-binary", "model/x.stl-ascii", "application/sla", "application/vnd.ms-pki.stl"),
)


def _announced(head: bytes) -> int:
    """The size of the file by the number of facets in its header, were it binary."""
    return _HEADER + _FACET * int.from_bytes(head[_HEADER - 4 : _HEADER], "little")


def _is_binary(head: bytes) -> bool:
    """Whether facets stand behind a header: nothing else has unit vectors at such distances."""
    there = min((len(head) - _HEADER) // _FACET, (_announced(head) - _HEADER) // _FACET)
    if there < 1:
        return False
    facets = [struct.unpack_from("<12f", head, _HEADER + number * _FACET) for number in range(there)]
    return (
        all(abs(value) < _FARTHEST for facet in facets for value in facet[3:])
        and any(len({facet[3:6], facet[6:9], facet[9:12]}) == 3 for facet in facets)
        and 10 * sum(map(_is_direction, facets)) >= 9 * there
    )


def _is_direction(facet: tuple[float, ...]) -> bool:
    """Whether a facet's normal is a unit vector, or left out."""
    square = facet[0] ** 2 + facet[1] ** 2 + facet[2] ** 2
    return square == 0 or 0.98 < square < 1.02


def _binary(file: BinaryIO, path: Path, size: int) -> dict[str, Any]:
    """The facts of a binary model, which is as long as its number of facets says."""
    import numpy  # only models need it here

    header = file.read(_HEADER)
    wanted = _announced(header)
    if size != wanted:
        state, error = ("is not whole", Unfinished) if size < wanted else ("is damaged", Reject)
        raise error(
            f"{path} {state}: an STL model of {(wanted - _HEADER) // _FACET:,} facets has {wanted:,} bytes, "
            f"and this one {size:,}. Copy or export it again"
        )
    extent = Extent()
    kind = numpy.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    while data := file.read(_AT_ONCE * _FACET):
        corners = numpy.frombuffer(data, kind, len(data) // _FACET)["corners"].reshape(-1, 3)
        if not numpy.isfinite(corners).all():
            raise _no_place(path)
        for axis in range(3):
            extent.include(axis, float(corners[:, axis].min()), float(corners[:, axis].max()))
        extent.number += len(corners)
    return _facts(header[: _HEADER - 4], extent)


def _ascii(file: BinaryIO, path: Path) -> dict[str, Any]:
    """The facts of a model in text; each facet has three corners, and there is an end."""
    extent = Extent()
    title: bytes | None = None
    last = b""
    for piece in pieces(file, path):
        if title is None:
            title = match[1] if (match := _TITLE.match(piece)) else b""
        try:
            extent.add(_VERTEX.findall(piece))
        except ValueError as error:
            raise _no_place(path) from error
        words = _KEYWORD.findall(piece)
        if len(words) != len(_LINE.findall(piece)):
            raise Reject(f"{path} is damaged: it has lines that an STL model has not. Export it again")
        last = words[-1] if words else last
    if last.lower() != b"endsolid" or extent.number % 3:
        raise Unfinished(f"{path} is not whole: the STL model does not end with 'endsolid'. Export it again")
    return _facts(title or b"", extent)


def _facts(title: bytes, extent: Extent) -> dict[str, Any]:
    text = _COLOURS.split(title, maxsplit=1)[0].partition(b"\0")[0].strip()
    if text[:5].lower() == b"solid":
        text = text[5:]
    return {
        "title": name(text.decode("ascii", "replace").replace("\N{REPLACEMENT CHARACTER}", " ").encode()),
        "triangles": extent.number // 3,
        "vertices": extent.number,
        "bounds": extent.bounds,
    }


def _no_place(path: Path) -> Reject:
    return Reject(f"{path} is damaged: a corner of its facets is no place in space. Export it again")
