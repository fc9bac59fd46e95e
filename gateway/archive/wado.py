"""Retrieving: instances, metadata, frames and bulk data (PS3.18 10.4); and deleting."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.archive import padding
from gateway.archive.index import Record
from gateway.archive.pixels import NotDecodable, explicit, save, separate_frames
from gateway.archive.replies import (
    AS_IT_IS,
    DICOM,
    JSON,
    OCTETS,
    XML,
    Problem,
    Wanted,
    choose,
    choose_metadata,
    chunked,
    closing,
    parts_response,
    stream_response,
    wanted,
)
from gateway.archive.resources import (
    frame_numbers,
    if_there,
    named_instance,
    named_instances,
    read_file,
)
from gateway.archive.store import Store
from gateway.archive.urls import Urls
from gateway.dicom import json, xml
from gateway.dicom.reader import Part10
from gateway.media_types import EXPLICIT_LITTLE, MEDIA_TYPES, is_native
from gateway.model import Bulk
from gateway.stow.multipart import Part
from gateway.stream import CHUNK, FileSlice, Stream

log = logging.getLogger(__name__)

_AT_ONCE = 100
"""Instances whose metadata are put together before they are sent, so that their length is known."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_HARMLESS = {**AS_IT_IS, "Content-Security-Policy": "sandbox; default-src 'none'"}
"""What an object carries must not run as a page of the archive's."""


# Instances


def retrieve(request: Request) -> Response:
    """`GET` of a study, a series or an instance, as Part 10 files."""
    archive: Store = request.app.state.store
    records = named_instances(request)
    alone = len(records) == 1

    def form(each: Wanted) -> bool | None:
        if each.takes(DICOM, multipart=True):
            return True
        return False if alone and each.takes(DICOM, multipart=False) else None

    multipart = choose(
        request, form, f'multipart/related; type="{DICOM}", and {DICOM} where it is one instance'
    )
    syntaxes = [each.transfer_syntax for each in wanted(request) if each.takes(DICOM, multipart=multipart)]
    with ExitStack() as stack:

        @cache
        def folder() -> Path:
            return stack.enter_context(archive.incoming())

        files = [_file(archive.path(record), record, syntaxes, folder) for record in records]
        cleanup = stack.pop_all()
    if not multipart:
        return closing(stream_response(files[0][0], f"{DICOM}; transfer-syntax={files[0][1]}"), cleanup)
    parts = [
        Part((("Content-Type", f"{DICOM}; transfer-syntax={syntax}"),), stream) for stream, syntax in files
    ]
    return closing(parts_response(parts, DICOM), cleanup)


def _file(
    path: Path, record: Record, syntaxes: Sequence[str | None], folder: Callable[[], Path]
) -> tuple[Stream, str]:
    """The Part 10 file of an instance in the first of the transfer syntaxes that it can be had in."""
    reason = ""
    for syntax in syntaxes:
        if syntax in {None, "*", record.transfer_syntax}:
            return Stream.of(if_there(FileSlice.whole, path)), record.transfer_syntax
        if syntax == EXPLICIT_LITTLE:
            try:
                return explicit(read_file(path), folder()), EXPLICIT_LITTLE
            except NotDecodable as error:
                reason = f": {error}"
    raise Problem(
        406,
        f"The instance {record.sop_uid} can be had in its own transfer syntax {record.transfer_syntax}, "
        f"and in {EXPLICIT_LITTLE} if it can be decoded{reason}",
    )


# Metadata


def metadata(request: Request) -> Response:
    """`GET .../metadata` of a study, a series or an instance."""
    archive: Store = request.app.state.store
    answers_in = choose_metadata(request)
    records = named_instances(request)
    urls = Urls.of(request)

    def model(record: Record) -> json.Model:
        return _metadata(read_file(archive.path(record)), record, urls)

    if answers_in == JSON and len(records) > _AT_ONCE:
        return StreamingResponse(_json_array(records, model), headers={"Content-Type": JSON})
    if answers_in == JSON:
        return Response(json.dump([model(record) for record in records]), headers={"Content-Type": JSON})
    if answers_in == XML:
        if len(records) > 1:
            raise Problem(
                406, f'The metadata of several instances in XML are multipart/related; type="{XML}"'
            )
        return Response(xml.dump(model(records[0])), headers={"Content-Type": XML})
    return parts_response(
        [Part((("Content-Type", XML),), Stream.of(xml.dump(model(each)))) for each in records], XML
    )


def _metadata(read: Part10, record: Record, urls: Urls) -> json.Model:
    at = urls.instance(record.study_uid, record.series_uid, record.sop_uid)
    return json.to_model(
        read.dataset,
        {bulk.tag: f"{at}/bulkdata/{bulk.tag:08X}" for bulk in read.bulks},
        {bulk.tag: bulk.vr for bulk in read.bulks},
    )


def _json_array(records: Sequence[Record], model: Callable[[Record], json.Model]) -> Iterator[bytes]:
    """The metadata of many instances, read one by one as they are sent."""

    def pieces() -> Iterator[bytes]:
        before = b"["
        for record in records:
            try:
                yield before + json.dump([model(record)])[1:-1]
                before = b","
            except Problem as error:  # deleted in the meantime
                log.warning("Left out of an answer: %s", error.message)
        yield b"]" if before == b"," else b"[]"

    return chunked(pieces(), CHUNK)


# Frames


