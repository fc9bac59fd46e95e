"""What a person should know of a table: rows that cannot be used, keys of several rows, rows left over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.mapping.tables.index import Index, Listed
from gateway.mapping.tables.keys import Key, taken_apart
from gateway.mapping.tables.rows import Flaw

MOST = 20
"""Rows that are named of each sort; the others are counted."""


@dataclass(frozen=True, slots=True)
class TableReport:
    """What is to be said of a table, called `table`. Row numbers are those that a user sees.

    `rows` can be used, `refused` cannot; `remarks` are about rows that can. `duplicates` are keys with
    the rows that have them. `unused` are rows that no file was found by, None where that was not asked.
    """

    table: str
    form: str
    rows: int
    refused: Listed[Flaw]
    remarks: Listed[Flaw]
    without_key: Listed[int]
    duplicates: Listed[tuple[str, tuple[int, ...]]]
    unused: Listed[int] | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Sentences for a person, each naming the table and its rows."""
        return tuple(f"{self.table}{line}" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for flaw in self.refused.first:
            yield f", row {flaw.row}: it cannot be used: {flaw.reason}"
        yield from _others(self.refused, "rows cannot be used")
        for flaw in self.remarks.first:
            yield f", row {flaw.row}: {flaw.reason}"
        yield from _others(self.remarks, "rows are as odd as these")
        for key, numbers in self.duplicates.first:
            yield f", {listed(numbers)}: they have the same key, {key}"
        yield from _others(self.duplicates, "keys are not unique")
        yield from _all(self.without_key, "the key is empty, so no file can be found by it")
        if self.unused is not None:
            yield from _all(self.unused, "no file has this key")


def of(table: str, found: Index, key: Key, used: Iterable[str] | None) -> TableReport:
    """The report on a table, given the keys that files had, if that is known."""
    duplicates = found.duplicates(MOST)
    named = tuple((shown(name, key), numbers) for name, numbers in duplicates.first)
    return TableReport(
        table=table,
        form=found.form,
        rows=found.used,
        refused=found.flaws(MOST),
        remarks=found.remarks(MOST),
        without_key=found.without_key(MOST),
        duplicates=Listed(named, duplicates.count),
        unused=None if used is None else found.unused(used, MOST),
    )


def shown(joined: str, key: Key) -> str:
    """A key as messages show it: its name and value, part by part."""
    values = taken_apart(joined, len(key.parts))
    return ", ".join(f"{part.shown} {value!r}" for part, value in zip(key.parts, values, strict=True))


def listed(numbers: Iterable[int], more: bool = False) -> str:
    """`row 17`; `rows 17, 18 and 21`; with more of them `rows 17, 18 and others`."""
    names = [str(number) for number in numbers]
    if more:
        names.append("others")
    if len(names) == 1:
        return f"row {names[0]}"
    return f"rows {', '.join(names[:-1])} and {names[-1]}"


def _others(found: Listed[Any], what: str) -> Iterator[str]:
    """What of a list was not named."""
    left = found.count - len(found.first)
    if left:
        yield f": {left:,} more {what}"


def _all(found: Listed[int], what: str) -> Iterator[str]:
    if found.count:
        yield f", {listed(found.first, found.count > len(found.first))}: {what} ({found.count:,} in all)"
