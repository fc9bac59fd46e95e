"""MPEG-2 headers and pictures, written bit by bit and by libav."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstreams import mpeg2_pictures, mpeg2_sequence
from gateway.formats import mpeg2
from gateway.formats.bits import Malformed, units_after_start_codes
from gateway.formats.video_coding import Colour
from videos import make_video


def header(data: bytes) -> mpeg2.Sequence:
    (found,) = mpeg2.sequences(units_after_start_codes(data))
    return found


def test_what_is_written_is_read() -> None:
    data = mpeg2_sequence(size=(5000, 4100), aspect=3, rate=4, profile_level=0x44, colour=(1, 1, 1))
    found = header(data)
    assert (found.width, found.height, found.rate) == (5000, 4100, Fraction(30000, 1001))
    assert found.title == "MPEG-2 Main@High"
    assert found.colour == Colour(False, 1, 1, 1)


@pytest.mark.parametrize(
    ("size", "code", "display", "aspect"),
    [
        ((720, 576), 2, None, Fraction(16, 15)),
        ((720, 480), 2, None, Fraction(8, 9)),
        ((720, 576), 3, None, Fraction(64, 45)),
        ((720, 576), 1, None, Fraction(1)),
        ((720, 576), 2, (704, 576), Fraction(12, 11)),
        ((720, 576), 2, (0, 0), Fraction(16, 15)),
        ((1920, 1080), 3, None, Fraction(1)),
        ((720, 576), 9, None, None),
    ],
)
def test_the_shape_of_pixels_follows_from_that_of_the_display(
    size: tuple[int, int], code: int, display: tuple[int, int] | None, aspect: Fraction | None
) -> None:
    assert header(mpeg2_sequence(size=size, aspect=code, display=display)).aspect == aspect


@pytest.mark.parametrize(
    ("code", "title"),
    [
        (0x48, "MPEG-2 Main@Main"),
        (0x46, "MPEG-2 Main@High 1440"),
        (0x58, "MPEG-2 Simple@Main"),
        (0x85, "MPEG-2 4:2:2@Main"),
        (0x82, "MPEG-2 4:2:2@High"),
        (0x77, "MPEG-2 profile 7@level 7"),
        (None, "MPEG-1"),
    ],
)
def test_profile_and_level_are_named(code: int | None, title: str) -> None:
    assert header(mpeg2_sequence(profile_level=code)).title == title


@pytest.mark.parametrize("interlaced", [False, True])
def test_headers_are_read_as_libav_reads_them(tmp_path: Path, interlaced: bool) -> None:
    path = make_video(
        tmp_path / "a.ts",
        codec="mpeg2",
        size=(722, 574),
        frames=2,
        interlaced=interlaced,
        aspect=Fraction(16, 15),
    )
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        found = header(bytes(context.extradata or b""))
        assert (found.width, found.height) == (context.width, context.height)
        assert context.profile == found.profile
        assert found.progressive is not interlaced


@pytest.mark.parametrize(
    ("structures", "frames"),
    [
        ([3, 3, 3], 3),
        ([1, 2] * 10, 10),
        ([2, 1, 1, 2], 2),
        ([1, 1, 2], 2),
        ([3, 1, 2, 3, 2, 1, 3], 5),
        ([1], 1),
    ],
)
def test_two_fields_are_one_frame(structures: list[int], frames: int) -> None:
    units = list(units_after_start_codes(mpeg2_pictures(structures)))
    counter = next(mpeg2.sequences(units)).counter()
    assert counter.begun(units) == frames
    assert counter.shown == frames


def test_repeated_fields_are_shown_longer() -> None:
    units = list(units_after_start_codes(mpeg2_pictures([3] * 4, repeat={0: True, 2: True})))
    counter = next(mpeg2.sequences(units)).counter()
    assert counter.begun(units) == 4
    assert counter.shown == 5


def test_repeated_frames_are_shown_twice_or_three_times() -> None:
    counter = header(mpeg2_sequence(progressive=True)).counter()
    twice, three_times = b"\xb5\x8f\xff\xf3\x02\x80", b"\xb5\x8f\xff\xf3\x82\x80"
    assert counter.begun([twice, three_times]) == 2
    assert counter.shown == 5


@given(st.binary(max_size=200))
def test_nonsense_is_malformed(data: bytes) -> None:
    try:
        found = list(mpeg2.sequences(units_after_start_codes(b"\0\0\x01\xb3" + data)))
        for sequence in found:
            assert sequence.counter().begun(units_after_start_codes(data)) >= 0
    except Malformed:
        return


@given(st.data())
def test_damaged_headers_are_read_or_malformed(data: st.DataObject) -> None:
    stream = bytearray(mpeg2_sequence(display=(700, 500), colour=(1, 1, 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(4, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        for found in mpeg2.sequences(units_after_start_codes(bytes(stream))):
            assert found.width > 0
    except Malformed:
        return


def test_a_header_of_no_size_is_malformed() -> None:
    with pytest.raises(Malformed, match="no size"):
        header(mpeg2_sequence(size=(0, 32)))
