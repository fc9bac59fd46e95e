"""Part 10 files written: a header encoded by pydicom, and values that are streamed (PS3.10 7, PS3.5 A.4)."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element, write_file_meta_info
from pydicom.multival import MultiValue
from pydicom.uid import UID

from gateway.dicom.charsets import SPECIFIC_CHARACTER_SET, TEXT_VRS, UTF8_TERM
from gateway.dicom.elements import (
    ITEM,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    header,
    item_header,
    name_of,
    padding,
)
from gateway.dicom.repertoires import Repertoire, declared
from gateway.errors import Reject
from gateway.media_types import may_be_fragmented
from gateway.model import Bulk, Instance
from gateway.stream import Stream

IMPLEMENTATION_CLASS_UID = UID("2.25.91147433368524411870864308210233222801")
"""Says that this product wrote a file, in all its versions.

A UUID made once for it: PS3.5 B.2 would rather have a UID under a registered root here, which the
project does not have, and borrowing one would name somebody else.
"""

IMPLEMENTATION_VERSION_NAME = "STOW-GATEWAY"
"""Without a version number, so that a newer version writes the same bytes (PS3.10 Table 7.1-1, SH)."""

MAX_LENGTH = 0xFFFFFFFE
"""The longest value or fragment: lengths have 32 bits, are even, and the last stands for undefined."""

UTF8 = declared(UTF8_TERM)

PREAMBLE = bytes(128) + b"DICM"


def write(instance: Instance) -> Stream:
    """The instance as a complete Part 10 file; always the same bytes for the same instance.

    Text is in the character set that the data set declares, UTF-8 where it declares none. Large values
    are neither loaded nor copied. Raises `Reject` for one that is longer than its encoding can say
    (PS3.5 7.1, A.4).
    """
    if instance.part10 is not None:
        return instance.part10
    dataset = copy.deepcopy(instance.dataset)
    if SPECIFIC_CHARACTER_SET not in dataset:
        dataset[SPECIFIC_CHARACTER_SET] = DataElement(SPECIFIC_CHARACTER_SET, "CS", UTF8_TERM)
    repertoire = declared(dataset[SPECIFIC_CHARACTER_SET].value)
    if not dataset[SPECIFIC_CHARACTER_SET].value:
        del dataset[SPECIFIC_CHARACTER_SET]  # PS3.3 Table C.12-1: there, it says more than ASCII
    correct_ambiguous_vr(dataset, True)
    elements: dict[int, bytes | Stream] = {
        tag: encoded(dataset.get_item(tag), repertoire) for tag in map(int, dataset.keys()) if tag & 0xFFFF
    }  # group lengths are retired and would not be true (PS3.5 7.2)
    for bulk in instance.bulks:
        elements[bulk.tag] = element_of(bulk, instance.transfer_syntax, instance.source.shown)
    file_meta = file_meta_of(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax)
    return assembled(file_meta, elements)


def file_meta_of(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, others: Iterable[DataElement] = ()
) -> FileMetaDataset:
    """The File Meta Information of a file that this product writes (PS3.10 Table 7.1-1).

    Of `others`, what says how and by what a file was written is left out.
    """
    file_meta = FileMetaDataset()
    for element in others:
        if element.tag > 0x00020013:
            file_meta[element.tag] = element
    file_meta.FileMetaInformationVersion = b"\0\1"
    file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    file_meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    file_meta.TransferSyntaxUID = UID(transfer_syntax)
    file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return file_meta


def assembled(file_meta: FileMetaDataset, elements: Mapping[int, bytes | Stream]) -> Stream:
    """The file of these elements, which are in Explicit VR Little Endian, in the order of their tags."""
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, file_meta, enforce_standard=True)
    return Stream.of(PREAMBLE, buffer.getvalue(), *(elements[tag] for tag in sorted(elements)))


def element_of(bulk: Bulk, transfer_syntax: str, path: Path) -> Stream:
    """The element of a bulk value, in Explicit VR Little Endian; native or encapsulated as it says."""
    return _encapsulated(bulk, transfer_syntax, path) if bulk.encapsulated else _native(bulk, path)


def encoded(element: DataElement | RawDataElement, repertoire: Repertoire = UTF8) -> bytes:
    """An element in Explicit VR Little Endian; one that is not decoded is taken to be in it.

    Raises ValueError for text that its character set does not have.
    """
    if repertoire is not UTF8 and isinstance(element, DataElement):
        if element.VR == "SQ":
            return _sequence(element, repertoire)
        if element.VR in TEXT_VRS:
            return _text(element, repertoire)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = False
    buffer.is_little_endian = True
    write_data_element(buffer, element, UTF8_TERM)
    return bytes(buffer.getvalue())


def _sequence(sequence: DataElement, repertoire: Repertoire) -> bytes:
    items = [
        b"".join(encoded(item.get_item(tag), repertoire) for tag in sorted(item.keys()))
        for item in sequence.value or ()
    ]
    value = b"".join(item_header(ITEM, len(item)) + item for item in items)
    return header(sequence.tag, "SQ", len(value)) + value


def _text(element: DataElement, repertoire: Repertoire) -> bytes:
    """Text in another character set than UTF-8: pydicom would write `?` for what that does not have."""
    values = element.value if isinstance(element.value, MultiValue) else (element.value or "",)
    value = b"\\".join(repertoire.encode(str(each)) for each in values)
    value += padding(element.VR, len(value))
    return header(element.tag, element.VR, len(value)) + value


def _native(bulk: Bulk, path: Path) -> Stream:
    """A value of defined length, padded to an even one (PS3.5 7.1.2, 8.2)."""
    length = bulk.value.length + bulk.value.length % 2
    if length > MAX_LENGTH:
        raise Reject(
            f"{path} is too large: {name_of(bulk.tag)} would have {bulk.value.length:,} bytes, and a value "
            f"that is not in fragments has at most {MAX_LENGTH:,} (PS3.5 7.1.2)"
        )
    vr = "UN" if bulk.vr in SHORT_VRS and length > 0xFFFE else bulk.vr
    return Stream.of(header(bulk.tag, vr, length), bulk.value, padding(bulk.vr, bulk.value.length))


def _encapsulated(bulk: Bulk, transfer_syntax: str, path: Path) -> Stream:
    """Pixel data in fragments (PS3.5 A.4)."""
    if bulk.frames:
        return _in_frames(bulk, path)
    return _in_one(bulk, transfer_syntax, path)


def _in_frames(bulk: Bulk, path: Path) -> Stream:
    """Frames that are a fragment each, after a Basic Offset Table that says where each begins.

    The table stays empty, which tells no less with a fragment a frame, where 32 bits do not reach.
    """
    longest = max(frame.length for frame in bulk.frames)
    if longest > MAX_LENGTH:
        raise Reject(
            f"{path} is too large: it has a frame of {longest:,} bytes, and a fragment has at most "
            f"{MAX_LENGTH:,} (PS3.5 A.4)"
        )
    parts: list[bytes | Stream] = []
    offsets: list[int] = []
    offset = 0
    for frame in bulk.frames:
        offsets.append(offset)
        size = frame.length + frame.length % 2
        parts += (item_header(ITEM, size), frame, b"\0"[: frame.length % 2])
        offset += 8 + size
    table = struct.pack(f"<{len(offsets)}L", *offsets) if offsets[-1] < UNDEFINED else b""
    return Stream.of(
        header(bulk.tag, "OB", UNDEFINED),
        item_header(ITEM, len(table)),
        table,
        *parts,
        item_header(SEQUENCE_END, 0),
    )


def _in_one(bulk: Bulk, transfer_syntax: str, path: Path) -> Stream:
    """A frame or a video in fragments, after an empty Basic Offset Table.

    It is one fragment where it fits; the byte that pads it belongs to the fragment.
    """
    length = bulk.value.length
    if length > MAX_LENGTH and not may_be_fragmented(transfer_syntax):
        raise Reject(
            f"{path} is too large: it has {length:,} bytes of {UID(transfer_syntax).name}, which must be one "
            f"fragment of at most {MAX_LENGTH:,} bytes (PS3.5 A.4). Split it, or convert it to HEVC"
        )
    parts: list[bytes | Stream] = [header(bulk.tag, "OB", UNDEFINED), item_header(ITEM, 0)]
    for start in range(0, length, MAX_LENGTH):
        size = min(MAX_LENGTH, length - start)
        parts += (item_header(ITEM, size + size % 2), bulk.value.cut(start, size), b"\0"[: size % 2])
    return Stream.of(*parts, item_header(SEQUENCE_END, 0))
