"""HEVC headers: against libav and against nonsense."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.formats import hevc
from gateway.formats.bits import Malformed, units_after_start_codes
from gateway.formats.sei import TWO_VIEWS
from gateway.formats.video_coding import Colour
from videos import make_video


def extradata(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return bytes(container.streams.video[0].codec_context.extradata or b"")


def sequence(path: Path) -> hevc.Sequence:
    data = extradata(path)
    if path.suffix == ".ts":
        return next(hevc.sequences(units_after_start_codes(data)))
    size, units = hevc.configuration(data)
    assert size == 4
    return next(hevc.sequences(units))


@cache
def example() -> tuple[bytes, bytes]:
    """An `hvcC` box and the sequence parameter set in it, with most of what may be in one."""
    with TemporaryDirectory() as folder:
        options = "scaling-list=default:temporal-layers=3:range=full:hrd=1:vbv-maxrate=900:vbv-bufsize=900"
        path = make_video(
            Path(folder) / "a.mp4",
            codec="hevc",
            size=(100, 74),
            aspect=Fraction(4, 3),
            encoder={"x265-params": options},
        )
        data = extradata(path)
    return data, next(unit for unit in hevc.configuration(data)[1] if hevc.kind(unit) == 33)


@pytest.mark.parametrize(
    ("pixels", "profile", "chroma", "bits"),
    [
        ("yuv420p", "Main", "4:2:0", 8),
        ("yuv420p10le", "Main 10", "4:2:0", 10),
        ("yuv422p", "Range Extensions", "4:2:2", 8),
        ("yuv444p12le", "Range Extensions", "4:4:4", 12),
    ],
)
@pytest.mark.parametrize("preset", ["ultrafast", "slow"])
def test_headers_are_read_as_libav_reads_them(
    tmp_path: Path, pixels: str, profile: str, chroma: str, bits: int, preset: str
) -> None:
    path = make_video(
        tmp_path / "a.mp4", codec="hevc", pixels=pixels, size=(330, 182), encoder={"preset": preset}
    )
    found = sequence(path)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (found.width, found.height) == (context.width, context.height) == (330, 182)
        assert context.profile == {"Range Extensions": "Rext"}.get(profile, profile)
    assert (found.profile, found.chroma, found.bits) == (profile, chroma, bits)
    assert found.rate == 25
    assert not found.fields_apart


def test_all_of_a_header_is_read() -> None:
    found = hevc.parse(example()[1])
    assert (found.width, found.height, found.aspect) == (100, 74, Fraction(4, 3))
    assert found.colour.full_range
    assert found.title == "HEVC Main@L2.0"
    assert found.profiles == {1, 2}


def test_tier_colour_and_fields_are_read(tmp_path: Path) -> None:
    options = "level-idc=51:high-tier=1:vbv-maxrate=100000:vbv-bufsize=100000"
    high = make_video(
        tmp_path / "a.mp4", codec="hevc", size=(640, 480), frames=2, encoder={"x265-params": options}
    )
    assert sequence(high).high_tier
    assert sequence(high).level_code == 153
    colours = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:interlace=tff"
    wide = make_video(tmp_path / "b.ts", codec="hevc", encoder={"x265-params": colours})
    assert sequence(wide).colour == Colour(False, 9, 16, 9)
    assert sequence(wide).fields_apart


def test_pictures_of_other_layers_are_not_counted() -> None:
    counter = hevc.parse(example()[1]).counter()
    assert counter.begun([b"\x4e\x01\x05", b"\x26\x01\xaf", b"\x26\x01\x2f"]) == 1
    assert counter.begun([b"\x26\x09\xaf"]) == 0
    assert counter.begun([b"\x02"]) == 1


def test_frame_packing_is_found() -> None:
    assert hevc.obstacle(b"\x4e\x01" + bytes([45, 2, 0x83, 0x00, 0x80])) == TWO_VIEWS
    assert hevc.obstacle(b"\x42\x01" + bytes([45, 2, 0x83, 0x00, 0x80])) is None


@given(st.binary(max_size=300))
def test_nonsense_is_malformed(data: bytes) -> None:
    for read in (lambda: hevc.parse(b"\x42\x01" + data), lambda: hevc.configuration(data)):
        try:
            read()
        except Malformed:
            continue


@settings(deadline=None)  # the first one encodes its example
@given(st.data())
def test_damaged_headers_are_read_or_malformed(data: st.DataObject) -> None:
    box = bytearray(example()[0])
    for _ in range(data.draw(st.integers(1, 6))):
        box[data.draw(st.integers(0, len(box) - 1))] = data.draw(st.integers(0, 255))
    try:
        for found in hevc.sequences(hevc.configuration(bytes(box))[1]):
            assert found.width > 0
    except Malformed:
        return
