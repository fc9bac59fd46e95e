"""Passes that were left out of JPEG 2000 codestreams, judged by what decoders make of them."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import generate_frames

import objects
from gateway.config import Reading
from gateway.errors import Reject
from gateway.formats import jpeg2000_codestream, jpeg2000_packets, probe
from gateway.formats.jpeg2000_packets import Passes
from gateway.model import LossyStep, Probe, Source
from support import dciodvfy, require

FAMILY = "1.2.840.10008.1.2.4"
SOC, SOT, EOC = b"\xff\x4f\xff\x51", b"\xff\x90", b"\xff\xd9"
TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

# Written by OpenJPEG with styles of code-blocks that Pillow does not ask for: ramp() in 11 columns, 12 rows.
STYLES = {
    "bypass": (
        "/0//UQApAAAAAAALAAAADAAAAAAAAAAAAAAACwAAAAwAAAAAAAAAAAABBwEB/1IADAAAAAEAAQICAQH/XAAHQEBISFD/kAAKAAAA"
        "AADZAAH/k8+0wqVKgBGdIzOogP6kHgdYfocJJgxIV/5u4RUyCEBfywtC/39T4Pm6Yv9/zP3N9KL/f8/AkqRIkU/AsqVKlUfgQRIk"
        "SIAbWBA2EXOipzAcN9BLs41Ct9/9lqSKlf9/lNCIEP9/lkrszP9/0Fo/Gf9/KaSMYlIKIFwYZ250e6I1spu0rDuVTCUtfhT6/3/8"
        "lAaqAP9/QQhtqsX/fw7kCGqV/38Sag04SCrllvNs4FonnlPPAP9//v9/AH//fv9/AO5B2f9/IFjkQv9//9k="
    ),
    "bypass, cut": (
        "/0//UQApAAAAAAALAAAADAAAAAAAAAAAAAAACwAAAAwAAAAAAAAAAAABBwEB/1IADAAAAAEAAQICAQH/XAAHQEBISFD/kAAKAAAA"
        "AAAoAAH/k8qAEZ0jM6iA/qSnDxKAKaSMYlIKIBJqDThI/9k="
    ),
    "terminated": (
        "/0//UQApAAAAAAALAAAADAAAAAAAAAAAAAAACwAAAAwAAAAAAAAAAAABBwEB/1IADAAAAAEAAQICBAH/XAAHQEBISFD/kAAKAAAA"
        "AAEZAAH/k8+2hhIzIUIVIVIVIBGdIzOogP9/ZlvgdYfnSf9/udBjdwv7/39GrVZkEf9/DwHAGPU//3+f3oNoy6f/fx+wX6ZTf/9/"
        "z8EpSaTSiLRiUU/BGZGnEojEqlVH4LSYkUikSjkYgBtYEDcnqnRU3399fzf1QhW//39iD1ffH/9/UH8BV/x//39/KzPr/38PSW5S"
        "Yf9//39cpKsJ/38ppIx/rz4HfwTOGGcLFD3RNDp//39wEq8Y14M//3+In/Eogw//fwPhk1LX/3//f1W0TEx//3//f2QtPTOf/38S"
        "ag04P2GTllu/z08AZSJ/rUf/f3//f/9/3/9//3/fAf9/vwSwyChCv/9/L3NZRb//f//Z"
    ),
    "terminated, cut": (
        "/0//UQApAAAAAAALAAAADAAAAAAAAAAAAAAACwAAAAwAAAAAAAAAAAABBwEB/1IADAAAAAEAAQICBAH/XAAHQEBISFD/kAAKAAAA"
        "AAAoAAH/k8qAEZ0jM6iA/3+mRxKAKaSMf68+BxJqDTg//9k="
    ),
    "everything": (
        "/0//UQApAAAAAAALAAAADAAAAAAAAAAAAAAACAAAAAkAAAAAAAAAAAABBwEB/1IADAYCAAIAAQICPwH/XAAHQEBISFD/kAAKAAAA"
        "AADeAAH/k/+RAAQAAID/kv+RAAQAAc+1YSkSyWSyWf+SEZ0dxKwh1N8kQLbsUoBVtgDfSe+2KgXmyrYqnx3qttUz6Gq2/5EABAAC"
        "kSD/khJqaU7/kQAEAAPPwRlJFMlkMhkMx9qMlIlEohEI/eRTJJJRKJRKIP+SG1frk9OfS0Bxr06PPFu2V1kb+yu29VqgFbamhxW2"
        "WSc1ttBZdbYNk+K7CjwJILYN8axttmC8fbb1SgG2ghC2Hc62oqDkC166zDD0tlb9thX/frYVf9m2Fe5lthWx/bb/kAAKAAEAAACn"
        "AAH/k/+RAAQAAID/kv+RAAQAAc+1ESSSiSSiEf+SF7E3runSX7bUELZguQK2mmC2lewqtouVtv+RAAQAAqYjEQD/khlOEhOK/5EA"
        "BAADx9pkkEgkEgkE/cJJJRBIJBIJ+8SSSCQSCQSCQP+SFC0i7DS2tLYqtkK2urYytgDI5Dy2165OtoW2erZLtiC2rDS2rMa2zLb1"
        "tvW2NbYVtv+QAAoAAgAAAKcAAf+T/5EABAAAgP+S/5EABAABx9REokkkEgn/kgerAAAIewCsttfMtuW2Jbb/kQAEAALIpiMIgP+S"
        "B6sXc7sOZv+RAAQAA/3iSSSUSQSCQT9wkkkkkkkkgn7BJJRJJJJJIP+SAABCrABAAFYBrtXqtmW2lbYFtgAoawq2NBC2SvG2KlS2"
        "lby2d7aDrEKDrAmdheS2Aoq2Agq2Aoq2/5AACgADAAAAdgAB/5P/kQAEAADHCBD/kgBrNP+RAAQAAfziCQSCQSD/krY0tqy21bbV"
        "tv+RAAQAAsRQiP+SAa4A+v+RAAQAA/2ASCQSCQSCfpEkkkkkkkD/kqy2rLYAtiq2KraqtjTGtsGstgCstioKtiqqtv/Z"
    ),
    "everything, cut": (
        "/0//UQApAAAAAAALAAAADAAAAAAAAAAAAAAACAAAAAkAAAAAAAAAAAABBwEB/1IADAYCAAIAAQICPwH/XAAHQEBISFD/kAAKAAAA"
        "AAA/AAH/k/+RAAQAAID/kv+RAAQAAYD/kv+RAAQAApEg/5ISamlO/5EABAADzIz/khtX65PTn0v/kAAKAAEAAAA/AAH/k/+RAAQA"
        "AID/kv+RAAQAAckA/5IXsTeu/5EABAACpiMRAP+SGU4SE4r/kQAEAAOA/5L/kAAKAAIAAAA9AAH/k/+RAAQAAID/kv+RAAQAAYD/"
        "kv+RAAQAAsimIwiA/5IHqxdzuw5m/5EABAADgP+S/5AACgADAAAAPwAB/5P/kQAEAADHCBD/kgBrNP+RAAQAAYD/kv+RAAQAAsRQ"
        "iP+SAa4A+v+RAAQAA+Ag/5Ks/9k="
    ),
}


def ramp(rows: int, columns: int) -> np.ndarray[Any, Any]:
    return (np.arange(rows * columns).reshape(rows, columns) ** 2 * 7919 % 251).astype("u1")


def photo(mode: str = "RGB") -> Image.Image:
    """Waves with noise, as cameras have it."""
    y, x = np.mgrid[0:150, 0:201]
    noise = np.random.default_rng(1).integers(-20, 20, (*x.shape, 3))
    waves = np.stack([127 + 90 * np.sin(x / 17), 127 + 90 * np.cos(y / 13), (x + y) / 2], -1)
    return Image.fromarray((waves + noise).clip(0, 255).astype("u1")).convert(mode)


def encoded(picture: Image.Image, **options: Any) -> bytes:
    """A codestream written by Pillow with OpenJPEG."""
    file = io.BytesIO()
    options.setdefault("mct", int(picture.mode == "RGB"))
    picture.save(file, "JPEG2000", no_jp2=True, **options)
    return file.getvalue()


def layers(*ratios: float) -> dict[str, Any]:
    return {"quality_mode": "rates", "quality_layers": ratios}


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def passes(data: bytes) -> Passes:
    """What the packets of the first codestream in these bytes say."""
    stream = data[data.index(SOC) : data.rindex(EOC) + 2]
    file = io.BytesIO(stream)
    found = jpeg2000_codestream.read(file, Path("picture"), 0, len(stream))
    assert found.reversible
    return jpeg2000_packets.passes_of(file, found.structure)


def look(folder: Path, data: bytes) -> Probe:
    path = folder / "photo.j2k"
    path.write_bytes(data)
    return probe(Source(path, folder), Reading())


@pytest.mark.parametrize("progression", ["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tile_size": (64, 50)},
        {"precinct_size": (64, 64), "codeblock_size": (32, 16)},
        {"tile_size": (90, 70), "offset": (13, 7), "tile_offset": (5, 3)},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_cut_layers_are_told_from_complete_ones(progression: str, options: dict[str, Any], mode: str) -> None:
    picture = photo(mode)
    for wanted, chosen in (
        (Passes.ALL, {}),
        (Passes.ALL, layers(40, 10, 0)),
        (Passes.TOO_FEW, layers(40, 10, 5)),
        (Passes.TOO_FEW, layers(20)),
    ):
        data = encoded(picture, progression=progression, **options, **chosen)
        assert passes(data) is wanted
        assert np.array_equal(decoded(data), np.asarray(picture)) is (wanted is Passes.ALL)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_code_blocks_is_followed(style: str) -> None:
    data = base64.b64decode(STYLES[style])
    assert passes(data) is (Passes.TOO_FEW if "cut" in style else Passes.ALL)
    assert np.array_equal(decoded(data), ramp(12, 11)) is ("cut" not in style)


@pytest.mark.parametrize("pixels", ["rgb24", "gray", "yuv420p"])
@pytest.mark.parametrize(
    "options", [(), ("-sop", "1", "-eph", "1"), ("-prog", "cprl"), ("-tile_width", "40")]
)
def test_ffmpegs_codestreams_are_followed(pixels: str, options: tuple[str, ...]) -> None:
    source = ("-f", "lavfi", "-i", "testsrc=s=161x145:d=1:r=1", "-frames:v", "1", "-pix_fmt", pixels)
    for quality, wanted in (((), Passes.ALL), (("-q:v", "20"), Passes.TOO_FEW)):
        coder = ("-c:v", "jpeg2000", "-pred", "dwt53", *options, *quality, "-f", "image2pipe", "-")
        command = [require("ffmpeg"), "-v", "error", *source, *coder]
        assert passes(subprocess.run(command, check=True, capture_output=True).stdout) is wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("GDCMJ2K_TextGBR.dcm", Passes.ALL),
        ("examples_jpeg2k.dcm", Passes.ALL),
        ("693_J2KI.dcm", Passes.TOO_FEW),
        ("MR_small_jp2klossless.dcm", Passes.MOST),
        ("SC_rgb_gdcm_KY.dcm", Passes.MOST),
    ],
)
def test_files_of_other_encoders_are_followed(name: str, wanted: Passes) -> None:
    dataset = pydicom.dcmread(TEST_FILES / name)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    assert passes(frame) is wanted


def test_missing_passes_may_be_without_meaning() -> None:
    lossless = pydicom.dcmread(TEST_FILES / "MR_small_jp2klossless.dcm").pixel_array
    assert np.array_equal(lossless, pydicom.dcmread(TEST_FILES / "MR_small.dcm").pixel_array)


def cut(data: bytes, share: float) -> bytes:
    """A codestream whose only tile-part lost its end, and says so."""
    start = data.index(SOT)
    (length,) = struct.unpack_from(">L", data, start + 6)
    kept = int(length * share)
    return data[: start + 6] + struct.pack(">L", kept) + data[start + 10 : start + kept] + EOC


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_coded_data_that_end_too_soon_are_cut(share: float) -> None:
    assert passes(cut(encoded(photo("L"), **layers(20, 5, 0)), share)) is Passes.TOO_FEW


def segment(marker: int, value: bytes) -> bytes:
    return struct.pack(">HH", marker, len(value) + 2) + value


@pytest.mark.parametrize("marker", [0xFF5E, 0xFF5F, 0xFF60])
def test_what_lies_otherwise_is_not_followed(marker: int) -> None:
    data = encoded(photo("L"))
    at = data.index(SOT)
    assert passes(data[:at] + segment(marker, bytes(9)) + data[at:]) is Passes.UNKNOWN


def test_a_tiles_own_segments_come_before_those_of_all(tmp_path: Path) -> None:
    data = encoded(photo("L"))
    at, start = data.index(SOT), data.index(b"\xff\x52")
    (size,) = struct.unpack_from(">H", data, start + 2)
    own = data[start : start + 2 + size]
    wrong = own[:9] + b"\1" + own[10:]  # a number of resolutions that is not that of the coded data
    (length,) = struct.unpack_from(">L", data, at + 6)
    longer = data[:at] + data[at : at + 6] + struct.pack(">L", length + len(own)) + data[at + 10 : at + 12]
    assert passes(longer + own + data[at + 12 :]) is Passes.ALL
    assert passes((longer + own + data[at + 12 :]).replace(own, wrong, 1)) is Passes.ALL
    assert passes(longer + wrong + data[at + 12 :]) is not Passes.ALL


def test_work_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo())
    assert look(tmp_path, data).messages == ()
    monkeypatch.setattr(jpeg2000_packets, "MOST_STEPS", 20)
    found = look(tmp_path, data)
    assert found.transfer_syntax == f"{FAMILY}.90"
    assert "not found out whether coding passes were left out" in found.messages[0]
    tiny = encoded(photo("L"), precinct_size=(4, 4), codeblock_size=(4, 4))
    assert passes(tiny) is Passes.UNKNOWN


def test_an_object_says_that_layers_were_cut_off(tmp_path: Path) -> None:
    data = encoded(photo(), **layers(40, 10))
    found = look(tmp_path, data)
    assert found.pixels is not None
    assert found.transfer_syntax == f"{FAMILY}.91"
    assert found.pixels.photometric_interpretation == "YBR_RCT"
    ratio = float(f"{150 * 201 * 3 / len(data):.4g}")
    assert found.pixels.lossy == (LossyStep(ratio, "ISO_15444_1"),)
    assert "counts as lossy" in found.messages[0]
    assert found.otherwise is not None
    assert found.otherwise.pixels is not None
    assert found.otherwise.pixels.lossy == found.pixels.lossy
    _, written = objects.made(tmp_path / "photo.j2k", tmp_path, "vl-photographic")
    assert dciodvfy(written) == []
    dataset = pydicom.dcmread(written)
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionMethod) == ("01", "ISO_15444_1")


def test_what_is_not_certain_is_told(tmp_path: Path) -> None:
    frame = next(generate_frames(pydicom.dcmread(TEST_FILES / "MR_small_jp2klossless.dcm").PixelData))
    found = look(tmp_path, bytes(frame))
    assert found.transfer_syntax == f"{FAMILY}.90"
    assert found.pixels is not None
    assert found.pixels.lossy == ()
    assert "lacks some of its last coding passes" in found.messages[0]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_leads_to_an_answer(data: st.DataObject) -> None:
    style = data.draw(st.sampled_from(sorted(STYLES)))
    changed = bytearray(base64.b64decode(STYLES[style]))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(4, len(changed) - 3))] = data.draw(st.integers(0, 255))
    file = io.BytesIO(changed)
    try:
        found = jpeg2000_codestream.read(file, Path("picture"), 0, len(changed))
    except Reject:
        return
    assert jpeg2000_packets.passes_of(file, found.structure) in Passes
