"""Retrieving: instances, metadata, frames, bulk data and pictures (PS3.18 10.4), and deleting."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.archive import padding
from gateway.archive.index import Record
from gateway.archive.pixels import NotDecodable, explicit, save, separate_frames
from gateway.archive.render import DEFAULT_QUALITY, Look, NotRenderable, render
from gateway.archive.replies import (
    DICOM,
    JSON,
    OCTETS,
    XML,
    Problem,
    Wanted,
    choose,
    choose_metadata,
    chunked,
    parts_response,
    stream_response,
    wanted,
)
from gateway.archive.store import Store, is_uid
from gateway.archive.urls import Urls
from gateway.dicom import json, reader, xml
from gateway.dicom.frames import number_of_frames
from gateway.dicom.media_types import EXPLICIT_LITTLE, MEDIA_TYPES, is_native
from gateway.dicom.reader import Part10
from gateway.errors import GatewayError, Reject
from gateway.model import Bulk
from gateway.stow.multipart import Part
from gateway.stream import CHUNK, FileSlice, Stream

log = logging.getLogger(__name__)

ENCAPSULATED_DOCUMENT = 0x00420011
PICTURES = ("image/jpeg", "image/png")
PDF = "application/pdf"
THUMBNAIL = (160, 160)

_UIDS = {"study": "Study Instance UID", "series": "Series Instance UID", "instance": "SOP Instance UID"}
_AT_ONCE = 100
"""Instances whose metadata are put together before they are sent, so that their length is known."""

_MAX_FRAMES_ASKED = 10_000
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_AS_IT_IS = {"X-Content-Type-Options": "nosniff"}
_HARMLESS = {**_AS_IT_IS, "Content-Security-Policy": "sandbox; default-src 'none'"}
"""What an object carries must not run as a page of the archive's."""

T = TypeVar("T")


# Instances


def retrieve(request: Request) -> Response:
    """`GET` of a study, a series or an instance, as Part 10 files."""
    archive: Store = request.app.state.store
    records = _records(request)
    alone = len(records) == 1

    def form(each: Wanted) -> bool | None:
        if each.takes(DICOM, multipart=True):
            return True
        return False if alone and each.takes(DICOM, multipart=False) else None

    multipart = choose(
        request, form, f'multipart/related; type="{DICOM}", and {DICOM} where it is one instance'
    )
    syntaxes = [each.transfer_syntax for each in wanted(request) if each.takes(DICOM, multipart=multipart)]
    stack = ExitStack()

    @cache
    def folder() -> Path:
        return stack.enter_context(archive.incoming())

    try:
        files = [_file(archive.path(record), record, syntaxes, folder) for record in records]
    except BaseException:
        stack.close()
        raise
    if not multipart:
        return _closing(stream_response(files[0][0], f"{DICOM}; transfer-syntax={files[0][1]}"), stack)
    parts = [
        Part((("Content-Type", f"{DICOM}; transfer-syntax={syntax}"),), stream) for stream, syntax in files
    ]
    return _closing(parts_response(parts, DICOM), stack)


