"""`row`, or a table's own name: the row of a table that belongs to a file.

    table:
      file: patients.csv
      key: mrn
      equals: '{{ path.mrn }}'

A table is a CSV or TSV file, a spreadsheet (XLSX), NDJSON, or a database (SQLite). Which row is meant is
never guessed: a file without a row, or with several of them, is held. Tables are found in through an
index on disk (`gateway/mapping/tables/`), which holds patients' data and is private to the user.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from gateway.documents import Model, Named, OneOrMore, Plain, Whole, Words
from gateway.errors import Hold
from gateway.mapping import encodings, expressions
from gateway.mapping.expressions import Expression, Template
from gateway.mapping.sources.source import Case, Found, name_pattern
from gateway.mapping.tables import keys, reading, report, rows
from gateway.mapping.tables.index import Hit
from gateway.mapping.tables.keys import Key, Part
from gateway.mapping.tables.location import Location
from gateway.mapping.tables.report import TableReport
from gateway.mapping.tables.rows import Flaw, Plan
from gateway.mapping.tables.sheet import BadTable, Layout, Sheet, normal
from gateway.mapping.tables.shelf import Shelf
from gateway.nodes import Fault, Place, Text

HEAD = 50
"""Rows that are tried when a mapping is loaded: where none of them can be used, its settings are wrong."""
MOST_ROWS = 1_000
"""Rows that one file may have with `many: list`."""
NAMED_ROWS = 10
"""Rows that a message names."""

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|"}

Maps = Mapping[str, Mapping[str, str]]


class TableModel(Model):
    """A table in which each file has a row."""

    WHAT: ClassVar[str] = "table"

    name: Plain = "row"
    """The name under which its columns are used."""
    file: Words
    """The table, relative to the mapping, or to the file's own folder if it begins with ./ ."""
    sheet: Plain = ""
    """The sheet of a spreadsheet; the table of a database, or a SELECT."""
    key: OneOrMore[Words]
    """The column that files are found by, or an expression over row.*; several make one key."""
    equals: OneOrMore[Words]
    """What the key is for a file; as many as there are in key."""
    many: Literal["error", "first", "list"] = "error"
    """What is done with several rows: hold the file, take the first, or take lists of their values."""
    missing: Literal["hold", "nothing"] = "hold"
    """What is done with a file that has no row: hold it, or let all columns be empty."""
    columns: Named[Words] = Field(default_factory=dict)
    """Other names for columns, as new: old."""
    delimiter: Plain = ""
    """The sign between cells of a text: one character, or tab; found out if this is left out."""
    encoding: Plain = ""
    """The encoding of a text, such as windows-1252; found out if this is left out."""
    on_bad_byte: Literal["error", "replace"] = "error"
    """What is done with bytes that are not in the encoding: leave the row out, or replace them."""
    null: OneOrMore[Plain] = ()
    """Words that mean nothing, such as NULL; an empty cell always does."""
    width: (
        Annotated[
            Annotated[Whole, Tag("(number)")] | Annotated[Named[Whole], Tag("(table)")],
            Discriminator(lambda value: "(number)" if isinstance(value, Text | int) else "(table)"),
        ]
        | None
    ) = None
    """Digits of numbers in columns of the key, filled up with zeros: of all, or column by column."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file was looked for: in which table, by which key (None where it has none)."""

    table: Path
    key: str | None


def read(model: TableModel, faults: list[Fault], folder: Path, maps: Maps | None = None) -> TableSource:
    """The source that a model describes; what is wrong with it or with its table is added to the faults.

    A table whose name depends on the file can be judged only when there is a file. `maps` are those of
    the mapping, for keys that use `pick`.
    """
    before = len(faults)
    location = Location(expressions.parse(model.file, faults), folder)
    plan = Plan(_layout(model, faults), _key(model, faults, maps or {}), _renamed(model, faults))
    equals = tuple(expressions.parse(text, faults) for text in model.equals)
    _check_shape(model, equals, faults)
    columns = None
    if (path := location.fixed) is not None and len(faults) == before:
        columns = _look(path, model, plan, faults)
    return TableSource(model, plan, location, equals, columns=columns)


def _layout(model: TableModel, faults: list[Fault]) -> Layout:
    delimiter = _DELIMITERS.get(model.delimiter.lower(), model.delimiter)
    if len(delimiter) > 1 or delimiter in ('"', "\r", "\n"):
        message = f"{model.delimiter!r} cannot stand between cells: write one character, or tab"
        faults.append(Fault(model.at("delimiter"), message))
        delimiter = ""
    encoding = model.encoding
    if encoding and not encodings.known(encoding):
        message = f"there is no encoding {encoding!r}: name one such as windows-1252 or iso8859-15"
        faults.append(Fault(model.at("encoding"), message))
    elif encoding and codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8"
    replace = model.on_bad_byte == "replace"
    return Layout(model.sheet, delimiter, encoding, replace, frozenset(word.strip() for word in model.null))


