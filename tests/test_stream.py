"""Streams: sized, read again and again, and never of a file that has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Reject, Retry
from gateway.stream import CHUNK, FileSlice, FileStamp, Stream, swapped


@given(st.lists(st.binary(max_size=20)))
def test_stream_is_its_parts_in_order(parts: list[bytes]) -> None:
    stream = Stream.of(*parts, Stream.of(*parts))
    assert stream.read() == b"".join(parts) * 2
    assert stream.length == len(stream.read())
    assert len(stream.pieces) <= 1


def test_stream_can_be_read_twice(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(bytes(range(256)) * 2000)
    stream = Stream.of(b"<", FileSlice.whole(file), b">")
    assert stream.length == 512_002
    assert stream.read() == stream.read() == b"<" + file.read_bytes() + b">"


@pytest.mark.parametrize(
    ("modified", "settled"),
    [
        (1_000_000_000_000, False),  # a whole second, and so perhaps the next one too
        (998_000_000_000, False),
        (997_000_000_000, True),
        (1_003_000_000_000, True),  # by another computer's clock
        (999_999_999_999, False),
        (999_900_000_001, True),
    ],
)
def test_a_stamp_is_settled_when_the_next_change_will_show(
    modified: int, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000)
    assert FileStamp(1, modified, 1).settled is settled


def test_slice_reads_only_its_part(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"0123456789")
    stamp = FileStamp.of(file.stat())
    assert Stream.of(FileSlice(file, 3, 4, stamp)).read() == b"3456"


def test_swap_turns_words_round_in_every_chunk(tmp_path: Path) -> None:
    file = tmp_path / "data"
    data = os.urandom(CHUNK + 8)
    file.write_bytes(data)
    stamp = FileStamp.of(file.stat())
    assert Stream.of(FileSlice(file, 0, len(data), stamp, swap=4)).read() == swapped(data, 4)
    assert swapped(swapped(data, 8), 8) == data
    assert swapped(b"\x01\x02\x03\x04", 2) == b"\x02\x01\x04\x03"


def test_file_that_was_replaced_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"first")
    stream = Stream.of(FileSlice.whole(file))
    (tmp_path / "new").write_bytes(b"other")
    (tmp_path / "new").replace(file)
    with pytest.raises(Retry, match="changed"):
        stream.read()


def test_file_that_changes_while_it_is_read_never_looks_complete(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(bytes(3 * CHUNK))
    stream = Stream.of(FileSlice.whole(file))
    got = 0
    with pytest.raises(Retry, match="changed"):
        for chunk in stream:
            got += len(chunk)
            os.utime(file, ns=(1, 1))
    assert got < 3 * CHUNK


def test_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Reject, match="cannot be read: No such file"):
        FileSlice.whole(tmp_path / "missing")
