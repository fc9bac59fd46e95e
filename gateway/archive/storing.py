"""The parts of a store request made into objects of the archive, each for itself (PS3.18 10.5.2)."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.archive.assemble import Assembled, BulkData, assemble
from gateway.archive.levels import first, key
from gateway.archive.reasons import (
    CANNOT_UNDERSTAND,
    COERCED,
    DAMAGED,
    DUPLICATE,
    OTHER_STUDY,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    Unstorable,
)
from gateway.archive.replies import DICOM, JSON, XML, Problem
from gateway.archive.results import Result
from gateway.archive.spool import Spooled
from gateway.archive.store import Kept, Store, describe, is_uid
from gateway.archive.urls import Urls
from gateway.dicom import json, part10, xml
from gateway.errors import GatewayError
from gateway.stow.multipart import ContentType, Malformed

log = logging.getLogger(__name__)

MAX_METADATA = 64 * 1024 * 1024
"""Bytes of a metadata part; it is read into memory, and bulk data have parts of their own."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that say that a disk is full."""

_FORMS = frozenset({DICOM, JSON, XML})


@dataclass(frozen=True, slots=True)
class Task:
    """A request that has been taken in: where it goes, and what it said before its body."""

    archive: Store
    content_type: ContentType
    study_uid: str | None
    urls: Urls
    folder: Path


def check_form(media_type: str) -> str:
    """How instances come, by a media type. Raises `Problem` 415 for a form that there is not."""
    form = media_type.strip().lower()
    if form not in _FORMS:
        raise Problem(
            415,
            f"Instances come as {DICOM}, or as {JSON} or {XML} with bulk data; "
            f"not as {media_type or 'unnamed parts'}",
        )
    return form


def store_all(task: Task, parts: Sequence[Spooled]) -> list[Result]:
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
        return check_form(content_type.parameters["type"])
    return check_form(root.content_type.media_type or DICOM)


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


def _store_file(task: Task, path: Path, called: str) -> Result:
    """Stores a Part 10 file that came in, as it is."""
    try:
        return _keep(task, path)
    except GatewayError as error:
        return Result(failure=CANNOT_UNDERSTAND, text=str(error).replace(str(path), called))
    except Exception as error:  # one part that breaks us must not cost the others their answer
        return _unexpected(Result(), error)


def _store_model(task: Task, model: json.Model, bulk_data: BulkData) -> Result:
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
    except Exception as error:  # the same
        return _unexpected(named, error)
    if result.failure is None and made.changes:
        text = f"Stored with corrections: {'; '.join(made.changes)}"
        return replace(result, warning=COERCED, text=text)
    return result


def _write(made: Assembled, path: Path) -> None:
    with path.open("wb") as file:
        for chunk in part10.write(made.instance):
            file.write(chunk)


def _keep(task: Task, path: Path) -> Result:
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
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return _failed(result, OUT_OF_RESOURCES, "There is no room left where the archive keeps its files")
    log.error("An object could not be stored", exc_info=error)
    return _failed(result, PROCESSING_FAILURE, f"The object could not be processed ({type(error).__name__})")
