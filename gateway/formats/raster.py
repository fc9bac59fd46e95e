"""What all pictures have in common that are decoded to be stored: PNG, BMP, TIFF, GIF, WebP, HEIC.

Each of their modules reads the header of its format and makes a `Picture` of it; here it becomes a probe.
Decoding comes later, in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.config import Reading
from gateway.convert.raster import Recipe, decoded
from gateway.errors import Reject, Unfinished
from gateway.formats.animation import Animation, among_forms
from gateway.formats.format import Format
from gateway.media_types import EXPLICIT_LITTLE, OCTETS
from gateway.model import LossyStep, Pixels, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file

LONGEST_SIDE = 0xFFFF
"""Rows and columns of an image have 16 bits (PS3.3 C.7.6.3)."""

MOST_FRAMES = 100_000
"""More than any recording that is kept as a picture has."""

_UNDELAYED = 100.0
"""Milliseconds for a frame that says no time, as browsers show it."""

_NEARLY_SQUARE = Fraction(1, 100)
"""Pixels that differ less than this from squares are squares that were measured."""


class NotWhole(ValueError):
    """The file ends too soon, or what it says of itself is not there: why, in words."""


class Unfit(ValueError):
    """The file is a picture that is not stored: why, as the end of a sentence that begins with its name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header of a picture says.

    `columns` and `rows` are as the pixels lie in the file; `orientation` (EXIF tag 274) says how that is,
    where it stands outside `exif`, and `turned_by_decoder` that the decoder turns them. `decoder` and
    `inverted` are those of a `Recipe`; `frames` are the numbers of those wanted, and `times` how long each is
    shown, in milliseconds; `plays` is how often they are shown one after the other, 0 for again and again.
    `aspect` is the height of a pixel to its width. `compressed` is the bytes and the method of a lossy
    compression (PS3.3 C.7.6.1.1.5).
    """

    columns: int
    rows: int
    colour: bool
    decoder: str
    bits: int = 8
    frames: tuple[int, ...] = (0,)
    times: tuple[float, ...] = ()
    plays: int = 1
    orientation: int | None = None
    turned_by_decoder: bool = False
    inverted: bool = False
    aspect: Fraction | None = None
    compressed: tuple[int, str] | None = None
    exif: bytes | None = None
    messages: tuple[str, ...] = ()


def probe(source: Source, reading: Reading, found: Format, read: Callable[[BinaryIO, int], Picture]) -> Probe:
    """The probe of a picture, whose header `read` takes from the file and its size.

    Raises `Reject` for a picture that is not whole, not stored, or of more pixels than may be decoded.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        try:
            picture = read(file, stamp.size)
        except NotWhole as error:
            raise Unfinished(f"{path} is not whole: {error}. Copy or export it again") from error
        except Unfit as error:
            raise Reject(f"{path} {error}") from error
    _check_size(path, reading, picture)
    return _described(source, reading, found, stamp, picture)


def _described(source: Source, reading: Reading, found: Format, stamp: FileStamp, picture: Picture) -> Probe:
    from gateway.formats import exif

    facts, fault = exif.read(picture.exif)
    orientation = picture.orientation or facts["orientation"] or 1
    lies = exif.LIES.get(orientation)
    turn, told = _turn(orientation, picture, reading) if lies else (1, None)
    result = Probe(
        source=source,
        format=found.name,
        kind=found.kind,
        media_type=OCTETS,
        transfer_syntax=EXPLICIT_LITTLE,
        content=Stream.of(FileSlice(source.path, 0, stamp.size, stamp)),
        pixels=_pixels(picture, swapped=bool(lies) and orientation >= 5 and not reading.keep_orientation),
        captured=facts["captured"],
        facts={"exif": facts},
        messages=tuple(what for what in (fault, told, *picture.messages) if what),
    )
    recipe = Recipe(picture.decoder, picture.frames, turn, picture.inverted)
    frames = replace(result, convert=partial(decoded, result, recipe))
    if not picture.times or len(picture.frames) < 2:
        return frames
    animation = Animation(found.short, recipe, _shown(picture.times), picture.plays)
    return among_forms(frames, animation, reading)


