from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.errors import Reject
from gateway.formats import png
from rasters import (
    decoded,
    deep_png,
    lying,
    noise,
    on_white,
    png_chunk,
    probed,
    saved,
    survive,
    upright,
)

FORMAT = png.FORMAT
SIGNATURE = 8
IHDR = 25


def test_each_sort_of_pixels_survives(tmp_path: Path) -> None:
    colours, grey = noise(), noise(samples=1)
    palette = Image.fromarray(colours).quantize(200)
    for picture, expected in (
        (colours, colours),
        (grey, grey),
        (palette, np.asarray(palette.convert("RGB"))),
        (Image.fromarray(grey > 100), (grey > 100) * 255),
        (Image.fromarray(grey).quantize(16), None),
    ):
        result, pixels = decoded(tmp_path, FORMAT, saved(picture, "PNG"))
        assert result.pixels is not None
        assert (result.pixels.bits_allocated, result.pixels.bits_stored) == (8, 8)
        assert result.pixels.photometric_interpretation == ("RGB" if pixels.ndim == 3 else "MONOCHROME2")
        assert result.pixels.planar_configuration == (0 if pixels.ndim == 3 else None)
        assert result.pixels.lossy == ()
        if expected is not None:
            assert np.array_equal(pixels, expected)
        assert result.messages == ()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_grey_of_few_bits_reaches_from_black_to_white(tmp_path: Path, depth: int) -> None:
    header = struct.pack(">LLBBBBB", 8, 1, depth, 0, 0, 0, 0)
    line = bytes([0, 0b00011011, 0b11100100, 0b10000001, 0b01111110])[: 1 + depth]
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    data += png_chunk(b"IDAT", __import__("zlib").compress(line)) + png_chunk(b"IEND", b"")
    values = [
        int(bits, 2) * 255 // ((1 << depth) - 1)
        for bits in (
            "".join(f"{byte:08b}" for byte in line[1:])[at : at + depth] for at in range(0, 8 * depth, depth)
        )
    ]
    assert decoded(tmp_path, FORMAT, data)[1].tolist() == [values]


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_sixteen_bits_survive(tmp_path: Path, samples: int) -> None:
    values = noise(samples=samples, bits=16)
    if samples == 1:
        values = values.reshape(13, 21)
    expected = values
    if samples in (2, 4):
        values[:, :, -1] = np.where(values[:, :, -1] > 30000, 65535, values[:, :, -1])
        expected = on_white(values[:, :, :-1].squeeze(), values[:, :, -1])
    result, pixels = decoded(tmp_path, FORMAT, deep_png(values))
    assert abs(pixels.astype(float) - expected).max() <= (0 if samples in (1, 3) else 0.5)
    assert result.pixels is not None
    assert (result.pixels.bits_allocated, result.pixels.bits_stored) == (16, 16)
    if samples == 1:
        assert np.array_equal(pixels, np.asarray(Image.open(tmp_path / "picture")))
    else:  # Pillow takes the higher bytes of colours
        theirs = np.asarray(Image.open(tmp_path / "picture").convert("RGB" if samples > 2 else "L"))
        opaque = values[:, :, -1] == 65535 if samples in (2, 4) else np.full((13, 21), True)
        assert np.array_equal((pixels >> 8)[opaque], theirs[opaque])


def test_a_colour_that_means_nothing_becomes_white(tmp_path: Path) -> None:
    values = noise(samples=1, bits=16)
    key = png_chunk(b"tRNS", struct.pack(">H", values[3, 4]))
    result, pixels = decoded(tmp_path, FORMAT, deep_png(values, key))
    assert pixels[3, 4] == 65535
    assert np.array_equal(pixels[values != values[3, 4]], values[values != values[3, 4]])
    assert "stored on white" in result.messages[0]
    grey = noise(samples=1)
    result, pixels = decoded(tmp_path, FORMAT, saved(grey, "PNG", transparency=int(grey[0, 0])))
    assert np.array_equal(pixels, np.where(grey == grey[0, 0], 255, grey))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_pictures_are_stored_upright(tmp_path: Path, orientation: int, deep: bool) -> None:
    values = noise(bits=16 if deep else 8)
    exif = lying(orientation, "2020:01:02 03:04:05")
    if deep:
        data = deep_png(values, png_chunk(b"eXIf", exif.tobytes()[6:]))
        expected = upright((values >> 8).astype("u1"), orientation)
    else:
        data = saved(values, "PNG", exif=exif)
        expected = upright(values, orientation)
    result, pixels = decoded(tmp_path, FORMAT, data)
    assert np.array_equal(pixels >> 8 if deep else pixels, expected)
    assert result.captured == datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001 - cameras say no zone
    assert any("turned upright" in message for message in result.messages) is (orientation > 1)
    result, pixels = decoded(tmp_path, FORMAT, data, keep_orientation=True)
    assert np.array_equal(pixels, values)
    assert any("is stored so" in message for message in result.messages) is (orientation > 1)


