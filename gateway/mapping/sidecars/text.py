"""Plain text: lines of `keyword: value` or `keyword = value`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.mapping.sidecars.lines import Named, entry, not_understood, numbered
from gateway.mapping.sidecars.reader import Content, Path, Reader


def read(text: str) -> Content:
    """The keywords of a file. Raises ValueError where there are none."""
    facts = Named()
    entries: list[tuple[str, Any]] = []
    remarks: list[str] = []
    strange: list[int] = []
    for number, line in numbered(text):
        found = entry(line)
        if found is None:
            strange.append(number)
            continue
        if remark := facts.add(*found, number):
            remarks.append(remark)
        entries.append(found)
    if not entries:
        raise ValueError("there is no line with keyword: value in it")
    return Content(facts, facts, tuple(entries), (*remarks, *not_understood(strange)))


def path(text: str, _: Mapping[str, str]) -> Path:
    """A keyword."""
    return lambda facts: facts.get(text)


READER = Reader(("txt",), limit=1024 * 1024, natural=True, read=read, path=path)
