"""Which files of a hot folder are complete, as far as that can be seen from outside.

A file is when two looks at least `settle` apart have found the same size, time and inode, when it is not
empty, when it can be opened, and when its group is closed. Times are by a clock of our own: those of
servers and devices are wrong. Whether what is in it is whole is seen when it is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.intake import groups
from gateway.intake.configuration import Folder
from gateway.intake.groups import Group, Member
from gateway.intake.scan import Entry
from gateway.stream import FileStamp

EMPTY = "empty"
UNREADABLE = "unreadable"
GROUP_OPEN = "group-open"
"""Why a file is not complete, as the reason of what becomes of it when it was waited for long enough."""


@dataclass(slots=True)
class Sighting:
    """What is known of a file that is there: since when it is as it is, and whether workers have it."""

    stamp: FileStamp
    since: float
    scans: int = 1
    passed: bool = False
    given_up: bool = False
    """It was waited for long enough, and whoever looks after the gateway was told."""


class Sightings:
    """What one scan after the other has found in a folder.

    `moment` is the time of a scan in seconds, by a clock that only goes forward.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._files: dict[str, Sighting] = {}

    def __getitem__(self, relative: str) -> Sighting:
        return self._files[relative]

    def get(self, relative: str) -> Sighting | None:
        """What is known of a file; None where it is not there."""
        return self._files.get(relative)

    def compare(self, found: Iterable[Entry]) -> list[Entry]:
        """The files that are new, or not as they were; the others have been seen once more."""
        news = []
        for entry in found:
            known = self._files.get(entry.relative)
            if known is None or known.stamp != entry.stamp:
                news.append(entry)
            else:
                known.scans += 1
        return news

    def remember(self, news: Iterable[Entry], moment: float) -> None:
        """These were told to the ledger."""
        for entry in news:
            self._files[entry.relative] = Sighting(entry.stamp, moment)

    def missing(self, found: Mapping[str, Entry]) -> list[str]:
        """The files that were there and are not any more."""
        return [relative for relative in self._files if relative not in found]

    def forget(self, names: Iterable[str]) -> None:
        """These are looked at as if they were new, if they are there."""
        for name in names:
            self._files.pop(name, None)

    def passed(self) -> Iterator[str]:
        """The files that workers have, or have had."""
        return (relative for relative, each in self._files.items() if each.passed)

    def complete(self, moment: float) -> list[Group]:
        """The groups that have something for workers: closed, and each of their files settled and open."""
        if not any(self._is_settled(each, moment) and not each.passed for each in self._files.values()):
            return []
        members = (Member(relative, each.since) for relative, each in self._files.items())
        return [
            group
            for group in groups.groups(members, self._folder.group, moment)
            if group.closed
            and not all(self._files[name].passed for name in group.names)
            and all(self._is_complete(name, moment) for name in group.names)
        ]

    def late(self, moment: float) -> Mapping[str, list[str]]:
        """The files that are not complete after `give_up`, by the reason; each of them is told once."""
        found: dict[str, list[str]] = {}
        longest = max(self._folder.give_up, self._folder.settle).total_seconds()
        for relative, each in self._files.items():
            marks = groups.is_done_file(relative, self._folder.group)
            waits = each.scans > 1 and not (each.passed or each.given_up or marks)
            if waits and moment - each.since >= longest:
                found.setdefault(self._why(relative, each), []).append(relative)
        return found

    def _why(self, relative: str, each: Sighting) -> str:
        if not each.stamp.size:
            return EMPTY
        return GROUP_OPEN if self._folder.group and self._opens(relative) else UNREADABLE

    def _is_settled(self, each: Sighting, moment: float) -> bool:
        waited = moment - each.since
        return each.scans > 1 and bool(each.stamp.size) and waited >= self._folder.settle.total_seconds()

    def _is_complete(self, name: str, moment: float) -> bool:
        each = self._files[name]
        return each.passed or (self._is_settled(each, moment) and self._opens(name))

    def _opens(self, relative: str) -> bool:
        try:
            with open(os.path.join(self._folder.path, relative), "rb"):  # noqa: PTH118, PTH123 - for each file
                return True
        except OSError:
            return False
