"""The one sentence that an error page or an error object has to say."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

LONGEST = 300
"""Characters of somebody else's text that are shown."""

_READ_AT_MOST = 64 * 1024
_NAMES = (
    "errormessage",
    "error_description",
    "error_message",
    "message",
    "detail",
    "details",
    "title",
    "reason",
    "error",
    "errors",
    "description",
    "failuredetail",
    "diagnostics",
    "issue",
)
_UNSEEN = re.compile(r"<!--.*?-->|<(script|style|head)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_HEADING = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_STACK_TRACE = re.compile(r"\s+at [\w$.]+\([\w$.: ]*\).*", re.DOTALL)


def readable(body: bytes, content_type: str = "") -> str | None:
    """What a body that is no DICOM answer says to people, in one line; None when that is nothing.

    JSON objects are asked for the members that carry messages, pages for their text, stack traces for
    what stands before them.
    """
    text = _decoded(body[:_READ_AT_MOST], content_type).strip("\ufeff\x00 \t\r\n")
    if text[:1] in ("{", "["):
        return _said(text)
    if text.startswith("<"):
        headings = [_TAG.sub(" ", found[2]) for found in _HEADING.finditer(text)]
        rest = _TAG.sub(" ", _UNSEEN.sub(" ", text))
        text = html.unescape(rest if rest.strip() else " ".join(headings))
    return tidy(_STACK_TRACE.sub("", text))


def _said(text: str) -> str | None:
    """What JSON says; text that only looks like JSON, or has no members that we know, as it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return tidy(text)
    if not found:
        return None
    messages = list(dict.fromkeys(_messages(found, 0)))
    return tidy(": ".join(messages[:3]) or text)


def tidy(text: str) -> str | None:
    """The text in one line without control characters, cut where it becomes too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > LONGEST:
        line = line[: LONGEST - 1].rsplit(" ", 1)[0] + "…"
    return line or None


def _decoded(body: bytes, content_type: str) -> str:
    named = _CHARSET.search(content_type)
    for encoding in (named[1] if named else "utf-8", "utf-8"):
        try:
            return body.decode(encoding)
        except (LookupError, ValueError):
            continue
    return body.decode("latin-1")


def _messages(value: Any, depth: int) -> Iterator[str]:
    """The texts of the members that carry messages, the most telling name first."""
    if depth > 4:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value[:3]:
            yield from _messages(item, depth + 1)
    elif isinstance(value, dict):
        members = {str(name).lower(): member for name, member in value.items()}
        for name in _NAMES:
            if name in members:
                yield from _messages(members[name], depth + 1)
