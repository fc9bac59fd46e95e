"""Spreadsheets, NDJSON and databases, written by what writes them elsewhere."""
# ruff: noqa: DTZ001 - cells have no time zone

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from gateway.mapping.tables import reading, spreadsheet
from gateway.mapping.tables.sheet import BadTable, Layout, Line


def read(path: Path, **layout: Any) -> tuple[list[str], list[Line]]:
    with reading.opened(path, Layout(**layout)) as sheet:
        found = list(sheet.lines)
        return list(sheet.columns), found


def rows(found: list[Line]) -> list[tuple[int, list[Any]]]:
    return [(line.number, list(line.cells)) for line in found if not line.fault]


def bad(path: Path, **layout: Any) -> BadTable:
    with pytest.raises(BadTable) as caught:
        read(path, **layout)
    return caught.value


def workbook(path: Path, *table: tuple[Any, ...], **sheets: list[tuple[Any, ...]]) -> Path:
    book = Workbook()
    first = book.active
    assert first is not None
    first.title = "Patients"
    for row in table:
        first.append(row)
    for title, others in sheets.items():
        sheet = book.create_sheet(title)
        for row in others:
            sheet.append(row)
    book.save(path)
    return path


def shared_texts(path: Path, texts: list[str]) -> Path:
    """A workbook of two columns as spreadsheet programs write it: texts by number."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    form = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    cells = "".join(
        f'<row r="{row}"><c r="A{row}" t="s"><v>{2 * row - 2}</v></c>'
        f'<c r="B{row}" t="s"><v>{2 * row - 1}</v></c></row>'
        for row in range(1, len(texts) // 2 + 1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{form}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{form}.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{form}.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">'
        + "".join(f"<si><t>{text}</t></si>" for text in texts)
        + "</sst>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def database(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


# Spreadsheets


def test_a_sheet_has_texts_numbers_and_dates_under_its_own_row_numbers(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx",
        (None, None),
        ("mrn", "born", "at", "weight", "count"),
        ("00123", date(1970, 1, 31), time(8, 30), 70.5, 3.0),
        (),
        ("00124", datetime(1980, 2, 1, 12, 0), None, 71, 4),
    )
    columns, found = read(path)
    assert columns == ["mrn", "born", "at", "weight", "count"]
    assert rows(found) == [
        (3, ["00123", datetime(1970, 1, 31), time(8, 30), 70.5, 3]),
        (5, ["00124", datetime(1980, 2, 1, 12, 0), None, 71, 4]),
    ]
    assert isinstance(found[0].cells[4], int)


def test_a_sheet_is_named_or_the_first(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ("a",), ("1",), Other=[("b",), ("2",)])
    assert read(path)[0] == ["a"]
    assert read(path, sheet="Other")[0] == ["b"]
    problem = bad(path, sheet="Othr")
    assert (str(problem), problem.setting) == ("has no sheet 'Othr'; did you mean Other?", "sheet")


def test_cells_behind_the_header_are_a_fault_and_missing_ones_are_empty(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ("a", "b"), ("1",), ("2", "x", "y"), ("3", "z", " "))
    _, found = read(path)
    assert rows(found) == [(2, ["1", None]), (4, ["3", "z"])]
    assert found[1].fault == "it has a cell behind the 2 columns of the header"


def test_a_workbook_whose_size_is_written_down_wrongly_is_read_whole(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ("a", "b"), ("1", "2"))
    wrong = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(wrong, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.replace(b'<dimension ref="A1:B2"', b'<dimension ref="A1"'))
    assert read(wrong) == read(path)


def test_what_is_no_workbook_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"PK\x03\x04 and nothing behind it")
    assert "is not a workbook that can be read" in str(bad(path))
    path.write_text("mrn;last\n1;Doe\n")
    assert "is called a spreadsheet, but is none" in str(bad(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert "is not a workbook that can be read" in str(bad(path))
    assert "has nothing in its sheet" in str(bad(workbook(path)))


def test_a_spreadsheet_is_known_by_its_content(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ("a",), ("1",)).rename(tmp_path / "t.csv")
    assert read(path)[0] == ["a"]
    assert bad(path, delimiter=";").setting == "delimiter"


def test_texts_are_read_from_where_spreadsheet_programs_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared_texts(tmp_path / "t.xlsx", ["mrn", "last", "00123", "Müller"])
    assert read(path) == (["mrn", "last"], [Line(2, ["00123", "Müller"])])
    monkeypatch.setattr(spreadsheet, "LARGEST", 50)
    assert "save it as CSV" in str(bad(path))


# NDJSON


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["mrn", "last", "größe", "b c"]), VALUE), max_size=6))
def test_objects_are_rows_of_the_columns_that_any_of_them_has(
    tmp_path: Path, table: list[dict[str, Any]]
) -> None:
    path = tmp_path / "t.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    columns, found = read(path)
    assert set(columns) == {name for row in table for name in row}
    assert [line.number for line in found] == list(range(1, len(table) + 1))
    for line, row in zip(found, table, strict=True):
        cells = dict(zip(columns, line.cells, strict=False))
        assert {name: row.get(name) for name in cells} == cells


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{'a': 1}", "it is not JSON"),
        ('{"a": 1', "it is not JSON"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": 1, "a": 2}', "an object has a name twice"),
        ("[1]", "it is not an object"),
        ("17", "it is not an object"),
        ('{"a":' * 3000, "it is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "it is not JSON"),
    ],
)
def test_a_line_that_is_no_object_costs_one_row(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"a": 1}}\n\n{line}\n{{"a": 2}}\n')
    _, found = read(path)
    assert rows(found) == [(1, [1]), (4, [2])]
    assert (found[1].number, why in found[1].fault) == (3, True)


def test_names_without_end_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson"
    path.write_text("".join(f'{{"n{number}": 1}}\n' for number in range(3000)))
    assert "different names" in str(bad(path))


# Databases

SCRIPT = """
    CREATE TABLE patients (mrn TEXT, weight REAL, visits INTEGER, face BLOB);
    INSERT INTO patients VALUES ('007', 70.5, 3, x'ff00'), ('008', NULL, 0, NULL);
