"""Data elements as they stand in a file: where each begins and ends, in any transfer syntax (PS3.5 7).

Nothing here reads a value. Whatever the bytes say, walking over them takes bounded time and memory,
and what they cannot mean is a `Damaged`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol

from pydicom.datadict import dictionary_VR

from gateway.dicom.dictionary import keyword_of

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

MAX_DEPTH = 64
"""Sequences within sequences: several times what structured reports need, and within Python's own limit."""

MAX_WIDTH = 100_000
"""Elements of one data set or item, not counting those of sequences in it."""

MAX_ELEMENTS = 4_000_000
MAX_ITEMS = 1_000_000
"""What is counted on the way over one file: a slide of 100,000 frames has about half of it."""

PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"})
_OTHER_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})

SHORT_VRS = _TEXT_VRS | {"AT", "FD", "FL", "SL", "SS", "UL", "US"}
"""Those with a length of 16 bits in Explicit VR; all others, also those to come, have 32 (PS3.5 7.1.2)."""

KNOWN_VRS = SHORT_VRS | _OTHER_VRS | {"SQ", "SV", "UC", "UN", "UR", "UT", "UV"}


class Damaged(ValueError):
    """The bytes are no data set that can be read: why, as the middle of a sentence."""


class Window(Protocol):
    """Bytes that are looked at piece by piece."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on; all of them, or Damaged."""


class FileWindow:
    """The bytes of an open file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on; all of them, or Damaged."""
        self._file.seek(offset)
        return _complete(self._file.read(length), offset, length)


class Memory:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on; all of them, or Damaged."""
        return _complete(self._data[offset : offset + length], offset, length)


class Encoding(NamedTuple):
    """How the elements of a data set are written."""

    implicit: bool
    little: bool


EXPLICIT = Encoding(implicit=False, little=True)


class Element(NamedTuple):
    """The header of one element: where it starts, and where its value does.

    `vr` is None where the header has none. `length` may be UNDEFINED.
    """

    tag: int
    vr: str | None
    length: int
    start: int
    value: int


class Budget:
    """Counts elements and items, so that no file costs more than a bounded time."""

    def __init__(self) -> None:
        self._elements = MAX_ELEMENTS
        self._items = MAX_ITEMS

    def element(self) -> None:
        """Count one element."""
        self._elements -= 1
        if self._elements < 0:
            raise Damaged(f"it has more than {MAX_ELEMENTS:,} attributes")

    def item(self) -> None:
        """Count one item of a sequence, or one fragment."""
        self._items -= 1
        if self._items < 0:
            raise Damaged(f"it has more than {MAX_ITEMS:,} items and fragments")


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes up to `end` in which there are elements or items, and how those are written."""

    window: Window
    end: int
    encoding: Encoding
    budget: Budget
    depth: int = 0

    def element_at(self, offset: int) -> Element:
        """The header of the element that begins at `offset`."""
        self.budget.element()
        head = self.window.read(offset, max(min(12, self.end - offset), 0))
        if len(head) < 8:
            raise Damaged(f"it ends amid an attribute, at byte {offset:,}")
        order = "<" if self.encoding.little else ">"
        group, number = struct.unpack_from(f"{order}HH", head)
        tag = group << 16 | number
        if group == 0xFFFE and tag != ITEM_END:
            raise Damaged(f"there is no attribute at byte {offset:,}, but an item or delimiter")
        if self.encoding.implicit or group == 0xFFFE or not _is_vr(head[4:6]):
            return Element(tag, None, struct.unpack_from(f"{order}L", head, 4)[0], offset, offset + 8)
        vr = head[4:6].decode("ascii")
        if vr in SHORT_VRS:
            return Element(tag, vr, struct.unpack_from(f"{order}H", head, 6)[0], offset, offset + 8)
        if len(head) < 12:
            raise Damaged(f"it ends amid an attribute, at byte {offset:,}")
        vr = vr if vr in KNOWN_VRS else "UN"
        return Element(tag, vr, struct.unpack_from(f"{order}L", head, 8)[0], offset, offset + 12)

    def end_of(self, element: Element) -> int:
        """Where the element ends. Values of defined length are not looked into."""
        if element.length == UNDEFINED:
            return self._items_end(element) if holds_items(element) else self.fragments(element)[1]
        end = element.value + element.length
        if end > self.end:
            raise Damaged(
                f"{name_of(element.tag)} at byte {element.start:,} should have {element.length:,} bytes, "
                f"but only {max(self.end - element.value, 0):,} are there"
            )
        return end

    def fragments(self, element: Element) -> tuple[list[tuple[int, int]], int]:
        """Where each item of an encapsulated value is and its length, and the end of all (PS3.5 A.4)."""
        places: list[tuple[int, int]] = []
        offset = element.value
        while True:
            tag, length = self.item_at(offset, element)
            offset += 8
            if tag == SEQUENCE_END:
                return places, offset
            if length == UNDEFINED or offset + length > self.end:
                raise Damaged(
                    f"{name_of(element.tag)} has a fragment at byte {offset - 8:,} that does not end"
                )
            places.append((offset, length))
            offset += length

    def item_at(self, offset: int, element: Element) -> tuple[int, int]:
        """The tag and length of what stands at `offset` in a value: an item, or the end of them."""
        self.budget.item()
        if self.end - offset < 8:
            raise Damaged(f"it ends within {name_of(element.tag)}, at byte {offset:,}")
        layout = "<HHL" if self.encoding.little else ">HHL"
        group, number, length = struct.unpack(layout, self.window.read(offset, 8))
        tag = group << 16 | number
        if tag not in (ITEM, SEQUENCE_END):
            raise Damaged(f"{name_of(element.tag)} has something other than an item at byte {offset:,}")
        return tag, length

    def items_of(self, element: Element) -> Region:
        """The region in which a sequence's items are.

        An unknown attribute has them in Implicit VR Little Endian (PS3.5 6.2.2); as many writers do
        not know that, each item is looked at.
        """
        if self.depth >= MAX_DEPTH:
            raise Damaged(f"it has more than {MAX_DEPTH} sequences within each other")
        end = self.end if element.length == UNDEFINED else self.end_of(element)
        encoding = EXPLICIT if element.vr == "UN" else self.encoding
        return Region(self.window, end, encoding, self.budget, self.depth + 1)

    def item(self, offset: int, length: int) -> Region:
        """The region of an item's elements; it may be in implicit VR within an explicit one (PS3.5 6.2.2)."""
        end = self.end if length == UNDEFINED else offset + length
        if end > self.end:
            raise Damaged(f"it has an item at byte {offset - 8:,} that does not end")
        region = Region(self.window, end, self.encoding, self.budget, self.depth)
        return region if self.encoding.implicit else region.as_found(offset)

    def as_found(self, offset: int) -> Region:
        """The region by how the element at `offset` is really written: with a VR or without."""
        if self.end - offset < 8:
            return self
        implicit = not _is_vr(self.window.read(offset + 4, 2))
        return Region(
            self.window, self.end, Encoding(implicit, self.encoding.little), self.budget, self.depth
        )

    def _items_end(self, element: Element) -> int:
        items = self.items_of(element)
        offset = element.value
        while True:
            tag, length = items.item_at(offset, element)
            offset += 8
            if tag == SEQUENCE_END:
                return offset
            offset = offset + length if length != UNDEFINED else items.item(offset, length)._item_end(offset)

    def _item_end(self, offset: int) -> int:
        while True:
            element = self.element_at(offset)
            if element.tag == ITEM_END:
                return element.value
            offset = self.end_of(element)


