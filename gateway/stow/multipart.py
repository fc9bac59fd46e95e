"""Multipart bodies, written and read (RFC 2046 5.1, RFC 2387, PS3.18 8.6.1).

Writing gives a `Stream`: sized, and readable as often as a request is sent. Reading is a parser that
is pushed: it is fed chunks as they come in and hands out events, so that it serves threads and
coroutines alike and never holds more than a boundary or a part's headers.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from gateway.stream import Stream

BOUNDARY_LENGTH = 70
"""The longest that RFC 2046 allows: some receivers read at most a boundary's length at a time."""

HEADER_LIMIT = 64 * 1024
"""Bytes of headers that a part may have."""

_ALPHABET = string.ascii_letters + string.digits  # needs no quotes as a parameter's value
_OPENING_LIMIT = 1024
_PADDING_LIMIT = 256
_BOUNDARY = re.compile(
    rb"[^\x00-\x1f\x7f]{0,255}[^\x00-\x20\x7f]"
)  # some clients use more than RFC 2046 allows
_LINE_END = re.compile(rb"[ \t]*\r?\n")
_LINE_END_BEGUN = re.compile(rb"[ \t]*\r?")
_HEADERS_END = re.compile(rb"(?:\A|\n)\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:(.*)")
_PARAMETER = re.compile(r';\s*(?:([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))\s*)?', re.DOTALL)


class Malformed(ValueError):
    """A body or a Content-Type is not what RFC 2046 or RFC 2045 says; the message says how."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body: its headers in order, and its content."""

    headers: tuple[tuple[str, str], ...]
    content: Stream


def boundary(avoid: Iterable[bytes] = ()) -> str:
    """A random boundary of 70 letters and digits that none of the given texts contains."""
    texts = tuple(avoid)
    while True:
        candidate = "".join(secrets.choice(_ALPHABET) for _ in range(BOUNDARY_LENGTH))
        if not any(candidate.encode("ascii") in text for text in texts):
            return candidate


def write(parts: Iterable[Part], boundary: str) -> Stream:
    """The body that has these parts, from the first delimiter to the line end after the last."""
    pieces: list[bytes | Stream] = []
    for part in parts:
        pieces += [f"--{boundary}\r\n".encode("ascii"), head(part), part.content, b"\r\n"]
    return Stream.of(*pieces, f"--{boundary}--\r\n".encode("ascii"))


def head(part: Part) -> bytes:
    """The headers of a part as they are written, with the empty line after them."""
    lines = [f"{name}: {value}\r\n" for name, value in part.headers]
    return "".join([*lines, "\r\n"]).encode("utf-8")


def related(root_type: str, boundary: str, *, quoted: bool = True) -> str:
    """The Content-Type of a `multipart/related` body.

    RFC 2045 wants quotes round a type, and so do most servers; `quoted=False` is for those that do not
    understand them.
    """
    value = f'"{root_type}"' if quoted else root_type
    return f"multipart/related; type={value}; boundary={boundary}"


@dataclass(frozen=True, slots=True)
class ContentType:
    """A Content-Type taken apart: the media type and the parameters' names are in lower case."""

    media_type: str
    parameters: Mapping[str, str]


def parse_content_type(text: str) -> ContentType:
    """Take a Content-Type apart (RFC 2045 5.1), values with or without quotes.

    Characters that should have been quoted (`type=application/dicom`) are taken as they are, since
    many clients write them so. The first of several parameters of one name counts. Raises `Malformed`.
    """
    media_type, _, _ = text.partition(";")
    parameters: dict[str, str] = {}
    position = len(media_type)
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if not found:
            raise Malformed(f"the Content-Type {text!r} has a parameter that is not name=value")
        name, quoted, bare = found.groups()
        if name:
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare.strip()
            parameters.setdefault(name.lower(), value)
        position = found.end()
    return ContentType(media_type.strip().lower(), MappingProxyType(parameters))


@dataclass(frozen=True, slots=True)
class PartStart:
    """A part begins; the names of its headers are in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part that began last; never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is complete."""


Event = PartStart | PartData | PartEnd


class _State(Enum):
    OPENING = auto()  # the boundary is still to be learnt from the first line
    PREAMBLE = auto()
    HEADERS = auto()
    CONTENT = auto()
    EPILOGUE = auto()


class _Line(Enum):
    """What a line that begins with the delimiter turns out to be."""

    UNSURE = auto()
    LOOK_ALIKE = auto()
    NEXT_PART = auto()
    CLOSING = auto()


