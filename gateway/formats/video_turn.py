"""How players turn pictures: what a container or a stream says, and what sets them upright.

An orientation is a matrix (a, b, c, d) of 0, 1 and -1: a point (x, y), with y downward, is shown at
(ax + cy, bx + dy), which is how ISO/IEC 14496-12, 6.2.2 writes it.
"""

from __future__ import annotations

from math import isfinite

Matrix = tuple[int, int, int, int]

UPRIGHT: Matrix = (1, 0, 0, 1)
FLIPPED: Matrix = (-1, 0, 0, 1)
"""Left and right exchanged."""
UPSIDE_DOWN: Matrix = (1, 0, 0, -1)
"""Top and bottom exchanged."""

_QUARTERS: tuple[Matrix, ...] = (UPRIGHT, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))  # counter-clockwise
_FILTERS: dict[Matrix, tuple[str, ...]] = {
    UPRIGHT: (),
    (0, 1, -1, 0): ("transpose=clock",),
    (0, -1, 1, 0): ("transpose=cclock",),
    (-1, 0, 0, -1): ("hflip", "vflip"),
    FLIPPED: ("hflip",),
    UPSIDE_DOWN: ("vflip",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}


def filters(turn: Matrix) -> tuple[str, ...]:
    """libav's filters that do the same to pictures."""
    return _FILTERS[turn]


def is_sideways(turn: Matrix) -> bool:
    """Whether width and height are exchanged."""
    return turn[0] == 0


def by_degrees(degrees: float) -> Matrix | None:
    """A turn counter-clockwise; None where it is not by quarters."""
    if not isfinite(degrees):
        return None
    quarters = round(degrees / 90)
    return _QUARTERS[quarters % 4] if abs(degrees - quarters * 90) < 0.5 else None


def by_matrix(a: int, b: int, c: int, d: int) -> Matrix | None:
    """A turn from numbers of any scale; None where pictures are turned otherwise, or stretched.

    Zeros alone are what writers leave that set none.
    """
    if not any((a, b, c, d)):
        return UPRIGHT
    scale = max(abs(a), abs(b))
    if not scale or max(abs(c), abs(d)) != scale:
        return None
    signs = tuple(value // scale if value % scale == 0 else 2 for value in (a, b, c, d))
    return next((turn for turn in _FILTERS if turn == signs), None)


def after(first: Matrix | None, second: Matrix | None) -> Matrix | None:
    """One turn, and then another."""
    if first is None or second is None:
        return None
    a, b, c, d = first
    e, f, g, h = second
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