def test_animations_are_frames_in_time(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(3)]
    for options, wanted, times in (
        ({"duration": [100, 0, 50]}, frames, (0.0, 100.0, 100.0)),
        ({"duration": 40}, frames, (40.0,)),
        ({"duration": [30, 60], "default_image": True}, frames[1:], (0.0, 30.0)),
    ):
        data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], **options)
        result, pixels = decoded(tmp_path, FORMAT, data)
        assert np.array_equal(pixels, np.stack([np.asarray(frame) for frame in wanted]))
        assert result.pixels is not None
        assert (result.pixels.frames, result.pixels.frame_times) == (len(wanted), times)


def test_pixels_that_are_no_squares_say_so(tmp_path: Path) -> None:
    for density, aspect in (((204, 98), (102, 49)), ((100, 100), None), ((1000, 1001), None), ((0, 5), None)):
        data = saved(noise(), "PNG")
        chunk = png_chunk(b"pHYs", struct.pack(">LLB", *density, 1))
        at = SIGNATURE + IHDR
        found = probed(tmp_path, FORMAT, data[:at] + chunk + data[at:])
        assert found.pixels is not None
        assert found.pixels.pixel_aspect_ratio == aspect


def test_bytes_behind_the_picture_are_told(tmp_path: Path) -> None:
    result, _ = decoded(tmp_path, FORMAT, saved(noise(), "PNG") + b"more")
    assert result.messages == ("has 4 bytes behind its picture; they are left out",)


def test_damage_is_told(tmp_path: Path) -> None:
    data = saved(noise(), "PNG")
    for broken, words in (
        (data[:-12], "not whole"),
        (data[:60], "ends amid its picture"),
        (data[: SIGNATURE + IHDR] + data[-12:], "it has no picture"),
        (data[:100] + bytes([data[100] ^ 1]) + data[101:], "chunk 'IDAT' is damaged"),
        (
            data[:SIGNATURE] + png_chunk(b"IHDR", struct.pack(">LLBBBBB", 9, 9, 3, 2, 0, 0, 0)) + data[33:],
            "3 bits",
        ),
        (
            data[:SIGNATURE] + png_chunk(b"IHDR", struct.pack(">LLBBBBB", 0, 9, 8, 2, 0, 0, 0)) + data[33:],
            "0 x 9",
        ),
        (data[:33] + png_chunk(b"acTL", struct.pack(">LL", 7, 0)) + data[33:], "says that it has 7"),
    ):
        with pytest.raises(Reject, match=words):
            probed(tmp_path, FORMAT, broken)


def test_bombs_are_not_decoded(tmp_path: Path) -> None:
    data = saved(noise(), "PNG")
    for columns, rows, words in ((60000, 60000, "--max-pixels"), (70000, 2, "at most 65,535 rows")):
        header = png_chunk(b"IHDR", struct.pack(">LLBBBBB", columns, rows, 8, 2, 0, 0, 0))
        with pytest.raises(Reject, match=words):
            probed(tmp_path, FORMAT, data[:SIGNATURE] + header + data[33:])
    with pytest.raises(Reject, match="more than the 272 that are"):
        probed(tmp_path, FORMAT, data, max_pixels=272)
    assert probed(tmp_path, FORMAT, data, max_pixels=273).convert


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_damage(tmp_path: Path, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([saved(noise(), "PNG"), deep_png(noise(bits=16))]))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(8, len(original) - 1))] = data.draw(st.integers(0, 255))
    survive(tmp_path, FORMAT, bytes(changed))
