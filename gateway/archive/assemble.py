"""Metadata and bulk data of a store request made into one object (PS3.18 10.5.2, 8.6.1.2).

The bitstream decides: pixel attributes that are missing are filled in from it, which PS3.18 Table
10.5.2-1 demands, and wrong ones are corrected. What was corrected is said, and kept in the object's
Original Attributes Sequence (PS3.3 C.12.1.1.9).
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from gateway.archive.bitstream import Stated, examine
from gateway.archive.spool import Spooled
from gateway.dicom import json
from gateway.dicom.dictionary import keyword_of
from gateway.dicom.media_types import (
    EXPLICIT_LITTLE,
    MEDIA_TYPES,
    OCTETS,
    default_transfer_syntax,
    is_native,
)
from gateway.dicom.values import format_ds
from gateway.errors import Reject
from gateway.model import Bulk, Instance, Pixels, Source
from gateway.stream import FileSlice, Stream

PIXEL_DATA = 0x7FE00010
ENCAPSULATED_DOCUMENT = 0x00420011

MISSING_BULK_DATA = 0xA922
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
UNSUPPORTED_TRANSFER_SYNTAX = 0xC122
PROCESSING_FAILURE = 0x0110

MAX_NESTED = 16 * 1024 * 1024
"""Bytes that a bulk value inside a sequence may have: it becomes part of the data set, in memory."""

REQUIRED_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
REQUIRED_PIXEL_ATTRIBUTES = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_ONE_SAMPLE = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})


class Unstorable(Exception):
    """An instance that cannot be stored: the Failure Reason (PS3.18 I.2.2), and a sentence."""

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Assembled:
    """An object, and in words what was changed in it."""

    instance: Instance
    changes: tuple[str, ...]


class BulkData:
    """The bulk data parts of a request, found by the name that the metadata have for them.

    The name is the part's Content-Location, letter for letter. Clients that write one of the two as an
    absolute address and the other as a relative one, or that use Content-ID with `cid:`, are understood.
    """

    def __init__(self, parts: Iterable[Spooled], base: str) -> None:
        self._base = base
        self._exact: dict[str, Spooled] = {}
        self._resolved: dict[str, Spooled] = {}
        self._twice: set[str] = set()
        for part in parts:
            name = part.headers.get("content-location", "").strip('"')
            if name in self._exact:
                self._twice.add(name)
            if name:
                self._exact[name] = part
                self._resolved[urljoin(base, name)] = part
            if content_id := part.headers.get("content-id", "").strip("<>"):
                self._exact[f"cid:{content_id}"] = part

    def find(self, uri: str) -> Spooled:
        """The part that a BulkDataURI names. Raises `Unstorable` without one, or with several."""
        if uri in self._twice:
            raise Unstorable(
                UNSUPPORTED_TRANSFER_SYNTAX,
                f"Several parts have the Content-Location {uri}: frames in parts of their own are not "
                "supported; send the object as a DICOM file",
            )
        part = (
            self._exact.get(uri)
            or self._exact.get(unquote(uri))
            or self._resolved.get(urljoin(self._base, uri))
        )
        if part is None:
            raise Unstorable(MISSING_BULK_DATA, f"Missing bulk data: no part has the Content-Location {uri}")
        return part


def assemble(model: Mapping[str, Any], bulk_data: BulkData) -> Assembled:
    """The object that one data set and its bulk data parts make. Raises `Unstorable`."""
    try:
        whole = _with_nested_values(model, bulk_data)
        dataset, references = json.from_model(whole)
    except ValueError as error:
        raise Unstorable(CANNOT_UNDERSTAND, f"The metadata cannot be understood: {error}") from error
    missing = [name for name in REQUIRED_UIDS if not dataset.get(name)]
    if missing:
        raise Unstorable(
            DOES_NOT_MATCH, f"Missing {', '.join(missing)}: the metadata must have a value for it"
        )
    vrs = json.bulk_vrs({name: each for name, each in whole.items() if isinstance(each, dict)})
    transfer_syntax = EXPLICIT_LITTLE
    changes = _Changes(dataset)
    bulks: list[Bulk] = []
    for tag, uri in references.items():
        part = bulk_data.find(uri)
        if tag == PIXEL_DATA:
            transfer_syntax, bulk = _pixel_data(part, vrs[tag], changes)
        elif tag == ENCAPSULATED_DOCUMENT:
            bulk = _document(part, changes)
        else:
            bulk = Bulk(tag, vrs[tag], _content(part))
        bulks.append(bulk)
    if "PixelData" in dataset:
        _check_native(dataset, len(dataset.PixelData or b""))
    changes.record()
    instance = Instance(
        source=Source(Path("metadata"), Path()),
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        transfer_syntax=transfer_syntax,
        dataset=dataset,
        bulks=tuple(bulks),
    )
    return Assembled(instance, tuple(changes.words))


class _Changes:
    """A data set that is being corrected, and what has been."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.words: list[str] = []
        self._before = Dataset()

    def fill(self, keyword: str, value: Any) -> None:
        """Sets an attribute that is missing or empty."""
        if self.dataset.get(keyword) in (None, ""):
            setattr(self.dataset, keyword, value)

    def correct(self, keyword: str, value: Any, whose: str) -> None:
        """Sets an attribute; one that had another value is a correction. None takes it away."""
        before = self.dataset.get(keyword)
        if before == value:
            return
        if before not in (None, ""):
            self._before.add(copy.deepcopy(self.dataset[keyword]))
            self.words.append(f"{keyword} was {before}; {whose} says {'none' if value is None else value}")
        if value is None:
            del self.dataset[keyword]
        else:
            setattr(self.dataset, keyword, value)

    def record(self) -> None:
        """Keeps the values that were corrected in the object."""
        if not len(self._before):
            return
        item = Dataset()
        item.SourceOfPreviousValues = ""
        item.AttributeModificationDateTime = datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
        item.ModifyingSystem = "gateway archive"
        item.ReasonForTheAttributeModification = "COERCE"
        item.ModifiedAttributesSequence = Items([self._before])
        earlier: Sequence[Dataset] = self.dataset.get("OriginalAttributesSequence") or ()
        self.dataset.OriginalAttributesSequence = Items([*earlier, item])


