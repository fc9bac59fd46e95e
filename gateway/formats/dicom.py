"""DICOM files (PS3.10): identified by their header, stored as they are.

Also what is left of one without its preamble, or without its File Meta Information: a data set.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.config import Reading
from gateway.errors import Reject, Unfinished
from gateway.formats.dicom_elements import (
    Broken,
    Bytes,
    CutOff,
    Encoding,
    InflatedBytes,
    PlainBytes,
    TooLong,
    is_representation,
    next_element,
    skip_value,
)
from gateway.formats.format import Format
from gateway.media_types import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model import DicomFacts, Kind, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file

_PREAMBLE = 128
"""Bytes before the prefix, which may hold anything (PS3.10 7.1)."""

_PREFIX = b"DICM"

_REPRESENTATION = rb"(?:AE|AS|CS|DA|DS|DT|IS|LO|LT|OB|OW|PN|SH|SQ|ST|TM|UI|UL|UN|US|UT)"
_BARE = re.compile(
    rb"(?:DICM)?\x02\0.\0(?:" + _REPRESENTATION + rb"|..\0\0)"
    rb"|\x08\0.\0(?:" + _REPRESENTATION + rb"|..\0\0)|\0\x08\0." + _REPRESENTATION,
    re.DOTALL,
)
"""How a file begins that has no preamble: with an element of group 2, or of group 8 in any byte order."""

_TRANSFER_SYNTAX = 0x00020010
_MEDIA_STORAGE_CLASS = 0x00020002
_MEDIA_STORAGE_INSTANCE = 0x00020003

_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_IDENTIFIERS = {
    _SOP_CLASS: "SOPClassUID",
    _SOP_INSTANCE: "SOPInstanceUID",
    _STUDY: "StudyInstanceUID",
    _SERIES: "SeriesInstanceUID",
}
"""What a DICOM object cannot be stored without."""

_CHARACTER_SET, _PATIENT_ID = 0x00080005, 0x00100020
_READ = frozenset((*_IDENTIFIERS, _CHARACTER_SET, _PATIENT_ID))
"""What is read of an object; all else is passed over."""

_DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory Storage: an index of files, not an object."""

_NAMES = {
    IMPLICIT_LITTLE: "Implicit VR Little Endian",
    EXPLICIT_LITTLE: "Explicit VR Little Endian",
    EXPLICIT_BIG: "Explicit VR Big Endian",
}
_DEFLATED = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))
"""Transfer syntaxes whose data set is deflated: plain, JPIP and JPIP with HTJ2K."""

_UID = re.compile(r"(?=.{1,64}\Z)\d+(\.\d+)+", re.ASCII)
"""A UID as archives take it. Leading zeros are against PS3.5 9.1, but occur."""

_LONGEST = 1024
"""Bytes of a value that is read as a UID; a UID has at most 64 characters."""

_MOST_ELEMENTS = 100_000
"""More than any data set has at its top level."""

_INFLATED = 64 * 1024 * 1024
"""How far a deflated data set is followed, in bytes."""


def sniff(head: bytes) -> bool:
    """Whether the prefix of a DICOM file stands behind its preamble, or elements begin at once."""
    return head[_PREAMBLE : _PREAMBLE + 4] == _PREFIX or _is_bare(head)


