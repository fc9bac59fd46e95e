"""Transport and program streams: what is whole, and what is not."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats import mpeg_systems
from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.mpeg_systems import PACKET
from videos import make_video


@cache
def stream(suffix: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = make_video(Path(folder) / f"a{suffix}", codec="mpeg2", size=(352, 288))
        return path.read_bytes()


def transport(data: bytes) -> int:
    return mpeg_systems.check_transport(io.BytesIO(data), len(data))


def program(data: bytes) -> None:
    mpeg_systems.check_program(io.BytesIO(data), len(data))


def changed(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] | mask]) + data[at + 1 :]


def test_whole_streams_pass() -> None:
    assert transport(stream(".ts")) == 0
    program(stream(".mpg"))
    program(stream(".vob"))


def test_a_cut_packet_is_noticed() -> None:
    with pytest.raises(Incomplete, match="last packet has 100 of 188"):
        transport(stream(".ts")[:-88])
    for left in (1, 3, 5, 100, 3000):
        with pytest.raises(Incomplete, match="of which"):
            program(stream(".mpg")[: -(4 + left)])


def test_lost_bytes_are_noticed() -> None:
    data = stream(".ts")
    with pytest.raises(Malformed, match=f"byte {20 * PACKET:,}"):
        transport(data[: 19 * PACKET + 7] + data[19 * PACKET + 8 :] + b"x")
    data = stream(".mpg")
    with pytest.raises(Malformed, match="no packet begins"):
        program(data[:3000] + data[3001:])


def test_scrambled_and_damaged_packets_are_noticed() -> None:
    data = stream(".ts")
    with pytest.raises(Malformed, match="scrambled"):
        transport(changed(data, 30 * PACKET + 3, 0x80))
    assert transport(changed(data, 30 * PACKET + 1, 0x80)) == 1


def test_the_distance_of_packets_is_found() -> None:
    data = stream(".ts")
    packets = [data[at : at + PACKET] for at in range(0, PACKET * 30, PACKET)]
    assert mpeg_systems.packet_distance(data[:4096]) == 188
    assert mpeg_systems.packet_distance(b"".join(b"\0\0\0\0" + packet for packet in packets)) == 192
    assert mpeg_systems.packet_distance(b"".join(packet + bytes(16) for packet in packets)) == 204
    assert mpeg_systems.packet_distance(stream(".mpg")[:4096]) is None
    assert mpeg_systems.packet_distance(b"\x47") is None


def test_zeros_may_fill_a_program_stream() -> None:
    data = stream(".mpg")
    program(data + bytes(3_000_000))
    program(data + bytes(500) + data)


def test_packets_of_no_content_end_somewhere() -> None:
    with pytest.raises(Malformed):
        program(b"\0\0\x01\xbe\0\0" * 200_000)


@given(st.binary(max_size=600))
def test_nonsense_passes_or_is_malformed(data: bytes) -> None:
    for check in (transport, program):
        try:
            check(b"\0\0\x01\xba" + data)
        except Malformed:
            continue
