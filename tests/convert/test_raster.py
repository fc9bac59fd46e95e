from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from gateway.config import Lossless
from gateway.convert.encode import stored
from gateway.convert.raster import Recipe, turned, write
from gateway.convert.workshop import Workshop
from gateway.errors import Reject, Retry
from gateway.formats import png, tiff
from gateway.model import Pixels
from rasters import converted, decoded, noise, on_white, png_chunk, probed, saved, upright

PNG = png.FORMAT
TIFF = tiff.FORMAT


@pytest.mark.parametrize("orientation", range(10))
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    values = noise(5, 7)
    assert np.array_equal(turned(values, orientation), upright(values, orientation))
    assert np.array_equal(turned(values[..., 0], orientation), upright(values, orientation)[..., 0])


def test_a_picture_is_decoded_in_a_process_of_its_own(tmp_path: Path) -> None:
    values = noise(50, 60)
    result, frames = converted(tmp_path, probed(tmp_path, PNG, saved(values, "PNG")), isolated=True)
    assert np.array_equal(frames[0], values)
    assert result.messages == ()
    assert list(tmp_path.iterdir()) == [tmp_path / "picture"]


@pytest.mark.parametrize("lossless", Lossless)
def test_frames_are_stored_in_every_form(tmp_path: Path, lossless: Lossless) -> None:
    pages = [noise(40, 50, seed=seed) for seed in range(3)]
    data = saved(
        Image.fromarray(pages[0]), "TIFF", save_all=True, append_images=[*map(Image.fromarray, pages[1:])]
    )
    found = probed(tmp_path, TIFF, data)
    assert found.convert is not None
    with Workshop(tmp_path) as shop:
        result = found.convert(shop, lossless)
        assert result.pixels is not None
        assert result.pixels.frames == 3
        assert len(result.frames) == (0 if lossless is Lossless.NATIVE else 3)
        assert len(shop.made(result.content)) == 1


def test_transparent_places_become_white(tmp_path: Path) -> None:
    values = noise(samples=4)
    values[:, :, 3] = np.where(values[:, :, 3] > 128, 255, values[:, :, 0])
    white = on_white(values[:, :, :3], values[:, :, 3])
    result, pixels = decoded(tmp_path, PNG, saved(values, "PNG"))
    assert abs(pixels - white).max() <= 1
    opaque = values[:, :, 3] == 255
    assert np.array_equal(pixels[opaque], values[:, :, :3][opaque])
    assert result.messages == ("is transparent in places; it is stored on white",)


def test_cover_that_covers_everything_changes_nothing(tmp_path: Path) -> None:
    values = noise(samples=4)
    values[:, :, 3] = 255
    result, pixels = decoded(tmp_path, PNG, saved(values, "PNG"))
    assert np.array_equal(pixels, values[:, :, :3])
    assert result.messages == ()


def profile(name: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()  # type: ignore[arg-type]


def test_values_are_kept_whatever_their_profile(tmp_path: Path) -> None:
    values = noise()
    for name, told in (("sRGB", 0), ("XYZ", 1)):
        result, pixels = decoded(tmp_path, PNG, saved(values, "PNG", icc_profile=profile(name)))
        assert np.array_equal(pixels, values)
        assert len(result.messages) == told
    assert "has the colour profile 'XYZ identity built-in', which is not stored" in result.messages[0]
    result, pixels = decoded(tmp_path, PNG, saved(values, "PNG", icc_profile=b"nonsense" * 30))
    assert np.array_equal(pixels, values)
    assert "has a colour profile, which is not stored" in result.messages[0]


def test_colours_for_print_become_rgb(tmp_path: Path) -> None:
    flat = np.zeros((4, 4, 4), "u1")
    flat[:2, :, 0] = 255
    data = saved(Image.fromarray(flat, "CMYK"), "TIFF")
    result, pixels = decoded(tmp_path, TIFF, data)
    assert pixels[3, 0].tolist() == [255, 255, 255]
    assert pixels[0, 0].tolist() == [0, 255, 255]
    assert "without a profile" in result.messages[0]
    broken = saved(Image.fromarray(flat, "CMYK"), "TIFF", icc_profile=b"nonsense" * 30)
    assert np.array_equal(decoded(tmp_path, TIFF, broken)[1], pixels)


def test_a_header_that_lies_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(saved(noise(5, 7), "PNG"))
    raw = tmp_path / "raw"
    for pixels in (
        Pixels(7, 5, 3, "RGB"),
        Pixels(5, 7, 1, "MONOCHROME2"),
        Pixels(5, 7, 1, "MONOCHROME2", 16, 16),
    ):
        with pytest.raises(Reject, match="cannot be decoded"):
            write(path, raw, pixels, Recipe("PNG"))
    with pytest.raises(Reject, match="fewer frames"):
        write(path, raw, Pixels(5, 7, 3, "RGB"), Recipe("PNG", (0, 1)))
    with pytest.raises(Reject, match="cannot be decoded"):
        write(path, raw, Pixels(5, 7, 3, "RGB"), Recipe("TIFF"))


def test_what_cannot_be_decoded_leaves_nothing(tmp_path: Path) -> None:
    data = saved(noise(60, 70), "PNG")
    short = data[:33] + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + data[-12:]
    found = probed(tmp_path, PNG, short)
    assert found.convert is not None
    with Workshop(tmp_path) as shop:
        with pytest.raises(Reject, match=str(tmp_path / "picture")):
            found.convert(shop, Lossless.NATIVE)
        assert not list(shop.folder.glob("[0-9]*"))


def test_a_file_that_changed_is_for_later(tmp_path: Path) -> None:
    found = probed(tmp_path, PNG, saved(noise(), "PNG"))
    (tmp_path / "picture").write_bytes(saved(noise(seed=2), "PNG") + b"\0")
    with pytest.raises(Retry, match="changed"):
        converted(tmp_path, found)


def test_a_raw_file_of_another_size_is_a_mistake(tmp_path: Path) -> None:
    found = probed(tmp_path, PNG, saved(noise(), "PNG"))
    (tmp_path / "raw").write_bytes(b"123")
    with Workshop(tmp_path) as shop, pytest.raises(ValueError, match="3 bytes"):
        stored(found, tmp_path / "raw", Lossless.NATIVE, shop)


def test_nothing_is_opened_as_another_format(tmp_path: Path) -> None:
    # Pillow would open it as what it is; only the decoder of the format that was told is asked.
    data = io.BytesIO()
    Image.fromarray(noise()).save(data, "PNG")
    path = tmp_path / "x"
    path.write_bytes(data.getvalue())
    with pytest.raises(Reject, match="cannot be decoded"):
        write(path, tmp_path / "raw", Pixels(13, 21, 3, "RGB"), Recipe("GIF"))
