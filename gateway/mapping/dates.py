"""Dates and times as people, devices and hospital systems write them.

A format is written as for `strptime`, and read more strictly: digits that touch others have their full
number, a day that does not exist is none, and the names of months may be in the site's language.
Without a format the forms of DICOM, HL7, ISO 8601 and EXIF are read, which all begin with the year and
cannot be mistaken for each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal

PIVOT = 69
"""Two digits from here on are years of the last century, where nobody says otherwise (POSIX `%y`)."""

LONGEST = 100
"""Characters of the longest text that is looked at."""

What = Literal["date", "time", "date and time"]
"""What is read. Of a date and time, the time may be unknown."""

_TWO = "[0-9]{2}"
_SHORT = "[0-9]{1,2}"
_DIGITS = {"d": _TWO, "m": _TWO, "y": _TWO, "H": _TWO, "I": _TWO, "M": _TWO, "S": _TWO}
"""Directives of two digits; of one as well where no other digit touches them."""

_OTHERS = {
    "Y": "[0-9]{4}",
    "j": "[0-9]{3}",
    "f": "[0-9]{1,9}",
    "B": r"[^\W\d_][^\s\d.,/-]*\.?",
    "p": r"[ap]\.?m\.?",
    "z": "Z|[+-][0-9]{2}:?[0-9]{2}",
    "A": r"[^\W\d_][^\s\d.,/-]*\.?",
}
_SAME = {"b": "B", "a": "A"}
"""Short and long names are read alike."""

_KNOWN = " ".join(f"%{letter}" for letter in "YymdBbjHIMSfpzAa")
_SAYS = {
    "d": "the day", "m": "the month", "B": "the month", "y": "the year", "Y": "the year", "j": "the day",
    "H": "the hour", "I": "the hour", "M": "the minute", "S": "the second", "f": "the fraction",
    "p": "AM or PM", "z": "the offset from UTC", "A": "the day of the week",
}  # fmt: skip

_TOKEN = re.compile(r"%(?P<directive>.?)|(?P<blank>\s+)|(?P<plain>[^%\s])", re.DOTALL)

_OFFSET = r"(?:\s?(?P<z>Z|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_DAY = r"(?P<Y>[0-9]{4})(?P<sign>[-:]?)(?P<m>[0-9]{2})(?P=sign)(?P<d>[0-9]{2})"
_CLOCK = (
    r"(?P<H>[0-9]{2}(?=[0-9])|[0-9]{1,2}(?=:))(?P<colon>:?)(?P<M>[0-9]{2})"
    rf"(?:(?P=colon)(?P<S>[0-9]{{2}})(?:[.,](?P<f>[0-9]{{1,9}}))?)?{_OFFSET}"
)
_OWN_MOMENT = re.compile(rf"{_DAY}(?:[T ]?{_CLOCK})?", re.IGNORECASE)
_OWN_CLOCK = re.compile(_CLOCK, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Moment:
    """What was read: a day, a time of day, or both.

    `clock` knows its offset from UTC where that was written. `short` is whether the year was written
    with two digits, so that its century is a guess.
    """

    day: date | None
    clock: time | None = None
    short: bool = False


@lru_cache(maxsize=1024)
def compiled(written: str, what: What) -> re.Pattern[str]:
    """The format that is written so, to read with.

    Raises ValueError in words for what is no format, or does not tell enough.
    """
    seen: set[str] = set()
    try:
        expression = "".join(_expressions(unicodedata.normalize("NFC", written).strip(), seen))
        if what == "time":
            _need(seen, "HI", "hour")
        else:
            _need(seen, "Yy", "year")
            _need(seen, "mBj", "month")
            _need(seen, "dj", "day")
        if ("I" in seen) != ("p" in seen):
            raise ValueError("%I, the hour of twelve, and %p go together; %H is the hour of 24")
    except ValueError as error:
        raise ValueError(f"{written!r} is not a format for a {what}: {error}") from None
    return re.compile(expression, re.IGNORECASE)


def read(
    text: str, formats: tuple[str, ...], what: What, *, pivot: int = PIVOT, language: str = ""
) -> Moment:
    """What the first of the formats that fits reads in the text; without any, what a standard form says.

    Two digits below `pivot` are years from 2000 on. `language` is a code such as `de`, for the names of
    months. Raises ValueError that names the text and the formats, also for days that do not exist.
    """
    text = unicodedata.normalize("NFC", text.strip())
    why = ""
    for expression in _tried(formats, what) if len(text) <= LONGEST else ():
        match = expression.fullmatch(text)
        found = match.groupdict() if match else {}
        if match is None or (what == "time" and not (found.get("H") or found.get("I"))):
            continue
        try:
            return _moment(found, pivot, language)
        except (ValueError, OverflowError) as error:
            why = f": {error}"
    shown = repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
    if formats:
        raise ValueError(f"{shown} is not a {what} written as {' or '.join(formats)}{why}")
    why = why or f"; other forms need their format, as in {_EXAMPLES[what][1]}"
    raise ValueError(f"{shown} is not a {what} as in {_EXAMPLES[what][0]}{why}")


_EXAMPLES: Mapping[What, tuple[str, str]] = {
    "date": ("20240531 or 2024-05-31", "dicom_date('%d.%m.%Y')"),
    "time": ("143000 or 14:30:00", "dicom_time('%I:%M %p')"),
    "date and time": ("20240531143000 or 2024-05-31T14:30:00+02:00", "dicom_datetime('%d.%m.%Y %H:%M')"),
}


def local(moment: datetime, zone: str) -> datetime:
    """The moment on the clocks of a time zone, an IANA name; as it is where either is not known."""
    return moment.astimezone(_zone(zone)) if zone and moment.tzinfo else moment


def age(born: date, day: date) -> str:
    """The age on a day as AS (PS3.5 6.2): years from two on, then months from one on, then days.

    Raises ValueError where the day is before the birth.
    """
    if day < born:
        raise ValueError(f"the birth date {born} is after the day {day} at which the age is asked for")
    months = (day.year - born.year) * 12 + day.month - born.month - (day.day < born.day)
    if months >= 24:
        return f"{min(months // 12, 999):03d}Y"
    return f"{months:03d}M" if months else f"{(day - born).days:03d}D"


def da(day: date) -> str:
    """A day as DA (PS3.5 6.2)."""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def tm(clock: time) -> str:
    """A time of day as TM (PS3.5 6.2)."""
    fraction = f".{clock.microsecond:06d}" if clock.microsecond else ""
    return f"{clock.hour:02d}{clock.minute:02d}{clock.second:02d}{fraction}"


def offset(moment: datetime) -> str:
    """The offset from UTC as DICOM writes it, `+0200`; nothing where it is not known."""
    known = moment.utcoffset()
    if known is None:
        return ""
    minutes = round(known.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def _tried(formats: tuple[str, ...], what: What) -> tuple[re.Pattern[str], ...]:
    """The regular expressions to read with, in order."""
    if formats:
        return tuple(compiled(written, what) for written in formats)
    return (_OWN_MOMENT, _OWN_CLOCK) if what == "time" else (_OWN_MOMENT,)


def _expressions(written: str, seen: set[str]) -> Iterator[str]:
    """The regular expressions of a format's parts. Adds its directives to those seen."""
    tokens = list(_TOKEN.finditer(written))
    for index, token in enumerate(tokens):
        letter = _SAME.get(token["directive"] or "", token["directive"])
        if token["blank"]:
            yield r"\s+"
        elif token["plain"]:
            yield re.escape(token["plain"])
        elif letter == "%":
            yield "%"
        elif not letter:
            raise ValueError("it ends with a %; %% is a percent sign")
        elif letter not in _DIGITS and letter not in _OTHERS:
            raise ValueError(f"there is no %{letter}; there is {_KNOWN}")
        else:
            if any(_SAYS[letter] == _SAYS[other] for other in seen):
                raise ValueError(f"{_SAYS[letter]} stands there twice")
            seen.add(letter)
            beside = (*tokens[max(index - 1, 0) : index], *tokens[index + 1 : index + 2])
            touched = any(map(_is_digit, beside))
            short = letter in _DIGITS and letter != "y" and not touched
            yield f"(?P<{letter}>{_SHORT if short else _DIGITS.get(letter) or _OTHERS[letter]})"


