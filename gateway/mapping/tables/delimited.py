"""CSV and TSV: lines of cells with a sign between them.

Quotes are read as RFC 4180 says. A row whose quotes are wrong takes no other row with it: the lines
behind its first are read again by themselves.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from gateway.mapping.tables import encoding
from gateway.mapping.tables.sheet import BadTable, Layout, Line, Sheet, header, is_blank

DELIMITERS = ",;\t|"
SAMPLE = 50
"""Lines by which the delimiter is told."""

_SAID = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@contextmanager
def opened(path: Path, layout: Layout) -> Iterator[Sheet]:
    """The table in a text file. A row's number is that of the line in which it begins."""
    codec = encoding.of(path, layout.encoding)
    with encoding.lines(path, codec) as found:
        sample = list(islice(found, SAMPLE))
        said = _SAID.fullmatch(sample[0]) if sample else None
        delimiter = layout.delimiter or (said[1] if said else _delimiter(sample))
        records = _records(chain(sample, found), delimiter)
        if said:
            next(records, None)  # what only spreadsheet programs read
        first = next((line for line in records if line.fault or not is_blank(line.cells)), None)
        if first is None:
            raise BadTable("has no header: there is nothing in it")
        if first.fault:
            raise BadTable(f"has no header that can be read: in row {first.number} {first.fault}")
        if _CONTROL.search("".join(first.cells)):
            raise BadTable("is not text, for its header has control characters: export it as CSV")
        if encoding.BAD.search("".join(first.cells)):
            raise BadTable(
                f"has a header (row {first.number}) that is not in {encoding.called(codec)}: say in which "
                "encoding: it is written",
                "encoding",
            )
        columns = header(first.cells, first.number)
        form = f"{encoding.called(codec)}, {_NAMES.get(delimiter, repr(delimiter))} between cells"
        yield Sheet(columns, (_fitted(line, len(columns)) for line in _filled(records)), form)


def _filled(records: Iterator[Line]) -> Iterator[Line]:
    return (line for line in records if line.fault or not is_blank(line.cells))


def _fitted(line: Line, width: int) -> Line:
    """A row that has as many cells as there are columns; others have slipped, and nobody knows how far."""
    cells = line.cells
    if len(cells) > width and is_blank(cells[width:]):
        line.cells = cells[:width]
    elif len(cells) != width and not line.fault:
        line.fault = f"it has {len(cells)} cells, and there are {width} columns"
    return line


def _delimiter(sample: list[str]) -> str:
    """The sign that divides the most rows of the sample into as many cells as the header."""
    best = (0.0, DELIMITERS[0])
    for delimiter in DELIMITERS:
        rows = [cells for cells in _loosely(sample, delimiter) if cells]
        width = len(rows[0]) if rows else 1
        even = sum(len(cells) == width for cells in rows) / max(len(rows), 1)
        if even * (width - 1) > best[0]:
            best = (even * (width - 1), delimiter)
    return best[1]


def _loosely(sample: list[str], delimiter: str) -> Iterator[list[str]]:
    """The rows of a sample as far as they can be read; its last row may be cut."""
    try:
        yield from csv.reader(sample, delimiter=delimiter)
    except csv.Error:
        return


class _Feed:
    """Lines for the csv module, which can be given back; it counts them."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.waiting: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self.waiting.popleft() if self.waiting else next(self.lines)
        self.taken.append(line)
        self.number += 1
        return line

    def give_back(self) -> None:
        """Gives back all lines but the first that were taken for the row."""
        self.waiting.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


def _records(lines: Iterator[str], delimiter: str) -> Iterator[Line]:
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        begin = feed.number + 1
        feed.taken.clear()
        try:
            yield Line(begin, next(reader))
        except StopIteration:
            return
        except csv.Error:
            feed.give_back()
            yield Line(begin, (), "its quotes are not as CSV has them: close them, and double those inside")
