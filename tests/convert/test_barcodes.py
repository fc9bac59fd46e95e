"""Codes that zxing-cpp has drawn and a camera or scanner has treated badly; judged by the text put in."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfWriter

import examples
from gateway.convert import barcodes
from gateway.convert.barcodes import Barcode
from gateway.errors import Reject

MRN = "4711001|A-77"


def code(text: str = MRN, form: str = "QRCode", scale: int = 6) -> Image.Image:
    """A code in grey with a white margin."""
    drawn = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, form))
    image = zxingcpp.write_barcode_to_image(drawn, scale=scale, add_quiet_zones=True)
    rows, columns = image.shape[:2]
    return Image.frombytes("L", (columns, rows), bytes(memoryview(image).cast("B")))


def on_page(*pictures: Image.Image, size: tuple[int, int] = (1654, 2339)) -> Image.Image:
    """The pictures below each other on a sheet, A4 at 200 dpi by default."""
    sheet = Image.new("RGB", size, "white")
    top = 100
    for each in pictures:
        sheet.paste(each, (200, top))
        top += each.height + 100
    return sheet


def saved(folder: Path, image: Image.Image, form: str, **options: object) -> Path:
    path = folder / f"a.{form.lower()}"
    image.save(path, form, **options)
    return path


def found(path: Path, form: str, **options: object) -> list[str]:
    return [each.text for each in barcodes.find(path, form, pixels=4_000_000, **options)]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
def test_pictures_of_every_format(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, on_page(code(), size=(800, 600)), form)
    assert barcodes.find(path, form.lower(), pixels=480_000) == (Barcode("QRCode", MRN),)


@pytest.mark.parametrize("symbology", ["QRCode", "Code128", "DataMatrix", "PDF417", "Aztec", "Code39"])
def test_symbologies(tmp_path: Path, symbology: str) -> None:
    text = "4711001" if symbology == "Code39" else MRN
    path = saved(tmp_path, on_page(code(text, symbology, 3)), "PNG")
    [each] = barcodes.find(path, "png", pixels=4_000_000)
    assert each.text == text
    assert each.format.startswith(symbology)


@pytest.mark.parametrize("angle", [0, 7, 45, 90, 180, 270])
def test_codes_may_lie_as_they_like(tmp_path: Path, angle: int) -> None:
    turned = on_page(code(), size=(800, 800)).rotate(angle, fillcolor="white", expand=True)
    assert found(saved(tmp_path, turned, "JPEG", quality=60), "jpeg") == [MRN]


def test_several_codes_are_all_found_and_the_same_one_once(tmp_path: Path) -> None:
    sheet = on_page(code("4711001"), code("4711002"), code("4711001"))
    assert sorted(found(saved(tmp_path, sheet, "PNG"), "png")) == ["4711001", "4711002"]


def test_only_the_symbologies_that_are_wanted_count(tmp_path: Path) -> None:
    path = saved(tmp_path, on_page(code("4711001"), code("12345", "Code128", 3)), "PNG")
    assert found(path, "png", wanted=("Code128",)) == ["12345"]
    assert sorted(found(path, "png", wanted=("Code128", "QRCode"))) == ["12345", "4711001"]


def noise(size: tuple[int, int] = (640, 480)) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1]))


def test_noise_and_blank_sheets_have_no_codes(tmp_path: Path) -> None:
    assert found(saved(tmp_path, noise(), "PNG"), "png") == []
    assert found(saved(tmp_path, on_page(), "PNG"), "png") == []


def test_a_code_in_a_noisy_picture(tmp_path: Path) -> None:
    picture = Image.blend(on_page(code(), size=(640, 480)), noise(), 0.25)
    assert found(saved(tmp_path, picture, "JPEG", quality=50), "jpeg") == [MRN]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_pixels_of_every_kind(tmp_path: Path, mode: str) -> None:
    picture = on_page(code(), size=(640, 480))
    if mode in ("RGBA", "LA"):  # black on nothing, where blending forgotten would be black on black
        dark = picture.convert("L").point(lambda value: 255 - value)
        picture = Image.merge("LA", (Image.new("L", dark.size), dark)).convert(mode)
    elif mode == "I;16":
        picture = picture.convert("I").point(lambda value: value * 200).convert("I;16")
    else:
        picture = picture.convert(mode)
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert found(saved(tmp_path, picture, form), form.lower()) == [MRN]


def test_of_several_frames_the_first_counts(tmp_path: Path) -> None:
    pages = [on_page(code("4711001"), size=(640, 480)), on_page(code("4711002"), size=(640, 480))]
    path = saved(tmp_path, pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert found(path, "tiff") == ["4711001"]


def test_text_is_what_was_put_in(tmp_path: Path) -> None:
    text = '{"mrn": "4711001", "name": "Müller^Jörg=山田"}'
    assert found(saved(tmp_path, on_page(code(text)), "PNG"), "png") == [text]


def test_a_page_of_a_pdf(tmp_path: Path) -> None:
    pages = [on_page(code("4711001")), on_page(code("4711002", scale=4).rotate(90))]
    path = saved(tmp_path, pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=200)
    assert found(path, "pdf") == ["4711001"]
    assert found(path, "pdf", page=2) == ["4711002"]
    with pytest.raises(Reject, match=r"has no page 3 for a bar code to be on: it ends with page 2"):
        found(path, "pdf", page=3)


def test_a_huge_page_is_drawn_within_bounds(tmp_path: Path) -> None:
    """As large as a PDF permits: 200 inches, which would have 1.6 billion dots."""
    path = saved(tmp_path, on_page(code(scale=40), size=(2000, 2000)), "PDF", resolution=10)
    assert found(path, "pdf") == [MRN]


def test_what_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "a.png").write_bytes(examples.raster("PNG")[:60])
    locked = io.BytesIO()
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret")
    writer.write(locked)
    (tmp_path / "locked.pdf").write_bytes(locked.getvalue())
    for name in ("a.pdf", "a.png", "locked.pdf"):
        with pytest.raises(Reject, match="cannot be searched for bar codes"):
            found(tmp_path / name, name.rpartition(".")[2])


def test_what_is_asked_for_is_known() -> None:
    assert barcodes.missing() == ()
    assert {"QRCode", "Code128", "DataMatrix"} <= set(barcodes.symbologies())
    assert barcodes.readable("pdf")
    assert barcodes.readable("heic")
    assert not barcodes.readable("mp4")
