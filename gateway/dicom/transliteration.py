"""Characters that a character set does not have, written with those that it has.

`transliteration.yaml` lists what stands for them. For all others Unicode is asked: a letter with an
accent becomes the letter, a compatibility character what it is a form of (a ligature its letters, a
superscript its digit), and kana the kana that the set has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Permits = Callable[[str], bool]
"""Whether a character may stand in the result."""

_HALF_WIDTH = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0xFF61, 0xFFA0)}
_COMPATIBLE = {unicodedata.normalize("NFC", chr(code)): chr(code) for code in range(0xF900, 0xFB00)}
"""Ideographs that Korean sets have under the code of another reading alone."""

_HALF_WIDTH_VOICED = ("\uff9e", "\uff9f")
_JOINED = {"super": "^", "sub": "_", "fraction": " "}
"""What keeps a form of a digit from becoming one more digit of the number before it: 10² is not 102."""


class Untransliterable(ValueError):
    """Nothing stands for a character."""

    def __init__(self, character: str) -> None:
        super().__init__(f"nothing stands for U+{ord(character):04X}")
        self.character = character


@dataclass(frozen=True, slots=True)
class _Table:
    """The lists of `transliteration.yaml`, each with the replacements in their order."""

    letters: Mapping[str, tuple[str, ...]]
    symbols: Mapping[str, tuple[str, ...]]
    signs: Mapping[str, tuple[str, ...]]


@cache
def _table() -> _Table:
    import yaml

    path = Path(__file__).with_name("transliteration.yaml")
    lists = yaml.safe_load(path.read_text(encoding="utf-8"))
    return _Table(
        **{
            name: {
                key: (found,) if isinstance(found, str) else tuple(found) for key, found in entries.items()
            }
            for name, entries in lists.items()
        }
    )


def transliterated(text: str, permits: Permits) -> str:
    """The text, with its accents composed (NFC), with every character that is not permitted replaced.

    Raises `Untransliterable` for the first one that nothing permitted stands for.
    """
    parts: list[str] = []
    place = 0
    while place < len(text):
        here = text[place : place + 3]
        length, part = _replaced(text[max(place - 1, 0) : place], here, permits)
        parts.append(part)
        place += length
    return "".join(parts)


def _replaced(before: str, here: str, permits: Permits) -> tuple[int, str]:
    """How many characters of `here` are replaced, and what stands for them.

    `before` is the character before, if there is one; `here` has those around that decide.
    """
    if permits(here[0]):
        return 1, here[0]
    for length, replacement in _listed(before, here):
        if all(map(permits, replacement)):
            return length, replacement
    base = _without_accent(here[0])
    if base:
        return _replaced(before, base + here[1:], permits)
    for length, resolved in _resolved(before, here):
        try:
            return length, transliterated(resolved, permits)
        except Untransliterable:
            continue
    raise Untransliterable(here[0])


def _listed(before: str, here: str) -> Iterator[tuple[int, str]]:
    """What stands for the first character, or the first two, as it is."""
    table = _table()
    if not _in_word(before + here[0]) and not _in_word(here[:2]):
        yield from ((1, each) for each in table.symbols.get(here[0], ()))
    for length in (2, 1):
        letters = here[:length]
        for each in table.letters.get(letters.lower(), ()):
            yield len(letters), _cased(each, letters, before, here[length : length + 1])
    yield from ((1, each) for each in table.signs.get(here[0], ()))
    yield from _half_width(here[0])
    if here[0] in _COMPATIBLE:
        yield 1, _COMPATIBLE[here[0]]


def _resolved(before: str, here: str) -> Iterator[tuple[int, str]]:
    """What Unicode makes of the first character: text that may have to be transliterated in turn."""
    character = here[0]
    if here[1:2] in _HALF_WIDTH_VOICED:
        yield 2, unicodedata.normalize("NFKC", here[:2])
    if _is_variant(character) or (_is_accent(character) and before.isalpha()):
        yield 1, ""
    form, parts = _decomposition(character)
    if form == "circle":
        yield 1, f"({parts})"
    elif form:
        apart = before.isdecimal() and (parts[0].isdecimal() or parts[0] in "+\u2212")
        yield 1, (_JOINED.get(form, "") if apart else "") + parts


def _without_accent(character: str) -> str:
    """The letter that has an accent in this character, if that is what it is."""
    form, parts = _decomposition(character)
    return parts[0] if not form and len(parts) == 2 and parts[0].isalpha() and _is_accent(parts[1]) else ""


def _decomposition(character: str) -> tuple[str, str]:
    """The form of a compatibility character, else nothing; and what it decomposes to."""
    tokens = unicodedata.decomposition(character).split()
    form = tokens.pop(0).strip("<>") if tokens and tokens[0].startswith("<") else ""
    return form, "".join(chr(int(token, 16)) for token in tokens)


def _half_width(character: str) -> Iterator[tuple[int, str]]:
    """Half-width katakana for other kana; their sound marks are characters of their own."""
    if "ぁ" <= character <= "ゖ":  # hiragana has the order of katakana
        character = chr(ord(character) + ord("ァ") - ord("ぁ"))
    parts = [_HALF_WIDTH.get(part, "") for part in unicodedata.normalize("NFD", character)]
    if all(parts):
        yield 1, "".join(parts)


def _is_accent(character: str) -> bool:
    return "\u0300" <= character <= "\u036f"


def _is_variant(character: str) -> bool:
    """Whether this says only which of the glyphs of a character is meant (Unicode 23.4)."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _in_word(pair: str) -> bool:
    """Whether these are two Greek letters of one word, which μΩ is not."""
    greek = [each.isalpha() and "\u0370" <= each <= "\u1fff" for each in pair]
    return greek == [True, True] and not (pair[0].islower() and pair[1].isupper())


def _cased(replacement: str, letters: str, before: str, after: str) -> str:
    """The replacement in capitals as far as the letters are, and those beside them."""
    if not letters[0].isupper():
        return replacement
    beside = after if after.isalpha() else before
    if letters.isupper() and (len(letters) > 1 or beside.isupper()):
        return replacement.upper()
    return replacement[:1].upper() + replacement[1:]
