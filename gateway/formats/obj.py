"""Wavefront OBJ models: stored as they are, with the names of the material libraries and textures they need.

A file says nothing of its unit of length, and nothing here guesses it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from gateway.config import Reading
from gateway.errors import Reject, Unfinished
from gateway.formats import mtl
from gateway.formats.format import Format
from gateway.formats.model_lines import LONGEST_NAME, Extent, name, pieces
from gateway.model import Document, Kind, Probe, Source
from gateway.stream import FileStamp, open_file

_NUMBER = rb"(?:[ \t]++[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?)"
_CORNER = rb"(?:[ \t]++-?\d++(?:/-?\d*+){0,2})"
_STATEMENT = re.compile(
    rb"[ \t]*+(?:"
    rb"vp?" + _NUMBER + rb"{2,7}"
    rb"|vn" + _NUMBER + rb"{3}"
    rb"|vt" + _NUMBER + rb"{1,3}"
    rb"|[fl]" + _CORNER + rb"{2,}"
    rb"|p" + _CORNER + rb"+"
    rb"|[ogs](?:[ \t][^\n]*)?"
    rb"|(?:mtllib|usemtl|usemap|maplib|mg|lod|bevel|[cd]_interp|shadow_obj|trace_obj)[ \t][^\n]*"
    rb"|(?:cstype|deg|parm|end)(?:[ \t][^\n]*)?"
    rb")?[ \t]*+(?:#[^\n]*)?\n"
)
"""A line as the format has them: an empty one, a comment, or a statement."""

_POINT = re.compile(rb"^[ \t]*v[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)", re.M)
_FACE = re.compile(rb"^[ \t]*f[ \t]+([^\n#]*)", re.M)
_NAMED = re.compile(rb"^[ \t]*(mtllib|o)[ \t]+([^\n]*)", re.M)
_LIBRARIES = re.compile(r".+?\.mtl(?=\s|$)", re.I)

_MOST_NAMES = 256
"""Material libraries and textures that are kept by name."""


def sniff(head: bytes) -> bool:
    """Whether all lines in these first bytes can be an OBJ model's, and corners are among them."""
    lines = mtl.lines_of(head)
    position = 0
    while match := _STATEMENT.match(lines, position):
        position = match.end()
    return position == len(lines) and _POINT.search(lines) is not None


def probe(source: Source, reading: Reading) -> Probe:
    """What an OBJ model says of itself: its corners and faces, and the files that it names.

    Raises `Reject` for a model that is not whole, or has no faces.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        facts = _read(file, path)
    textures, missing = _textures(source, facts["mtllib"])
    return FORMAT.whole(
        source,
        stamp,
        facts={"model": facts | {"textures": textures}},
        document=Document(FORMAT.media_type, names=facts["mtllib"]),
        messages=tuple(f"names the material library {each}, which is not beside it" for each in missing),
    )


FORMAT = Format(
    name="obj",
    title="an OBJ model",
    short="OBJ",
    kind=Kind.DOCUMENT,
    media_type="model/obj",
    extensions=(".obj",),
    sniff=sniff,
    probe=probe,
)


def _read(file: BinaryIO, path: Path) -> dict[str, Any]:
    extent = Extent()
    triangles = 0
    title: str | None = None
    libraries: dict[str, None] = {}
    ends = b"\n"
    for piece in pieces(file, path):
        try:
            extent.add(_POINT.findall(piece))
        except ValueError as error:
            raise Reject(
                f"{path} is damaged: a corner of the OBJ model is no place in space. Export it again"
            ) from error
        triangles += sum(max(len(corners.split()) - 2, 0) for corners in _FACE.findall(piece))
        for word, text in _NAMED.findall(piece):
            if word == b"o":
                title = title or name(text[:LONGEST_NAME])
            elif len(libraries) < _MOST_NAMES:
                libraries |= dict.fromkeys(_library_names(name(text[:LONGEST_NAME]) or ""))
        ends = piece[piece.rfind(b"\n", 0, -1) + 1 :]
    if not _STATEMENT.fullmatch(ends):
        raise Unfinished(
            f"{path} is not whole: its last line is no line of an OBJ model. Copy or export it again"
        )
    if not extent.number or not triangles:
        raise Reject(f"{path} is an OBJ model without a single face. Export it again, with its surface")
    return {
        "title": title,
        "triangles": triangles,
        "vertices": extent.number,
        "bounds": extent.bounds,
        "mtllib": tuple(libraries)[:_MOST_NAMES],
    }


def _library_names(text: str) -> list[str]:
    """The names behind `mtllib`: several are separated by spaces, which may also be in one."""
    return [each.strip() for each in _LIBRARIES.findall(text)] or text.split()


def _textures(source: Source, libraries: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """The textures that the material libraries beside a model name, and the libraries that are not there.

    Only files in the model's folder or below are looked into: a name may say anything.
    """
    found: dict[str, None] = {}
    missing: list[str] = []
    for library in libraries:
        path = source.beside(library)
        try:
            if path is None:
                missing.append(library)
                continue
            with open_file(path) as file:
                found |= dict.fromkeys(mtl.read(file, path)["textures"])
        except Reject as error:
            missing.append(f"{library} ({error})")
    return tuple(found)[:_MOST_NAMES], missing
