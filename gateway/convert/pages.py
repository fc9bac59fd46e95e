"""Single pages joined into one document or one picture, without loss.

Called in child processes (`child.run`): pictures and documents are other people's files.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import Reject

if TYPE_CHECKING:
    from PIL.Image import Image

POINTS = 72.0
"""Points of a PDF in an inch."""

USUAL = 200.0
"""Dots an inch of a scan that does not say."""

_COLOURS = {"1": "/DeviceGray", "L": "/DeviceGray", "RGB": "/DeviceRGB", "CMYK": "/DeviceCMYK"}

_LIES = {
    1: (1, 0, 0, 1, 0, 0), 2: (-1, 0, 0, 1, 1, 0), 3: (-1, 0, 0, -1, 1, 1), 4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1), 6: (0, -1, 1, 0, 0, 1), 7: (0, 1, 1, 0, 0, 0), 8: (0, 1, -1, 0, 1, 0),
}  # fmt: skip
"""What makes a picture upright, by how it lies (EXIF tag 274): a matrix for the unit square of PDF."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file of pages: where it is, by which name messages know it, and whether it is a PDF already."""

    path: Path
    shown: Path
    is_pdf: bool


def to_pdf(sheets: Sequence[Sheet], made: Path) -> int:
    """Writes one PDF of all sheets; how many pages it has.

    JPEGs go in as they are, black and white scans as Group 4, other pictures deflated, and pages of PDFs
    with all that is on them. Raises `Reject` for a sheet that cannot be read.
    """
    from pypdf import PdfReader, PdfWriter
    from pypdf.errors import PyPdfError

    writer = PdfWriter()
    writer.metadata = None
    for sheet in sheets:
        try:
            if sheet.is_pdf:
                writer.append(PdfReader(sheet.path), import_outline=False)
            else:
                for picture in _pictures(sheet):
                    _add(writer, *picture)
        except (PyPdfError, OSError, ValueError, SyntaxError, EOFError, ArithmeticError) as error:
            raise Reject(f"{sheet.shown} cannot be a page: {error}. Export it again") from error
    with made.open("wb") as file:
        writer.write(file)
    return len(writer.pages)


def to_frames(sheets: Sequence[Sheet], made: Path) -> int:
    """Writes one TIFF of all pictures, upright and uncompressed; how many there are.

    Raises `Reject` for a picture that cannot be read.
    """
    from PIL import ImageOps

    modes = [_mode(image) for image in _opened(sheets)]
    wanted = "RGB" if "RGB" in modes else None

    def upright() -> Iterator[Image]:
        for image in _opened(sheets):
            turned = _plain(ImageOps.exif_transpose(image))
            yield turned.convert(wanted) if wanted else turned

    frames = upright()
    next(frames).save(made, "TIFF", save_all=True, append_images=frames)
    return len(modes)


def _opened(sheets: Sequence[Sheet]) -> Iterator[Image]:
    """The pictures of all sheets, one after the other."""
    from PIL import Image as pil

    for sheet in sheets:
        try:
            with pil.open(sheet.path) as image:
                for number in range(getattr(image, "n_frames", 1)):
                    image.seek(number)
                    yield image
        except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError) as error:
            raise Reject(f"{sheet.shown} cannot be a frame: {error}. Export it again") from error


def _mode(image: Image) -> str:
    """What a picture is as a TIFF page."""
    if image.mode in ("1", "L"):
        return "L"
    return "I;16" if image.mode.startswith("I;16") else "RGB"


def _plain(image: Image) -> Image:
    """A picture as a TIFF page takes it: grey of 8 or 16 bits, or RGB, on white."""
    if image.mode in ("L", "RGB") or image.mode.startswith("I;16"):
        image.load()
        return image.copy()
    if image.mode == "1":
        return image.convert("L")
    return _on_white(image)


def _on_white(image: Image) -> Image:
    from PIL import Image as pil

    if not image.has_transparency_data:
        return image.convert("RGB")
    colours = image.convert("RGBA")
    white = pil.new("RGBA", image.size, "white")
    white.alpha_composite(colours)
    return white.convert("RGB")


