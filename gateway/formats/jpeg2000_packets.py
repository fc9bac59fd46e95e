"""Whether a JPEG 2000 codestream has all coding passes of its blocks, told by its packets (T.800 annex B).

A reversible codestream with all passes is lossless. Encoders and servers leave passes out to save room, and
some encoders leave the last ones out of a lossless codestream, where these would change nothing. Only the
headers of packets are read; coded data are skipped by the length that these say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import product
from struct import unpack_from
from typing import BinaryIO

from gateway.formats.jpeg2000_codestream import COC, COD, QCC, QCD, Progression, Segment, Structure, TilePart

MOST_STEPS = 150_000
"""Code-blocks and packets that are looked at, each once a layer: about a second, or 200 megapixels."""

_PRECINCTS, _SOP, _EPH = 1, 2, 4
"""Bits of Scod (T.800 table A.13)."""

_BYPASS, _TERMINATED, _HIGH_THROUGHPUT = 0x01, 0x04, 0x40
"""Bits of the style of code-blocks (T.800 table A.19)."""

_FIRST_BYPASS = 9
"""The last pass before those that bypass the arithmetic coder (T.800 table D.9)."""

_MOST_LENGTH_BITS = 32
"""A length of more would be that of no file."""

_WINDOW = 4096

_LOSS = 0.25
"""The part of the coded data in blocks without their last bit plane from which on something surely is lost.

Where nothing is lost, only blocks with hardly any values can do without it: a few thousandths, in files of
Kakadu. Of a photo that was cut to half of its size it is nine tenths, and a third where values differ by 3.
"""


class Passes(Enum):
    """How many of its coding passes a codestream has."""

    ALL = auto()
    MOST = auto()
    """Not all, and those that are missing may be without meaning."""
    TOO_FEW = auto()
    UNKNOWN = auto()


class _Unknown(Exception):
    """The packets cannot be followed."""


class _Cut(Exception):
    """The coded data end before the packets do."""


def passes_of(file: BinaryIO, structure: Structure) -> Passes:
    """How many of its coding passes a codestream has; unknown where that would take long to find out.

    A block that no packet has counts as one without values.
    """
    if not structure.plain:
        return Passes.UNKNOWN
    parts: dict[int, list[TilePart]] = {}
    for part in structure.parts:
        parts.setdefault(part.tile, []).append(part)
    missing: Counter[int] = Counter()
    steps = _Steps()
    try:
        for tile, own in sorted(parts.items()):
            segments = len(structure.segments) + sum(len(part.segments) for part in own)
            steps.take(segments * len(structure.size) // 36)  # each is looked through for each component
            layout = _Layout(structure, [segment for part in own for segment in part.segments])
            missing.update(_Walk(file, layout, tile, own, steps).missing())
    except _Cut:
        return Passes.TOO_FEW
    except (_Unknown, IndexError, ValueError):  # segments too short for what they should say
        return Passes.UNKNOWN
    if not any(missing):  # but 0, of which those that have all are
        return Passes.ALL
    lost = sum(size for passes, size in missing.items() if passes > 1)
    return Passes.TOO_FEW if lost > _LOSS * missing.total() else Passes.MOST


# What the headers say


@dataclass(frozen=True, slots=True)
class _Coding:
    """How a component is coded: powers of two of precincts for each resolution, and of code-blocks."""

    levels: int
    block: tuple[int, int]
    style: int
    precincts: tuple[tuple[int, int], ...]


class _Steps:
    """What is looked at, counted."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def take(self, count: int) -> None:
        """Counts so many; raises `_Unknown` where it becomes too much."""
        self._left -= count
        if self._left < 0:
            raise _Unknown


