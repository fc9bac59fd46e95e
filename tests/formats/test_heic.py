from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.convert import heif
from gateway.convert.raster import Recipe, write
from gateway.errors import Reject
from gateway.formats import heic
from gateway.model import Pixels
from rasters import converted, decoded, lying, noise, probed

pillow_heif = pytest.importorskip("pillow_heif")
FORMAT = heic.FORMAT


def made(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, **options)
    return file.getvalue()


def test_a_picture_is_decoded_and_was_compressed_with_loss(tmp_path: Path) -> None:
    data = made(Image.fromarray(noise(48, 64)), quality=50)
    found = probed(tmp_path, FORMAT, data)
    result, frames = converted(tmp_path, found, isolated=True)
    theirs = pillow_heif.open_heif(tmp_path / "picture").to_pillow()
    assert np.array_equal(frames[0], np.asarray(theirs))
    assert result.pixels is not None
    assert (result.pixels.rows, result.pixels.columns) == (48, 64)
    [step] = result.pixels.lossy
    assert step.method == "ISO_23008_2"
    assert step.ratio == pytest.approx(48 * 64 * 3 / len(data), rel=1e-3)


def test_grey_stays_grey_and_deep_colours_are_reduced(tmp_path: Path) -> None:
    result, pixels = decoded(tmp_path, FORMAT, made(Image.fromarray(noise(32, 32, 1)), quality=90))
    assert pixels.shape == (32, 32)
    file = io.BytesIO()
    deep = noise(32, 32, 3, 16)
    pillow_heif.from_bytes(mode="RGB;16", size=(32, 32), data=deep.tobytes()).save(file)
    result, pixels = decoded(tmp_path, FORMAT, file.getvalue())
    assert pixels.shape == (32, 32, 3)
    assert result.messages == ("has 10 bits a sample; they are reduced to 8",)


def test_it_is_turned_by_its_container_alone(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(32, 48))
    data = made(picture, exif=lying(6, "2020:01:02 03:04:05").tobytes())
    result, pixels = decoded(tmp_path, FORMAT, data)
    theirs = pillow_heif.open_heif(tmp_path / "picture").to_pillow()
    assert pixels.shape[:2] == theirs.size[::-1]
    assert result.messages == ()
    assert result.captured is not None


def test_several_pictures_are_told(tmp_path: Path) -> None:
    file = pillow_heif.from_pillow(Image.fromarray(noise(32, 48)))
    file.add_from_pillow(Image.fromarray(noise(64, 64)))
    data = io.BytesIO()
    file.save(data, primary_index=1)
    result, pixels = decoded(tmp_path, FORMAT, data.getvalue())
    assert pixels.shape == (64, 64, 3)
    assert result.messages == ("has 2 pictures; the main one is stored",)


def test_without_its_decoder_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(made(Image.fromarray(noise(32, 48))))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(Reject, match="install the extra 'heic'"):
        heif.read(path)
    with pytest.raises(Reject, match="install the extra 'heic'"):
        write(path, tmp_path / "raw", Pixels(32, 48, 3, "RGB"), Recipe("HEIF"))


def test_damage_is_told(tmp_path: Path) -> None:
    data = made(Image.fromarray(noise(32, 48)))
    for broken in (data[:-1], data[:100], data[:40] + bytes(200) + data[240:]):
        with pytest.raises(Reject, match=r"not whole|damaged"):
            probed(tmp_path, FORMAT, broken)


def test_brands(tmp_path: Path) -> None:
    for head, wanted in (
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", False),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1heic", False),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", False),
        (b"RIFF", False),
    ):
        assert FORMAT.sniff(head) is wanted
