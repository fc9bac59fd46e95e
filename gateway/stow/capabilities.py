"""What an archive says of itself before anything is sent to it (PS3.18 10.3, Retrieve Capabilities).

A description in WADL, as XML or JSON, has for each resource its methods with the media types that they
take. Few archives give one; most say no more than which methods there are.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.config import Form
from gateway.stow.multipart import Malformed, parse_content_type

ACCEPT = "application/vnd.sun.wadl+xml, application/json;q=0.5"
"""The media types of descriptions."""

_POST = re.compile(r"<(\w+:)?method\b[^>]*\bname=[\"']POST[\"'][^>]*>(.*?)</\1?method>", re.DOTALL)
_MEDIA_TYPE = re.compile(r"\bmediaType=(\"[^\"]*\"|'[^']*')")
_LIST = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Service:
    """An archive that has answered.

    `url` is what is posted to. `forms` are those that it says it takes, None where it does not say.
    `trouble` is why it could not be told by a search whether we are let in; None where it was. `date` is
    the time by its own clock, where it tells.
    """

    url: str
    forms: frozenset[Form] | None = None
    trouble: str | None = None
    date: datetime | None = None


def forms(body: bytes) -> frozenset[Form] | None:
    """The forms of a store request that a description names; None when it names none."""
    text = body.decode("utf-8", "replace").strip("\ufeff \r\n\t")
    types = _of_json(text) if text[:1] in ("{", "[") else _of_xml(text)
    return frozenset(form for each in types if (form := _form(each)) is not None) or None


def methods(allow: str | None) -> frozenset[str]:
    """The methods in an Allow header."""
    return frozenset(each.upper() for each in _LIST.split(allow or "") if each)


def _of_xml(text: str) -> Iterator[str]:
    for method in _POST.finditer(text):
        for found in _MEDIA_TYPE.findall(method[2]):
            yield html.unescape(found[1:-1])


def _of_json(text: str) -> Iterator[str]:
    with suppress(ValueError, RecursionError):
        yield from _texts(json.loads(text), posting=False)


def _texts(value: Any, *, posting: bool) -> Iterator[str]:
    """All texts below a method that is called POST."""
    if isinstance(value, dict):
        name = value.get("name", value.get("@name"))
        posting = posting or (isinstance(name, str) and name.upper() == "POST")
        for each in value.values():
            yield from _texts(each, posting=posting)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, posting=posting)
    elif isinstance(value, str) and posting:
        yield value


def _form(media_type: str) -> Form | None:
    """The form that travels under a media type; other requests than stores have other types."""
    with suppress(Malformed):
        found = parse_content_type(media_type)
        inner = found.parameters.get("type", "") if found.media_type == "multipart/related" else ""
        return next((form for form in Form if form.media_type == inner.lower()), None)
    return None
