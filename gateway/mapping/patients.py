"""Whose file is it? Which texts are Patient IDs, and what must never be taken for one.

A Patient ID that is typed, read from a table or found in a name is doubted by the same rules. One that
nobody wrote on purpose is worse than none: a folder that a camera named, a day, the number of a picture.
`not_patients.yaml` lists what devices and programs write by themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

from gateway import nodes
from gateway.model import Source
from gateway.nodes import Fault, Listing, Table, Text

LONGEST = 64
"""Characters that a Patient ID may have (PS3.5 6.2, LO)."""

FEWEST = 4
"""Digits that a number beside a year must have, so as not to be a month, a day or a counter."""

CheckDigit = Literal["luhn", "mod11", "mod97", "verhoeff"]


@dataclass(frozen=True, slots=True)
class PatientIds:
    """The rules of a site. `emergency` and `test` are patterns with `*` and `?`, in small letters."""

    pattern: re.Pattern[str] | None = None
    check_digit: CheckDigit | None = None
    emergency: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    placeholders: frozenset[str] = frozenset()


def doubt(patient_id: str, name: str, rule: PatientIds | None) -> str | None:
    """Why a Patient ID must not be trusted, in a sentence; None where nothing speaks against it.

    `name` is the patient's, as PN, or empty: emergency and test patients are known by either.
    """
    rule = rule or PatientIds()
    text = patient_id.strip()
    if _is_placeholder(text, rule):
        return f"the Patient ID {text!r} is a placeholder: it stands for nobody"
    for patterns, what in ((rule.emergency, "an emergency patient"), (rule.test, "a test patient")):
        for pattern in patterns:
            if any(fnmatchcase(each.casefold(), pattern) for each in (text, name) if each):
                return f"the Patient ID {text!r} is that of {what}: it or the name matches {pattern!r}"
    return _unlike_others(text) or _misfit(text, rule)


def plausible(text: str) -> str | None:
    """Why a text from a file or folder name cannot be a Patient ID; None where it can.

    It is asked where there is no pattern, and may doubt too much: a pattern is what settles it.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if len(text) > LONGEST:
        return f"{text[:20] + '...'!r} has {len(text)} characters, and a Patient ID at most {LONGEST}"
    if not re.search("[0-9]", text):
        return f"{text!r} has no digit"
    if _is_placeholder(text, PatientIds()):
        return f"{text!r} is a placeholder"
    return _of_a_device(text) or _of_a_clock(text) or _of_a_counter(text)


def candidate(source: Source, rule: PatientIds | None) -> tuple[str | None, str | None]:
    """The Patient ID that a file's path says, or None, and why there is none.

    It is the first folder below the root, or else the file's name up to the first underscore. Where there
    is no pattern, and both may be one, the folder decides, unless the two are written alike.
    """
    found = [(where, text, _refused(text, whole, rule)) for where, text, whole in _places(source)]
    fitting = [(where, text) for where, text, why in found if not why]
    different = {text for _, text in fitting}
    if len(different) > 1 and ((rule and rule.pattern) or len(set(map(_form, different))) == 1):
        said = " and ".join(f"the {where} {text!r}" for where, text in fitting)
        return None, f"two Patient IDs in its path: {said}"
    if fitting:
        return fitting[0][1], None
    reasons = "; ".join(f"{where}: {why}" for where, _, why in found)
    return None, f"no Patient ID in its path ({reasons})"


def _places(source: Source) -> list[tuple[str, str, str]]:
    """Where a Patient ID may stand in a path, what stands there, and all of the name that it is from."""
    folder, _, _ = source.folder.partition("/")
    if folder.endswith("!"):  # an archive, whose members are shown as archive.zip!/name
        folder, _, _ = folder.partition(".")
    folder, stem = (unicodedata.normalize("NFC", each).strip() for each in (folder, source.shown.stem))
    name = ("name", stem.partition("_")[0].strip(), stem)
    return [("folder", folder, folder), name] if folder else [name]


def _form(text: str) -> str:
    """How a text is written: where it has digits, and where letters."""
    return re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", text))


def _refused(text: str, whole: str, rule: PatientIds | None) -> str | None:
    """Why a text from a path is not taken for a Patient ID."""
    if not text:
        return "it begins with an underscore"
    moment = _MOMENT.match(whole)
    if moment and moment.end() > len(text):  # though the digits of its day may be what the pattern expects
        return f"{whole!r} is a time stamp"
    return doubt(text, "", rule) or (None if rule and rule.pattern else plausible(text))


def _unlike_others(text: str) -> str | None:
    """Why a Patient ID looks like another one and is not: signs that nobody sees, digits of other scripts."""
    for sign in text:
        if unicodedata.category(sign) == "Cf":
            name = unicodedata.name(sign, hex(ord(sign)))
            return f"the Patient ID {text!r} has a sign in it that nobody sees ({name})"
        if sign.isdecimal() and not sign.isascii():
            return f"the Patient ID {text!r} has digits that are not 0 to 9"
    return None


