"""HEVC (ITU-T H.265, ISO/IEC 23008-2): sequence parameter sets, and where pictures begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from gateway.formats import sei
from gateway.formats.bits import BitReader, Malformed, unescaped
from gateway.formats.h264 import CHROMA, aspect_and_overscan, colour_description
from gateway.formats.video_coding import Coding, Colour, FrameCounter
from gateway.formats.video_turn import UPRIGHT, Matrix

_PICTURES = 32  # NAL unit types below are slices
_SEQUENCE, _SUPPLEMENT = 33, 39

MAIN, MAIN_10 = 1, 2
_PROFILES = {
    1: "Main",
    2: "Main 10",
    3: "Main Still Picture",
    4: "Range Extensions",
    5: "High Throughput",
    6: "Multiview Main",
    7: "Scalable Main",
    8: "3D Main",
    9: "Screen Content Coding",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Coding):
    """A sequence parameter set (7.3.2.2).

    `profiles` are the codes of all profiles that the stream says it conforms to, `level_code` is thirty
    times the level. `fields_apart` says that each picture is one field of a frame.
    """

    profile_code: int
    profiles: frozenset[int]
    level_code: int
    high_tier: bool
    fields_apart: bool

    def counter(self) -> FrameCounter:
        """A counter of this stream's frames."""
        return Frames()


def kind(unit: bytes) -> int:
    """The type of a NAL unit (7.4.2.2)."""
    return unit[0] >> 1 & 63


def is_picture(unit: bytes) -> bool:
    """Whether the NAL unit is a slice of a picture of the base layer."""
    return kind(unit) < _PICTURES and _layer(unit) == 0


def configuration(extradata: bytes) -> tuple[int, list[bytes]]:
    """The size of the lengths before NAL units, and all parameter sets, of an `hvcC` box.

    Raises `Malformed`. Source: ISO/IEC 14496-15, 8.3.3.1.
    """
    if len(extradata) < 23 or extradata[0] > 1:
        raise Malformed("the decoder configuration (hvcC) is of an unknown version")
    position = 23
    units = []
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            length = int.from_bytes(extradata[position : position + 2], "big")
            units.append(extradata[position + 2 : position + 2 + length])
            position += 2 + length
            if position > len(extradata):
                raise Malformed("the decoder configuration (hvcC) ends too early")
    return (extradata[21] & 3) + 1, [unit for unit in units if unit]


def sequences(units: Iterable[bytes]) -> Iterator[Sequence]:
    """The sequence parameter sets of the base layer among NAL units; raises `Malformed`."""
    return (parse(unit) for unit in units if kind(unit) == _SEQUENCE and _layer(unit) == 0)


def obstacle(unit: bytes) -> str | None:
    """What in a NAL unit keeps pictures from being shown one by one as they are coded."""
    return sei.obstacle(unit[2:]) if kind(unit) == _SUPPLEMENT else None


def turn(unit: bytes) -> Matrix | None:
    """How a NAL unit says that pictures are to be turned; None where not by quarters."""
    return sei.turn(unit[2:]) if kind(unit) == _SUPPLEMENT else UPRIGHT


def parse(unit: bytes) -> Sequence:
    """A sequence parameter set from its NAL unit; raises `Malformed`."""
    reader = BitReader(unescaped(unit[2:]))
    reader.bits(4)  # sps_video_parameter_set_id
    sub_layers = reader.bits(3)
    reader.flag()  # sps_temporal_id_nesting_flag
    high_tier, profile, profiles, level = _profile_tier_level(reader, sub_layers)
    reader.unsigned()  # sps_seq_parameter_set_id
    chroma = reader.unsigned()
    if chroma >= len(CHROMA):
        raise Malformed("the sequence parameter set names an unknown chroma format")
    if chroma == 3:
        reader.flag()  # separate_colour_plane_flag
    width, height = _window(reader, chroma)
    bits = 8 + max(reader.unsigned(), reader.unsigned())
    _skip_coding_tools(reader, sub_layers)
    aspect, colour, rate, fields_apart = (
        _usability(reader) if reader.flag() else (None, Colour(), None, False)
    )
    return Sequence(
        codec="HEVC",
        profile=_PROFILES.get(profile, f"profile {profile}"),
        level=f"{level // 30}.{level % 30 // 3}",
        width=width,
        height=height,
        chroma=CHROMA[chroma],
        bits=bits,
        aspect=aspect,
        colour=colour,
        rate=rate,
        profile_code=profile,
        profiles=profiles,
        level_code=level,
        high_tier=high_tier,
        fields_apart=fields_apart,
    )


