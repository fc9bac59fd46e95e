"""What an archive answers to a store request (PS3.18 10.5.3 and Annex I).

Archives answer in JSON or XML, with and without a Content-Type, as an object or an array, and with a
body on any status. All of it becomes one `Answer`; what is to be done about it is judged elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

from gateway.dicom import xml
from gateway.stow.address import without_secrets
from gateway.stow.prose import readable, tidy

SOP_CLASS = "00081150"
SOP_INSTANCE = "00081155"
RETRIEVE_URL = "00081190"
WARNING_REASON = "00081196"
FAILURE_REASON = "00081197"
FAILED = "00081198"
REFERENCED = "00081199"
OTHER_FAILURES = "0008119A"
ERROR_COMMENT = "00000902"
FAILED_ATTRIBUTES = "00741048"

_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_PRIVATE = re.compile(r"...[13579BDF]", re.IGNORECASE)
_CREATOR = re.compile(r"....00[1-9A-F].", re.IGNORECASE)
_WARNING_HEADER = re.compile(r'\d{3} +\S+ +"((?:[^"\\]|\\.)*)"|\d{3} +\S+ +([^",]+)')

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance that the archive names as stored, and its remark if it has one."""

    retrieve_url: str | None = None
    warning: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An instance that the archive names as not stored; some archives do not say which one it is."""

    reason: int | None = None
    text: str | None = None
    sop_instance_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An archive's answer, whatever form it had.

    `stored` and `failed` are by SOP Instance UID; `others` are failures without one. `text` is what
    the `Warning` header or a body that is no DICOM says. `retry_after` is in seconds; `location` is
    where a redirection leads.
    """

    status: int
    stored: Mapping[str, Stored] = field(default_factory=dict)
    failed: Mapping[str, Failure] = field(default_factory=dict)
    others: tuple[Failure, ...] = ()
    text: str | None = None
    retry_after: float | None = None
    location: str | None = None


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer in a response; what cannot be read becomes its text, and nothing raises."""
    known = {name.lower(): value for name, value in headers.items()}
    items = items_of(body)
    stored: dict[str, Stored] = {}
    failed: dict[str, Failure] = {}
    others: list[Failure] = []
    for item in items:
        for reference in _sequence(item, REFERENCED):
            if uid := text_of(reference, SOP_INSTANCE):
                stored[uid] = _stored(reference)
        for reference in _sequence(item, FAILED) + _sequence(item, OTHER_FAILURES):
            failure = _failure(reference)
            if failure.sop_instance_uid:
                failed[failure.sop_instance_uid] = failure
            else:
                others.append(failure)
    if _is_answer(items):
        said = next(filter(None, map(_details, items)), None)
    else:
        said = readable(body, known.get("content-type", ""))
    return Answer(
        status=status,
        stored=MappingProxyType(stored),
        failed=MappingProxyType(failed),
        others=tuple(others),
        text=warning_text(known.get("warning", "")) or said,
        retry_after=retry_after(known.get("retry-after", ""), known.get("date", "")),
        location=without_secrets(known["location"]) if "location" in known else None,
    )


def items_of(body: bytes) -> list[Item]:
    """The data sets in a JSON or XML body, told apart by their content; none when it is neither."""
    return list(_items(body))


def warning_text(header: str) -> str | None:
    """The texts of a `Warning` header (RFC 9111 5.5), without codes and names."""
    texts = [quoted or bare for quoted, bare in _WARNING_HEADER.findall(header)] or [header]
    return tidy("; ".join(re.sub(r"\\(.)", r"\1", text).strip() for text in texts))


def retry_after(value: str, date: str = "") -> float | None:
    """Seconds that a `Retry-After` header asks to wait (RFC 9110 10.2.3), never less than 0.

    A point in time counts from the response's own `Date`, so that the two clocks need not agree.
    """
    value = value.strip()
    if value.isdecimal():
        return min(float(value), timedelta(days=365).total_seconds())
    moment = _moment(value)
    if moment is None:
        return None
    return max(0.0, (moment - (_moment(date) or datetime.now(UTC))).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _items(body: bytes) -> Iterator[Item]:
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    try:
        if text[:1] in (b"{", b"["):
            found = json.loads(text)
            yield from (item for item in (found if isinstance(found, list) else [found]) if _is_item(item))
        elif text[:1] == b"<" and b"NativeDicomModel" in text:
            yield xml.load(text)
    except (ValueError, RecursionError):
        return


def _is_item(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_answer(items: list[Item]) -> bool:
    return any(_TAG.fullmatch(name) for item in items for name in item)


def _sequence(item: Item, tag: str) -> list[Item]:
    return [value for value in _values(item, tag) if _is_item(value)]


def _values(item: Item, tag: str) -> list[Any]:
    attribute = item.get(tag) or item.get(tag.lower())
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values if isinstance(values, list) else []


def text_of(item: Item, tag: str) -> str | None:
    """The first value of an attribute that is text, without padding."""
    value = next(iter(_values(item, tag)), None)
    return value.strip(" \0") or None if isinstance(value, str) else None


def _number(item: Item, tag: str) -> int | None:
    """A code, written as a number or, by some, as text."""
    value = next(iter(_values(item, tag)), None)
    if isinstance(value, int | float):
        return int(value)
    text = str(value or "").strip()
    if text.isdecimal():
        return int(text)
    return int(text, 16) if re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{4}", text) else None


def _stored(reference: Item) -> Stored:
    return Stored(
        retrieve_url=text_of(reference, RETRIEVE_URL),
        warning=_number(reference, WARNING_REASON) or None,
        text=_details(reference),
    )


def _failure(reference: Item) -> Failure:
    return Failure(
        reason=_number(reference, FAILURE_REASON),
        text=_details(reference),
        sop_instance_uid=text_of(reference, SOP_INSTANCE),
    )


def _details(item: Item) -> str | None:
    """What an item says in words: error comments, private texts, members that are no attributes."""
    texts = list(dict.fromkeys(_texts(item)))
    return tidy("; ".join(texts)) if texts else None


def _texts(item: Item) -> Iterator[str]:
    for name, member in item.items():
        if not _TAG.fullmatch(name):
            if isinstance(member, str):
                yield member
        elif name == FAILED_ATTRIBUTES:
            for nested in _sequence(item, name):
                yield from _texts(nested)
        elif name == ERROR_COMMENT or _is_private_text(name, member):
            yield from (value for value in _values(item, name) if isinstance(value, str))


def _is_private_text(tag: str, member: object) -> bool:
    vr = member.get("vr") if isinstance(member, dict) else None
    return bool(_PRIVATE.match(tag)) and not _CREATOR.fullmatch(tag) and (vr is None or vr in _TEXT_VRS)
