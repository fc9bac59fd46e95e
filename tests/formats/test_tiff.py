from __future__ import annotations

import struct
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from gateway.errors import Reject
from gateway.formats import tiff as module
from rasters import Array, decoded, noise, on_white, probed, saved, survive, tiff, upright

FORMAT = module.FORMAT


def paged(pages: list[Array], **options: object) -> bytes:
    first, *others = map(Image.fromarray, pages)
    return saved(first, "TIFF", save_all=True, append_images=others, **options)


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "zstd", "lzma"]
)
@pytest.mark.parametrize("bits", [1, 8, 16, 24])
def test_every_lossless_compression_gives_back_its_pixels(
    tmp_path: Path, compression: str | None, bits: int
) -> None:
    values = noise(samples=3 if bits == 24 else 1, bits=16 if bits == 16 else 8)
    picture = Image.fromarray(values > 100) if bits == 1 else Image.fromarray(values)
    result, pixels = decoded(tmp_path, FORMAT, saved(picture, "TIFF", compression=compression))
    assert np.array_equal(pixels, (values > 100) * 255 if bits == 1 else values)
    assert result.pixels is not None
    assert result.pixels.bits_stored == (16 if bits == 16 else 8)
    assert result.pixels.lossy == ()


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_faxes(tmp_path: Path, compression: str) -> None:
    black = noise(40, 70, 1) > 128
    data = saved(Image.fromarray(black), "TIFF", compression=compression, tiffinfo={282: 204.0, 283: 98.0})
    result, pixels = decoded(tmp_path, FORMAT, data)
    assert np.array_equal(pixels, black * 255)
    assert result.pixels is not None
    assert result.pixels.pixel_aspect_ratio == (102, 49)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
def test_byte_orders_depths_and_what_is_white(tmp_path: Path, order: str, deflated: bool) -> None:
    colours, deep, grey, deep_grey = noise(), noise(bits=16), noise(samples=1), noise(samples=1, bits=16)
    covered = noise(samples=4, bits=16)
    covered[:, :, 3] = np.where(covered[:, :, 3] > 30000, 65535, covered[:, :, 3])
    for data, expected in (
        (tiff(colours, 2, order=order, deflated=deflated), colours),
        (tiff(deep, 2, order=order, deflated=deflated), deep),
        (tiff(grey, 1, order=order, deflated=deflated), grey),
        (tiff(grey, 0, order=order, deflated=deflated), 255 - grey),
        (tiff(deep_grey, 1, order=order, deflated=deflated), deep_grey),
        (
            tiff(covered, 2, order=order, deflated=deflated, tags=[(338, 3, [2])]),
            on_white(covered[:, :, :3], covered[:, :, 3]),
        ),
    ):
        _, pixels = decoded(tmp_path, FORMAT, data)
        assert abs(pixels.astype(float) - expected).max() <= 0.5
    if order == "<":
        assert np.array_equal(
            decoded(tmp_path, FORMAT, tiff(deep_grey, 0, deflated=deflated))[1], 65535 - deep_grey
        )
    assert np.array_equal(decoded(tmp_path, FORMAT, tiff(colours, 2, order=order, planes=2))[1], colours)


def test_twelve_bits_survive(tmp_path: Path) -> None:
    values = noise(6, 8, 1, 16) & 0xFFF
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1
    ).astype("u1")
    data = tiff(packed.reshape(6, 12), 1, bits=12, tags=[(256, 4, [8])])
    result, pixels = decoded(tmp_path, FORMAT, data)
    assert np.array_equal(pixels, values)
    assert result.pixels is not None
    assert (result.pixels.bits_allocated, result.pixels.bits_stored) == (16, 12)


