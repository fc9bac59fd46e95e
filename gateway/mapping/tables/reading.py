"""Which reader a table is for: told by how its file begins, then by its extension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.mapping.tables import database, delimited, ndjson, spreadsheet
from gateway.mapping.tables.sheet import BadTable, Layout, Line, Sheet


@dataclass(frozen=True, slots=True)
class Form:
    """A form of tables: its reader, and which settings it has no use for."""

    name: str
    opened: Callable[[Path, Layout], AbstractContextManager[Sheet]]
    without: tuple[str, ...]


DELIMITED = Form("text", delimited.opened, ("sheet",))
NDJSON = Form("NDJSON", ndjson.opened, ("sheet", "delimiter"))
SPREADSHEET = Form("a spreadsheet", spreadsheet.opened, ("delimiter", "encoding"))
DATABASE = Form("a database", database.opened, ("delimiter", "encoding"))

_BEGINNINGS = ((b"PK\x03\x04", SPREADSHEET), (b"SQLite format 3\0", DATABASE))
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@contextmanager
def opened(path: Path, layout: Layout) -> Iterator[Sheet]:
    """The table in a file, ready to be read once. Raises `BadTable`, also while its lines are read."""
    with ExitStack() as stack:
        try:
            form = _form(path)
            for setting in form.without:
                if getattr(layout, setting):
                    raise BadTable(f"is {form.name}, which has no {setting}: leave {setting}: out", setting)
            sheet = stack.enter_context(form.opened(path, layout))
        except OSError as error:
            raise _unreadable(error) from error
        sheet.lines = _lines(sheet.lines)
        yield sheet


def _lines(lines: Iterator[Line]) -> Iterator[Line]:
    try:
        yield from lines
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> BadTable:
    if isinstance(error, FileNotFoundError):
        return BadTable("is not there: check its name, which is relative to the mapping")
    return BadTable(f"cannot be read: {error.strerror or type(error).__name__}")


def _form(path: Path) -> Form:
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(_OLD):
        raise BadTable("is an Excel file of the old form (XLS): save it as XLSX or CSV")
    form = next((form for beginning, form in _BEGINNINGS if head.startswith(beginning)), None)
    if form is not None:
        return form
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        raise BadTable("is called a spreadsheet, but is none: save it again as XLSX, or call it .csv")
    return NDJSON if path.suffix.lower() in (".ndjson", ".jsonl") else DELIMITED