def _is_digit(token: re.Match[str]) -> bool:
    """Whether digits are read here."""
    if token["plain"]:
        return token["plain"].isdigit()
    return token["directive"] is not None and token["directive"] in "dmyYjHIMSf"


def _need(seen: set[str], letters: str, what: str) -> None:
    if seen.isdisjoint(letters):
        wanted = " or ".join(f"%{letter}" for letter in letters)
        raise ValueError(f"it has no {what} ({wanted})")


def _moment(found: dict[str, str | None], pivot: int, language: str) -> Moment:
    """What the parts of a text mean. Raises ValueError for days and times that do not exist."""
    day = _day(found, pivot, language) if found.get("Y") or found.get("y") else None
    clock = _clock(found) if found.get("H") or found.get("I") else None
    return Moment(day, clock, short=bool(found.get("y")))


def _day(found: dict[str, str | None], pivot: int, language: str) -> date:
    if short := found.get("y"):
        year = int(short) + (1900 if int(short) >= pivot else 2000)
    else:
        year = int(found["Y"] or 0)
    if of_year := found.get("j"):
        day = date(year, 1, 1) + timedelta(days=int(of_year) - 1)
        if day.year != year:
            raise ValueError("a year has no such day")
        return day
    name = found.get("B")
    month = _month(name, language) if name else int(found["m"] or 0)
    return date(year, month, int(found["d"] or 0))


