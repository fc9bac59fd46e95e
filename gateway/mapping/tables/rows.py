"""Rows as the index keeps them: clean, with their key, and as one text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from itertools import zip_longest
from typing import Any

from gateway.mapping.filters import Bare
from gateway.mapping.tables.encoding import BAD, sample_of_twice
from gateway.mapping.tables.keys import EXACT, Key
from gateway.mapping.tables.sheet import BadTable, Layout, Sheet
from gateway.nodes import instead

_MOMENT = " moment"
"""The only member of an object that is a date or time; no table has a column of this name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made of a table: how it is written, what columns are called instead, what its key is."""

    layout: Layout
    key: Key
    renamed: Mapping[str, str] = field(default_factory=dict)
    """From the name in the table to the new one."""

    @property
    def settings(self) -> str:
        """All that the rows of an index depend on besides the table."""
        layout, key = self.layout, self.key
        return repr(
            (
                replace(layout, null=frozenset()),
                sorted(layout.null),
                key.name,
                [part.text for part in key.parts],
                sorted(key.widths.items()),
                sorted((name, sorted(values.items())) for name, values in key.maps.items()),
                sorted(self.renamed.items()),
            )
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be used. `cells` is a text; `remark` is what is odd about it."""

    number: int
    key: str | None
    cells: str
    remark: str | None


@dataclass(frozen=True, slots=True)
class Flaw:
    """A row that cannot be used, or something odd about one that can."""

    row: int
    reason: str


def names(columns: Sequence[str], plan: Plan) -> list[str]:
    """What columns are called in expressions."""
    return [plan.renamed.get(column, column) for column in columns]


def problems(columns: Sequence[str], plan: Plan) -> Iterator[BadTable]:
    """What of a mapping's settings does not fit the columns of the table."""
    for old, new in plan.renamed.items():
        if old not in columns:
            yield BadTable(f"has no column {old!r}{instead(old, columns)}", "columns", old)
        elif new in columns and new not in plan.renamed:
            yield BadTable(f"has a column {new!r} already: call {old!r} something else", "columns", old)
    known = {*names(columns, plan), *plan.renamed.values()}
    for name in dict.fromkeys((*plan.key.columns, *filter(None, plan.key.widths))):
        if name not in known:
            setting = "key" if name in plan.key.columns else "width"
            renamed = f"; it is called {plan.renamed[name]!r} here" if name in plan.renamed else ""
            yield BadTable(f"has no column {name!r}{renamed or instead(name, known)}", setting, name)


def prepared(sheet: Sheet, plan: Plan) -> Iterator[Row | Flaw]:
    """The rows of a table, clean and with their keys, and those that cannot be used."""
    columns: list[str] = []
    for line in sheet.lines:
        if line.fault:
            yield Flaw(line.number, line.fault)
            continue
        if len(columns) != len(sheet.columns):
            columns = names(sheet.columns, plan)
        row = dict(zip(columns, (_clean(cell, plan.layout.null) for cell in line.cells), strict=True))
        try:
            yield _row(line.number, plan.key.filled(row, sheet) if plan.key.widths else row, sheet, plan)
        except ValueError as error:
            yield Flaw(line.number, str(error))


def cells(text: str, columns: Sequence[str], *, loose: bool = False) -> dict[str, Any]:
    """The cells of a row by column; None for those that the row does not have."""
    found = json.loads(text, object_hook=_moment)
    if loose:
        found = [Bare(cell) if type(cell) is int else cell for cell in found]
    return dict(zip_longest(columns, found))


def _row(number: int, row: Mapping[str, Any], sheet: Sheet, plan: Plan) -> Row:
    """Raises ValueError that says why the row cannot be used."""
    _check_worked_out(row, sheet)
    text = _encode(list(row.values()))
    remark = None
    if not text.isascii():
        if BAD.search(text):
            text, remark = _mended(text, row, plan)
            row = cells(text, list(row))
        elif sample := sample_of_twice(text):
            remark = f"{sample[0]!r} looks like {sample[1]!r} encoded twice: export the table again"
    return Row(number, plan.key.of(row, sheet), text, remark)


def _check_worked_out(row: Mapping[str, Any], sheet: Sheet) -> None:
    for name, value in row.items() if sheet.broken else ():
        if isinstance(value, str) and value in sheet.broken:
            raise ValueError(f"{name} is {value}: mend the formula, or list the word in null:")


def _mended(text: str, row: Mapping[str, Any], plan: Plan) -> tuple[str, str]:
    """A row in which bytes are not in the encoding, as a text, and what to say of it.

    Raises ValueError if it is not to be used.
    """
    where = [name for name, value in row.items() if BAD.search(_encode([value]))]
    what = f"{' and '.join(where)} has bytes that are not in the table's encoding"
    if not plan.layout.replace:
        raise ValueError(f"{what}: say in which encoding: it is written, or on_bad_byte: replace")
    return BAD.sub("\ufffd", text), f"{what}, read as \ufffd"


def _clean(cell: Any, null: frozenset[str]) -> Any:
    """A cell without blanks at its ends; a whole number is whole, however it was written down."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT:
        return int(cell)
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    return text if text and text not in null else None


def _written(value: Any) -> Any:
    if isinstance(value, datetime | time):
        return {_MOMENT: value.isoformat()}
    return str(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_written).encode


def _moment(value: dict[str, Any]) -> Any:
    text = value.get(_MOMENT) if len(value) == 1 else None
    if not isinstance(text, str):
        return value
    return datetime.fromisoformat(text) if "T" in text else time.fromisoformat(text)
