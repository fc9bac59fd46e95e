"""Text in the character sets of DICOM: read into UTF-8, and written for archives that do not know it.

PS3.3 C.12.1.1.2 and PS3.5 6.1. What a set can carry and how it is written stands in `repertoires.py`.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, default_encoding, python_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.dicom.elements import SHORT_VRS, name_of
from gateway.dicom.repertoires import Repertoire, declared
from gateway.dicom.transliteration import Untransliterable, transliterated
from gateway.dicom.values import MAX_CHARACTERS, ONE_TEXT
from gateway.errors import Hold
from gateway.model import Instance

UTF8_TERM = "ISO_IR 192"

_VALUES: Mapping[str, tuple[str, ...]] = {
    UTF8_TERM: (UTF8_TERM,),
    "ISO_IR 6": (),
    **{term: (term,) for term in ("ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144")},
    **{term: (term,) for term in ("ISO_IR 127", "ISO_IR 126", "ISO_IR 138", "ISO_IR 148", "ISO_IR 166")},
    "ISO_IR 13": ("ISO_IR 13",),
    "ISO 2022 IR 87": ("", "ISO 2022 IR 87"),
    "ISO 2022 IR 159": ("", "ISO 2022 IR 87", "ISO 2022 IR 159"),  # the rarer kanji only
    r"ISO 2022 IR 13\ISO 2022 IR 87": ("ISO 2022 IR 13", "ISO 2022 IR 87"),
    "ISO 2022 IR 149": ("", "ISO 2022 IR 149"),
    "ISO 2022 IR 58": ("", "ISO 2022 IR 58"),
    "GB18030": ("GB18030",),
    "GBK": ("GBK",),
}
"""The values of Specific Character Set that a name means; none for the default repertoire, ASCII."""

KNOWN = tuple(_VALUES)
"""Character sets that text can be written in, by name."""

SPECIFIC_CHARACTER_SET = 0x00080005
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


def recode(instance: Instance, charset: str) -> Instance:
    """The instance with its text as this character set can carry it, and declared to be in it.

    `charset` is one of `KNOWN`. What the set does not have is transliterated, with a message that names
    the attribute. A DICOM file that is sent as it came is left as it is. Raises `Hold` (`charset`) for
    a character that nothing stands for, and for a value that becomes too long.
    """
    if instance.part10 is not None or charset == UTF8_TERM:
        return instance
    values = _VALUES[charset]
    recoding = _Recoding(instance.source.shown, charset, declared(values))
    dataset = copy.deepcopy(instance.dataset)
    recoding.data_set(dataset)
    dataset[SPECIFIC_CHARACTER_SET] = DataElement(SPECIFIC_CHARACTER_SET, "CS", list(values))
    return replace(instance, dataset=dataset, messages=(*instance.messages, *recoding.messages))


@dataclass(frozen=True, slots=True)
class _Recoding:
    """Text made such that a character set can carry it; `messages` say where it changed."""

    shown: Path
    charset: str
    repertoire: Repertoire
    messages: list[str] = field(default_factory=list)

    def data_set(self, dataset: Dataset, prefix: str = "") -> None:
        """Change all text of a data set, and of the items within; they are declared outside."""
        dataset.pop(SPECIFIC_CHARACTER_SET, None)
        for element in dataset:
            name = prefix + name_of(element.tag)
            if element.VR == "SQ":
                for number, item in enumerate(element.value or ()):
                    self.data_set(item, f"{name}[{number}].")
            elif element.VR in TEXT_VRS and element.value:
                self._element(element, name)

    def _element(self, element: DataElement, name: str) -> None:
        several = isinstance(element.value, MultiValue)
        before = [str(each) for each in (element.value if several else (element.value,))]
        after = [self._value(each, element.VR, name) for each in before]
        size = sum(len(self.repertoire.encode(each)) + 1 for each in after) - 1
        if element.VR in SHORT_VRS and size > 0xFFFE:
            raise self._held(name, f"takes {size:,} bytes, and {element.VR} allows {0xFFFE:,}")
        if after != before:
            element.value = after if several else after[0]

    def _value(self, text: str, vr: str, name: str) -> str:
        if not all(map(self.repertoire.has, text)):
            text = unicodedata.normalize("NFC", text)
        try:
            carried = self._name(text, name) if vr == "PN" else self._text(text, vr)
        except Untransliterable as error:
            raise self._missing(name, error.character) from error
        if carried != text:
            self._check(carried, text, vr, name)
        return carried

    def _text(self, text: str, vr: str) -> str:
        delimiters = "" if vr in ONE_TEXT else "\\"
        return transliterated(text, lambda each: each not in delimiters and self.repertoire.has(each))

    def _name(self, text: str, name: str) -> str:
        """A name by its groups: the alphabetic one has no escape sequences (PS3.5 6.2.1, H-K).

        A name that is nothing but ideographs or kana stands in the group that is for these.
        """
        alphabetic, *others = text.split("=")
        rest = [self._group(each) for each in others]
        try:
            return "=".join([self._group(alphabetic, plain=True), *rest])
        except Untransliterable:
            if not self.repertoire.extended or any(rest):
                raise
            moved = self._group(alphabetic)
        number, kind = (2, "phonetic") if _is_phonetic(alphabetic) else (1, "ideographic")
        self._say(f"{name} is moved to its {kind} group: {self.charset} has such characters only there")
        return "=" * number + moved

    def _group(self, group: str, *, plain: bool = False) -> str:
        def permits(character: str) -> bool:
            return character not in "^=\\" and self.repertoire.has(character, plain=plain)

        return "^".join(transliterated(each, permits) for each in group.split("^"))

    def _check(self, carried: str, text: str, vr: str, name: str) -> None:
        """What became of a text must still be one, and fit."""
        if not carried.strip(" ^=") and text.strip(" ^="):
            raise self._missing(name, text.strip(" ^=")[0])
        most = 64 if vr == "PN" else MAX_CHARACTERS.get(vr)
        longest = max(map(len, carried.split("="))) if vr == "PN" else len(carried)
        if most is not None and longest > most:
            raise self._held(name, f"has {longest} characters, and {vr} allows {most}")
        if carried.lstrip("=") != text:
            self._say(f"{name} is transliterated: {self.charset} does not have all of its characters")

    def _say(self, message: str) -> None:
        if message not in self.messages:
            self.messages.append(message)

    def _missing(self, name: str, character: str) -> Hold:
        return Hold(
            f"{self.shown} cannot be sent in the character set {self.charset}: {name} has the character "
            f"U+{ord(character):04X}, which it does not have and for which nothing stands. Correct the "
            "value, or give the destination another charset",
            reason="charset",
        )

    def _held(self, name: str, fault: str) -> Hold:
        return Hold(
            f"{self.shown} cannot be sent in the character set {self.charset}: written in it, {name} "
            f"{fault}. Shorten the value, or give the destination another charset",
            reason="charset",
        )


def _is_phonetic(text: str) -> bool:
    """Whether all letters are kana or hangul."""
    return all(
        "\u3041" <= each <= "\u30ff" or "\uff61" <= each <= "\uff9f" or "\uac00" <= each <= "\ud7a3"
        for each in text
        if each.isalpha()
    )
