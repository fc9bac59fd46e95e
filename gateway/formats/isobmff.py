"""The boxes of an MP4 file: is it whole, and what its index says that a demuxer does not pass on.

Source: ISO/IEC 14496-12. Only the headers of boxes and a few small boxes are read, in constant memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.video_coding import Colour
from gateway.formats.video_turn import Matrix, after, by_matrix

_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # clocks that were never set begin in 1904 or 1970

_READ = 64 * 1024  # bytes of one box that are looked at
_BOXES = 5_000_000  # more than any recording has: a second of video takes about ten
_TRACKS = 100
_VISUAL_ENTRY = 78  # bytes of a visual sample entry before its own boxes (12.1.3)


@dataclass(frozen=True, slots=True)
class Track:
    """A track as the index describes it.

    `handler` is `vide`, `soun` or another kind; `entries` are the codings of its samples and `boxes` what
    the first of them consists of, in four letters. `turn` is how players turn or mirror the picture, None
    where they do something else to it. `size` is that of the coded picture; `aspect` is width and height of
    a pixel, where the index gives one.
    `samples` are those of the index; those in fragments are counted by `Movie.fragmented`.
    """

    number: int
    handler: str
    entries: tuple[str, ...]
    boxes: frozenset[str]
    turn: Matrix | None
    aspect: tuple[int, int] | None
    colour: Colour | None
    samples: int
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Movie:
    """What the boxes say. `created` is None where the clock was not set.

    `fragmented` has the number of samples in fragments by track number.
    """

    created: datetime | None
    tracks: tuple[Track, ...]
    fragmented: Counter[int]

    def samples(self, track: Track) -> int:
        """All samples of a track."""
        return track.samples + self.fragmented[track.number]


def read(file: BinaryIO, size: int) -> Movie:
    """The movie in an MP4 file of `size` bytes.

    Raises `Incomplete` where the end is missing, and `Malformed` where boxes contradict each other.
    """
    reader = _Reader(file)
    movie: Movie | None = None
    fragmented: Counter[int] = Counter()
    for box in reader.boxes(0, size, outermost=True):
        if box.kind == "moov" and movie is None:
            movie = _movie(reader, box, fragmented)
        elif box.kind == "moof":
            _count_fragment(reader, box, fragmented)
    if movie is None:
        raise Incomplete("its index (the moov box) is missing")
    return movie


def brands(head: bytes) -> frozenset[bytes]:
    """The brands that the first box of a file claims; empty if it is no `ftyp` box (4.3)."""
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return frozenset({head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))})


@dataclass(frozen=True, slots=True)
class _Box:
    """A box and where its content lies in the file."""

    kind: str
    start: int
    end: int


class _Reader:
    """Reads boxes, and stops at a number of them that no recording has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _BOXES

    def boxes(self, start: int, end: int, *, outermost: bool = False) -> Iterator[_Box]:
        """The boxes between two offsets, in order."""
        while start + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise Malformed("it consists of more boxes than a recording has")
            kind, header, length = self._header(start, end)
            if outermost and not (kind.isascii() and kind.isprintable()):
                raise Malformed(f"what stands at byte {start:,} is no MP4 box")
            if length < header:
                raise Malformed(f"its box at byte {start:,} is smaller than its own header")
            if start + length > end:
                if not outermost:
                    raise Malformed(f"its box at byte {start:,} is larger than the one that holds it")
                there = f"of which {end - start:,} are there"
                raise Incomplete(f"its box '{kind}' at byte {start:,} says it has {length:,} bytes, {there}")
            yield _Box(kind, start + header, start + length)
            start += length
        if outermost and start != end:
            raise Incomplete(f"it ends within the header of a box, at byte {start:,}")

    def child(self, box: _Box, *path: str) -> _Box | None:
        """The first box of each kind, one inside the other; None where one is missing."""
        found: _Box | None = box
        for kind in path:
            if found is None:
                return None
            found = next((inner for inner in self.boxes(found.start, found.end) if inner.kind == kind), None)
        return found

    def content(self, box: _Box | None) -> bytes:
        """The first bytes of a box; nothing of one that is missing."""
        return self._bytes(box.start, min(box.end - box.start, _READ)) if box else b""

    def _header(self, start: int, end: int) -> tuple[str, int, int]:
        """The kind of the box at an offset, the size of its header, and its whole size."""
        head = self._bytes(start, min(16, end - start))
        kind, length = head[4:8].decode("latin-1"), int.from_bytes(head[:4], "big")
        if length == 1:
            return kind, 16, int.from_bytes(head[8:], "big")
        return kind, 8, length or end - start  # without a size, the box reaches to the end

    def _bytes(self, start: int, count: int) -> bytes:
        """Some bytes of the file."""
        self._file.seek(start)
        return self._file.read(count)


