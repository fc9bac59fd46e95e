"""Forms of a JPEG that are made: recoded as baseline without loss, or decoded; in both cases upright."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from gateway.config import Lossless
from gateway.convert import child, encode, jpeg
from gateway.convert.workshop import Workshop
from gateway.errors import Reject
from gateway.formats.jpeg_coding import (
    JPEG_BASELINE,
    NAMES,
    baseline,
    content,
    describe_pixels,
    is_lossy,
    jfif_decides,
    step,
)
from gateway.formats.jpeg_picture import (
    BASELINE,
    EXTENDED,
    LOSSLESS,
    Frame,
    Picture,
    is_adobe,
    is_profile,
    is_ycc,
    read,
)
from gateway.formats.jpeg_segments import DQT, SOS
from gateway.media_types import EXPLICIT_LITTLE, OCTETS
from gateway.model import Pixels, Probe
from gateway.stream import FileSlice, Stream, open_file

Result = TypeVar("Result")

_JFIF = bytes.fromhex("ffe0 0010 4a46494600 0102 00 0001 0001 0000")
"""A JFIF segment that says no more than that the colours are YCbCr (ITU-T T.871)."""

_MAX_PROFILE = 16 * 1024 * 1024
"""Bytes of a colour profile: as many as its segments can number."""

_SECONDS, _SECONDS_A_PIXEL = 20.0, 1e-6
_MEMORY, _MEMORY_A_PIXEL = 384 * 1024 * 1024, 32
"""What a child may take: ten times the time that pictures were seen to take, and twice the memory."""


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to be brought into another form: `whole` is its stream, `orientation` how it lies."""

    picture: Picture
    whole: FileSlice
    orientation: int
    strip: bool
    max_pixels: int

    @property
    def turn(self) -> jpeg.Turn:
        """How it is put upright."""
        return jpeg.TURNS[self.orientation]

    @property
    def upright(self) -> Frame:
        """The frame with the rows and columns that the picture has when it is upright."""
        frame = self.picture.frame
        return replace(frame, rows=frame.columns, columns=frame.rows) if self.turn.transposed else frame


# Recoded


def recoded(base: Probe, task: Task) -> Probe | None:
    """The picture as a baseline JPEG of the same coefficients; None where there is no such picture."""
    if not _has_baseline(task.picture) or not _can_turn(task):
        return None
    planned = replace(
        base,
        transfer_syntax=JPEG_BASELINE,
        pixels=describe_pixels(task.upright, baseline(task.picture), task.whole.length),
    )
    return replace(planned, convert=partial(_recode, planned, task))


def _has_baseline(picture: Picture) -> bool:
    """Whether there is a baseline picture of the same coefficients."""
    frame = picture.frame
    few = frame.precision == 8 and len(frame.components) in (1, 3)
    return few and frame.process != LOSSLESS and _baseline_tables(picture)


def _can_turn(task: Task) -> bool:
    """Whether the picture can be put upright as it is coded."""
    frame = task.picture.frame
    sampling = [component.sampling for component in frame.components]
    return jpeg.whole_blocks(frame.rows, frame.columns, sampling, task.turn)


def _baseline_tables(picture: Picture) -> bool:
    """Whether its quantization tables have values of one byte, and none is changed on the way."""
    tables: dict[int, bytes] = {}
    for segment in picture.segments:
        at = 0
        while segment.marker == DQT and at < len(segment.data):
            which, table = segment.data[at], segment.data[at + 1 : at + 65]
            if which >> 4 or tables.setdefault(which, table) != table:
                return False
            at += 65
    return True


def _recode(planned: Probe, task: Task, shop: Workshop, lossless: Lossless) -> Probe:
    """Makes the baseline JPEG; where that cannot be after all, the decoded form."""
    source, target = shop.new(".jpg"), shop.new(".jpg")
    numbers = bytes(component.number for component in task.picture.frame.components)
    try:
        _write(content(task.picture, task.whole, strip=True), source)
        done = _in_child(task, shop, jpeg.recode, source, target, task.orientation, numbers, _head(task))
        stream = FileSlice.whole(target) if done and _is_as_planned(target, task) else None
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        source.unlink(missing_ok=True)
    if stream is None:
        target.unlink(missing_ok=True)
        other = decoded(replace(planned, convert=None), task)
        if other is None or other.convert is None:
            raise Reject(f"{planned.source.path} cannot be recoded. Save it upright as a baseline JPEG")
        return other.convert(shop, lossless)
    return replace(
        planned,
        content=Stream.of(stream),
        pixels=describe_pixels(task.upright, baseline(task.picture), stream.length),
        messages=(*planned.messages, *_told(task, "without loss"), *_renamed(task)),
    )


def _head(task: Task) -> bytes:
    """The segments that say what the colours are, for the start of a new stream."""
    header = list(takewhile(lambda segment: segment.marker != SOS, task.picture.segments))
    profile = [segment for segment in header if is_profile(segment) and not task.strip]
    if sum(segment.end - segment.start for segment in profile) > _MAX_PROFILE:
        profile = []
    kept = [*(segment for segment in header if is_adobe(segment)), *profile]
    jfif = _JFIF if jfif_decides(task.picture) else b""
    return jfif + b"".join(
        chunk for segment in kept for chunk in task.whole.cut(segment.start, segment.end - segment.start)
    )