def _with_nested_values(model: Mapping[str, Any], bulk_data: BulkData, *, top: bool = True) -> dict[str, Any]:
    """The model with the bulk data of its sequences in place: only the top level refers to parts."""
    whole: dict[str, Any] = {}
    for name, attribute in model.items():
        whole[name] = attribute
        if not isinstance(attribute, Mapping):
            continue
        values = attribute.get("Value")
        if attribute.get("vr") == "SQ" and isinstance(values, list):
            items = [
                _with_nested_values(v, bulk_data, top=False) if isinstance(v, Mapping) else v for v in values
            ]
            whole[name] = {**attribute, "Value": items}
        elif not top and attribute.get("vr") in _BINARY_VRS and isinstance(attribute.get("BulkDataURI"), str):
            whole[name] = {
                "vr": attribute["vr"],
                "InlineBinary": _inline(bulk_data.find(attribute["BulkDataURI"])),
            }
    return whole


def _inline(part: Spooled) -> str:
    content = _content(part)
    if content.length > MAX_NESTED:
        raise Unstorable(
            PROCESSING_FAILURE,
            f"A bulk value inside a sequence has {content.length:,} bytes; at most {MAX_NESTED:,} are taken",
        )
    return base64.b64encode(content.read()).decode("ascii")


def _content(part: Spooled) -> Stream:
    return Stream.of(FileSlice.whole(part.path))


# Pixel data


