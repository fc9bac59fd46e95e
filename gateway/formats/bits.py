"""Bits and units: what the headers of H.264, HEVC and MPEG-2 are written in.

Sources: ITU-T H.264 clauses 7.2, 7.3.1 and Annex B; ISO/IEC 14496-15 for the form in MP4. MPEG-2 separates
its headers by the same start codes (ISO/IEC 13818-2, 6.2.1).
"""

from __future__ import annotations

from collections.abc import Iterator

HEAD = 4096
"""Bytes of a unit that are looked at: headers take a few hundred at most."""

START_CODE = b"\0\0\x01"


class Malformed(ValueError):
    """Bytes do not have the form that their standard gives them; the text says which."""


class Incomplete(Malformed):
    """The bytes end before what they hold does; the text says where."""


class BitReader:
    """Reads numbers from bytes, the highest bit first; raises `Malformed` where the bytes end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def bits(self, count: int) -> int:
        """An unsigned number of `count` bits, u(n)."""
        end = self._position + count
        if end > len(self._data) * 8:
            raise Malformed("a header ends too early")
        first, last = self._position // 8, (end + 7) // 8
        self._position = end
        return (int.from_bytes(self._data[first:last], "big") >> (last * 8 - end)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.bits(1) == 1

    def unsigned(self) -> int:
        """A number in Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise Malformed("a header has a number that is too large")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """A signed number in Exp-Golomb code, se(v)."""
        number = self.unsigned()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def unescaped(unit: bytes) -> bytes:
    """A NAL unit without the bytes that keep start codes out of it."""
    return unit.replace(b"\0\0\x03", b"\0\0")


def units_after_start_codes(data: bytes, head: int = HEAD) -> Iterator[bytes]:
    """The first `head` bytes of each unit of a byte stream; the last one ends with the data."""
    start = data.find(START_CODE) + 3
    while start >= 3:
        following = data.find(START_CODE, start)
        end = following if following >= 0 else len(data)
        if end > start:
            yield data[start : min(end, start + head)]
        start = following + 3


def units_with_lengths(data: bytes, size: int, head: int = HEAD) -> Iterator[bytes]:
    """The first `head` bytes of each NAL unit of an MP4 sample; a length of `size` bytes precedes each.

    Raises `Malformed` when the lengths do not add up to the sample.
    """
    position, end = 0, len(data)
    while position < end:
        start = position + size
        position = start + int.from_bytes(data[position:start], "big")
        if position > end:
            raise Malformed("a picture is not as long as it says")
        if position > start:
            yield data[start : min(position, start + head)]
