"""The SQL of the ledger, kept in `.sql` files.

`sql/*.sql` hold statements, each below a line `-- name: NAME`; `sql/migrations/NNNN_*.sql` bring a
ledger from one version of the schema to the next.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\n", re.M)


@cache
def statements() -> Mapping[str, str]:
    """All statements by name."""
    found: dict[str, str] = {}
    for file in sorted(_folder().iterdir(), key=lambda each: each.name):
        if file.name.endswith(".sql"):
            parts = _NAME.split(file.read_text(encoding="utf-8"))[1:]
            found.update(zip(parts[::2], (each.strip() for each in parts[1::2]), strict=True))
    return found


@cache
def migrations() -> tuple[tuple[str, ...], ...]:
    """The statements of each migration, in order: the first makes version 1 of the schema."""
    folder = _folder() / "migrations"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(tuple(_split(file.read_text(encoding="utf-8"))) for file in files)


def _folder() -> resources.abc.Traversable:
    return resources.files("gateway.ledger") / "sql"


def _split(script: str) -> Iterator[str]:
    """The statements of a script; triggers have semicolons inside."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
