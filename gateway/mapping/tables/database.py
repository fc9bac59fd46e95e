"""SQLite: a table of a database, or what a query selects. The database is opened for reading only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gateway.mapping.tables.encoding import ERRORS
from gateway.mapping.tables.sheet import BadTable, Layout, Line, Sheet, header
from gateway.nodes import instead


@contextmanager
def opened(path: Path, layout: Layout) -> Iterator[Sheet]:
    """The table or query named, else the only table. A row's number is its place in the result, from 1.

    Blobs are nothing.
    """
    with closing(_connected(path)) as database:
        try:
            cursor = database.execute(_query(database, layout.sheet))
        except sqlite3.Error as error:
            raise BadTable(f"cannot be asked for what the mapping wants: {error}", "sheet") from error
        columns = header([column[0] for column in cursor.description or ()], 0)
        yield Sheet(columns, _lines(cursor), "SQLite")


def _connected(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise _unreadable(error) from error
    database.text_factory = lambda data: data.decode("utf-8", ERRORS)
    return database


def _query(database: sqlite3.Connection, wanted: str) -> str:
    if wanted.lstrip()[:6].upper() == "SELECT" or wanted.lstrip()[:4].upper() == "WITH":
        return wanted
    listed = database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    names = [name for (name,) in listed if not name.startswith("sqlite_")]
    if wanted and wanted not in names:
        raise BadTable(f"has no table {wanted!r}{instead(wanted, names)}", "sheet")
    if not wanted and len(names) != 1:
        has = f"has the tables {', '.join(sorted(names))}" if names else "has no table"
        raise BadTable(f"{has}: say which with sheet:, or write a SELECT there")
    return 'SELECT * FROM "{}"'.format((wanted or names[0]).replace('"', '""'))  # noqa: S608 - a name that is there


def _lines(cursor: sqlite3.Cursor) -> Iterator[Line]:
    try:
        for number, cells in enumerate(cursor, 1):
            yield Line(number, [_value(cell) for cell in cells])
    except sqlite3.Error as error:
        raise _unreadable(error) from error


def _value(cell: Any) -> Any:
    return None if isinstance(cell, bytes) else cell


def _unreadable(error: sqlite3.Error) -> BadTable:
    return BadTable(f"is a database that cannot be read: {error}")