def _file(
    path: Path, record: Record, syntaxes: Sequence[str | None], folder: Callable[[], Path]
) -> tuple[Stream, str]:
    """The Part 10 file of an instance in the first of the transfer syntaxes that it can be had in."""
    reason = ""
    for syntax in syntaxes:
        if syntax in {None, "*", record.transfer_syntax}:
            return Stream.of(_found(FileSlice.whole, path)), record.transfer_syntax
        if syntax == EXPLICIT_LITTLE:
            try:
                return explicit(_read(path), folder()), EXPLICIT_LITTLE
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
    records = _records(request)
    urls = Urls.of(request)

    def model(record: Record) -> json.Model:
        return _metadata(_read(archive.path(record)), record, urls)

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
    record = _record(request)
    read = _read(archive.path(record))
    numbers = _numbers(request.path_params["frames"], read)
    native = is_native(read.transfer_syntax)
    stored_type = OCTETS if native else MEDIA_TYPES.get(read.transfer_syntax, OCTETS)

    def form(each: Wanted) -> tuple[bool, bool] | None:
        """Whether frames are decoded, and whether they are parts."""
        for multipart in (True, False)[: 2 if len(numbers) == 1 else 1]:
            any_syntax = each.transfer_syntax in {None, "*"}
            if each.takes(OCTETS, multipart=multipart) and each.media_type == OCTETS:
                if native and (any_syntax or each.transfer_syntax in {EXPLICIT_LITTLE, read.transfer_syntax}):
                    return False, multipart
                if each.transfer_syntax in {"*", read.transfer_syntax}:
                    return False, multipart
                if each.transfer_syntax in {None, EXPLICIT_LITTLE}:
                    return True, multipart
            elif each.takes(stored_type, multipart=multipart) and (
                any_syntax or each.transfer_syntax == read.transfer_syntax
            ):
                return False, multipart
        return None

    offers = (
        f"{stored_type} as they are stored, and {OCTETS} decoded; several frames only as multipart/related"
    )
    decoded, multipart = choose(request, form, offers)
    stack = ExitStack()
    try:
        stored = separate_frames(read)
        chosen = [stored[number - 1] for number in numbers]
        if decoded:
            folder = stack.enter_context(archive.incoming())
            chosen = [Stream.of(piece) for piece in save(chosen, read, folder / "frames")]
    except (NotDecodable, IndexError) as error:
        stack.close()
        raise Problem(406, f"The frames cannot be given so: {error}") from error
    except BaseException:
        stack.close()
        raise
    syntax = EXPLICIT_LITTLE if decoded or native else read.transfer_syntax
    content_type = f"{OCTETS if decoded else stored_type}; transfer-syntax={syntax}"
    if not multipart:
        return _closing(stream_response(chosen[0], content_type), stack)
    at = Urls.of(request).instance(record.study_uid, record.series_uid, record.sop_uid)
    parts = [
        Part((("Content-Type", content_type), ("Content-Location", f"{at}/frames/{number}")), stream)
        for number, stream in zip(numbers, chosen, strict=True)
    ]
    return _closing(parts_response(parts, content_type.partition(";")[0]), stack)


def _numbers(text: str, read: Part10) -> list[int]:
    """The numbers in a list of frames; they count from 1."""
    parts = text.split(",")
    if len(parts) > _MAX_FRAMES_ASKED or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise Problem(400, f"{text[:80]!r} is not a list of frame numbers such as 1,2,3")
    count = number_of_frames(read.dataset)
    numbers = [int(part) for part in parts]
    for number in numbers:
        if not 1 <= number <= count:
            raise Problem(404, f"There is no frame {number}: the instance has {count}, counted from 1")
    return numbers


# Bulk data


def bulk_data(request: Request) -> Response:
    """`GET .../bulkdata/<tag>`: a value that metadata refer to, without padding, fragments or item tags."""
    archive: Store = request.app.state.store
    read = _read(archive.path(_record(request)))
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
    shown = content_type.startswith(("image/", "video/"))  # browsers play no video in a sandbox
    headers = {"Accept-Ranges": "bytes", **(_AS_IT_IS if shown else _HARMLESS)}
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


# Pictures


def rendered(request: Request) -> Response:
    """`GET .../rendered` of an instance or one of its frames: a picture, or a PDF as it is."""
    archive: Store = request.app.state.store
    read = _read(archive.path(_record(request)))
    document = next((bulk for bulk in read.bulks if bulk.tag == ENCAPSULATED_DOCUMENT), None)
    if document is not None:
        return _rendered_document(request, document, read)
    number = _numbers(request.path_params.get("frames", "1"), read)[0]
    return _picture(request, read, number, _look(request, None))


def thumbnail(request: Request) -> Response:
    """`GET .../thumbnail` of a study, a series or an instance: a small picture of the first that has one."""
    archive: Store = request.app.state.store
    problem = Problem(406, "None of the instances can be shown as a picture")
    for record in _records(request)[:_AT_ONCE]:
        try:
            return _picture(request, _read(archive.path(record)), 1, _look(request, THUMBNAIL))
        except Problem as error:
            problem = error
    raise problem