def _misfit(text: str, rule: PatientIds) -> str | None:
    """Why a Patient ID is none of the site's."""
    if rule.pattern and not rule.pattern.fullmatch(text):
        return f"the Patient ID {text!r} is not what patient_id expects: {rule.pattern.pattern}"
    if rule.check_digit and not _CHECKS[rule.check_digit](re.sub("[^0-9]", "", text)):
        return f"the Patient ID {text!r} has a wrong check digit ({rule.check_digit}): it may be mistyped"
    return None


# What is nobody's


@dataclass(frozen=True, slots=True)
class _NotPatients:
    """The lists of `not_patients.yaml`: prefixes by who writes them, forms by what has them."""

    placeholders: frozenset[str]
    prefixes: Mapping[str, re.Pattern[str]]
    forms: Mapping[str, re.Pattern[str]]


@cache
def _not_patients() -> _NotPatients:
    path = Path(__file__).with_name("not_patients.yaml")
    faults: list[Fault] = []
    root = nodes.read(path, path.name, faults)
    nodes.fail(faults)
    lists = {key.text or "": node for key, node in root.entries} if isinstance(root, Table) else {}
    forms = lists.pop("forms")
    placeholders = frozenset(map(plain, _texts(lists.pop("placeholders"))))
    return _NotPatients(
        placeholders,
        {who: _prefixes(_texts(node)) for who, node in lists.items()},
        {key.text or "": re.compile(_text(node)) for key, node in forms.entries}
        if isinstance(forms, Table)
        else {},
    )


def _texts(node: nodes.Node) -> list[str]:
    return [_text(item) for item in node.items] if isinstance(node, Listing) else []


def _text(node: nodes.Node) -> str:
    return node.text or "" if isinstance(node, Text) else ""


