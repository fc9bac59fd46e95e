"""Which characters a Specific Character Set has, and how text is written in it (PS3.5 6.1.2).

A repertoire is either a code for itself (UTF-8, GB18030, GBK), or a code table of two halves to which
sets of characters are designated: ASCII to the left (G0), another to the right (G1). Where several are
declared, escape sequences designate others, and what the first value declares is in effect again before
each delimiter, control character and end of a value (PS3.5 6.1.2.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Protocol

_CONTROLS = frozenset("\t\n\f\r")
"""Those that text may have (PS3.5 6.1.3)."""

_DELIMITERS = _CONTROLS | frozenset("\\^=")


class Repertoire(Protocol):
    """The characters of a Specific Character Set."""

    @property
    def extended(self) -> bool:
        """Whether there are escape sequences."""

    def has(self, character: str, *, plain: bool = False) -> bool:
        """Whether it has a character; `plain`: without an escape sequence."""

    def encode(self, text: str) -> bytes:
        """One value; ValueError for a character that is not there."""


@dataclass(frozen=True, slots=True)
class CodedSet:
    """A coded character set, which an escape sequence designates to the left or right half of the table."""

    code: Callable[[str], bytes | None]
    """The bytes of a character, None where there are none."""
    escape: bytes
    right: bool = False


@dataclass(frozen=True, slots=True)
class CodeTable:
    """Sets that are designated from the start, and those that escape sequences designate."""

    initial: tuple[CodedSet, ...]
    extensions: tuple[CodedSet, ...] = ()

    @property
    def extended(self) -> bool:
        """Whether there are escape sequences."""
        return bool(self.extensions)

    def has(self, character: str, *, plain: bool = False) -> bool:
        """Whether it has a character; `plain`: without an escape sequence."""
        sets = self.initial if plain else (*self.initial, *self.extensions)
        return character in _CONTROLS or any(each.code(character) is not None for each in sets)

    def encode(self, text: str) -> bytes:
        """One value; ValueError for a character that is not there."""
        written = bytearray()
        active = self.initial
        for character in text:
            if character in _DELIMITERS:
                written += self._returned(active)
                active = self.initial
            if character in _CONTROLS:
                written += character.encode("ascii")
                continue
            used, code = self._coded(character, active)
            if used in self.initial and (used.right or used not in active):
                written += self._returned(active)  # many readers know one set at a time, and ASCII
                active = self.initial
            elif used not in active:
                written += used.escape
                active = (used, *(each for each in active if each.right != used.right))
            written += code
        return bytes(written + self._returned(active))

    def _coded(self, character: str, active: Iterable[CodedSet]) -> tuple[CodedSet, bytes]:
        """The bytes of a character, in a set that is active if one of them has it."""
        for each in (*active, *self.initial, *self.extensions):
            code = each.code(character)
            if code is not None:
                return each, code
        raise ValueError(f"U+{ord(character):04X} is not in the character set")

    def _returned(self, active: Iterable[CodedSet]) -> bytes:
        """What designates the initial sets again; a right half that had none is left as it is."""
        return b"".join(each.escape for each in self.initial if each not in active)


@dataclass(frozen=True, slots=True)
class WholeCode:
    """A code that has everything in it and knows no escape sequences."""

    codec: str
    ambiguous: frozenset[str] = frozenset()
    """Characters that readers do not agree about."""
    extended = False

    def has(self, character: str, *, plain: bool = False) -> bool:
        """Whether it has a character; `plain` makes no difference."""
        return character in _CONTROLS or (_is_graphic(character) and self._codes(character))

    def encode(self, text: str) -> bytes:
        """One value; ValueError for a character that is not there."""
        return text.encode(self.codec)

    def _codes(self, character: str) -> bool:
        return character not in self.ambiguous and _coded(self.codec, character) is not None


def declared(values: str | Sequence[str] | None) -> Repertoire:
    """The repertoire that these values of Specific Character Set declare; none, or an empty one: ASCII.

    Raises ValueError for what is not written here.
    """
    return _declared((values,) if isinstance(values, str) else tuple(map(str, values or ("",))))


@cache
def _declared(values: tuple[str, ...]) -> Repertoire:
    if values in _WHOLE:
        return _WHOLE[values]
    single = len(values) == 1
    terms = [each.replace("ISO_IR ", "ISO 2022 IR ") if single else each for each in values]
    if not set(terms) <= set(_SETS):
        raise ValueError(f"text is not written in the character set {chr(92).join(values)}")
    return CodeTable(_SETS[terms[0]], tuple(each for term in terms[1:] for each in _SETS[term]))


def _is_graphic(character: str) -> bool:
    """Whether this is no control character (PS3.5 6.1.3) and no half of one."""
    return character >= " " and not "\x7f" <= character < "\xa0" and not "\ud800" <= character <= "\udfff"


@lru_cache(maxsize=65_536)
def _coded(codec: str, character: str) -> bytes | None:
    """The bytes of a character in one of Python's codecs, if the character comes of them again."""
    try:
        code = character.encode(codec)
        return code if code.decode(codec) == character else None
    except UnicodeError:
        return None


