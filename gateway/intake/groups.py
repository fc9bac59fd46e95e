"""Which files came together, and whether more of them are to be expected.

A group is closed when a file says so (`done`), or when nothing in it has changed for its quiet time.
Without grouping each file is a group of its own, and closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

from gateway.intake.configuration import By, Grouping
from gateway.walk import natural

ALL = "*"
"""The key of a group that has all files of a folder."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file that a scan found; `changed` is when it was first seen as it is, by a clock of our own."""

    relative: str
    changed: float


@dataclass(frozen=True, slots=True)
class Group:
    """Files that came together, in natural order of their names."""

    key: str
    names: tuple[str, ...]
    closed: bool


def key_of(relative: str, grouping: Grouping | None) -> str:
    """The group that a file belongs to."""
    folder, _, name = relative.rpartition("/")
    if grouping is None:
        return relative
    if grouping.by is By.FOLDER:
        return folder
    if grouping.by is By.QUIET:
        return ALL
    match = grouping.pattern.search(name) if grouping.pattern else None
    if match is None:
        return relative
    found = "\x1f".join(part or "" for part in match.groups()) if match.groups() else match[0]
    return f"{folder}/{found}" if folder else found


def is_done_file(relative: str, grouping: Grouping | None) -> bool:
    """Whether a file only says that its group is complete."""
    name = relative.rpartition("/")[2]
    return bool(grouping and grouping.done and fnmatch(name, grouping.done))


def groups(members: Iterable[Member], grouping: Grouping | None, now: float) -> list[Group]:
    """The groups of the files in a folder; files that only say that one is done are in none."""
    found: dict[str, list[Member]] = {}
    said: set[str] = set()
    for member in members:
        key = key_of(member.relative, grouping)
        if is_done_file(member.relative, grouping):
            said.add(key)
        else:
            found.setdefault(key, []).append(member)
    return [_group(key, files, grouping, now, said) for key, files in found.items()]


def _group(key: str, files: list[Member], grouping: Grouping | None, now: float, said: set[str]) -> Group:
    names = tuple(sorted((each.relative for each in files), key=natural))
    if grouping is None:
        return Group(key, names, True)
    if grouping.done:
        return Group(key, names, key in said)
    last = max(each.changed for each in files)
    return Group(key, names, now - last >= grouping.quiet.total_seconds())
