"""Whether an object is what a search asks for (PS3.4 C.2.2.2, PS3.18 8.3.4).

Values are compared in the DICOM JSON model. Nothing here knows of HTTP or of the index.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from gateway.archive.levels import Model
from gateway.dicom.dictionary import parse_path, vr_of

TEXT = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
DATED = frozenset({"DA", "DT", "TM"})
NUMERIC = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
SEARCHABLE = TEXT | DATED | NUMERIC | {"UI", "AT"}
NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class Key:
    """An attribute and what it has to be; an empty value or `*` matches everything.

    `path` has the attribute's key last, and before it the sequences that it is in.
    """

    path: tuple[str, ...]
    vr: str
    value: str

    @property
    def universal(self) -> bool:
        """Whether every object matches, even one without the attribute (PS3.4 C.2.2.2.3)."""
        return not self.value.strip("*")


def parse_key(name: str, value: str) -> Key:
    """The key that a query parameter stands for.

    Raises ValueError, in words, for a name that is no attribute and for an attribute or a value that
    cannot be searched for.
    """
    path = parse_path(name)
    vr = vr_of(path[-1].tag)
    key = Key(tuple(f"{step.tag:08X}" for step in path), vr, value)
    if key.universal:
        return key
    if vr not in SEARCHABLE:
        raise ValueError(f"{name} is {_described(vr)} and cannot be searched for by value")
    if vr in NUMERIC and _number(value) is None:
        raise ValueError(f"{name} is compared as a number, which {value!r} is not")
    if vr in DATED and _interval(value, vr) is None:
        raise ValueError(f"{name}={value} is neither a {_WORDS[vr]} nor two of them joined by '-'")
    return key


def matches(model: Model, key: Key) -> bool:
    """Whether one of the attribute's values in a data set is what the key asks for."""
    if key.universal:
        return True
    accepts = _test(key.vr, key.value)
    return any(accepts(value) for value in _values(model, key.path))


def alternatives(key: Key) -> tuple[str, ...]:
    """The UIDs of a list (PS3.4 C.2.2.2.2); clients separate them by commas or backslashes."""
    return tuple(uid for uid in (part.strip() for part in re.split(r"[,\\]", key.value)) if uid)


def _values(model: Model, path: tuple[str, ...]) -> Iterator[Any]:
    element = model.get(path[0])
    if not isinstance(element, Mapping):
        return
    for value in element.get("Value") or ():
        if value is None:
            continue
        if len(path) == 1:
            yield value
        elif isinstance(value, Mapping):
            yield from _values(value, path[1:])


@lru_cache(maxsize=256)
def _test(vr: str, wanted: str) -> Callable[[Any], bool]:
    """The question whether one value is wanted."""
    if vr == "UI":
        uids = frozenset(alternatives(Key((), vr, wanted)))
        return lambda value: value in uids
    if vr in NUMERIC:
        number = _number(wanted)
        return lambda value: _number(value) == number
    if vr in DATED:
        interval = _interval(wanted, vr) or ("", "")
        return lambda value: _within(value, vr, interval)
    pattern = _pattern(wanted, ignore_case=vr == "PN")
    if vr == "PN":
        return lambda value: any(pattern.fullmatch(name) for name in _names(value))
    return lambda value: pattern.fullmatch(str(value).strip()) is not None


def _names(value: Any) -> Iterator[str]:
    """The forms of a name that a pattern may mean: each group, and all of them together."""
    if not isinstance(value, Mapping):
        yield str(value).rstrip("^ ")
        return
    groups = [str(value.get(group, "")) for group in NAME_GROUPS]
    yield from (group.rstrip("^ ") for group in groups if group)
    yield "=".join(group.rstrip("^ ") for group in groups).rstrip("=")


def _pattern(wanted: str, *, ignore_case: bool) -> re.Pattern[str]:
    """`*` stands for any characters, `?` for one, and nothing else is special (PS3.4 C.2.2.2.4)."""
    wanted = wanted.strip()
    if ignore_case:
        wanted = wanted.rstrip("^ ")
    expression = fnmatch.translate(wanted.replace("[", "[[]"))
    return re.compile(expression, re.IGNORECASE if ignore_case else 0)


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


_WORDS = {
    "DA": "date (YYYYMMDD)",
    "TM": "time (HHMMSS)",
    "DT": "date and time (YYYYMMDDHHMMSS)",
}
_SHAPES = {
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?"),
    "DT": re.compile(r"\d{4}(?:\d{2}){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?"),
}
_RANGE = re.compile(r"(?P<low>[^-]*)-(?P<high>[^-]*)")
_PUNCTUATION = re.compile(r"[.:-]")


def _interval(wanted: str, vr: str) -> tuple[str, str] | None:
    """The least and greatest digits that match a date, a time or a range; None if it is none.

    A time without minutes or seconds stands for all of them, so that a value is a range of its own.
    """
    wanted = wanted.strip()
    shape = _SHAPES[vr]
    if shape.fullmatch(wanted):
        return _padded(wanted, vr, "0"), _padded(wanted, vr, "9")
    found = _RANGE.fullmatch(wanted)
    if not found or not (found["low"].strip() or found["high"].strip()):
        return None
    low, high = found["low"].strip(), found["high"].strip()
    if any(bound and not shape.fullmatch(bound) for bound in (low, high)):
        return None
    return _padded(low, vr, "0"), _padded(high, vr, "9")


def _within(value: Any, vr: str, interval: tuple[str, str]) -> bool:
    text = str(value).strip()
    return bool(text) and interval[0] <= _padded(text, vr, "0") <= interval[1]


def _padded(text: str, vr: str, filler: str) -> str:
    """The digits of a date or time brought to one length, so that they compare as text."""
    width = {"DA": 8, "TM": 12, "DT": 20}[vr]
    digits = _PUNCTUATION.sub("", re.sub(r"[+-]\d{4}$", "", text) if vr == "DT" else text)
    return digits[:width].ljust(width, filler)


def _described(vr: str) -> str:
    return "a sequence" if vr == "SQ" else f"binary ({vr})"
