"""The structure of a JPEG picture: its frame, its scans and their tables, checked (ITU-T T.81, annex B)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Reject
from gateway.formats.jpeg_segments import (
    APP0,
    APP1,
    APP2,
    APP14,
    APPLICATION,
    COM,
    DHP,
    DHT,
    DNL,
    DQT,
    SOS,
    Segment,
    damaged,
    segments,
)

BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS = 0xC0, 0xC1, 0xC2, 0xC3
ARITHMETIC, ARITHMETIC_PROGRESSIVE = 0xC9, 0xCA
"""Codes of the frame headers of the processes that are read here."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC} | {0xF7}
"""Codes of all frame headers; C8 is reserved, CC conditions arithmetic coding, F7 is that of JPEG-LS."""

_HIERARCHICAL = "is a hierarchical JPEG, which DICOM does not carry and nothing here decodes"

_REFUSED = {
    **dict.fromkeys((DHP, 0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), _HIERARCHICAL),
    0xCB: "is a lossless arithmetically coded JPEG, which DICOM does not carry and nothing here decodes",
    0xF7: "is a JPEG-LS picture, which this version cannot convert",
}
"""Why pictures with these markers are not stored."""

_PRECISIONS = {
    BASELINE: (8,),
    EXTENDED: (8, 12),
    PROGRESSIVE: (8, 12),
    LOSSLESS: tuple(range(2, 17)),
    ARITHMETIC: (8, 12),
    ARITHMETIC_PROGRESSIVE: (8, 12),
}
"""Bits of a sample that each process has (T.81 table B.2)."""

_MAX_KEPT = 1024 * 1024
"""Bytes of segments that are held; EXIF takes up to 64 KiB of it, and tables a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class Component:
    """One colour of a frame; sampling factors, across and down, are relative to those of the others."""

    number: int
    sampling: tuple[int, int]
    table: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame header (T.81 B.2.2); `process` is its marker."""

    process: int
    precision: int
    rows: int
    columns: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan header (T.81 B.2.3).

    `first` is the predictor of a lossless scan, of others the first coefficient that it holds;
    `refined` how many low bits of them earlier scans have left out, 0 for the first one.
    """

    components: tuple[int, ...]
    first: int
    refined: int
    point_transform: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What the markers of a picture say.

    `segments` are all of them, the last one the end of the picture; those of applications have only
    their first bytes. `adobe` is the colour transform that an Adobe segment names. `height` is the
    segment behind the first scan that says the height, where one does.
    """

    frame: Frame
    scans: tuple[Scan, ...]
    segments: tuple[Segment, ...]
    exif: bytes | None
    jfif: bool
    adobe: int | None
    height: Segment | None = None

    @property
    def length(self) -> int:
        """Bytes from the start of the file to the end of the picture."""
        return self.segments[-1].end


def read(file: BinaryIO, path: Path) -> Picture:
    """The structure of the first picture in a file.

    Raises `Reject` for one that is not whole, is damaged, or is coded in a way that nothing here reads.
    """
    exif: bytes | None = None
    kept: list[Segment] = []
    size = 0
    for segment in segments(file, path):
        if exif is None and segment.marker == APP1 and segment.data.startswith(b"Exif\0"):
            exif = segment.data
        short = replace(segment, data=segment.data[:16]) if is_application(segment) else segment
        size += len(short.data)
        if size > _MAX_KEPT:
            raise damaged(path, "its tables take more room than a picture needs")
        kept.append(short)
    frame = _frame(kept, path)
    header = tuple(takewhile(lambda segment: segment.marker != SOS, kept))
    return Picture(
        frame=frame,
        scans=_scans(kept, frame, path),
        segments=tuple(kept),
        exif=exif,
        jfif=any(map(is_jfif, header)),
        adobe=next((segment.data[11] for segment in reversed(header) if is_adobe(segment)), None),
        height=next((segment for segment in kept if segment.marker == DNL), None),
    )


def is_application(segment: Segment) -> bool:
    """Whether decoding can do without this segment, apart from the colours."""
    return segment.marker in APPLICATION or segment.marker == COM


def is_jfif(segment: Segment) -> bool:
    """Whether this is the segment that makes a JPEG a JFIF file (ITU-T T.871)."""
    return segment.marker == APP0 and segment.data.startswith(b"JFIF\0") and len(segment.data) >= 14


def is_adobe(segment: Segment) -> bool:
    """Whether this is Adobe's segment, whose twelfth byte names the colour transform (ITU-T T.872)."""
    return segment.marker == APP14 and segment.data.startswith(b"Adobe") and len(segment.data) >= 12


def is_profile(segment: Segment) -> bool:
    """Whether this is a piece of an ICC profile (ICC.1, annex B.4)."""
    return segment.marker == APP2 and segment.data.startswith(b"ICC_PROFILE\0")


def is_ycc(picture: Picture, *, without_jfif: bool = False) -> bool:
    """Whether three components are luminance and colour differences rather than red, green and blue.

    Decoders let JFIF decide, then an Adobe segment, then the numbers of the components; without any
    sign a lossy picture is taken for YCbCr and a lossless one for RGB. `without_jfif` tells what they
    would take the picture for if the JFIF segment were left out.
    """
    if picture.jfif and not without_jfif:
        return True
    if picture.adobe is not None:
        return picture.adobe != 0
    numbers = bytes(component.number for component in picture.frame.components)
    return picture.frame.process != LOSSLESS and numbers != b"RGB"


