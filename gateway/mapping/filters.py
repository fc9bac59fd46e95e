"""The filters that expressions may use, and no others.

None and empty text go through every filter as nothing, so that a fact that a file does not have leaves
its attribute out instead of failing. A value that a filter cannot use is a ValueError in words. What is
wrong with arguments that are written out is found when a mapping is loaded (`arguments.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from gateway.config import Site
from gateway.dicom.values import ONE_TEXT
from gateway.mapping import dates, names, patterns
from gateway.mapping.dates import PIVOT, Moment, What
from gateway.mapping.spelling import alike
from gateway.nodes import instead

LIMIT = 10_240
"""Characters that an expression may result in: as many as an LT attribute holds (PS3.5 6.2)."""

REMARKS = " remarks"
"""Where in its context an expression finds the list for remarks; no expression can write this name."""
MAPS = " maps"
"""Where it finds the maps that `pick` looks things up in: from name to value to value."""
SITE = " site"
"""Where it finds the `Site`, for its language and time zone."""
TODAY = " today"
"""Where it finds the day of the run, after which nobody is born; without one it is the day in UTC."""

FIT = {"SH": 16, "LO": 64, "ST": 1024, "LT": 10_240}
"""Most characters of the text VRs that `fit` knows (PS3.5 6.2)."""

WIDEST = 64
"""Digits that `pad` makes at most."""

_NONE_GIVEN: Any = object()
_LISTED = 12
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SEPARATORS = re.compile(r"[\\^=]")
_UNCLEAN = re.compile(r"[\\^=\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class Kept(str):
    """Text that counts as said even where it is empty."""

    __slots__ = ()


class Structured(str):
    """Text whose separators (`\\`, `^` and `=`) are meant: no data brought them in unseen."""

    __slots__ = ()


class Bare(int):
    """A number of a spreadsheet, which does not tell how many zeros stood before it."""


# Text


def default(value: Any, fallback: Any) -> Any:
    """The fallback where there is no value, or an empty one."""
    return fallback if isinstance(value, Undefined) or value is None or value == "" else value


def keep_empty(value: Any) -> str:
    """The value, which sends the attribute empty where it would be left out."""
    text = _text(value)
    return text if text.strip() else Kept(text)


def upper(value: Any) -> str:
    """The text in capitals."""
    text = _text(value)
    return _meant(text.upper(), text)


def lower(value: Any) -> str:
    """The text in small letters."""
    text = _text(value)
    return _meant(text.lower(), text)


def trim(value: Any) -> str:
    """The text without white space at its ends."""
    text = _text(value)
    return _meant(text.strip(), text)


def replace(value: Any, old: str, new: str) -> str:
    """The text with every `old` replaced by `new`."""
    text, old, new = _text(value), _text(old), _text(new)
    if not old:
        raise ValueError("replace needs a text to look for")
    if len(text) + text.count(old) * (len(new) - len(old)) > LIMIT:
        raise ValueError(f"replace would make more than {LIMIT:,} characters")
    rest = text if isinstance(text, Structured) else text.replace(old, "")
    return _meant(text.replace(old, new), rest, new)


def clean(value: Any) -> str:
    """The text with single blanks for what DICOM separates by (`\\`, `^`, `=`) and control characters."""
    return _UNCLEAN.sub(" ", _text(value)).strip()


def check_vr(vr: str) -> None:
    """Raises ValueError for a VR that `fit` does not know."""
    if vr not in FIT:
        raise ValueError(f"fit knows {', '.join(FIT)}, not {vr}")


@pass_context
def fit(context: Context, value: Any, vr: str) -> str:
    """The text as far as it fits into a VR: for what files say, which is better cut than refused."""
    check_vr(vr)
    text = unicodedata.normalize("NFC", _text(value))
    allowed = _CONTROL.sub(" ", text)
    if vr not in ONE_TEXT:
        allowed = allowed.replace("\\", " ")
    if allowed.strip() != text.strip():
        context[REMARKS].append(f"characters that {vr} does not permit became spaces")
    short = " ".join(allowed.split())
    if len(short) > FIT[vr]:
        context[REMARKS].append(f"the text was cut to {FIT[vr]} characters, the most that {vr} holds")
    return short[: FIT[vr]].rstrip()


def concatenate(values: Sequence[Any]) -> str:
    """What `~` does: the texts of all values, one after the other."""
    return _joined("", [_text(value) for value in values])


def join(value: Any, separator: str) -> str:
    """The values of a list as one text, with the separator between those that are not empty."""
    if not isinstance(value, list | tuple):
        return _text(value)
    return _joined(_text(separator), [text for text in map(_text, value) if text.strip()])


def part(value: Any, separator: str, index: int = 0) -> str:
    """The part of a text between separators; they count from 0, and from -1 at the end.

    Nothing where there are not so many.
    """
    if not separator:
        raise ValueError("part needs the text that separates the parts")
    found = _text(value).split(separator)
    return found[index].strip() if -len(found) <= index < len(found) else ""


def match(value: Any, pattern: str) -> str:
    """What a regular expression finds first: its first group, or all of it where it has none."""
    text = _text(value)
    if len(text) > LIMIT:
        raise ValueError(f"match looks at texts of at most {LIMIT:,} characters, and this has {len(text):,}")
    found = patterns.compiled(pattern).search(text)
    if found is None:
        return ""
    return (found[1] or "") if found.re.groups else found[0]


def digits(value: Any) -> str:
    """The digits of a text, and nothing else of it."""
    return re.sub("[^0-9]", "", _text(value))


def check_width(width: Any) -> None:
    """Raises ValueError for what is no number of digits, or too many."""
    if not isinstance(width, int) or isinstance(width, bool) or not 0 <= width <= WIDEST:
        raise ValueError(f"pad takes a number of digits up to {WIDEST}, not {width!r}")


def pad(value: Any, width: int) -> str:
    """The text with zeros on its left, up to a number of characters."""
    check_width(width)
    text = _text(value).strip()
    return text.rjust(width, "0") if text else ""


@pass_context
def pick(context: Context, value: Any, name: str, default: Any = _NONE_GIVEN) -> str:
    """What a map of the mapping has for a value; small and capital letters are alike if nothing is exact.

    Without a default, a value that the map does not have is an error.
    """
    maps = context.get(MAPS) or {}
    if name not in maps:
        raise ValueError(f"there is no map {name!r}{instead(name, maps)}")
    entries, text = maps[name], _text(value).strip()
    if text in entries:
        return Structured(entries[text])
    wanted = alike(text)
    near = [result for key, result in entries.items() if alike(key) == wanted]
    if len(near) == 1:
        return Structured(near[0])
    if default is not _NONE_GIVEN:
        return _text(default)
    if not text:
        return ""
    there = list(entries)
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    raise ValueError(
        f"the map {name!r} has no {text!r}; it has {', '.join(there[:_LISTED])}{more}: add it, or give a "
        f"default, as in pick({name!r}, '')"
    )


# Names


def person_name(
    value: Any,
    given: Any = None,
    middle: Any = None,
    prefix: Any = None,
    suffix: Any = None,
    *,
    ideographic: Any = None,
    phonetic: Any = None,
) -> str:
    """A name as PN from its parts; the value is the family name.

    The other groups are names of this filter or of `dicom_name`, or family names alone.
    """
    others = [_text(each) for each in (given, middle, prefix, suffix)]
    alphabetic = _group(value) if not any(others) else names.group(_text(value), *others)
    return Structured(names.together(alphabetic, _group(ideographic), _group(phonetic)))


def dicom_name(value: Any, form: str | None = None) -> str:
    """A name as PN from text that has all of it: `Family^Given` as in DICOM, or in one of the forms."""
    text = _text(value)
    if form is None:
        return Structured(names.checked(text))
    names.check_form(form)
    return Structured(names.taken_apart(text, form))


def _group(value: Any) -> str:
    text = _text(value)
    return text if isinstance(text, Structured) else names.group(text)


# Dates and times


@pass_context
def dicom_date(
    context: Context,
    value: Any,
    *formats: str,
    pivot: int | None = None,
    birth: bool = False,
    never: Iterable[str] = (),
) -> str:
    """A date as DA (PS3.5 6.2). Text is read by the formats in turn, or in a standard form.

    Two digits below the pivot are years from 2000 on. A birth date is never to come: with a pivot, two
    digits are then a year of the century before. Values in `never` mean no date.
    """
    moment = _moment(context, value, formats, "date", pivot=pivot, never=never)
    if moment is None or moment.day is None:
        return ""
    if birth:
        return dates.da(_birth(moment, pivot, context.get(TODAY)))
    return dates.da(_local(context, moment).day or moment.day)


@pass_context
def dicom_time(context: Context, value: Any, *formats: str, never: Iterable[str] = ()) -> str:
    """A time of day as TM (PS3.5 6.2). Text is read by the formats in turn, or in a standard form."""
    moment = _moment(context, value, formats, "time", never=never)
    clock = _local(context, moment).clock if moment else None
    return dates.tm(clock) if clock else ""


@pass_context
def dicom_datetime(
    context: Context, value: Any, *formats: str, pivot: int | None = None, never: Iterable[str] = ()
) -> str:
    """A date with its time as DT, with the offset from UTC where it is known (PS3.5 6.2)."""
    moment = _moment(context, value, formats, "date and time", pivot=pivot, never=never)
    if moment is None or moment.day is None:
        return ""
    if moment.clock is None:
        return dates.da(moment.day)
    offset = dates.offset(datetime.combine(moment.day, moment.clock))
    return dates.da(moment.day) + dates.tm(moment.clock) + offset


@pass_context
def age(context: Context, value: Any, day: Any) -> str:
    """The age as AS (PS3.5 6.2) on a day; the value is the birth date. Both in a standard form."""
    born = _moment(context, value, (), "date")
    then = _moment(context, day, (), "date")
    if born is None or then is None or born.day is None or then.day is None:
        return ""
    return dates.age(born.day, then.day)


def _moment(
    context: Context,
    value: Any,
    formats: tuple[str, ...],
    what: What,
    *,
    pivot: int | None = None,
    never: Iterable[str] = (),
) -> Moment | None:
    """What a value says of a date or time; None for nothing, and for what means no date."""
    if _nothing(value):
        return None
    moment = _known(value)
    if moment is not None and not never:
        return moment
    language = _site(context).language
    pivot = PIVOT if pivot is None else pivot
    if never:
        texts, days = _never(_list(never), formats, what, pivot, language)
        if _text(value).strip().casefold() in texts:
            return None
    if moment is None:
        moment = dates.read(_text(value), formats, what, pivot=pivot, language=language)
    return None if never and moment.day in days else moment


def _known(value: Any) -> Moment | None:
    """What a value says that is a date or time already; None for all others."""
    if isinstance(value, datetime):
        return Moment(value.date(), value.timetz())
    if isinstance(value, date):
        return Moment(value)
    return Moment(None, value) if isinstance(value, time) else None


@lru_cache(maxsize=64)
def _never(
    never: tuple[str, ...], formats: tuple[str, ...], what: What, pivot: int, language: str
) -> tuple[frozenset[str], frozenset[date]]:
    """What means no date: as text, and as the days that it reads as, so that it need not be spelt alike."""
    days = set()
    for text in never:
        for tried in (formats, ()):
            try:
                days.add(dates.read(text, tried, what, pivot=pivot, language=language).day)
            except ValueError:  # words such as "unknown" are none
                continue
    return frozenset(text.strip().casefold() for text in never), frozenset(filter(None, days))


def _birth(moment: Moment, pivot: int | None, today: date | None) -> date:
    """The day of a birth. Raises ValueError for one to come, where the century was not a guess."""
    day = moment.day or date.max
    last = (today or datetime.now(UTC).date()) + timedelta(days=1)  # it may be tomorrow there already
    if day <= last:
        return day
    if moment.short and pivot is not None:
        return day.replace(year=day.year - 100)
    remedy = ": give pivot= to say which two digits are years from 2000 on" if moment.short else ""
    raise ValueError(f"{day} is to come and cannot be a birth date{remedy}")


def _local(context: Context, moment: Moment) -> Moment:
    """The moment on the site's own clocks, if its offset from UTC is known and the site's time zone is."""
    zone = _site(context).timezone
    if not zone or moment.day is None or moment.clock is None or moment.clock.tzinfo is None:
        return moment
    there = dates.local(datetime.combine(moment.day, moment.clock), zone)
    return Moment(there.date(), there.timetz())


def _site(context: Context) -> Site:
    site = context.get(SITE)
    return site if isinstance(site, Site) else NOWHERE


NOWHERE = Site()


FILTERS: Mapping[str, Callable[..., Any]] = {
    "age": age,
    "clean": clean,
    "default": default,
    "dicom_date": dicom_date,
    "dicom_datetime": dicom_datetime,
    "dicom_name": dicom_name,
    "dicom_time": dicom_time,
    "digits": digits,
    "fit": fit,
    "join": join,
    "keep_empty": keep_empty,
    "lower": lower,
    "match": match,
    "pad": pad,
    "part": part,
    "person_name": person_name,
    "pick": pick,
    "replace": replace,
    "trim": trim,
    "upper": upper,
}


# Values


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    """What a value looks like as text; nothing for None."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | list | tuple):
        raise ValueError("one value is expected here, not a table or list of them")
    return "" if value is None else str(value)


def _list(values: Any) -> tuple[str, ...]:
    return tuple(map(_text, values)) if isinstance(values, list | tuple) else (_text(values),)


def _meant(text: str, *made_of: str) -> str:
    """The text, whose separators are meant if those of all that it is made of are."""
    if all(isinstance(each, Structured) or not _SEPARATORS.search(each) for each in made_of):
        return Structured(text)
    return text


def _joined(separator: str, texts: Sequence[str]) -> str:
    """The texts with the separator between them. Raises ValueError before they get too long."""
    if sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0) > LIMIT:
        raise ValueError(f"this results in more than {LIMIT:,} characters")
    return _meant(separator.join(texts), separator, *texts)
