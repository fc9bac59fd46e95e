"""The indexes that are open: those of the tables that are just being used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.mapping.tables import cache, index, reading
from gateway.mapping.tables.cache import Stamp
from gateway.mapping.tables.index import Hit, Index
from gateway.mapping.tables.rows import Plan

OPEN = 16
"""Indexes that are open at a time: where each folder has a table, those of a few folders."""


@dataclass(frozen=True, slots=True)
class _Open:
    index: Index
    stamp: Stamp
    settled: bool


class Shelf:
    """Finds rows in tables of one plan, for any number of threads.

    A table that changes is read again. All methods raise `BadTable` for a table that cannot be used, and
    `Retry` for one that is changing.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, _Open] = OrderedDict()

    def find(self, table: Path, key: str, most: int) -> list[Hit]:
        """The rows of a table that have a key, in their order; at most so many."""
        return self.ask(table, lambda found: found.find(key, most))

    def ask(self, table: Path, question: Callable[[Index], index.T]) -> index.T:
        """What a question to the index of a table comes to."""
        with self._lock:
            return question(self._index(table))

    def _index(self, table: Path) -> Index:
        known, stamp = self._open.get(table), cache.stamp(table)
        if known is None or known.stamp != stamp or not known.settled:
            settled = cache.settled(stamp)
            found = cache.opened(table, self._plan.settings, stamp, lambda path: self._build(table, path))
            self._close(table)
            known = self._open[table] = _Open(found, stamp, settled)
            while len(self._open) > OPEN:
                self._close(next(iter(self._open)))
        self._open.move_to_end(table)
        return known.index

    def _build(self, table: Path, path: Path) -> None:
        with reading.opened(table, self._plan.layout) as sheet:
            index.build(path, sheet, self._plan)

    def _close(self, table: Path) -> None:
        if gone := self._open.pop(table, None):
            gone.index.close()
