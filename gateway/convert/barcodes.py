"""Bar codes and QR codes in a picture or on a page of a PDF, decoded in a child process."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.convert import child
from gateway.errors import Reject

if TYPE_CHECKING:
    from PIL.Image import Image

INSTALL = "pip install 'stow-gateway[barcode]'"

DPI = 200
"""Dots an inch at which a page is drawn: twice what the finest usual bar codes need."""
MAX_PAGE = 20_000_000
"""Pixels of a page; larger sheets are drawn with fewer dots."""

PDF = "pdf"
_DECODERS = {
    "bmp": "BMP", "gif": "GIF", "heic": "HEIF", "jpeg": "JPEG", "jpeg2000": "JPEG2000", "jpegxl": "JXL",
    "png": "PNG", "tiff": "TIFF", "webp": "WEBP",
}  # fmt: skip
"""Pillow's name for each format of ours that it decodes."""

_SECONDS_A_MEGAPIXEL = 1.0
_BYTES_A_PIXEL = 16


@dataclass(frozen=True, slots=True)
class Barcode:
    """A code that was found: its symbology as zxing-cpp calls it (`QRCode`, `Code128`), and its text."""

    format: str
    text: str


def missing() -> tuple[str, ...]:
    """The libraries that are needed and not installed."""
    return tuple(name for name in ("zxingcpp", "pypdfium2") if importlib.util.find_spec(name) is None)


def symbologies() -> tuple[str, ...]:
    """The names of all symbologies that can be looked for."""
    import zxingcpp

    return tuple(sorted(each.name for each in zxingcpp.barcode_formats_list()))


def readable(form: str) -> bool:
    """Whether codes can be found in files of a format of ours."""
    return form == PDF or form in _DECODERS


def find(
    path: Path, form: str, *, pixels: int, page: int = 1, wanted: tuple[str, ...] = ()
) -> tuple[Barcode, ...]:
    """The codes in a file of one of our formats, each once.

    Of pictures the first frame is looked at, of a PDF the page of this number. `pixels` is the size of
    the picture; `wanted` are the symbologies looked for, all if there are none. Raises `Reject` for a file
    that cannot be decoded within its limits.
    """
    size = max(pixels, MAX_PAGE if form == PDF else 0)
    return child.run(
        read,
        path,
        form,
        page,
        wanted,
        seconds=child.SECONDS + _SECONDS_A_MEGAPIXEL * size / 1e6,
        memory=child.MEMORY + _BYTES_A_PIXEL * size,
        about=path,
    )


def read(path: Path, form: str, page: int, wanted: tuple[str, ...]) -> tuple[Barcode, ...]:
    """The codes in a file; called in a child process."""
    import zxingcpp

    picture = _page(path, page) if form == PDF else _picture(path, _DECODERS[form])
    formats = zxingcpp.barcode_formats_from_str(",".join(wanted or ("AllReadable",)))
    found = zxingcpp.read_barcodes(picture, formats=formats, text_mode=zxingcpp.TextMode.Plain)
    return tuple(dict.fromkeys(Barcode(each.format.name, each.text) for each in found if each.text))


def _picture(path: Path, decoder: str) -> Image:
    """The first frame of a picture in grey, transparent parts white."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # its size was compared with the limit when it was examined
    if decoder == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
    elif decoder == "JXL":
        import pillow_jxl  # noqa: F401  registers itself

    try:
        with Image.open(path, formats=(decoder,)) as image:
            if image.mode.startswith("I"):  # 16 bits, of which the higher ones are wanted
                return image.convert("I").point(lambda value: value / 256).convert("L")
            if image.has_transparency_data:
                opaque = image.convert("RGBA")
                ground = Image.new("RGBA", opaque.size, "white")
                return Image.alpha_composite(ground, opaque).convert("L")
            return image.convert("L")
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise Reject(
            f"{path} cannot be searched for bar codes: {error}. Check that it is not damaged"
        ) from error


def _page(path: Path, number: int) -> Image:
    """A page of a PDF in grey, as it is printed. Raises `Reject` where there is none of this number."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise Reject(
            f"{path} cannot be searched for bar codes: {error}. Check that it needs no password"
        ) from error
    if number > len(document):
        raise Reject(
            f"{path} has no page {number} for a bar code to be on: it ends with page {len(document)}"
        )
    page = document[number - 1]
    width, height = page.get_size()
    scale = min(DPI / 72, math.sqrt(MAX_PAGE / max(width * height, 1)))
    picture: Image = page.render(scale=scale, grayscale=True).to_pil()
    return picture