def _picture(request: Request, read: Part10, number: int, look: Look) -> Response:
    def form(each: Wanted) -> str | None:
        return next((offered for offered in PICTURES if each.takes(offered, multipart=False)), None)

    media_type = choose(request, form, " and ".join(PICTURES))
    try:
        data = render(read, number - 1, media_type, look)
    except IndexError as error:
        raise Problem(404, f"There is no frame {number} to be shown") from error
    except NotRenderable as error:
        raise Problem(406, f"The instance cannot be shown as a picture: {error}") from error
    return Response(data, headers={"Content-Type": media_type, **_AS_IT_IS})


def _rendered_document(request: Request, document: Bulk, read: Part10) -> Response:
    def form(each: Wanted) -> bool | None:
        return True if document.media_type == PDF and each.takes(PDF, multipart=False) else None

    choose(request, form, f"{document.media_type} at the bulk data of the instance; only PDF is rendered")
    return stream_response(padding.without(document, read.dataset), PDF, _AS_IT_IS)


def _look(request: Request, viewport: tuple[int, int] | None) -> Look:
    """The parameters `viewport`, `window` and `quality` (PS3.18 8.3.5.1)."""
    size = _parameter(request, "viewport", lambda text: _positive(text.split(",")[:2]))
    window = _parameter(request, "window", _window)
    quality = _parameter(request, "quality", lambda text: _positive([text, text])[0])
    return Look(size or viewport, window, min(quality or DEFAULT_QUALITY, 95))


def _parameter(request: Request, name: str, convert: Callable[[str], T]) -> T | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return convert(text)
    except ValueError as error:
        raise Problem(400, f"The parameter {name} cannot be understood: {text[:80]!r}") from error


def _positive(texts: Sequence[str]) -> tuple[int, int]:
    width, height = (int(text) for text in texts)
    if not (0 < width < 65536 and 0 < height < 65536):
        raise ValueError
    return width, height


def _window(text: str) -> tuple[float, float]:
    center, width = (float(part) for part in text.split(",")[:2])
    if not abs(center) < 1e12 or not 1 <= width < 1e12:
        raise ValueError
    return center, width


# Deleting


def delete(request: Request) -> Response:
    """`DELETE` of a study, a series or an instance."""
    archive: Store = request.app.state.store
    archive.delete(_records(request))
    return Response(status_code=204)


# What all of them need


def _records(request: Request) -> list[Record]:
    """The instances that the address names; `Problem` 404 without any."""
    archive: Store = request.app.state.store
    uids = [request.path_params.get(name, "") for name in _UIDS]
    for uid, what in zip(uids, _UIDS.values(), strict=True):
        if uid and not is_uid(uid):
            raise Problem(400, f"{uid[:80]!r} in the address is not a {what}")
    records = archive.index.instances(*uids)
    if not records:
        what = next(name for name, uid in reversed(list(zip(_UIDS, uids, strict=True))) if uid)
        raise Problem(404, f"There is no such {what} here")
    return records


def _record(request: Request) -> Record:
    return _records(request)[0]


def _read(path: Path) -> Part10:
    try:
        return _found(reader.read, path)
    except Reject as error:
        log.error("A file of the archive cannot be read: %s", error)
        raise Problem(500, "The file of the instance cannot be read; the archive's log says why") from error


def _found(look: Callable[[Path], T], path: Path) -> T:
    try:
        return look(path)
    except GatewayError as error:
        if not path.exists():  # deleted since it was looked up
            raise Problem(404, "There is no such instance here any more") from error
        raise


def _closing(response: Response, stack: ExitStack) -> Response:
    """The response, at whose end what it needed is cleared away."""
    if isinstance(response, StreamingResponse):
        body = response.body_iterator

        async def to_the_end() -> AsyncIterator[str | bytes | memoryview]:
            with stack:
                async for chunk in body:
                    yield chunk

        response.body_iterator = to_the_end()
    return response
