"""Which DICOM transfer syntax may carry a video (PS3.5 8.2.5 to 8.2.12).

Pictures and sound travel as they are, in their container. What no transfer syntax permits is refused with
the reason and with what would make it fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from gateway.formats import h264, hevc, mpeg2
from gateway.formats.video_coding import Coding
from gateway.formats.video_foreign import Foreign

FRAGMENT = 2**32 - 2
"""Bytes that one fragment holds (PS3.5 A.4, 7.5)."""


class Container(Enum):
    """What pictures and sound are multiplexed in: what it is called, and how a sentence names it."""

    MP4 = ("MP4", "MP4")
    TRANSPORT = ("MPEG-TS", "an MPEG transport stream")
    PROGRAM = ("MPEG-PS", "an MPEG program stream")
    QUICKTIME = ("QuickTime", "a QuickTime movie")
    MOBILE = ("3GP", "3GP")
    MATROSKA = ("Matroska", "Matroska")
    AVI = ("AVI", "AVI")
    FLASH = ("Flash video", "Flash video")
    BARE = ("bare", "a bare stream")

    @property
    def short(self) -> str:
        """Its name in a table."""
        return self.value[0]

    @property
    def title(self) -> str:
        """Its name in a sentence, behind "in"."""
        return self.value[1]


class Unsuitable(Exception):
    """No transfer syntax permits this; `remedy` may name the file as `{file}` and its stem as `{stem}`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Carrier:
    """A transfer syntax, the media type of its streams (PS3.18 Table 8.7.3-5), and its compression's name."""

    uid: str
    media_type: str
    method: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound track. `bit_rate` is in bits a second, None where the file does not say; `stream` its place."""

    codec: str
    rate: int
    channels: int
    bit_rate: int | None
    stream: int = -1

    @property
    def title(self) -> str:
        """What it is, for a sentence."""
        kilohertz = f"{self.rate / 1000:g} kHz" if self.rate else "unknown rate"
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        return f"{_SOUNDS.get(self.codec, self.codec)} sound of {kilohertz} with {channels}"


@dataclass(frozen=True, slots=True)
class Level:
    """What a transfer syntax permits.

    `level` is in the coding's own numbers; `blocks` the picture's size in macroblocks or samples and
    `speed` as many a second. `bit_rate` (bits a second) and `buffer` (bits) are what a decoder must keep
    up with. Archives and viewers take denser streams too, so these refuse nothing.
    """

    carrier: Carrier
    level: int
    blocks: int
    speed: int
    bit_rate: int
    buffer: int

    def strain(self, rate: Fraction, frames: int, size: int) -> str | None:
        """What of the stream is denser than the level promises to decoders; None if nothing is.

        `frames` of the stream took `size` bytes, at `rate` frames a second.
        """
        if size * 8 <= self.buffer + self.bit_rate * frames / rate:
            return None
        bits = float(size * 8 * rate / frames) / 1_000_000
        return (
            f"has {bits:.3g} Mbit a second, and its level promises decoders at most "
            f"{self.bit_rate / 1_000_000:g}; a viewer may not keep up"
        )


RECODE = "Give --transcode to have it converted to H.264 High"
SOUND = "Give --audio convert to have it converted, or --audio drop to leave it out"
RATE = "Give it with --frame-rate"
_FFMPEG = "for example with: ffmpeg -i {file}"
_WEAVE = (
    f"Convert it first, {_FFMPEG} -vf yadif -c:v libx264 -profile:v high -level:v 4.1 -pix_fmt yuv420p "
    "-c:a aac -ar 48000 -ac 2 {stem}-dicom.mp4"
)
SPLIT = (
    f"Split it into shorter recordings, {_FFMPEG} -map 0 -c copy -f segment -segment_time 1800 "
    f"-reset_timestamps 1 {{stem}}-%03d.mp4"
)
ONE_SOUND = f"Choose one, {_FFMPEG} -map 0:v:0 -map 0:a:0 -c copy {{stem}}-dicom.mp4"
ONE_VIEW = "Export one view by itself, as H.264 High in MP4"
STANDARD_COLOUR = "Export it again with standard colours (SDR, BT.709) and 8 bits"
"""What would help. `{file}` and `{stem}` stand for the file and its name without the extension."""

_H264_LEVELS = (  # ITU-T H.264 Table A-1, with the factors of the High profile for whole NAL units (A.3.3)
    Level(
        Carrier("1.2.840.10008.1.2.4.102", "video/mp4", "ISO_14496_10"),
        41,
        8192,
        245_760,
        75_000_000,
        93_750_000,
    ),
    Level(
        Carrier("1.2.840.10008.1.2.4.104", "video/mp4", "ISO_14496_10"),
        42,
        8704,
        522_240,
        75_000_000,
        93_750_000,
    ),
)
_HEVC_LIMITS = (
    153,
    8_912_896,
    534_773_760,
    44_000_000,
    44_000_000,
)  # ITU-T H.265 Tables A.8 and A.9, level 5.1
_HEVC_MAIN = Level(Carrier("1.2.840.10008.1.2.4.107", "video/H265", "ISO_23008_2"), *_HEVC_LIMITS)
_HEVC_MAIN_10 = Level(Carrier("1.2.840.10008.1.2.4.108", "video/H265", "ISO_23008_2"), *_HEVC_LIMITS)
_MPEG2_MAIN = Level(  # ISO/IEC 13818-2 Tables 8-11 to 8-14
    Carrier("1.2.840.10008.1.2.4.100", "video/mpeg", "ISO_13818_2"),
    8,
    720 * 576,
    10_368_000,
    15_000_000,
    1_835_008,
)
_MPEG2_HIGH = Level(
    Carrier("1.2.840.10008.1.2.4.101", "video/mpeg", "ISO_13818_2"),
    4,
    1920 * 1152,
    62_668_800,
    80_000_000,
    9_781_248,
)
_MPEG2_HIGH_RATES = {  # PS3.5 Tables 8-2 and 8-3
    (1280, 720): (25, Fraction(30000, 1001), 30, 50, Fraction(60000, 1001), 60),
    (1920, 1080): (25, Fraction(30000, 1001), 30),
}

_BT2020_PRIMARIES = 9
_RGB = 0
_HIGH_DYNAMIC_RANGE = (16, 18)  # transfer characteristics PQ and HLG
_LUMA_AND_CHROMA = (1, 2, 4, 5, 6, 7)  # matrix coefficients that YBR_PARTIAL_420 may stand for

_SOUNDS = {
    "aac": "AAC",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "mp2": "MPEG-1 Layer II",
    "mp3": "MP3",
    "opus": "Opus",
    "pcm_bluray": "LPCM",
    "vorbis": "Vorbis",
}
_THREE_RATES = (32000, 44100, 48000)
_SOUND_RULES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, str]] = {  # PS3.5 8.2.12
    "aac": ((48000,), (2, 6), 640_000, "AAC of 48 kHz with 2 or 5.1 channels"),
    "mp3": (_THREE_RATES, (1, 2), 320_000, "MP3 of 32, 44.1 or 48 kHz with 1 or 2 channels"),
    "mp2": (_THREE_RATES, (2,), 384_000, "MPEG-1 Layer II of 32, 44.1 or 48 kHz with 2 channels"),
    "ac3": ((48000,), (2, 6), 640_000, "AC-3 of 48 kHz with 2 or 5.1 channels"),
    "pcm_bluray": ((48000, 96000), (2,), 4_608_000, "LPCM of 48 or 96 kHz with 2 channels"),
}
_TRANSPORT_ONLY = ("ac3", "pcm_bluray")


def check_pictures(coding: Coding, size: int) -> None:
    """Refuses pictures that no transfer syntax permits, as far as headers tell, in a file of `size` bytes.

    Raises `Unsuitable`.
    """
    _check_colour(coding)
    if isinstance(coding, Foreign):
        raise Unsuitable("DICOM has no transfer syntax for it", RECODE)
    if isinstance(coding, h264.Sequence):
        _check_h264(coding)
    elif isinstance(coding, hevc.Sequence):
        _check_hevc(coding)
    elif isinstance(coding, mpeg2.Sequence):
        _check_mpeg2(coding)
    if size > FRAGMENT and not isinstance(coding, hevc.Sequence):
        raise Unsuitable(
            f"DICOM has {coding.codec} in one fragment of at most {FRAGMENT:,} bytes, and the file has "
            f"{size:,}; the fragmentable transfer syntaxes, which few archives know, are not used",
            SPLIT,
        )


def suits(coding: Coding, container: Container) -> bool:
    """Whether a transfer syntax permits the container for the coding.

    For MPEG-2 the standard permits all; those that it names are stored.
    """
    if container is Container.PROGRAM:
        return isinstance(coding, mpeg2.Sequence)
    return container in (Container.MP4, Container.TRANSPORT)


def level_for(coding: Coding, rate: Fraction) -> Level:
    """What carries the pictures that `check_pictures` let pass, at `rate` frames a second.

    The lowest level that permits them is taken. The transfer syntax for Blu-ray discs (.103) says nothing
    that .102 does not and is not used. Raises `Unsuitable` where the pictures are too large or too fast
    for every level.
    """
    blocks = coding.width * coding.height
    if isinstance(coding, h264.Sequence):
        blocks = coding.blocks[0] * coding.blocks[1]
        levels = [level for level in _H264_LEVELS if coding.level_code <= level.level]
        levels = [level for level in levels if max(coding.blocks) ** 2 <= 8 * level.blocks]
    elif isinstance(coding, hevc.Sequence):
        levels = [_HEVC_MAIN if _is_main(coding) else _HEVC_MAIN_10]
    else:
        levels = [_mpeg2_level(coding)]
    for level in levels:
        if blocks <= level.blocks and blocks * rate <= level.speed:
            return level
    size = f"{coding.width}x{coding.height} at {float(rate):.4g} frames a second"
    raise Unsuitable(f"{size} is more than the levels permit that DICOM has for {coding.codec}", RECODE)


def check_sound(sound: Sound, coding: Coding, container: Container) -> None:
    """Refuses sound that may not go with the pictures; raises `Unsuitable`."""
    allowed = [
        codec for codec in _SOUND_RULES if container is Container.TRANSPORT or codec not in _TRANSPORT_ONLY
    ]
    if isinstance(coding, mpeg2.Sequence):
        allowed = ["mp3"]
    rule = _SOUND_RULES[sound.codec] if sound.codec in allowed else None
    if rule and sound.rate in rule[0] and sound.channels in rule[1] and (sound.bit_rate or 0) <= rule[2]:
        return
    texts = "; ".join(_SOUND_RULES[codec][3] for codec in ([sound.codec] if rule else allowed))
    raise Unsuitable(
        f"its {sound.title} may not go with {coding.codec} in {container.title}; DICOM permits {texts}",
        SOUND,
    )


def _check_h264(coding: h264.Sequence) -> None:
    """PS3.5 8.2.7, 8.2.8."""
    if coding.profile_code in (118, 128):
        raise Unsuitable(
            "the views of two eyes are not stored by this version", "Export one view as H.264 High"
        )
    if coding.profile_code != 100:
        raise Unsuitable("DICOM takes H.264 in High profile only, up to level 4.2", RECODE)
    if coding.chroma != "4:2:0" or coding.bits != 8:
        raise Unsuitable(
            f"DICOM takes H.264 as 4:2:0 with 8 bits, not as {coding.chroma} with {coding.bits}", RECODE
        )
    if coding.level_code > _H264_LEVELS[-1].level:
        raise Unsuitable("DICOM takes H.264 up to level 4.2 only", RECODE)
    _check_square(coding)


def _check_hevc(coding: hevc.Sequence) -> None:
    """PS3.5 8.2.10, 8.2.11."""
    if coding.fields_apart:
        raise Unsuitable("the two fields of its frames are pictures of their own", _WEAVE)
    if not coding.profiles & {hevc.MAIN, hevc.MAIN_10}:
        raise Unsuitable("DICOM takes HEVC in Main or Main 10 profile only", RECODE)
    if coding.chroma != "4:2:0" or coding.bits != (8 if _is_main(coding) else 10):
        raise Unsuitable(
            f"DICOM takes HEVC as 4:2:0 with 8 bits (Main) or 10 bits (Main 10), not as {coding.chroma} "
            f"with {coding.bits}",
            RECODE,
        )
    if coding.level_code > _HEVC_MAIN.level or coding.high_tier:
        tier = "High" if coding.high_tier else "Main"
        raise Unsuitable(
            f"DICOM takes HEVC up to level 5.1 in Main tier, not {coding.level} in {tier} tier",
            RECODE,
        )
    _check_square(coding)


def _check_mpeg2(coding: mpeg2.Sequence) -> None:
    """PS3.5 8.2.5, 8.2.6."""
    if coding.codec != "MPEG-2":
        raise Unsuitable("DICOM has no transfer syntax for it", RECODE)
    if coding.profile_code != mpeg2.MAIN_PROFILE or coding.chroma != "4:2:0":
        raise Unsuitable(f"DICOM takes MPEG-2 in Main profile as 4:2:0 only, not as {coding.chroma}", RECODE)
    if coding.rate is None or coding.aspect is None:
        raise Unsuitable("its sequence header names no frame rate or no aspect ratio", RECODE)
    if coding.level_code == mpeg2.MAIN_LEVEL:
        if coding.width > 720 or coding.height > (480 if coding.rate > 25 else 576) or coding.rate > 30:
            raise Unsuitable(
                f"DICOM takes MPEG-2 of Main level up to 720x480 at 30 or 720x576 at 25 frames a second, not "
                f"at {float(coding.rate):.4g}",
                RECODE,
            )
        return
    if coding.level_code != mpeg2.HIGH_LEVEL:
        raise Unsuitable("DICOM takes MPEG-2 in Main level or High level only", RECODE)
    rates = _MPEG2_HIGH_RATES.get((coding.width, coding.height), ())
    if coding.rate not in rates or (coding.height == 1080 and coding.rate > 30):
        raise Unsuitable(
            f"DICOM takes MPEG-2 of High level as 1920x1080 at 25, 29.97 or 30 frames a second, and as "
            f"1280x720 at 25, 29.97, 30, 50, 59.94 or 60, not at {float(coding.rate):.4g}",
            RECODE,
        )
    if coding.display_code != mpeg2.WIDE_DISPLAY:
        raise Unsuitable(
            "DICOM takes MPEG-2 of High level with a display aspect ratio of 16:9 only",
            RECODE,
        )


def _check_square(coding: Coding) -> None:
    """Refuses pixels that are not square."""
    if coding.aspect not in (None, 1):
        shape = f"{coding.aspect.numerator}:{coding.aspect.denominator}"
        raise Unsuitable(
            f"its pixels are {shape} instead of square, as DICOM has them for {coding.codec}", RECODE
        )


def _check_colour(coding: Coding) -> None:
    """Refuses colours that would be shown wrong, because an object cannot say what they are."""
    colour = coding.colour
    if colour.transfer in _HIGH_DYNAMIC_RANGE or colour.primaries == _BT2020_PRIMARIES:
        raise Unsuitable("DICOM cannot say that its colours are HDR or BT.2020", STANDARD_COLOUR)
    if colour.matrix not in _LUMA_AND_CHROMA:
        remedy = RECODE if colour.matrix == _RGB else STANDARD_COLOUR
        raise Unsuitable("its colours are not the luma and chroma of YBR_PARTIAL_420", remedy)


def _is_main(coding: hevc.Sequence) -> bool:
    """Whether a stream conforms to Main; one of 8 bits in Main 10 may say so as well."""
    return hevc.MAIN in coding.profiles and coding.bits == 8


def _mpeg2_level(coding: Coding) -> Level:
    """The level that an MPEG-2 stream names."""
    main = isinstance(coding, mpeg2.Sequence) and coding.level_code == mpeg2.MAIN_LEVEL
    return _MPEG2_MAIN if main else _MPEG2_HIGH
