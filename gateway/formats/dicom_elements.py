"""The elements of a DICOM data set, passed over in constant memory (PS3.5 chapter 7).

Only tags and lengths are read; values are the caller's to read or to skip. Sequences of any size are
skipped without holding them, which reading them as a data set would do.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from gateway.stream import CHUNK

UNDEFINED = 0xFFFFFFFF
"""The length of a value that ends with a delimiter."""

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
"""Tags inside sequences and fragmented pixel data (PS3.5 7.5)."""

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations whose length takes four bytes after two reserved ones (PS3.5 table 7.1-1)."""

_DEEPEST = 64
"""Sequences within sequences that are followed; reports, the deepest there are, have a dozen."""


class Broken(Exception):
    """The bytes are no data set; the text says where."""


class CutOff(Broken):
    """The data set goes on behind the end of the file."""


class TooLong(Broken):
    """More would have to be inflated than is allowed."""


class Bytes(Protocol):
    """Bytes that can be read and skipped in order."""

    def read(self, length: int) -> bytes:
        """So many bytes, fewer at the end."""

    def skip(self, length: int) -> None:
        """Passes over so many bytes; raises `CutOff` when there are fewer."""

    def tell(self) -> int:
        """Bytes passed so far."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written."""

    explicit: bool = True
    little: bool = True

    def number(self, data: bytes) -> int:
        """An unsigned number."""
        return int.from_bytes(data, "little" if self.little else "big")


@dataclass(frozen=True, slots=True)
class Element:
    """The header of an element; `vr` is empty where it is not written."""

    tag: int
    vr: bytes
    length: int


class PlainBytes:
    """A file from where it stands."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.read = file.read
        self.tell = file.tell

    def skip(self, length: int) -> None:
        """Passes over bytes without reading them."""
        if self._file.seek(length, 1) > self._size:
            raise CutOff(f"it has {self._size:,} bytes and should have {self._file.tell():,} or more")


class InflatedBytes:
    """A deflated rest of a file (PS3.5 A.5), inflated as far as it is asked for."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._ready = b""
        self._passed = 0
        self._limit = limit

    def read(self, length: int) -> bytes:
        """So many bytes, fewer at the end of the stream."""
        parts: list[bytes] = []
        while length and (self._ready or self._more()):
            part, self._ready = self._ready[:length], self._ready[length:]
            parts.append(part)
            length -= len(part)
            self._passed += len(part)
        return b"".join(parts)

    def skip(self, length: int) -> None:
        """Passes over bytes; they have to be inflated for it."""
        while length:
            part = self.read(min(length, CHUNK))
            if not part:
                raise CutOff("its deflated data set ends too soon")
            length -= len(part)

    def tell(self) -> int:
        """Inflated bytes passed so far."""
        return self._passed

    def _more(self) -> bool:
        """Inflates some more; False at the end."""
        if self._passed >= self._limit:
            raise TooLong(f"its data set is deflated and has more than {self._limit:,} bytes")
        while not self._ready and not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._file.read(CHUNK)
            try:
                self._ready = self._inflate.decompress(data, CHUNK)
            except zlib.error as error:
                raise Broken("its data set is not deflated, as its transfer syntax says") from error
            if not data and not self._ready:
                raise CutOff("its deflated data set ends too soon")
        return bool(self._ready)


def next_element(data: Bytes, encoding: Encoding) -> Element | None:
    """The header of the next element; None at the end of the bytes, or of all but a few zeros.

    An element without a value representation where one must stand is read as Implicit VR: some writers
    change over in the middle. Raises `Broken` when the bytes end within the header.
    """
    header = data.read(8)
    if len(header) < 8:
        if header.strip(b"\0"):
            raise CutOff("it ends within an element")
        return None
    tag = encoding.number(header[:2]) << 16 | encoding.number(header[2:4])
    vr = header[4:6]
    if not encoding.explicit or tag >> 16 == 0xFFFE or not is_representation(vr):
        return Element(tag, b"", encoding.number(header[4:]))
    if vr not in _LONG:
        return Element(tag, vr, encoding.number(header[6:]))
    length = data.read(4)
    if len(length) < 4:
        raise CutOff("it ends within an element")
    return Element(tag, vr, encoding.number(length))


def is_representation(data: bytes) -> bool:
    """Whether two bytes can be a value representation: new ones may come, but all are two capitals."""
    return data.isalpha() and data.isupper()


def skip_value(data: Bytes, element: Element, encoding: Encoding, depth: int = 0) -> None:
    """Passes over the value of an element, items and fragments included.

    Raises `Broken` when what should be items is something else, and `CutOff` when the bytes end first.
    """
    if element.length != UNDEFINED:
        data.skip(element.length)
        return
    if depth > _DEEPEST:
        raise Broken(f"its sequences go deeper than {_DEEPEST} levels")
    # Of unknown value representation with undefined length: a sequence in Implicit VR (PS3.5 6.2.2).
    inner = Encoding(explicit=False) if element.vr == b"UN" else encoding
    while (item := _within(data, inner)).tag != SEQUENCE_END:
        if item.tag != ITEM:
            raise Broken(f"there is no item before byte {data.tell():,}, where one must stand")
        if item.length != UNDEFINED:
            data.skip(item.length)
            continue
        while (nested := _within(data, inner)).tag != ITEM_END:
            skip_value(data, nested, inner, depth + 1)


def _within(data: Bytes, encoding: Encoding) -> Element:
    """The next element inside a sequence, which has not ended yet."""
    element = next_element(data, encoding)
    if element is None:
        raise CutOff("it ends within a sequence")
    return element
