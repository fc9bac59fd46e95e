"""Transfer syntaxes and media types, judged by pydicom's dictionary of UIDs."""

from __future__ import annotations

import pytest
from pydicom.uid import UID, UID_dictionary

from gateway import media_types
from gateway.media_types import (
    MEDIA_TYPES,
    default_transfer_syntax,
    is_native,
    is_video,
    may_be_fragmented,
)

_SYNTAXES = [UID(uid) for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"]
_JPEG_FAMILY = "1.2.840.10008.1.2.4"
_TOO_NEW = {f"{_JPEG_FAMILY}.{end}" for end in ("110", "111", "112")}
"""JPEG XL, which came after pydicom's dictionary."""


@pytest.mark.parametrize("syntax", sorted(set(MEDIA_TYPES) | set(media_types.INFLATED)))
def test_every_transfer_syntax_is_one(syntax: str) -> None:
    if syntax in _TOO_NEW:
        return
    assert syntax in _SYNTAXES
    assert is_native(syntax) is (not UID(syntax).is_encapsulated or "JPIP" in UID(syntax).name)
    assert ("Deflate" in UID(syntax).name) is (syntax in media_types.INFLATED)


@pytest.mark.parametrize("syntax", _SYNTAXES)
def test_videos_are_those_that_are_called_so(syntax: UID) -> None:
    assert is_video(syntax) is any(word in syntax.name for word in ("MPEG2 ", "MPEG-4", "HEVC"))


@pytest.mark.parametrize(
    ("media_type", "syntax"),
    [
        ("image/jpeg", f"{_JPEG_FAMILY}.70"),
        ("IMAGE/JPEG", f"{_JPEG_FAMILY}.70"),
        ("image/jp2", f"{_JPEG_FAMILY}.90"),
        ("image/dicom-rle", "1.2.840.10008.1.2.5"),
        ("video/mp4", f"{_JPEG_FAMILY}.102"),
        ("video/h265", f"{_JPEG_FAMILY}.107"),
        ("application/octet-stream", "1.2.840.10008.1.2.1"),
        ("image/png", None),
    ],
)
def test_a_media_type_by_itself_means_one_transfer_syntax(media_type: str, syntax: str | None) -> None:
    assert default_transfer_syntax(media_type) == syntax


def test_streams_of_videos_are_one_fragment_unless_made_for_more() -> None:
    alone = {"5", "4.100", "4.101", "4.102", "4.103", "4.104", "4.105", "4.106"}
    assert {s for s in MEDIA_TYPES if not may_be_fragmented(s)} == {
        f"1.2.840.10008.1.2.{end}" for end in alone
    }
