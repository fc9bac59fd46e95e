"""Attributes by name: keywords, tags, and paths through sequences (PS3.6)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydicom.datadict import get_entry, keyword_dict, keyword_for_tag, repeater_has_keyword

_REMEMBERED = 8192
"""Tags whose entries are kept at hand, far more than a site uses: every attribute of every file asks."""

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_STEP = re.compile(r"(?P<name>[^.\[\]]*)(?:\[(?P<index>[0-9]{1,4})\])?")


@dataclass(frozen=True, slots=True)
class Step:
    """One attribute on a path; `index` is the item of it, from 0, that the path goes through."""

    tag: int
    index: int = 0


def tag_of(name: str) -> int:
    """The tag that a keyword, `00100010` or `(0010,0010)` names.

    Raises ValueError, with the nearest keywords, for a name that is none, and for attributes that
    nobody sets by name: private ones, group lengths and those of the File Meta Information.
    """
    text = name.strip()
    if (match := _TAG.fullmatch(text)) is not None:
        tag = int(match[1] + match[2], 16)
    elif text in keyword_dict and text:
        tag = keyword_dict[text]
    else:
        raise ValueError(_unknown(text))
    _refuse(tag)
    return tag


@lru_cache(maxsize=_REMEMBERED)
def keyword_of(tag: int) -> str:
    """The keyword of a tag, or its eight hexadecimal digits where it has none of its own.

    `tag_of` takes either. Attributes of repeating groups (overlays) share a keyword and so have none.
    """
    keyword = keyword_for_tag(tag)
    return keyword if keyword and keyword_dict.get(keyword) == tag else f"{tag:08X}"


@lru_cache(maxsize=_REMEMBERED)
def vr_of(tag: int) -> str:
    """The value representation of a tag; where the dictionary has several, the first.

    `UN` for an attribute that is not in the dictionary (PS3.5 6.2.2), `LO` for a private creator.
    """
    if tag & 0xFFFF == 0:
        return "UL"
    if _is_private(tag):
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = get_entry(tag)[0]
    except KeyError:
        return "UN"
    return "UN" if vr == "NONE" else vr.split(" or ")[0]


@lru_cache(maxsize=_REMEMBERED)
def vm_of(tag: int) -> str:
    """The value multiplicity of a tag as PS3.6 writes it (`1`, `1-n`, `2-2n`); `1-n` if unknown."""
    try:
        return get_entry(tag)[1]
    except KeyError:
        return "1-n"


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path such as `ReferencedImageSequence[1].ReferencedSOPInstanceUID`.

    Every step is a name that `tag_of` takes; `[n]` counts the items of a sequence from 0 and may be
    left out for the first. Raises ValueError that says which step is wrong and why.
    """
    return tuple(_steps(text))


def format_path(steps: Sequence[Step]) -> str:
    """The path in the form that `parse_path` takes, with `[n]` where it is not the first item."""
    return ".".join(keyword_of(step.tag) + (f"[{step.index}]" if step.index else "") for step in steps)


def _steps(text: str) -> Iterator[Step]:
    parts = text.strip().split(".")
    for position, part in enumerate(parts, start=1):
        match = _STEP.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f"{part!r} is not the name of an attribute; name it by keyword or tag, and an item of a "
                "sequence by its number from 0, as in ReferencedImageSequence[1].ReferencedSOPInstanceUID"
            )
        try:
            tag = tag_of(match["name"])
        except ValueError as error:
            raise ValueError(f"{text}: {error}" if len(parts) > 1 else str(error)) from None
        enters = position < len(parts) or match["index"] is not None
        if enters and vr_of(tag) != "SQ":
            raise ValueError(
                f"{text}: {keyword_of(tag)} ({vr_of(tag)}) is no sequence and has no items; "
                "only a sequence can be followed by '.' or '[n]'"
            )
        yield Step(tag, int(match["index"] or 0))


def _is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def _refuse(tag: int) -> None:
    shown = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    if tag >> 16 == 0x0002:
        raise ValueError(
            f"{shown} belongs to the File Meta Information, which is always written for the object"
        )
    if tag >> 16 == 0x0000:
        raise ValueError(f"{shown} belongs to commands between systems, not to an object")
    if _is_private(tag):
        raise ValueError(
            f"{shown} is private: what it holds depends on who reserved it. "
            "Give it in a DICOM JSON or Native XML file, together with its private creator"
        )
    if tag & 0xFFFF == 0:
        raise ValueError(f"{shown} is a group length, which says nothing of the object and is never written")
    try:
        vr = get_entry(tag)[0]
    except KeyError:
        raise ValueError(f"{shown} is not in the DICOM dictionary") from None
    if vr == "NONE":
        raise ValueError(f"{shown} marks an item of a sequence and is not an attribute")


def _unknown(name: str) -> str:
    if not name:
        return "an attribute needs a name, such as PatientID"
    shown = repr(name if len(name) <= 64 else name[:64] + "...")
    if repeater_has_keyword(name):
        return f"{shown} is an attribute of several groups; name one of them by its tag, e.g. 60000010"
    near = _nearest(name)
    hint = f"did you mean {' or '.join(near)}?" if near else "name it by keyword, as PatientID, or by tag"
    return f"{shown} is not an attribute in the DICOM dictionary; {hint}"


def _nearest(name: str) -> list[str]:
    """Up to three keywords in use that look like the name, the nearest first."""
    keywords = {keyword.casefold(): keyword for keyword, tag in keyword_dict.items() if not get_entry(tag)[3]}
    wanted = re.sub(r"[^0-9a-z]", "", name.casefold())
    if wanted in keywords:
        return [keywords[wanted]]
    near = difflib.get_close_matches(wanted, keywords, n=3, cutoff=0.75)
    if not near and len(wanted) >= 3:
        near = sorted((keyword for keyword in keywords if wanted in keyword), key=len)[:3]
    return [keywords[found] for found in near]