def name_of(tag: int) -> str:
    """An attribute as people know it: `PatientName`, or `(0009,1001)` for one without a name."""
    keyword = keyword_of(tag)
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})" if keyword == f"{tag:08X}" else keyword


def header(tag: int, vr: str, length: int) -> bytes:
    """The bytes before a value in Explicit VR Little Endian."""
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode("ascii"))
    return start + (struct.pack("<H", length) if vr in SHORT_VRS else struct.pack("<HL", 0, length))


def padding(vr: str, length: int) -> bytes:
    """What a value of this length needs to have an even one (PS3.5 6.2): a space for text, or a zero byte."""
    filler = b" " if vr in (_TEXT_VRS | {"UC", "UR", "UT"}) - {"UI"} else b"\0"
    return filler[: length % 2]


def item_header(tag: int, length: int) -> bytes:
    """The bytes of an item, or of a delimiter, before its content."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, length)


def holds_items(element: Element) -> bool:
    """Whether a value of undefined length is a sequence of data sets, and not of fragments."""
    if element.vr in _OTHER_VRS:
        return False
    if element.vr is None or element.vr == "UN":
        return element.tag not in PIXEL_DATA and not dictionary_vr(element.tag).startswith("O")
    return True


def dictionary_vr(tag: int) -> str:
    """What PS3.6 says of an attribute, with `or` where it depends on others; `UN` for private and unknown."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return "UN" if vr == "NONE" else vr


def _complete(data: bytes, offset: int, length: int) -> bytes:
    if len(data) < length:
        raise Damaged(f"it ends amid the {length:,} bytes that begin at byte {offset:,}")
    return data


def _is_vr(letters: bytes) -> bool:
    return len(letters) == 2 and letters.isalpha() and letters.isupper()
