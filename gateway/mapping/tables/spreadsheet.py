"""XLSX: a sheet of a workbook, row by row.

What formulas came to is read, as the program that saved the workbook wrote it down. The texts of the
workbook stand in one part of it and are held in memory, so their size is bounded.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any, BinaryIO

from gateway.mapping.tables.sheet import BadTable, Layout, Line, Sheet, header, is_blank
from gateway.nodes import instead

LARGEST = 64 << 20
"""Bytes of text in a workbook, which become several times as many in memory."""
BROKEN = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
"""What stands in a cell whose formula has failed."""


@contextmanager
def opened(path: Path, layout: Layout) -> Iterator[Sheet]:
    """The table in a sheet: the one named, else the first. A row's number is the sheet's own."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise BadTable(
            "is a spreadsheet, and openpyxl, which reads them, is not there: install "
            "stow-gateway[xlsx], or save it as CSV"
        ) from None
    with path.open("rb") as file:  # by name openpyxl only takes files that are called as it expects
        _check_size(file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and validations that nobody needs here
                workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # a workbook that is broken fails in any way that XML and ZIP can
            raise _unreadable(error) from error
        with closing(workbook):
            yield _sheet(workbook, layout)


def _sheet(workbook: Any, layout: Layout) -> Sheet:
    names = [sheet.title for sheet in workbook.worksheets]
    if layout.sheet and layout.sheet not in names:
        raise BadTable(f"has no sheet {layout.sheet!r}{instead(layout.sheet, names)}", "sheet")
    if not names:
        raise BadTable("has no sheet with cells")
    sheet = workbook[layout.sheet or names[0]]
    sheet.reset_dimensions()  # some programs write that a sheet has one cell
    lines = _lines(sheet)
    first = next((line for line in lines if not is_blank(line.cells)), None)
    if first is None:
        raise BadTable(f"has nothing in its sheet {sheet.title!r}", "sheet" if layout.sheet else "file")
    columns = header(first.cells, first.number)
    filled = (_fitted(line, len(columns)) for line in lines if not is_blank(line.cells))
    return Sheet(columns, filled, f"XLSX, sheet {sheet.title!r}", broken=BROKEN, loose=True)


def _lines(sheet: Any) -> Iterator[Line]:
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            yield Line(number, [_value(cell) for cell in cells])
    except Exception as error:  # see opened
        raise _unreadable(error) from error


def _fitted(line: Line, width: int) -> Line:
    """A row of all columns: empty cells at its end are not written down."""
    if len(line.cells) > width and not is_blank(line.cells[width:]):
        line.fault = f"it has a cell behind the {width} columns of the header"
    line.cells = [*line.cells[:width], *[None] * (width - len(line.cells))]
    return line


def _value(cell: Any) -> Any:
    """The value of a cell."""
    return cell if isinstance(cell, str | int | float | datetime | time | None) else str(cell)


def _check_size(file: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist() if part.filename.endswith("Strings.xml"))
    except (zipfile.BadZipFile, ValueError) as error:
        raise _unreadable(error) from error
    if size > LARGEST:
        raise BadTable(
            f"has {size >> 20:,} MiB of texts; a spreadsheet may have {LARGEST >> 20}: save it as CSV"
        )


def _unreadable(error: Exception) -> BadTable:
    return BadTable(f"is not a workbook that can be read ({error}): save it again, or save it as CSV")