def probe(source: Source, reading: Reading) -> Probe:
    """What identifies a DICOM file.

    One without a preamble gets one. One without File Meta Information, or with a data set alone, has
    the transfer syntax that its elements show. `reading.zero_preamble` clears what stands in a preamble.
    Raises `Reject` for a file that is not whole, is no object, or lacks what identifies one.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        opening = _opening(file, FileSlice(path, 0, stamp.size, stamp), reading)
        try:
            meta = _file_meta(file, opening.start, stamp.size)
            syntax = _transfer_syntax(meta, path) if meta else _apparent_syntax(file)
            encoding, mislabelled = _encoding(file, syntax)
            data = InflatedBytes(file, _INFLATED) if syntax in _DEFLATED else PlainBytes(file, stamp.size)
            values, whole, broken = _identifying(data, encoding)
        except CutOff as error:
            raise Unfinished(f"{path} is not whole: {error}. Copy or export it again") from error
        except Broken as error:
            raise Reject(
                f"{path} is a damaged DICOM file: {error}. Export it again from where it came"
            ) from error
    found = {tag: _text(values.get(tag, b"")) for tag in _IDENTIFIERS}
    if _DIRECTORY in (meta.get(_MEDIA_STORAGE_CLASS), found[_SOP_CLASS]):
        raise Reject(
            f"{path} is a DICOMDIR, the index of a medium and no object. Give the files that it lists"
        )
    for tag, keyword in _IDENTIFIERS.items():
        _check_uid(found[tag], tag, keyword, path)
    return Probe(
        source=source,
        format=FORMAT.name,
        kind=FORMAT.kind,
        media_type=FORMAT.media_type,
        transfer_syntax=syntax,
        content=opening.content,
        dicom=DicomFacts(
            sop_class_uid=found[_SOP_CLASS],
            sop_instance_uid=found[_SOP_INSTANCE],
            series_instance_uid=found[_SERIES],
            study_instance_uid=found[_STUDY],
            transfer_syntax_uid=syntax,
            patient_id=_local_text(values),
        ),
        whole=whole,
        messages=tuple(
            what
            for what in (
                opening.message if meta else _made(syntax),
                mislabelled,
                broken,
                _contradiction(meta, found),
            )
            if what
        ),
    )


FORMAT = Format(
    name="dicom",
    title="a DICOM file",
    short="DICOM",
    kind=Kind.DICOM,
    media_type="application/dicom",
    extensions=(".dcm", ".dicom", ".dic"),
    sniff=sniff,
    probe=probe,
)


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a file begins: where its elements do, and the file with the beginning that it should have."""

    start: int
    content: Stream
    message: str | None = None


def _opening(file: BinaryIO, whole: FileSlice, reading: Reading) -> _Opening:
    """The beginning of a file that has a preamble, only the prefix, or neither."""
    head = file.read(_PREAMBLE + len(_PREFIX))
    if head[_PREAMBLE:] == _PREFIX:
        if reading.zero_preamble and any(head[:_PREAMBLE]):
            cleared = Stream.of(bytes(_PREAMBLE), whole.cut(_PREAMBLE, whole.length - _PREAMBLE))
            return _Opening(len(head), cleared, "had something in its preamble, which was cleared")
        return _Opening(len(head), Stream.of(whole))
    start = len(_PREFIX) if head.startswith(_PREFIX) else 0
    return _Opening(
        start,
        Stream.of(bytes(_PREAMBLE), b"" if start else _PREFIX, whole),
        "had no preamble, and was given an empty one",
    )


def _is_bare(head: bytes) -> bool:
    """Whether these are elements of a DICOM file without its preamble: two in order, where two are seen."""
    if not _BARE.match(head):
        return False
    data = PlainBytes(io.BytesIO(head.removeprefix(_PREFIX)), len(head))
    explicit = is_representation(head.removeprefix(_PREFIX)[4:6])
    encoding = Encoding(explicit=explicit, little=head[0] != 0)
    try:
        first = next_element(data, encoding)
        if first is None or first.length > _LONGEST:
            return False
        skip_value(data, first, encoding)
        second = next_element(data, encoding)
    except Broken:
        return True  # what there is of it could be; that it is cut off is said later
    return second is None or (first.tag < second.tag and second.tag >> 16 <= 0x0010)


def _apparent_syntax(file: BinaryIO) -> str:
    """The transfer syntax of a data set without File Meta Information, by its first element.

    Implicit VR Little Endian is what DICOM has where nothing is said (PS3.5 10.1).
    """
    start = file.tell()
    first = file.read(6)
    file.seek(start)
    if first[:1] == b"\0":
        return EXPLICIT_BIG
    return EXPLICIT_LITTLE if is_representation(first[4:]) else IMPLICIT_LITTLE


def _made(syntax: str) -> str:
    """What is told of a file without File Meta Information."""
    return f"had no File Meta Information, which was made for it; its data set is in {_NAMES[syntax]}"


def _file_meta(file: BinaryIO, start: int, size: int) -> dict[int, str]:
    """The texts of the File Meta Information by tag; the file stands at its data set afterwards.

    The length that group 2 says of itself is often wrong, so its end is where another group begins.
    """
    file.seek(start)
    data = PlainBytes(file, size)
    meta: dict[int, str] = {}
    while True:
        start = data.tell()
        element = next_element(data, Encoding())
        if element is None or element.tag >> 16 != 2:
            file.seek(start)
            return meta
        if element.length > _LONGEST:
            skip_value(data, element, Encoding())
        else:
            meta[element.tag] = _text(data.read(element.length))


