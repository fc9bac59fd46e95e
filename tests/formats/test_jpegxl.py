"""JPEG XL: decoded exactly, or on request put into the object as it is."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import generate_frames

import examples
import objects
from gateway.config import Lossless, Reading
from gateway.convert.workshop import Workshop
from gateway.errors import GatewayError, Reject
from gateway.formats import jpegxl, jpegxl_header, probe
from gateway.formats.bits import Malformed
from gateway.model import Probe, Source
from support import dciodvfy, dcmdump

FAMILY = "1.2.840.10008.1.2.4"
NATIVE = "1.2.840.10008.1.2.1"
AS_IT_IS = Reading(allow_jxl=True)
SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "

TEN_BITS = base64.b64decode("/woDUVBcCAgCAQCgAEs4aZjKg/cpKJgQMeJwkTEG4x7JWTgMYEAACOX+v53W////r67zHTU=")
"""Grey of 10 bits, 24 x 16, that libjxl's cjxl has compressed: each value is 30 * column + row."""

OF_JPEG = base64.b64decode(
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAASanhscAAAAAD/CgMtEBMAAAHjamJyZMBw2wCCIAgtAwJAIgCh"
    "RoGQq0oAAEDIUdmCoTj/J4iMEco4pxS0HyFDmKUOMsxA6Q41WB8ynHzMgEMOKixy0LAD20cN/fsjyxx23IGGovtfjHHGJJds"
    "8skopzwzzTXbfDPOOQs9NNFFG3000klLPTXVVVt9NdZZiz022WWbfTbaacs9N91123033nkLPjjhhRt+OOKJRy755JRXbvnl"
    "mGceuuijk1666aejnnrsss9Oe+2234577sELPzzxxRt/PPLJRy/99NRXb/312GcPfvjij09++eafj3768Mcv//z012///fjn"
    "/69gqqoEAEDIUdmCoTj/L4iEUkZZpxSJ8YCQzahBhkl1oKF6sOHcQ44ZUJAPGnLQYQc2FlnmqN/tw44bWtEfeWbwSYb3vxjj"
    "jEs2+WSUU6a5ZptvxjlnoYcmumijj0Y6aamnprpqq6/GOmuxxya7bLPPRjttueemu26778Y778AFH5zwwg0/HPHEI5d8csor"
    "t/xyzDMPXfTRSS/d9NNRTz122WenvXbbb8c99+CFH5744o0/Hvnko5d+euqrt/567LMPX/zxyS/f/PPRTz9++eenv37778c/"
    "/3+BHwCoLAALCIDgABBKRklGAAEBAAABAAEAAAMAAAArYnJvYkV4aWYbHQAABHRjGwcxW6KpvxMJZZRYtIAkD9CW/4seKRkA"
    "AAABLWp4bHCAAAAB4FsCEABoBAhxCHAIcf7/DgAAGAAIAAEAAAAAAICAJYkkyLxJDwBPM8O9AAAlIQUFhdlBZgxmyC7KsH82"
    "NiYpmm7ggGf99fMHAGACwAkgxkXaBECZXQER0cemWrEgREQImAYiIoIQEREtfhARERERERERERERERERERGBmpC0IPLHwosN"
    "Jc8AcJEW+iwGDpjtg8AZBhS++AVRxkkQIOYgoSNJmhKZM2qAkrCLaIA5ws5GgyoKTIqJiFSwbSEiQhJ7EBERhAgsiYiIiIiI"
    "iIiIiIiIiIiIiIiICAAAAAAAQCEFcgDbkRQjI0VRsX5w//NJNI0T9LH9E/yT5beE0DkTBDpm+817E5ypVJXdh+BltsmfRNlj"
    "Es3uJRk+67tqJgHwJQ=="
)
"""A JPEG of 24 x 16, lying on its side by its EXIF data (6), that cjxl has compressed further."""

PROFILED = base64.b64decode("/woDQQj3jAIGDAAAAAjAAHPBIaQq6fkl53UsYlFIW9A=")
"""The beginning of RGB with a colour profile, compressed without loss."""


@pytest.fixture(autouse=True, scope="module")
def _plugin() -> None:
    """Pillow writes and reads JPEG XL."""
    import pillow_jxl

    assert pillow_jxl


def encoded(mode: str = "RGB", size: tuple[int, int] = (37, 23), **options: Any) -> bytes:
    """A picture written by Pillow's plug-in; options are those of its writer."""
    import pillow_jxl  # noqa: F401 - registers itself

    file = io.BytesIO()
    examples.picture(mode, size).save(file, "JXL", **options)
    return file.getvalue()


def look(folder: Path, data: bytes, reading: Reading = Reading()) -> Probe:
    path = examples.write(folder / "photo.jxl", data)
    return probe(Source(path, folder), reading)