"""


def test_a_table_of_a_database_is_a_table(tmp_path: Path) -> None:
    columns, found = read(database(tmp_path / "t.db", SCRIPT))
    assert columns == ["mrn", "weight", "visits", "face"]
    assert rows(found) == [(1, ["007", 70.5, 3, None]), (2, ["008", None, 0, None])]


def test_a_query_is_a_table(tmp_path: Path) -> None:
    path = database(tmp_path / "t.db", SCRIPT + "CREATE TABLE other (x);")
    query = "SELECT mrn AS id, visits * 2 AS twice FROM patients WHERE visits > 0"
    assert read(path, sheet=query) == (["id", "twice"], [Line(1, ["007", 6])])
    assert read(path, sheet="other")[0] == ["x"]
    problem = bad(path)
    assert "has the tables other, patients: say which with sheet:" in str(problem)
    assert "did you mean patients?" in str(bad(path, sheet="patient"))
    assert bad(path, sheet="SELECT nothing FROM patients").setting == "sheet"
    assert bad(path, sheet="SELECT mrn, mrn FROM patients").setting == "file"


def test_a_database_is_never_written_to(tmp_path: Path) -> None:
    path = database(tmp_path / "t.db", SCRIPT)
    before = path.read_bytes()
    for query in (
        "SELECT 1; DELETE FROM patients",
        "WITH x AS (SELECT 1) DELETE FROM patients",
    ):
        with pytest.raises(BadTable):
            read(path, sheet=query)
    assert path.read_bytes() == before


def test_what_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(b"SQLite format 3\0" + b"x" * 200)
    assert "asked" in str(bad(path)) or "read" in str(bad(path))
    assert "has no table" in str(bad(database(tmp_path / "e.db", "CREATE TABLE x (y); DROP TABLE x;")))


def test_a_table_may_be_called_anything(tmp_path: Path) -> None:
    path = database(tmp_path / "t.db", 'CREATE TABLE "a ""b"" c" (x); INSERT INTO "a ""b"" c" VALUES (1);')
    assert rows(read(path, sheet='a "b" c')[1]) == [(1, [1])]
