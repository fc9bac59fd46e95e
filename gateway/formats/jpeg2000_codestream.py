"""The headers of a JPEG 2000 codestream (ITU-T T.800 annex A; T.814 for HTJ2K), read in constant memory.

Coded data are skipped by the length that each tile-part says, never held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Reject, Unfinished
from gateway.stream import CHUNK

START = b"\xff\x4f\xff\x51"
"""The first bytes of every codestream: SOC and SIZ."""

_SOC, _CAP, _SIZ, COD, COC, _TLM, QCD, QCC, _RGN, _POC, _PPM, _PPT = (
    0xFF4F, 0xFF50, 0xFF51, 0xFF52, 0xFF53, 0xFF55, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F, 0xFF60, 0xFF61,
)  # fmt: skip
_LAYING_OUT = frozenset({COD, COC, QCD, QCC})
_REARRANGING = frozenset({_RGN, _POC, _PPM, _PPT})
_LONGEST = 256
"""Bytes of a segment that says how components are coded, and more."""

_PART_2_MARKERS = frozenset(range(0xFF70, 0xFF7A))
_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9

_HTJ2K = 0x4000
_PART_2 = 0x8000
"""Bits of Rsiz that name extensions (T.800 table A.10)."""

_MAX_SEGMENTS = 40_000
"""More marker segments than 16,384 components need; a bound on the work that a hostile file can ask for."""

_MAX_TILE_PARTS = 120_000
"""More than encoders write: a few for each tile, of which there are 65,535 at most."""


class Progression(IntEnum):
    """In which order a codestream has its packets (T.800 table A.16)."""

    LRCP = 0
    RLCP = 1
    RPCL = 2
    PCRL = 3
    CPRL = 4


@dataclass(frozen=True, slots=True)
class Component:
    """One component: its bits, and how many pixels of the reference grid a sample stands for."""

    bits: int
    signed: bool
    across: int
    down: int


@dataclass(frozen=True, slots=True)
class Coding:
    """How components are coded (COD and COC segments, T.800 A.6.1).

    `reversible` tells the 5-3 wavelet from the 9-7 one. `transformed` is the multiple component
    transformation of the first three components. `layers` and `progression` are None in a COC segment.
    """

    reversible: bool
    levels: int
    transformed: bool | None = None
    layers: int | None = None
    progression: int | None = None


Segment = tuple[int, bytes]
"""The marker of a COD, COC, QCD or QCC segment, and what it says."""


@dataclass(frozen=True, slots=True)
class TilePart:
    """A part of a tile: its number, where its packets lie in the file, and its own segments."""

    tile: int
    start: int
    end: int
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Structure:
    """Where packets are, and the segments that say what is in them.

    `size` is the SIZ segment, `segments` are those of the main header. `plain` says that these are all:
    that there are no others, which put packets elsewhere or into another order.
    """

    size: bytes
    segments: tuple[Segment, ...]
    parts: tuple[TilePart, ...]
    plain: bool


@dataclass(frozen=True, slots=True)
class Codestream:
    """What the headers say. `start` and `end` are where the codestream lies in the file.

    `structure` is that of its packets. `codings` are those of the main header and of all tile-parts;
    `quantized` says that a quantization other than none stands in one of them.
    """

    start: int
    end: int
    structure: Structure
    columns: int
    rows: int
    components: tuple[Component, ...]
    codings: tuple[Coding, ...]
    quantized: bool
    part_2: bool
    high_throughput: bool
    has_tile_lengths: bool
    """Whether there are TLM segments."""
    cut: bool = False
    """Whether coded data were left out, which only the packets tell."""

    @property
    def length(self) -> int:
        """Bytes from SOC to EOC."""
        return self.end - self.start

    @property
    def reversible(self) -> bool:
        """Whether every wavelet is the 5-3 one, and nothing is quantized."""
        return not self.quantized and all(coding.reversible for coding in self.codings)

    @property
    def lossless(self) -> bool:
        """Whether this is a reversible coding from which nothing was left out."""
        return self.reversible and not self.cut

    @property
    def transformed(self) -> bool | None:
        """Whether the colours are transformed; None if some tiles' are and others' are not."""
        said = {coding.transformed for coding in self.codings if coding.transformed is not None}
        return said.pop() if len(said) == 1 else None

    @property
    def wavelets(self) -> frozenset[bool]:
        """Which wavelets there are: True for the reversible one."""
        return frozenset(coding.reversible for coding in self.codings)

    @property
    def progressive_by_resolution(self) -> bool:
        """Whether this is what transfer syntax .202 asks of HTJ2K (PS3.5 10.18).

        Packets by resolution (RPCL), tile-part lengths, and a smallest resolution of at most 64 pixels.
        """
        return (
            self.has_tile_lengths
            and all(coding.progression in (None, Progression.RPCL) for coding in self.codings)
            and all(max(self.columns, self.rows) <= 64 << coding.levels for coding in self.codings)
        )


@dataclass(slots=True)
class _Found:
    """What the marker segments have said so far."""

    codings: list[Coding] = field(default_factory=list)
    quantized: bool = False
    has_tile_lengths: bool = False
    part_2: bool = False
    high_throughput: bool = False
    reordered: bool = False
    segments: list[Segment] = field(default_factory=list)
    parts: list[TilePart] = field(default_factory=list)
    kept: int = 0
    plain: bool = True


@dataclass(frozen=True, slots=True)
class _Size:
    """The SIZ segment (T.800 A.5.1)."""

    capabilities: int
    columns: int
    rows: int
    tiles: int
    components: tuple[Component, ...]
    segment: bytes


def read(file: BinaryIO, path: Path, start: int, limit: int) -> Codestream:
    """The headers of the codestream that begins at `start` and has ended at `limit`.

    That every tile-part is as long as it says is checked, and that the last one is followed by EOC.
    Raises `Reject` for a codestream that is not whole or is damaged. Layers that somebody cut off leave
    no trace in these headers, but in those of packets.
    """
    file.seek(start)
    if _number(file, 2, path) != _SOC:
        raise damaged(path, "its codestream does not begin with SOC")
    found = _Found()
    size: _Size | None = None
    for marker, data in _segments(file, path, limit, _SOT):
        if size is None:
            if marker != _SIZ:
                raise damaged(path, "its codestream says no size (SIZ)")
            size = _size(data, path)
        else:
            _note(marker, data, len(size.components), found, path)
            _keep(marker, data, found.segments, found)
    if size is None:
        raise damaged(path, "its codestream says no size (SIZ)")
    if not any(coding.layers for coding in found.codings):
        raise damaged(path, "its header does not say how it is coded (COD)")
    end = _tile_parts(file, path, limit, size, found)
    return Codestream(
        start=start,
        end=end,
        structure=Structure(size.segment, tuple(found.segments), tuple(found.parts), found.plain),
        columns=size.columns,
        rows=size.rows,
        components=size.components,
        codings=tuple(dict.fromkeys(found.codings)),
        quantized=found.quantized,
        part_2=found.part_2 or bool(size.capabilities & _PART_2),
        high_throughput=found.high_throughput or bool(size.capabilities & _HTJ2K),
        has_tile_lengths=found.has_tile_lengths and not found.reordered,
    )


def damaged(path: Path, what: str) -> Reject:
    """The refusal of a file that breaks the rules of JPEG 2000."""
    return Reject(
        f"{path} is a damaged JPEG 2000 picture: {what}. Export or copy it again from where it came"
    )


def not_whole(path: Path) -> Reject:
    """The refusal of a picture without an end."""
    return Unfinished(f"{path} is not whole: the file ends before the JPEG 2000 picture does. Copy it again")


def _segments(file: BinaryIO, path: Path, limit: int, last: int) -> Iterator[tuple[int, bytes]]:
    """The marker segments from here to the marker `last`, which is read and not told (T.800 A.1)."""
    for _ in range(_MAX_SEGMENTS):
        marker = _number(file, 2, path)
        if marker == last:
            return
        if not 0xFF4F < marker < _SOT:
            raise damaged(path, f"there is no marker segment at byte {file.tell() - 2:,}")
        length = _number(file, 2, path)
        if length < 2:
            raise damaged(path, f"the segment at byte {file.tell() - 4:,} says an impossible length")
        if file.tell() + length - 2 > limit:
            raise not_whole(path)
        yield marker, _exactly(file, length - 2, path)
    raise damaged(path, f"a header has more than {_MAX_SEGMENTS:,} segments")


def _size(data: bytes, path: Path) -> _Size:
    """The SIZ segment, checked against the limits of T.800 table A.9."""
    count = int.from_bytes(data[34:36], "big")
    if len(data) < 39 or len(data) != 36 + 3 * count or count > 16_384:
        raise damaged(path, "its size segment (SIZ) has a wrong length")
    right, bottom, left, top, wide, high, tile_left, tile_top = (
        int.from_bytes(data[at : at + 4], "big") for at in range(2, 34, 4)
    )
    if not (left < right and top < bottom and wide and high):
        raise damaged(path, "it says that it has no pixels")
    if not (tile_left <= left < tile_left + wide and tile_top <= top < tile_top + high):
        raise damaged(path, "its first tile holds nothing of the picture")
    components = tuple(
        Component((depth & 0x7F) + 1, depth >= 0x80, across, down)
        for depth, across, down in zip(data[36::3], data[37::3], data[38::3], strict=True)
    )
    if any(not (each.across and each.down) for each in components):
        raise damaged(path, "a component has an impossible sampling factor")
    tiles = -(-(right - tile_left) // wide) * -(-(bottom - tile_top) // high)
    if tiles > 65_535:
        raise damaged(path, f"it says that it has {tiles:,} tiles, and 65,535 is the most")
    return _Size(int.from_bytes(data[:2], "big"), right - left, bottom - top, tiles, components, data)


def _note(marker: int, data: bytes, components: int, found: _Found, path: Path) -> None:
    """What one segment says of the coding."""
    wide = 1 if components < 257 else 2  # bytes of a component's number
    found.plain = found.plain and marker not in _REARRANGING
    if marker == COD:
        found.codings.append(_coding(data, path))
    elif marker == COC:
        found.codings.append(_styles(data[wide + 1 :], path))
    elif marker in {QCD, QCC}:
        style = data[wide if marker == QCC else 0 :][:1]
        if not style:
            raise damaged(path, "a quantization segment is empty")
        found.quantized = found.quantized or style[0] & 0x1F != 0
    elif marker == _TLM:
        found.has_tile_lengths = True
    elif marker == _CAP:
        found.high_throughput = found.high_throughput or bool(int.from_bytes(data[:4], "big") & 1 << 17)
    elif marker == _POC:
        found.reordered = True
    elif marker in _PART_2_MARKERS:
        found.part_2 = True


def _keep(marker: int, data: bytes, among: list[Segment], found: _Found) -> None:
    """Keeps a segment that says how packets are laid out, as long as there are not too many."""
    if marker in _LAYING_OUT:
        found.kept += 1
        if len(data) > _LONGEST or found.kept > _MAX_SEGMENTS:
            found.plain = False
        else:
            among.append((marker, data))


def _coding(data: bytes, path: Path) -> Coding:
    """A COD segment (T.800 A.6.1)."""
    if len(data) < 10:
        raise damaged(path, "its coding segment (COD) is too short")
    styles = _styles(data[5:], path)
    layers = int.from_bytes(data[2:4], "big")
    if not layers or data[1] > Progression.CPRL or data[4] > 1:
        raise damaged(path, "its coding segment (COD) has an impossible value")
    return Coding(
        styles.reversible, styles.levels, transformed=data[4] == 1, layers=layers, progression=data[1]
    )


def _styles(data: bytes, path: Path) -> Coding:
    """What COD and COC segments have in common (T.800 table A.15)."""
    if len(data) < 5 or data[0] > 32 or data[4] > 1:
        raise damaged(path, "a coding segment (COD or COC) has an impossible value")
    return Coding(reversible=data[4] == 1, levels=data[0])


def _tile_parts(file: BinaryIO, path: Path, limit: int, size: _Size, found: _Found) -> int:
    """Walks over all tile-parts from behind the first SOT marker; where the codestream ends."""
    seen: Counter[int] = Counter()
    promised: dict[int, int] = {}
    for _ in range(_MAX_TILE_PARTS):
        start = file.tell() - 2
        data = _exactly(file, 10, path)
        length, tile = int.from_bytes(data[4:8], "big"), int.from_bytes(data[2:4], "big")
        if data[:2] != b"\0\x0a" or tile >= size.tiles:
            raise damaged(path, f"the tile-part at byte {start:,} has an impossible header")
        seen[tile] += 1
        if data[9]:
            promised[tile] = data[9]
        own: list[Segment] = []
        for marker, segment in _segments(file, path, limit, _SOD):
            _note(marker, segment, len(size.components), found, path)
            _keep(marker, segment, own, found)
        begin = file.tell()
        _skip_data(file, path, start, length, limit)
        found.parts.append(TilePart(tile, begin, file.tell(), tuple(own)))
        marker = _number(file, 2, path)
        if marker == _EOC:
            break
        if marker != _SOT:
            raise damaged(path, f"there is no tile-part at byte {file.tell() - 2:,}, where one must stand")
    else:
        raise damaged(path, f"it has more than {_MAX_TILE_PARTS:,} tile-parts")
    if file.tell() > limit:
        raise not_whole(path)
    if len(seen) < size.tiles or any(seen[tile] < count for tile, count in promised.items()):
        raise damaged(path, f"of its {size.tiles:,} tiles some are missing")
    return file.tell()


def _skip_data(file: BinaryIO, path: Path, start: int, length: int, limit: int) -> None:
    """Moves from the header of the tile-part at `start` to behind its coded data."""
    if not length:  # the last one, which reaches to the end (T.800 A.4.2)
        _find_end(file, path)
        return
    if start + length < file.tell():
        raise damaged(path, f"the tile-part at byte {start:,} is shorter than its own header")
    if start + length + 2 > limit:
        raise not_whole(path)
    file.seek(start + length)


def _find_end(file: BinaryIO, path: Path) -> None:
    """Moves to the next EOC marker; coded data never look like one (T.800 B.10.1, C.2)."""
    carried = b""
    while chunk := file.read(CHUNK):
        data = carried + chunk
        if (at := data.find(b"\xff\xd9")) >= 0:
            file.seek(at - len(data), 1)
            return
        carried = b"\xff" if data.endswith(b"\xff") else b""
    raise not_whole(path)


def _number(file: BinaryIO, length: int, path: Path) -> int:
    return int.from_bytes(_exactly(file, length, path), "big")


def _exactly(file: BinaryIO, length: int, path: Path) -> bytes:
    """So many bytes, which must be there."""
    data = file.read(length)
    if len(data) < length:
        raise not_whole(path)
    return data
