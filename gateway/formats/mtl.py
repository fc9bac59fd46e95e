"""Wavefront material libraries (MTL): stored as they are, with the names of the textures they need."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from gateway.config import Reading
from gateway.errors import Unfinished
from gateway.formats.format import Format
from gateway.formats.model_lines import LONGEST_NAME, name, pieces
from gateway.model import Document, Kind, Probe, Source
from gateway.stream import FileStamp, open_file

_NUMBERS = rb"(?:[ \t]++[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?)"
_STATEMENT = re.compile(
    rb"[ \t]*+(?:"
    rb"newmtl[ \t]+\S[^\n]*"
    rb"|K[adesm]" + _NUMBERS + rb"{1,3}|Tf" + _NUMBERS + rb"{1,3}|K[ads][ \t]+(?:spectral|xyz)[ \t][^\n]*"
    rb"|(?:N[si]|d|Tr|sharpness|illum|P[rmsc]|Pcr|aniso|anisor)"
    + _NUMBERS
    + rb"|d[ \t]+-halo"
    + _NUMBERS
    + rb""
    rb"|(?:map_\w{1,16}|bump|disp|decal|refl|norm)[ \t]+\S[^\n]*"
    rb")?[ \t]*+(?:#[^\n]*)?\n",
)
"""A line as the format has them: an empty one, a comment, or a statement."""

_MATERIAL = re.compile(rb"^[ \t]*newmtl[ \t]+\S", re.M)
_FIRST = re.compile(rb"(?:\s|#[^\n]*\n)*newmtl[ \t]+\S")
_TEXTURE = re.compile(rb"^[ \t]*(?:map_(?!aat)\w{1,16}|bump|disp|decal|refl|norm)[ \t]+([^\n]*)", re.M | re.I)
_OPTION = re.compile(
    r"-(?:blendu|blendv|cc|clamp|imfchan|type)\s+\S+\s+|-(?:bm|boost|texres)\s+\S+\s+|-mm\s+\S+\s+\S+\s+"
    r"|-[ost](?:\s+[+-]?[\d.]+(?:[eE][+-]?\d+)?){1,3}\s+"
)
"""An option before the name of a texture."""

_MOST_NAMES = 256
"""Textures that are kept by name."""


def sniff(head: bytes) -> bool:
    """Whether all lines in these first bytes can be a material library's, and a material comes first."""
    lines = lines_of(head)
    if not _FIRST.match(lines):
        return False
    position = 0
    while match := _STATEMENT.match(lines, position):
        position = match.end()
    return position == len(lines)


def probe(source: Source, reading: Reading) -> Probe:
    """What a material library says: its materials, and the textures that they need.

    Raises `Reject` for one that is not whole.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        facts = read(file, path)
    return FORMAT.whole(
        source,
        stamp,
        facts={"model": facts},
        document=Document(FORMAT.media_type, names=facts["textures"]),
    )


FORMAT = Format(
    name="mtl",
    title="a material library (MTL)",
    short="MTL",
    kind=Kind.DOCUMENT,
    media_type="model/mtl",
    extensions=(".mtl",),
    sniff=sniff,
    probe=probe,
)


def lines_of(head: bytes) -> bytes:
    """The whole lines in the first bytes of a text, continued ones joined."""
    whole = head[: head.rfind(b"\n") + 1] or head
    text = whole.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.replace(b"\\\n", b" ").rstrip(b" \t\n") + b"\n"


def read(file: BinaryIO, path: Path) -> dict[str, Any]:
    """The facts of a material library. Raises `Reject` for one that is not whole."""
    materials = 0
    textures: dict[str, None] = {}
    ends = b"\n"
    for piece in pieces(file, path):
        materials += len(_MATERIAL.findall(piece))
        for text in _TEXTURE.findall(piece):
            if len(textures) < _MOST_NAMES and (texture := _texture(name(text[:LONGEST_NAME]) or "")):
                textures[texture] = None
        ends = piece[piece.rfind(b"\n", 0, -1) + 1 :]
    if not _STATEMENT.fullmatch(ends):
        raise Unfinished(
            f"{path} is not whole: its last line is no line of an MTL file. Copy or export it again"
        )
    return {"materials": materials, "textures": tuple(textures)}


def _texture(text: str) -> str:
    """The name of a texture, without the options before it."""
    while match := _OPTION.match(text):
        text = text[match.end() :]
    return text
