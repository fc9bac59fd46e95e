from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from gateway.config import Lossless
from gateway.convert.encode import pack_bits, stored
from gateway.convert.workshop import Workshop
from gateway.errors import Reject
from gateway.model import Kind, Pixels, Probe, Source
from gateway.stream import Stream

SYNTAXES = {
    Lossless.NATIVE: ("1.2.840.10008.1.2.1", "application/octet-stream"),
    Lossless.JPEG_LS: ("1.2.840.10008.1.2.4.80", "image/jls"),
    Lossless.JPEG_2000: ("1.2.840.10008.1.2.4.90", "image/jp2"),
    Lossless.RLE: ("1.2.840.10008.1.2.5", "image/dicom-rle"),
}


def pixels_of(values: np.ndarray[Any, Any], bits: int) -> Pixels:
    frames, rows, columns, samples = values.shape
    return Pixels(
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
        bits_allocated=8 * values.itemsize,
        bits_stored=bits,
        pixel_representation=int(values.dtype.kind == "i"),
        planar_configuration=0 if samples == 3 else None,
        frames=frames if frames > 1 else None,
    )


def store(folder: Path, values: np.ndarray[Any, Any], bits: int, lossless: Lossless) -> tuple[Probe, Any]:
    """What is stored of these pixels, and what pydicom decodes from it."""
    with Workshop(folder) as shop:
        raw = shop.new(".raw")
        raw.write_bytes(values.tobytes())
        probe = Probe(Source(raw, raw.parent), "png", Kind.IMAGE, "", "", Stream(), pixels_of(values, bits))
        result = stored(probe, raw, lossless, shop)
        assert len(list(shop.folder.glob("[0-9]*"))) == 1
        assert shop.made(result.content)
        return result, _decoded(result, values.dtype)


def _decoded(result: Probe, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    pixels = result.pixels
    assert pixels is not None
    shape = (pixels.rows, pixels.columns, pixels.samples_per_pixel)
    if result.transfer_syntax == "1.2.840.10008.1.2.1":
        return np.frombuffer(result.content.read(), kind).reshape(pixels.frames or 1, *shape)
    decoder = get_decoder(UID(result.transfer_syntax))
    frames = [
        decoder.as_array(
            encapsulate([frame.read()]),
            rows=pixels.rows,
            columns=pixels.columns,
            samples_per_pixel=pixels.samples_per_pixel,
            photometric_interpretation=pixels.photometric_interpretation,
            bits_allocated=pixels.bits_allocated,
            bits_stored=pixels.bits_stored,
            pixel_representation=pixels.pixel_representation,
            planar_configuration=0,
            number_of_frames=1,
            pixel_keyword="PixelData",
            transfer_syntax_uid=UID(result.transfer_syntax),
        )[0].reshape(shape)
        for frame in result.frames or (result.content,)
    ]
    return np.stack(frames)


@pytest.mark.parametrize("lossless", Lossless)
@pytest.mark.parametrize(
    ("shape", "kind", "bits"),
    [
        ((1, 33, 47, 1), "u1", 8),
        ((1, 40, 300, 3), "u1", 8),
        ((3, 64, 35, 3), "u1", 8),
        ((2, 50, 41, 1), "<u2", 16),
        ((1, 50, 41, 1), "<u2", 12),
        ((1, 50, 41, 3), "<u2", 16),
        ((2, 50, 41, 1), "<i2", 12),
        ((1, 50, 41, 1), "<i2", 16),
    ],
)
def test_pixels_survive(
    tmp_path: Path, shape: tuple[int, ...], kind: str, bits: int, lossless: Lossless
) -> None:
    signed = kind[1] == "i"
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    values = np.random.default_rng(7).integers(low, high, shape).astype(kind)
    values[:, 5:9, 3:20] = high - 1  # runs, and the highest value
    result, decoded = store(tmp_path, values, bits, lossless)
    assert np.array_equal(decoded, values)
    assert (result.transfer_syntax, result.media_type) == SYNTAXES[lossless]
    assert result.pixels is not None
    coded = "YBR_RCT" if lossless is Lossless.JPEG_2000 else "RGB"
    assert result.pixels.photometric_interpretation == (coded if shape[3] == 3 else "MONOCHROME2")
    assert len(result.frames) == (shape[0] if shape[0] > 1 and lossless is not Lossless.NATIVE else 0)
    if result.frames:
        assert Stream.of(*result.frames).length == result.content.length
    assert not result.messages


@pytest.mark.parametrize("lossless", Lossless)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 3), (1, 3, 2, 1), (2, 1, 200, 3)])
def test_a_few_pixels_survive_in_one_form_or_another(
    tmp_path: Path, shape: tuple[int, ...], lossless: Lossless
) -> None:
    values = np.random.default_rng(8).integers(0, 256, shape).astype("u1")
    result, decoded = store(tmp_path, values, 8, lossless)
    assert np.array_equal(decoded, values)
    if result.transfer_syntax != SYNTAXES[lossless][0]:
        assert result.media_type == "application/octet-stream"
        assert "is stored with native pixels, since" in result.messages[0]


def test_a_missing_coder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((1, 50, 50, 1), "u1")
    for lossless, module in ((Lossless.JPEG_LS, "jpeg_ls"), (Lossless.JPEG_2000, "openjpeg.utils")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(Reject, match="extra 'decoders'"):
            store(tmp_path, values, 8, lossless)
    assert store(tmp_path, values, 8, Lossless.RLE)[0].media_type == "image/dicom-rle"


def unpacked(data: bytes) -> bytes:
    """PackBits undone, as PS3.5 G.3.2 says it."""
    result = bytearray()
    at = 0
    while at < len(data):
        head = data[at]
        if head < 128:
            result += data[at + 1 : at + 2 + head]
            at += 2 + head
        else:
            assert head != 128
            result += data[at + 1 : at + 2] * (257 - head)
            at += 2
    return bytes(result)


@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 6), st.integers(1, 400)),
        elements=st.sampled_from([0, 0, 0, 1, 255]),
    )
)
def test_packed_bits_are_the_bytes(rows: np.ndarray[Any, Any]) -> None:
    assert unpacked(pack_bits(rows)) == rows.tobytes()
    # No run goes beyond its row: rows packed one by one are the same.
    assert pack_bits(rows) == b"".join(pack_bits(row.reshape(1, -1)) for row in rows)
