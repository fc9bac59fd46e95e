"""Animated pictures as videos: their frames composed, decoded and coded as H.264 High in MP4.

They are pictures of many frames by default, with every value kept. A video is smaller and loses quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from gateway.config import Lossless, Reading
from gateway.convert import video
from gateway.convert.raster import Recipe, raw_frames
from gateway.convert.workshop import Workshop
from gateway.errors import Reject
from gateway.formats.video import MP4
from gateway.formats.video_coding import Colour
from gateway.formats.video_foreign import Foreign
from gateway.formats.video_recoding import Recoding, recoding
from gateway.formats.video_rules import Unsuitable, level_for
from gateway.formats.video_turn import UPRIGHT
from gateway.formats.video_work import checked, recoded
from gateway.model import Kind, Pixels, Probe, Source
from gateway.stream import FileSlice, Stream

_MICROSECONDS = 1000
"""Parts of a millisecond that times are counted in, as the finest of formats need."""


@dataclass(frozen=True, slots=True)
class Animation:
    """How an animated picture is decoded and shown.

    `short` is what people call its format. `times` are the milliseconds that each frame is shown, `plays`
    how often all of them are: 0 is again and again.
    """

    short: str
    recipe: Recipe
    times: tuple[float, ...]
    plays: int


def among_forms(frames: Probe, animation: Animation, reading: Reading) -> Probe:
    """The forms of an animation: the picture of many frames, and a video, first the one that is wanted.

    Raises `Reject` where a video is wanted and H.264 permits none.
    """
    try:
        moving = _video(frames, animation)
    except Unsuitable as error:
        if reading.as_video:
            raise Reject(
                f"{frames.source.path} cannot become a video: {error}. Leave --video out to have its frames"
            ) from error
        return frames
    if reading.as_video:
        return replace(moving, otherwise=frames)
    return replace(frames, otherwise=moving)


def _video(frames: Probe, animation: Animation) -> Probe:
    """An animation as a video; raises `Unsuitable`."""
    pixels = frames.pixels
    if pixels is None:
        raise ValueError("pixels that nothing is known of")
    shown = [max(1, round(time * _MICROSECONDS)) for time in animation.times]
    duration = Fraction(sum(shown), 1000 * _MICROSECONDS)
    rate = len(shown) / duration
    coding = _coding(pixels, animation.short, rate)
    made = recoding(coding, UPRIGHT, rate)
    carrier = level_for(made.coding, rate).carrier
    planned = replace(
        frames,
        kind=Kind.VIDEO,
        media_type=carrier.media_type,
        transfer_syntax=carrier.uid,
        pixels=replace(
            pixels,
            rows=made.picture.rows,
            columns=made.picture.columns,
            samples_per_pixel=3,
            photometric_interpretation="YBR_PARTIAL_420",
            planar_configuration=0,
            pixel_aspect_ratio=None,
        ),
        facts={**frames.facts, "video": _facts(frames, coding, duration)},
        messages=(*frames.messages, *_messages(coding, made, animation.plays)),
        convert=None,
    )
    return replace(planned, convert=partial(_made, planned, animation.recipe, made.picture, shown))


def _coding(pixels: Pixels, short: str, rate: Fraction) -> Foreign:
    """The frames as if they were those of a video."""
    height, width = pixels.pixel_aspect_ratio or (1, 1)
    return Foreign(
        codec=short,
        profile="",
        level="",
        width=pixels.columns,
        height=pixels.rows,
        chroma="",
        bits=8,
        aspect=Fraction(width, height),
        colour=Colour(),
        rate=rate,
        method=None,
    )


def _facts(frames: Probe, coding: Foreign, duration: Fraction) -> dict[str, object]:
    """What a video says of itself, as the others do."""
    return {
        "codec": coding.codec,
        "profile": "",
        "level": "",
        "container": coding.codec,
        "width": coding.width,
        "height": coding.height,
        "frame_rate": round(float(coding.rate or 0), 6),
        "duration": round(float(duration), 6),
        "created": frames.captured,
    }


def _messages(coding: Foreign, made: Recoding, plays: int) -> list[str]:
    """What is done to an animation, for its user to know."""
    picture = made.picture
    size = f" of {picture.columns}x{picture.rows}" if picture.scaled else ""
    told = [
        f"its frames of {coding.width}x{coding.height} are coded as H.264 High{size}, which loses quality"
    ]
    if not picture.scaled and (picture.columns, picture.rows) != picture.size:
        filled = f"{picture.columns}x{picture.rows}"
        told.append(f"is filled up to {filled} by repeating its edge, since H.264 takes even sizes only")
    if plays != 1:
        often = f"{plays:,} times" if plays else "again and again"
        told.append(f"is to be played {often}, which the video does not say")
    return told


def _made(
    planned: Probe, recipe: Recipe, picture: video.Picture, times: Sequence[int], shop: Workshop, _: Lossless
) -> Probe:
    """The video in a new file of the workshop, looked into like any other.

    Raises `Reject` where frames cannot be decoded or the result is not what it should be, and `Retry`
    where there is no room or the file has changed.
    """
    path = planned.source.path
    columns, rows = picture.size
    wanted = Pixels(rows, columns, 3, "RGB")
    raw, told = raw_frames(replace(planned, pixels=wanted), recipe, shop)
    target = shop.new(".mp4")
    try:
        video.animate(raw, target, picture, times, about=path)
        result = checked(planned, target, _look)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        raw.unlink(missing_ok=True)
    return replace(
        planned,
        content=Stream.of(FileSlice.whole(target)),
        pixels=recoded(planned, result),
        messages=(*planned.messages, *told),
        convert=None,
        otherwise=None,
    )


def _look(path: Path) -> Probe:
    """Looks into a video that was made."""
    return MP4.probe(Source(path, path.parent), Reading())
