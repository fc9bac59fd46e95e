"""JPEG-LS pictures (ITU-T T.87): the stream goes into DICOM as it is (PS3.5 8.2.3 and A.4.3).

Colours that HP's extension has transformed mean something else to DICOM; they are decoded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.config import Reading
from gateway.convert.decoding import SAID, Work, decoded
from gateway.convert.jpegls import Frame, decode
from gateway.errors import Reject
from gateway.formats.format import Format
from gateway.formats.jpeg_segments import (
    BIT_STUFFED,
    DNL,
    JPEG_LS,
    SOS,
    Segment,
    damaged,
    first_frame,
    segments,
)
from gateway.media_types import EXPLICIT_LITTLE, OCTETS
from gateway.model import Kind, LossyStep, Pixels, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file

LSE, APP8 = 0xF8, 0xE8
"""Codes of the segments with parameters of JPEG-LS, and with what SPIFF and HP say of colours."""

_LOSSLESS, _NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
_MAX_KEPT = 1024 * 1024
_BYTES_A_SAMPLE = 16
"""Memory that the decoder takes at its worst, with both forms of the samples."""

_GREY, _RGB, _YCC = "grey", "RGB", "YCC"
_SPIFF_COLOURS = {2: None, 3: _YCC, 8: _GREY, 10: _RGB}
"""Colour spaces of SPIFF (ITU-T T.84 F.2.1.1): none said, that of JFIF, grey, RGB."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the markers say. `near` is by how much samples may differ; `length` includes both ends."""

    frame: Frame
    near: int
    transformed: bool
    """Whether HP's extension has transformed the colours."""
    length: int


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a JPEG whose frame is one of JPEG-LS."""
    return head[:3] == b"\xff\xd8\xff" and first_frame(head) == JPEG_LS


def probe(source: Source, reading: Reading) -> Probe:
    """What a JPEG-LS stream says of itself.

    The content ends with the picture's end marker. Raises `Reject` for a picture that is not whole, is
    damaged, or is none of grey or three colours.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        picture = read(file, path)
    extra = stamp.size - picture.length
    frame, coloured = picture.frame, picture.frame.samples > 1
    ratio = frame.rows * frame.columns * frame.samples * (1 if frame.bits <= 8 else 2) / picture.length
    pixels = Pixels(
        rows=frame.rows,
        columns=frame.columns,
        samples_per_pixel=frame.samples,
        photometric_interpretation="RGB" if coloured else "MONOCHROME2",
        bits_allocated=8 if frame.bits <= 8 else 16,
        bits_stored=max(8, frame.bits),
        planar_configuration=0 if coloured else None,
        lossy=(LossyStep(float(f"{ratio:.4g}"), "ISO_14495_1"),) if picture.near else (),
    )
    plain = Probe(
        source=source,
        format=FORMAT.name,
        kind=FORMAT.kind,
        media_type=OCTETS,
        transfer_syntax=EXPLICIT_LITTLE,
        content=Stream.of(FileSlice(path, 0, picture.length, stamp)),
        pixels=pixels,
        messages=(f"has {extra:,} bytes behind its picture; they are left out",) if extra else (),
    )
    size = frame.columns * frame.rows * frame.samples
    work = Work(decode, frame, size, _BYTES_A_SAMPLE, reading.max_pixels)
    said = replace(plain, messages=(*plain.messages, SAID))
    other = replace(said, convert=partial(decoded, said, work))
    if picture.transformed or (frame.ycc and frame.bits != 8):
        return other
    return replace(
        plain,
        media_type=FORMAT.media_type,
        transfer_syntax=_NEAR_LOSSLESS if picture.near else _LOSSLESS,
        pixels=replace(
            pixels,
            bits_stored=frame.bits,
            photometric_interpretation="YBR_FULL" if frame.ycc else pixels.photometric_interpretation,
        ),
        otherwise=other,
    )


