"""The frames of pixel data, each by where its bytes are (PS3.5 A.4, PS3.3 C.7.6.3, C.7.6.6)."""

from __future__ import annotations

import struct
from itertools import pairwise

from pydicom.dataset import Dataset

from gateway.dicom.elements import MAX_ITEMS, PIXEL_DATA
from gateway.dicom.reader import Fragments, Part10
from gateway.errors import Reject
from gateway.media_types import is_video
from gateway.model import Bulk
from gateway.stream import Stream

_EXTENDED_OFFSET_TABLE = 0x7FE00001
_EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00002
_SUBSAMPLED = {"YBR_FULL_422": 2.0, "YBR_PARTIAL_422": 2.0, "YBR_PARTIAL_420": 1.5}
"""Samples that are stored for a pixel where the colour of neighbours is shared (PS3.3 C.7.6.3.1.2)."""


def frames(part10: Part10) -> list[Stream]:
    """The bytes of each frame; those of a video are one stream for all.

    Native frames are cut by their size. Fragments are told apart by the Basic or the Extended Offset
    Table, or one is a frame, or all of them are the only frame. Raises `Reject` in words where there
    are no pixel data, or where frames cannot be told apart.
    """
    bulk = next((bulk for bulk in part10.bulks if bulk.tag in PIXEL_DATA), None)
    if bulk is None:
        raise Reject(f"{part10.path} has no pixel data, and so no frames")
    count = number_of_frames(part10.dataset)
    if count > MAX_ITEMS:
        raise Reject(
            f"{part10.path} says that it has {count:,} frames; more than {MAX_ITEMS:,} are not taken apart"
        )
    if bulk.encapsulated and part10.fragments is not None:
        return _encapsulated(part10, part10.fragments, count)
    return _native(part10, bulk, count)


def number_of_frames(dataset: Dataset) -> int:
    """Number of Frames, 1 where there is none or it makes no sense."""
    count = dataset.get("NumberOfFrames")
    return int(count) if isinstance(count, int) and count > 0 else 1


def _native(part10: Part10, bulk: Bulk, count: int) -> list[Stream]:
    bits = _bits_per_frame(part10)
    if bits % 8 and count > 1:
        raise Reject(
            f"{part10.path} has frames of {bits:,} bits, which do not begin at whole bytes; "
            "they cannot be taken apart"
        )
    size = -(-bits // 8)
    if size * count > bulk.value.length:
        raise Reject(
            f"{part10.path} should have {count:,} frames of {size:,} bytes, but its pixel data have "
            f"{bulk.value.length:,} bytes. Check Number of Frames, Rows, Columns and Bits Allocated"
        )
    try:
        return [bulk.value.cut(number * size, size) for number in range(count)]
    except ValueError as error:
        raise Reject(
            f"{part10.path} has frames of {size:,} bytes in Big Endian words, which they do not fill; "
            "they cannot be taken apart"
        ) from error


def _bits_per_frame(part10: Part10) -> int:
    dataset = part10.dataset
    rows, columns, allocated = (
        _positive(part10, keyword) for keyword in ("Rows", "Columns", "BitsAllocated")
    )
    samples: float = _positive(part10, "SamplesPerPixel") if "SamplesPerPixel" in dataset else 1
    if samples == 3:
        samples = _SUBSAMPLED.get(str(dataset.get("PhotometricInterpretation")), samples)
    return int(rows * columns * samples * allocated)


def _positive(part10: Part10, keyword: str) -> int:
    value = part10.dataset.get(keyword)
    if not isinstance(value, int) or value <= 0:
        raise Reject(
            f"{part10.path} has pixel data, but {keyword} is missing or no number; "
            "frames cannot be told apart"
        )
    return value


def _encapsulated(part10: Part10, fragments: Fragments, count: int) -> list[Stream]:
    total = len(fragments.places)
    if is_video(part10.transfer_syntax) or (count == 1 and total):
        return [fragments.value(0, total)]
    starts = _by_basic_table(fragments, count)
    if starts is not None:
        return [
            fragments.value(first, last) for first, last in zip(starts, [*starts[1:], total], strict=True)
        ]
    extended = _by_extended_table(part10, fragments, count)
    if extended is not None:
        return extended
    if total == count:
        return [fragments.value(number, number + 1) for number in range(count)]
    raise Reject(
        f"{part10.path} has {count:,} frames in {total:,} fragments, and no table says where each begins; "
        "they cannot be taken apart"
    )


def _by_basic_table(fragments: Fragments, count: int) -> list[int] | None:
    """The number of the first fragment of each frame; None where the table does not say it."""
    if fragments.offset_table.length != 4 * count:
        return None
    numbers = {start - 8: number for number, (start, _) in enumerate(fragments.places)}
    starts = [
        numbers.get(offset, -1) for offset in struct.unpack(f"<{count}L", fragments.offset_table.read())
    ]
    return starts if starts[0] == 0 and all(a < b for a, b in pairwise(starts)) else None


def _by_extended_table(part10: Part10, fragments: Fragments, count: int) -> list[Stream] | None:
    """Each frame by the Extended Offset Table, which has one fragment for each (PS3.3 C.7.6.3.1.8)."""
    offsets = _numbers(part10, _EXTENDED_OFFSET_TABLE, count)
    lengths = _numbers(part10, _EXTENDED_OFFSET_TABLE_LENGTHS, count)
    if offsets is None or lengths is None:
        return None
    places = {start - 8: (start, length) for start, length in fragments.places}
    found = [places.get(offset) for offset in offsets]
    pairs = list(zip(found, lengths, strict=True))
    if any(place is None or length > place[1] for place, length in pairs):
        return None
    return [fragments.body.cut(place[0], length) for place, length in pairs if place is not None]


def _numbers(part10: Part10, tag: int, count: int) -> tuple[int, ...] | None:
    bulk = next((bulk.value for bulk in part10.bulks if bulk.tag == tag), None)
    if bulk is None:
        element = part10.dataset.get(tag)
        value = element.value if element is not None else None
        bulk = Stream.of(value) if isinstance(value, bytes) else None
    return struct.unpack(f"<{count}Q", bulk.read()) if bulk is not None and bulk.length == 8 * count else None