def refusal(path: Path, reason: str) -> Reject:
    """The refusal of a sound picture that DICOM or this version cannot take."""
    return Reject(f"{path} {reason}. Save it as a baseline JPEG and give that file")


def _frame(kept: Sequence[Segment], path: Path) -> Frame:
    """The frame header, checked against T.81 B.2.2 and against what is stored."""
    headers = [segment for segment in kept if segment.marker in _FRAMES]
    for segment in kept:
        if reason := _REFUSED.get(segment.marker):
            raise refusal(path, reason)
    if len(headers) != 1:
        raise damaged(path, f"it has {len(headers)} frame headers")
    data = headers[0].data
    if len(data) < 9 or len(data) != 6 + 3 * data[5]:
        raise damaged(path, "its frame header has a wrong length")
    frame = Frame(
        process=headers[0].marker,
        precision=data[0],
        rows=int.from_bytes(data[1:3], "big"),
        columns=int.from_bytes(data[3:5], "big"),
        components=tuple(
            Component(number, (factors >> 4, factors & 15), table)
            for number, factors, table in zip(data[6::3], data[7::3], data[8::3], strict=True)
        ),
    )
    if fault := _fault(frame):
        raise damaged(path, fault)
    behind = [segment.data for segment in kept if segment.marker == DNL]
    if behind:
        frame = replace(frame, rows=int.from_bytes(behind[0], "big") if len(behind[0]) == 2 else 0)
    if len(behind) > 1 or not frame.rows:
        raise damaged(path, "it does not say its height, or more than once")
    return frame


def _fault(frame: Frame) -> str | None:
    """What is impossible in a frame header."""
    if frame.precision not in _PRECISIONS[frame.process]:
        return f"it says that a sample has {frame.precision} bits, which its kind of JPEG cannot have"
    if not frame.columns:
        return "it says that it is 0 columns wide"
    if len({component.number for component in frame.components}) < len(frame.components):
        return "two of its components have the same number"
    if any(not 1 <= factor <= 4 for component in frame.components for factor in component.sampling):
        return "a component has an impossible sampling factor"
    return None


def _scans(kept: Sequence[Segment], frame: Frame, path: Path) -> tuple[Scan, ...]:
    """The scan headers. Every component must be in one scan, and have its tables before it.

    Streams that leave their tables to others ("abbreviated") have no place in DICOM (PS3.5 8.2.1).
    """
    scans: list[Scan] = []
    tables: set[tuple[str, int]] = set()
    for segment in kept:
        if segment.marker == DQT:
            tables |= _quantization_tables(segment.data, path)
        elif segment.marker == DHT:
            tables |= _huffman_tables(segment.data, path)
        elif segment.marker == SOS:
            scans.append(_scan(segment.data, frame, tables, path))
    numbers = sorted(component.number for component in frame.components)
    if _begun(scans, frame) != numbers:
        raise damaged(path, "its scans do not hold each of its components once")
    return tuple(scans)


def _begun(scans: Sequence[Scan], frame: Frame) -> list[int]:
    """The components of all scans; of those of progressive pictures, the ones that begin a component."""
    progressive = frame.process in (PROGRESSIVE, ARITHMETIC_PROGRESSIVE)
    begins = [scan for scan in scans if not (progressive and (scan.first or scan.refined))]
    return sorted(number for scan in begins for number in scan.components)


def _scan(data: bytes, frame: Frame, tables: set[tuple[str, int]], path: Path) -> Scan:
    """One scan header, checked against the frame and the tables that stand before it."""
    if len(data) < 6 or len(data) != 4 + 2 * data[0]:
        raise damaged(path, "a scan header has a wrong length")
    known = {component.number: component for component in frame.components}
    scan = Scan(tuple(data[1:-3:2]), first=data[-3], refined=data[-1] >> 4, point_transform=data[-1] & 15)
    for number, selectors in zip(scan.components, data[2:-3:2], strict=True):
        if number not in known:
            raise damaged(path, "a scan names a component that the frame header does not have")
        needed = _huffman_needed(frame.process, scan, selectors)
        if frame.process != LOSSLESS:
            needed.add(("quantization", known[number].table))
        if missing := needed - tables:
            kind, which = min(missing)
            raise damaged(path, f"its {kind} table {which} is missing")
    return scan


def _huffman_needed(process: int, scan: Scan, selectors: int) -> set[tuple[str, int]]:
    """The Huffman tables without which a component of a scan cannot be read (T.81 B.2.3, G.1)."""
    low, high = ("DC", selectors >> 4), ("AC", selectors & 15)
    if process in (ARITHMETIC, ARITHMETIC_PROGRESSIVE):
        return set()
    if process == LOSSLESS:
        return {low}
    if process == PROGRESSIVE:
        return {high} if scan.first else {low} if not scan.refined else set()
    return {low, high}


def _quantization_tables(data: bytes, path: Path) -> set[tuple[str, int]]:
    """The quantization tables in a segment (T.81 B.2.4.1)."""
    found = set()
    at = 0
    while at < len(data):
        found.add(("quantization", data[at] & 15))
        at += 129 if data[at] >> 4 else 65
    if at != len(data):
        raise damaged(path, "a quantization table has a wrong length")
    return found


def _huffman_tables(data: bytes, path: Path) -> set[tuple[str, int]]:
    """The Huffman tables in a segment (T.81 B.2.4.2)."""
    found = set()
    at = 0
    while at < len(data):
        found.add(("AC" if data[at] >> 4 else "DC", data[at] & 15))
        at += 17 + sum(data[at + 1 : at + 17])
    if at != len(data):
        raise damaged(path, "a Huffman table has a wrong length")
    return found
