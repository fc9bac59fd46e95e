"""Frames of pixel data, judged by pydicom."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from gateway.dicom.frames import frames, number_of_frames
from gateway.dicom.reader import read
from gateway.errors import Reject
from gateway.stream import FileSlice, Stream, swapped
from part10s import (
    BIG_ENDIAN,
    EXPLICIT,
    SEQUENCE_END,
    UNDEFINED,
    element,
    item,
    packaged,
    packaged_file,
    part10,
    write,
)

PIXEL_DATA = 0x7FE00010
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
JPEG = "1.2.840.10008.1.2.4.50"
HEVC = "1.2.840.10008.1.2.4.107"


def _image(rows: int, columns: int, bits: int, count: int | None = None, *, photometric: str = "") -> bytes:
    tags = {0x00280010: rows, 0x00280011: columns, 0x00280100: bits}
    described = element(0x00280004, "CS", photometric.encode()) if photometric else b""
    samples = element(0x00280002, "US", struct.pack("<H", 3 if photometric else 1))
    frames = b"" if count is None else element(0x00280008, "IS", f"{count:<4}".encode())
    return (
        samples
        + described
        + frames
        + b"".join(element(tag, "US", struct.pack("<H", value)) for tag, value in tags.items())
    )


def _frames(folder: Path, data: bytes, transfer_syntax: str = EXPLICIT) -> list[bytes]:
    return [frame.read() for frame in frames(read(write(folder, part10(data, transfer_syntax))))]


def _fragments(count: int, table: bytes, *contents: bytes, more: bytes = b"") -> bytes:
    items = item(table) + b"".join(map(item, contents)) + SEQUENCE_END
    return _image(4, 4, 8, count) + more + element(PIXEL_DATA, "OB", items, UNDEFINED)


def test_frames_of_packaged_files_are_those_of_pydicom() -> None:
    seen = 0
    for path in packaged():
        dataset = pydicom.dcmread(path)
        if "PixelData" not in dataset or "Rows" not in dataset:
            continue
        if path.name in ("MR_truncated.dcm", "badVR.dcm"):  # too few bytes, and a number that is none
            continue
        count = number_of_frames(dataset)
        if path.name == "SC_rgb_small_odd_big_endian.dcm":
            with pytest.raises(Reject, match="Big Endian words"):
                frames(read(path))
            continue
        ours = [frame.read() for frame in frames(read(path))]
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            assert ours == list(generate_frames(dataset.PixelData, number_of_frames=count))
        else:
            joined = b"".join(ours)
            words = dataset.file_meta.TransferSyntaxUID == BIG_ENDIAN and dataset["PixelData"].VR == "OW"
            theirs = swapped(dataset.PixelData, max(dataset.BitsAllocated // 8, 2) if words else 1)
            assert joined == theirs[: len(joined)]
            assert len(theirs) - len(joined) in (0, 1) or path.name == "MR_small_padded.dcm"
        assert len(ours) == count
        seen += 1
    assert seen > 50


def test_native_frames_are_cut_by_their_size(tmp_path: Path) -> None:
    pixels = bytes(range(25))
    data = _image(2, 4, 8, 3) + element(PIXEL_DATA, "OB", pixels + b"\0")
    assert _frames(tmp_path, data) == [pixels[:8], pixels[8:16], pixels[16:24]]
    one = _image(5, 5, 8) + element(PIXEL_DATA, "OB", pixels + b"\0")
    assert _frames(tmp_path, one) == [pixels]


def test_shared_colour_makes_frames_smaller(tmp_path: Path) -> None:
    data = _image(2, 4, 8, 2, photometric="YBR_FULL_422") + element(PIXEL_DATA, "OB", bytes(32))
    assert [len(frame) for frame in _frames(tmp_path, data)] == [16, 16]


def test_frames_of_single_bits_where_they_begin_at_bytes(tmp_path: Path) -> None:
    assert _frames(tmp_path, _image(4, 4, 1, 2) + element(PIXEL_DATA, "OB", b"abcd")) == [b"ab", b"cd"]
    assert _frames(tmp_path, _image(3, 3, 1) + element(PIXEL_DATA, "OB", b"ab")) == [b"ab"]
    with pytest.raises(Reject, match="9 bits, which do not begin at whole bytes"):
        _frames(tmp_path, _image(3, 3, 1, 2) + element(PIXEL_DATA, "OB", b"abcd"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_image(4, 4, 8, 2) + element(PIXEL_DATA, "OB", bytes(16)), "should have 2 frames of 16 bytes"),
        (_image(4, 4, 8, 9999) + element(PIXEL_DATA, "OB", bytes(16)), "should have 9,999 frames"),
        (_image(4, 4, 8)[:-10] + element(PIXEL_DATA, "OB", bytes(16)), "BitsAllocated is missing"),
        (_image(0, 4, 8) + element(PIXEL_DATA, "OB", bytes(16)), "Rows is missing or no number"),
        (_image(4, 4, 8), "no pixel data"),
        (
            _image(1, 1, 8) + element(0x00280008, "IS", b"3000000 ") + element(PIXEL_DATA, "OB", b"ab"),
            "3,000,000 frames",
        ),
    ],
)
def test_native_frames_that_cannot_be_are_refused(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(Reject, match=words) as caught:
        _frames(tmp_path, data)
    assert "file.dcm" in str(caught.value)


def test_the_basic_offset_table_says_where_frames_begin(tmp_path: Path) -> None:
    table = struct.pack("<2L", 0, 2 * (8 + 2))
    data = _fragments(2, table, b"aa", b"bb", b"cc", b"dd")
    assert _frames(tmp_path, data, JPEG) == [b"aabb", b"ccdd"]


@pytest.mark.parametrize("table", [struct.pack("<2L", 0, 5), struct.pack("<2L", 10, 0), b"\0\0\0\0", b"\0\0"])
def test_a_table_that_makes_no_sense_is_not_believed(table: bytes, tmp_path: Path) -> None:
    assert _frames(tmp_path, _fragments(2, table, b"aa", b"bb"), JPEG) == [b"aa", b"bb"]


def test_the_extended_offset_table_says_where_frames_are_and_end(tmp_path: Path) -> None:
    offsets, lengths = struct.pack("<2Q", 10, 0), struct.pack("<2Q", 2, 1)
    more = element(0x7FE00001, "OV", offsets) + element(0x7FE00002, "OV", lengths)
    assert _frames(tmp_path, _fragments(2, b"", b"a\0", b"bb", more=more), JPEG) == [b"bb", b"a"]
    wrong = element(0x7FE00001, "OV", offsets) + element(0x7FE00002, "OV", struct.pack("<2Q", 3, 1))
    assert _frames(tmp_path, _fragments(2, b"", b"a\0", b"bb", more=wrong), JPEG) == [b"a\0", b"bb"]


def test_all_fragments_are_the_only_frame(tmp_path: Path) -> None:
    assert _frames(tmp_path, _fragments(1, b"", b"aa", b"bb"), JPEG) == [b"aabb"]
    assert _frames(tmp_path, _fragments(1, bytes(4), b"aa", b"bb"), JPEG) == [b"aabb"]


def test_a_video_is_one_stream(tmp_path: Path) -> None:
    assert _frames(tmp_path, _fragments(300, b"", b"aa", b"bb"), HEVC) == [b"aabb"]


def test_frames_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    for data in (_fragments(2, b"", b"aa", b"bb", b"cc"), _fragments(1, b"")):
        with pytest.raises(Reject, match=r"file\.dcm has .* fragments, and no table says"):
            _frames(tmp_path, data, JPEG)


def test_frames_are_counted() -> None:
    assert number_of_frames(pydicom.dcmread(packaged_file("SC_rgb_rle_2frame.dcm"))) == 2
    for value in ("0", "-3", "", None):
        dataset = pydicom.Dataset()
        dataset.NumberOfFrames = value
        assert number_of_frames(dataset) == 1
    assert number_of_frames(pydicom.Dataset()) == 1


@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_a_cut_is_what_was_between(pieces: list[bytes], start: int, length: int) -> None:
    stream = Stream(tuple(piece for piece in pieces if piece))
    if start + length > stream.length:
        with pytest.raises(ValueError, match="bytes"):
            stream.cut(start, length)
    else:
        assert stream.cut(start, length).read() == b"".join(pieces)[start : start + length]


def test_a_cut_goes_through_files_but_not_through_words(tmp_path: Path) -> None:
    whole = FileSlice.whole(write(tmp_path, b"0123456789"))
    assert Stream.of(b"ab", whole, b"yz").cut(1, 12).read() == b"b0123456789y"
    words = FileSlice(whole.path, 2, 6, whole.stamp, swap=2)
    assert Stream.of(words).cut(2, 4).read() == b"5476"
    with pytest.raises(ValueError, match="whole words of 2"):
        Stream.of(words).cut(1, 4)
