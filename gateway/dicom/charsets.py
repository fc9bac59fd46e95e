"""Text in the character sets of DICOM, turned into UTF-8 (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, default_encoding, python_encoding

UTF8_TERM = "ISO_IR 192"
TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Those whose repertoire Specific Character Set decides; all others are in the default one."""

_ESCAPE = b"\x1b"
_FOUR_BYTES = (b"\x1b$(", b"\x1b$)")
_PARTS = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_READS_ESCAPES = ("iso2022_jp", "iso2022_jp_2")
"""Python's codecs that take escape sequences as part of the text."""


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """The character sets that a data set declares, as names of Python's codecs.

    The first codec is None when text beyond ASCII has no declared meaning: nothing is declared, or
    something that no one knows.
    """

    codecs: tuple[str | None, ...]

    @property
    def is_utf8(self) -> bool:
        """Whether text is UTF-8 as it stands."""
        return self.codecs == (python_encoding[UTF8_TERM],)

    def to_utf8(self, value: bytes) -> tuple[bytes, bool]:
        """The text as UTF-8, and whether its meaning is certain.

        Text without a known character set is read as Latin-1, what does not fit its character set
        gets replacement characters: good enough to look at, not to be stored as the patient's name.
        """
        extended = _ESCAPE in value
        if value.isascii() and not extended:
            return value, True
        if extended and len(self.codecs) > 1:
            return self._extended(value)
        codec = self.codecs[0]
        if codec is None:
            return value.decode("latin-1").encode(), False
        text, certain = _decoded(value, codec)
        return text.encode(), certain

    def _extended(self, value: bytes) -> tuple[bytes, bool]:
        """Text that changes its character set by escape sequences (PS3.5 6.1.2.5)."""
        decoded = [self._part(part) for part in _PARTS.findall(value)]
        return "".join(text for text, _ in decoded).encode(), all(certain for _, certain in decoded)

    def _part(self, part: bytes) -> tuple[str, bool]:
        """Text up to the next escape sequence, and whether its meaning is certain.

        The first character set comes back at the end of a line.
        """
        first = self.codecs[0] or "ascii"
        escape = part[: 4 if part.startswith(_FOUR_BYTES) else 3] if part.startswith(_ESCAPE) else b""
        codec = CODES_TO_ENCODINGS.get(escape) if escape else first
        if codec == default_encoding:
            codec = "ascii"
        if codec is None or codec not in (first, "ascii", *self.codecs):
            return part.decode("ascii", "replace"), False
        if codec in _READS_ESCAPES:
            return _decoded(part, codec)
        line = re.split(rb"(?=[\t\n\f\r])", part[len(escape) :], maxsplit=1)
        texts = [_decoded(line[0], codec), *(_decoded(rest, first) for rest in line[1:])]
        return "".join(text for text, _ in texts), all(certain for _, certain in texts)


UNDECLARED = CharacterSet((None,))


def character_set(value: bytes) -> CharacterSet:
    """The meaning of a value of Specific Character Set."""
    terms = [_term(part) for part in value.decode("latin-1").split("\\")]
    if terms[0] in STAND_ALONE_ENCODINGS:
        return CharacterSet((python_encoding[terms[0]],))
    return CharacterSet(tuple(_codec(term) for term in terms if term not in STAND_ALONE_ENCODINGS))


def _decoded(value: bytes, codec: str) -> tuple[str, bool]:
    try:
        return value.decode(codec), True
    except UnicodeDecodeError:
        return value.decode(codec, errors="replace"), False


def _term(text: str) -> str:
    """A defined term, with the mistakes put right that are often made in it."""
    term = text.strip(" \0").upper()
    term = re.sub(r"^ISO[ _-]2022[ _-]IR[ _-]", "ISO 2022 IR ", term)
    return re.sub(r"^ISO[ _-]IR[ _-]", "ISO_IR ", term)


def _codec(term: str) -> str | None:
    return None if term in ("", "ISO_IR 6", "ISO 2022 IR 6") else python_encoding.get(term)
