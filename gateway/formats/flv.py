"""The tags of a Flash video: is it whole, and how many pictures are in it?

Source: Adobe Flash Video File Format Specification 10.1, Annex E; Enhanced RTMP for later codings.
"""

from __future__ import annotations

from typing import BinaryIO

from gateway.formats.bits import Incomplete, Malformed

_SOUND, _PICTURES, _SCRIPT = 8, 9, 18
_HEADER = 11  # bytes of a tag before its data; its size follows the data in four more
_ADVANCED = (7, 12)  # codings whose tags say whether they hold a picture: H.264, HEVC
_COMMAND = 5
_EXTENDED = 0x80
_CODED = (1, 3)


def read(file: BinaryIO, size: int) -> int:
    """The number of coded pictures in a Flash video of `size` bytes.

    Raises `Incomplete` where the end is missing, and `Malformed` where no tag begins where one should.
    """
    at = int.from_bytes(file.read(9)[5:9], "big") + 4
    pictures = 0
    while at < size:
        file.seek(at)
        head = file.read(_HEADER + 2)
        length = int.from_bytes(head[1:4], "big")
        if at + _HEADER + length > size or len(head) < _HEADER:
            raise Incomplete(f"its tag at byte {at:,} has {length:,} bytes, which are not all there")
        if head[0] not in (_SOUND, _PICTURES, _SCRIPT):
            raise Malformed(f"no tag begins at byte {at:,}, where one should")
        if head[0] == _PICTURES and length:
            pictures += _is_picture(head[_HEADER:])
        at += _HEADER + length + 4
    return pictures


def _is_picture(data: bytes) -> bool:
    """Whether the data of a tag begin like a picture's, not like a header's or a command's."""
    if data[0] & _EXTENDED:
        return data[0] & 0x0F in _CODED
    if data[0] >> 4 == _COMMAND:
        return False
    return data[0] & 0x0F not in _ADVANCED or data[1:2] == b"\1"
