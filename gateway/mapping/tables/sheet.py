"""What readers of tables take and give, and the checks that all of them share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MOST_COLUMNS = 2_000


class BadTable(ValueError):
    """A table that cannot be used at all.

    The text follows the table's name in a sentence. `setting` is the key of the mapping's table that
    would have to be another, and `column` the name in it that is wrong, if it is one.
    """

    def __init__(self, message: str, setting: str = "file", column: str = "") -> None:
        super().__init__(message)
        self.setting = setting
        self.column = column


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is written, as far as that is given: empty settings are found out.

    `null` are words that mean nothing. `replace` reads bytes that are not in the encoding as U+FFFD;
    otherwise the row that has them is not used.
    """

    sheet: str = ""
    delimiter: str = ""
    encoding: str = ""
    replace: bool = False
    null: frozenset[str] = frozenset()


@dataclass(slots=True)
class Line:
    """A row as a reader finds it; `fault` is why it cannot be used, if it cannot."""

    number: int
    cells: Sequence[Any]
    fault: str = ""


@dataclass(slots=True)
class Sheet:
    """A table that is open.

    `columns` of a form without a header grow while lines are read; `settled` is whether they are known
    before. `broken` are the words that stand in cells whose value could not be worked out; in `loose`
    forms a number does not tell how many zeros stood before it. `form` is for people.
    """

    columns: list[str]
    lines: Iterator[Line]
    form: str
    settled: bool = True
    broken: frozenset[str] = frozenset()
    loose: bool = False


def normal(text: str) -> str:
    """Text as it is compared: composed (NFC), without white space at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def header(cells: Sequence[Any], number: int) -> list[str]:
    """The names of the columns in a header, without empty ones at its end.

    Raises `BadTable` where a name is missing or occurs twice.
    """
    names = [normal(str(cell)) if cell is not None else "" for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > MOST_COLUMNS:
        raise BadTable(f"has {len(names):,} columns; at most {MOST_COLUMNS:,} are possible")
    if "" in names:
        raise BadTable(f"has no name for column {names.index('') + 1} in its header, row {number}: add one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        columns = [str(place + 1) for place, name in enumerate(names) if name == twice[0]]
        raise BadTable(
            f"has {twice[0]!r} as the name of columns {' and '.join(columns)} (row {number}): rename one"
        )
    return names


def is_blank(cells: Sequence[Any]) -> bool:
    """Whether nothing stands in a row."""
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)