class _Layout:
    """The canvas and its tiles, and how the components of one tile are coded."""

    def __init__(self, structure: Structure, own: Sequence[Segment]) -> None:
        size = structure.size
        self.right, self.bottom, self.left, self.top = unpack_from(">4L", size, 2)
        self.wide, self.high, self.tile_left, self.tile_top = unpack_from(">4L", size, 18)
        self.sampling = [(size[at + 1], size[at + 2]) for at in range(36, len(size), 3)]
        self._segments = (own, structure.segments)
        data, _ = self._of(None, COC, COD)
        self.markers, self.progression = data[0], Progression(data[1])
        self.layers = int.from_bytes(data[2:4], "big")
        self.codings = [self._coding(component) for component in range(len(self.sampling))]
        self.planes = [self._planes(component) for component in range(len(self.sampling))]

    def box(self, tile: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a tile (T.800 B.3)."""
        across = -(-(self.right - self.tile_left) // self.wide)
        left = self.tile_left + tile % across * self.wide
        top = self.tile_top + tile // across * self.high
        return (
            max(left, self.left),
            max(top, self.top),
            min(left + self.wide, self.right),
            min(top + self.high, self.bottom),
        )

    def _of(self, component: int | None, particular: int, common: int) -> tuple[bytes, bool]:
        """What is said of a component: in its own segment, without the number, or in that for all.

        A tile's segments come before those of the main header (T.800 A.6).
        """
        wide = 1 if len(self.sampling) < 257 else 2
        number = None if component is None else component.to_bytes(wide, "big")
        for segments in self._segments:
            for marker, data in segments:
                if marker == particular and data[:wide] == number:
                    return data[wide:], True
            for marker, data in segments:
                if marker == common:
                    return data, False
        raise _Unknown

    def _coding(self, component: int) -> _Coding:
        data, own = self._of(component, COC, COD)
        levels, across, down, style = data[1:5] if own else data[5:9]
        if style & _HIGH_THROUGHPUT:
            raise _Unknown
        sizes = data[6 if own else 10 :] if data[0] & _PRECINCTS else b"\xff" * (levels + 1)
        precincts = tuple(
            (sizes[resolution] & 15, sizes[resolution] >> 4) for resolution in range(levels + 1)
        )
        return _Coding(levels, (across + 2, down + 2), style, precincts)

    def _planes(self, component: int) -> list[int]:
        """Bit planes of each subband, from the lowest one on (T.800 E.1)."""
        data, _ = self._of(component, QCC, QCD)
        return [(data[0] >> 5) + (exponent >> 3) - 1 for exponent in data[1:]]


# Packets


@dataclass(slots=True)
class _Block:
    """A code-block: its bit planes without values, and the passes and bytes of it so far.

    `length_bits` are those that lengths begin with.
    """

    empty: int
    passes: int = 0
    size: int = 0
    length_bits: int = 3


class _TagTree:
    """A tag tree that is read (T.800 B.10.2)."""

    def __init__(self, across: int, down: int) -> None:
        self._levels = [(across, down)]
        while self._levels[-1] != (1, 1):
            wide, high = self._levels[-1]
            self._levels.append(((wide + 1) // 2, (high + 1) // 2))
        self._low = [[0] * (wide * high) for wide, high in self._levels]
        self._known = [[False] * (wide * high) for wide, high in self._levels]

    def reaches(self, x: int, y: int, limit: int, bit: Callable[[], int]) -> bool:
        """Whether the value of a leaf is `limit` or more, as far as bits have to be read for that."""
        low = 0
        for level in range(len(self._levels) - 1, -1, -1):
            place = (y >> level) * self._levels[level][0] + (x >> level)
            lows, known = self._low[level], self._known[level]
            low = max(low, lows[place])
            while low < limit and not known[place]:
                if bit():
                    known[place] = True
                else:
                    low += 1
            lows[place] = low
        return low >= limit


@dataclass(slots=True)
class _Band:
    """The code-blocks of one subband in one precinct."""

    across: int
    down: int
    planes: int
    blocks: dict[tuple[int, int], _Block] = field(default_factory=dict)
    included: _TagTree = field(init=False)
    empty: _TagTree = field(init=False)

    def __post_init__(self) -> None:
        self.included = _TagTree(self.across, self.down)
        self.empty = _TagTree(self.across, self.down)


@dataclass(slots=True)
class _Precinct:
    """The packets of one place: where it is on the canvas, and its subbands that have blocks."""

    component: int
    resolution: int
    number: int
    place: tuple[int, int]
    style: int
    bands: list[_Band]
    layer: int = 0


class _Walk:
    """Goes over the packets of a tile."""

    def __init__(
        self, file: BinaryIO, layout: _Layout, tile: int, parts: Iterable[TilePart], steps: _Steps
    ) -> None:
        self._layout, self._box, self._steps = layout, layout.box(tile), steps
        self._readers = iter([_Reader(file, part.start, part.end) for part in parts])
        self._reader: _Reader | None = None

    def missing(self) -> Counter[int]:
        """The bytes of blocks by how many passes each is without; raises `_Cut` and `_Unknown`."""
        precincts = [
            precinct
            for component in range(len(self._layout.sampling))
            for resolution in range(self._layout.codings[component].levels + 1)
            for precinct in self._precincts(component, resolution)
        ]
        for precinct in self._in_order(precincts):
            self._packet(precinct)
        if any(not reader.at_end() for reader in (self._reader, *self._readers) if reader):
            raise _Unknown
        found: Counter[int] = Counter()
        for precinct in precincts:
            for band in precinct.bands:
                for block in band.blocks.values():
                    all_passes = 3 * (band.planes - block.empty) - 2  # the first plane has one (D.3)
                    if block.passes > all_passes:
                        raise _Unknown
                    found[all_passes - block.passes] += block.size
        return found

    def _precincts(self, component: int, resolution: int) -> Iterator[_Precinct]:
        """The precincts of one resolution of a component, with their code-blocks (T.800 B.6, B.7)."""
        layout = self._layout
        coding, (across, down) = layout.codings[component], layout.sampling[component]
        self._steps.take(1)
        above = coding.levels - resolution
        steps = (across << above, down << above)
        left, top, right, bottom = (-(-edge // step) for edge, step in zip(self._box, steps * 2, strict=True))
        if left >= right or top >= bottom:
            return
        wide, high = coding.precincts[resolution]
        rows = range(top >> high, -(-bottom >> high))
        columns = range(left >> wide, -(-right >> wide))
        self._steps.take(len(rows) * len(columns) * layout.layers)
        for number, (row, column) in enumerate(product(rows, columns)):
            place = (
                max((row << high) * steps[1], self._box[1]),
                max((column << wide) * steps[0], self._box[0]),
            )
            bands = [*self._bands(component, resolution, (column, row))]
            yield _Precinct(component, resolution, number, place, coding.style, bands)

    def _bands(self, component: int, resolution: int, precinct: tuple[int, int]) -> Iterator[_Band]:
        """The subbands of a precinct that have code-blocks in it (T.800 B.5 to B.7)."""
        coding, sampling = self._layout.codings[component], self._layout.sampling[component]
        halved = 1 if resolution else 0  # each subband has half of the resolution that it is for
        level = coding.levels - resolution + halved
        first = 3 * resolution - 2 if resolution else 0
        for index, high_pass in enumerate(((1, 0), (0, 1), (1, 1)) if resolution else ((0, 0),)):
            counts = []
            for axis in (0, 1):
                edges = (-(-self._box[axis + end] // sampling[axis]) for end in (0, 2))
                low, high = (-(-(edge - (high_pass[axis] << level >> 1)) >> level) for edge in edges)
                size = coding.precincts[resolution][axis] - halved
                if size < 0:
                    raise _Unknown
                low, high = max(low, precinct[axis] << size), min(high, (precinct[axis] + 1) << size)
                block = min(coding.block[axis], size)
                counts.append(-(-high >> block) - (low >> block) if low < high else 0)
            if all(counts):
                self._steps.take(counts[0] * counts[1])
                planes = self._layout.planes[component][first + index]
                yield _Band(counts[0], counts[1], planes)

    def _in_order(self, precincts: list[_Precinct]) -> Iterator[_Precinct]:
        """The precinct of each packet in the order of the progression (T.800 B.12.1)."""
        layers = range(self._layout.layers)
        match self._layout.progression:
            case Progression.LRCP:
                precincts.sort(key=lambda each: (each.resolution, each.component, each.number))
                yield from (each for _ in layers for each in precincts)
                return
            case Progression.RLCP:
                precincts.sort(key=lambda each: (each.resolution, each.component, each.number))
                for resolution in sorted({each.resolution for each in precincts}):
                    same = [each for each in precincts if each.resolution == resolution]
                    yield from (each for _ in layers for each in same)
                return
            case Progression.RPCL:
                precincts.sort(key=lambda each: (each.resolution, each.place, each.component, each.number))
            case Progression.PCRL:
                precincts.sort(key=lambda each: (each.place, each.component, each.resolution, each.number))
            case Progression.CPRL:
                precincts.sort(key=lambda each: (each.component, each.place, each.resolution, each.number))
        yield from (each for each in precincts for _ in layers)

    def _packet(self, precinct: _Precinct) -> None:
        """Goes over one packet (T.800 B.9, B.10)."""
        while self._reader is None or self._reader.at_end():
            self._reader = next(self._readers, None)
            if self._reader is None:
                raise _Cut
        reader, layout = self._reader, self._layout
        if layout.markers & _SOP:
            reader.pass_marker(b"\xff\x91", 6)
        length = 0
        if reader.bit():
            for band in precinct.bands:
                self._steps.take(band.across * band.down)
                length += sum(
                    self._block(reader, precinct, band, x, y)
                    for y, x in product(range(band.down), range(band.across))
                )
        reader.align()
        if layout.markers & _EPH:
            reader.pass_marker(b"\xff\x92", 2)
        reader.skip(length)
        precinct.layer += 1

    def _block(self, reader: _Reader, precinct: _Precinct, band: _Band, x: int, y: int) -> int:
        """Reads what a packet has of one code-block: so many bytes (T.800 B.10.4 to B.10.7)."""
        block = band.blocks.get((x, y))
        if block:
            if not reader.bit():
                return 0
        else:
            if band.included.reaches(x, y, precinct.layer + 1, reader.bit):
                return 0
            empty = 0
            while band.empty.reaches(x, y, empty + 1, reader.bit):
                empty += 1
                if empty > band.planes:
                    raise _Unknown
            block = band.blocks[x, y] = _Block(empty)
        passes = _passes(reader)
        while reader.bit():
            block.length_bits += 1
            if block.length_bits > _MOST_LENGTH_BITS:
                raise _Unknown
        length = 0
        for run in _runs(block.passes, passes, precinct.style):
            length += reader.bits(block.length_bits + run.bit_length() - 1)
        block.passes += passes
        block.size += length
        return length


def _passes(reader: _Reader) -> int:
    """A number of passes (T.800 table B.4)."""
    for first, bits in ((1, 1), (2, 1), (3, 2), (6, 5)):
        if (more := reader.bits(bits)) < (1 << bits) - 1:
            return first + more
    return 37 + reader.bits(7)


def _runs(before: int, passes: int, style: int) -> Iterator[int]:
    """How many passes each piece of coded data has that has a length of its own (T.800 B.10.7.2)."""
    if not style & (_BYPASS | _TERMINATED):
        yield passes
        return
    run = 0
    for index in range(before, before + passes):
        run += 1
        bypassed = style & _BYPASS and index >= _FIRST_BYPASS and index % 3 != 1
        if style & _TERMINATED or bypassed:
            yield run
            run = 0
    if run:
        yield run


class _Reader:
    """The bits of packet headers, and the bytes between them, in the memory of a window."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._end = file, end
        self._start = start  # of the window in the file
        self._window = b""
        self._at = 0
        self._byte = self._left = 0

    def at_end(self) -> bool:
        """Whether there is nothing more."""
        return self._start + self._at >= self._end

    def bit(self) -> int:
        """The next bit; behind a byte FF stands a 0 that means nothing (T.800 B.10.1)."""
        if not self._left:
            self._left = 7 if self._byte == 0xFF else 8
            self._byte = self._next()
        self._left -= 1
        return self._byte >> self._left & 1

    def bits(self, count: int) -> int:
        """A number of so many bits."""
        number = 0
        for _ in range(count):
            number = number << 1 | self.bit()
        return number

    def align(self) -> None:
        """Goes to the end of the header."""
        if self._byte == 0xFF:
            self._next()
        self._byte = self._left = 0

    def pass_marker(self, marker: bytes, length: int) -> None:
        """Goes over a marker segment if it is there."""
        if self._peek(2) == marker:
            self.skip(length)

    def skip(self, count: int) -> None:
        """Goes over so many bytes; raises `_Cut` where there are fewer."""
        self._at += count
        if self._start + self._at > self._end:
            raise _Cut

    def _next(self) -> int:
        if self._at >= len(self._window) and not self._peek(1):
            raise _Cut
        self._at += 1
        return self._window[self._at - 1]

    def _peek(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        if self._at + count > len(self._window):
            self._start += self._at
            self._at = 0
            self._file.seek(self._start)
            self._window = self._file.read(min(_WINDOW, max(0, self._end - self._start)))
        return self._window[self._at : self._at + count]
