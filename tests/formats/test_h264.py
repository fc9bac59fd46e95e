"""H.264 headers: against values that were written, against libav, and against nonsense."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstreams import BitWriter, h264_fields, h264_sequence, nal
from gateway.formats import h264
from gateway.formats.bits import Malformed, units_after_start_codes
from gateway.formats.h264 import parse
from gateway.formats.sei import FURTHER_VIEWS, TURNED, TWO_VIEWS
from gateway.formats.video_coding import Colour
from videos import make_video

CROPS = st.one_of(st.none(), st.tuples(*[st.integers(0, 3)] * 4))


@given(
    profile=st.sampled_from([66, 77, 100, 110, 122]),
    level=st.integers(9, 62),
    chroma=st.integers(0, 3),
    blocks=st.tuples(st.integers(1, 256), st.integers(1, 128).map(lambda half: half * 2)),
    frames_only=st.booleans(),
    crop=CROPS,
    order=st.integers(0, 2),
    scaling=st.booleans(),
    aspect=st.one_of(st.none(), st.tuples(st.integers(1, 65535), st.integers(1, 65535))),
    colour=st.one_of(st.none(), st.tuples(st.integers(0, 1), *[st.integers(0, 255)] * 3)),
    timing=st.one_of(st.none(), st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))),
)
def test_what_is_written_is_read(
    profile: int,
    level: int,
    chroma: int,
    blocks: tuple[int, int],
    frames_only: bool,
    crop: tuple[int, int, int, int] | None,
    order: int,
    scaling: bool,
    aspect: tuple[int, int] | None,
    colour: tuple[int, int, int, int] | None,
    timing: tuple[int, int] | None,
) -> None:
    chroma = chroma if profile >= 100 else 1
    found = parse(
        h264_sequence(
            profile=profile,
            level=level,
            chroma=chroma,
            blocks=blocks,
            frames_only=frames_only,
            crop=crop,
            order=order,
            scaling=scaling,
            aspect=aspect,
            colour=colour,
            timing=timing,
        )
    )
    across = 2 if chroma in (1, 2) else 1
    down = (2 if chroma == 1 else 1) * (1 if frames_only else 2)
    left, right, top, bottom = crop or (0, 0, 0, 0)
    assert (found.profile_code, found.level_code, found.blocks) == (profile, level, blocks)
    assert found.width == blocks[0] * 16 - (left + right) * across
    assert found.height == blocks[1] * 16 - (top + bottom) * down
    assert found.chroma == h264.CHROMA[chroma]
    assert found.frames_only is frames_only
    assert found.aspect == (Fraction(*aspect) if aspect else None)
    assert found.colour == (Colour(bool(colour[0]), *colour[1:]) if colour else Colour())
    assert found.rate == (Fraction(timing[1], 2 * timing[0]) if timing else None)


@given(st.binary(max_size=300))
def test_nonsense_is_malformed(data: bytes) -> None:
    for read in (lambda: parse(b"\x67" + data), lambda: h264.configuration(data)):
        try:
            read()
        except Malformed:
            continue


@given(st.data())
def test_a_damaged_header_is_read_or_malformed(data: st.DataObject) -> None:
    unit = bytearray(h264_sequence(scaling=True, order=1, crop=(0, 0, 0, 4), aspect=1, timing=(1, 50)))
    for _ in range(data.draw(st.integers(1, 4))):
        unit[data.draw(st.integers(1, len(unit) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse(bytes(unit))
    except Malformed:
        return
    assert found.width > 0
    assert found.height > 0


@pytest.mark.parametrize(
    ("profile", "pixels", "title"),
    [
        ("baseline", "yuv420p", "Constrained Baseline"),
        ("main", "yuv420p", "Main"),
        ("high", "yuv420p", "High"),
        ("high", "gray", "High"),
        ("high10", "yuv420p10le", "High 10"),
        ("high422", "yuv422p", "High 4:2:2"),
        ("high444", "yuv444p", "High 4:4:4 Predictive"),
    ],
)
def test_headers_are_read_as_libav_reads_them(tmp_path: Path, profile: str, pixels: str, title: str) -> None:
    path = make_video(tmp_path / "a.mp4", profile=profile, pixels=pixels, size=(330, 182), frames=2)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        _, units = h264.configuration(context.extradata or b"")
        (found,) = h264.sequences(units)
        assert (found.profile, found.width, found.height) == (title, context.width, context.height)
        assert context.profile == title
        assert found.bits == context.format.components[0].bits
        assert found.chroma == ("4:0:0" if pixels == "gray" else f"4:{pixels[4]}:{pixels[5]}")


@pytest.mark.parametrize(
    ("profile", "constraints", "level", "title"),
    [
        (66, 0x00, 30, "H.264 Baseline@L3.0"),
        (66, 0x40, 11, "H.264 Constrained Baseline@L1.1"),
        (77, 0x10, 11, "H.264 Main@L1b"),
        (100, 0x10, 11, "H.264 High@L1.1"),
        (100, 0x00, 9, "H.264 High@L1b"),
        (128, 0x00, 42, "H.264 Stereo High@L4.2"),
        (199, 0x00, 42, "H.264 profile 199@L4.2"),
    ],
)
def test_profile_and_level_are_named(profile: int, constraints: int, level: int, title: str) -> None:
    assert parse(h264_sequence(profile=profile, constraints=constraints, level=level)).title == title


def test_headers_that_differ_in_the_rate_alone_are_the_same() -> None:
    assert parse(h264_sequence(timing=(1, 50))) == parse(h264_sequence(timing=(1, 60)))
    assert parse(h264_sequence(blocks=(2, 2))) != parse(h264_sequence(blocks=(2, 4)))


@pytest.mark.parametrize(
    ("fields", "frames"),
    [
        ([("T", "B")] * 20, 20),
        ([("B", "T")] * 3, 3),
        ([("T", "B"), ("T", ""), ("T", "B"), ("B", "T"), ("", "B"), ("T", "B")], 6),
    ],
)
def test_two_fields_are_one_frame(fields: list[tuple[str, str]], frames: int) -> None:
    units = list(units_after_start_codes(h264_fields(fields)))
    (sequence,) = h264.sequences(units)
    counter = sequence.counter()
    assert counter.begun(units) == frames
    assert counter.shown is None
    one_by_one = sequence.counter()
    assert sum(one_by_one.begun([unit]) for unit in units) == frames


def _message(kind: int, content: BitWriter) -> bytes:
    data = content.bytes()
    return nal(b"\x06", bytes([kind, len(data)]) + data + b"\x80")


@pytest.mark.parametrize(
    ("unit", "obstacle"),
    [
        (_message(45, BitWriter().unsigned(0).flags(False).bits(3, 7)), TWO_VIEWS),
        (_message(45, BitWriter().unsigned(0).flags(True)), None),
        (_message(47, BitWriter().flags(False, False, False).bits(0x4000, 16)), TURNED),
        (_message(47, BitWriter().flags(False, False, False).bits(0, 16)), None),
        (_message(47, BitWriter().flags(True)), None),
        (nal(b"\x06", bytes([5, 255, 3]) + bytes(258) + bytes([45, 1, 0x9A, 0x80])), TWO_VIEWS),
        (nal(b"\x06", bytes([45])), None),
        (b"\x6f" + h264_sequence()[1:], FURTHER_VIEWS),
        (h264_sequence(), None),
    ],
)
def test_what_keeps_pictures_from_being_shown_as_they_are(unit: bytes, obstacle: str | None) -> None:
    assert h264.obstacle(unit) == obstacle


@given(st.binary(max_size=200))
def test_any_message_is_read(payload: bytes) -> None:
    h264.obstacle(b"\x06" + payload)