def _ascii(character: str, *, without: str = "") -> bytes | None:
    return character.encode("ascii") if " " <= character <= "~" and character not in without else None


def _single_byte(character: str, *, codec: str, without: str = "") -> bytes | None:
    code = _coded(codec, character) if character not in without else None
    return code if code and len(code) == 1 and code >= b"\xa0" else None


def _two_bytes(character: str, *, codec: str) -> bytes | None:
    code = _coded(codec, character)
    return code if code and len(code) == 2 and code >= b"\xa1" else None


def _jis_katakana(character: str) -> bytes | None:
    return bytes((ord(character) - 0xFF61 + 0xA1,)) if "\uff61" <= character <= "\uff9f" else None


def _jis_kanji(character: str) -> bytes | None:
    """JIS X 0208, as EUC-JP has it in its right half."""
    code = _coded("euc_jp", character)
    return bytes(each & 0x7F for each in code) if code and len(code) == 2 and code[0] != 0x8E else None


def _jis_supplement(character: str) -> bytes | None:
    """JIS X 0212, which EUC-JP has behind a byte of its own."""
    code = _coded("euc_jp", character)
    return bytes(each & 0x7F for each in code[1:]) if code and len(code) == 3 else None


def _right(final: str, codec: str, without: str = "") -> tuple[CodedSet, CodedSet]:
    """ASCII, and a set of ISO 8859 (PS3.3 Table C.12-3)."""
    code = partial(_single_byte, codec=codec, without=without)
    return ASCII, CodedSet(code, b"\x1b-" + final.encode("ascii"), right=True)


ASCII = CodedSet(_ascii, b"\x1b(B")

_SETS: dict[str, tuple[CodedSet, ...]] = {
    "": (ASCII,),
    "ISO 2022 IR 6": (ASCII,),
    "ISO 2022 IR 100": _right("A", "iso8859_1"),
    "ISO 2022 IR 101": _right("B", "iso8859_2"),
    "ISO 2022 IR 109": _right("C", "iso8859_3"),
    "ISO 2022 IR 110": _right("D", "iso8859_4"),
    "ISO 2022 IR 126": _right("F", "iso8859_7", without="€₯ͺ"),  # only since 2003, as another set
    "ISO 2022 IR 127": _right("G", "iso8859_6"),
    "ISO 2022 IR 138": _right("H", "iso8859_8", without="\u200e\u200f"),  # only since 1999
    "ISO 2022 IR 144": _right("L", "iso8859_5"),
    "ISO 2022 IR 148": _right("M", "iso8859_9"),
    "ISO 2022 IR 166": _right("T", "iso8859_11", without="\xa0"),  # TIS 620 ends before it
    "ISO 2022 IR 13": (
        # The yen and the overline stand where ASCII has the backslash and the tilde.
        CodedSet(partial(_ascii, without="\\~"), b"\x1b(J"),
        CodedSet(_jis_katakana, b"\x1b)I", right=True),
    ),
    "ISO 2022 IR 87": (CodedSet(_jis_kanji, b"\x1b$B"),),
    "ISO 2022 IR 159": (CodedSet(_jis_supplement, b"\x1b$(D"),),
    "ISO 2022 IR 149": (CodedSet(partial(_two_bytes, codec="euc_kr"), b"\x1b$)C", right=True),),
    "ISO 2022 IR 58": (CodedSet(partial(_two_bytes, codec="gb2312"), b"\x1b$)A", right=True),),
}
"""The sets of each term, and what designates them (PS3.3 Tables C.12-3 and C.12-4)."""

_GB18030_MOVED = frozenset(
    chr(code)
    for codes in (range(0xE000, 0xF900), range(0xFE10, 0xFE1A), range(0x9FB4, 0x9FBC), (0x1E3F,))
    for code in codes
)
"""What editions of GB 18030 have at different places, private use among it."""

_WHOLE: dict[tuple[str, ...], WholeCode] = {
    ("ISO_IR 192",): WholeCode("utf-8"),
    ("GB18030",): WholeCode("gb18030", _GB18030_MOVED),
    ("GBK",): WholeCode("gbk"),
}
