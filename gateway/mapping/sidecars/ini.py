"""INI: sections of `key = value`, as devices write them.

Keys before the first section are facts by themselves, those of a section are in it. Nothing is put in
for `%(name)s`, and case does not matter. A key that occurs twice with different values has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.mapping.sidecars.lines import Named, entry, not_understood, numbered
from gateway.mapping.sidecars.reader import Content, Path, Reader

_SECTION = re.compile(r"\[([^\]]*)\]\s*(?:[;#].*)?")


def read(text: str) -> Content:
    """The sections and keys of a file. Raises ValueError where there are none."""
    top = section = Named()
    entries: list[tuple[str, Any]] = []
    remarks: list[str] = []
    strange: list[int] = []
    for number, line in numbered(text):
        if (match := _SECTION.fullmatch(line)) is not None:
            section = _section(top, match[1].strip(), number, remarks)
        elif (found := entry(line)) is not None:
            if remark := section.add(*found, number):
                remarks.append(remark)
            entries.append(found)
        else:
            strange.append(number)
    if not entries:
        raise ValueError("there is no line with key = value in it")
    return Content(top, top, tuple(entries), (*remarks, *not_understood(strange)))


def _section(top: Named, name: str, number: int, remarks: list[str]) -> Named:
    """The section of this name, made where it does not exist."""
    known = top.get(name)
    if isinstance(known, Named):
        return known
    if known is not None:
        remarks.append(f"{name} is a key and, from line {number}, a section too: the section counts")
    section = Named()
    top.put(name, section)
    return section


def path(text: str, _: Mapping[str, str]) -> Path:
    """`key` or `section.key`."""

    def lead(top: Any) -> Any:
        if text in top:
            return top[text]
        for dot in re.finditer(r"\.", text):
            section = top.get(text[: dot.start()])
            if isinstance(section, Named) and text[dot.end() :] in section:
                return section[text[dot.end() :]]
        return None

    return lead


READER = Reader(("ini", "cfg", "inf"), limit=1024 * 1024, natural=True, read=read, path=path)