def _pixel_data(part: Spooled, vr: str, changes: _Changes) -> tuple[str, Bulk]:
    """The transfer syntax and the value of pixel data that came as a part of their own."""
    content_type = part.content_type
    media_type = content_type.media_type
    claimed = content_type.parameters.get("transfer-syntax", "").strip()
    content = _content(part)
    if media_type in {"", OCTETS} and (not claimed or is_native(claimed)):
        native = _native(changes.dataset, content, vr)
        if native:
            return EXPLICIT_LITTLE, native
    try:
        stated = examine(part.path)
    except Reject as error:
        text = str(error).replace(str(part.path), "The pixel data")
        raise Unstorable(UNSUPPORTED_TRANSFER_SYNTAX, text) from error
    if stated:
        transfer_syntax = _transfer_syntax(stated, media_type, claimed, changes)
        _apply(stated, changes)
    else:
        transfer_syntax = _unexamined(media_type, claimed)
    _check_complete(changes.dataset)
    return transfer_syntax, Bulk(PIXEL_DATA, "OB", content, MEDIA_TYPES.get(transfer_syntax, OCTETS), True)


def _native(dataset: Dataset, content: Stream, vr: str) -> Bulk | None:
    """Uncompressed pixel data; None when the attributes are missing and the bytes are something else."""
    missing = [name for name in REQUIRED_PIXEL_ATTRIBUTES if dataset.get(name) in (None, "")]
    if missing and content.length >= 4:
        return None
    _check_native(dataset, content.length)
    return Bulk(PIXEL_DATA, "OW" if dataset.BitsAllocated > 8 or vr == "UN" else vr, content)


def _check_native(dataset: Dataset, length: int) -> None:
    """Uncompressed pixel data must be as long as the attributes say (PS3.5 8.1.1)."""
    _check_complete(dataset)
    photometric = str(dataset.PhotometricInterpretation)
    samples = 2 if photometric == "YBR_FULL_422" else int(dataset.SamplesPerPixel)
    bits = int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.BitsAllocated)
    expected = (bits * int(dataset.get("NumberOfFrames") or 1) + 7) // 8
    if length not in {expected, expected + expected % 2}:
        raise Unstorable(
            DOES_NOT_MATCH,
            f"The pixel data have {length:,} bytes; by Rows, Columns, Samples per Pixel, Bits Allocated and "
            f"Number of Frames they must have {expected:,}",
        )


def _check_complete(dataset: Dataset) -> None:
    missing = [name for name in REQUIRED_PIXEL_ATTRIBUTES if dataset.get(name) in (None, "")]
    if missing:
        raise Unstorable(
            DOES_NOT_MATCH, f"Missing {', '.join(missing)}: neither the metadata nor the bitstream say it"
        )


def _transfer_syntax(stated: Stated, media_type: str, claimed: str, changes: _Changes) -> str:
    """The transfer syntax of a bitstream that was looked into; the client chooses among several."""
    best = stated.transfer_syntaxes[0]
    if claimed in stated.transfer_syntaxes:
        return claimed
    if claimed:
        changes.words.append(f"transfer-syntax was {claimed}; the bitstream, {stated.title}, says {best}")
    elif media_type not in {"", OCTETS, MEDIA_TYPES[best].lower()}:
        changes.words.append(f"Content-Type was {media_type}; the bitstream is {stated.title}")
    return best


def _unexamined(media_type: str, claimed: str) -> str:
    """The transfer syntax of a coding that the archive does not look into: the client's word."""
    transfer_syntax = claimed or default_transfer_syntax(media_type) or ""
    expected = MEDIA_TYPES.get(transfer_syntax, "")
    if (
        expected.startswith(("image/jpeg", "video/"))
        or transfer_syntax not in MEDIA_TYPES
        or is_native(transfer_syntax)
    ):
        what = f"{media_type or 'unnamed'} content" + (f" in transfer syntax {claimed}" if claimed else "")
        raise Unstorable(
            UNSUPPORTED_TRANSFER_SYNTAX,
            f"The pixel data came as {what}, which they are not or which is not supported",
        )
    return transfer_syntax


