"""The key of a row: columns, or expressions over the row, as text that can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import cached_property
from typing import Any

from gateway.mapping.expressions import Template
from gateway.mapping.filters import MAPS
from gateway.mapping.tables.sheet import Sheet, normal

EXACT = 10**15
"""Numbers from here on lose digits in a spreadsheet."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a key: a column by its name, or an expression for which the row is `row` and `name`."""

    text: str
    template: Template | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is made of."""
        if self.template is None:
            return (self.text,)
        used = (use.name for expression in self.template.expressions for use in expression.uses)
        return tuple(dict.fromkeys(filter(None, used)))

    @property
    def shown(self) -> str:
        """What it is called in messages: its columns, without what is done to them."""
        return " and ".join(self.columns) or self.text


@dataclass(frozen=True)
class Key:
    """What rows are found by.

    `name` is the table's own. `widths` are the digits that numbers have in columns of the key, under
    `''` in all of them: a number is filled up with zeros on its left. `maps` are for expressions.
    """

    name: str
    parts: tuple[Part, ...]
    widths: Mapping[str, int] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that the key is made of."""
        return tuple(dict.fromkeys(column for part in self.parts for column in part.columns))

    @property
    def shown(self) -> str:
        """What the key is called in messages."""
        return " and ".join(part.shown for part in self.parts)

    def filled(self, row: Mapping[str, Any], sheet: Sheet) -> dict[str, Any]:
        """A row with the numbers filled up that have a width. Raises ValueError for one that lost digits."""
        widths = {column: self.widths[""] for column in self.columns} if "" in self.widths else self.widths
        return {
            **row,
            **{column: _filled(row.get(column), column, widths[column], sheet) for column in widths},
        }

    def of(self, row: Mapping[str, Any], sheet: Sheet) -> str | None:
        """A row's key; None where a part of it is empty. Raises ValueError that says why there is none."""
        texts = {column: self._text(row.get(column), column, sheet) for column in self.columns}
        return joined(self._values({**row, **texts} if self._rendered else texts))

    @cached_property
    def _rendered(self) -> frozenset[str]:
        """The columns that only expressions use: what they make of a date is their own affair."""
        plain = {part.text for part in self.parts if part.template is None}
        return frozenset(self.columns) - plain

    def _values(self, row: Mapping[str, Any]) -> Iterator[str]:
        facts = {self.name: row, "row": row, MAPS: self.maps}
        for part in self.parts:
            if part.template is None:
                yield row[part.text] or ""
            else:
                yield part.template.render(facts, []).text

    def _text(self, value: Any, column: str, sheet: Sheet) -> Any:
        """A cell as text. Raises ValueError where it is not clear what a user sees there."""
        if value is None or (column in self._rendered and not isinstance(value, int | float | str)):
            return value
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(
                f"{column} is part of the key, and is {_kind(value)}: make text of it in the table, or write "
                f"the key as an expression, as in '{{{{ row.{column} | dicom_date }}}}' for a date"
            )
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(f"{column} is part of the key, and {value} is not a whole number")
        if sheet.loose:
            raise ValueError(
                f"{column} is part of the key, and the number {value} does not tell how many zeros stood "
                "before it: say how many digits it has with width:, or make text of the column"
            )
        return str(int(value))


def _filled(value: Any, column: str, width: int, sheet: Sheet) -> Any:
    if isinstance(value, str):
        return value.zfill(width) if value.isascii() and value.isdigit() else value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return value
    if isinstance(value, float) and not value.is_integer():
        return value
    if sheet.loose and value >= EXACT:
        raise ValueError(f"{column} is a number, of which spreadsheets keep 15 digits: make text of it")
    return str(int(value)).zfill(width)


def joined(values: Iterator[str] | Sequence[str]) -> str | None:
    """The parts of a key as one text; None where one of them is empty, which is like nothing else."""
    parts = [normal(value) for value in values]
    if not all(parts):
        return None
    return parts[0] if len(parts) == 1 else json.dumps(parts, ensure_ascii=False)


def taken_apart(key: str, parts: int) -> list[str]:
    """The parts that a key was made of."""
    return [key] if parts == 1 else list(json.loads(key))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "yes or no"
    return "a date or time" if isinstance(value, time | date) else "a list or an object"
