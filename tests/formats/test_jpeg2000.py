"""JPEG 2000 and HTJ2K: the codestream alone goes into the object, and what DICOM cannot say is decoded."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
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
from gateway.formats import jpeg2000, jpeg2000_codestream, probe
from gateway.model import Probe, Source
from support import dciodvfy, require

FAMILY = "1.2.840.10008.1.2.4"
NATIVE = "1.2.840.10008.1.2.1"
SOC, EOC = b"\xff\x4f\xff\x51", b"\xff\xd9"


def encoded(
    mode: str = "RGB", size: tuple[int, int] = (37, 23), *, bare: bool = False, **options: Any
) -> bytes:
    """A picture written by Pillow with OpenJPEG; options are those of its writer."""
    file = io.BytesIO()
    examples.picture(mode, size).save(file, "JPEG2000", no_jp2=bare, **options)
    return file.getvalue()


def raw(values: np.ndarray, **options: Any) -> bytes:
    """A codestream written by pylibjpeg with OpenJPEG, of any depth and sign."""
    from openjpeg.utils import encode_array

    return bytes(encode_array(values, **options))


def ffmpeg(pixel_format: str, *options: str, size: str = "61x45") -> bytes:
    """A JP2 file written by FFmpeg's own encoder."""
    done = subprocess.run(
        [
            require("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", f"testsrc=s={size}:d=1:r=1",
            "-frames:v", "1", "-pix_fmt", pixel_format, "-c:v", "jpeg2000", *options, "-f", "image2pipe", "-",
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def codestream(data: bytes) -> bytes:
    return data[data.index(SOC) : data.rindex(EOC) + 2]


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def jp2(stream: bytes, *inner: bytes, space: int = 16) -> bytes:
    """A JP2 file round a codestream, with more boxes in its header."""
    colr = box(b"colr", b"\1\0\0" + struct.pack(">I", space))
    ihdr = box(b"ihdr", bytes(14))
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", ihdr + colr + b"".join(inner)) + box(b"jp2c", stream)


def look(folder: Path, data: bytes, reading: Reading = Reading(), name: str = "photo.jp2") -> Probe:
    path = examples.write(folder / name, data)
    return probe(Source(path, folder), reading)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


def decoded(found: Probe, lossless: Lossless = Lossless.NATIVE) -> tuple[np.ndarray, Probe]:
    """What converting gives, rows of pixels."""
    assert found.convert is not None
    assert found.pixels is not None
    with Workshop(found.source.path.parent) as shop:
        done = found.convert(shop, lossless)
        assert done.pixels is not None
        kind = "u1" if done.pixels.bits_allocated == 8 else "<u2"
        values = np.frombuffer(done.content.read(), kind)
    shape = (done.pixels.rows, done.pixels.columns, done.pixels.samples_per_pixel)
    return values.reshape(shape[: 2 if shape[2] == 1 else 3]), done


def array(data: bytes, mode: str | None = None) -> np.ndarray:
    """What Pillow decodes."""
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert(mode) if mode else opened)


def test_real_files_pass_as_their_codestream(samples: Path, tmp_path: Path) -> None:
    for name, start in (("jpeg2000/file1.jp2", 1277), ("small/jpeg2.jp2", 85)):
        path = samples / name
        found = probe(Source(path, samples), Reading())
        assert found.content.read() == path.read_bytes()[start:]
        assert found.pixels is not None
        assert (found.transfer_syntax, found.media_type) == (f"{FAMILY}.90", "image/jp2")
        assert found.pixels.photometric_interpretation == "YBR_RCT"
        assert found.pixels.lossy == ()
        instance, written = objects.made(path, tmp_path, "vl-photographic")
        assert instance.transfer_syntax == f"{FAMILY}.90"
        assert dciodvfy(written) == []
        assert (objects.pixels(written) == array(path.read_bytes(), "RGB")).all()


def test_a_codestream_that_does_not_say_its_colours_is_refused(samples: Path) -> None:
    with pytest.raises(Reject, match="has 4 components and does not say what they are"):
        probe(Source(samples / "jpeg2000/p0_06.j2k", samples), Reading())


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(
    ("mode", "options", "syntax", "colours"),
    [
        ("RGB", {"mct": 1}, "90", "YBR_RCT"),
        ("RGB", {"mct": 1, "irreversible": True}, "91", "YBR_ICT"),
        ("RGB", {"mct": 0}, "90", "RGB"),
        ("RGB", {"mct": 0, "irreversible": True}, "91", "RGB"),
        ("L", {}, "90", "MONOCHROME2"),
        ("L", {"irreversible": True, "quality_mode": "rates", "quality_layers": [5]}, "91", "MONOCHROME2"),
        ("RGB", {"mct": 1, "tile_size": (16, 16), "plt": True, "num_resolutions": 2}, "90", "YBR_RCT"),
        ("RGB", {"mct": 1, "progression": "RPCL", "quality_layers": [20, 5, 0]}, "90", "YBR_RCT"),
    ],
)
def test_transfer_syntax_and_colours_follow_from_the_codestream(
    tmp_path: Path, mode: str, options: dict[str, Any], syntax: str, colours: str, bare: bool
) -> None:
    data = encoded(mode, bare=bare, **options)
    path = examples.write(tmp_path / "photo.jp2", data)
    found = probe(Source(path, tmp_path), Reading())
    assert found.content.read() == codestream(data)
    assert found.transfer_syntax == f"{FAMILY}.{syntax}"
    assert found.pixels is not None
    assert found.pixels.photometric_interpretation == colours
    assert (found.pixels.columns, found.pixels.rows) == (37, 23)
    assert (found.pixels.bits_stored, found.pixels.samples_per_pixel) == (8, len(mode))
    if syntax == "91":
        [step] = found.pixels.lossy
        assert step.method == "ISO_15444_1"
        assert step.ratio == pytest.approx(37 * 23 * len(mode) / len(codestream(data)), rel=1e-3)
    else:
        assert found.pixels.lossy == ()
    instance, written = objects.made(path, tmp_path, "secondary-capture")
    assert instance.transfer_syntax == f"{FAMILY}.{syntax}"
    assert dciodvfy(written) == []
    assert next(generate_frames(pydicom.dcmread(written).PixelData, number_of_frames=1)).rstrip(b"\0") == (
        codestream(data).rstrip(b"\0")
    )
    # The plug-in and Pillow have OpenJPEG of different editions: 9-7 may differ by rounding.
    off = np.abs(objects.pixels(written).astype(int) - array(data).astype(int)).max()
    assert off <= (1 if syntax == "91" else 0)


def test_visible_light_gets_plain_rgb_decoded(tmp_path: Path) -> None:
    data = encoded(mct=0)
    path = examples.write(tmp_path / "photo.jp2", data)
    instance, written = objects.made(path, tmp_path, "vl-photographic")
    assert instance.transfer_syntax == NATIVE
    assert instance.dataset.PhotometricInterpretation == "RGB"
    assert instance.dataset.LossyImageCompression == "00"
    assert dciodvfy(written) == []
    assert (objects.pixels(written) == array(data)).all()


@pytest.mark.parametrize(("bits", "signed"), [(10, False), (12, True), (16, False), (16, True)])
def test_deep_grey_pictures_keep_depth_and_sign(tmp_path: Path, bits: int, signed: bool) -> None:
    y, x = np.mgrid[0:40, 0:50]
    values = (x * 331 + y * 97) % (1 << bits) - ((1 << (bits - 1)) if signed else 0)
    values = values.astype(np.int16 if signed else np.uint16)
    data = raw(values, bits_stored=bits)
    path = examples.write(tmp_path / "grey.j2k", data)
    instance, written = objects.made(path, tmp_path)
    assert instance.transfer_syntax == f"{FAMILY}.90"
    assert (instance.dataset.BitsStored, instance.dataset.BitsAllocated) == (bits, 16)
    assert instance.dataset.PixelRepresentation == int(signed)
    assert dciodvfy(written) == []
    assert (objects.pixels(written) == values).all()
    found = probe(Source(path, tmp_path), Reading())
    if signed:
        assert found.otherwise is None
    else:
        assert found.otherwise is not None
        assert (decoded(found.otherwise)[0] == values).all()


def test_few_bits_are_stretched_only_where_eight_are_needed(tmp_path: Path) -> None:
    values = (np.arange(50 * 40).reshape(40, 50) % 16).astype(np.uint8)
    found = look(tmp_path, raw(values, bits_stored=4))
    assert found.pixels is not None
    assert found.pixels.bits_stored == 4
    assert found.otherwise is not None
    assert (decoded(found.otherwise)[0] == values * 17).all()


# --- what is decoded -----------------------------------------------------------------------------------


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    data = ffmpeg("pal8")
    found = look(tmp_path, data)
    values, done = decoded(found)
    assert done.transfer_syntax == NATIVE
    assert (values == array(data, "RGB")).all()
    assert any("palette" in message for message in done.messages)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    data = encoded(mode)
    found = look(tmp_path, data)
    values, done = decoded(found)
    picture = examples.picture(mode).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    wanted = np.asarray(white.convert("RGB"))
    if mode == "LA":
        wanted = wanted[..., 0]
    assert np.abs(values.astype(int) - wanted.astype(int)).max() <= 1  # Pillow rounds in another way
    assert any("stored on white" in message for message in done.messages)
    assert done.pixels is not None
    assert done.pixels.lossy == ()


def test_full_cover_changes_nothing_and_is_not_told(tmp_path: Path) -> None:
    file = io.BytesIO()
    picture = examples.picture("RGB").convert("RGBA")
    picture.save(file, "JPEG2000")
    values, done = decoded(look(tmp_path, file.getvalue()))
    assert (values == np.asarray(picture.convert("RGB"))).all()
    assert not any("white" in message for message in done.messages)


@pytest.mark.parametrize("size", ["61x45", "64x48"])
@pytest.mark.parametrize("subsampling", ["yuv420p", "yuv422p"])
def test_colour_differences_of_half_the_resolution(tmp_path: Path, subsampling: str, size: str) -> None:
    """FFmpeg's decoder is the judge of the planes; odd sizes are those that decoders get wrong."""
    data = ffmpeg(subsampling, size=size)
    columns, rows = map(int, size.split("x"))
    planes = subprocess.run(
        [require("ffmpeg"), "-v", "error", "-c:v", "jpeg2000", "-f", "j2k_pipe", "-i", "-", "-f", "rawvideo",
         "-pix_fmt", subsampling, "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    half = (columns + 1) // 2
    tall = (rows + 1) // 2 if subsampling == "yuv420p" else rows
    luminance = np.frombuffer(planes, np.uint8, rows * columns).reshape(rows, columns).astype(float)
    rest = np.frombuffer(planes, np.uint8, offset=rows * columns).reshape(2, tall, half).astype(float) - 128
    rest = rest.repeat(2, axis=2) if tall == rows else rest.repeat(2, axis=2).repeat(2, axis=1)
    blue, red = rest[0, :rows, :columns], rest[1, :rows, :columns]
    wanted = np.stack(
        [luminance + 1.402 * red, luminance - 0.344 * blue - 0.714 * red, luminance + 1.772 * blue], -1
    )
    values, done = decoded(look(tmp_path, data))
    assert done.pixels is not None
    assert done.pixels.lossy[0].method == "ISO_15444_1"
    assert np.abs(values - np.clip(wanted, 0, 255)).mean() < 1.5


def test_luminance_and_colour_differences_are_kept_or_turned_to_rgb(tmp_path: Path) -> None:
    data = ffmpeg("yuv444p", "-pred", "dwt53")
    found = look(tmp_path, data)
    assert found.pixels is not None
    assert found.pixels.photometric_interpretation == "YBR_FULL"
    assert found.otherwise is not None
    values, _ = decoded(found.otherwise)
    assert np.abs(values.astype(int) - array(data, "RGB").astype(int)).max() <= 1


def test_colours_of_different_depths_are_stretched_to_the_same(tmp_path: Path) -> None:
    """The header of a third component says 5 bits: its values are its lower ones."""
    values = np.stack([np.full((40, 50), 200), np.full((40, 50), 16), np.full((40, 50), 7)], -1).astype(
        np.uint8
    )
    stream = bytearray(raw(values, bits_stored=8, photometric_interpretation=0, use_mct=False))
    at = stream.index(b"\xff\x51") + 4 + 36
    stream[at + 3 : at + 9 : 3] = b"\4\4"
    found = look(tmp_path, bytes(stream))
    done, _ = decoded(found)
    judged = array(bytes(stream)) >> np.array([0, 3, 3])
    scale = np.array([1, 255 / 31, 255 / 31])
    assert (done == np.rint(judged * scale).astype(np.uint8)).all()


def test_colours_in_another_order_are_put_right(tmp_path: Path) -> None:
    stream = codestream(encoded(mct=0))
    definition = struct.pack(">H9H", 3, 0, 0, 3, 1, 0, 2, 2, 0, 1)
    values, _ = decoded(look(tmp_path, jp2(stream, box(b"cdef", definition))))
    assert (values == np.asarray(examples.picture())[..., ::-1]).all()


def test_signed_colours_are_raised_to_begin_at_zero(tmp_path: Path) -> None:
    values = (np.arange(40 * 50 * 3).reshape(40, 50, 3) % 256 - 128).astype(np.int8)
    found = look(tmp_path, raw(values, bits_stored=8, photometric_interpretation=0, use_mct=False))
    assert (decoded(found)[0] == (values.astype(int) + 128)).all()


@pytest.mark.parametrize("lossless", list(Lossless))
def test_decoded_pictures_are_stored_in_every_lossless_way(tmp_path: Path, lossless: Lossless) -> None:
    path = examples.write(tmp_path / "photo.jp2", encoded("RGBA"))
    native, _ = decoded(probe(Source(path, tmp_path), Reading()))
    _, written = objects.made(path, tmp_path, "vl-photographic", Reading(lossless=lossless))
    assert dciodvfy(written) == []
    assert (objects.pixels(written) == native).all()


# --- HTJ2K ----------------------------------------------------------------------------------------------

HT_LOSSLESS = base64.b64decode(
    "/0//UQAvQAAAAAAYAAAAEAAAAAAAAAAAAAAAGAAAABAAAAAAAAAAAAADBwEBBwEBBwEB/1AACAACAAAABP9SAAwAAgABAQIE"
    "BEAB/1wACiBYYGBgWFhg/2QAFgABT3BlbkpQSCBWZXIgMC45LjAu/5AACgAAAAABPwAB/5PAC3j/Z8eXx/d6+hzP+ZzPr5fB"
    "4PPpBYQR0UhCAAABuQDAC1TWzMxcxVVcxVVcjs8ICSAx8pqnWQDAC1j37u7e5V3e5V3e5V3+CAkgMfKap1kAwAVMAFZABUDu"
    "zO3+2IPCdQBaVU3M9OAIl8nstwBFeILoBCXFAMAFRABWwAVQaXjz6AQlxQBMKsAHJvbgGCZJ7LcAF1Ckz8HogJxVAKACpN22"
    "/eT2Sey2AMALRgBasAFaJHksur3uRPbz4KCDg6dCeQDHVJIkadb09FH/AQFCSe/ZJ7LwvACf3/f6/v8IKRMMILgAwAroAWvA"
    "BXCf3/d+fZ//CAUNDCC4AB+PAACRV96P+CH8/wAQFDXv3XssILwAf/79/fr7/wghEwxguACgBXCtqqr+/xFe/de/dey6AP/Z"
)
HT_LOSSY = base64.b64decode(
    "/0//UQAvQAAAAAAYAAAAEAAAAAAAAAAAAAAAGAAAABAAAAAAAAAAAAADBwEBBwEBBwEB/1AACAACAAAAIP9SAAwAAgABAQIE"
    "BEAA/1wAESI8azzSPNI9PDSoNKg0Tv9kABYAAU9wZW5KUEggVmVyIDAuOS4wLv+QAAoAAAAAALoAAf+TwLXASb+/qd9VgBTD"
    "MWNQjgv0CO6z4jIDOADArwIwEgRh9EE1kmsvp6dZAMCu/2/3fd9AIokBj6enWQDAlgTQJPjbHVQA4OAOupUA/vJTAMCWBJAl"
    "svAQtAAk8jMAgODz0wDAkgSQI/7wQwD+8EMA8EMAwSQSQTD/YAQA/0REAP3/CAFFAMFRBUwVIJH/CAK9fFcAQJv/CAFP/scA"
    "Mcz/CBZm0LcAkEr+/wxEAP/Z"
)
"""A gradient of 24 x 16 pixels that OpenJPH 0.9 has compressed, its packets by resolution (RPCL)."""


def with_tile_lengths(stream: bytes) -> bytes:
    """A codestream of one tile with the segment (TLM) that says how long it is."""
    at = stream.index(b"\xff\x90")
    return stream[:at] + struct.pack(">HHBBI", 0xFF55, 8, 0, 0x40, len(stream) - 2 - at) + stream[at:]


HT_PROGRESSIVE = with_tile_lengths(HT_LOSSLESS)


@pytest.mark.parametrize(
    ("data", "end", "colours"),
    [(HT_LOSSLESS, "201", "YBR_RCT"), (HT_LOSSY, "203", "YBR_ICT"), (HT_PROGRESSIVE, "202", "YBR_RCT")],
)
def test_high_throughput_codestreams(tmp_path: Path, data: bytes, end: str, colours: str) -> None:
    path = examples.write(tmp_path / "photo.j2c", data)
    found = probe(Source(path, tmp_path), Reading())
    assert (found.transfer_syntax, found.media_type) == (f"{FAMILY}.{end}", "image/jphc")
    assert found.content.read() == data
    assert found.pixels is not None
    assert found.pixels.photometric_interpretation == colours
    assert [step.method for step in found.pixels.lossy] == (["ISO_15444_15"] if end == "203" else [])
    instance, written = objects.made(path, tmp_path, "vl-photographic")
    assert instance.transfer_syntax == f"{FAMILY}.{end}"
    off = objects.pixels(written).astype(int) - np.asarray(examples.picture(size=(24, 16))).astype(int)
    assert np.abs(off).max() <= (0 if end != "203" else 40)
    boxed = look(tmp_path, jp2(data), name="photo.jph")
    assert boxed.transfer_syntax == f"{FAMILY}.{end}"
    assert boxed.content.read() == data


# --- boxes ----------------------------------------------------------------------------------------------


def test_lengths_of_boxes_in_every_form(tmp_path: Path) -> None:
    data = encoded()
    stream = codestream(data)
    at = data.index(b"jp2c") - 4
    long = data[:at] + struct.pack(">I4sQ", 1, b"jp2c", 16 + len(stream)) + stream + box(b"xml ", b"<a/>")
    open_ended = data[:at] + struct.pack(">I4s", 0, b"jp2c") + stream
    padded = open_ended + b"\0\0\0"
    for each in (long, open_ended, padded):
        assert look(tmp_path, each).content.read() == stream
    assert any("3 bytes behind" in message for message in look(tmp_path, padded).messages)


def test_a_palette_for_nothing_is_refused(tmp_path: Path) -> None:
    palette = box(b"pclr", struct.pack(">HB", 1, 1) + b"\7\0")
    assert "what for" in refusal(tmp_path, jp2(codestream(encoded("L")), palette))


def test_further_codestreams_are_left_out_and_told(tmp_path: Path) -> None:
    stream = codestream(encoded())
    found = look(tmp_path, jp2(stream) + box(b"jp2c", stream))
    assert found.content.read() == stream
    assert any("1 further codestreams" in message for message in found.messages)


def test_a_profile_says_the_colour_space(tmp_path: Path) -> None:
    stream = codestream(encoded(mct=0))
    profile = bytes(16) + b"CMYK" + bytes(108)
    data = jp2(stream, space=16).replace(
        box(b"colr", b"\1\0\0" + struct.pack(">I", 16)), box(b"colr", b"\2\0\0" + profile)
    )
    data = data.replace(b"jp2h", b"jp2h", 1)
    start = data.index(b"jp2h") - 4
    grown = int.from_bytes(data[start : start + 4], "big") + len(profile) - 4
    assert "CMYK profile" in refusal(tmp_path, data[:start] + struct.pack(">I", grown) + data[start + 4 :])


@pytest.mark.parametrize("space", [12, 14, 20])
def test_other_colour_spaces_are_refused(tmp_path: Path, space: int) -> None:
    assert f"colour space {space}" in refusal(tmp_path, jp2(codestream(encoded(mct=0)), space=space))


# --- what is refused --------------------------------------------------------------------------------------


def test_a_picture_that_ends_too_early_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    for data in (encoded(), encoded(bare=True, tile_size=(16, 16))):
        for length in range(16, len(data)):
            with pytest.raises(Reject):
                look(tmp_path, data[:length])


def test_a_last_tile_part_without_a_length_reaches_to_the_end(tmp_path: Path) -> None:
    data = bytearray(encoded(bare=True))
    at = data.index(b"\xff\x90")
    data[at + 6 : at + 10] = bytes(4)
    assert look(tmp_path, bytes(data) + b"junk").content.read() == bytes(data)
    assert "not whole" in refusal(tmp_path, bytes(data[:-2]))


def test_missing_tiles_are_noticed(tmp_path: Path) -> None:
    data = encoded(bare=True, tile_size=(16, 16))
    last = data.rindex(b"\xff\x90\0\x0a")
    assert "some are missing" in refusal(tmp_path, data[:last] + EOC)


def test_too_many_bits_are_refused(tmp_path: Path) -> None:
    data = raw(np.arange(40 * 50, dtype=np.uint32).reshape(40, 50) * 99, bits_stored=20)
    assert "20 bits" in refusal(tmp_path, data)


def test_what_is_too_large_is_not_decoded(tmp_path: Path) -> None:
    found = look(tmp_path, encoded("RGBA"), Reading(max_pixels=800))
    with pytest.raises(Reject, match="--max-pixels"):
        decoded(found)


def test_damage_that_only_a_decoder_sees_ends_in_a_picture_or_a_refusal(tmp_path: Path) -> None:
    data = bytearray(encoded("RGBA"))
    at = data.index(b"\xff\x93")
    data[at + 2 : at + 200] = bytes(198)
    found = look(tmp_path, bytes(data))
    with suppress(Reject):  # OpenJPEG forgives much
        assert decoded(found)[0].shape == (23, 37, 3)


WHOLE = encoded(size=(20, 20), tile_size=(16, 16))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6), st.integers(0, len(WHOLE)))
def test_readers_answer_or_refuse_whatever_they_are_given(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[min(at, len(data) - 1)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "any.jp2", bytes(data[:cut] if cut % 3 == 0 else data))
        with suppress(GatewayError):
            assert jpeg2000.probe(Source(path, path.parent), Reading()).content.length <= len(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_codestream_headers_of_any_bytes(data: bytes) -> None:
    path = Path("any.j2k")
    file = io.BytesIO(SOC + data)
    with pytest.raises(Reject):
        jpeg2000_codestream.read(file, path, 0, len(data) + 4)
