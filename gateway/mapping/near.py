"""Names that a pattern nearly matches: what a person would have to change for it to match."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 120
"""Characters of a name that are tried; a longer one is no slip of the pen."""

EXTENSIONS = (
    "jpg",
    "jpeg",
    "png",
    "tif",
    "tiff",
    "bmp",
    "heic",
    "webp",
    "pdf",
    "xml",
    "mp4",
    "mov",
    "avi",
    "stl",
)
_SIGNS = "_- .0a"


def nearly(regex: re.Pattern[str], text: str) -> str | None:
    """What keeps a text from matching as a whole, if that is one small thing; None otherwise."""
    if len(text) > LONGEST or regex.fullmatch(text):
        return None
    if re.compile(regex.pattern, regex.flags | re.IGNORECASE).fullmatch(text):
        return "but for capitals and small letters: put (?i) at the beginning of the pattern"
    return next((reason for variant, reason in _variants(text) if regex.fullmatch(variant)), None)


def _variants(text: str) -> Iterator[tuple[str, str]]:
    """The text with one small thing changed, and what that is."""
    if text.strip() != text:
        yield text.strip(), "but for white space at its ends"
    stem, dot, extension = text.rpartition(".")
    if dot and extension.lower() in EXTENSIONS:
        for other in EXTENSIONS:
            for written in (other, other.upper()):
                if extension.lower() != other:
                    yield (
                        f"{stem}.{written}",
                        f"but for its extension: it expects .{written}, not .{extension}",
                    )
    for place, sign in enumerate(text):
        where = _where(text, place, sign)
        yield text[:place] + text[place + 1 :], f"but for one {_kind(sign)} too many{where}"
    for place in range(len(text) + 1):
        for sign in _SIGNS:
            where = _where(text, place, sign)
            yield text[:place] + sign + text[place:], f"but for one {_kind(sign)} that is missing{where}"
    for place, given in enumerate(text):
        for sign in _SIGNS:
            changed = text[:place] + sign + text[place + 1 :]
            yield changed, f"but for {given!r} where it expects a {_kind(sign)}, the {_nth(place)} character"


def _kind(sign: str) -> str:
    if sign.isdigit():
        return "digit"
    return "letter" if sign.isalpha() else repr(sign)


def _where(text: str, place: int, sign: str) -> str:
    """Where a sign is too many or missing: in which number, or at which character."""
    for number in re.finditer("[0-9]+", text) if sign.isdigit() else ():
        if number.start() <= place <= number.end() and len(number[0]) > 1:
            return f" in {number[0]}"
    return f", the {_nth(place)} character"


def _nth(place: int) -> str:
    number = place + 1
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
