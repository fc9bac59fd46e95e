"""The filters that expressions may use, and no others.

None and empty text go through every filter as nothing, so that a fact that a file does not have leaves
its attribute out instead of failing. A value that a filter cannot use is a ValueError in words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from gateway.dicom.values import ONE_TEXT

LIMIT = 10_240
"""Characters that an expression may result in: as many as an LT attribute holds (PS3.5 6.2)."""

REMARKS = " remarks"
"""Where in its context an expression finds the list for remarks; no expression can write this name."""

FIT = {"SH": 16, "LO": 64, "ST": 1024, "LT": 10_240}
"""Most characters of the text VRs that `fit` knows (PS3.5 6.2)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DATES = ("%Y%m%d", "%Y-%m-%d")
_TIMES = ("%H%M%S", "%H%M", "%H:%M:%S", "%H:%M")


class Kept(str):
    """Text that counts as said even where it is empty."""

    __slots__ = ()


def default(value: Any, fallback: Any) -> Any:
    """The fallback where there is no value, or an empty one."""
    return fallback if isinstance(value, Undefined) or value is None or value == "" else value


def keep_empty(value: Any) -> Kept:
    """The value, which sends the attribute empty where it would be left out."""
    return Kept(_text(value))


def upper(value: Any) -> str:
    """The text in capitals."""
    return _text(value).upper()


def lower(value: Any) -> str:
    """The text in small letters."""
    return _text(value).lower()


def trim(value: Any) -> str:
    """The text without white space at its ends."""
    return _text(value).strip()


def replace(value: Any, old: str, new: str) -> str:
    """The text with every `old` replaced by `new`."""
    text, old, new = _text(value), _text(old), _text(new)
    if not old:
        raise ValueError("replace needs a text to look for")
    if len(text) + text.count(old) * (len(new) - len(old)) > LIMIT:
        raise ValueError(f"replace would make more than {LIMIT:,} characters")
    return text.replace(old, new)


def concatenate(values: list[Any]) -> str:
    """What `~` does: the texts of all values, one after the other."""
    return "".join(map(_text, values))


def dicom_date(value: Any, *formats: str) -> str:
    """A date as DA (PS3.5 6.2). Text is read by the formats in turn, or as YYYYMMDD or YYYY-MM-DD."""
    if _nothing(value):
        return ""
    moment = value if isinstance(value, date) else _read(value, formats or _DATES, "date").date()
    return _date(moment)


def dicom_time(value: Any, *formats: str) -> str:
    """A time of day as TM (PS3.5 6.2). Text is read by the formats in turn, or as HHMM[SS] or HH:MM[:SS]."""
    if _nothing(value):
        return ""
    if isinstance(value, datetime):
        return _time(value.time())
    return _time(value if isinstance(value, time) else _read(value, formats or _TIMES, "time").time())


def dicom_datetime(value: Any, *formats: str) -> str:
    """A date with its time as DT, with the offset from UTC where it is known (PS3.5 6.2)."""
    if _nothing(value):
        return ""
    moment = value if isinstance(value, datetime) else _read_moment(value, formats)
    return _date(moment) + _time(moment.time()) + _offset(moment)


@pass_context
def fit(context: Context, value: Any, vr: str) -> str:
    """The text as far as it fits into a VR: for what files say, which is better cut than refused."""
    if vr not in FIT:
        raise ValueError(f"fit knows {', '.join(FIT)}, not {vr}")
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


FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": default,
    "dicom_date": dicom_date,
    "dicom_datetime": dicom_datetime,
    "dicom_time": dicom_time,
    "fit": fit,
    "keep_empty": keep_empty,
    "lower": lower,
    "replace": replace,
    "trim": trim,
    "upper": upper,
}


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    """What a value looks like as text; nothing for None."""
    if isinstance(value, Mapping | list | tuple):
        raise ValueError("one value is expected here, not a table or list of them")
    return "" if value is None else str(value)


def _read(value: Any, formats: tuple[str, ...], what: str) -> datetime:
    text = _text(value).strip()
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 - a date as written has no zone unless %z says so
        except (ValueError, re.error) as error:
            if isinstance(error, re.error) or "bad directive" in str(error) or "stray %" in str(error):
                raise ValueError(f"{pattern!r} is not a format: {error}") from None
    raise ValueError(f"{text!r} is not a {what} written as {' or '.join(formats)}")


def _read_moment(value: Any, formats: tuple[str, ...]) -> datetime:
    if formats:
        return _read(value, formats, "date and time")
    text = _text(value).strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date and time as in 2024-05-31T14:30:00") from None


def _date(moment: date) -> str:
    return f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"


def _time(moment: time) -> str:
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"{moment.hour:02d}{moment.minute:02d}{moment.second:02d}{fraction}"


def _offset(moment: datetime) -> str:
    offset = moment.utcoffset()
    if offset is None:
        return ""
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
