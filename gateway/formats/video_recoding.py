"""What pictures become that are coded again: H.264 High of at most level 4.2, upright, of square pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from gateway.convert.video import Picture
from gateway.formats import h264
from gateway.formats.video_coding import Coding, Colour
from gateway.formats.video_rules import Unsuitable, level_for
from gateway.formats.video_turn import Matrix, filters, is_sideways

_SIZES = ((1920, 1080), (1600, 900), (1280, 720), (960, 540), (640, 360), (480, 270))
_LOWEST_LEVEL = 41
_BLOCK = 16


@dataclass(frozen=True, slots=True)
class Recoding:
    """The coding of the result, and how pictures are made into it."""

    coding: h264.Sequence
    picture: Picture


def recoding(coding: Coding, turn: Matrix, rate: Fraction) -> Recoding:
    """What pictures become at `rate` frames a second.

    They are made smaller only where they are too large or too fast for every level. Raises `Unsuitable`
    where even small ones would be.
    """
    for columns, rows, scaled in _sizes(coding, turn):
        wanted = _high(columns, rows, rate)
        try:
            level = level_for(wanted, rate)
        except Unsuitable:
            continue
        name = f"{level.level // 10}.{level.level % 10}"
        picture = Picture(
            size=(coding.width, coding.height),
            columns=columns,
            rows=rows,
            scaled=scaled,
            turn=filters(turn),
            level=name,
            rate=max(rate.limit_denominator(1001), Fraction(1, 1001)),
        )
        return Recoding(wanted, picture)
    raise Unsuitable(
        f"{float(rate):.4g} frames a second are more than any level of H.264 permits",
        "Export it again with at most 60 frames a second",
    )


def _sizes(coding: Coding, turn: Matrix) -> Iterator[tuple[int, int, bool]]:
    """Columns and rows in the order of preference, and whether pixels are resampled for them."""
    aspect = coding.aspect or Fraction(1)
    width = coding.width * max(aspect, Fraction(1))
    height = coding.height * max(1 / aspect, Fraction(1))
    if is_sideways(turn):
        width, height = height, width
    if aspect == 1:
        yield _filled(int(width)), _filled(int(height)), False
    else:
        yield _even(width), _even(height), True
    for longer, shorter in _SIZES:
        scale = min(Fraction(longer) / max(width, height), Fraction(shorter) / min(width, height))
        if scale < 1:
            yield _even(width * scale), _even(height * scale), True


def _even(size: Fraction) -> int:
    """The nearest even number of pixels."""
    return max(2, 2 * round(size / 2))


def _filled(size: int) -> int:
    """The next even number of pixels."""
    return size + size % 2


def _high(columns: int, rows: int, rate: Fraction) -> h264.Sequence:
    """The header of H.264 High pictures."""
    return h264.Sequence(
        codec="H.264",
        profile="High",
        level="4.1",
        width=columns,
        height=rows,
        chroma="4:2:0",
        bits=8,
        aspect=Fraction(1),
        colour=Colour(),
        rate=rate,
        profile_code=100,
        level_code=_LOWEST_LEVEL,
        blocks=(-(-columns // _BLOCK), -(-rows // _BLOCK)),
        frames_only=True,
        frame_number_bits=4,
        colour_planes=False,
    )
