from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.errors import Reject
from gateway.formats import gif
from rasters import decoded, noise, probed, saved, survive

FORMAT = gif.FORMAT


def animated(frames: list[Image.Image], **options: object) -> bytes:
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], **options)


def test_a_picture_becomes_what_its_palette_says(tmp_path: Path) -> None:
    coloured = Image.fromarray(noise()).quantize(200)
    result, pixels = decoded(tmp_path, FORMAT, saved(coloured, "GIF"))
    assert np.array_equal(pixels, np.asarray(coloured.convert("RGB")))
    assert result.pixels is not None
    assert (result.pixels.frames, result.pixels.frame_times, result.pixels.lossy) == (None, (), ())
    grey = noise(samples=1)
    result, pixels = decoded(tmp_path, FORMAT, saved(grey, "GIF"))
    assert np.array_equal(pixels, grey)


@pytest.mark.parametrize(
    ("durations", "times"),
    [
        ([50, 0, 30, 20], (0.0, 50.0, 100.0, 30.0)),
        ([40, 40, 40, 40], (40.0,)),
        ([0, 0, 0, 0], (100.0,)),
        ([100, 0, 100, 0], (100.0,)),
    ],
)
def test_frames_have_their_times(tmp_path: Path, durations: list[int], times: tuple[float, ...]) -> None:
    frames = [Image.fromarray(noise(seed=seed)).quantize(200) for seed in range(4)]
    result, pixels = decoded(tmp_path, FORMAT, animated(frames, duration=durations))
    assert np.array_equal(pixels, np.stack([np.asarray(frame.convert("RGB")) for frame in frames]))
    assert result.pixels is not None
    assert (result.pixels.frames, result.pixels.frame_times) == (4, times)


def block(left: int, top: int, width: int, height: int, index: int, disposal: int = 1) -> bytes:
    """A frame of one colour, and what is to be done with it afterwards."""
    control = b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2, 5, 0, 0)
    codes = [4, index] * (width * height) + [5]  # each pixel after a clear code: all codes have three bits
    bits = sum(code << 3 * number for number, code in enumerate(codes))
    data = bits.to_bytes(-(-3 * len(codes) // 8), "little")
    image = b"," + struct.pack("<HHHHB", left, top, width, height, 0)
    return control + image + b"\x02" + bytes([len(data)]) + data + b"\0"


def test_frames_are_composed_as_they_are_seen(tmp_path: Path) -> None:
    head = (
        b"GIF89a"
        + struct.pack("<HHBBB", 6, 4, 0x91, 0, 0)
        + bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    )
    data = head + block(0, 0, 6, 4, 1) + block(1, 1, 2, 2, 2, 3) + block(3, 0, 2, 2, 3, 1) + b";"
    _, pixels = decoded(tmp_path, FORMAT, data)
    expected = np.zeros((3, 4, 6, 3), "u1")
    expected[:, :, :, 0] = 255
    expected[1, 1:3, 1:3] = (0, 255, 0)
    expected[2, 0:2, 3:5] = (0, 0, 255)  # on the first frame again: the second was to be taken away
    assert np.array_equal(pixels, expected)


def test_transparent_places_become_white(tmp_path: Path) -> None:
    picture = Image.fromarray(noise()).quantize(8)
    result, pixels = decoded(tmp_path, FORMAT, saved(picture, "GIF", transparency=3))
    indices = np.asarray(picture)
    expected = np.where((indices == 3)[:, :, None], 255, np.asarray(picture.convert("RGB")))
    assert np.array_equal(pixels, expected)
    assert "stored on white" in result.messages[0]


def test_damage_is_told(tmp_path: Path, samples: Path) -> None:
    data = saved(Image.fromarray(noise()).quantize(8), "GIF")
    for broken, words in (
        (data[:-1], "not whole"),
        (data[:40], "not whole"),
        (data[:-1] + b"\x99;", "unknown kind 153"),
        ((samples / "small" / "gif.gif").read_bytes(), "without a picture"),
        (data[:6] + b"\xff\xff\xff\xff" + data[10:], "--max-pixels"),
    ):
        with pytest.raises(Reject, match=words):
            probed(tmp_path, FORMAT, broken)


def test_all_frames_together_are_bounded(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(seed=seed)).quantize(200) for seed in range(4)]
    data = animated(frames, duration=50)
    with pytest.raises(Reject, match="in 4 frames, more than the 1,000 that"):
        probed(tmp_path, FORMAT, data, max_pixels=1000)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_damage(tmp_path: Path, data: st.DataObject) -> None:
    frames = [Image.fromarray(noise(seed=seed)).quantize(4) for seed in range(2)]
    changed = bytearray(animated(frames, duration=50))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(6, len(changed) - 1))] = data.draw(st.integers(0, 255))
    survive(tmp_path, FORMAT, bytes(changed))