def _is_as_planned(path: Path, task: Task) -> bool:
    """Whether the stream that was made is the picture that was planned, as its markers say."""
    with open_file(path) as file:
        made = read(file, path)
    wanted = replace(task.upright, process=BASELINE, components=made.frame.components)
    return (
        made.frame == wanted
        and made.length == path.stat().st_size
        and len(made.frame.components) == len(task.upright.components)
        and (len(made.frame.components) == 1 or is_ycc(made) == is_ycc(task.picture))
        and made.exif is None
    )


# Decoded


def decoded(base: Probe, task: Task) -> Probe | None:
    """The picture as grey or RGB pixels; None where nothing here decodes it."""
    if _decoder(task.picture) is None:
        return None
    planned = replace(
        base,
        transfer_syntax=EXPLICIT_LITTLE,
        media_type=OCTETS,
        pixels=_decoded_pixels(task),
        otherwise=None,
    )
    return replace(planned, convert=partial(_decode, planned, task))


def _decoder(picture: Picture) -> Callable[..., jpeg.Decoded] | None:
    """What decodes a picture: Pillow, and for what it does not know, a decoder of all of T.81."""
    frame = picture.frame
    count = len(frame.components)
    if frame.precision == 8 and frame.process != LOSSLESS and count in (1, 3, 4):
        return jpeg.decode
    if count <= 3:
        return partial(jpeg.decode_deep, bits=frame.precision, ycc=count == 3 and is_ycc(picture))
    return None


def _decoded_pixels(task: Task) -> Pixels:
    """The pixels of the decoded picture: what was lost before it was decoded stays lost."""
    frame = task.upright
    colour = len(frame.components) > 2
    bits = 8 if colour else max(8, frame.precision)
    return Pixels(
        rows=frame.rows,
        columns=frame.columns,
        samples_per_pixel=3 if colour else 1,
        photometric_interpretation="RGB" if colour else "MONOCHROME2",
        bits_allocated=8 if bits == 8 else 16,
        bits_stored=bits,
        planar_configuration=0 if colour else None,
        lossy=(step(frame, task.whole.length),) if is_lossy(task.picture) else (),
    )


def _decode(planned: Probe, task: Task, shop: Workshop, lossless: Lossless) -> Probe:
    """Makes the decoded pixels, and stores them as was asked for."""
    decoder = _decoder(task.picture)
    pixels = planned.pixels
    if decoder is None or pixels is None:
        raise ValueError("a picture that was not planned to be decoded")
    source, target = shop.new(".jpg"), shop.new(".raw")
    try:
        _write(content(task.picture, task.whole, strip=True, profile=True), source)
        made = _in_child(task, shop, decoder, source, target, task.orientation)
        wanted = (pixels.rows, pixels.columns, pixels.samples_per_pixel, pixels.bits_stored)
        if (made.rows, made.columns, made.samples, made.bits) != wanted:
            raise Reject(f"{planned.source.path} is not the picture that it says it is. Export it again")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        source.unlink(missing_ok=True)
    messages = (*planned.messages, *_told(task), *_changes(task, made))
    return encode.stored(replace(planned, messages=messages), target, lossless, shop)


# Both


def _write(stream: Stream, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(stream)


def _in_child(task: Task, shop: Workshop, function: Callable[..., Result], *args: Any) -> Result:
    """What a function makes of a picture in a process of its own, with limits that go with its size."""
    path = task.whole.path
    pixels = task.upright.rows * task.upright.columns
    if pixels > task.max_pixels:
        raise Reject(
            f"{path} has {pixels:,} pixels, and no picture of more than {task.max_pixels:,} is decoded. "
            "Raise --max-pixels if you know it"
        )
    try:
        return child.run(
            function,
            *args,
            seconds=_SECONDS + _SECONDS_A_PIXEL * pixels,
            memory=_MEMORY + _MEMORY_A_PIXEL * pixels,
            about=path,
            folder=shop.folder,
        )
    except child.Missing as error:
        raise Reject(
            f"{path} must be decoded, and what decodes it is not installed: install the extra 'decoders' "
            "of stow-gateway"
        ) from error


def _told(task: Task, how: str = "") -> Iterator[str]:
    """What was done about how the picture lay."""
    from gateway.formats import exif

    if task.orientation != 1:
        yield (
            f"was stored {exif.LIES[task.orientation]} (EXIF orientation {task.orientation}) "
            f"and was turned upright{how and ' '}{how}"
        )


def _renamed(task: Task) -> Iterator[str]:
    """What was done about a process that DICOM does not carry."""
    process = task.picture.frame.process
    if process in NAMES and (process, len(task.picture.frame.components)) != (EXTENDED, 1):
        yield f"was {NAMES[process]} and was recoded as a baseline one, without loss"


def _changes(task: Task, made: jpeg.Decoded) -> Iterator[str]:
    """What is not in the pixels as it was in the stream."""
    frame = task.picture.frame
    count = len(frame.components)
    turning = _has_baseline(task.picture) and not _can_turn(task)
    reason = "its size does not allow turning it" if turning else "the object cannot have it"
    yield f"was decoded, since {reason} as it is coded"
    if count == 4:
        how = "by its colour profile" if made.profiled else "plainly, since no colour profile says how"
        yield f"had inks (CMYK), which were turned to RGB {how}"
    elif any(map(is_profile, task.picture.segments)):
        yield "has a colour profile, which is left out"
    if count == 2:
        yield "has a second component of which nothing is known; it is left out"
    if made.bits < frame.precision:
        yield f"has colours of {frame.precision} bits, which were brought to {made.bits}"
