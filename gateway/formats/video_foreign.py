"""Codings of pictures that DICOM has no transfer syntax for, as far as libav knows them undecoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from gateway.formats.video_coding import Coding, Colour, FrameCounter

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_CODINGS: dict[str, tuple[str, str | None]] = {
    "av1": ("AV1", "AV1"),
    "dnxhd": ("VC-3 (DNxHD)", "SMPTE_ST_2019_1"),
    "dvvideo": ("DV", "IEC_61834_2"),
    "ffv1": ("FFV1", None),
    "ffvhuff": ("HuffYUV", None),
    "h263": ("H.263", "ITU_T_H_263"),
    "huffyuv": ("HuffYUV", None),
    "mjpeg": ("Motion JPEG", "ISO_10918_1"),
    "mpeg4": ("MPEG-4 Part 2", "ISO_14496_2"),
    "msmpeg4v2": ("MS-MPEG-4 version 2", "MSMPEG4V2"),
    "msmpeg4v3": ("MS-MPEG-4 version 3", "MSMPEG4V3"),
    "png": ("PNG", None),
    "prores": ("ProRes", "SMPTE_RDD_36"),
    "qtrle": ("QuickTime Animation", None),
    "rawvideo": ("uncompressed video", None),
    "utvideo": ("Ut Video", None),
    "vc1": ("VC-1", "SMPTE_ST_421"),
    "vp8": ("VP8", "VP8"),
    "vp9": ("VP9", "VP9"),
}
"""By libav's names: what a coding is called, and the term for its compression, None where nothing is lost.

The terms for Lossy Image Compression Method (PS3.3 C.7.6.1.1.5) are open to others: the number of the
standard where one has it, in the form of those defined, else the coding's own name.
"""
_METHODS = {
    "H.264": "ISO_14496_10",
    "HEVC": "ISO_23008_2",
    "MPEG-1": "ISO_11172_2",
    "MPEG-2": "ISO_13818_2",
}
_AV1_LEVELS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign(Coding):
    """What the container says of pictures whose own headers are not read; each packet is a frame.

    `method` is the term for the loss that they went through, None where there was none.
    """

    method: str | None

    @property
    def title(self) -> str:
        """Codec, profile and level, as far as they are known."""
        level = f"@L{self.level}" if self.level else ""
        return f"{self.codec} {self.profile}{level}" if self.profile else self.codec

    def counter(self) -> FrameCounter:
        """A counter of packets."""
        return _Packets()


class _Packets:
    """Counts packets."""

    shown = None

    def begun(self, units: Iterable[bytes]) -> int:
        """Each packet is a frame."""
        return 1


def look(stream: VideoStream, size: tuple[int, int] | None) -> Foreign | None:
    """The coding of a stream; None where it is none of those that are converted or has no size.

    `size` is the one that the index of an MP4 file gives, where that is left to it.
    """
    context: VideoCodecContext | None = stream.codec_context
    if context is None:
        return None
    name = context.codec.canonical_name
    width, height = (context.width, context.height) if context.width else size or (0, 0)
    if name not in _CODINGS or not width or not height:
        return None
    title, method = _CODINGS[name]
    return Foreign(
        codec=title,
        profile=(context.profile or "").removesuffix(" Profile"),
        level=_level(name, context.level),
        width=width,
        height=height,
        chroma="",
        bits=8,
        aspect=stream.sample_aspect_ratio or None,
        colour=Colour(
            primaries=context.color_primaries, transfer=context.color_trc, matrix=context.colorspace
        ),
        rate=_rate(stream),
        method=method,
    )


def title(name: str) -> str:
    """What people call a coding that libav calls so."""
    return _CODINGS[name][0] if name in _CODINGS else name.upper() or "pictures of an unknown coding"


def method(coding: Coding) -> str | None:
    """The term for the compression that pictures went through; None where nothing was lost."""
    return coding.method if isinstance(coding, Foreign) else _METHODS[coding.codec]


def _level(name: str, level: int) -> str:
    """A level as people write it; empty where it is not known."""
    if level < 0:
        return ""
    if name == "av1":  # two bits of it are behind the point (AV1 Bitstream & Decoding Process, A.3)
        return f"{2 + level // 4}.{level % 4}" if level < _AV1_LEVELS else ""
    return str(level) if name == "mpeg4" else ""


def _rate(stream: VideoStream) -> Fraction | None:
    """The rate that the container names."""
    return Fraction(stream.average_rate) if stream.average_rate else None