def test_palettes_become_colours_or_grey(tmp_path: Path) -> None:
    coloured = Image.fromarray(noise()).quantize(50)
    _, pixels = decoded(tmp_path, FORMAT, saved(coloured, "TIFF"))
    assert np.array_equal(pixels, np.asarray(coloured.convert("RGB")))
    grey = Image.fromarray(noise(samples=1))
    indexed = Image.frombytes("P", grey.size, grey.tobytes())
    indexed.putpalette([255 - number // 3 for number in range(768)])
    _, pixels = decoded(tmp_path, FORMAT, saved(indexed, "TIFF"))
    assert np.array_equal(pixels, 255 - np.asarray(grey))


def test_large_files_and_tiles(tmp_path: Path, samples: Path) -> None:
    values = noise()
    assert np.array_equal(decoded(tmp_path, FORMAT, saved(values, "TIFF", big_tiff=True))[1], values)
    tile = noise(32, 48)
    data = tiff(tile[:16, :16], 2, tags=[(256, 4, [16]), (322, 4, [16]), (323, 4, [16])])
    data = data.replace(struct.pack("<HHLL", 273, 4, 1, 8), struct.pack("<HHLL", 324, 4, 1, 8))
    data = data.replace(struct.pack("<HHLL", 279, 4, 1, 768), struct.pack("<HHLL", 325, 4, 1, 768))
    assert np.array_equal(decoded(tmp_path, FORMAT, data)[1], tile[:16, :16])
    for name in ("smile.tiff", "smile-lzw.tiff"):
        data = (samples / "tiff" / name).read_bytes()
        _, pixels = decoded(tmp_path, FORMAT, data)
        assert np.array_equal(pixels, np.asarray(Image.open(samples / "tiff" / name)))


def test_jpeg_inside_was_compressed_with_loss(tmp_path: Path) -> None:
    data = saved(noise(64, 80), "TIFF", compression="jpeg")
    result, pixels = decoded(tmp_path, FORMAT, data)
    with Image.open(tmp_path / "picture") as image:
        assert np.array_equal(pixels, np.asarray(image.convert("RGB")))
        size = sum(image.tag_v2[279])  # type: ignore[attr-defined]
    assert result.pixels is not None
    [step] = result.pixels.lossy
    assert step.method == "ISO_10918_1"
    assert step.ratio == pytest.approx(64 * 80 * 3 / size, rel=1e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_pages_are_stored_upright(tmp_path: Path, orientation: int, deep: bool) -> None:
    values = noise(bits=16 if deep else 8)
    data = tiff(values, 2, tags=[(274, 3, [orientation])])
    result, pixels = decoded(tmp_path, FORMAT, data)
    if deep:
        assert np.array_equal(pixels >> 8, upright((values >> 8).astype("u1"), orientation))
    else:
        assert np.array_equal(pixels, upright(values, orientation))
    assert any("turned upright" in message for message in result.messages) is (orientation > 1)
    assert np.array_equal(decoded(tmp_path, FORMAT, data, keep_orientation=True)[1], values)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_pages_are_frames(tmp_path: Path, bits: int, compression: str | None) -> None:
    pages = [noise(samples=1, bits=bits, seed=seed) for seed in range(4)]
    result, pixels = decoded(tmp_path, FORMAT, paged(pages, compression=compression))
    assert np.array_equal(pixels, np.stack(pages))
    assert result.pixels is not None
    assert (result.pixels.frames, result.pixels.frame_times) == (4, ())


def test_grey_pages_can_be_among_coloured_ones(tmp_path: Path) -> None:
    grey, colours = noise(samples=1), noise()
    _, pixels = decoded(tmp_path, FORMAT, paged([grey, colours]))
    assert np.array_equal(pixels, np.stack([np.repeat(grey[:, :, None], 3, 2), colours]))


def test_pages_that_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Reject, match="page 1 has 21 x 13 pixels of 8 bits, and page 3 has 21 x 12 pixels"):
        probed(tmp_path, FORMAT, paged([noise(), noise(), noise(12)]))
    with pytest.raises(Reject, match="page 2 has 21 x 13 pixels of 16 bits"):
        probed(tmp_path, FORMAT, paged([noise(samples=1), noise(samples=1, bits=16)]))


def test_smaller_copies_are_left_out(tmp_path: Path) -> None:
    values = noise()
    place = len(tiff(values, 2))
    small = {254: 1, 256: 4, 257: 3, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 3, 279: 12}
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in small.items())
    data = tiff(values, 2, following=place) + struct.pack("<H", len(small)) + entries + bytes(4)
    result, pixels = decoded(tmp_path, FORMAT, data)
    assert np.array_equal(pixels, values)
    assert result.messages == ("has 1 smaller copies or masks beside its pages; they are left out",)
    one = tiff(noise(), 2, tags=[(254, 4, [1])])
    with pytest.raises(Reject, match="holds smaller copies of a picture only"):
        probed(tmp_path, FORMAT, one)


def test_facts_come_from_its_tags(tmp_path: Path) -> None:
    info = ImageFileDirectory_v2()
    info[271], info[272], info[306], info[315] = "Scanner & Co", "S1", "2021:02:03 04:05:06", "Ann"
    found = probed(tmp_path, FORMAT, saved(noise(), "TIFF", tiffinfo=info))
    assert found.captured == datetime(2021, 2, 3, 4, 5, 6)  # noqa: DTZ001 - scanners say no zone
    assert found.facts["exif"]["make"] == "Scanner & Co"
    assert found.facts["exif"]["model"] == "S1"
    assert found.facts["exif"]["artist"] == "Ann"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff(noise(), 8), "CIELab"),
        (tiff(noise(samples=1), 32803), "camera raw"),
        (tiff(noise(samples=1, bits=16), 1, tags=[(339, 3, [2])]), "signed"),
        (tiff(noise(), 6), "YCbCr"),
        (tiff(noise(), 2, tags=[(259, 3, [34712])]), "compressed with JPEG 2000"),
        (tiff(noise(), 2, tags=[(259, 3, [777])]), "compressed with the compression 777"),
        (tiff(noise(bits=16), 2, planes=2), "3 samples of 16 bits"),
        (tiff(noise(), 2, tags=[(50706, 3, [1])]), "DNG"),
        (tiff(noise(), 2, tags=[(256, 4, [70000])]), "at most 65,535"),
        (tiff(noise(), 2, tags=[(256, 4, [60000]), (257, 4, [60000])]), "--max-pixels"),
        (tiff(noise(), 2, tags=[(279, 4, [1 << 20])]), "not whole"),
        (saved(noise(), "TIFF", description="ImageJ=1.53\nimages=7\n"), "ImageJ stack of 7 pictures"),
        (b"II*\0\0\0\0\0", "without a picture"),
        (b"II*\0\xff\xff\0\0", "not whole"),
        (b"MM\0*", "not whole"),
    ],
)
def test_what_is_not_decoded_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(Reject, match=words):
        probed(tmp_path, FORMAT, data)