def _apply(stated: Stated, changes: _Changes) -> None:
    """Puts what the bitstream says of the pixels into the data set (PS3.3 C.7.6.3, C.7.6.5, C.7.6.6)."""
    pixels, whose = stated.pixels, "the bitstream"
    for keyword, value in (
        ("SamplesPerPixel", pixels.samples_per_pixel),
        ("Rows", pixels.rows),
        ("Columns", pixels.columns),
        ("BitsAllocated", pixels.bits_allocated),
        ("PlanarConfiguration", pixels.planar_configuration),
    ):
        changes.correct(keyword, value, whose)
    stored = (
        ("BitsStored", pixels.bits_stored),
        ("HighBit", pixels.bits_stored - 1),
        ("PixelRepresentation", pixels.pixel_representation),
    )
    for keyword, value in stored:
        if pixels.lossy:  # lossless JPEG may carry fewer bits than its precision, and signed ones
            changes.correct(keyword, value, whose)
        else:
            changes.fill(keyword, value)
    _apply_colours(stated, changes, whose)
    _apply_lossy(pixels, changes, whose)
    _apply_frames(pixels, changes, whose)


def _apply_colours(stated: Stated, changes: _Changes, whose: str) -> None:
    colours = stated.pixels.photometric_interpretation
    given = str(changes.dataset.get("PhotometricInterpretation") or "")
    same_number = (given in _ONE_SAMPLE) == (stated.pixels.samples_per_pixel == 1)
    if given and same_number and not stated.colours_known:
        return
    changes.correct("PhotometricInterpretation", colours, whose)


def _apply_lossy(pixels: Pixels, changes: _Changes, whose: str) -> None:
    """A lossy step is never denied; earlier ones, which only the client knows, stay (C.7.6.1.1.5)."""
    if not pixels.lossy:
        return
    changes.correct("LossyImageCompression", "01", whose)
    changes.fill("LossyImageCompressionRatio", [format_ds(round(step.ratio, 2)) for step in pixels.lossy])
    changes.fill("LossyImageCompressionMethod", [step.method for step in pixels.lossy])


def _apply_frames(pixels: Pixels, changes: _Changes, whose: str) -> None:
    if pixels.frames is not None:
        changes.correct("NumberOfFrames", pixels.frames, whose)
    elif changes.dataset.get("NumberOfFrames") not in (None, ""):
        changes.correct("NumberOfFrames", 1, whose)
    if pixels.frame_times and not changes.dataset.get("FrameIncrementPointer"):
        mean = sum(pixels.frame_times) / max(1, len(pixels.frame_times) - (len(pixels.frame_times) > 1))
        changes.fill("FrameTime", format_ds(round(mean, 6)))
        changes.dataset.FrameIncrementPointer = 0x00181063


# Documents


def _document(part: Spooled, changes: _Changes) -> Bulk:
    """An encapsulated document (PS3.3 C.24.2): its media type is that of the part."""
    content = _content(part)
    media_type = part.content_type.media_type
    given = str(changes.dataset.get("MIMETypeOfEncapsulatedDocument") or "")
    if _is_pdf(content):
        changes.correct("MIMETypeOfEncapsulatedDocument", "application/pdf", "the document")
    elif media_type not in {"", OCTETS} and media_type != given.lower():
        changes.correct("MIMETypeOfEncapsulatedDocument", media_type, "the part")
    if not changes.dataset.get("MIMETypeOfEncapsulatedDocument"):
        raise Unstorable(
            DOES_NOT_MATCH,
            f"Missing {keyword_of(0x00420012)}: neither the metadata nor the part's Content-Type say it",
        )
    changes.correct("EncapsulatedDocumentLength", content.length, "the document")
    return Bulk(ENCAPSULATED_DOCUMENT, "OB", content, str(changes.dataset.MIMETypeOfEncapsulatedDocument))


def _is_pdf(content: Stream) -> bool:
    return next(iter(content), b"")[:1024].lstrip(b"\0\t\r\n\f ").startswith(b"%PDF-")
