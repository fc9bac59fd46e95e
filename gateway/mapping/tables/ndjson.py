"""NDJSON (JSON Lines): one JSON object a line, whose members are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.mapping.tables import encoding
from gateway.mapping.tables.sheet import MOST_COLUMNS, BadTable, Layout, Line, Sheet, normal


@contextmanager
def opened(path: Path, layout: Layout) -> Iterator[Sheet]:
    """The table in a file of objects. A row's number is that of its line; columns come with the rows."""
    codec = encoding.of(path, layout.encoding)
    with encoding.lines(path, codec) as found:
        columns: list[str] = []
        yield Sheet(columns, _lines(found, columns), f"NDJSON in {encoding.called(codec)}", settled=False)


def _lines(found: Iterator[str], columns: list[str]) -> Iterator[Line]:
    places: dict[str, int] = {}
    for number, text in enumerate(found, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            yield Line(number, (), f"it is not JSON: {error}")
            continue
        if not isinstance(row, dict):
            yield Line(number, (), "it is not an object: write one {...} a line")
            continue
        for name in row:
            if name not in places:
                places[name] = len(columns)
                columns.append(name)
        if len(columns) > MOST_COLUMNS:
            raise BadTable(f"has more than {MOST_COLUMNS:,} different names in its objects: that is no table")
        cells: list[Any] = [None] * len(columns)
        for name, value in row.items():
            cells[places[name]] = value
        yield Line(number, cells)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {normal(name): value for name, value in members}
    if len(found) < len(members):
        raise ValueError("an object has a name twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
