"""Retrieving what people look at: rendered pictures, thumbnails, PDF (PS3.18 10.4, 8.7.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gateway.archive import padding
from gateway.archive.render import DEFAULT_QUALITY, Look, NotRenderable, render
from gateway.archive.replies import AS_IT_IS, Problem, Wanted, choose, stream_response
from gateway.archive.resources import frame_numbers, named_instance, named_instances, read_file
from gateway.archive.store import Store
from gateway.dicom.reader import ENCAPSULATED_DOCUMENT, Part10
from gateway.model import Bulk

PICTURES = ("image/jpeg", "image/png")
PDF = "application/pdf"
THUMBNAIL = (160, 160)

_TRIED = 100
"""Instances that are looked at to find one that can be shown."""

T = TypeVar("T")


def rendered(request: Request) -> Response:
    """`GET .../rendered` of an instance or one of its frames: a picture, or a PDF as it is."""
    archive: Store = request.app.state.store
    read = read_file(archive.path(named_instance(request)))
    document = next((bulk for bulk in read.bulks if bulk.tag == ENCAPSULATED_DOCUMENT), None)
    if document is not None:
        return _rendered_document(request, document, read)
    number = frame_numbers(request.path_params.get("frames", "1"), read)[0]
    return _picture(request, read, number, _look(request, None))


def thumbnail(request: Request) -> Response:
    """`GET .../thumbnail` of a study, a series or an instance: a small picture of the first that has one."""
    archive: Store = request.app.state.store
    problem = Problem(406, "None of the instances can be shown as a picture")
    for record in named_instances(request)[:_TRIED]:
        try:
            return _picture(request, read_file(archive.path(record)), 1, _look(request, THUMBNAIL))
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
    return Response(data, headers={"Content-Type": media_type, **AS_IT_IS})


def _rendered_document(request: Request, document: Bulk, read: Part10) -> Response:
    def form(each: Wanted) -> bool | None:
        return True if document.media_type == PDF and each.takes(PDF, multipart=False) else None

    choose(request, form, f"{document.media_type} at the bulk data of the instance; only PDF is rendered")
    return stream_response(padding.without(document, read.dataset), PDF, AS_IT_IS)


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