def refusal(folder: Path, data: bytes, reading: Reading = Reading()) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data, reading)
    return str(caught.value)


def converted(found: Probe) -> tuple[np.ndarray, Probe]:
    """What converting gives, pixel by pixel."""
    assert found.convert is not None
    with Workshop(found.source.path.parent) as shop:
        done = found.convert(shop, Lossless.NATIVE)
        pixels = done.pixels
        assert pixels is not None
        values = np.frombuffer(done.content.read(), "u1" if pixels.bits_allocated == 8 else "<u2")
    shape = (pixels.rows, pixels.columns, pixels.samples_per_pixel)
    return values.reshape(shape[: 2 if shape[2] == 1 else 3]), done


def boxed(*boxes: tuple[bytes, bytes]) -> bytes:
    return SIGNATURE + b"".join(struct.pack(">I", 8 + len(data)) + kind + data for kind, data in boxes)


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize(("mode", "colours"), [("RGB", "RGB"), ("L", "MONOCHROME2")])
def test_lossless_pictures_are_decoded_exactly(
    tmp_path: Path, mode: str, colours: str, container: bool
) -> None:
    path = examples.write(tmp_path / "photo.jxl", encoded(mode, lossless=True, use_container=container))
    instance, written = objects.made(path, tmp_path, "vl-photographic")
    assert instance.transfer_syntax == NATIVE
    assert instance.dataset.PhotometricInterpretation == colours
    assert instance.dataset.LossyImageCompression == "00"
    assert dciodvfy(written) == []
    assert (objects.pixels(written) == np.asarray(examples.picture(mode))).all()


def test_lossy_pictures_say_so(tmp_path: Path) -> None:
    data = encoded(quality=80)
    path = examples.write(tmp_path / "photo.jxl", data)
    instance, written = objects.made(path, tmp_path)
    assert instance.dataset.LossyImageCompression == "01"
    assert instance.dataset.LossyImageCompressionMethod == "ISO_18181_1"
    assert float(instance.dataset.LossyImageCompressionRatio) == pytest.approx(
        37 * 23 * 3 / len(data), abs=0.01
    )
    assert dciodvfy(written) == []
    with Image.open(path) as opened:
        assert (objects.pixels(written) == np.asarray(opened)).all()


def test_deep_grey_keeps_its_values(tmp_path: Path) -> None:
    y, x = np.mgrid[0:16, 0:24]
    path = examples.write(tmp_path / "grey.jxl", TEN_BITS)
    instance, written = objects.made(path, tmp_path)
    assert (instance.dataset.BitsStored, instance.dataset.BitsAllocated) == (10, 16)
    assert dciodvfy(written) == []
    assert (objects.pixels(written) == 30 * x + y).all()
    values = (x * 2500 + y).astype("<u2")
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JXL", lossless=True)
    assert (converted(look(tmp_path, file.getvalue()))[0] == values).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    values, done = converted(look(tmp_path, encoded(mode, lossless=True)))
    picture = examples.picture(mode).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    wanted = np.asarray(white.convert("RGB" if mode == "RGBA" else "L"))
    assert np.abs(values.astype(int) - wanted).max() <= 1  # Pillow rounds in another way
    assert any("stored on white" in message for message in done.messages)


def test_recompressed_jpeg_is_what_the_jpeg_was_and_upright(tmp_path: Path) -> None:
    path = examples.write(tmp_path / "photo.jxl", OF_JPEG)
    instance, written = objects.made(path, tmp_path)
    assert (instance.dataset.Columns, instance.dataset.Rows) == (16, 24)
    assert instance.dataset.LossyImageCompressionMethod == "ISO_10918_1"
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = examples.jpeg(size=(24, 16), exif=exif)
    assert float(instance.dataset.LossyImageCompressionRatio) == pytest.approx(
        24 * 16 * 3 / len(jpeg), abs=0.01
    )
    with Image.open(io.BytesIO(jpeg)) as opened:
        assert (objects.pixels(written) == np.rot90(np.asarray(opened), -1)).all()


def test_the_smallest_file(samples: Path, tmp_path: Path) -> None:
    path = samples / "small/jxl.jxl"
    instance, written = objects.made(path, tmp_path)
    assert (instance.dataset.Rows, instance.dataset.Columns) == (256, 256)
    assert dciodvfy(written) == []


