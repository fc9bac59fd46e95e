"""H.264 (ITU-T H.264, ISO/IEC 14496-10): sequence parameter sets, and where frames begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from gateway.formats import sei
from gateway.formats.bits import BitReader, Malformed, unescaped
from gateway.formats.video_coding import Coding, Colour, FrameCounter
from gateway.formats.video_turn import UPRIGHT, Matrix

_SLICES = (1, 2, 5)  # other picture, data partition A, instantaneous decoding refresh
_REFRESH = 5
_SUPPLEMENT, _SEQUENCE = 6, 7
_FURTHER_VIEWS = (15, 20)  # subset sequence parameter set and slice extension (Annexes G and H)

CHROMA = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")
_EXTENDED_ASPECT = 255
_ASPECTS = (
    None, (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11),
    (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip

_PROFILES = {
    44: "CAVLC 4:4:4 Intra",
    66: "Baseline",
    77: "Main",
    83: "Scalable Baseline",
    86: "Scalable High",
    88: "Extended",
    100: "High",
    110: "High 10",
    118: "Multiview High",
    122: "High 4:2:2",
    128: "Stereo High",
    244: "High 4:4:4 Predictive",
}
_PROFILES_WITH_CHROMA = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Coding):
    """A sequence parameter set (7.3.2.1).

    `level_code` is ten times the level; `blocks` the frame's size in macroblocks. Only a stream that is
    not `frames_only` may code the two fields of a frame apart. `frame_number_bits` and `colour_planes`
    say how slice headers are laid out.
    """

    profile_code: int
    level_code: int
    blocks: tuple[int, int]
    frames_only: bool
    frame_number_bits: int
    colour_planes: bool

    def counter(self) -> FrameCounter:
        """A counter of this stream's frames."""
        return Frames(self)


def kind(unit: bytes) -> int:
    """The type of a NAL unit (7.4.1)."""
    return unit[0] & 31


def is_picture(unit: bytes) -> bool:
    """Whether the NAL unit is a slice of a picture."""
    return kind(unit) in _SLICES


def configuration(extradata: bytes) -> tuple[int, list[bytes]]:
    """The size of the lengths before NAL units, and the sequence parameter sets, of an `avcC` box.

    Raises `Malformed`. Source: ISO/IEC 14496-15, 5.3.3.1.
    """
    reader = BitReader(extradata)
    if reader.bits(8) != 1:
        raise Malformed("the decoder configuration (avcC) is of an unknown version")
    reader.bits(24)
    size = (reader.bits(8) & 3) + 1
    position = 6
    units = []
    for _ in range(reader.bits(8) & 31):
        length = int.from_bytes(extradata[position : position + 2], "big")
        units.append(extradata[position + 2 : position + 2 + length])
        position += 2 + length
    if position > len(extradata):
        raise Malformed("the decoder configuration (avcC) ends too early")
    return size, [unit for unit in units if unit]


def sequences(units: Iterable[bytes]) -> Iterator[Sequence]:
    """The sequence parameter sets among NAL units; raises `Malformed`."""
    return (parse(unit) for unit in units if kind(unit) == _SEQUENCE)


def obstacle(unit: bytes) -> str | None:
    """What in a NAL unit keeps pictures from being shown one by one as they are coded."""
    if kind(unit) in _FURTHER_VIEWS:
        return sei.FURTHER_VIEWS
    return sei.obstacle(unit[1:]) if kind(unit) == _SUPPLEMENT else None


def turn(unit: bytes) -> Matrix | None:
    """How a NAL unit says that pictures are to be turned; None where not by quarters."""
    return sei.turn(unit[1:]) if kind(unit) == _SUPPLEMENT else UPRIGHT


def parse(unit: bytes) -> Sequence:
    """A sequence parameter set from its NAL unit; raises `Malformed`."""
    reader = BitReader(unescaped(unit[1:]))
    profile, constraints, level = reader.bits(8), reader.bits(8), reader.bits(8)
    reader.unsigned()  # seq_parameter_set_id
    chroma, colour_planes, bits = 1, False, 8
    if profile in _PROFILES_WITH_CHROMA:
        chroma = reader.unsigned()
        if chroma >= len(CHROMA):
            raise Malformed("the sequence parameter set names an unknown chroma format")
        colour_planes = chroma == 3 and reader.flag()
        bits = 8 + max(reader.unsigned(), reader.unsigned())
        reader.flag()  # qpprime_y_zero_transform_bypass_flag
        if reader.flag():
            _skip_scaling_matrix(reader, lists=8 if chroma != 3 else 12)
    frame_number_bits = reader.unsigned() + 4
    _skip_picture_order(reader)
    reader.unsigned()  # max_num_ref_frames
    reader.flag()  # gaps_in_frame_num_value_allowed_flag
    columns, rows = reader.unsigned() + 1, reader.unsigned() + 1
    frames_only = reader.flag()
    if not frames_only:
        rows *= 2
        reader.flag()  # mb_adaptive_frame_field_flag
    reader.flag()  # direct_8x8_inference_flag
    width, height = _cropped(
        reader, columns, rows, chroma=0 if colour_planes else chroma, frames_only=frames_only
    )
    aspect, colour, rate = _usability(reader) if reader.flag() else (None, Colour(), None)
    return Sequence(
        codec="H.264",
        profile=_profile_name(profile, constraints),
        level=_level_name(profile, constraints, level),
        width=width,
        height=height,
        chroma=CHROMA[chroma],
        bits=bits,
        aspect=aspect,
        colour=colour,
        rate=rate,
        profile_code=profile,
        level_code=level,
        blocks=(columns, rows),
        frames_only=frames_only,
        frame_number_bits=frame_number_bits,
        colour_planes=colour_planes,
    )


