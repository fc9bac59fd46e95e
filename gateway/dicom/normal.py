"""A data set's bytes brought into one form: Explicit VR Little Endian, defined lengths, UTF-8.

Values are not interpreted on the way, so that what nobody touches stays what it was: numbers keep
their digits, private attributes their bytes. Elements are put in the order of their tags, and group
lengths, which would no longer be true, are left out (PS3.5 7.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pydicom.datadict import private_dictionary_VR

from gateway.dicom.charsets import (
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    UNDECLARED,
    UTF8_TERM,
    CharacterSet,
    character_set,
)
from gateway.dicom.elements import (
    EXPLICIT,
    ITEM,
    ITEM_END,
    MAX_WIDTH,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Damaged,
    Element,
    Encoding,
    Memory,
    Region,
    dictionary_vr,
    header,
    holds_items,
    item_header,
    padding,
)
from gateway.stream import swapped

PIXEL_REPRESENTATION = 0x00280103

WORD_SIZES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
"""Bytes of the words whose order Big Endian turns round (PS3.5 7.3)."""

_NUMBER_SIZES = {vr: size for vr, size in WORD_SIZES.items() if not vr.startswith("O")} | {"AT": 4}
_INTEGER = re.compile(rb" *(?:[+-]?[0-9]{1,30}(?:\.0*)?)? *")
_DECIMAL = re.compile(rb" *(?:[+-]?(?:[0-9]{1,64}\.?[0-9]{0,64}|\.[0-9]{1,64})(?:[eE][+-]?[0-9]{1,8})?)? *")


@dataclass(slots=True)
class Scope:
    """What elements of one data set mean for those that follow, and for the items within."""

    charset: CharacterSet = UNDECLARED
    pixel_representation: int = 0
    creators: dict[int, str] = field(default_factory=dict)

    def within(self) -> Scope:
        """The scope of an item: private creators do not reach into it."""
        return Scope(self.charset, self.pixel_representation)

    def learn(self, tag: int, value: bytes) -> None:
        """Take note of an element that decides on others; `value` is in the normal form."""
        if tag == PIXEL_REPRESENTATION and len(value) == 2:
            self.pixel_representation = value[0] & 1
        elif _is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF:
            self.creators[tag] = value.decode("utf-8", "replace").rstrip(" \0")

    def creator_of(self, tag: int) -> str | None:
        """The private creator that a private attribute belongs to (PS3.5 7.8.1)."""
        return self.creators.get(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8)


@dataclass(slots=True)
class Normalizer:
    """Writes elements in the normal form and notes what is wrong with them.

    `faulty` says that a value is not what its VR demands, `illegible` that text has no certain
    meaning. With `sound_only` the faulty are left out, so that pydicom can read all of the result.
    With `keep_text` text stays in the character set that it is in.
    """

    sound_only: bool = False
    keep_text: bool = False
    faulty: bool = False
    illegible: bool = False

    def element(self, region: Region, element: Element, scope: Scope) -> tuple[bytes, int]:
        """The element in the normal form, or nothing where it is left out; and where it ended."""
        vr = element.vr or implied_vr(element.tag, element.length, scope.pixel_representation)
        if vr == "SQ" or (element.length == UNDEFINED and holds_items(element)):
            if element.tag == SPECIFIC_CHARACTER_SET:
                raise Damaged("its Specific Character Set is a sequence")
            value, end = self._sequence(region, element, scope)
            return header(element.tag, "SQ", len(value)) + value, end
        end = region.end_of(element)
        value = region.window.read(element.value, end - element.value)
        if element.tag & 0xFFFF == 0:
            return b"", end
        if element.length == UNDEFINED:
            return header(element.tag, "OB", UNDEFINED) + value, end
        if vr == "UN":
            return self._unknown(element.tag, value, scope, region), end
        return self._leaf(element.tag, vr, _little(vr, value, region.encoding), scope), end

    def _leaf(self, tag: int, vr: str, value: bytes, scope: Scope) -> bytes:
        if tag == SPECIFIC_CHARACTER_SET:
            scope.charset = character_set(value)
            vr, value = "CS", value if self.keep_text else UTF8_TERM.encode()
        if vr in TEXT_VRS and not self.keep_text:
            value, certain = scope.charset.to_utf8(value)
            self.illegible |= not certain
        scope.learn(tag, value)
        if not is_sound(vr, value):
            return self._fault(_written(tag, vr, value))
        if vr in SHORT_VRS and len(value) > 0xFFFE:
            return self._fault(_written(tag, "UN", value))  # PS3.5 6.2.2
        return _written(tag, vr, value)

    def _unknown(self, tag: int, value: bytes, scope: Scope, around: Region) -> bytes:
        """A value of VR UN, which is in Implicit VR Little Endian if anything (PS3.5 6.2.2).

        Public attributes get the VR of the dictionary. Private ones keep their bytes, but count as
        faulty where pydicom would read them by a dictionary of its own and fail.
        """
        vr = _known_vr(tag, len(value), scope)
        if vr == "UN" or not value:
            return _written(tag, "UN", value)
        trial = Normalizer(self.sound_only, self.keep_text)
        try:
            if vr == "SQ":
                region = Region(Memory(value), len(value), EXPLICIT, around.budget, around.depth)
                content, _ = trial._sequence(region, Element(tag, vr, len(value), 0, 0), scope)
                written = header(tag, vr, len(content)) + content
            else:
                written = trial._leaf(tag, vr, value, scope)
        except Damaged:
            trial.faulty = True
        if trial.faulty:
            return self._fault(_written(tag, "UN", value))
        if _is_private(tag):
            return _written(tag, "UN", value)
        self.illegible |= trial.illegible
        return written

    def _fault(self, written: bytes) -> bytes:
        self.faulty = True
        return b"" if self.sound_only else written

    def _sequence(self, region: Region, element: Element, scope: Scope) -> tuple[bytes, int]:
        """The items of a sequence, and where it ended."""
        items = region.items_of(element)
        defined = element.length != UNDEFINED
        offset = element.value
        parts: list[bytes] = []
        while offset < items.end or not defined:
            tag, length = items.item_at(offset, element)
            offset += 8
            if tag == SEQUENCE_END:
                break
            content, offset = self._item(items.item(offset, length), offset, length, scope.within())
            parts += (item_header(ITEM, len(content)), content)
        return b"".join(parts), items.end if defined else offset

    def _item(self, region: Region, offset: int, length: int, scope: Scope) -> tuple[bytes, int]:
        """The elements of an item, and where it ended: by its length, or with its delimiter."""
        elements: dict[int, bytes] = {}
        while offset < region.end or length == UNDEFINED:
            element = region.element_at(offset)
            if element.tag == ITEM_END:
                offset = element.value
                break
            elements[element.tag], offset = self.element(region, element, scope)
            check_width(len(elements))
        return b"".join(
            elements[tag] for tag in sorted(elements)
        ), offset if length == UNDEFINED else region.end


def check_width(elements: int) -> None:
    """Raise Damaged if this is more than a data set can have."""
    if elements > MAX_WIDTH:
        raise Damaged(f"it has a data set of more than {MAX_WIDTH:,} attributes")


def is_sound(vr: str, value: bytes) -> bool:
    """Whether a value can be read as what its VR says: whole words, and numbers that are some."""
    size = _NUMBER_SIZES.get(vr)
    if size is not None:
        return len(value) % size == 0
    if vr == "IS":
        return all(_INTEGER.fullmatch(part) for part in value.rstrip(b"\0").split(b"\\"))
    if vr == "DS":
        return all(_DECIMAL.fullmatch(part) for part in value.rstrip(b"\0").split(b"\\"))
    return True


def implied_vr(tag: int, length: int, pixel_representation: int = 0) -> str:
    """The VR of an attribute whose header has none (PS3.5 A.1): the dictionary's, its choices made."""
    vr = dictionary_vr(tag)
    if " or " not in vr:
        return vr
    if "OW" in vr and not (vr.startswith("US") and length <= 2):
        return "OW"
    return "SS" if "SS" in vr and pixel_representation else "US"


def _known_vr(tag: int, length: int, scope: Scope) -> str:
    """What is known of an attribute of VR UN; pydicom's private dictionary is asked as pydicom will."""
    if not _is_private(tag) or tag & 0xFFFF <= 0xFF:
        return implied_vr(tag, length, scope.pixel_representation) if length < 0xFFFF else "UN"
    creator = scope.creator_of(tag)
    try:
        return str(private_dictionary_VR(tag, creator)).split(" or ")[0] if creator else "UN"
    except KeyError:
        return "UN"


def _little(vr: str, value: bytes, encoding: Encoding) -> bytes:
    size = WORD_SIZES.get(vr, 1)
    return value if encoding.little or len(value) % size else swapped(value, size)


def _written(tag: int, vr: str, value: bytes) -> bytes:
    """The element with its value padded to an even length (PS3.5 7.1.1)."""
    value += padding(vr, len(value))
    return header(tag, vr, len(value)) + value


def _is_private(tag: int) -> bool:
    return tag >> 16 & 1 == 1
