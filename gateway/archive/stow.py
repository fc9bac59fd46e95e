"""Receiving objects: the Store transaction (PS3.18 10.5).

A request is taken in completely before anything of it is stored, so that one that breaks off or is
malformed stores nothing. After that each instance succeeds or fails by itself.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.archive.assemble import (
    CANNOT_UNDERSTAND,
    PROCESSING_FAILURE,
    Assembled,
    BulkData,
    Unstorable,
    assemble,
)
from gateway.archive.levels import first, key
from gateway.archive.replies import DICOM, JSON, MULTIPART, XML, Problem, Wanted, choose, warning
from gateway.archive.spool import Spool, Spooled
from gateway.archive.store import Kept, Store, describe, is_uid
from gateway.archive.urls import Urls
from gateway.dicom import json, part10, xml
from gateway.errors import GatewayError
from gateway.stow.multipart import ContentType, Malformed, Reader, parse_content_type
from gateway.stream import CHUNK

log = logging.getLogger(__name__)

OUT_OF_RESOURCES = 0xA700
DUPLICATE = 0x0111
OTHER_STUDY = 0xC409
COERCED = 0xB000
DAMAGED = 0xB007

MAX_METADATA = 64 * 1024 * 1024
"""Bytes of a metadata part; it is read into memory, and bulk data have parts of their own."""

_MAX_WARNINGS = 20
_BOUNDARIES = re.compile(r";\s*boundary\s*=", re.IGNORECASE)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORMS = frozenset({DICOM, JSON, XML})


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one instance.

    An instance with neither a Failure Reason nor a Warning Reason (PS3.18 I.2) is stored as it should
    be; with one of them, `text` says why. UIDs are empty where the instance did not say them.
    """

    sop_class: str = ""
    sop_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    failure: int | None = None
    warning: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Task:
    """A request that has been taken in: where it goes, and what it said before its body."""

    archive: Store
    content_type: ContentType
    study_uid: str | None
    urls: Urls
    folder: Path


async def store(request: Request) -> Response:
    """`POST {root}/studies` and `{root}/studies/{study}`."""
    try:
        study_uid, answers_in, content_type = _checked(request)
    except Problem:
        if "expect" not in request.headers:  # else it has not begun to send
            await _drain(request)
        raise
    archive: Store = request.app.state.store
    urls = Urls.of(request)
    with archive.incoming() as folder:
        parts = await _take_in(request, folder, content_type)
        task = _Task(archive, content_type, study_uid, urls, folder)
        results = await run_in_threadpool(_store_all, task, parts)
    return _answer(results, urls, answers_in)


def _checked(request: Request) -> tuple[str | None, str, ContentType]:
    """What the request says before its body: the study, how to answer, and what the body is."""
    study_uid = request.path_params.get("study")
    if study_uid is not None and not is_uid(study_uid):
        raise Problem(400, f"{study_uid!r} in the address is not a Study Instance UID")
    return study_uid, choose(request, _answer_type, f"{JSON} and {XML}"), _content_type(request)


async def _drain(request: Request) -> None:
    """Takes in what is left of a body and forgets it, so that the client gets to read the refusal."""
    with suppress(ClientDisconnect):
        async for _ in request.stream():
            pass


# Taking in