FORMAT = Format(
    name="jpegls",
    title="a JPEG-LS picture",
    short="JPEG-LS",
    kind=Kind.IMAGE,
    media_type="image/jls",
    extensions=(".jls",),
    sniff=sniff,
    probe=probe,
    aliases=("image/x-jls", "jpeg-ls"),
)


def read(file: BinaryIO, path: Path) -> Picture:
    """The structure of the first picture in a file, checked (T.87 annex C). Raises `Reject`."""
    kept: list[Segment] = []
    size = 0
    for segment in segments(file, path, BIT_STUFFED):
        wanted = segment.marker in (JPEG_LS, SOS, LSE, APP8, DNL)
        short = replace(segment, data=segment.data[:1024] if wanted else b"")
        size += len(short.data) + 64
        if size > _MAX_KEPT:
            raise damaged(path, "its headers take more room than a picture needs")
        kept.append(short)
    frame = _frame(kept, path)
    near = _scans(kept, frame, path)
    colours = _colours(kept, path)
    if colours is not None and (colours == _GREY) != (frame.samples == 1):
        raise damaged(path, "its SPIFF header and its frame header differ in their colours")
    return Picture(
        frame=replace(frame, ycc=colours == _YCC),
        near=near,
        transformed=any(
            segment.marker == APP8 and segment.data[:4] == b"mrfx" and segment.data[4:5] not in (b"", b"\0")
            for segment in kept
        ),
        length=kept[-1].end,
    )


def _frame(kept: list[Segment], path: Path) -> Frame:
    """The frame header (T.87 C.2.2), checked against what is stored."""
    headers = [segment.data for segment in kept if segment.marker == JPEG_LS]
    if len(headers) != 1 or len(headers[0]) < 6:
        raise damaged(path, f"it has {len(headers)} frame headers")
    data = headers[0]
    bits, rows, columns, count = (
        data[0], int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big"), data[5],
    )  # fmt: skip
    if len(data) != 6 + 3 * count or not 2 <= bits <= 16:
        raise damaged(path, "its frame header has impossible values")
    oversize = any(segment.marker == LSE and segment.data[:1] == b"\4" for segment in kept)
    if oversize or not rows or not columns or any(segment.marker == DNL for segment in kept):
        raise _refusal(path, "does not say its height and width in its frame header")
    if count not in (1, 3):
        raise _refusal(path, f"has {count} components; DICOM carries pictures with one or three")
    if len(set(data[7::3])) > 1:
        raise _refusal(path, "has colours of different resolutions")
    return Frame(rows, columns, count, bits)


def _scans(kept: list[Segment], frame: Frame, path: Path) -> int:
    """By how much samples may differ, from the scan headers (T.87 C.2.3), which are checked."""
    coded, nears = 0, {0}
    for segment in kept:
        if segment.marker != SOS:
            continue
        data = segment.data
        if len(data) < 6 or len(data) != 4 + 2 * data[0]:
            raise damaged(path, "a scan header has a wrong length")
        coded += data[0]
        nears.add(data[-3])
        if any(data[2:-3:2]):
            raise _refusal(path, "has its colours in a mapping table")
        if data[-1] & 15:
            raise _refusal(path, "has lost its lowest bits to a point transform")
    if coded != frame.samples:
        raise damaged(path, "its scans do not hold each of its components once")
    return max(nears)


def _colours(kept: list[Segment], path: Path) -> str | None:
    """What a SPIFF header says that the colours are (T.84 F.2.1); None if nothing."""
    for segment in kept:
        if segment.marker == APP8 and segment.data[:6] == b"SPIFF\0" and len(segment.data) >= 20:
            space = segment.data[18]
            if space not in _SPIFF_COLOURS:
                raise _refusal(path, f"is in the colour space {space} of SPIFF")
            return _SPIFF_COLOURS[space]
    return None


def _refusal(path: Path, reason: str) -> Reject:
    return Reject(
        f"{path} {reason}, which this version cannot convert. Save it as a plain JPEG-LS or PNG picture "
        "and give that file"
    )
