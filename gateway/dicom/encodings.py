"""Which pixels each family of objects may carry in which transfer syntax (PS3.5 8.2, PS3.3 A.8 and C.8.12.1).

Colour in visible light objects is fixed by the compression: what the compression itself makes of RGB, and
RGB where it makes nothing of it. Secondary Capture takes what PS3.5 allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.media_types import EXPLICIT_LITTLE, RLE
from gateway.model import Pixels

GREY = ("MONOCHROME2",)

_JPEG = "1.2.840.10008.1.2.4."


def _syntaxes(*ends: str) -> tuple[str, ...]:
    return tuple(_JPEG + end for end in ends)


NATIVE = (EXPLICIT_LITTLE,)
JPEG_BASELINE = _syntaxes("50")
JPEG_EXTENDED = _syntaxes("51")
JPEG_LOSSLESS = _syntaxes("57", "70")
JPEG_LS = _syntaxes("80", "81")
JPEG_2000_LOSSLESS = _syntaxes("90", "201", "202")
"""Reversible wavelets, of HTJ2K as well."""
JPEG_2000 = _syntaxes("91", "203")
JPEG_XL = _syntaxes("110", "112")
JPEG_XL_OF_JPEG = _syntaxes("111")
VIDEO = tuple(_JPEG + end for number in range(100, 107) for end in (str(number), f"{number}.1")) + _syntaxes(
    "107"
)
VIDEO_10 = _syntaxes("108")

PLAIN = (*NATIVE, RLE, *JPEG_LOSSLESS, *JPEG_LS)
"""Without a colour transform of their own."""

EIGHT = (8,)
DEEP = tuple(range(1, 17))


@dataclass(frozen=True, slots=True)
class Encoding:
    """Pixels that an object may carry in some transfer syntaxes: photometric interpretation, bits stored."""

    transfer_syntaxes: tuple[str, ...]
    photometric: tuple[str, ...]
    bits: tuple[int, ...] = EIGHT
    signed: bool = False

    def takes(self, pixels: Pixels) -> bool:
        """Whether these pixels are of this sort."""
        return (
            pixels.photometric_interpretation in self.photometric
            and pixels.bits_stored in self.bits
            and (self.signed or not pixels.pixel_representation)
        )


Encodings = tuple[Encoding, ...]

_GREY_SYNTAXES = (*PLAIN, *JPEG_2000_LOSSLESS, *JPEG_2000, *JPEG_XL)

GREY_8: Encodings = (Encoding((*_GREY_SYNTAXES, *JPEG_BASELINE, *JPEG_EXTENDED, *JPEG_XL_OF_JPEG), GREY),)
"""Grey of 8 bits."""

GREY_16: Encodings = (
    Encoding(_GREY_SYNTAXES, GREY, tuple(range(9, 17))),
    Encoding(JPEG_EXTENDED, GREY, (12,)),
)
"""Grey of more than 8 bits, in two bytes."""

COLOUR_8: Encodings = (
    Encoding(PLAIN, ("RGB",)),
    Encoding(JPEG_BASELINE, ("YBR_FULL_422",)),
    Encoding(JPEG_2000_LOSSLESS, ("YBR_RCT",)),
    Encoding(JPEG_2000, ("YBR_RCT", "YBR_ICT")),
    Encoding(JPEG_XL, ("RGB",)),
    Encoding(_syntaxes("112"), ("XYB",)),
    Encoding(JPEG_XL_OF_JPEG, ("YBR_FULL_422",)),
)
"""Colour as visible light objects have it."""

VISIBLE_LIGHT: Encodings = (*GREY_8, *COLOUR_8)

ANY_PICTURE: Encodings = (
    *VISIBLE_LIGHT,
    Encoding(JPEG_EXTENDED, GREY, (12,)),
    Encoding(_GREY_SYNTAXES, GREY, DEEP, signed=True),
    Encoding(JPEG_BASELINE, ("RGB",)),
    Encoding((*PLAIN, *JPEG_2000_LOSSLESS, *JPEG_2000), ("RGB",), DEEP),
    Encoding((*JPEG_2000_LOSSLESS, *JPEG_2000), ("YBR_RCT",), DEEP),
    Encoding(JPEG_2000, ("YBR_ICT",), DEEP),
    Encoding((*PLAIN, *JPEG_2000_LOSSLESS, *JPEG_2000), ("YBR_FULL",)),
    Encoding(JPEG_XL_OF_JPEG, ("RGB",)),
)
"""What plain Secondary Capture takes beyond: deep and signed pixels, and colours as they are."""

MOVING: Encodings = (
    Encoding(VIDEO, ("YBR_PARTIAL_420",)),
    Encoding(VIDEO_10, ("YBR_PARTIAL_420",), (8, 10)),
)
"""Video streams."""


def obstacle(encodings: Iterable[Encoding], transfer_syntax: str, pixels: Pixels) -> str | None:
    """Why none of these encodings takes the pixels, as the end of a sentence; None if one does."""
    known = [each for each in encodings if transfer_syntax in each.transfer_syntaxes]
    if not known:
        return f"is not stored in the transfer syntax {transfer_syntax}"
    if any(each.takes(pixels) for each in known):
        return None
    colours = pixels.photometric_interpretation
    if not any(colours in each.photometric for each in known):
        return f"is not stored with {colours} pixels in this compression"
    if pixels.pixel_representation and not any(each.signed for each in known):
        return "is not stored with signed pixels"
    return f"is not stored with {pixels.bits_stored} bits a sample"