def _clock(found: dict[str, str | None]) -> time:
    hour = int(found.get("H") or 0)
    if twelve := found.get("I"):
        if not 1 <= int(twelve) <= 12:
            raise ValueError("there are twelve hours")
        hour = int(twelve) % 12 + (12 if (found["p"] or "")[0] in "pP" else 0)
    micros = int((found.get("f") or "0")[:6].ljust(6, "0"))
    written = found.get("z")
    zone = _timezone(written) if written else None
    return time(hour, int(found.get("M") or 0), int(found.get("S") or 0), micros, zone)


def _timezone(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError("an hour has no such minute")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if text[0] == "-" else ahead)


def _month(name: str, language: str) -> int:
    """The month of this name, in English or the site's language. Raises ValueError if that is not one."""
    wanted = name.casefold().rstrip(".")
    found = _named(wanted, _ENGLISH) | (_named(wanted, _months(language)) if language else set())
    if len(found) == 1:
        return found.pop()
    there = f"English and {language!r}" if language else "English, and the site's language is not set"
    raise ValueError(f"{name!r} is the name of {'several months' if found else 'no month'} in {there}")


def _named(wanted: str, names: Mapping[str, int]) -> set[int]:
    """The months of this name, be it short; three letters are the least that can tell them apart.

    Systems that write capitals alone often write them without accents.
    """
    if wanted in names:
        return {names[wanted]}
    if len(wanted) < 3:
        return set()
    return {
        month for name, month in names.items() if name.startswith(wanted) or _bare(name).startswith(wanted)
    }


def _bare(name: str) -> str:
    """A name without its accents."""
    return "".join(each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each))


_OLDER: Mapping[str, Mapping[str, int]] = {"de": {"mrz": 3}}
"""Short names that many systems write and the tables of languages no longer have."""


_ENGLISH: Mapping[str, int] = {
    name: number + 1
    for number, name in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september",
         "october", "november", "december")
    )
}  # fmt: skip


@lru_cache(maxsize=16)
def _months(language: str) -> Mapping[str, int]:
    """The names of the months in a language, as they stand in dates and alone."""
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError(f"the site's language {language!r} is not known: give a code such as de") from None
    names: dict[str, int] = dict(_OLDER.get(locale.language, {}))
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, name in locale.months[context][width].items():
                names.setdefault(unicodedata.normalize("NFC", name).casefold().rstrip("."), number)
    return names


@lru_cache(maxsize=16)
def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"the time zone {name!r} is not known: give one such as Europe/Berlin") from None
