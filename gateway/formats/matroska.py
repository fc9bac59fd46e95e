"""The elements of a Matroska or WebM file: is it whole, and what a demuxer does not pass on.

Source: RFC 8794 (EBML), RFC 9559 (Matroska). Only the headers of elements and of blocks are read.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.video_turn import FLIPPED, UPRIGHT, Matrix, after, by_degrees

_HEADER, _SEGMENT, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0x1F43B675
_TOP = frozenset(
    {
        *(_TRACKS, _CLUSTER),
        *(0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),  # seek head to tags
        *(0xEC, 0xBF),  # void, checksum
    }
)
_BLOCK_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3
_IN_CLUSTER = frozenset({_BLOCK_GROUP, _SIMPLE_BLOCK, 0xE7, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, 0xBF})
_TRACK, _NUMBER, _TYPE, _VIDEO, _PROJECTION = 0xAE, 0xD7, 0x83, 0xE0, 0x7670
_YAW, _PITCH, _ROLL = 0x7673, 0x7674, 0x7675
_PICTURES = b"\1"
_ENCODINGS, _ENCODING, _ENCRYPTION = 0x6D80, 0x6240, 0x5035

_ELEMENTS = 20_000_000  # more than any recording has: a second of video takes about a hundred
_LACED = 0x06  # in the flags of a block: several frames in one


@dataclass(frozen=True, slots=True)
class Recording:
    """What the elements say of the tracks of pictures, counted from 0.

    `frames` are their coded frames, `turns` how players turn them. `encrypted` says that some track is.
    """

    frames: Counter[int]
    turns: dict[int, Matrix | None]
    encrypted: bool


@dataclass(frozen=True, slots=True)
class _Element:
    """An element and where its content lies; `end` is None where it does not say."""

    kind: int
    start: int
    end: int | None


def read(file: BinaryIO, size: int) -> Recording:
    """The recording in a Matroska file of `size` bytes.

    Raises `Incomplete` where the end is missing, and `Malformed` where elements make no sense.
    """
    return _Reader(file, size).recording()


class _Reader:
    """Reads elements, and stops at a number of them that no recording has."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._left = _ELEMENTS
        self._frames: Counter[int] = Counter()  # by track number
        self._pictures: list[tuple[int, Matrix | None]] = []  # number and turn of tracks of pictures
        self._encrypted = False

    def recording(self) -> Recording:
        """All of the file."""
        header = self._element(0, self._size)
        segment = self._element(header.end or 0, self._size) if header.kind == _HEADER else None
        if segment is None or segment.kind != _SEGMENT:
            raise Malformed("no recording (the Segment element) begins behind its header")
        end = segment.end or self._size
        at = segment.start
        while at < end:
            at = self._top(self._element(at, end), end)
        if end + 4 <= self._size and self._bytes(end, 4) == _HEADER.to_bytes(4, "big"):
            raise Malformed("another recording stands behind its end")
        tracks = list(enumerate(self._pictures))
        return Recording(
            Counter({place: self._frames[number] for place, (number, _) in tracks}),
            {place: turn for place, (_, turn) in tracks},
            self._encrypted,
        )

    def _top(self, element: _Element, limit: int) -> int:
        """Reads an element of the segment; returns where the next one begins."""
        if element.kind not in _TOP:
            raise Malformed(f"what stands before byte {element.start:,} is no part of a recording")
        if element.kind == _TRACKS:
            self._tracks(element)
        if element.kind == _CLUSTER:
            return self._cluster(element, limit)
        if element.end is None:
            raise Malformed(f"its element before byte {element.start:,} has no size")
        return element.end

    def _cluster(self, cluster: _Element, limit: int) -> int:
        """Counts the blocks of a cluster; one without a size ends before the next element of the segment."""
        end = limit if cluster.end is None else cluster.end
        at = cluster.start
        while at < end:
            element = self._element(at, end)
            if cluster.end is None and element.kind in _TOP and element.kind not in _IN_CLUSTER:
                return at
            if element.kind not in _IN_CLUSTER or element.end is None:
                raise Malformed(f"what stands at byte {at:,} is no part of a cluster of frames")
            if element.kind == _SIMPLE_BLOCK:
                self._block(element)
            elif element.kind == _BLOCK_GROUP:
                for inner in self._inside(element):
                    if inner.kind == _BLOCK:
                        self._block(inner)
            at = element.end
        return end

    def _block(self, block: _Element) -> None:
        """Counts the frames of a block (RFC 9559, 10)."""
        head = self._bytes(block.start, 12)
        length = _length(head)
        number = int.from_bytes(head[:length], "big") & ~(1 << 7 * length)
        flags = head[length + 2 : length + 4].ljust(2, b"\0")
        self._frames[number] += flags[1] + 1 if flags[0] & _LACED else 1

    def _tracks(self, tracks: _Element) -> None:
        """What the descriptions of tracks say (RFC 9559, 5.1.4)."""
        for track in self._inside(tracks):
            if track.kind != _TRACK:
                continue
            number, pictures = 0, False
            turn: Matrix | None = UPRIGHT
            for element in self._inside(track):
                if element.kind == _NUMBER:
                    number = int.from_bytes(self._content(element), "big")
                elif element.kind == _TYPE:
                    pictures = self._content(element) == _PICTURES
                elif element.kind == _VIDEO:
                    turn = self._turn(element)
                elif element.kind == _ENCODINGS:
                    self._encrypted |= any(self._path(element, _ENCODING, _ENCRYPTION))
            if pictures:
                self._pictures.append((number, turn))

    def _turn(self, video: _Element) -> Matrix | None:
        """How pictures are turned and mirrored (RFC 9559, 5.1.4.1.28.41); None where not by quarters."""
        yaw, pitch, roll = (
            next(map(self._number, self._path(video, _PROJECTION, kind)), 0.0)
            for kind in (_YAW, _PITCH, _ROLL)
        )
        if pitch or abs(yaw) not in (0, 180):
            return None
        return after(FLIPPED if yaw else UPRIGHT, by_degrees(roll))

    def _path(self, element: _Element, *kinds: int) -> Iterator[_Element]:
        """The elements of these kinds, one inside the other."""
        if not kinds:
            yield element
            return
        for inner in self._inside(element):
            if inner.kind == kinds[0]:
                yield from self._path(inner, *kinds[1:])

    def _inside(self, element: _Element) -> Iterator[_Element]:
        """The elements in another one."""
        at, end = element.start, element.end or self._size
        while at < end:
            inner = self._element(at, end)
            if inner.end is None:
                raise Malformed(f"its element before byte {inner.start:,} has no size")
            yield inner
            at = inner.end

    def _element(self, at: int, limit: int) -> _Element:
        """The element that begins at an offset, and ends at `limit` at the latest."""
        self._left -= 1
        if self._left < 0:
            raise Malformed("it consists of more elements than a recording has")
        head = self._bytes(at, 12)
        first = _length(head)
        second = _length(head[first:])
        if len(head) < first + second:
            raise Incomplete(f"it ends within the header of an element, at byte {at:,}")
        if first > 4:
            raise Malformed(f"no element begins at byte {at:,}, where one should")
        value = int.from_bytes(head[first : first + second], "big") & ~(1 << 7 * second)
        start = at + first + second
        if value == (1 << 7 * second) - 1:  # unknown
            return _Element(int.from_bytes(head[:first], "big"), start, None)
        if start + value > self._size:
            there = f"of which {max(0, self._size - start):,} are there"
            raise Incomplete(f"its element at byte {at:,} has {value:,} bytes, {there}")
        if start + value > limit:
            raise Malformed(f"its element at byte {at:,} is larger than the one that holds it")
        return _Element(int.from_bytes(head[:first], "big"), start, start + value)

    def _content(self, element: _Element) -> bytes:
        """The bytes of a number."""
        return self._bytes(element.start, min(8, (element.end or element.start) - element.start))

    def _number(self, element: _Element) -> float:
        """A floating-point number."""
        data = self._content(element)
        return float(struct.unpack(">f" if len(data) == 4 else ">d", data)[0]) if len(data) in (4, 8) else 0.0

    def _bytes(self, at: int, count: int) -> bytes:
        """Some bytes of the file."""
        self._file.seek(at)
        return self._file.read(count)


def _length(head: bytes) -> int:
    """The length of a number whose first bits tell it (RFC 8794, 4); 9 is no length."""
    return 9 - head[0].bit_length() if head else 9
