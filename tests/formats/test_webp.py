from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.errors import Reject
from gateway.formats import webp
from rasters import Array, decoded, lying, noise, on_white, probed, saved, survive, upright

FORMAT = webp.FORMAT


def lossless(picture: Array | Image.Image, **options: object) -> bytes:
    return saved(picture, "WEBP", lossless=True, exact=True, **options)


def test_what_was_lossless_survives(tmp_path: Path) -> None:
    values = noise()
    result, pixels = decoded(tmp_path, FORMAT, lossless(values))
    assert np.array_equal(pixels, values)
    assert result.pixels is not None
    assert result.pixels.lossy == ()


def test_what_was_not_says_how_it_was_compressed(tmp_path: Path) -> None:
    data = saved(noise(40, 50), "WEBP", quality=50)
    result, pixels = decoded(tmp_path, FORMAT, data)
    with Image.open(tmp_path / "picture") as image:
        assert np.array_equal(pixels, np.asarray(image.convert("RGB")))
    assert result.pixels is not None
    [step] = result.pixels.lossy
    assert step.method == "RFC_6386"
    assert step.ratio == pytest.approx(6000 / len(data), rel=0.05)


def test_transparent_places_become_white(tmp_path: Path) -> None:
    values = noise(samples=4)
    result, pixels = decoded(tmp_path, FORMAT, lossless(values))
    assert abs(pixels - on_white(values[:, :, :3], values[:, :, 3])).max() <= 1
    assert "stored on white" in result.messages[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_stored_upright(tmp_path: Path, orientation: int) -> None:
    values = noise()
    _, pixels = decoded(tmp_path, FORMAT, lossless(values, exif=lying(orientation)))
    assert np.array_equal(pixels, upright(values, orientation))


def test_animations_are_frames_in_time(tmp_path: Path) -> None:
    frames = [noise(seed=seed) for seed in range(3)]
    first, *others = map(Image.fromarray, frames)
    data = lossless(first, save_all=True, append_images=others, duration=[100, 0, 50])
    result, pixels = decoded(tmp_path, FORMAT, data)
    assert np.array_equal(pixels, np.stack(frames))
    assert result.pixels is not None
    assert (result.pixels.frames, result.pixels.frame_times) == (3, (0.0, 100.0, 100.0))
    lossy = saved(first, "WEBP", save_all=True, append_images=others, duration=40, quality=50)
    found = probed(tmp_path, FORMAT, lossy)
    assert found.pixels is not None
    assert found.pixels.frame_times == (40.0,)
    assert found.pixels.lossy[0].ratio == pytest.approx(3 * 13 * 21 * 3 / len(lossy), rel=0.3)


def test_damage_is_told(tmp_path: Path) -> None:
    data = lossless(noise())
    for broken, words in (
        (data[:-2], "not whole"),
        (data[:20] + b"\x30" + data[21:], "damaged header"),
        (data[:12] + b"JUNK" + data[16:], "it has no picture"),
        (data[:16] + b"\xff\xff" + data[18:], "ends amid its picture"),
    ):
        with pytest.raises(Reject, match=words):
            probed(tmp_path, FORMAT, broken)
    result, _ = decoded(tmp_path, FORMAT, data + b"xy")
    assert result.messages == ("has 2 bytes behind its picture; they are left out",)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_damage(tmp_path: Path, data: st.DataObject) -> None:
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(2)]
    original = data.draw(
        st.sampled_from(
            [
                lossless(frames[0]),
                saved(frames[0], "WEBP", quality=30, exif=lying(6)),
                lossless(frames[0], save_all=True, append_images=frames[1:]),
            ]
        )
    )
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(12, len(changed) - 1))] = data.draw(st.integers(0, 255))
    survive(tmp_path, FORMAT, bytes(changed))
