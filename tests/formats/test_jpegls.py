"""JPEG-LS: the stream goes into the object as it is, up to its end marker."""

from __future__ import annotations

import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jpeg_ls import encode_buffer
from pydicom.encaps import generate_frames

import examples
import objects
from gateway.config import Lossless, Reading
from gateway.convert.workshop import Workshop
from gateway.errors import GatewayError, Reject
from gateway.formats import jpegls, probe
from gateway.model import Probe, Source
from support import dciodvfy

LOSSLESS, NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
NATIVE = "1.2.840.10008.1.2.1"

COLOURS = np.asarray(examples.picture("RGB", (37, 23)))
GREY = np.asarray(examples.picture("L", (37, 23)))


def encoded(values: np.ndarray, bits: int = 8, interleave: int = 2, near: int = 0) -> bytes:
    """A stream written by CharLS: colours by plane (0), by line (1) or by pixel (2)."""
    rows, columns, *samples = values.shape
    if samples and interleave == 0:  # CharLS is given pixels even where it codes by line
        values = np.moveaxis(values, -1, 0)
    data = np.ascontiguousarray(values).tobytes()
    count = samples[0] if samples else 1
    return bytes(
        encode_buffer(data, rows, columns, count, bits, near, interleave_mode=interleave if samples else 0)
    )


def look(folder: Path, data: bytes, reading: Reading = Reading()) -> Probe:
    path = examples.write(folder / "photo.jls", data)
    return probe(Source(path, folder), reading)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


def decoded(found: Probe) -> np.ndarray:
    """What converting gives, pixel by pixel."""
    assert found.convert is not None
    with Workshop(found.source.path.parent) as shop:
        done = found.convert(shop, Lossless.NATIVE)
        pixels = done.pixels
        assert pixels is not None
        values = np.frombuffer(done.content.read(), "u1" if pixels.bits_allocated == 8 else "<u2")
    return values.reshape(pixels.rows, pixels.columns, -1)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


@pytest.mark.parametrize("template", ["secondary-capture", "vl-photographic"])
@pytest.mark.parametrize("interleave", [0, 1, 2])
def test_colours_pass_in_every_order(tmp_path: Path, interleave: int, template: str) -> None:
    data = encoded(COLOURS, interleave=interleave)
    path = examples.write(tmp_path / "photo.jls", data)
    instance, written = objects.made(path, tmp_path, template)
    assert instance.transfer_syntax == LOSSLESS
    assert instance.dataset.PhotometricInterpretation == "RGB"
    assert instance.dataset.LossyImageCompression == "00"
    assert instance.bulks[0].media_type == "image/jls"
    assert dciodvfy(written) == []
    [frame] = generate_frames(pydicom.dcmread(written).PixelData, number_of_frames=1)
    assert frame in (data, data + b"\0")
    assert (objects.pixels(written) == COLOURS).all()
    other = probe(Source(path, tmp_path), Reading()).otherwise
    assert other is not None
    assert (decoded(other) == COLOURS).all()


@pytest.mark.parametrize("bits", range(2, 17))
def test_grey_pictures_of_every_depth_pass(tmp_path: Path, bits: int) -> None:
    y, x = np.mgrid[0:23, 0:37]
    values = ((x * 331 + y * 97) % (1 << bits)).astype(np.uint8 if bits <= 8 else np.uint16)
    path = examples.write(tmp_path / "grey.jls", encoded(values, bits))
    found = probe(Source(path, tmp_path), Reading())
    assert found.pixels is not None
    assert (found.pixels.bits_stored, found.pixels.bits_allocated) == (bits, 8 if bits <= 8 else 16)
    assert found.content.read() == path.read_bytes()
    instance, written = objects.made(path, tmp_path)
    assert instance.transfer_syntax == LOSSLESS
    assert dciodvfy(written) == []
    assert (objects.pixels(written) == values).all()
    assert found.otherwise is not None
    stretched = values if bits >= 8 else np.rint(values * (255 / ((1 << bits) - 1)))
    assert (decoded(found.otherwise)[..., 0] == stretched).all()


def test_near_lossless_pictures_have_lost_something(tmp_path: Path) -> None:
    data = encoded(GREY, near=3)
    path = examples.write(tmp_path / "grey.jls", data)
    instance, written = objects.made(path, tmp_path)
    assert instance.transfer_syntax == NEAR_LOSSLESS
    assert instance.dataset.LossyImageCompression == "01"
    assert instance.dataset.LossyImageCompressionMethod == "ISO_14495_1"
    assert float(instance.dataset.LossyImageCompressionRatio) == pytest.approx(
        GREY.size / len(data), abs=0.01
    )
    assert dciodvfy(written) == []
    off = np.abs(objects.pixels(written).astype(int) - GREY)
    assert 0 < off.max() <= 3


