"""What every answer of the archive has in common: media types asked for, and refusals in words.

The query parameter `accept` takes precedence over the header (PS3.18 8.3.3.1), so that a link on a
page can ask for a media type. A request without either is taken to accept anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.stow.multipart import Malformed, Part, boundary, parse_content_type, related, write
from gateway.stream import Stream

JSON = "application/dicom+json"
XML = "application/dicom+xml"
DICOM = "application/dicom"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"

AS_IT_IS = {"X-Content-Type-Options": "nosniff"}
"""Headers that keep a browser from taking content for something else than its Content-Type says."""

_RANGES = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|$))+')
_MAX_ACCEPT = 8192
_MAX_WARNING = 500
_UNSPEAKABLE = re.compile(r"[^\x20-\x7e]+")

T = TypeVar("T")


class Problem(Exception):
    """A request that cannot be answered: the HTTP status, and a sentence that says why."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The refusal as it is sent."""
        body = json.dumps({"message": self.message}, ensure_ascii=False).encode()
        return Response(body, self.status, media_type="application/json", headers=self.headers)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One media type that the client takes.

    `multipart` is None where the client did not say (`*/*`); `transfer_syntax` where it did not.
    """

    media_type: str
    multipart: bool | None
    transfer_syntax: str | None
    quality: float

    def takes(self, media_type: str, *, multipart: bool) -> bool:
        """Whether a body of this type, alone or as parts, is what the client means."""
        if self.multipart is not None and self.multipart is not multipart:
            return False
        group, _, name = self.media_type.partition("/")
        wanted_group, _, wanted_name = media_type.partition("/")
        return group in {"*", wanted_group} and name in {"*", wanted_name}


def wanted(request: Request) -> tuple[Wanted, ...]:
    """What the client takes, best first. Raises `Problem` when that cannot be read."""
    values = request.query_params.getlist("accept") or request.headers.getlist("accept")
    text = ", ".join(values)
    if len(text) > _MAX_ACCEPT:
        raise Problem(400, "The Accept header is too long")
    try:
        ranges = [_range(part) for part in _RANGES.findall(text) if part.strip()]
    except Malformed as error:
        raise Problem(400, f"The Accept header cannot be read: {error}") from error
    if not ranges:
        ranges = [Wanted("*/*", None, None, 1.0)]
    return tuple(sorted((each for each in ranges if each.quality > 0), key=lambda each: -each.quality))


def choose(request: Request, answer: Callable[[Wanted], T | None], offers: str) -> T:
    """The first answer for what the client takes, best first; `offers` says in words what there is.

    Raises `Problem` 406 when there is none.
    """
    for each in wanted(request):
        found = answer(each)
        if found is not None:
            return found
    raise Problem(406, f"None of the media types in Accept can be given here. There is {offers}")


def choose_metadata(request: Request) -> str:
    """`JSON`, `XML` as parts (`MULTIPART`) or `XML` as one document, as the client takes it."""

    def answer(each: Wanted) -> str | None:
        if each.takes(JSON, multipart=False) or each.takes("application/json", multipart=False):
            return JSON
        if each.takes(XML, multipart=True):
            return MULTIPART
        return XML if each.takes(XML, multipart=False) else None

    return choose(request, answer, f'{JSON}, and multipart/related; type="{XML}"')


def parts_response(
    parts: Sequence[Part], root_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A `multipart/related` answer with its length."""
    mark = boundary()
    return stream_response(write(parts, mark), related(root_type, mark), headers)


def stream_response(stream: Stream, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of known length whose bytes are read from disk as they are sent."""
    return StreamingResponse(
        iter(stream),
        headers={"Content-Type": media_type, "Content-Length": str(stream.length), **(headers or {})},
    )


def closing(response: Response, stack: ExitStack) -> Response:
    """The response, at whose end what it needed is cleared away."""
    if isinstance(response, StreamingResponse):
        body = response.body_iterator

        async def to_the_end() -> AsyncIterator[str | bytes | memoryview]:
            with stack:
                async for chunk in body:
                    yield chunk

        response.body_iterator = to_the_end()
    return response


def warning(text: str) -> str:
    """A Warning header's value (RFC 7234 5.5): ASCII, in quotes."""
    plain = _UNSPEAKABLE.sub("?", text.replace("\\", "/").replace('"', "'"))
    return f'299 gateway-archive "{plain[:_MAX_WARNING]}"'


def _range(text: str) -> Wanted:
    content_type = parse_content_type(text)
    parameters = content_type.parameters
    multipart: bool | None = False
    media_type = content_type.media_type
    if media_type == MULTIPART:
        multipart, media_type = True, parameters.get("type", "*/*").lower()
    elif media_type in {"*", "*/*"}:
        multipart, media_type = None, "*/*"
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 1.0
    return Wanted(media_type, multipart, parameters.get("transfer-syntax"), quality)


def chunked(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Small pieces joined into larger ones."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= size:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
