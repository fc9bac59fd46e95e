"""Models written as lines of text (ASCII STL, Wavefront OBJ and MTL), read in pieces of whole lines."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Reject
from gateway.stream import CHUNK

LONGEST = 1024 * 1024
"""Bytes that one line may have: a face with a hundred thousand corners."""

LONGEST_NAME = 1024
"""Bytes of a name or title that are looked at."""

_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")


def pieces(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The file from its start in pieces of whole lines, each with its line end.

    Lines that are continued by a backslash are joined. Raises `Reject` for a line that is too
    long to be one, and for bytes that no text has.
    """
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)
    rest = b""
    while chunk := file.read(CHUNK):
        if found := _CONTROL.search(chunk):
            raise Reject(f"{path} is damaged: a model in text has no byte {found[0][0]:02X}. Export it again")
        if chunk.endswith(b"\r"):
            chunk += file.read(1)
        rest += chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = rest.rfind(b"\n") + 1
        while end > 1 and rest[end - 2 : end - 1] == b"\\":
            end = rest.rfind(b"\n", 0, end - 1) + 1
        if len(rest) - end > LONGEST:
            raise Reject(f"{path} is damaged: it has a line of more than {LONGEST:,} bytes. Export it again")
        if end:
            yield _joined(rest[:end])
        rest = rest[end:]
    if rest:
        yield _joined(rest) + b"\n"


def _joined(lines: bytes) -> bytes:
    return re.sub(rb"\\\n+", b" ", lines) if b"\\\n" in lines else lines


@dataclass(slots=True)
class Extent:
    """The number of points so far, and the box around them."""

    number: int = 0
    low: list[float] = field(default_factory=lambda: [float("inf")] * 3)
    high: list[float] = field(default_factory=lambda: [float("-inf")] * 3)

    def add(self, points: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Some more points, as texts. Raises ValueError for one that is not three numbers."""
        for axis, texts in enumerate(zip(*points, strict=True)):
            values = list(map(float, texts))
            self.include(axis, min(values), max(values))
            self.number += 0 if axis else len(values)

    def include(self, axis: int, low: float, high: float) -> None:
        """Widens the box along one axis. Raises ValueError for what is no place."""
        if not (isfinite(low) and isfinite(high)):
            raise ValueError("a number is infinite or none")
        self.low[axis] = min(self.low[axis], low)
        self.high[axis] = max(self.high[axis], high)

    @property
    def bounds(self) -> tuple[float, ...] | None:
        """The least x, y and z, then the greatest; None without points."""
        return (*self.low, *self.high) if self.number else None


def name(text: bytes) -> str | None:
    """A name or title on one line without control characters; None when nothing is left."""
    plain = text.decode("utf-8", "replace")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split()) or None