def test_what_follows_the_picture_is_left_out(tmp_path: Path) -> None:
    data = encoded(COLOURS)
    found = look(tmp_path, data + b"more\xff\xd9")
    assert found.content.read() == data
    assert found.messages == ("has 6 bytes behind its picture; they are left out",)


def test_data_that_look_like_markers_of_other_jpegs_are_data(tmp_path: Path) -> None:
    """A zero bit follows each FF: FF01 to FF7F are data here, and markers elsewhere."""
    values = np.random.default_rng(7).integers(0, 65536, (100, 100)).astype(np.uint16)
    data = encoded(values, 16)
    assert any(bytes((0xFF, low)) in data[40:-2] for low in range(1, 0x80))
    assert look(tmp_path, data).content.read() == data


def test_other_segments_may_stand_before_the_frame(tmp_path: Path) -> None:
    data = encoded(GREY)
    longer = data[:2] + b"\xff" + segment(0xFE, b"made for a test") + segment(0xE1, bytes(500)) + data[2:]
    found = look(tmp_path, longer)
    assert found.format == "jpegls"
    assert found.content.read() == longer


def spiff(space: int) -> bytes:
    """A header of SPIFF (ITU-T T.84 F.2.1), of which only the colour space matters."""
    return segment(0xE8, b"SPIFF\0" + bytes(12) + bytes((space,)) + bytes(11))


def test_spiff_says_the_colours(tmp_path: Path) -> None:
    data = encoded(COLOURS)
    for space, colours in ((2, "RGB"), (10, "RGB"), (3, "YBR_FULL")):
        found = look(tmp_path, data[:2] + spiff(space) + data[2:])
        assert found.pixels is not None
        assert found.pixels.photometric_interpretation == colours
    assert "colour space 12" in refusal(tmp_path, data[:2] + spiff(12) + data[2:])
    assert "differ in their colours" in refusal(tmp_path, data[:2] + spiff(8) + data[2:])


def test_visible_light_gets_luminance_and_colour_differences_as_rgb(tmp_path: Path) -> None:
    data = encoded(np.asarray(examples.picture("RGB").convert("YCbCr")))
    path = examples.write(tmp_path / "photo.jls", data[:2] + spiff(3) + data[2:])
    instance, written = objects.made(path, tmp_path, "vl-photographic")
    assert instance.transfer_syntax == NATIVE
    assert dciodvfy(written) == []
    assert np.abs(objects.pixels(written).astype(int) - COLOURS).mean() < 1


def test_colours_that_hps_extension_has_transformed_are_decoded(tmp_path: Path) -> None:
    """HP1 takes the green out of the other two."""
    green = COLOURS[..., 1:2].astype(int)
    turned = np.where([True, False, True], COLOURS - green + 128, COLOURS).astype(np.uint8)
    data = encoded(turned)
    path = examples.write(tmp_path / "photo.jls", data[:2] + segment(0xE8, b"mrfx\1") + data[2:])
    instance, written = objects.made(path, tmp_path)
    assert instance.transfer_syntax == NATIVE
    assert (objects.pixels(written) == COLOURS).all()


def changed(data: bytes, marker: int, offset: int, value: int) -> bytes:
    """The stream with one byte of the parameters of a segment changed."""
    at = data.index(bytes((0xFF, marker))) + 4 + offset
    return data[:at] + bytes((value,)) + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (changed(encoded(GREY), 0xF7, 0, 17), "impossible values"),
        (changed(changed(encoded(GREY), 0xF7, 2, 0), 0xF7, 1, 0), "height and width"),
        (changed(encoded(COLOURS), 0xF7, 7, 0x21), "different resolutions"),
        (changed(encoded(GREY), 0xDA, 2, 1), "mapping table"),
        (changed(encoded(GREY), 0xDA, 5, 1), "point transform"),
        (encoded(COLOURS, interleave=0).replace(b"\xff\xda\0\x08\1\2", b"\xff\xfe\0\x08\1\2"), "damaged"),
        (encoded(np.dstack([COLOURS, GREY])), "4 components"),
    ],
)
def test_what_is_damaged_or_cannot_be_carried_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    assert reason in refusal(tmp_path, data)


def test_a_picture_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    data = encoded(GREY)
    for length in range(12, len(data)):
        assert "not whole" in refusal(tmp_path, data[:length]) or length < 20


def test_what_is_too_large_is_not_decoded(tmp_path: Path) -> None:
    found = look(tmp_path, encoded(GREY), Reading(max_pixels=800)).otherwise
    assert found is not None
    with pytest.raises(Reject, match="--max-pixels"):
        decoded(found)


WHOLE = encoded(COLOURS[:10, :10], interleave=0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6))
def test_the_reader_answers_or_refuses_whatever_it_is_given(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "any.jls", bytes(data))
        jpegls.sniff(bytes(data))
        with suppress(GatewayError):
            assert jpegls.probe(Source(path, path.parent), Reading()).content.length <= len(data)