def _turn(orientation: int, picture: Picture, reading: Reading) -> tuple[int, str]:
    """What is left to be done about how the pixels lie, as an orientation, and what the user is told."""
    from gateway.formats import exif

    lies = f"{exif.LIES[orientation]} (EXIF orientation {orientation})"
    if reading.keep_orientation:
        back = {6: 8, 8: 6}.get(orientation, orientation)
        return back if picture.turned_by_decoder else 1, f"is {lies}, and is stored so"
    return 1 if picture.turned_by_decoder else orientation, f"was {lies}, and is turned upright"


def _pixels(picture: Picture, *, swapped: bool) -> Pixels:
    """The pixels as they will be, upright and uncompressed."""
    columns, rows = picture.columns, picture.rows
    aspect = picture.aspect
    if swapped:
        columns, rows = rows, columns
        aspect = 1 / aspect if aspect else None
    samples = 3 if picture.colour else 1
    allocated = 8 if picture.bits <= 8 else 16
    count = len(picture.frames)
    lossy: tuple[LossyStep, ...] = ()
    if picture.compressed:
        size, method = picture.compressed
        ratio = columns * rows * count * samples * allocated / 8 / max(size, 1)
        lossy = (LossyStep(float(f"{ratio:.4g}"), method),)
    return Pixels(
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        photometric_interpretation="RGB" if picture.colour else "MONOCHROME2",
        bits_allocated=allocated,
        bits_stored=picture.bits,
        planar_configuration=0 if picture.colour else None,
        pixel_aspect_ratio=(aspect.numerator, aspect.denominator) if aspect else None,
        frames=count if count > 1 else None,
        frame_times=_frame_times(picture.times) if count > 1 else (),
        lossy=lossy,
    )


def _frame_times(times: tuple[float, ...]) -> tuple[float, ...]:
    """Times from frame to frame: one for all, or one each, the first 0 (PS3.3 C.7.6.5, Frame Time Vector)."""
    if not times:
        return ()
    shown = _shown(times)
    return (shown[0],) if len(set(shown)) == 1 else (0.0, *shown[:-1])


def _shown(times: tuple[float, ...]) -> tuple[float, ...]:
    """How long frames are shown, also those that say no time."""
    return tuple(time or _UNDELAYED for time in times)


def _check_size(path: Path, reading: Reading, picture: Picture) -> None:
    columns, rows, count = picture.columns, picture.rows, len(picture.frames)
    if not columns or not rows:
        raise Reject(f"{path} has no pixels: it says that it is {columns} x {rows}")
    if max(columns, rows) > LONGEST_SIDE:
        raise Reject(
            f"{path} has {columns:,} x {rows:,} pixels, and an image has at most {LONGEST_SIDE:,} rows and "
            "columns (PS3.3 C.7.6.3). Make it smaller, or cut it into pieces"
        )
    if columns * rows * count > reading.max_pixels:
        frames = f" in {count:,} frames" if count > 1 else ""
        raise Reject(
            f"{path} has {columns:,} x {rows:,} pixels{frames}, more than the {reading.max_pixels:,} that "
            "are decoded: allow more with --max-pixels if it is what it should be"
        )


def aspect_of(horizontal: Fraction, vertical: Fraction) -> Fraction | None:
    """The height of a pixel to its width, by pixels a length in both directions; None for squares."""
    if horizontal <= 0 or vertical <= 0 or abs(horizontal / vertical - 1) < _NEARLY_SQUARE:
        return None
    return (horizontal / vertical).limit_denominator(10_000)


def all_grey(palette: bytes) -> bool:
    """Whether a palette of three bytes a colour has no colours."""
    return palette[::3] == palette[1::3] == palette[2::3]


def take(file: BinaryIO, count: int) -> bytes:
    """So many bytes; NotWhole when the file ends before."""
    data = file.read(count)
    if len(data) != count:
        raise NotWhole("it ends amid its header")
    return data


def skip(file: BinaryIO, size: int, count: int) -> None:
    """Goes over so many bytes; NotWhole when the file ends before."""
    if file.tell() + count > size:
        raise NotWhole(f"it ends {file.tell() + count - size:,} bytes too soon")
    file.seek(count, os.SEEK_CUR)
