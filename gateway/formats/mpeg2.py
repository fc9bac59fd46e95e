"""MPEG-2 video (ITU-T H.262, ISO/IEC 13818-2): sequence headers, and where frames begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from gateway.formats.bits import BitReader, Malformed
from gateway.formats.video_coding import Coding, Colour, FrameCounter
from gateway.formats.video_turn import UPRIGHT, Matrix

_PICTURE, _SEQUENCE, _EXTENSION = 0x00, 0xB3, 0xB5  # start codes (Table 6-1)
_SEQUENCE_EXTENSION, _DISPLAY_EXTENSION, _PICTURE_EXTENSION = 1, 2, 8  # Table 6-2
_FRAME = 3

MAIN_PROFILE, MAIN_LEVEL, HIGH_LEVEL, WIDE_DISPLAY = 4, 8, 4, 3
_PROFILES = {1: "High", 2: "Spatially Scalable", 3: "SNR Scalable", 4: "Main", 5: "Simple"}
_LEVELS = {4: "High", 6: "High 1440", 8: "Main", 10: "Low"}
_ESCAPED = {0x82: "High", 0x85: "Main"}
_CHROMA = ("reserved chroma", "4:2:0", "4:2:2", "4:4:4")
_RATES = (
    None, Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001),
    Fraction(30), Fraction(50), Fraction(60000, 1001), Fraction(60),
)  # fmt: skip
_DISPLAYS = (None, None, Fraction(4, 3), Fraction(16, 9), Fraction(221, 100))
"""The shape of the whole picture by aspect_ratio_information; 1 says that pixels are square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Coding):
    """A sequence header with its extensions (6.2.2).

    `display_code` is aspect_ratio_information, which MPEG-1 does not have: there, `profile` says so.
    """

    profile_code: int
    level_code: int
    display_code: int
    progressive: bool

    @property
    def title(self) -> str:
        """Codec, profile and level as people write them."""
        return f"{self.codec} {self.profile}@{self.level}" if self.profile else self.codec

    def counter(self) -> FrameCounter:
        """A counter of this stream's frames."""
        return Frames(self)


def is_picture(unit: bytes) -> bool:
    """Whether the unit is the header of a picture."""
    return unit[0] == _PICTURE


def sequences(units: Iterable[bytes]) -> Iterator[Sequence]:
    """The sequence headers among units, each with the extensions that follow it; raises `Malformed`."""
    header, extensions = b"", dict[int, bytes]()
    for unit in units:
        if unit[0] == _EXTENSION and len(unit) > 1:
            extensions.setdefault(unit[1] >> 4, unit)
            continue
        if header:
            yield parse(header, extensions)
        header = unit if unit[0] == _SEQUENCE else b""
        extensions.clear()
    if header:
        yield parse(header, extensions)


def obstacle(unit: bytes) -> None:
    """Nothing in MPEG-2 keeps pictures from being shown one by one as they are coded."""


def turn(unit: bytes) -> Matrix:
    """Nothing in MPEG-2 turns pictures."""
    return UPRIGHT


def parse(header: bytes, extensions: Mapping[int, bytes]) -> Sequence:
    """A sequence header (6.2.2.1) with its extensions by their identifier; raises `Malformed`."""
    reader = BitReader(header[1:])
    width, height = reader.bits(12), reader.bits(12)
    display_code, rate_code = reader.bits(4), reader.bits(4)
    rate = _RATES[rate_code] if rate_code < len(_RATES) else None
    profile_code = level_code = 0
    profile = level = ""
    chroma, progressive = 1, True
    extension = extensions.get(_SEQUENCE_EXTENSION)
    if extension is not None:
        reader = BitReader(extension[1:])
        reader.bits(4)  # extension_start_code_identifier
        profile_code, level_code, profile, level = _profile_and_level(reader.bits(8))
        progressive = reader.flag()
        chroma = reader.bits(2)
        width |= reader.bits(2) << 12
        height |= reader.bits(2) << 12
        reader.bits(22)  # bit_rate_extension, marker, vbv_buffer_size_extension, low_delay
        numerator, denominator = reader.bits(2) + 1, reader.bits(5) + 1
        rate = rate * numerator / denominator if rate else None
    if not width or not height:
        raise Malformed("the sequence header gives the picture no size")
    shape, colour = _display(extensions.get(_DISPLAY_EXTENSION), (width, height))
    return Sequence(
        codec="MPEG-2" if extension is not None else "MPEG-1",
        profile=profile,
        level=level,
        width=width,
        height=height,
        chroma=_CHROMA[chroma],
        bits=8,
        aspect=_aspect(display_code, shape) if extension is not None else None,
        colour=colour,
        rate=rate,
        profile_code=profile_code,
        level_code=level_code,
        display_code=display_code,
        progressive=progressive,
    )


class Frames:
    """Counts frames by the pictures' own headers: two fields of opposite parity are one (6.1.1.4)."""

    def __init__(self, sequence: Sequence) -> None:
        self._progressive = sequence.progressive
        self._plain = sequence.codec == "MPEG-1"
        self._open = 0  # the structure of a field without its other
        self._fields = 0

    @property
    def shown(self) -> Fraction | None:
        """The time of all counted frames in the unit of the declared frame rate."""
        return Fraction(self._fields, 2)

    def begun(self, units: Iterable[bytes]) -> int:
        """How many frames begin in one packet."""
        if self._plain:  # its pictures have no extension, and no fields
            begun = sum(map(is_picture, units))
            self._fields += 2 * begun
            return begun
        pictures = (
            unit
            for unit in units
            if len(unit) > 5 and unit[0] == _EXTENSION and unit[1] >> 4 == _PICTURE_EXTENSION
        )
        return sum(self._begins(unit[3] & 3, unit[4]) for unit in pictures)

    def _begins(self, structure: int, flags: int) -> bool:
        """Whether a picture (6.2.3.1) begins a frame; notes how long it is shown (6.3.10)."""
        if structure == _FRAME:
            self._open = 0
            self._fields += 2
            if flags & 0x02:  # repeat_first_field
                self._fields += 1 if not self._progressive else 4 if flags & 0x80 else 2  # top_field_first
            return True
        if self._open and self._open != structure:
            self._open = 0
            return False
        self._open = structure
        self._fields += 2
        return True


def _profile_and_level(code: int) -> tuple[int, int, str, str]:
    """The codes and names in profile_and_level_indication (8.1); the 4:2:2 profile escapes the scheme."""
    if code in _ESCAPED:
        return 0, 0, "4:2:2", _ESCAPED[code]
    profile, level = code >> 4, code & 15
    return profile, level, _PROFILES.get(profile, f"profile {profile}"), _LEVELS.get(level, f"level {level}")


def _display(extension: bytes | None, size: tuple[int, int]) -> tuple[tuple[int, int], Colour]:
    """The size that the display shape is meant for, and the colours (6.2.2.4)."""
    if extension is None:
        return size, Colour()
    reader = BitReader(extension[1:])
    reader.bits(7)  # extension_start_code_identifier, video_format
    colour = Colour(False, reader.bits(8), reader.bits(8), reader.bits(8)) if reader.flag() else Colour()
    width = reader.bits(14)
    reader.flag()
    height = reader.bits(14)
    return ((width, height) if width and height else size), colour


def _aspect(code: int, shape: tuple[int, int]) -> Fraction | None:
    """A pixel's width divided by its height (6.3.3)."""
    if code == 1:
        return Fraction(1)
    display = _DISPLAYS[code] if code < len(_DISPLAYS) else None
    return display * shape[1] / shape[0] if display else None
