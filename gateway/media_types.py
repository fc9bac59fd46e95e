"""Transfer syntaxes and the media types that their pixel data travel under (PS3.18 8.7.3).

Bulk data parts name both: `image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"

OCTETS = "application/octet-stream"

_JPEG_FAMILY = "1.2.840.10008.1.2.4"

_BY_MEDIA_TYPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        OCTETS: (EXPLICIT_LITTLE,),
        "image/jpeg": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("70", "50", "51", "57")),
        "image/dicom-rle": (RLE,),
        "image/jls": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("80", "81")),
        "image/jp2": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("90", "91")),
        "image/jpx": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("92", "93")),
        "image/jphc": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("201", "202", "203")),
        "image/jxl": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("110", "111", "112")),
        "video/mpeg": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("101", "100", "100.1", "101.1")),
        "video/mp4": tuple(
            f"{_JPEG_FAMILY}.{end}"
            for end in ("102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106", "106.1")
        ),
        "video/H265": tuple(f"{_JPEG_FAMILY}.{end}" for end in ("107", "108")),
    }
)
"""PS3.18 Table 8.7.3-5; the first transfer syntax is meant when a part names none."""

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {syntax: media_type for media_type, syntaxes in _BY_MEDIA_TYPE.items() for syntax in syntaxes}
)
"""The media type of pixel data in each transfer syntax that PS3.18 has one for."""

INFLATED: Mapping[str, str] = MappingProxyType(
    {
        DEFLATED: EXPLICIT_LITTLE,
        f"{_JPEG_FAMILY}.95": f"{_JPEG_FAMILY}.94",
        f"{_JPEG_FAMILY}.205": f"{_JPEG_FAMILY}.204",
    }
)
"""Transfer syntaxes whose data set is deflated (PS3.5 A.5), and what they are without that."""

FORBIDDEN: Mapping[str, str] = MappingProxyType(
    {IMPLICIT_LITTLE: "Implicit VR Little Endian", EXPLICIT_BIG: "Explicit VR Big Endian"}
)
"""Transfer syntaxes that no web service may carry (PS3.18 8.6.2.1 and 8.7.3), and their names."""

_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, *INFLATED, *INFLATED.values()})
_ONE_FRAGMENT = frozenset({RLE, *(f"{_JPEG_FAMILY}.{end}" for end in range(100, 107))})


def default_transfer_syntax(media_type: str) -> str | None:
    """The transfer syntax that a media type without a `transfer-syntax` parameter stands for.

    Capitals do not matter (RFC 9110 8.3.1); None for a type that is none of pixel data.
    """
    wanted = media_type.lower()
    return next((syntaxes[0] for name, syntaxes in _BY_MEDIA_TYPE.items() if name.lower() == wanted), None)


def is_native(transfer_syntax: str) -> bool:
    """Whether pixel data in this transfer syntax are uncompressed and not wrapped into fragments."""
    return transfer_syntax in _NATIVE


def is_video(transfer_syntax: str) -> bool:
    """Whether pixel data in this transfer syntax are one stream of all frames (PS3.5 8.2.5 and following)."""
    return MEDIA_TYPES.get(transfer_syntax, "").startswith("video/")


def may_be_fragmented(transfer_syntax: str) -> bool:
    """Whether one frame, or one video, may be spread over several fragments (PS3.5 A.4).

    MPEG-2 and H.264 streams may not unless in a transfer syntax made for it, nor may RLE frames.
    """
    return transfer_syntax not in _ONE_FRAGMENT
