"""Messages in H.264 and HEVC streams that say how pictures are to be shown.

Source: ITU-T H.264 7.3.2.3.1, D.1.26 and D.1.27; ITU-T H.265 writes these messages in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.formats.bits import BitReader, Malformed, unescaped
from gateway.formats.video_turn import FLIPPED, UPRIGHT, UPSIDE_DOWN, Matrix, after, by_degrees

TWO_VIEWS = "each has the views of two eyes"
FURTHER_VIEWS = "they have further views or layers"
TURNED = "they are to be turned, mirrored or stretched"
"""What keeps pictures from being shown one by one as they are coded."""

_FRAME_PACKING, _DISPLAY_ORIENTATION = 45, 47


def obstacle(payload: bytes) -> str | None:
    """What in the messages keeps pictures from being shown as they are coded; None if nothing does."""
    for kind, content in messages(payload):
        if kind == _FRAME_PACKING and _packs_views(content):
            return TWO_VIEWS
        if kind == _DISPLAY_ORIENTATION and _turns(content):
            return TURNED
    return None


def turn(payload: bytes) -> Matrix | None:
    """How the messages say that pictures are to be turned; None where not by quarters."""
    for kind, content in messages(payload):
        if kind == _DISPLAY_ORIENTATION and _turns(content):
            reader = BitReader(content)
            reader.flag()
            across, down = reader.flag(), reader.flag()
            flipped = after(FLIPPED if across else UPRIGHT, UPSIDE_DOWN if down else UPRIGHT)
            return after(flipped, by_degrees(reader.bits(16) * 360 / 65536))
    return UPRIGHT


def messages(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each message in a NAL unit's payload; stops where they end or make no sense."""
    data = unescaped(payload)
    position = 0
    while position + 2 < len(data):  # what is shorter are the bits that end the unit
        kind, position = _number(data, position)
        size, position = _number(data, position)
        yield kind, data[position : position + size]
        position += size


def _number(data: bytes, position: int) -> tuple[int, int]:
    """A number written as bytes of 255 and a last one, and the position behind it."""
    start = position
    while position < len(data) and data[position] == 255:
        position += 1
    last = data[position] if position < len(data) else 0
    return (position - start) * 255 + last, position + 1


def _packs_views(content: bytes) -> bool:
    """Whether a frame packing arrangement begins here, and does not end."""
    reader = BitReader(content)
    try:
        reader.unsigned()
        return not reader.flag()
    except Malformed:
        return False


def _turns(content: bytes) -> bool:
    """Whether a display orientation other than upright begins here."""
    reader = BitReader(content)
    try:
        return not reader.flag() and reader.bits(18) != 0  # cancelled, flips and degrees
    except Malformed:
        return False