def retrieve_frames(request: Request) -> Response:
    """`GET .../frames/1,2,...`: frames as they are stored, or decoded."""
    archive: Store = request.app.state.store
    record = named_instance(request)
    read = read_file(archive.path(record))
    numbers = frame_numbers(request.path_params["frames"], read)
    given = _GivenFrames(read.transfer_syntax, alone=len(numbers) == 1)
    decoded, multipart = choose(request, given.form, given.words)
    with ExitStack() as stack:
        try:
            stored = separate_frames(read)
            chosen = [stored[number - 1] for number in numbers]
            if decoded:
                path = stack.enter_context(archive.incoming()) / "frames"
                chosen = [Stream.of(piece) for piece in save(chosen, read, path)]
        except (NotDecodable, IndexError) as error:
            raise Problem(406, f"The frames cannot be given so: {error}") from error
        cleanup = stack.pop_all()
    media_type, syntax = given.described(decoded=decoded)
    content_type = f"{media_type}; transfer-syntax={syntax}"
    if not multipart:
        return closing(stream_response(chosen[0], content_type), cleanup)
    at = Urls.of(request).instance(record.study_uid, record.series_uid, record.sop_uid)
    parts = [
        Part((("Content-Type", content_type), ("Content-Location", f"{at}/frames/{number}")), stream)
        for number, stream in zip(numbers, chosen, strict=True)
    ]
    return closing(parts_response(parts, media_type), cleanup)


class _GivenFrames:
    """The forms in which frames of a transfer syntax can be had: as stored, or decoded."""

    def __init__(self, transfer_syntax: str, *, alone: bool) -> None:
        self._native = is_native(transfer_syntax)
        self._syntax = transfer_syntax
        self._media_type = OCTETS if self._native else MEDIA_TYPES.get(transfer_syntax, OCTETS)
        self._structures = (True, False) if alone else (True,)
        self.words = (
            f"{self._media_type} as they are stored, and {OCTETS} decoded; several only as multipart/related"
        )

    def form(self, each: Wanted) -> tuple[bool, bool] | None:
        """Whether frames are decoded, and whether they are parts of a body; None if neither will do."""
        for multipart in self._structures:
            decoded = self._decoded(each, multipart=multipart)
            if decoded is not None:
                return decoded, multipart
        return None

    def described(self, *, decoded: bool) -> tuple[str, str]:
        """The media type and the transfer syntax in which the frames are then."""
        if decoded or self._native:
            return OCTETS, EXPLICIT_LITTLE
        return self._media_type, self._syntax

    def _decoded(self, each: Wanted, *, multipart: bool) -> bool | None:
        """Octets without a transfer syntax are Explicit VR Little Endian (PS3.18 Table 8.7.3-5)."""
        own = {"*", self._syntax} | ({EXPLICIT_LITTLE} if self._native else set())
        if each.media_type == OCTETS and each.takes(OCTETS, multipart=multipart):
            if each.transfer_syntax in own:
                return False
            return not self._native if each.transfer_syntax in {None, EXPLICIT_LITTLE} else None
        as_stored = each.transfer_syntax is None or each.transfer_syntax in own
        return False if as_stored and each.takes(self._media_type, multipart=multipart) else None


# Bulk data


def bulk_data(request: Request) -> Response:
    """`GET .../bulkdata/<tag>`: a value that metadata refer to, without padding, fragments or item tags."""
    archive: Store = request.app.state.store
    read = read_file(archive.path(named_instance(request)))
    name = request.path_params["tag"].upper()
    bulk = next((each for each in read.bulks if f"{each.tag:08X}" == name), None)
    if bulk is None:
        raise Problem(404, f"The instance has no bulk data {name[:80]!r}")
    stream = padding.without(bulk, read.dataset)
    media_type = bulk.media_type

    def form(each: Wanted) -> tuple[bool, str] | None:
        for multipart in (False, True):
            for offered in (media_type, OCTETS):
                if each.takes(offered, multipart=multipart):
                    return multipart, offered
        return None

    multipart, chosen_type = choose(request, form, f"{media_type}, alone or as multipart/related")
    content_type = _described(bulk, chosen_type, read)
    if multipart:
        part = Part((("Content-Type", content_type), ("Content-Location", Urls.of(request).request)), stream)
        return parts_response([part], chosen_type)
    return _ranged(request, stream, content_type)


def _described(bulk: Bulk, media_type: str, read: Part10) -> str:
    if bulk.encapsulated and media_type == bulk.media_type:
        return f"{media_type}; transfer-syntax={read.transfer_syntax}"
    return media_type


def _ranged(request: Request, stream: Stream, content_type: str) -> Response:
    """The value, or the range of it that was asked for (RFC 9110 14.2), as players of videos do."""
    shown = content_type.startswith("video/")  # which browsers do not play in a sandbox
    headers = {"Accept-Ranges": "bytes", **(AS_IT_IS if shown else _HARMLESS)}
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if not found or not (found[1] or found[2]):
        return stream_response(stream, content_type, headers)
    length = stream.length
    start = int(found[1]) if found[1] else max(0, length - int(found[2]))
    end = min(int(found[2]), length - 1) if found[1] and found[2] else length - 1
    if start > end:
        headers = {"Content-Range": f"bytes */{length}"}
        raise Problem(416, f"The value has {length} bytes, and the range begins after them", headers)
    headers["Content-Range"] = f"bytes {start}-{end}/{length}"
    response = stream_response(stream.cut(start, end - start + 1), content_type, headers)
    response.status_code = 206
    return response


# Deleting


def delete(request: Request) -> Response:
    """`DELETE` of a study, a series or an instance."""
    archive: Store = request.app.state.store
    archive.delete(named_instances(request))
    return Response(status_code=204)
