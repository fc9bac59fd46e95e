"""What the bytes of pixel data say of themselves, for objects whose metadata came without them.

Pictures are taken as they are, whatever EXIF or names say of them: the client has described them, and
only what the bitstream itself decides is looked at.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gateway import formats
from gateway.config import Reading
from gateway.errors import Reject
from gateway.formats.jpeg import FORMAT as JPEG
from gateway.formats.jpeg_coding import choose_coding
from gateway.formats.jpeg_picture import Picture
from gateway.formats.jpeg_picture import read as read_jpeg
from gateway.media_types import MEDIA_TYPES
from gateway.model import Kind, LossyStep, Pixels, Source
from gateway.stream import open_file


@dataclass(frozen=True, slots=True)
class Stated:
    """What a bitstream says of itself.

    `transfer_syntaxes` are those that may carry it, the one that fits best first. `colours_known` is
    False where the photometric interpretation is only what decoders would guess.
    """

    title: str
    transfer_syntaxes: tuple[str, ...]
    pixels: Pixels
    colours_known: bool


def examine(path: Path) -> Stated | None:
    """What the pixel data in a file say; None for a coding that is not known here.

    Raises `Reject` for a bitstream that is damaged, or that no DICOM object can carry.
    """
    source = Source(path, path.parent)
    try:
        found = formats.identify(source)
    except Reject:
        return None
    if found is JPEG:
        return _jpeg(path)
    if found.kind is not Kind.VIDEO:
        return None
    probe = found.probe(source, Reading())
    if probe.pixels is None:
        return None
    best = probe.transfer_syntax
    return Stated(found.title, (best, *_siblings(best)), probe.pixels, colours_known=True)


def _jpeg(path: Path) -> Stated:
    with open_file(path) as file:
        picture = read_jpeg(file, path)
        size = os.fstat(file.fileno()).st_size
    coding = choose_coding(picture, path)
    frame = picture.frame
    samples = len(frame.components)
    allocated = 8 if frame.precision <= 8 else 16
    ratio = frame.rows * frame.columns * samples * allocated / 8 / size
    pixels = Pixels(
        rows=frame.rows,
        columns=frame.columns,
        samples_per_pixel=samples,
        photometric_interpretation=coding.photometric_interpretation,
        bits_allocated=allocated,
        bits_stored=frame.precision,
        planar_configuration=0 if samples > 1 else None,
        lossy=(LossyStep(ratio, "ISO_10918_1"),) if coding.lossy else (),
    )
    return Stated(JPEG.title, (coding.transfer_syntax,), pixels, _colours_known(picture))


def _colours_known(picture: Picture) -> bool:
    """Whether markers say what the components are; MONOCHROME1 and palettes look like MONOCHROME2."""
    numbers = bytes(component.number for component in picture.frame.components)
    return len(numbers) == 3 and (picture.jfif or picture.adobe is not None or numbers == b"RGB")


def _siblings(transfer_syntax: str) -> tuple[str, ...]:
    """The other transfer syntaxes of a video's coding: levels, stereo, and fragmentable forms.

    A client may know better than the bitstream which of them is meant. Those of HEVC differ in the
    number of bits, which the bitstream says.
    """
    media_type = MEDIA_TYPES[transfer_syntax]
    if media_type == "video/H265":
        return ()
    return tuple(uid for uid, each in MEDIA_TYPES.items() if each == media_type and uid != transfer_syntax)
