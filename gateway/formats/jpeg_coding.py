"""How an object carries a JPEG as it is: the transfer syntax, the pixel attributes, the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.formats.jpeg_picture import (
    ARITHMETIC,
    ARITHMETIC_PROGRESSIVE,
    EXTENDED,
    LOSSLESS,
    PROGRESSIVE,
    Frame,
    Picture,
    is_adobe,
    is_application,
    is_jfif,
    is_profile,
    is_ycc,
    refusal,
)
from gateway.formats.jpeg_segments import DNL, Segment
from gateway.model import LossyStep, Pixels
from gateway.stream import FileSlice, Stream

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"

NAMES = {
    EXTENDED: "an extended JPEG in colour",
    PROGRESSIVE: "a progressive JPEG",
    ARITHMETIC: "an arithmetically coded JPEG",
    ARITHMETIC_PROGRESSIVE: "an arithmetically coded JPEG",
}
"""What pictures are called whose process DICOM has no transfer syntax for."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How an object carries a picture: its transfer syntax and what depends on it."""

    transfer_syntax: str
    photometric_interpretation: str
    lossy: bool


def choose_coding(picture: Picture, path: Path) -> Coding:
    """The transfer syntax and photometric interpretation of a picture as it is (PS3.5 8.2.1).

    Raises `Reject` where DICOM has none.
    """
    frame = picture.frame
    count = len(frame.components)
    if picture.height:
        raise refusal(path, "says its height only behind the picture (DNL), and DICOM carries no such JPEG")
    if count == 4:
        raise refusal(path, "is a CMYK or YCCK picture, which DICOM does not carry")
    if count not in (1, 3):
        raise refusal(path, f"has {count} components; DICOM carries pictures with one or three")
    if frame.process == LOSSLESS:
        return _lossless(picture, path)
    if frame.process in NAMES and (frame.process, count) != (EXTENDED, 1):
        raise refusal(path, f"is {NAMES[frame.process]}, which DICOM does not carry")
    if frame.process == EXTENDED:
        return Coding("1.2.840.10008.1.2.4.51", "MONOCHROME2", lossy=True)
    return baseline(picture)


def baseline(picture: Picture) -> Coding:
    """The coding of the baseline form of a picture.

    The subsampling does not matter: the stream itself says it (PS3.3 C.7.6.3.1.2).
    """
    grey = len(picture.frame.components) == 1
    return Coding(
        JPEG_BASELINE, "MONOCHROME2" if grey else "YBR_FULL_422" if is_ycc(picture) else "RGB", lossy=True
    )


def _lossless(picture: Picture, path: Path) -> Coding:
    """The coding of a lossless picture."""
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
        if all(scan.first == 1 for scan in picture.scans)
        else "1.2.840.10008.1.2.4.57",
        photometric_interpretation=colours,
        lossy=is_lossy(picture),
    )


def describe_pixels(frame: Frame, coding: Coding, length: int) -> Pixels:
    """The image pixel attributes; the lossy ratio is that of a content of `length` bytes."""
    samples = len(frame.components)
    return Pixels(
        rows=frame.rows,
        columns=frame.columns,
        samples_per_pixel=samples,
        photometric_interpretation=coding.photometric_interpretation,
        bits_allocated=_allocated(frame),
        bits_stored=frame.precision,
        planar_configuration=0 if samples > 1 else None,
        lossy=(step(frame, length),) if coding.lossy else (),
    )


def step(frame: Frame, length: int) -> LossyStep:
    """The loss of a picture that was compressed to so many bytes."""
    size = frame.rows * frame.columns * len(frame.components) * _allocated(frame) / 8
    return LossyStep(float(f"{size / length:.4g}"), "ISO_10918_1")


def is_lossy(picture: Picture) -> bool:
    """Whether a picture has lost something: a lossless one whose point transform drops low bits has."""
    return picture.frame.process != LOSSLESS or any(scan.point_transform for scan in picture.scans)


def _allocated(frame: Frame) -> int:
    return 8 if frame.precision <= 8 else 16


def content(picture: Picture, whole: FileSlice, *, strip: bool, profile: bool = False) -> Stream:
    """The bytes of the picture; if asked, without the segments that decoding does not need.

    `profile` keeps its colour profile all the same. A height that is said behind the picture is written
    into the frame header, where all decoders look for it.
    """
    pieces: list[FileSlice | bytes] = []
    start = 0
    for segment in picture.segments:
        if segment.marker == DNL or (strip and _idle(segment, picture, profile=profile)):
            pieces.append(whole.cut(start, segment.start - start))
            start = segment.end
        elif segment.marker == picture.frame.process and picture.height:
            rows = segment.end - len(segment.data) + 1
            pieces += whole.cut(start, rows - start), picture.height.data
            start = rows + 2
    pieces.append(whole.cut(start, picture.length - start))
    return Stream.of(*(piece for piece in pieces if isinstance(piece, bytes) or piece.length))


def _idle(segment: Segment, picture: Picture, *, profile: bool) -> bool:
    """Whether decoding can do without a segment, colours included."""
    if not is_application(segment) or is_adobe(segment) or (profile and is_profile(segment)):
        return False
    return not (is_jfif(segment) and jfif_decides(picture))


def jfif_decides(picture: Picture) -> bool:
    """Whether decoders would take the colours for others without the JFIF segment."""
    return len(picture.frame.components) == 3 and is_ycc(picture) != is_ycc(picture, without_jfif=True)