class Frames:
    """Counts frames: each picture is one."""

    shown = None

    def begun(self, units: Iterable[bytes]) -> int:
        """How many frames begin in one packet: a packet is one picture."""
        return int(any(map(is_picture, units)))


def _layer(unit: bytes) -> int:
    """The layer that a NAL unit belongs to; 0 is the base."""
    return (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 1 else 0


def _profile_tier_level(reader: BitReader, sub_layers: int) -> tuple[bool, int, frozenset[int], int]:
    """Tier, profile, all profiles conformed to, and level (7.3.3)."""
    reader.bits(2)  # general_profile_space
    high_tier = reader.flag()
    profile = reader.bits(5)
    profiles = frozenset({profile, *(code for code in range(32) if reader.flag())})
    reader.bits(48)  # source flags and constraints
    level = reader.bits(8)
    present = [(reader.flag(), reader.flag()) for _ in range(sub_layers)]
    if sub_layers:
        reader.bits(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        reader.bits(88 * has_profile + 8 * has_level)
    return high_tier, profile, profiles, level


def _window(reader: BitReader, chroma: int) -> tuple[int, int]:
    """The size that is shown: what the conformance window leaves of the coded picture (7.4.3.2.1)."""
    width, height = reader.unsigned(), reader.unsigned()
    if reader.flag():
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    if width <= 0 or height <= 0:
        raise Malformed("the sequence parameter set leaves nothing of the picture")
    return width, height


def _skip_coding_tools(reader: BitReader, sub_layers: int) -> None:
    """Reads over what only a decoder needs, between the bit depths and the usability information."""
    order_bits = reader.unsigned() + 4
    for _ in range(sub_layers + 1 if reader.flag() else 1):
        for _ in range(3):
            reader.unsigned()
    for _ in range(6):
        reader.unsigned()  # sizes of coding and transform blocks, depths of their hierarchy
    if reader.flag() and reader.flag():
        _skip_scaling_lists(reader)
    reader.bits(2)  # asymmetric partitions, sample adaptive offset
    if reader.flag():  # pcm_enabled_flag
        reader.bits(8)
        reader.unsigned()
        reader.unsigned()
        reader.flag()
    _skip_reference_sets(reader)
    if reader.flag():  # long_term_ref_pics_present_flag
        count = reader.unsigned()
        if count > 32:
            raise Malformed("the sequence parameter set has too many reference pictures")
        reader.bits(count * (order_bits + 1))
    reader.bits(2)  # temporal motion vectors, strong intra smoothing


def _skip_scaling_lists(reader: BitReader) -> None:
    """Reads over the scaling lists (7.3.4)."""
    for size in range(4):
        for _ in range(6 if size < 3 else 2):
            if not reader.flag():  # taken from another list
                reader.unsigned()
                continue
            if size > 1:
                reader.signed()
            for _ in range(min(64, 1 << (4 + 2 * size))):
                reader.signed()


def _skip_reference_sets(reader: BitReader) -> None:
    """Reads over the short-term reference picture sets (7.3.7); each may build on the one before."""
    count = reader.unsigned()
    if count > 64:
        raise Malformed("the sequence parameter set has too many reference picture sets")
    pictures = 0
    for index in range(count):
        if index and reader.flag():  # inter_ref_pic_set_prediction_flag
            reader.flag()
            reader.unsigned()
            kept = 0
            for _ in range(pictures + 1):
                used = reader.flag()
                kept += used or reader.flag()
            pictures = kept
            continue
        pictures = reader.unsigned() + reader.unsigned()
        if pictures > 16:
            raise Malformed("the sequence parameter set has too many reference pictures")
        for _ in range(pictures):
            reader.unsigned()
            reader.flag()


def _usability(reader: BitReader) -> tuple[Fraction | None, Colour, Fraction | None, bool]:
    """Pixel aspect, colour, frame rate and whether fields are coded apart (E.2.1)."""
    aspect = aspect_and_overscan(reader)
    colour = colour_description(reader)
    if reader.flag():  # chroma_loc_info_present_flag
        reader.unsigned()
        reader.unsigned()
    reader.flag()  # neutral_chroma_indication_flag
    fields_apart = reader.flag()
    reader.flag()  # frame_field_info_present_flag
    if reader.flag():  # default_display_window_flag
        for _ in range(4):
            reader.unsigned()
    rate = None
    if reader.flag():  # vui_timing_info_present_flag
        tick, scale = reader.bits(32), reader.bits(32)
        rate = Fraction(scale, tick) if tick and scale else None
    return aspect, colour, rate, fields_apart
