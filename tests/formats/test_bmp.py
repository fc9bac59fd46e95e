from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.errors import Reject
from gateway.formats import bmp
from rasters import converted, decoded, noise, probed, saved, survive

FORMAT = bmp.FORMAT


def test_each_sort_of_pixels_survives(tmp_path: Path) -> None:
    colours, grey = noise(), noise(samples=1)
    palette = Image.fromarray(colours).quantize(200)
    for picture, expected in (
        (colours, colours),
        (grey, grey),
        (palette, np.asarray(palette.convert("RGB"))),
        (Image.fromarray(grey > 100), (grey > 100) * 255),
    ):
        result, pixels = decoded(tmp_path, FORMAT, saved(picture, "BMP"))
        assert np.array_equal(pixels, expected)
        assert result.pixels is not None
        assert result.pixels.lossy == ()


def test_rows_can_begin_above(tmp_path: Path) -> None:
    values = noise()
    data = bytearray(saved(values, "BMP"))
    struct.pack_into("<l", data, 22, -13)
    assert np.array_equal(decoded(tmp_path, FORMAT, bytes(data))[1], values[::-1])


def run_length(runs: bytes, rows: int, columns: int) -> bytes:
    palette = b"".join(bytes([number, 255 - number, 7, 0]) for number in range(256))
    header = struct.pack("<LllHHLLllLL", 40, columns, rows, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<LLL", start + len(runs), 0, start) + header + palette + runs


def test_run_length_coding(tmp_path: Path) -> None:
    data = run_length(bytes([3, 5, 0, 0, 3, 9, 0, 1]), 2, 3)
    _, pixels = decoded(tmp_path, FORMAT, data)
    assert pixels.tolist() == [[[7, 246, 9]] * 3, [[7, 250, 5]] * 3]
    with pytest.raises(Reject, match="cannot be decoded"):
        decoded(tmp_path, FORMAT, run_length(bytes([3, 5]), 2, 3))


def test_the_smallest_of_all(tmp_path: Path, samples: Path) -> None:
    found = probed(tmp_path, FORMAT, (samples / "small" / "bmp.bmp").read_bytes())
    assert found.pixels is not None
    assert (found.pixels.rows, found.pixels.columns) == (1, 1)
    assert converted(tmp_path, found)[1].shape == (1, 1, 1, 3)


def test_damage_is_told(tmp_path: Path) -> None:
    data = saved(noise(), "BMP")
    for broken, words in (
        (data[:-1], "it ends 1 bytes before the end of its pixels"),
        (data[:30], "not whole"),
        (data[:28] + b"\x05" + data[29:], "5 bits"),
        (data[:30] + b"\x04" + data[31:], "the compression 4"),
        (data[:18] + struct.pack("<ll", 60000, 60000) + data[26:], "not whole"),
    ):
        with pytest.raises(Reject, match=words):
            probed(tmp_path, FORMAT, broken)
    with pytest.raises(Reject, match="--max-pixels"):
        probed(tmp_path, FORMAT, data, max_pixels=100)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_damage(tmp_path: Path, data: st.DataObject) -> None:
    original = data.draw(
        st.sampled_from([saved(noise(), "BMP"), run_length(bytes([3, 5, 0, 0, 3, 9, 0, 1]), 2, 3)])
    )
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(18, min(60, len(original) - 1)))] = data.draw(st.integers(0, 255))
    survive(tmp_path, FORMAT, bytes(changed))