def _prefixes(words: Iterable[str]) -> re.Pattern[str]:
    """What matches the longest of the words with which a text begins, unless a letter follows it."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?:{'|'.join(map(re.escape, longest_first))})(?![^\W\d_])", re.IGNORECASE)


def plain(text: str) -> str:
    """Text as placeholders are compared: without capitals, and with single spaces for what separates."""
    return " ".join(re.split(r"[\s_^-]+", text.casefold().strip())).strip()


def _is_placeholder(text: str, rule: PatientIds) -> bool:
    if plain(text) in _not_patients().placeholders | rule.placeholders:
        return True
    if not any(character.isalnum() for character in text):
        return bool(text)
    digits = re.sub(r"[\W_]", "", text)
    return set(digits) == {"0"} or (set(digits) == {"9"} and len(digits) >= FEWEST)


def _of_a_device(text: str) -> str | None:
    for form, pattern in _not_patients().forms.items():
        if pattern.fullmatch(text):
            return f"{text!r} is {form}"
    for who, pattern in _not_patients().prefixes.items():
        if match := pattern.match(text):
            return f"{text!r} begins with {match[0]!r}, as names that {who} give"
    return None


# Days and moments

_YEAR = r"(?:19|20)\d\d"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ALONE = r"(?<![^\W_]){}(?![^\W_])"
"""A piece with neither letter nor digit beside it."""

_COMPACT_DAY = rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_COMPACT_TIME = r"(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d\d{0,6})?"
_MOMENT = re.compile(_ALONE.format(rf"{_COMPACT_DAY}[-_T. ]?{_COMPACT_TIME}"))
"""A day with a time of day: 20240531_142200, 202405311422, 20240531T142200123."""

_BETWEEN = "([-._/ ])"
_DATED = re.compile(
    "|".join(
        _ALONE.format(form)
        for form in (
            rf"{_YEAR}{_BETWEEN}{_MONTH}\1{_DAY}",
            rf"{_DAY}{_BETWEEN}{_MONTH}\2{_YEAR}",
            rf"{_MONTH}{_BETWEEN}{_DAY}\3{_YEAR}",
        )
    )
)
"""A day with separators: 2024-05-31, 31.05.2024, 5/31/2024."""

_PERIOD = re.compile(_ALONE.format(rf"{_YEAR}(?:[-._/ ]?(?:0[1-9]|1[0-2]))?"))
"""A year, or a year with its month."""

_TIME = re.compile(_ALONE.format(r"(?:[01]?\d|2[0-3])[-.:_h](?:[0-5]\d)(?:[-.:_m][0-5]\d)?(?:[.,]\d+)?"))

_COMPACT = (("%Y%m%d", 8), ("%d%m%Y", 8), ("%m%d%Y", 8), ("%y%m%d", 6), ("%d%m%y", 6), ("%m%d%y", 6))
_SHORT = re.compile(r"(\d\d)[-._/](\d\d)[-._/](\d\d)")
_EPOCHS = ((10, 1), (13, 1000), (16, 1_000_000))
"""Digits of a moment counted from 1970, and its units in a second."""


def _of_a_clock(text: str) -> str | None:
    """Why a text is a day, a year or a moment, or has one in it beside which no number is left."""
    if _is_date(text):
        return f"{text!r} is a date"
    if _is_epoch(text):
        return f"{text!r} is a time stamp: it counts from 1970"
    if text.isdecimal() and _MOMENT.fullmatch(text):
        return f"{text!r} is a time stamp"
    for piece in (_MOMENT, _DATED):
        if match := piece.search(text):
            return f"{text!r} {'is' if match[0] == text else 'has'} a date"
    if any(_is_date(word) for word in re.findall(r"(?<![^\W_])\d{8}(?![^\W_])", text)):
        return f"{text!r} has a date"
    rest = _PERIOD.sub(" ", text)
    if rest != text and not re.search(rf"\d{{{FEWEST}}}", _TIME.sub(" ", rest)):
        return (
            f"{text!r} is a year or a month"
            if not rest.strip()
            else f"{text!r} has a year, and no number beside it"
        )
    return None


def _is_date(text: str) -> bool:
    """Whether a text is nothing but a day, in digits."""
    if short := _SHORT.fullmatch(text):
        text = "".join(short.groups())
    return (
        text.isascii()
        and text.isdecimal()
        and any(_reads(text, form) for form, size in _COMPACT if len(text) == size)
    )


def _reads(text: str, form: str) -> bool:
    """Whether digits are a day as the form writes it, of the twentieth or twenty-first century."""
    parts = {}
    for letter in form[1::2]:
        size = 4 if letter == "Y" else 2
        parts[letter.lower()], text = int(text[:size]), text[size:]
    year = parts["y"] if "Y" in form else parts["y"] + 2000
    try:
        return 1900 <= date(year, parts["m"], parts["d"]).year < 2100
    except ValueError:
        return False


def _is_epoch(text: str) -> bool:
    return (
        text.isascii()
        and text.isdecimal()
        and any(
            len(text) == size and 1_000_000_000 <= int(text) // unit < 2_100_000_000 for size, unit in _EPOCHS
        )
    )


_COUNTER = re.compile(r"(?:[^\W\d]+\s+)*[(\[#]?(\d+)[)\]]?")
"""A number, alone or behind words and a space: 0042, (3), Wound 3."""


def _of_a_counter(text: str) -> str | None:
    """Why a text is a number that counts pictures or folders: below 1,000, or short and led by zeros."""
    match = _COUNTER.fullmatch(text)
    if match is None:
        return None
    number = match[1]
    if int(number) < 1000 or (len(number) <= 5 and number.startswith("0")):
        return f"{text!r} is a counter"
    return None


# Check digits


def _luhn(digits: str) -> bool:
    """Every second digit from the right doubled (ISO/IEC 7812-1, annex B): health cards of Canada, Sweden."""
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2])
    return len(digits) > 1 and (sum(doubled) + sum(map(int, digits[::-2]))) % 10 == 0


def _mod11(digits: str) -> bool:
    """Weights 2, 3, 4, ... from the right (NHS Data Dictionary, NHS Number): the sum is a multiple of 11.

    Where that needs a check digit of 10, the number is not given out.
    """
    return (
        len(digits) > 1
        and sum(int(digit) * weight for weight, digit in enumerate(reversed(digits), 1)) % 11 == 0
    )


def _mod97(digits: str) -> bool:
    """The last two digits are 97 less the rest of the others by 97: numbers of France and Belgium.

    Belgium puts a 2 before the others for those born from 2000.
    """
    if len(digits) < 3:
        return False
    return int(digits[-2:]) in (97 - int(digits[:-2]) % 97, 97 - int(f"2{digits[:-2]}") % 97)


_TIMES = tuple(
    tuple(
        (a + b) % 5 + (0 if a < 5 else 5) if b < 5 else (a - b) % 5 + (5 if a < 5 else 0) for b in range(10)
    )
    for a in range(10)
)
"""The dihedral group of order ten, which Verhoeff's check multiplies in."""
_SHUFFLE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _verhoeff(digits: str) -> bool:
    """A product in a dihedral group (J. Verhoeff, Error Detecting Decimal Codes, 1969): India's numbers."""
    product = 0
    for place, digit in enumerate(reversed(digits)):
        moved = int(digit)
        for _ in range(place % 8):
            moved = _SHUFFLE[moved]
        product = _TIMES[product][moved]
    return len(digits) > 1 and product == 0


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "luhn": _luhn,
    "mod11": _mod11,
    "mod97": _mod97,
    "verhoeff": _verhoeff,
}