class Reader:
    """A parser that is fed a body in chunks of any size and tells what it meets.

    `boundary` is the Content-Type's parameter; without it, it is taken from the body's first line.
    What stands before the first delimiter and after the closing one is skipped. Delimiter lines and
    headers may end in a bare LF; the CRLF before a delimiter is needed, because without it nobody
    could say where binary content ends. A line that only begins like a delimiter is content.
    """

    def __init__(self, boundary: str | None = None) -> None:
        self._state = _State.OPENING
        self._buffer = bytearray()
        self._delimiter = b""
        self._hidden = 0  # leading bytes that help to find a delimiter but are not content
        self._searched = 0
        if boundary is not None:
            self._expect(boundary.encode("utf-8"))

    @property
    def complete(self) -> bool:
        """Whether the closing delimiter has been read."""
        return self._state is _State.EPILOGUE

    def feed(self, chunk: bytes) -> list[Event]:
        """Take further bytes of the body and return what they complete. Raises `Malformed`."""
        self._buffer += chunk
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def close(self) -> None:
        """Say that the body has ended. Raises `Malformed` when its closing delimiter is missing."""
        if self._state in {_State.OPENING, _State.PREAMBLE}:
            raise Malformed("the multipart body has no parts: no line of it is the boundary")
        if not self.complete:
            raise Malformed(
                "the multipart body ends before its closing boundary, so that the last part may be cut off"
            )

    def _step(self, events: list[Event]) -> bool:
        """Go on by one state; False when that needs more bytes."""
        match self._state:
            case _State.OPENING:
                return self._learn_boundary()
            case _State.HEADERS:
                return self._read_headers(events)
            case _State.PREAMBLE | _State.CONTENT:
                return self._read_content(events)
            case _State.EPILOGUE:
                self._buffer.clear()
                return False

    def _learn_boundary(self) -> bool:
        opening = bytes(self._buffer[:_OPENING_LIMIT]).lstrip(b"\r\n")
        line, line_end, _ = opening.partition(b"\n")
        if not line_end and len(self._buffer) < _OPENING_LIMIT:
            return False
        line = line.rstrip(b" \t\r")
        if not line.startswith(b"--"):
            raise Malformed("the Content-Type names no boundary, and the body does not begin with one")
        self._expect(line[2:])
        return True

    def _expect(self, boundary: bytes) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise Malformed(
                f"the boundary {boundary[:BOUNDARY_LENGTH]!r} cannot be one: it is empty, too long, "
                "or has control characters in it"
            )
        self._delimiter = b"\r\n--" + boundary
        self._hide_line_end(0)
        self._state = _State.PREAMBLE

    def _read_headers(self, events: list[Event]) -> bool:
        found = _HEADERS_END.search(self._buffer, max(0, self._searched - 2))
        self._searched = len(self._buffer)
        end = found.end() if found else len(self._buffer)
        if end > HEADER_LIMIT:
            raise Malformed(f"a part has more than {HEADER_LIMIT} bytes of headers")
        if not found:
            return False
        events.append(PartStart(_headers(bytes(self._buffer[:end]))))
        self._hide_line_end(end)
        self._state = _State.CONTENT
        return True

    def _hide_line_end(self, end: int) -> None:
        """Put a line end in place of the bytes before `end`, for a delimiter that follows at once."""
        self._buffer[:end] = b"\r\n"
        self._hidden = 2

    def _read_content(self, events: list[Event]) -> bool:
        sure = 0
        while (start := self._buffer.find(self._delimiter, sure)) >= 0:
            line, end = self._judge(start + len(self._delimiter))
            if line is _Line.UNSURE:
                self._hand_out(start, events)
                return False
            if line is _Line.LOOK_ALIKE:
                sure = end
                continue
            self._hand_out(start, events)
            if self._state is _State.CONTENT:
                events.append(PartEnd())
            del self._buffer[: end - start]
            self._searched = 0
            self._state = _State.HEADERS if line is _Line.NEXT_PART else _State.EPILOGUE
            return True
        self._hand_out(max(sure, len(self._buffer) - len(self._delimiter) + 1), events)
        return False

    def _judge(self, position: int) -> tuple[_Line, int]:
        """What the line is whose delimiter ends at `position`, and where what follows begins."""
        rest = bytes(self._buffer[position : position + _PADDING_LIMIT])
        if rest.startswith(b"--"):
            return _Line.CLOSING, position + 2
        if found := _LINE_END.match(rest):
            return _Line.NEXT_PART, position + found.end()
        unfinished = rest == b"-" or _LINE_END_BEGUN.fullmatch(rest)
        if unfinished and len(rest) < _PADDING_LIMIT:
            return _Line.UNSURE, position
        return _Line.LOOK_ALIKE, position

    def _hand_out(self, end: int, events: list[Event]) -> None:
        """Turn the content before `end` into an event and forget it."""
        if self._state is _State.CONTENT and end > self._hidden:
            with memoryview(self._buffer) as view:  # one copy, not two
                events.append(PartData(bytes(view[self._hidden : end])))
        if end > 0:
            self._hidden = max(0, self._hidden - end)
            del self._buffer[:end]


def _headers(block: bytes) -> Mapping[str, str]:
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError:
        text = block.decode("latin-1")
    headers: dict[str, str] = {}
    for line in _FOLD.sub(" ", text).splitlines():
        if not line:
            continue
        found = _HEADER.fullmatch(line)
        if not found:
            raise Malformed(f"a part has a header line that is not 'Name: value': {line[:80]!r}")
        headers.setdefault(found[1].lower(), found[2].strip())
    return MappingProxyType(headers)