def _pictures(sheet: Sheet) -> Iterator[tuple[Any, tuple[float, float], int]]:
    """The pictures of a file as objects of a PDF, with the size of each in points, and how it lies."""
    from PIL import Image

    with Image.open(sheet.path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            across, down = _dots(image)
            size = (image.width * POINTS / across, image.height * POINTS / down)
            lies = int(image.getexif().get(274, 1))
            whole = image.format == "JPEG" and image.mode in ("L", "RGB", "CMYK")
            made = _as_it_is(sheet.path, image) if whole else _stored(image)
            yield made, size, lies if lies in _LIES else 1


def _dots(image: Image) -> tuple[float, float]:
    """Dots an inch in both directions, where the picture says something that can be."""
    found = image.info.get("dpi") or (USUAL, USUAL)
    across, down = (float(each) for each in found[:2])
    likely = all(math.isfinite(each) and 20 <= each <= 5000 for each in (across, down))
    return (across, down) if likely else (USUAL, USUAL)


def _as_it_is(path: Path, image: Image) -> Any:
    """A JPEG, byte for byte."""
    entries: dict[str, Any] = {"/Filter": "/DCTDecode"}
    if image.mode == "CMYK" and "adobe" in image.info:
        entries["/Decode"] = [1, 0] * 4  # Adobe writes these inverted
    return _object(path.read_bytes(), image.mode, image.size, 8, entries)


def _stored(image: Image) -> Any:
    """Any other picture: black and white as Group 4, else deflated."""
    if image.mode == "1":
        return _fax(image)
    if image.mode.startswith("I;16"):
        data = image.convert("I;16B").tobytes() if image.mode != "I;16B" else image.tobytes()
        return _object(zlib.compress(data, 9), "L", image.size, 16, {"/Filter": "/FlateDecode"})
    plain = image if image.mode in ("L", "RGB", "CMYK") else _on_white(image)
    data = zlib.compress(plain.tobytes(), 9)
    return _object(data, plain.mode, plain.size, 8, {"/Filter": "/FlateDecode"})


def _fax(image: Image) -> Any:
    """A picture of one bit a pixel in Group 4 (ITU-T T.6), as libtiff writes it, in one strip."""
    from PIL import Image as pil
    from pypdf.generic import BooleanObject, DictionaryObject, NameObject, NumberObject

    file = io.BytesIO()
    image.save(file, "TIFF", compression="group4", strip_size=(image.width + 7) // 8 * image.height)
    with pil.open(io.BytesIO(file.getvalue())) as written:
        places, sizes = written.tag_v2[273], written.tag_v2[279]  # type: ignore[attr-defined]
        white_is_zero = written.tag_v2[262] == 0  # type: ignore[attr-defined]
    data = b"".join(file.getvalue()[place : place + size] for place, size in zip(places, sizes, strict=True))
    if len(places) != 1:
        return _object(zlib.compress(image.tobytes(), 9), "1", image.size, 1, {"/Filter": "/FlateDecode"})
    parameters = DictionaryObject(
        {
            NameObject("/K"): NumberObject(-1),
            NameObject("/Columns"): NumberObject(image.width),
            NameObject("/Rows"): NumberObject(image.height),
            NameObject("/BlackIs1"): BooleanObject(not white_is_zero),
        }
    )
    entries = {"/Filter": "/CCITTFaxDecode", "/DecodeParms": parameters}
    return _object(data, "1", image.size, 1, entries)


def _object(data: bytes, mode: str, size: tuple[int, int], bits: int, entries: dict[str, Any]) -> Any:
    from pypdf.generic import ArrayObject, NameObject, NumberObject, StreamObject

    made = StreamObject()
    made.set_data(data)
    for name, value in {
        "/Type": NameObject("/XObject"),
        "/Subtype": NameObject("/Image"),
        "/Width": NumberObject(size[0]),
        "/Height": NumberObject(size[1]),
        "/BitsPerComponent": NumberObject(bits),
        "/ColorSpace": NameObject(_COLOURS[mode]),
    }.items():
        made[NameObject(name)] = value
    for name, value in entries.items():
        if isinstance(value, str):
            value = NameObject(value)  # noqa: PLW2901
        elif isinstance(value, list) and not isinstance(value, ArrayObject):
            value = ArrayObject(NumberObject(each) for each in value)  # noqa: PLW2901
        made[NameObject(name)] = value
    return made


def _add(writer: Any, picture: Any, size: tuple[float, float], lies: int) -> None:
    """A page with one picture on all of it."""
    from pypdf.generic import DictionaryObject, NameObject, StreamObject

    width, height = size if lies < 5 else (size[1], size[0])
    page = writer.add_blank_page(width=round(width, 3), height=round(height, 3))
    a, b, c, d, e, f = _LIES[lies]
    matrix = (a * width, b * height, c * width, d * height, e * width, f * height)
    content = StreamObject()
    content.set_data(f"q {' '.join(f'{each:.3f}' for each in matrix)} cm /Page Do Q".encode("ascii"))
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/XObject"): DictionaryObject({NameObject("/Page"): writer._add_object(picture)})}
    )
    page[NameObject("/Contents")] = writer._add_object(content)