def _key(model: TableModel, faults: list[Fault], maps: Maps) -> Key:
    parts = tuple(_part(text, faults) for text in model.key)
    widths = {"": model.width} if isinstance(model.width, int) else model.width
    used = [expression for part in parts if part.template for expression in part.template.expressions]
    expressions.check(used, {"row": None, model.name: None}, faults)
    picked = {name: place for expression in used for name, place in expression.picks}
    faults += [
        Fault(place, f"there is no map {name!r} here") for name, place in picked.items() if name not in maps
    ]
    return Key(model.name, parts, widths or {}, {name: maps[name] for name in picked if name in maps})


def _part(text: Text, faults: list[Fault]) -> Part:
    template = expressions.parse(text, faults)
    literal = template.literal
    return Part(text.text or "", template) if literal is None else Part(normal(literal))


def _renamed(model: TableModel, faults: list[Fault]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for new, node in model.columns.items():
        old = normal(node.text or "")
        if not new.isidentifier():
            faults.append(Fault(node.place, f"{new!r} is no name for a column: take letters, digits and _"))
        if old in renamed:
            faults.append(Fault(node.place, f"{old!r} is called {renamed[old]!r} already"))
        renamed[old] = new
    return renamed


def _check_shape(model: TableModel, equals: tuple[Template, ...], faults: list[Fault]) -> None:
    if not model.name.isidentifier():
        faults.append(Fault(model.at("name"), f"{model.name!r} is no name: take letters, digits and _"))
    if len(equals) != len(model.key):
        message = f"equals has {len(equals)} values, and key has {len(model.key)}: each has its own"
        faults.append(Fault(model.at("equals"), message))
    for text, template in zip(model.equals, equals, strict=True):
        if template.literal is not None:
            message = f"equals is {text.text!r} for every file: write what a file's key is, as in "
            faults.append(Fault(text.place, message + "'{{ path.mrn }}'"))


def _look(path: Path, model: TableModel, plan: Plan, faults: list[Fault]) -> tuple[str, ...] | None:
    """The columns of a table that is there already, None where they come with its rows.

    What is wrong with it as a whole is added to the faults.
    """
    try:
        with reading.opened(path, plan.layout) as sheet:
            found = list(rows.problems(sheet.columns, plan)) if sheet.settled else []
            faults += [_fault(problem, path, model, plan) for problem in found]
            if not found:
                _check_head(sheet, plan)
            return tuple(rows.names(sheet.columns, plan)) if sheet.settled else None
    except BadTable as problem:
        faults.append(_fault(problem, path, model, plan))
        return None


def _check_head(sheet: Sheet, plan: Plan) -> None:
    """Raises `BadTable` if none of the first rows can be used."""
    first = list(islice(rows.prepared(sheet, plan), HEAD))
    if first and all(isinstance(row, Flaw) for row in first):
        flaw = next(row for row in first if isinstance(row, Flaw))
        raise BadTable(f"has no row that can be used; in row {flaw.row} {flaw.reason}")


def _fault(problem: BadTable, path: Path, model: TableModel, plan: Plan) -> Fault:
    places = dict(_places(model, plan))
    place = places.get((problem.setting, problem.column), model.at(problem.setting))
    return Fault(place, f"{path} {problem}")


def _places(model: TableModel, plan: Plan) -> Iterator[tuple[tuple[str, str], Place]]:
    """Where columns of the table are named, by setting and column."""
    for text, part in zip(model.key, plan.key.parts, strict=True):
        if part.template is None:
            yield ("key", part.text), text.place
        for expression in part.template.expressions if part.template else ():
            yield from ((("key", use.name), use.place) for use in expression.uses if use.name)
    for node in model.columns.values():
        yield ("columns", normal(node.text or "")), node.place


class TableSource:
    """Finds the row of each file. `columns` are those of a table that all files share, if known.

    With `many: list` each column is a list of the values that the rows have, for `join` or `[0]`.
    """

    def __init__(
        self,
        model: TableModel,
        plan: Plan,
        location: Location,
        equals: tuple[Template, ...],
        *,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        self.name = model.name
        self.names = columns
        self._many = model.many
        self._missing = model.missing
        self._plan = plan
        self._location = location
        self._equals = equals
        self._shelf = Shelf(plan)

    @property
    def expressions(self) -> Iterable[Expression]:
        """Those for the name of the table and for the key of a file."""
        yield from self._location.template.expressions
        for template in self._equals:
            yield from template.expressions

    @property
    def companions(self) -> tuple[str, ...]:
        """The names that the table may have, where it lies among the files."""
        pattern = name_pattern(self._location.template)
        return (pattern,) if pattern.strip("*.") else ()

    def find(self, case: Case) -> Found:
        """The row of a file. Raises `Hold` where there is none or more than one, or no such table."""
        asked = self.asked(case)
        limit = {"error": NAMED_ROWS + 1, "first": 1, "list": MOST_ROWS + 1}[self._many]
        try:
            hits = self._shelf.find(asked.table, asked.key, limit) if asked.key is not None else []
            columns = self._shelf.ask(asked.table, lambda index: index.columns)
        except BadTable as problem:
            message = f"{case.probe.source.shown}: {asked.table} {problem}"
            raise Hold(message, reason="table", depends=(asked.table,)) from problem
        if not hits:
            return self._nothing(case, asked, columns)
        self._check_number(case, asked, hits)
        return self._found(case, asked, hits, columns)

    def asked(self, case: Case) -> Asked:
        """What a file is looked for. Raises `Hold` where an expression fails."""
        try:
            values = [template.render(case.facts, []).text for template in self._equals]
        except ValueError as error:
            raise Hold(f"{case.probe.source.shown}: {error}", reason="mapping") from error
        return Asked(self._location.of(case), keys.joined(values))

    def report(self, asked: Iterable[Asked] | None = None) -> Iterator[TableReport]:
        """What a person should know of each table, given what all files were looked for, if that is known.

        Without it only a table that all files share can be told of. Raises `BadTable`.
        """
        used: dict[Path, set[str]] = {}
        for each in asked or ():
            used.setdefault(each.table, set()).update([each.key] if each.key is not None else [])
        fixed = self._location.fixed
        if fixed is not None:
            used.setdefault(fixed, set())
        for table, found in used.items():
            yield self.report_of(table, None if asked is None else found)

    def report_of(self, table: Path, used: Iterable[str] | None) -> TableReport:
        """What a person should know of one table, given the keys that files had, if they are known.

        The keys are taken one by one, so that there may be millions. Raises `BadTable`.
        """
        shown = self._shown(table)
        return self._shelf.ask(table, lambda index: report.of(shown, index, self._plan.key, used))

    def _nothing(self, case: Case, asked: Asked, columns: list[str]) -> Found:
        if self._missing == "nothing":
            empty: Any = () if self._many == "list" else None
            return Found(dict.fromkeys(columns, empty), depends=(asked.table,))
        table = self._shown(asked.table, case)
        if asked.key is None:
            message = f"nothing is known of the file to look for in {table} as {self._plan.key.shown}"
        else:
            message = f"{table} has no row with {report.shown(asked.key, self._plan.key)}"
            refused = self._shelf.ask(asked.table, lambda index: index.flaws(1))
            if refused.count:
                first = refused.first[0]
                message += (
                    f"; {refused.count:,} of its rows cannot be used, such as row {first.row}: {first.reason}"
                )
        raise Hold(f"{case.probe.source.shown}: {message}", reason="no-row", depends=(asked.table,))

    def _check_number(self, case: Case, asked: Asked, hits: list[Hit]) -> None:
        most = {"error": 1, "first": 1, "list": MOST_ROWS}[self._many]
        if len(hits) <= most:
            return
        numbers = report.listed([hit.number for hit in hits[:NAMED_ROWS]], len(hits) > NAMED_ROWS)
        key = report.shown(asked.key or "", self._plan.key)
        what = "only one may have it" if most == 1 else f"at most {most:,} may have it"
        raise Hold(
            f"{case.probe.source.shown}: {self._shown(asked.table, case)} has {key} in {numbers}, and "
            f"{what}: mend the table, or add to key and equals what tells the rows apart",
            reason="many-rows",
            depends=(asked.table,),
        )

    def _found(self, case: Case, asked: Asked, hits: list[Hit], columns: list[str]) -> Found:
        facts: Mapping[str, Any] = hits[0].cells
        if self._many == "list":
            facts = {column: tuple(hit.cells[column] for hit in hits) for column in columns}
        table = self._shown(asked.table, case)
        return Found(
            facts,
            depends=(asked.table,),
            where=f"{table}, {report.listed([hit.number for hit in hits])}",
            messages=tuple(f"{table}, row {hit.number}: {hit.remark}" for hit in hits if hit.remark),
        )

    def _shown(self, table: Path, case: Case | None = None) -> str:
        """A table as people know it: below the mapping's folder or the file's root, if it is there."""
        for above in (self._location.folder, *([case.probe.source.root] if case else [])):
            if table.is_relative_to(above):
                return table.relative_to(above).as_posix()
        return str(table)