def _content_type(request: Request) -> ContentType:
    """The request's media type, if it is one that can be stored."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Problem(415, f"The Content-Encoding {encoding} is not supported; send the body as it is")
    try:
        content_type = parse_content_type(request.headers.get("content-type", ""))
    except Malformed as error:
        raise Problem(400, f"The Content-Type cannot be read: {error}") from error
    if content_type.media_type not in {MULTIPART, DICOM}:
        given = content_type.media_type or "no Content-Type"
        raise Problem(
            415,
            "A store request is multipart/related, or application/dicom for a single DICOM file; "
            f"this has {given}",
        )
    if content_type.media_type == MULTIPART:
        _check_form(content_type.parameters.get("type", DICOM))
    return content_type


def _check_form(media_type: str) -> str:
    form = media_type.strip().lower()
    if form not in _FORMS:
        raise Problem(
            415,
            f"Instances come as {DICOM}, or as {JSON} or {XML} with bulk data; "
            f"not as {media_type or 'unnamed parts'}",
        )
    return form


async def _take_in(request: Request, folder: Path, content_type: ContentType) -> list[Spooled]:
    """Writes the body's parts to disk. Raises `Problem` when it is malformed or there is no room."""
    spool: Spool | None = None
    try:
        spool = _spool(folder, request, content_type)
        # in larger pieces than the network brings, as each costs a change of threads
        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= CHUNK:
                await run_in_threadpool(spool.take, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(spool.take, bytes(waiting))
        return spool.finish()
    except Malformed as error:
        await _drain_rest(request)
        raise Problem(400, f"The body is not what its Content-Type says: {error}") from error
    except OSError as error:
        await _drain_rest(request)
        raise _no_room(error) from error
    finally:
        if spool:
            spool.close()


async def _drain_rest(request: Request) -> None:
    with suppress(RuntimeError):  # all of it was taken in
        await _drain(request)


def _spool(folder: Path, request: Request, content_type: ContentType) -> Spool:
    """Where the body's parts go.

    curl puts a boundary of its own behind one that was typed: with two, the body's first line decides.
    """
    if content_type.media_type == DICOM:
        return Spool(folder, None, {"content-type": DICOM})
    several = len(_BOUNDARIES.findall(request.headers["content-type"])) > 1
    return Spool(folder, Reader(None if several else content_type.parameters.get("boundary")), {})


def _no_room(error: OSError) -> Problem:
    if error.errno in _FULL:
        return Problem(507, "There is no room left for the request where the archive keeps its files")
    log.error("A request could not be written: %s", error)
    return Problem(500, f"The request could not be written to disk: {error.strerror or type(error).__name__}")


# Storing


def _store_all(task: _Task, parts: Sequence[Spooled]) -> list[Result]:
    """Stores what came, one instance after the other."""
    if not parts:
        raise Problem(400, "The body has no parts, so that there is nothing to store")
    try:
        form = _form(task.content_type, parts[0])
        if form == DICOM:
            return [_store_file(task, part.path, _called(n, parts)) for n, part in enumerate(parts, 1)]
        types = [part.content_type.media_type for part in parts]
    except Malformed as error:
        raise Problem(400, f"A part of the body cannot be understood: {error}") from error
    typed = list(zip(types, parts, strict=True))
    metadata = [part for media_type, part in typed if media_type == form]
    if not metadata:
        raise Problem(400, f"No part of the body is {form}, which its Content-Type announces")
    bulk_data = BulkData((part for media_type, part in typed if media_type != form), task.urls.request)
    models = [model for part in metadata for model in _load(part, form)]
    mixture = Result(
        failure=CANNOT_UNDERSTAND, text="A DICOM file came in a request of metadata and bulk data"
    )
    return [*(_store_model(task, model, bulk_data) for model in models), *[mixture] * types.count(DICOM)]


def _form(content_type: ContentType, root: Spooled) -> str:
    """How the instances come: the type parameter says it, or else the first part."""
    if content_type.media_type == DICOM:
        return DICOM
    if "type" in content_type.parameters:
        return _check_form(content_type.parameters["type"])
    return _check_form(root.content_type.media_type or DICOM)


def _load(part: Spooled, form: str) -> list[json.Model]:
    size = part.path.stat().st_size
    if size > MAX_METADATA:
        raise Problem(
            413,
            f"A metadata part has {size:,} bytes, at most {MAX_METADATA:,} are taken; use bulk data parts",
        )
    try:
        data = part.path.read_bytes()
        return json.load(data) if form == JSON else [xml.load(data)]
    except ValueError as error:
        raise Problem(400, f"The metadata cannot be read: {error}") from error


def _called(number: int, parts: Sequence[Spooled]) -> str:
    return f"Part {number} of the body" if len(parts) > 1 else "The body"


def _store_file(task: _Task, path: Path, called: str) -> Result:
    """Stores a Part 10 file that came in, as it is."""
    try:
        return _keep(task, path)
    except GatewayError as error:
        return Result(failure=CANNOT_UNDERSTAND, text=str(error).replace(str(path), called))
    except Exception as error:
        return _unexpected(Result(), error)


def _store_model(task: _Task, model: json.Model, bulk_data: BulkData) -> Result:
    """Stores an object that came as metadata and bulk data, as a Part 10 file."""
    named = _named(model)
    path = task.folder / "object"
    try:
        made = assemble(model, bulk_data)
        _write(made, path)
        result = _keep(task, path)
    except Unstorable as error:
        return _failed(named, error.reason, error.message)
    except GatewayError as error:
        return _failed(named, CANNOT_UNDERSTAND, str(error).replace(str(path), "The object"))
    except Exception as error:
        return _unexpected(named, error)
    if result.failure is None and made.changes:
        text = f"Stored with corrections: {'; '.join(made.changes)}"
        return replace(result, warning=COERCED, text=text)
    return result


def _write(made: Assembled, path: Path) -> None:
    with path.open("wb") as file:
        for chunk in part10.write(made.instance):
            file.write(chunk)


def _keep(task: _Task, path: Path) -> Result:
    described = describe(path)
    record = described.entry.record
    result = Result(record.sop_class, record.sop_uid, record.study_uid, record.series_uid)
    if task.study_uid is not None and record.study_uid != task.study_uid:
        return _failed(
            result, OTHER_STUDY, f"It belongs to the study {record.study_uid}, not to the one in the address"
        )
    if task.archive.keep(path, described) is Kept.DIFFERENT:
        return _failed(
            result, DUPLICATE, "The archive has another object with this SOP Instance UID, and keeps that"
        )
    if described.part10.damage:
        return replace(
            result, warning=DAMAGED, text=f"Stored as it came, but damaged: {described.part10.damage}"
        )
    return result


def _named(model: json.Model) -> Result:
    """What a data set says of its identity, whatever else is wrong with it."""

    def uid(keyword: str) -> str:
        try:
            value = first(model, key(keyword))
        except (AttributeError, KeyError, TypeError):
            return ""
        return value if isinstance(value, str) and is_uid(value) else ""

    return Result(
        uid("SOPClassUID"), uid("SOPInstanceUID"), uid("StudyInstanceUID"), uid("SeriesInstanceUID")
    )


def _failed(result: Result, reason: int, text: str) -> Result:
    return replace(result, failure=reason, text=text)


def _unexpected(result: Result, error: Exception) -> Result:
    """An object that ran into an error nobody thought of must not take the others with it."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return _failed(result, OUT_OF_RESOURCES, "There is no room left where the archive keeps its files")
    log.error("An object could not be stored", exc_info=error)
    return _failed(result, PROCESSING_FAILURE, f"The object could not be processed ({type(error).__name__})")


# Answering


def _answer_type(each: Wanted) -> str | None:
    if each.takes(JSON, multipart=False) or each.takes("application/json", multipart=False):
        return JSON
    if each.takes(XML, multipart=False) or each.takes("application/xml", multipart=False):
        return XML
    return None


def _answer(results: Sequence[Result], urls: Urls, media_type: str) -> Response:
    """The Store Instances Response (PS3.18 10.5.3 and Annex I)."""
    model = _response_module(results, urls)
    body = json.dump([model])[1:-1] if media_type == JSON else xml.dump(model)
    failed = sum(result.failure is not None for result in results)
    status = 200 if not failed else 409 if failed == len(results) else 202
    response = Response(body, status, headers={"Content-Type": media_type})
    for text in [result.text for result in results if result.text][:_MAX_WARNINGS]:
        response.headers.append("Warning", warning(text))
    return response


def _response_module(results: Sequence[Result], urls: Urls) -> json.Model:
    stored = [result for result in results if result.failure is None]
    failed = [result for result in results if result.failure is not None and result.sop_uid]
    others = [result for result in results if result.failure is not None and not result.sop_uid]
    studies = {result.study_uid for result in stored}
    model: json.Model = {
        key("RetrieveURL"): _element("UR", *(map(urls.study, studies) if len(studies) == 1 else ()))
    }
    if failed:
        model[key("FailedSOPSequence")] = _element("SQ", *(_failure_item(result) for result in failed))
    if stored:
        model[key("ReferencedSOPSequence")] = _element(
            "SQ", *(_stored_item(result, urls) for result in stored)
        )
    if others:
        model[key("OtherFailuresSequence")] = _element("SQ", *(_reason_item(result) for result in others))
    return model


def _stored_item(result: Result, urls: Urls) -> json.Model:
    url = urls.instance(result.study_uid, result.series_uid, result.sop_uid)
    item = {**_reference(result), key("RetrieveURL"): _element("UR", url)}
    if result.warning is not None:
        item[key("WarningReason")] = _element("US", result.warning)
    return item | _comment(result.text)


def _failure_item(result: Result) -> json.Model:
    return {**_reference(result), **_reason_item(result)}


def _reason_item(result: Result) -> json.Model:
    return {key("FailureReason"): _element("US", result.failure), **_comment(result.text)}


def _reference(result: Result) -> json.Model:
    return {
        key("ReferencedSOPClassUID"): _element("UI", *_one(result.sop_class)),
        key("ReferencedSOPInstanceUID"): _element("UI", result.sop_uid),
    }


def _comment(text: str) -> json.Model:
    """The text where other archives put theirs: an Error Comment for the attributes that failed."""
    comment = {key("ErrorComment"): _element("LO", text.replace("\\", "/"))}
    return {key("FailedAttributesSequence"): _element("SQ", comment)} if text else {}


def _one(text: str) -> Iterator[str]:
    if text:
        yield text


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
