"""Clinical documents in XML (HL7 CDA): stored as they are, after a look at whether they are well-formed.

A document is recognised by its root element. Declarations of a document type are refused: CDA has none,
and entities are how XML takes a reader's memory.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

from gateway.config import Reading
from gateway.errors import Reject, Unfinished
from gateway.formats.format import HEAD, Format
from gateway.formats.moments import zone
from gateway.model import Document, Kind, Probe, Source
from gateway.stream import CHUNK, FileStamp, open_file

HL7 = "urn:hl7-org:v3"
ROOT = "ClinicalDocument"

SCHEMES = {
    "2.16.840.1.113883.6.1": "LN",
    "2.16.840.1.113883.6.96": "SCT",
}
"""Coding Scheme Designators of the code systems that DICOM has one for (PS3.16 table 8-1)."""

_OPENINGS = tuple(
    mark + "<".encode(encoding)
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    )
)
"""How XML begins that does not begin with `<` in one byte: byte order marks, two bytes a character."""

_DEEPEST = 512
"""Elements within elements; sections, tables and entries take a few dozen."""

_LONGEST = 4 * 1024 * 1024
"""Bytes that one tag or comment may have, since the parser holds it as a whole."""

_TITLE = 4096
"""Characters of a title that are kept."""

_MOST_TYPES = 64
"""Media types of parts that are kept."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,30}/[A-Za-z0-9][\w!#$&^.+-]{0,30}", re.ASCII)
"""As long as a value of the List of MIME Types may be (LO)."""

_MOMENT = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?(?:\.\d+)?)?(?:([+-])(\d\d)(\d\d)?)?", re.ASCII
)
"""A point in time (HL7 V3 data type TS) that is known to the day at least."""


class _Refused(Exception):
    """What keeps a document from being stored, as a clause."""


class _Found(Exception):
    """The root element, where no more is asked for."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are of XML whose root is a clinical document's, or comes later."""
    root = _root(head)
    return root is not None and root in ("", f"{HL7} {ROOT}", ROOT)


def refuse_other(source: Source, head: bytes) -> None:
    """Raises `Reject` for XML that is something else, with the name of its root element."""
    root = _root(head)
    if root and not sniff(head):
        raise _other(source.path, root)


def probe(source: Source, reading: Reading) -> Probe:
    """What a clinical document says of itself.

    Raises `Reject` for XML that is not well-formed, that declares a document type, or that is no
    clinical document.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        header = _read(file, path)
    facts = header.facts()
    return FORMAT.whole(
        source,
        stamp,
        captured=facts["created"],
        facts={"cda": facts},
        document=Document("text/XML", tuple(header.media_types)),
    )


FORMAT = Format(
    name="cda",
    title="a clinical document (CDA)",
    short="CDA",
    kind=Kind.DOCUMENT,
    media_type="text/xml",
    extensions=(".xml", ".cda"),
    sniff=sniff,
    probe=probe,
    aliases=("application/xml", "application/hl7-cda+xml", "application/cda+xml"),
)


def _root(head: bytes) -> str | None:
    """The root element as `namespace name`, "" where it comes later; None for what is no XML."""
    declared = head.startswith((b"<?xml", *_OPENINGS))
    if not declared and not head.lstrip(b" \t\r\n").startswith(b"<"):
        return None
    parser = expat.ParserCreate(namespace_separator=" ")

    def stop(name: str, *_: object) -> None:
        raise _Found(name)

    parser.StartElementHandler = stop
    parser.StartDoctypeDeclHandler = stop
    try:
        parser.Parse(head)
    except _Found as found:
        return str(found)
    except (expat.ExpatError, ValueError, LookupError):  # also: an encoding that does not exist
        return None
    return "" if declared or len(head) >= HEAD else None


def _read(file: BinaryIO, path: Path) -> _Header:
    """What the header of a document says; all of the document is passed over, to see whether it is whole."""
    header = _Header()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = header.start
    parser.EndElementHandler = header.end
    parser.CharacterDataHandler = header.text
    parser.StartDoctypeDeclHandler = header.declaration
    fed = 0
    try:
        while chunk := file.read(CHUNK):
            parser.Parse(chunk)
            fed += len(chunk)
            if fed - parser.CurrentByteIndex > _LONGEST + CHUNK:
                raise _Refused(f"a tag or comment in it has more than {_LONGEST:,} bytes")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise _broken(path, parser, error) from error
    except _Found as found:
        raise _other(path, str(found)) from None
    except (_Refused, ValueError, LookupError) as error:
        raise Reject(f"{path} cannot be stored as a clinical document: {error}. Export it again") from error
    return header


class _Header:
    """What is kept of a document while it is passed over."""

    def __init__(self) -> None:
        self.media_types: dict[str, None] = {}
        """The media types of parts, in their order, each once."""
        self._path: list[str] = []
        self._title: list[str] = []
        self._identifier: str | None = None
        self._code: tuple[str, str, str] | None = None
        self._effective: str | None = None
        self._length = 0

    def facts(self) -> dict[str, Any]:
        """The facts, None where the document does not say them."""
        moment, day = _moment(self._effective or "")
        scheme, code, meaning = self._code or (None, None, None)
        return {
            "title": _line("".join(self._title)),
            "scheme": scheme,
            "code": code,
            "meaning": meaning,
            "identifier": self._identifier,
            "created": moment,
            "date": day,
        }

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if not self._path and name != f"{HL7} {ROOT}":
            raise _Found(name)
        if len(self._path) >= _DEEPEST:
            raise _Refused(f"its elements go deeper than {_DEEPEST} levels")
        self._path.append(name.removeprefix(f"{HL7} "))
        if len(self._path) in (2, 3) and self._path[1] in ("id", "code", "effectiveTime"):
            self._note("/".join(self._path[1:]), attributes)
        if self._path[-2:] in (["observationMedia", "value"], ["nonXMLBody", "text"]):
            self._part(attributes.get("mediaType", ""))

    def end(self, name: str) -> None:
        """An element ends."""
        self._path.pop()

    def text(self, text: str) -> None:
        """Some of an element's text: of the title all, within its own markup too."""
        if self._path[1:2] == ["title"] and self._length < _TITLE:
            self._title.append(text[: _TITLE - self._length])
            self._length += len(text)

    def declaration(self, *_: object) -> None:
        """A document type is declared."""
        raise _Refused("it declares a document type (DOCTYPE), which clinical documents do not have")

    def _note(self, what: str, attributes: dict[str, str]) -> None:
        if what == "id" and self._identifier is None:
            self._identifier = _identifier(attributes)
        elif what in ("code", "code/translation") and self._code is None:
            self._code = _code(attributes)
        elif what == "effectiveTime" and self._effective is None:
            self._effective = attributes.get("value")

    def _part(self, media_type: str) -> None:
        if _MEDIA_TYPE.fullmatch(media_type) and len(self.media_types) < _MOST_TYPES:
            self.media_types[media_type] = None