@pytest.mark.parametrize(
    ("mode", "options", "end", "colours"),
    [
        ("RGB", {"lossless": True}, "110", "RGB"),
        ("L", {"lossless": True}, "110", "MONOCHROME2"),
        ("RGB", {"quality": 80}, "112", "XYB"),
        ("L", {"quality": 80}, "112", "MONOCHROME2"),
    ],
)
@pytest.mark.parametrize("container", [False, True])
def test_on_request_the_codestream_goes_in_as_it_is(
    tmp_path: Path, mode: str, options: dict[str, Any], end: str, colours: str, container: bool
) -> None:
    bare = encoded(mode, **options)
    data = boxed((b"jxlp", bytes(4) + bare[:9]), (b"jxlp", b"\x80\0\0\1" + bare[9:])) if container else bare
    path = examples.write(tmp_path / "photo.jxl", data)
    instance, written = objects.made(path, tmp_path, "vl-photographic", AS_IT_IS)
    assert instance.transfer_syntax == f"{FAMILY}.{end}"
    assert instance.bulks[0].media_type == "image/jxl"
    assert instance.dataset.PhotometricInterpretation == colours
    assert f"UI [{FAMILY}.{end}]" in dcmdump(written) or "JPEGXL" in dcmdump(written)
    dataset = pydicom.dcmread(written)
    assert dataset.file_meta.TransferSyntaxUID == f"{FAMILY}.{end}"
    [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
    assert frame in (bare, bare + b"\0")


def test_on_request_recompressed_jpeg_has_a_transfer_syntax_of_its_own(tmp_path: Path) -> None:
    data = examples.write(tmp_path / "in.jpg", examples.jpeg())
    file = io.BytesIO()
    with Image.open(data) as opened:
        opened.save(file, "JXL", lossless_jpeg=True)
    found = look(tmp_path, file.getvalue(), AS_IT_IS)
    assert found.transfer_syntax == f"{FAMILY}.111"
    assert found.pixels is not None
    assert found.pixels.photometric_interpretation == "YBR_FULL_422"
    assert found.pixels.lossy[0].method == "ISO_10918_1"


def test_what_lies_turned_or_is_transparent_is_decoded_even_on_request(tmp_path: Path) -> None:
    for data in (OF_JPEG, encoded("RGBA", lossless=True)):
        assert look(tmp_path, data, AS_IT_IS).transfer_syntax == NATIVE


def test_a_damaged_codestream_is_not_put_in_even_on_request(tmp_path: Path) -> None:
    data = encoded(lossless=True)
    for reading in (Reading(), AS_IT_IS):
        with pytest.raises(Reject, match=r"photo\.jxl is damaged or not whole"):
            converted(look(tmp_path, data[:-40], reading))


def test_a_profile_hides_how_the_picture_was_compressed(tmp_path: Path) -> None:
    found = look(tmp_path, PROFILED)
    assert found.pixels is not None
    assert found.pixels.lossy[0].method == "ISO_18181_1"
    assert any("does not say whether" in message for message in found.messages)
    assert any("other colours than those of sRGB" in message for message in found.messages)


def test_the_camera_is_in_the_exif_box(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    bare = encoded(lossless=True)
    found = look(tmp_path, boxed((b"Exif", bytes(4) + exif.tobytes()[6:]), (b"jxlc", bare)))
    assert found.facts["exif"]["make"] == "Camera"
    assert found.captured is not None
    assert found.captured.year == 2024


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        (((b"jxlp", b"\0\0\0\0\xff\x0a"), (b"jxlp", b"\x80\0\0\2more")), "pieces of its codestream"),
        (((b"jxlp", b"\0\0\0\0\xff\x0a"),), "pieces of its codestream"),
        (((b"jxlc", b"\xff\x0a"), (b"jxlc", b"\xff\x0a")), "several codestreams"),
        (((b"jxll", b"\5"),), "ends before its codestream"),
        (((b"jxlc", b"nothing"),), "does not begin with FF0A"),
        (((b"jxlc", b"\xff\x0a\0"),), "header ends too early"),
    ],
)
def test_boxes_that_do_not_fit_are_refused(
    tmp_path: Path, boxes: tuple[tuple[bytes, bytes], ...], reason: str
) -> None:
    assert reason in refusal(tmp_path, boxed(*boxes))


def test_a_box_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    data = boxed((b"jxlc", encoded(lossless=True)))
    assert "not whole" in refusal(tmp_path, data[:-1])


def test_what_is_too_large_is_not_decoded(tmp_path: Path) -> None:
    with pytest.raises(Reject, match="--max-pixels"):
        converted(look(tmp_path, encoded(lossless=True), Reading(max_pixels=800)))


WHOLE = boxed((b"jxlc", encoded(size=(9, 9), lossless=True)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=6))
def test_the_reader_answers_or_refuses_whatever_it_is_given(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[min(at, len(data) - 1)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "any.jxl", bytes(data))
        with suppress(GatewayError):
            jpegxl.probe(Source(path, path.parent), Reading())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100))
def test_headers_of_any_bits(data: bytes) -> None:
    with suppress(Malformed):
        header = jpegxl_header.read(b"\xff\x0a" + data)
        assert header.columns > 0
        assert header.rows > 0
