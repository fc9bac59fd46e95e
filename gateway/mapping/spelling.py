"""When two texts are one, however they are typed: capitals, and accents that are letters of their own."""

from __future__ import annotations

import unicodedata


def alike(text: str) -> str:
    """The form that all spellings of a text share in which it may be compared."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()