class Frames:
    """Counts frames: two fields of opposite parity with one frame number are one (3.30, 7.4.3)."""

    shown = None

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._open: tuple[int, bool] | None = None  # frame number and parity of a field without its other

    def begun(self, units: Iterable[bytes]) -> int:
        """How many frames begin in one packet; raises `Malformed`."""
        if self._sequence.frames_only:
            return int(any(map(is_picture, units)))
        return sum(self._begins(unit) for unit in units if is_picture(unit))

    def _begins(self, unit: bytes) -> bool:
        """Whether a slice is the first of a frame, and not of its second field."""
        reader = BitReader(unescaped(unit[1:64]))
        if reader.unsigned() != 0:  # first_mb_in_slice
            return False
        reader.unsigned()  # slice_type
        reader.unsigned()  # pic_parameter_set_id
        if self._sequence.colour_planes and reader.bits(2) != 0:
            return False
        number = reader.bits(self._sequence.frame_number_bits)
        field = reader.flag()
        if not field:
            self._open = None
            return True
        bottom = reader.flag()
        if self._open == (number, not bottom) and kind(unit) != _REFRESH:
            self._open = None
            return False
        self._open = (number, bottom)
        return True


def _profile_name(profile: int, constraints: int) -> str:
    """The name of a profile (Annex A.2)."""
    if profile == 66 and constraints & 0x40:  # constraint_set1_flag: also conforms to Main
        return "Constrained Baseline"
    return _PROFILES.get(profile, f"profile {profile}")


def _level_name(profile: int, constraints: int, level: int) -> str:
    """The name of a level (A.3): 1b has a code of its own only in the High profiles."""
    if level == 9 or (level == 11 and constraints & 0x10 and profile in (66, 77, 88)):
        return "1b"
    return f"{level // 10}.{level % 10}"


def _skip_scaling_matrix(reader: BitReader, lists: int) -> None:
    """Reads over the scaling lists (7.3.2.1.1.1)."""
    for index in range(lists):
        if not reader.flag():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + reader.signed()) % 256
            last = following or last


def _skip_picture_order(reader: BitReader) -> None:
    """Reads over how the order of pictures is counted (8.2.1)."""
    kind_of_count = reader.unsigned()
    if kind_of_count == 0:
        reader.unsigned()
    elif kind_of_count == 1:
        reader.flag()
        reader.signed()
        reader.signed()
        cycle = reader.unsigned()
        if cycle > 255:
            raise Malformed("the sequence parameter set counts pictures in an unknown way")
        for _ in range(cycle):
            reader.signed()


def _cropped(
    reader: BitReader, columns: int, rows: int, *, chroma: int, frames_only: bool
) -> tuple[int, int]:
    """The size that is shown: macroblocks without what the cropping rectangle leaves out (7.4.2.1.1)."""
    width, height = columns * 16, rows * 16
    if reader.flag():
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (1 if frames_only else 2)
    if width <= 0 or height <= 0:
        raise Malformed("the sequence parameter set leaves nothing of the picture")
    return width, height


def _usability(reader: BitReader) -> tuple[Fraction | None, Colour, Fraction | None]:
    """Pixel aspect, colour and frame rate from the video usability information (E.1.1)."""
    aspect = aspect_and_overscan(reader)
    colour = colour_description(reader)
    if reader.flag():  # chroma_loc_info_present_flag
        reader.unsigned()
        reader.unsigned()
    rate = None
    if reader.flag():  # timing_info_present_flag
        tick, scale = reader.bits(32), reader.bits(32)
        if reader.flag() and tick and scale:  # fixed_frame_rate_flag
            rate = Fraction(scale, 2 * tick)  # a tick is the time of a field
    return aspect, colour, rate


def aspect_and_overscan(reader: BitReader) -> Fraction | None:
    """The first part of the usability information, which HEVC writes in the same way."""
    aspect = None
    if reader.flag():  # aspect_ratio_info_present_flag
        code = reader.bits(8)
        pair = _ASPECTS[code] if code < len(_ASPECTS) else None
        if code == _EXTENDED_ASPECT:
            pair = (reader.bits(16), reader.bits(16))
        aspect = Fraction(*pair) if pair and all(pair) else None
    if reader.flag():  # overscan_info_present_flag
        reader.flag()
    return aspect


def colour_description(reader: BitReader) -> Colour:
    """The colour part of the usability information, which HEVC writes in the same way."""
    if not reader.flag():  # video_signal_type_present_flag
        return Colour()
    reader.bits(3)  # video_format
    full_range = reader.flag()
    if not reader.flag():  # colour_description_present_flag
        return Colour(full_range)
    return Colour(full_range, reader.bits(8), reader.bits(8), reader.bits(8))
