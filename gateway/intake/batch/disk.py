"""What a scan found and what of it it left out, so that the account explains every file on the disk.

    files on the disk = files in the account + files left out

It is kept in the ledger when a scan ends. A scan that has begun and not ended is known as such.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gateway.ledger import Ledger

FACT = "disk"
"""What it is called among what the ledger keeps of an import."""

KINDS = {
    "litter": "litter of desktops and file servers",
    "snapshots": "snapshots of file servers, each counted as one",
    "ignored": "names to be passed over",
    "companions": "sidecars and tables, which only describe others",
    "own": "the import's own: mapping, configuration, ledger, report",
    "links": "links to folders, or to nothing",
    "special": "pipes, sockets and devices",
    "rows": "rows of the table that name no file, or one that was named before",
}
"""Why files, or rows of a table, are left out."""

NAMELESS = frozenset({"own", "companions"})
"""Kinds whose names are those of files, rather than patterns."""


@dataclass(frozen=True, slots=True)
class Omitted:
    """Files of one kind that were left out, by the pattern or name that they have."""

    kind: str
    names: dict[str, int]

    @property
    def files(self) -> int:
        """How many they are."""
        return sum(self.names.values())

    def most(self, count: int) -> list[str]:
        """The most frequent names, and dots for others."""
        names = sorted(self.names, key=lambda name: (-self.names[name], name))
        return [*names[:count], "..."] if len(names) > count else names

    def words(self) -> str:
        """For people."""
        return f"{self.files:,} {self.kind}: {', '.join(self.most(4))}"


@dataclass(slots=True)
class Disk:
    """How many files of a disk are in the account (`taken`), and how many were left out.

    `left_out` counts them by kind and by the pattern or name that they have; of a table it counts rows.
    What is in `unreadable` folders nobody knows.
    """

    taken: int = 0
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    unreadable: int = 0
    ended: bool = True
    at: float = 0.0
    """When the scan ended, or began."""
    is_table: bool = False
    """Whether these are rows of a table that names the files."""

    @property
    def omitted(self) -> int:
        """Files that were left out."""
        return sum(sum(names.values()) for names in self.left_out.values())

    @property
    def files(self) -> int:
        """All files on the disk."""
        return self.taken + self.omitted

    def omit(self, kind: str, name: str, files: int = 1) -> None:
        """Counts files that are left out."""
        if files:
            names = self.left_out.setdefault(kind, {})
            names[name] = names.get(name, 0) + files

    def kinds(self) -> list[Omitted]:
        """What was left out by kind, the most frequent first."""
        found = [Omitted(kind, names) for kind, names in self.left_out.items()]
        return sorted(found, key=lambda each: (-each.files, each.kind))

    def facts(self) -> dict[str, Any]:
        """For programs."""
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        if not self.ended:
            return {"scanned": when, "ended": False}
        return {
            "scanned": when,
            "ended": True,
            "files": self.files,
            "taken": self.taken,
            "left_out": self.omitted,
            "kinds": {each.kind: each.names for each in self.kinds()},
            "unreadable_folders": self.unreadable,
        }

    def omitted_words(self) -> str:
        """What was left out, for people."""
        parts = "; ".join(each.words() for each in self.kinds())
        return f"{self.omitted:,} left out" + (f" ({parts})" if parts else "")

    def words(self) -> str:
        """For people."""
        if not self.ended:
            return "The last scan did not come to its end: there may be more files. Scan again"
        what = "In the table: {:,} rows" if self.is_table else "On the disk: {:,} files"
        text = f"{what.format(self.files)}, {self.taken:,} taken and {self.omitted_words()}"
        return text + (f"; folders that cannot be read: {self.unreadable:,}" if self.unreadable else "")


def begin(ledger: Ledger, name: str) -> None:
    """A scan has begun: what was found before is not the whole any more."""
    _keep(ledger, name, Disk(ended=False, at=ledger.files.now()))


def end(ledger: Ledger, name: str, found: Disk) -> None:
    """A scan has ended."""
    _keep(ledger, name, replace(found, at=ledger.files.now()))


def kept(ledger: Ledger, name: str | None = None) -> Disk | None:
    """What the last scan of an import found, or those of all imports together; None where none was done."""
    names = ledger.imports.names() if name is None else (name,)
    found = [Disk(**facts[FACT]) for facts in map(ledger.imports.kept, names) if FACT in facts]
    return _together(found) if found else None


def _keep(ledger: Ledger, name: str, found: Disk) -> None:
    ledger.imports.keep(name, **{FACT: asdict(found)})


def _together(found: list[Disk]) -> Disk:
    whole = Disk(
        ended=all(each.ended for each in found),
        at=min(each.at for each in found),
        is_table=all(each.is_table for each in found),
    )
    for each in found:
        whole.taken += each.taken
        whole.unreadable += each.unreadable
        for omitted in each.kinds():
            for name, files in omitted.names.items():
                whole.omit(omitted.kind, name, files)
    return whole