def _movie(reader: _Reader, box: _Box, fragmented: Counter[int]) -> Movie:
    """What the index says (8.2)."""
    header = reader.content(reader.child(box, "mvhd"))
    if len(header) < 100:
        raise Malformed("its index has no header (the mvhd box)")
    long = header[0] == 1
    turn = _turn(header[48:84] if long else header[36:72])
    inner = [found for found in reader.boxes(box.start, box.end) if found.kind == "trak"]
    if len(inner) > _TRACKS:
        raise Malformed("it has more tracks than a recording has")
    return Movie(
        created=_moment(int.from_bytes(header[4:12] if long else header[4:8], "big")),
        tracks=tuple(_track(reader, track, turn) for track in inner),
        fragmented=fragmented,
    )


def _track(reader: _Reader, box: _Box, turn: Matrix | None) -> Track:
    """One track of the index (8.3)."""
    header = reader.content(reader.child(box, "tkhd"))
    if len(header) < 84:
        raise Malformed("a track of its index has no header (the tkhd box)")
    long = header[0] == 1
    media = reader.child(box, "mdia")
    table = reader.child(box, "mdia", "minf", "stbl")
    if media is None or table is None:
        raise Malformed("a track of its index describes no samples")
    entries = _entries(reader, table)
    handler = reader.content(reader.child(media, "hdlr"))[8:12].decode("latin-1")
    inside = _inside(reader, entries[0]) if entries and handler == "vide" else {}
    pixel = inside.get("pasp", b"")
    return Track(
        number=int.from_bytes(header[20:24] if long else header[12:16], "big"),
        handler=handler,
        entries=tuple(entry.kind for entry in entries),
        boxes=frozenset(inside),
        turn=after(_turn(header[52:88] if long else header[40:76]), turn),
        aspect=(int.from_bytes(pixel[:4], "big"), int.from_bytes(pixel[4:8], "big"))
        if len(pixel) >= 8
        else None,
        colour=_colour(inside.get("colr", b"")),
        samples=_samples(reader, table),
        size=_size(reader.content(entries[0])) if entries and handler == "vide" else None,
    )


def _entries(reader: _Reader, table: _Box) -> list[_Box]:
    """The descriptions of a track's samples (8.5.2)."""
    box = reader.child(table, "stsd")
    return list(reader.boxes(box.start + 8, box.end)) if box else []


def _size(entry: bytes) -> tuple[int, int]:
    """Width and height in the description of coded pictures (12.1.3)."""
    return int.from_bytes(entry[24:26], "big"), int.from_bytes(entry[26:28], "big")


def _inside(reader: _Reader, entry: _Box) -> dict[str, bytes]:
    """The boxes in the description of coded pictures, by kind."""
    start = entry.start + _VISUAL_ENTRY
    return {box.kind: reader.content(box) for box in reader.boxes(start, entry.end)}


def _samples(reader: _Reader, table: _Box) -> int:
    """The number of samples in the index (8.7.3); a table that is too short for them is `Malformed`."""
    for kind in ("stsz", "stz2"):
        box = reader.child(table, kind)
        if box is None:
            continue
        head = reader.content(box)[:12].ljust(12, b"\0")
        count = int.from_bytes(head[8:12], "big")
        same_size = kind == "stsz" and int.from_bytes(head[4:8], "big")
        bits = 0 if same_size else 32 if kind == "stsz" else head[7]
        if 12 + (count * bits + 7) // 8 > box.end - box.start:
            raise Malformed("its index lists fewer samples than it says")
        return count
    return 0


def _count_fragment(reader: _Reader, box: _Box, fragmented: Counter[int]) -> None:
    """Adds the samples of one fragment (8.8.4) to their tracks."""
    for traf in reader.boxes(box.start, box.end):
        if traf.kind != "traf":
            continue
        header = reader.content(reader.child(traf, "tfhd"))
        number = int.from_bytes(header[4:8], "big")
        for run in reader.boxes(traf.start, traf.end):
            if run.kind == "trun":
                fragmented[number] += int.from_bytes(reader.content(run)[4:8], "big")


def _turn(matrix: bytes) -> Matrix | None:
    """What a transformation matrix (6.2.2) does to the picture besides shifting and scaling evenly."""
    a, b, _, c, d = (int.from_bytes(matrix[at : at + 4], "big", signed=True) for at in range(0, 20, 4))
    return by_matrix(a, b, c, d)


def _moment(seconds: int) -> datetime | None:
    """A date as seconds since 1904, if a clock was set when it was written."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment if moment >= _EARLIEST else None


def _colour(box: bytes) -> Colour | None:
    """The colours that the index gives (12.1.5); None where it gives none, or a profile."""
    if box[:4] not in (b"nclx", b"nclc") or len(box) < 10:
        return None
    primaries, transfer, matrix = (int.from_bytes(box[at : at + 2], "big") for at in (4, 6, 8))
    return Colour(len(box) > 10 and box[10] >= 128, primaries, transfer, matrix)
