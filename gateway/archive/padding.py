"""Values without the byte that pads them.

A value in a Part 10 file has an even length, and seldom does an attribute say what it was before. But
documents, pictures and videos know where they end.
"""

from __future__ import annotations

import struct

from pydicom.dataset import Dataset

from gateway.model import Bulk
from gateway.stream import Stream

_VALUE_LENGTH = "EncapsulatedPixelDataValueTotalLength"
_ENDS = (
    b"\xff\xd9",  # JPEG, JPEG-LS and JPEG 2000: end of image
    b"\x00\x00\x01\xb9",  # MPEG program stream: end code
)
_TEXTUAL = ("application/pdf", "application/xml", "text/")
_PACKET = 188
"""Bytes of a packet in an MPEG transport stream."""

_MAX_BOXES = 100_000


def without(bulk: Bulk, dataset: Dataset) -> Stream:
    """The value as it was before it was padded to an even length, where that can be told."""
    value = bulk.value
    if value.length < 2 or value.length % 2 or value.cut(value.length - 1, 1).read() != b"\0":
        return value
    true_length = value.length - 1
    if bulk.encapsulated:
        said = dataset.get(_VALUE_LENGTH)
        padded = said == true_length if isinstance(said, int) else _ends_at(value, true_length)
    else:
        padded = bulk.media_type.lower().startswith(_TEXTUAL) and "EncapsulatedDocumentLength" not in dataset
    return value.cut(0, true_length) if padded else value


def _ends_at(value: Stream, length: int) -> bool:
    """Whether a picture or video says that it ends there."""
    tail = value.cut(max(0, length - 4), min(4, length)).read()
    if tail.endswith(_ENDS):
        return True
    head = value.cut(0, min(16, length)).read()
    if head[:1] == b"G":
        return length % _PACKET == 0
    return head[4:8] in {b"ftyp", b"styp", b"moov"} and _boxes_end(value) == length


def _boxes_end(value: Stream) -> int | None:
    """Where the last box of an MP4 file ends (ISO/IEC 14496-12 4.2)."""
    position = 0
    for _ in range(_MAX_BOXES):
        head = value.cut(position, min(16, value.length - position)).read()
        if len(head) < 8:
            return position
        size = struct.unpack(">L", head[:4])[0]
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if size < 8 or position + size > value.length:
            return None
        position += size
    return None
