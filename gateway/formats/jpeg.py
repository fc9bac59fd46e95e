"""JPEG pictures (ITU-T T.81): baseline, extended grey and lossless ones go into DICOM as they are.

What DICOM has no transfer syntax for, and what would be shown in wrong colours or turned, is refused
with the reason (PS3.5 8.2.1 and A.4.1).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import Reading
from gateway.errors import Reject
from gateway.formats.format import Format
from gateway.formats.jpeg_picture import (
    EXTENDED,
    LOSSLESS,
    Frame,
    Picture,
    is_adobe,
    is_application,
    is_jfif,
    read,
    refusal,
)
from gateway.formats.jpeg_segments import APP2
from gateway.model import Kind, LossyStep, Pixels, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file


@dataclass(frozen=True, slots=True)
class Coding:
    """How an object carries a picture: its transfer syntax and what depends on it."""

    transfer_syntax: str
    photometric_interpretation: str
    lossy: bool


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a JPEG: SOI and the beginning of another marker."""
    return head.startswith(b"\xff\xd8\xff")


def probe(source: Source, reading: Reading) -> Probe:
    """What a JPEG says of itself.

    The content ends with the picture's end marker. Raises `Reject` for a picture that is not whole, is
    coded in a way that DICOM does not carry, or would be shown in wrong colours or turned.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        picture = read(file, path)
    coding = choose_coding(picture, path)
    facts, fault = _exif(picture, path)
    content = _content(picture, FileSlice(path, 0, picture.length, stamp), strip=reading.strip_app)
    return Probe(
        source=source,
        format=FORMAT.name,
        kind=FORMAT.kind,
        media_type=FORMAT.media_type,
        transfer_syntax=coding.transfer_syntax,
        content=content,
        pixels=describe_pixels(picture.frame, coding, content.length),
        captured=facts["captured"],
        facts={"exif": facts},
        messages=tuple(what for what in (fault, _left_out(picture, stamp.size)) if what),
    )


FORMAT = Format(
    name="jpeg",
    title="a JPEG picture",
    short="JPEG",
    kind=Kind.IMAGE,
    media_type="image/jpeg",
    extensions=(".jpg", ".jpeg", ".jpe", ".jfif"),
    sniff=sniff,
    probe=probe,
    aliases=("image/jpg", "image/pjpeg"),
)


def choose_coding(picture: Picture, path: Path) -> Coding:
    """The transfer syntax and photometric interpretation of a picture (PS3.5 8.2.1).

    Raises `Reject` where DICOM has none.
    """
    frame = picture.frame
    count = len(frame.components)
    if count == 4:
        raise refusal(
            path, "is a CMYK or YCCK picture, which DICOM does not carry; this version cannot convert it"
        )
    if count not in (1, 3):
        raise refusal(path, f"has {count} components; DICOM carries pictures with one or three")
    if frame.process == LOSSLESS:
        return _lossless(picture, path)
    if frame.process == EXTENDED:
        if count == 3:
            reason = (
                "is an extended JPEG in colour; DICOM carries grey ones only, and this cannot be recoded yet"
            )
            raise refusal(path, reason)
        return Coding("1.2.840.10008.1.2.4.51", "MONOCHROME2", lossy=True)
    # The subsampling does not matter: the stream itself says it (PS3.3 C.7.6.3.1.2).
    colours = "MONOCHROME2" if count == 1 else "YBR_FULL_422" if is_ycc(picture) else "RGB"
    return Coding("1.2.840.10008.1.2.4.50", colours, lossy=True)


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


def _lossless(picture: Picture, path: Path) -> Coding:
    """The coding of a lossless picture; one whose point transform drops low bits has lost them."""
    frame = picture.frame
    if len({component.sampling for component in frame.components}) > 1:
        raise refusal(
            path, "is a lossless JPEG whose colours have a lower resolution, which DICOM does not carry"
        )
    colours = "MONOCHROME2" if len(frame.components) == 1 else "YBR_FULL" if is_ycc(picture) else "RGB"
    if colours == "YBR_FULL" and frame.precision != 8:
        raise refusal(
            path, f"is a lossless YCbCr picture of {frame.precision} bits; DICOM carries those of 8 bits"
        )
    return Coding(
        transfer_syntax="1.2.840.10008.1.2.4.70"
        if all(scan.predictor == 1 for scan in picture.scans)
        else "1.2.840.10008.1.2.4.57",
        photometric_interpretation=colours,
        lossy=any(scan.point_transform for scan in picture.scans),
    )


def describe_pixels(frame: Frame, coding: Coding, length: int) -> Pixels:
    """The image pixel attributes; the lossy ratio is that of a content of `length` bytes."""
    samples = len(frame.components)
    allocated = 8 if frame.precision <= 8 else 16
    ratio = frame.rows * frame.columns * samples * allocated / 8 / length
    return Pixels(
        rows=frame.rows,
        columns=frame.columns,
        samples_per_pixel=samples,
        photometric_interpretation=coding.photometric_interpretation,
        bits_allocated=allocated,
        bits_stored=frame.precision,
        planar_configuration=0 if samples > 1 else None,
        lossy=(LossyStep(float(f"{ratio:.4g}"), "ISO_10918_1"),) if coding.lossy else (),
    )


def _exif(picture: Picture, path: Path) -> tuple[Mapping[str, Any], str | None]:
    """The facts of the EXIF segment and what is wrong with it.

    Raises `Reject` for a picture that is upright only after turning: pixels are shown as they are
    stored (PS3.3 C.7.6.3.1.4).
    """
    from gateway.formats import exif

    facts, fault = exif.read(picture.exif)
    if lies := exif.LIES.get(facts["orientation"]):
        raise Reject(
            f"{path} is stored {lies} (EXIF orientation {facts['orientation']}), and DICOM would show it so; "
            f"this version does not turn pictures. Save it upright and give that file"
        )
    return facts, fault


def _content(picture: Picture, whole: FileSlice, *, strip: bool) -> Stream:
    """The bytes of the picture; if asked, without the segments that decoding does not need."""
    if not strip:
        return Stream.of(whole)
    jfif_decides = len(picture.frame.components) == 3 and is_ycc(picture) != is_ycc(
        picture, without_jfif=True
    )
    slices: list[FileSlice] = []
    start = 0
    for segment in picture.segments:
        if is_application(segment) and not is_adobe(segment) and not (jfif_decides and is_jfif(segment)):
            slices.append(whole.cut(start, segment.start - start))
            start = segment.end
    slices.append(whole.cut(start, picture.length - start))
    return Stream.of(*(piece for piece in slices if piece.length))


def _left_out(picture: Picture, size: int) -> str | None:
    """What stands behind the end of the picture and is not stored: further pictures, padding."""
    extra = size - picture.length
    if not extra:
        return None
    several = any(
        segment.marker == APP2 and segment.data.startswith(b"MPF\0") for segment in picture.segments
    )
    what = " with further pictures" if several else ""
    return f"has {extra:,} bytes{what} behind its picture; they are left out"
