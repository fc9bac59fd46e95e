"""What an address of the archive names, for everything that retrieves."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request

from gateway.archive.index import Record
from gateway.archive.replies import Problem
from gateway.archive.store import Store, is_uid
from gateway.dicom import reader
from gateway.dicom.frames import number_of_frames
from gateway.dicom.reader import Part10
from gateway.errors import GatewayError, Reject

log = logging.getLogger(__name__)

_MAX_FRAMES_ASKED = 10_000
_UIDS = {"study": "Study Instance UID", "series": "Series Instance UID", "instance": "SOP Instance UID"}

T = TypeVar("T")


def named_instances(request: Request) -> list[Record]:
    """The instances of the study, series or instance that the address names.

    Raises `Problem`: 400 for UIDs that are none, 404 where nothing is named so.
    """
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


def named_instance(request: Request) -> Record:
    """The instance that the address names; raises `Problem` as `named_instances` does."""
    return named_instances(request)[0]


def read_file(path: Path) -> Part10:
    """The file of an instance taken apart. Raises `Problem` when it is gone or cannot be read."""
    try:
        return if_there(reader.read, path)
    except Reject as error:
        log.error("A file of the archive cannot be read: %s", error)
        raise Problem(500, "The file of the instance cannot be read; the archive's log says why") from error


def if_there(look: Callable[[Path], T], path: Path) -> T:
    """What `look` finds in a file. Raises `Problem` 404 when it was deleted since it was looked up."""
    try:
        return look(path)
    except GatewayError as error:
        if not path.exists():  # deleted since it was looked up
            raise Problem(404, "There is no such instance here any more") from error
        raise


def frame_numbers(text: str, read: Part10) -> list[int]:
    """The numbers in a list of frames; they count from 1. Raises `Problem` 400 and 404."""
    parts = text.split(",")
    if len(parts) > _MAX_FRAMES_ASKED or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise Problem(400, f"{text[:80]!r} is not a list of frame numbers such as 1,2,3")
    count = number_of_frames(read.dataset)
    numbers = [int(part) for part in parts]
    for number in numbers:
        if not 1 <= number <= count:
            raise Problem(404, f"There is no frame {number}: the instance has {count}, counted from 1")
    return numbers
