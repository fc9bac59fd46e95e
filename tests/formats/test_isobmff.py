"""The boxes of MP4: what is whole, what is not, and what the index says."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.formats import isobmff
from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.video_coding import Colour
from gateway.formats.video_turn import UPRIGHT
from videos import FAST_START, FRAGMENTED, Sound, make_video


def read(data: bytes) -> isobmff.Movie:
    return isobmff.read(io.BytesIO(data), len(data))


@cache
def example(*, fragmented: bool = False) -> bytes:
    with TemporaryDirectory() as folder:
        path = make_video(
            Path(folder) / "a.mp4",
            aspect=Fraction(4, 3),
            sound=Sound(),
            muxer=FRAGMENTED if fragmented else FAST_START,
            metadata={"creation_time": "2024-03-01T10:11:12Z"},
        )
        return path.read_bytes()


def box(kind: bytes, content: bytes, *, long: bool = False) -> bytes:
    if long:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


@pytest.mark.parametrize("fragmented", [False, True])
def test_the_index_is_read(fragmented: bool) -> None:
    movie = read(example(fragmented=fragmented))
    pictures, sound = movie.tracks
    assert movie.created == datetime(2024, 3, 1, 10, 11, 12, tzinfo=UTC)
    assert (pictures.handler, sound.handler) == ("vide", "soun")
    assert (pictures.entries, sound.entries) == (("avc1",), ("mp4a",))
    assert pictures.aspect == (4, 3)
    assert {"avcC", "pasp"} <= pictures.boxes
    assert pictures.turn == UPRIGHT
    assert movie.samples(pictures) == 12
    assert movie.samples(sound) == 24
    assert bool(movie.fragmented) is fragmented


def test_every_cut_is_noticed() -> None:
    data = example()
    for end in range(len(data) - 1, 0, -97):
        with pytest.raises(Incomplete):
            read(data[:end])


def test_a_cut_fragment_is_noticed() -> None:
    data = example(fragmented=True)
    whole = data.rindex(b"mfra") - 4
    assert read(data[:whole]).samples(read(data).tracks[0]) == 12
    with pytest.raises(Incomplete, match=r"'mdat' at byte .* of which"):
        read(data[: whole - 1])


def test_a_file_without_an_index_is_not_whole() -> None:
    with pytest.raises(Incomplete, match="index"):
        read(box(b"ftyp", b"isom\0\0\0\0") + box(b"mdat", bytes(100)))


def test_long_sizes_and_a_last_box_without_a_size_are_read() -> None:
    data = example()
    assert read(data + box(b"free", bytes(10), long=True)) == read(data)
    assert read(data + struct.pack(">I4s", 0, b"free") + bytes(10)) == read(data)
    with pytest.raises(Incomplete):
        read(data + struct.pack(">I4sQ", 1, b"free", 2**40) + bytes(10))


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        (bytes(64), "no MP4 box"),
        (struct.pack(">I4s", 7, b"free"), "smaller than its own header"),
        (box(b"moof", struct.pack(">I4s", 99, b"traf")), "larger than the one that holds it"),
    ],
)
def test_what_is_no_box_is_malformed(tail: bytes, text: str) -> None:
    with pytest.raises(Malformed, match=text):
        read(example() + tail)


@pytest.mark.parametrize(
    ("seconds", "created"),
    [
        (0, None),
        (2_082_844_800, None),  # 1970
        (1_700_000_000, None),  # counted from 1970 instead of 1904
        (2_713_996_800, datetime(1990, 1, 1, tzinfo=UTC)),
        (2_713_996_799, None),
        (3_800_000_000, datetime(2024, 5, 31, 11, 33, 20, tzinfo=UTC)),
    ],
)
def test_only_clocks_that_were_set_tell_the_date(seconds: int, created: datetime | None) -> None:
    data = bytearray(example())
    at = data.index(b"mvhd") + 8
    data[at : at + 4] = seconds.to_bytes(4, "big")
    assert read(bytes(data)).created == created


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((1, 0, 0, 1), False),
        ((2, 0, 0, 2), False),
        ((0, 0, 0, 0), False),
        ((0, 1, -1, 0), True),
        ((-1, 0, 0, -1), True),
        ((-1, 0, 0, 1), True),
        ((2, 0, 0, 1), True),
    ],
)
@pytest.mark.parametrize("place", [b"mvhd", b"tkhd"])
def test_a_picture_that_is_to_be_turned_is_noticed(
    matrix: tuple[int, int, int, int], turned: bool, place: bytes
) -> None:
    data = bytearray(example())
    at = data.index(place) + (40 if place == b"mvhd" else 44)
    a, b, c, d = (number * 0x10000 for number in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    assert (read(bytes(data)).tracks[0].turn != UPRIGHT) is turned


def test_colours_of_the_index_are_read() -> None:
    data = example()
    nclx = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0x80))
    entry = data.index(b"pasp") - 4
    changed = bytearray(data[:entry] + nclx + data[entry:])
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = changed.index(kind, data.index(b"moov")) - 4
        size = int.from_bytes(changed[at : at + 4], "big") + len(nclx)
        changed[at : at + 4] = size.to_bytes(4, "big")
    assert read(bytes(changed)).tracks[0].colour == Colour(True, 9, 16, 9)


def test_an_index_that_lists_more_than_it_has_is_malformed() -> None:
    data = bytearray(example())
    at = data.index(b"stsz") + 12
    data[at : at + 4] = (10**6).to_bytes(4, "big")
    with pytest.raises(Malformed, match="fewer samples"):
        read(bytes(data))


def test_samples_of_one_size_need_no_list() -> None:
    data = bytearray(example())
    at = data.index(b"stsz") + 8
    data[at : at + 8] = struct.pack(">II", 20, 10**6)
    assert read(bytes(data)).tracks[0].samples == 10**6


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp41", {b"mp42", b"isom", b"mp41"}),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  moov", {b"qt  "}),
        (b"\0\0\0\x18moovmp42\0\0\0\0isommp41", set()),
        (b"", set()),
    ],
)
def test_brands_are_read(head: bytes, found: set[bytes]) -> None:
    assert isobmff.brands(head) == found


@settings(deadline=None)  # the first one encodes its example
@given(st.data())
def test_damaged_boxes_are_read_or_malformed(data: st.DataObject) -> None:
    changed = bytearray(example(fragmented=data.draw(st.booleans())))
    start = changed.index(b"moov")
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(start, start + 1200))
        changed[at : at + 1] = data.draw(st.binary(max_size=4))
    try:
        read(bytes(changed))
    except Malformed:
        return


@given(st.binary(max_size=400))
def test_nonsense_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)