def _transfer_syntax(meta: Mapping[int, str], path: Path) -> str:
    """The transfer syntax that the File Meta Information names. Raises `Reject` when it names none."""
    syntax = meta.get(_TRANSFER_SYNTAX, "")
    _check_uid(syntax, _TRANSFER_SYNTAX, "TransferSyntaxUID", path)
    return syntax


def _encoding(file: BinaryIO, syntax: str) -> tuple[Encoding, str | None]:
    """How the elements of the data set that begins here are written, and what is wrong with that.

    Some writers label Implicit VR as a compressed transfer syntax, which demands Explicit VR (PS3.5 A.4).
    """
    named = Encoding(explicit=syntax != IMPLICIT_LITTLE, little=syntax != EXPLICIT_BIG)
    start = file.tell()
    first = file.read(6)
    file.seek(start)
    explicit = is_representation(first[4:])
    if syntax in _DEFLATED or len(first) < 6 or explicit == named.explicit:
        return named, None
    used = "Explicit" if explicit else "Implicit"
    fault = f"is written in {used} VR, against its transfer syntax {syntax}; some archives cannot read it"
    return Encoding(explicit=explicit, little=named.little), fault


def _identifying(data: Bytes, encoding: Encoding) -> tuple[dict[int, bytes], bool, str | None]:
    """The values of what identifies an object, whether the data set is whole, and what is odd about it.

    All of the data set is passed over, to see whether it is whole. Raises `Broken` where it cannot be
    followed as far as the identifying elements, and `CutOff` where it ends before them.
    """
    found: dict[int, bytes] = {}
    previous = -1
    try:
        for _ in range(_MOST_ELEMENTS):
            element = next_element(data, encoding)
            complete = found.keys() >= _IDENTIFIERS.keys()
            if element is None or (complete and element.tag <= previous):
                return found, True, None  # what is not in order behind the data set is padding
            previous = element.tag
            if element.tag in _READ and element.tag not in found and element.length <= _LONGEST:
                found[element.tag] = _exactly(data, element.length)
            else:
                skip_value(data, element, encoding)
        raise Broken(f"its data set has more than {_MOST_ELEMENTS:,} elements")
    except CutOff as error:  # an object that knows who it is goes through as it is, and the user is told
        if not found.keys() >= _IDENTIFIERS.keys():
            raise
        return found, False, f"is not whole: {error}. It is sent as it is"
    except Broken as error:
        if not found.keys() >= _IDENTIFIERS.keys():
            raise
        return found, True, None if isinstance(error, TooLong) else f"cannot be followed to its end: {error}"


def _exactly(data: Bytes, length: int) -> bytes:
    """So many bytes, which must be there."""
    value = data.read(length)
    if len(value) < length:
        raise CutOff("it ends within an element")
    return value


def _text(value: bytes) -> str:
    """A value without its padding; what is not ASCII is shown as it would be escaped."""
    return value.decode("ascii", "backslashreplace").rstrip("\0 ").lstrip(" ")


def _local_text(values: Mapping[int, bytes]) -> str:
    """The Patient ID in the character set that the data set declares (PS3.3 C.12.1.1.2)."""
    value = values.get(_PATIENT_ID, b"").rstrip(b"\0")
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").strip(" ")
    from pydicom.charset import convert_encodings, decode_bytes

    declared = values.get(_CHARACTER_SET, b"").rstrip(b"\0 ").decode("ascii", "replace")
    with warnings.catch_warnings():  # about character sets that are wrong, which is told elsewhere
        warnings.simplefilter("ignore")
        return decode_bytes(value, convert_encodings(declared.split("\\")), set()).strip(" ")


def _check_uid(uid: str, tag: int, keyword: str, path: Path) -> None:
    """Refuses a UID that is missing or is none."""
    name = f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    if not uid:
        raise Reject(
            f"{path} has no {name}, without which it cannot be stored. Export it again from where it came"
        )
    if not _UID.fullmatch(uid):
        raise Reject(
            f"{path} has the {name} {uid[:70]!r}, which is no UID: at most 64 digits and dots. "
            f"Correct it where it comes from"
        )


def _contradiction(meta: Mapping[int, str], found: Mapping[int, str]) -> str | None:
    """Where the File Meta Information names another object than the data set."""
    named = meta.get(_MEDIA_STORAGE_INSTANCE)
    if not named or named == found[_SOP_INSTANCE]:
        return None
    return f"is {named} by its File Meta Information and {found[_SOP_INSTANCE]} by its data set, which counts"
