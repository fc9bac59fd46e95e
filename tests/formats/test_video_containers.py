"""Matroska, AVI and Flash files: are they whole, and how many pictures are in them?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.formats import avi, flv, matroska
from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.video_turn import UPRIGHT, Matrix, after, by_degrees, by_matrix, filters, is_sideways
from videos import Sound, make_video

COUNTS: dict[str, Callable[[bytes], int]] = {
    ".mkv": lambda data: matroska.read(BytesIO(data), len(data)).frames[0],
    ".avi": lambda data: avi.read(BytesIO(data), len(data))[0],
    ".flv": lambda data: flv.read(BytesIO(data), len(data)),
}
ALL = pytest.mark.parametrize("suffix", COUNTS)


@cache
def example(suffix: str) -> bytes:
    with TemporaryDirectory() as folder:
        return make_video(Path(folder) / f"a{suffix}", sound=Sound(), frames=30).read_bytes()


@ALL
def test_pictures_are_counted(suffix: str) -> None:
    assert COUNTS[suffix](example(suffix)) == 30


@ALL
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_that_is_cut_is_not_whole(suffix: str, data: st.DataObject) -> None:
    whole = example(suffix)
    cut = whole[: data.draw(st.integers(12, len(whole) - 5))]
    if suffix == ".flv":  # a Flash video may end behind any tag
        try:
            assert COUNTS[suffix](cut) < 30 or len(whole) - len(cut) < 1500
        except Incomplete:
            return
    else:
        with pytest.raises(Malformed):
            COUNTS[suffix](cut)


@ALL
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(suffix: str, data: st.DataObject) -> None:
    changed = bytearray(example(suffix))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed)) | st.integers(0, 600))
        changed[at : at + data.draw(st.sampled_from([0, 1, 1, 4]))] = data.draw(st.binary(max_size=5))
    try:
        assert COUNTS[suffix](bytes(changed)) >= 0
    except Malformed:
        return


def element(kind: int, content: bytes, *, unknown: bool = False) -> bytes:
    """An element; with `unknown` it does not say its size."""
    size = b"\x01" + (b"\xff" * 7 if unknown else len(content).to_bytes(7, "big"))
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + size + content


def recording(*clusters: bytes, unknown: bool = False, tail: bytes = b"") -> bytes:
    entry = element(0xAE, element(0xD7, b"\3") + element(0x83, b"\1"))
    inside = element(0x1654AE6B, entry) + b"".join(clusters)
    return element(0x1A45DFA3, b"") + element(0x18538067, inside, unknown=unknown) + tail


BLOCK = element(0xA3, b"\x83\0\0\x80picture")
LACED = element(0xA3, b"\x83\0\0\x06\x02\1\1three")
GROUP = element(0xA0, element(0xA1, b"\x83\0\0\0picture"))


def count(data: bytes) -> int:
    return matroska.read(BytesIO(data), len(data)).frames[0]


def test_a_broadcast_need_not_say_its_sizes() -> None:
    cluster = element(0x1F43B675, element(0xE7, b"\0") + BLOCK + GROUP, unknown=True)
    cues = element(0x1C53BB6B, b"")
    assert count(recording(cluster, cluster, cues, unknown=True)) == 4
    assert count(recording(element(0x1F43B675, LACED + BLOCK))) == 4
    with pytest.raises(Incomplete):
        count(recording(cluster, cluster, unknown=True)[:-3])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (recording(tail=recording()), "another recording"),
        (recording(element(0xA3, b"")), "no part of a recording"),
        (recording(element(0x1F43B675, element(0xAE, b""))), "no part of a cluster"),
        (recording(element(0x1654AE6B, b"", unknown=True)), "has no size"),
        (element(0x1A45DFA3, b"") + element(0xEC, b""), "no recording"),
    ],
)
def test_what_makes_no_sense_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        count(data)


@pytest.mark.parametrize(
    ("degrees", "turn"),
    [
        (0, UPRIGHT),
        (90, (0, -1, 1, 0)),
        (-90, (0, 1, -1, 0)),
        (540, (-1, 0, 0, -1)),
        (45, None),
    ],
)
def test_turns_by_degrees(degrees: float, turn: Matrix | None) -> None:
    assert by_degrees(degrees) == turn
    assert by_degrees(float("nan")) is None


def test_turns_by_matrix() -> None:
    assert by_matrix(0, 65536, -65536, 0) == (0, 1, -1, 0)
    assert by_matrix(1, 0, 0, 2) is None
    assert by_matrix(1, 1, 1, 1) is None
    assert by_matrix(0, 0, 0, 0) == UPRIGHT


@given(st.lists(st.sampled_from([0, 90, 180, 270]), max_size=6))
def test_turns_add_up(degrees: list[int]) -> None:
    turn: Matrix | None = UPRIGHT
    for each in degrees:
        turn = after(turn, by_degrees(each))
    assert turn == by_degrees(sum(degrees))
    assert turn is not None
    assert is_sideways(turn) is (sum(degrees) % 180 == 90)
    assert filters(turn) == filters(by_degrees(sum(degrees)) or UPRIGHT)
    assert after(turn, None) is None