def _identifier(attributes: dict[str, str]) -> str | None:
    """An instance identifier as PS3.3 C.24.2 writes it: the root, and the extension behind a caret."""
    root, extension = _line(attributes.get("root", "")), _line(attributes.get("extension", ""))
    if root is None:
        return None
    return f"{root}^{extension}" if extension else root


def _code(attributes: dict[str, str]) -> tuple[str, str, str] | None:
    """Scheme, value and meaning of a code; None where one of them is not known."""
    scheme = SCHEMES.get(attributes.get("codeSystem", ""))
    code, meaning = _line(attributes.get("code", "")), _line(attributes.get("displayName", ""))
    return (scheme, code, meaning[:64].rstrip()) if scheme and code and meaning else None


def _moment(text: str) -> tuple[datetime | None, date | None]:
    """A point in time, None where it is not known to the minute; and its day."""
    match = _MOMENT.fullmatch(text.strip())
    if not match:
        return None, None
    year, month, day, hour, minute, second = match.groups()[:6]
    with suppress(ValueError):  # no such day or time
        on = date(int(year), int(month), int(day))
        if hour is None:
            return None, on
        offset = zone(match[7], match[8], match[9] or "0") if match[7] else None
        moment = datetime(on.year, on.month, on.day, int(hour), int(minute), int(second or 0), tzinfo=offset)
        return moment, on
    return None, None


def _line(text: str) -> str | None:
    """A text on one line without control characters; None when nothing is left."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split()) or None


def _other(path: Path, root: str) -> Reject:
    """The refusal of XML that is no clinical document."""
    namespace, _, name = root.rpartition(" ")
    where = f" of {namespace[:200]}" if namespace else ""
    return Reject(
        f"{path} is an XML document with the root element {name[:100]}{where}, and no clinical document "
        f"(CDA), whose root is {ROOT} of {HL7}; other XML cannot be converted. Save it as PDF and give that "
        "file"
    )


def _broken(path: Path, parser: expat.XMLParserType, error: expat.ExpatError) -> Reject:
    """The refusal of a document that is cut off or otherwise not well-formed."""
    place = f"in line {error.lineno:,}, column {error.offset + 1:,}"
    if parser.CurrentByteIndex < 0 or error.code in _CUT_OFF:
        return Unfinished(f"{path} is not whole: its XML ends too soon, {place}. Copy or export it again")
    reason = expat.ErrorString(error.code)
    return Reject(f"{path} is a damaged clinical document: {reason} {place}. Export it again")


_CUT_OFF = frozenset(
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
"""What the parser says of a document that ends too soon."""
