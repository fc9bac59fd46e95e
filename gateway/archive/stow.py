"""Receiving objects: the Store transaction (PS3.18 10.5).

A request is taken in completely before anything of it is stored, so that one that breaks off or is
malformed stores nothing. After that each instance succeeds or fails by itself.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.archive.replies import DICOM, JSON, MULTIPART, XML, Problem, choose
from gateway.archive.results import answer, answer_type
from gateway.archive.spool import Spool, Spooled
from gateway.archive.store import Store, is_uid
from gateway.archive.storing import NO_ROOM, Task, check_form, store_all
from gateway.archive.urls import Urls
from gateway.stow.multipart import ContentType, Malformed, Reader, parse_content_type
from gateway.stream import CHUNK

log = logging.getLogger(__name__)

_BOUNDARIES = re.compile(r";\s*boundary\s*=", re.IGNORECASE)


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
        task = Task(archive, content_type, study_uid, urls, folder)
        results = await run_in_threadpool(store_all, task, parts)
    return answer(results, urls, answers_in)


def _checked(request: Request) -> tuple[str | None, str, ContentType]:
    """What the request says before its body: the study, how to answer, and what the body is."""
    study_uid = request.path_params.get("study")
    if study_uid is not None and not is_uid(study_uid):
        raise Problem(400, f"{study_uid!r} in the address is not a Study Instance UID")
    return study_uid, choose(request, answer_type, f"{JSON} and {XML}"), _content_type(request)


async def _drain(request: Request) -> None:
    """Takes in what is left of a body and forgets it, so that the client gets to read the refusal."""
    with suppress(ClientDisconnect):
        async for _ in request.stream():
            pass


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
        check_form(content_type.parameters.get("type", DICOM))
    return content_type


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
    if error.errno in NO_ROOM:
        return Problem(507, "There is no room left for the request where the archive keeps its files")
    log.error("A request could not be written: %s", error)
    return Problem(500, f"The request could not be written to disk: {error.strerror or type(error).__name__}")
