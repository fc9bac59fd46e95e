"""Whether the last picture of a bare stream is whole, which nothing says but the picture itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from gateway.convert.video_source import VideoSource, decoding, demuxing, packets_of
from gateway.errors import Reject

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.packet import Packet
    from av.video.frame import VideoFrame

_BEHIND = b"\xa5\x5a" * 64 + b"\x80"
"""Bytes that a decoder takes for coded data if it needs more."""


def is_cut(source: VideoSource, slices: Callable[[bytes], int]) -> bool:
    """Whether the last picture of an HEVC stream lacks its end; `slices` counts those in a packet.

    It does where all other pictures have more slices, and where bytes behind its own change it: a decoder
    stops at the end of a slice, and reads on where there was none. The packets since the last key picture
    but one are decoded twice. Raises `Reject` for what cannot be decoded.
    """
    keys, counts, last = [0, 0], set[int](), 0
    with demuxing(source) as container:
        for number, packet in enumerate(packets_of(container, source.stream)):
            if packet.is_keyframe:
                keys = [keys[1], number]
            if number:
                counts.add(last)
            last = slices(bytes(packet))
    if len(counts) == 1 and last < max(counts):
        return True
    whole = _last_picture(source, keys[0], b"")
    try:
        return _last_picture(source, keys[0], _BEHIND) != whole
    except Reject:  # of bytes that mean nothing
        return True


def _last_picture(source: VideoSource, start: int, behind: bytes) -> bytes:
    """A digest of the picture that is coded last, with bytes `behind` its own, decoded from a packet on."""
    latest: VideoFrame | None = None
    with demuxing(source, decode=True) as container:
        packets = islice(packets_of(container, source.stream), start, None)
        for frame in decoding(source, container, _extended(packets, behind)):
            if latest is None or (frame.pts or 0) > (latest.pts or 0):
                latest = frame
        return _digest(latest) if latest else b""


def _extended(packets: Iterator[Packet[Any]], behind: bytes) -> Iterator[Packet[Any]]:
    """The packets, and behind the last one some bytes."""
    import av

    last: Packet[Any] | None = None
    for packet in packets:
        if last is not None:
            yield last
        last = packet
    if last is not None:
        longer = av.Packet(bytes(last) + behind)
        longer.stream = last.stream
        yield longer


def _digest(frame: VideoFrame) -> bytes:
    """A digest of what is seen of a picture."""
    digest = hashlib.blake2b()
    size = 2 if frame.format.components[0].bits > 8 else 1
    for plane in frame.planes:
        lines = memoryview(plane)
        for start in range(0, plane.height * plane.line_size, plane.line_size):
            digest.update(lines[start : start + plane.width * size])
    return digest.digest()
