"""Metadata and bulk data of a store request made into one object (PS3.18 10.5.2, 8.6.1.2)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from pydicom.dataset import Dataset

from gateway.archive.bitstream import Stated, examine
from gateway.archive.coercion import Changes, apply
from gateway.archive.reasons import (
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH,
    MISSING_BULK_DATA,
    PROCESSING_FAILURE,
    UNSUPPORTED_TRANSFER_SYNTAX,
    Unstorable,
)
from gateway.archive.spool import Spooled
from gateway.dicom import json
from gateway.dicom.dictionary import keyword_of
from gateway.errors import Reject
from gateway.media_types import (
    EXPLICIT_LITTLE,
    MEDIA_TYPES,
    OCTETS,
    default_transfer_syntax,
    is_native,
)
from gateway.model import Bulk, Instance, Source
from gateway.stream import FileSlice, Stream

PIXEL_DATA = 0x7FE00010
ENCAPSULATED_DOCUMENT = 0x00420011

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
                self._resolved[_resolved(base, name)] = part
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
            or self._resolved.get(_resolved(self._base, uri))
        )
        if part is None:
            raise Unstorable(MISSING_BULK_DATA, f"Missing bulk data: no part has the Content-Location {uri}")
        return part


def _resolved(base: str, name: str) -> str:
    try:
        return urljoin(base, name)
    except ValueError:  # it looks like an address but is none
        return name


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
    changes = Changes(dataset)
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


def _pixel_data(part: Spooled, vr: str, changes: Changes) -> tuple[str, Bulk]:
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
        apply(stated, changes)
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


def _transfer_syntax(stated: Stated, media_type: str, claimed: str, changes: Changes) -> str:
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


# Documents


def _document(part: Spooled, changes: Changes) -> Bulk:
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