def test_endless_directories_end(tmp_path: Path) -> None:
    with pytest.raises(Reject, match="lead back"):
        probed(tmp_path, FORMAT, tiff(noise(), 2, following=8 + noise().size))
    # Directories that lie one over the other: a small file with as many as one likes.
    place = 8
    chain = b""
    for _ in range(20_000):
        place += 6
        chain += struct.pack("<HL", 0, place)
    with pytest.raises(Reject, match="more than 10,000 pages"):
        probed(tmp_path, FORMAT, b"II*\0" + struct.pack("<L", 8) + chain + bytes(8))
    wide = b"II*\0" + struct.pack("<L", 8)
    entries = 0xFFF0
    body = bytearray(struct.pack("<H", entries) + bytes(12 * entries))
    for number in range(40):
        struct.pack_into("<H", body, 2 * number, entries)
    began = time.process_time()
    with pytest.raises(Reject):
        probed(tmp_path, FORMAT, wide + bytes(body) + struct.pack("<L", 10))
    assert time.process_time() - began < 2


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_damage(tmp_path: Path, data: st.DataObject) -> None:
    original = data.draw(
        st.sampled_from(
            [
                saved(noise(), "TIFF", compression="tiff_lzw"),
                tiff(noise(bits=16), 2, deflated=True),
                paged([noise(samples=1), noise(samples=1)]),
                saved(noise(), "TIFF", big_tiff=True),
                saved(noise(), "TIFF", compression="jpeg"),
            ]
        )
    )
    changed = bytearray(original)
    ends = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(4, min(240, len(original) - 1)))
        changed[-at if ends else at] = data.draw(st.integers(0, 255))
    survive(tmp_path, FORMAT, bytes(changed))
