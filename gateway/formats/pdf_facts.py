"""Facts of a PDF, read by pypdf in bounded memory and time."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from pypdf import PasswordType, PdfReader
from pypdf.errors import DependencyError

from gateway.errors import Reject
from gateway.formats.moments import zone

_LIMIT = 64 * 1024 * 1024
"""How much may be read of a file: the table of its objects, 20 bytes each, and a few of them. Smaller
files may be read whole once, to be repaired."""

_COST = 16
"""What a single read counts beside its bytes, so that going in circles comes to an end."""

_DATE = re.compile(
    r"(?:D:)?(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:(?P<utc>Z)|(?P<sign>[+-])(\d\d)'?(\d\d)?)?.*",
    re.ASCII | re.DOTALL,
)
"""A date (ISO 32000-1 7.9.4) that is known to the minute at least."""

_INFO = {
    "title": "/Title",
    "author": "/Author",
    "subject": "/Subject",
    "keywords": "/Keywords",
    "creator": "/Creator",
    "producer": "/Producer",
}
"""Facts and the entries of the document information dictionary that hold them."""

# pypdf tells of every fault that it mends, which nobody here can do anything about.
logging.getLogger("pypdf").addHandler(logging.NullHandler())
logging.getLogger("pypdf").propagate = False


class _TooMuch(MemoryError):
    """More was read than a sound document needs; pypdf gives up after this error, and mends after others."""


class _Bounded:
    """A file of which only so much can be read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _LIMIT
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        """Some bytes, or all that are left."""
        if self._left <= 0:
            raise _TooMuch
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data) + _COST
        if self._left <= 0:
            raise _TooMuch
        return data


def read(file: BinaryIO, path: Path) -> tuple[dict[str, Any], bool]:
    """The facts of a document, None where they are not known, and whether it needs a password.

    `created` is aware where the document says the offset from UTC. Raises `Reject` for a document
    whose structure cannot be read.
    """
    facts = dict.fromkeys((*_INFO, "created", "pages")) | {"encrypted": False}
    try:
        document = _open(file)
        facts["encrypted"] = document.is_encrypted
        if document.is_encrypted and document.decrypt("") == PasswordType.NOT_DECRYPTED:
            return facts, True
        facts["pages"] = _pages(document)
    except (NotImplementedError, DependencyError):  # a certificate or an unknown method instead of a password
        return facts | {"encrypted": True}, True
    except _TooMuch:
        raise _unreadable(path, "its tables are damaged or too large to be searched") from None
    except Exception as error:  # pypdf may raise nearly anything for a damaged document
        raise _unreadable(path, "its tables of objects and pages do not fit together") from error
    facts |= _described(document)
    return facts, False


def _open(file: BinaryIO) -> PdfReader:
    """The document, its tables taken as they are or, where they are wrong, mended."""
    try:
        return PdfReader(cast(BinaryIO, _Bounded(file)), strict=True)
    except (NotImplementedError, DependencyError, _TooMuch):
        raise
    except Exception:  # the same; the lenient reader takes what the strict one does not
        return PdfReader(cast(BinaryIO, _Bounded(file)), strict=False)


def _pages(document: PdfReader) -> int:
    """The number of pages as the root of the page tree says it."""
    count = document.root_object["/Pages"]["/Count"]  # type: ignore[index]  # pypdf calls them objects
    if not isinstance(count, int) or count < 0:
        raise ValueError("the page count is no number")
    return int(count)


def _described(document: PdfReader) -> dict[str, Any]:
    """What the document says of itself; None where that is missing or cannot be read."""
    info = _attempt(lambda: document.metadata) or {}
    texts = {name: _text(_attempt(partial(info.get, entry))) for name, entry in _INFO.items()}
    texts["title"] = texts["title"] or _text(_attempt(partial(_xmp_title, document)))
    return texts | {"created": _date(_text(_attempt(partial(info.get, "/CreationDate"))) or "")}


def _attempt(look: Callable[[], Any]) -> Any:
    """What `look` finds; None where the document is broken just there."""
    try:
        found = look()
        return found.get_object() if hasattr(found, "get_object") else found
    except Exception:  # the same; a fact that cannot be read is not known
        return None


def _xmp_title(document: PdfReader) -> str | None:
    """The title in the document's XMP data, in its default language."""
    xmp = document.xmp_metadata
    titles = xmp.dc_title if xmp else None
    return titles.get("x-default") or next(iter(titles.values()), None) if titles else None


def _text(value: object) -> str | None:
    """A text on one line without control characters; None when nothing is left."""
    if not isinstance(value, str):
        return None
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split()) or None


def _date(text: str) -> datetime | None:
    """A date as PDF writes it: D:19991231235959+01'00'."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (part or "00" for part in match.groups()[:6])
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}")
    except ValueError:  # no such day or time
        return None
    if match["utc"]:
        return moment.replace(tzinfo=UTC)
    return moment.replace(tzinfo=zone(match["sign"], match[9], match[10] or "0")) if match["sign"] else moment


def _unreadable(path: Path, reason: str) -> Reject:
    """The refusal of a document that no viewer is sure to show."""
    return Reject(f"{path} is a damaged PDF document: {reason}. Print or export it to PDF again")
