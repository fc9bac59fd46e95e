"""Transport and program streams (ITU-T H.222.0, ISO/IEC 13818-1): are they whole?

A demuxer passes over what is damaged; here every packet is looked at, in constant memory.
"""

from __future__ import annotations

from typing import BinaryIO

from gateway.formats.bits import START_CODE, Incomplete, Malformed

PACKET = 188
"""Bytes of a transport packet."""

FIRST = {PACKET: 0, 192: 4, 204: 0}
"""Bytes before the first packet, by the distance of packets: broadcast adds 16 bytes to each, and cameras
put 4 before it (BDAV).
"""

_SYNC = 0x47
_PACKETS_READ = 4096
_BELOW_SCRAMBLED = bytes(range(0x40))
_UNDAMAGED = bytes(range(0x80))

_PACK, _END, _SYSTEM = 0xBA, 0xB9, 0xBB
_READ = 1024 * 1024
_LONGEST = 6 + 65535  # bytes of a packet with its header
_SHORTEST = 32  # bytes of a packet on average, in any recording


def packet_distance(head: bytes) -> int | None:
    """The distance of packets in the first bytes of a transport stream; None if they are none."""
    for distance, first in FIRST.items():
        marks = head[first::distance]
        if len(marks) >= 5 and marks.count(_SYNC) == len(marks):
            return distance
    return None


def check_transport(file: BinaryIO, size: int, distance: int = PACKET) -> int:
    """Reads a transport stream of `size` bytes; returns how many of its packets were damaged on reception.

    Raises `Malformed` where packets are cut, lost their place or are scrambled (2.4.3.2).
    """
    damaged = position = 0
    first = FIRST[distance]
    while chunk := file.read(distance * _PACKETS_READ):
        marks = chunk[first::distance]
        if marks.count(_SYNC) != len(marks):
            wrong = next(index for index, mark in enumerate(marks) if mark != _SYNC)
            raise Malformed(f"no packet begins at byte {position + wrong * distance:,}, where one should")
        damaged += len(chunk[first + 1 :: distance].translate(None, _UNDAMAGED))  # transport_error_indicator
        if chunk[first + 3 :: distance].translate(None, _BELOW_SCRAMBLED):  # transport_scrambling_control
            raise Malformed("its packets are scrambled")
        position += len(chunk)
    if size % distance:
        raise Incomplete(f"its last packet has {size % distance} of {distance} bytes")
    return damaged


def sniff_program(head: bytes) -> bool:
    """Whether these are the first bytes of a program stream, or of its forerunner in MPEG-1."""
    return head[:4] == START_CODE + bytes([_PACK])


def check_program(file: BinaryIO, size: int) -> None:
    """Reads a program stream of `size` bytes from packet to packet (2.5.3).

    Raises `Incomplete` where the last packet is cut, and `Malformed` where a packet does not begin where
    the one before it ends. A stream that is cut between two packets looks whole: writers leave out the code
    that should mark the end.
    """
    data, at, offset = b"", 0, 0  # what was read, the place in it, and where it begins in the file
    left = 1000 + size // _SHORTEST
    while True:
        if len(data) - at < _LONGEST:
            offset += at
            data, at = data[at:] + file.read(_READ), 0
        if at >= len(data):
            return
        length = _packet_length(data, at)
        left -= 1
        if length == 0 or left < 0:
            raise Malformed(f"no packet begins at byte {offset + at:,}, where one should")
        if at + length > len(data):
            there = f"of which {len(data) - at:,} are there"
            raise Incomplete(f"its packet at byte {offset + at:,} has {length:,} bytes, {there}")
        at += length


def _packet_length(data: bytes, at: int) -> int:
    """The length of the packet, pack header or filling at a place; 0 if there is none."""
    if data[at : at + 3] != START_CODE:
        return _filling(data, at)
    head = data[at + 3 : at + 14].ljust(11, b"\0")
    if head[0] == _END:
        return 4
    if head[0] == _PACK:
        return 14 + (head[10] & 7) if head[1] >> 6 == 1 else 12  # the shorter one is MPEG-1's
    return 6 + int.from_bytes(head[1:3], "big") if head[0] >= _SYSTEM else 0


def _filling(data: bytes, at: int) -> int:
    """The number of zero bytes before the next packet or the end; 0 if there is something else."""
    following = data.find(START_CODE, at)
    end = following if following >= 0 else len(data)
    return 0 if any(data[at:end]) else end - at
