"""What the headers of every video coding say, in one form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

UNSPECIFIED = 2
"""The code of ITU-T H.273 for colour that a stream does not describe."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How numbers become colours: the codes of ITU-T H.273, and whether black is 0 instead of 16."""

    full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED


class FrameCounter(Protocol):
    """Counts the frames of a stream whose units come in order, packet by packet.

    `shown` is for how many frames' time the counted ones are to be shown, where the stream says that
    itself; None where only time stamps do.
    """

    def begun(self, units: Iterable[bytes]) -> int:
        """How many frames begin in one packet; the second field of a frame begins none."""

    @property
    def shown(self) -> Fraction | None:
        """The time of all counted frames in the unit of the declared frame rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """A sequence header, as each coding derives its own from it.

    `width` and `height` are what is shown, without the lines that only fill up blocks. `aspect` is a
    pixel's width divided by its height, None where the stream does not say. `rate` is the declared number
    of frames a second: headers that differ in nothing else describe the same pictures.
    """

    codec: str
    profile: str
    level: str
    width: int
    height: int
    chroma: str
    bits: int
    aspect: Fraction | None
    colour: Colour
    rate: Fraction | None = field(compare=False)

    @property
    def title(self) -> str:
        """Codec, profile and level as people write them."""
        return f"{self.codec} {self.profile}@L{self.level}"

    def counter(self) -> FrameCounter:
        """A counter of this stream's frames."""
        raise NotImplementedError
