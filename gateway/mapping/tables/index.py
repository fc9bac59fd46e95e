"""The index of a table on disk: a database from which a row is read by its key.

A table is read once, and then only what is asked for, so its size does not matter. Rows are kept in the
order and under the numbers that they have in the table. The index holds all that the table holds:
patients' data (`cache.py` says where it is, and who may read it).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.mapping.tables import rows
from gateway.mapping.tables.rows import Flaw, Plan, Row
from gateway.mapping.tables.sheet import BadTable, Sheet

VERSION = 2
"""Raised when an index of before can no longer be used."""
BATCH = 2_000
MOST_FLAWS = 10_000
"""Rows that cannot be used of which the index says why; the others are counted."""

_SCHEMA = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -16000;
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE rows (number INTEGER PRIMARY KEY, key TEXT, cells TEXT NOT NULL, remark TEXT);
    CREATE TABLE flaws (number INTEGER NOT NULL, reason TEXT NOT NULL);
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found, and what is odd about it."""

    number: int
    cells: Mapping[str, Any]
    remark: str | None


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """The first of many things, and how many there are."""

    first: tuple[T, ...]
    count: int


def build(path: Path, sheet: Sheet, plan: Plan) -> None:
    """Writes the index of a table to an empty file.

    Raises `BadTable` where the mapping's settings do not fit the table or no row can be used, and
    OSError or sqlite3.Error where the file cannot be written.
    """
    if sheet.settled:
        _check(sheet, plan)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_SCHEMA)
        used, refused, first = _fill(database, rows.prepared(sheet, plan))
        _check(sheet, plan)
        if first is not None and not used:
            raise BadTable(f"has no row that can be used; in row {first.row} {first.reason}")
        database.execute("CREATE INDEX keys ON rows (key) WHERE key IS NOT NULL")
        facts = {
            "version": VERSION,
            "columns": rows.names(sheet.columns, plan),
            "loose": sheet.loose,
            "form": sheet.form,
            "used": used,
            "refused": refused,
        }
        for name, value in facts.items():
            database.execute("INSERT INTO facts VALUES (?, ?)", (name, json.dumps(value)))
        database.commit()


def _check(sheet: Sheet, plan: Plan) -> None:
    for problem in rows.problems(sheet.columns, plan):
        raise problem


def _fill(database: sqlite3.Connection, found: Iterator[Row | Flaw]) -> tuple[int, int, Flaw | None]:
    """Writes rows; the number of those that can be used, of the others, and the first of the others."""
    used = refused = 0
    first: Flaw | None = None
    while batch := list(islice(found, BATCH)):
        good = [(row.number, row.key, row.cells, row.remark) for row in batch if isinstance(row, Row)]
        bad = [row for row in batch if isinstance(row, Flaw)]
        database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", good)
        room = max(MOST_FLAWS - refused, 0)
        database.executemany("INSERT INTO flaws VALUES (?, ?)", [(row.row, row.reason) for row in bad[:room]])
        first = first or (bad[0] if bad else None)
        used += len(good)
        refused += len(bad)
    return used, refused, first


class Index:
    """An index that is open for reading. One thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error or ValueError for what is no index, or one of another version."""
        where = f"{path.absolute().as_uri()}?mode=ro&immutable=1"  # it is only ever replaced as a whole
        self.database = sqlite3.connect(where, uri=True, check_same_thread=False)
        try:
            facts = {name: json.loads(value) for name, value in self.database.execute("SELECT * FROM facts")}
            if facts.get("version") != VERSION:
                raise ValueError("another version")
        except (sqlite3.Error, ValueError):
            self.database.close()
            raise
        self.columns: list[str] = facts["columns"]
        self.form: str = facts["form"]
        self.loose: bool = facts["loose"]
        self.used: int = facts["used"]
        self.refused: int = facts["refused"]

    def close(self) -> None:
        """Gives the file back."""
        self.database.close()

    def find(self, key: str, most: int) -> list[Hit]:
        """The rows that have a key, in their order; at most so many."""
        query = "SELECT number, cells, remark FROM rows WHERE key = ? ORDER BY number LIMIT ?"
        return [
            Hit(number, rows.cells(cells, self.columns, loose=self.loose), remark)
            for number, cells, remark in self.database.execute(query, (key, most))
        ]

    def flaws(self, most: int) -> Listed[Flaw]:
        """The rows that cannot be used."""
        found = self.database.execute("SELECT number, reason FROM flaws ORDER BY number LIMIT ?", (most,))
        return Listed(tuple(Flaw(*row) for row in found), self.refused)

    def remarks(self, most: int) -> Listed[Flaw]:
        """The rows that can be used, but are odd."""
        query = "SELECT number, remark FROM rows WHERE remark IS NOT NULL"
        return self._listed(query, most, lambda row: Flaw(*row))

    def without_key(self, most: int) -> Listed[int]:
        """The rows whose key is empty, so that nothing finds them."""
        return self._listed("SELECT number FROM rows WHERE key IS NULL", most, lambda row: int(row[0]))

    def duplicates(self, most: int) -> Listed[tuple[str, tuple[int, ...]]]:
        """The keys that several rows have, and the first of these rows."""
        query = (
            "SELECT key, min(number) AS number FROM rows WHERE key IS NOT NULL "
            "GROUP BY key HAVING count(*) > 1"
        )
        return self._listed(query, most, lambda row: (str(row[0]), self._numbers(str(row[0]), most)))

    def unused(self, keys: Iterable[str], most: int) -> Listed[int]:
        """The rows whose key is none of these."""
        with closing(self.database.cursor()) as cursor:
            cursor.execute("CREATE TEMP TABLE IF NOT EXISTS asked (key TEXT PRIMARY KEY) WITHOUT ROWID")
            cursor.execute("DELETE FROM temp.asked")
            cursor.executemany("INSERT OR IGNORE INTO temp.asked VALUES (?)", ((key,) for key in keys))
        query = "SELECT number FROM rows WHERE key IS NOT NULL AND key NOT IN (SELECT key FROM temp.asked)"
        return self._listed(query, most, lambda row: int(row[0]))

    def _numbers(self, key: str, most: int) -> tuple[int, ...]:
        query = "SELECT number FROM rows WHERE key = ? ORDER BY number LIMIT ?"
        return tuple(number for (number,) in self.database.execute(query, (key, most)))

    def _listed(self, query: str, most: int, make: Any) -> Listed[Any]:
        """What a query of ours finds, by row number."""
        (count,) = self.database.execute(f"SELECT count(*) FROM ({query})").fetchone()  # noqa: S608 - see above
        found = self.database.execute(f"{query} ORDER BY number LIMIT ?", (most,)).fetchall()
        return Listed(tuple(make(row) for row in found), count)
