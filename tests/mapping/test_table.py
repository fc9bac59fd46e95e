"""Tables from outside: a mapping's table of settings, files on disk, and what becomes known of a file."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

import examples
from gateway import documents, formats
from gateway.config import Reading, Site
from gateway.errors import Hold
from gateway.mapping import expressions
from gateway.mapping.assignments import Assignment, read_attributes
from gateway.mapping.compose import Composition, compose
from gateway.mapping.filters import SITE
from gateway.mapping.sources import table
from gateway.mapping.sources.source import Case, Found, GivenSource
from gateway.mapping.sources.table import TableModel, TableSource
from gateway.model import Probe, Source
from gateway.nodes import Fault, Table, Text, parse
from gateway.nodes import Place as At

EQUALS = "equals: '{{ path.mrn }}'"


def built(text: str, folder: Path, maps: Any = None) -> tuple[TableSource | None, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, TableModel, faults)
    source = table.read(model, faults, folder, maps) if model else None
    return source, [str(fault) for fault in sorted(faults)]


def given_source(text: str, folder: Path, maps: Any = None) -> TableSource:
    source, faults = built(text, folder, maps)
    assert faults == []
    assert source is not None
    return source


def photo(root: Path, name: str = "IMG_1.jpg") -> Probe:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(examples.jpeg())
    return formats.probe(Source(path, root), Reading())


def case(folder: Path, name: str = "IMG_1.jpg", **facts: Any) -> Case:
    probe = photo(folder, name)
    return Case(probe, {"media": {"name": probe.source.name, "folder": probe.source.folder}, **facts})


def attributes(text: str) -> tuple[Assignment, ...]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert isinstance(node, Table)
    found = read_attributes(node, faults)
    assert faults == []
    return found


def find(source: TableSource, folder: Path, mrn: str | None, **facts: Any) -> Found:
    return source.find(case(folder, path={"mrn": mrn}, **facts))


def held(source: TableSource, asked: Case) -> Hold:
    with pytest.raises(Hold) as caught:
        source.find(asked)
    assert str(caught.value).startswith(f"{asked.probe.source.shown}: ")
    return caught.value


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


PATIENTS = "mrn;last;first;born\n007; Bond ;James;13.04.1968\n008;Moneypenny;;\n\n009;Müller;Jörg;n/a\n"


def test_a_table_is_a_source_as_all_others(tmp_path: Path) -> None:
    write(tmp_path / "patients.csv", PATIENTS)
    source: GivenSource = given_source(f"{{file: patients.csv, key: mrn, {EQUALS}}}", tmp_path)
    assert source.name == "row"
    assert source.names == ("mrn", "last", "first", "born")
    assert [use.source for each in source.expressions for use in each.uses if use.name] == ["path"]


def test_a_row_is_found_by_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", PATIENTS, "cp1252")
    source = given_source(f"{{file: patients.csv, key: mrn, {EQUALS}, null: [NULL, n/a]}}", tmp_path)
    found = find(source, tmp_path, "009")
    assert found.facts == {"mrn": "009", "last": "Müller", "first": "Jörg", "born": None}
    assert found.where == "patients.csv, row 5"
    assert found.depends == (path,)
    assert found.messages == ()
    assert find(source, tmp_path, "007").facts["last"] == "Bond"
    assert find(source, tmp_path, "008").facts["first"] is None


def test_keys_are_compared_trimmed_and_composed(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "name,x\n Mu\u0308ller ,1\n")
    source = given_source("{file: t.csv, key: name, equals: '{{ path.name }}'}", tmp_path)
    assert source.find(case(tmp_path, path={"name": "M\u00fcller "})).facts["x"] == "1"
    assert held(source, case(tmp_path, path={"name": "müller"})).reason == "no-row"


def test_a_file_without_a_row_is_held_with_the_key_it_was_looked_for_by(tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", PATIENTS + "010;too;few\n")
    source = given_source(f"{{file: patients.csv, key: mrn, {EQUALS}}}", tmp_path)
    doubt = held(source, case(tmp_path, path={"mrn": "010"}))
    assert (doubt.reason, doubt.depends) == ("no-row", (path,))
    assert "patients.csv has no row with mrn '010'; 1 of its rows cannot be used, such as row 6:" in str(
        doubt
    )
    doubt = held(source, case(tmp_path, path={"mrn": None}))
    assert doubt.reason == "no-row"
    assert str(doubt).endswith("nothing is known of the file to look for in patients.csv as mrn")


def test_a_file_without_a_row_may_have_nothing(tmp_path: Path) -> None:
    write(tmp_path / "patients.csv", PATIENTS)
    for many, nothing in (("error", None), ("list", ())):
        text = f"{{file: patients.csv, key: mrn, {EQUALS}, missing: nothing, many: {many}}}"
        source = given_source(text, tmp_path)
        for mrn in ("999", None):
            found = find(source, tmp_path, mrn)
            assert found.facts == dict.fromkeys(("mrn", "last", "first", "born"), nothing)
            assert found.where == ""


VISITS = "mrn,step\n1,A\n2,B\n1,C\n1,\n"


def test_of_several_rows_none_is_guessed(tmp_path: Path) -> None:
    write(tmp_path / "visits.csv", VISITS)
    source = given_source(f"{{file: visits.csv, key: mrn, {EQUALS}}}", tmp_path)
    doubt = held(source, case(tmp_path, path={"mrn": "1"}))
    assert doubt.reason == "many-rows"
    assert "visits.csv has mrn '1' in rows 2, 4 and 5, and only one may have it" in str(doubt)
    write(tmp_path / "visits.csv", "mrn,step\n" + "1,A\n" * 30)
    source = given_source(f"{{file: visits.csv, key: mrn, {EQUALS}}}", tmp_path)
    assert "rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and others" in str(
        held(source, case(tmp_path, path={"mrn": "1"}))
    )


def test_the_first_of_several_rows_can_be_taken(tmp_path: Path) -> None:
    write(tmp_path / "visits.csv", VISITS)
    source = given_source(f"{{file: visits.csv, key: mrn, {EQUALS}, many: first}}", tmp_path)
    found = find(source, tmp_path, "1")
    assert (found.facts["step"], found.where) == ("A", "visits.csv, row 2")


def test_several_rows_can_be_taken_as_lists(tmp_path: Path) -> None:
    write(tmp_path / "visits.csv", VISITS)
    source = given_source(f"{{file: visits.csv, key: mrn, {EQUALS}, many: list}}", tmp_path)
    found = find(source, tmp_path, "1")
    assert found.facts == {"mrn": ("1", "1", "1"), "step": ("A", "C", None)}
    assert found.where == "visits.csv, rows 2, 4 and 5"
    assert rendered("{{ row.step | join('+') }} {{ row.step[1] }}", row=found.facts) == "A+C C"
    assert find(source, tmp_path, "2").facts["step"] == ("B",)


def rendered(text: str, **facts: Any) -> str:
    faults: list[Fault] = []
    template = expressions.parse(Text(At("m.yaml", 1, 1), text, 0), faults)
    assert faults == []
    return template.render(facts, []).text


def test_several_columns_make_one_key(tmp_path: Path) -> None:
    write(tmp_path / "eyes.csv", "mrn,eye,diagnosis\n1,R,x\n1,L,y\n1,,z\n")
    text = "{file: eyes.csv, key: [mrn, eye], equals: ['{{ path.mrn }}', '{{ path.eye }}']}"
    source = given_source(text, tmp_path)
    assert source.find(case(tmp_path, path={"mrn": "1", "eye": "L"})).facts["diagnosis"] == "y"
    doubt = held(source, case(tmp_path, path={"mrn": "1", "eye": "X"}))
    assert "has no row with mrn '1', eye 'X'" in str(doubt)
    assert held(source, case(tmp_path, path={"mrn": "1", "eye": None})).reason == "no-row"


def test_a_key_may_be_an_expression_over_the_row(tmp_path: Path) -> None:
    write(tmp_path / "files.csv", "path;mrn\n\\\\NAS01\\Bilder\\2004\\SCAN0001.TIF;4711\n", "cp1252")
    for name in ("row", "files"):
        text = f"""
name: files
file: files.csv
key: '{{{{ {name}.path | replace("\\\\", "/") | lower }}}}'
equals: '//nas01/bilder/{{{{ media.folder }}}}/{{{{ media.name | lower }}}}'
"""
        source = given_source(text, tmp_path)
        found = source.find(case(tmp_path, "2004/Scan0001.tif"))
        assert found.facts == {"path": "\\\\NAS01\\Bilder\\2004\\SCAN0001.TIF", "mrn": "4711"}
    single = "{file: files.csv, key: '{{ row.path | replace(''\\'', ''/'') }}', equals: '{{ path.x }}'}"
    _, faults = built(single, tmp_path)
    assert len(faults) == 1  # a backslash stands for itself only when there are two
    source = given_source("{file: files.csv, key: '{{ row.path }}', equals: '{{ path.unc }}'}", tmp_path)
    unc = "\\\\NAS01\\Bilder\\2004\\SCAN0001.TIF"
    assert source.find(case(tmp_path, path={"unc": unc})).facts["mrn"] == "4711"


def test_a_key_may_use_the_maps_of_the_mapping(tmp_path: Path) -> None:
    write(tmp_path / "eyes.csv", "mrn,eye\n1,OD\n1,OS\n1,OX\n")
    text = (
        "{file: eyes.csv, key: [mrn, '{{ row.eye | pick(\"eye\") }}'], "
        "equals: ['{{ path.mrn }}', '{{ path.eye }}']}"
    )
    source = given_source(text, tmp_path, {"eye": {"OD": "R", "OS": "L"}})
    assert source.find(case(tmp_path, path={"mrn": "1", "eye": "L"})).facts["eye"] == "OS"
    (report,) = source.report()
    assert [flaw.row for flaw in report.refused.first] == [4]
    _, faults = built(text, tmp_path)
    assert faults == ["m.yaml:1:49: there is no map 'eye' here"]


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "Pat.-Nr.,Nach name\n1,Doe\n")
    columns = "columns: {mrn: Pat.-Nr., last: Nach name}"
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}, {columns}}}", tmp_path)
    assert source.names == ("mrn", "last")
    assert find(source, tmp_path, "1").facts == {"mrn": "1", "last": "Doe"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{file: none.csv, key: mrn, EQ}", "1:8: FOLDER/none.csv is not there"),
        (
            "{file: t.csv, key: mnr, EQ}",
            "1:20: FOLDER/t.csv has no column 'mnr'; did you mean mrn?",
        ),
        (
            "{file: t.csv, key: '{{ row.mnr }}', EQ}",
            "1:28: FOLDER/t.csv has no column 'mnr'; did you mean mrn?",
        ),
        (
            "{file: t.csv, key: '{{ path.mrn }}', EQ}",
            "1:24: there is no 'path' here; there is row",
        ),
        (
            "{file: t.csv, key: number, EQ, columns: {number: mnr}}",
            "1:72: FOLDER/t.csv has no column 'mnr'; did you mean mrn?",
        ),
        (
            "{file: t.csv, key: mrn, EQ, columns: {number: mrn}}",
            "1:20: FOLDER/t.csv has no column 'mrn'; it is called 'number' here",
        ),
        (
            "{file: t.csv, key: last, EQ, columns: {last: mrn}}",
            "1:68: FOLDER/t.csv has a column 'last' already: call 'mrn' something else",
        ),
        (
            "{file: t.csv, key: [mrn, last], EQ}",
            "1:41: equals has 1 values, and key has 2: each has its own",
        ),
        (
            "{file: t.csv, key: mrn, equals: mrn}",
            "1:33: equals is 'mrn' for every file: write what a file's key is, as in '{{ path.mrn }}'",
        ),
        (
            "{file: t.csv, key: mrn, EQ, encoding: utf-9}",
            "1:61: there is no encoding 'utf-9': name one such as windows-1252 or iso8859-15",
        ),
        (
            "{file: t.csv, key: mrn, EQ, delimiter: ';;'}",
            "1:62: ';;' cannot stand between cells: write one character, or tab",
        ),
        (
            "{file: t.csv, key: mrn, EQ, sheet: One}",
            "1:58: FOLDER/t.csv is text, which has no sheet: leave sheet: out",
        ),
        (
            "{name: my table, file: t.csv, key: mrn, EQ}",
            "1:8: 'my table' is no name: take letters, digits and _",
        ),
        ("{file: t.csv, key: mrn, EQ, many: all}", "1:57: many cannot be 'all': write error"),
        (
            "{file: t.csv, key: mrn, EQ, width: eight}",
            "1:58: width cannot be 'eight': write a whole number",
        ),
        (
            "{file: t.csv, key: mrn, EQ, width: {mnr: 8}}",
            "1:58: FOLDER/t.csv has no column 'mnr'; did you mean mrn?",
        ),
        ("{file: t.csv, EQ}", "1:1: table needs key: the column that files are found by"),
        ("{file: bad.csv, key: mrn, EQ}", "1:8: FOLDER/bad.csv has 'mrn' as the name of columns 1 and 3"),
        (
            "{file: all.csv, key: mrn, EQ}",
            "1:8: FOLDER/all.csv has no row that can be used; in row 2 it has 1 cells",
        ),
    ],
)  # fmt: skip
def test_faults_are_told_where_they_stand(tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path / "t.csv", "mrn,last\n1,Doe\n")
    write(tmp_path / "bad.csv", "mrn,last,mrn\n1,Doe,1\n")
    write(tmp_path / "all.csv", "mrn,last\n1\n2\n3\n")
    _, faults = built(text.replace("EQ", EQUALS), tmp_path)
    assert [each.replace(str(tmp_path), "FOLDER")[: len("m.yaml:") + len(fault)] for each in faults] == [
        f"m.yaml:{fault}"
    ]


# A table in each folder


def test_a_table_may_be_in_each_folder(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write(root / "a" / "data.csv", "mrn,x\n1,a\n")
    write(root / "b" / "data.csv", "mrn,x\n1,b\n")
    write(tmp_path / "maps" / "a" / "data.csv", "mrn,x\n1,mapped\n")
    own = given_source(f"{{file: ./data.csv, key: mrn, {EQUALS}}}", tmp_path / "maps")
    assert own.names is None
    for folder in "ab":
        found = own.find(case(root, f"{folder}/1.jpg", path={"mrn": "1"}))
        assert (found.facts["x"], found.where) == (folder, f"{folder}/data.csv, row 2")
    doubt = held(own, case(root, "c/1.jpg", path={"mrn": "1"}))
    assert (doubt.reason, doubt.depends) == ("table", (root / "c" / "data.csv",))
    assert str(doubt).endswith("c/data.csv is not there")
    named = given_source(
        f"{{file: '{{{{ media.folder }}}}/data.csv', key: mrn, {EQUALS}}}", tmp_path / "maps"
    )
    found = named.find(case(root, "a/1.jpg", path={"mrn": "1"}))
    assert (found.facts["x"], found.where) == ("mapped", "a/data.csv, row 2")
    write(tmp_path / "maps" / "data.csv", "mrn,x\n1,root\n")
    assert named.find(case(root, "1.jpg", path={"mrn": "1"})).facts["x"] == "root"


def test_a_table_of_a_folder_that_does_not_fit_holds_its_files(tmp_path: Path) -> None:
    write(tmp_path / "a" / "data.csv", "number,x\n1,a\n")
    source = given_source(f"{{file: ./data.csv, key: mrn, {EQUALS}}}", tmp_path)
    doubt = held(source, case(tmp_path, "a/1.jpg", path={"mrn": "1"}))
    assert doubt.reason == "table"
    assert "data.csv has no column 'mrn'; there is number, x" in str(doubt)


@pytest.mark.parametrize("value", ["../secret", "a/../../secret", "..\\secret", "/etc", ""])
def test_facts_lead_to_no_other_folder(tmp_path: Path, value: str) -> None:
    write(tmp_path / "secret" / "t.csv", "mrn,x\n1,a\n")
    write(tmp_path / "t.csv", "mrn,x\n1,a\n")
    folder = tmp_path / "maps"
    text = f"{{file: '{{{{ path.folder }}}}', key: mrn, {EQUALS}}}"
    doubt = held(given_source(text, folder), case(tmp_path, path={"mrn": "1", "folder": value}))
    assert doubt.reason == "table"


def test_the_mapping_and_the_site_may_lead_anywhere(tmp_path: Path) -> None:
    write(tmp_path / "tables" / "t.csv", "mrn,x\n1,a\n")
    folder = tmp_path / "maps"
    folder.mkdir()
    for file in ("../tables/t.csv", "..\\tables\\t.csv", str(tmp_path / "tables" / "t.csv")):
        source = given_source(f"{{file: '{file}', key: mrn, {EQUALS}}}", folder)
        assert find(source, tmp_path, "1").facts["x"] == "a"
    source = given_source(f"{{file: '{{{{ site.tables }}}}/t.csv', key: mrn, {EQUALS}}}", folder)
    assert find(source, tmp_path, "1", site={"tables": str(tmp_path / "tables")}).facts["x"] == "a"


def test_what_expressions_cannot_do_holds_the_file(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "mrn,x\n1,a\n")
    equals = "equals: '{{ path.day | dicom_date(\"%d.%m.%Y\") }}'"
    source = given_source(f"{{file: t.csv, key: mrn, {equals}}}", tmp_path)
    assert held(source, case(tmp_path, path={"day": "31.02.2024"})).reason == "mapping"
    source = given_source(f"{{file: '{{{{ path.day | pick(\"x\") }}}}', key: mrn, {EQUALS}}}", tmp_path)
    assert held(source, case(tmp_path, path={"day": "1", "mrn": "1"})).reason == "mapping"


# Numbers in keys


def workbook(path: Path, *rows: tuple[Any, ...]) -> Path:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_a_number_in_the_key_of_a_spreadsheet_needs_its_width(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ("mrn", "last"), (123, "Doe"), ("00124", "Roe"), (10**15, "Poe"))
    source = given_source(f"{{file: t.xlsx, key: mrn, {EQUALS}}}", tmp_path)
    assert find(source, tmp_path, "00124").facts["last"] == "Roe"
    doubt = held(source, case(tmp_path, path={"mrn": "123"}))
    assert "2 of its rows cannot be used, such as row 2: mrn is part of the key, and the number 123" in str(
        doubt
    )
    source = given_source(f"{{file: t.xlsx, key: mrn, {EQUALS}, width: 5}}", tmp_path)
    assert find(source, tmp_path, "00123").facts == {"mrn": "00123", "last": "Doe"}
    assert find(source, tmp_path, "00124").where == "t.xlsx, row 3"
    (report,) = source.report()
    assert [flaw.row for flaw in report.refused.first] == [4]
    workbook(path, ("mrn", "last"), (123, "Doe"), (124, "Roe"))
    _, faults = built(f"{{file: t.xlsx, key: mrn, {EQUALS}}}", tmp_path)
    assert len(faults) == 1
    assert "say how many digits it has with width:" in faults[0]


def test_a_spreadsheets_number_is_no_patient_id_until_its_digits_are_known(tmp_path: Path) -> None:
    workbook(tmp_path / "t.xlsx", ("file", "mrn", "room"), ("a.jpg", 123, 7), ("b.jpg", "00124", 7))
    text = "{{file: t.xlsx, key: file, equals: '{{{{ path.mrn }}}}'{}}}"

    def composed(settings: str, name: str, said: str) -> Composition:
        found = find(given_source(text.format(settings), tmp_path), tmp_path, name)
        return compose([attributes(said)], {"row": found.facts})

    bare = "PatientID: '{{ row.mrn }}'\nStudyID: '{{ row.room }}'"
    [fault] = composed("", "a.jpg", bare).faults
    assert "PatientID comes from the number 123 of a spreadsheet" in fault
    assert composed("", "b.jpg", bare).dataset.PatientID == "00124"
    for settings, said in ((", width: {mrn: 5}", bare), ("", bare.replace("mrn }}", "mrn | pad(5) }}"))):
        dataset = composed(settings, "a.jpg", said).dataset
        assert (dataset.PatientID, dataset.StudyID) == ("00123", "7")


def test_a_whole_number_is_whole_however_it_is_written_down(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "t.db")
    database.executescript("CREATE TABLE p (file TEXT, mrn REAL, dose REAL);")
    database.execute("INSERT INTO p VALUES ('a.jpg', 4711001, 0.5)")
    database.commit()
    database.close()
    write(tmp_path / "t.ndjson", '{"file": "a.jpg", "mrn": 4711001.0, "dose": 0.5}\n')
    for name in ("t.db", "t.ndjson"):
        source = given_source(f"{{file: {name}, key: file, {EQUALS}}}", tmp_path)
        facts = find(source, tmp_path, "a.jpg").facts
        assert (str(facts["mrn"]), str(facts["dose"])) == ("4711001", "0.5")


def test_columns_of_a_key_have_their_own_widths(tmp_path: Path) -> None:
    workbook(tmp_path / "t.xlsx", ("mrn", "visit", "x"), (123, 1, "a"), (123, 12, "b"))
    text = (
        "{file: t.xlsx, key: [mrn, '{{ row.visit }}'], equals: ['{{ path.mrn }}', '{{ path.visit }}'], "
        "width: {mrn: 5, visit: 1}}"
    )
    source = given_source(text, tmp_path)
    assert source.find(case(tmp_path, path={"mrn": "00123", "visit": "12"})).facts["x"] == "b"
    assert source.find(case(tmp_path, path={"mrn": "00123", "visit": "1"})).facts["x"] == "a"


def test_digits_in_text_are_filled_up_too(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "mrn,x\n123,a\n00124,b\nA1,c\n")
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}, width: 5}}", tmp_path)
    assert [find(source, tmp_path, mrn).facts["x"] for mrn in ("00123", "00124", "A1")] == ["a", "b", "c"]


def test_a_number_of_ndjson_is_what_it_says(tmp_path: Path) -> None:
    write(tmp_path / "t.ndjson", '{"mrn": 123, "x": {"y": 1}}\n{"mrn": 1.5}\n{"mrn": true}\n{"x": 2}\n')
    source = given_source(f"{{file: t.ndjson, key: mrn, {EQUALS}}}", tmp_path)
    found = find(source, tmp_path, "123")
    assert rendered("{{ row.x.y }}", row=found.facts) == "1"
    (report,) = source.report()
    assert [flaw.row for flaw in report.refused.first] == [2, 3]
    assert report.without_key.first == (4,)


def test_dates_are_dates_and_in_keys_need_a_form(tmp_path: Path) -> None:
    day = datetime(2024, 5, 31)  # noqa: DTZ001 - cells have no time zone
    workbook(tmp_path / "t.xlsx", ("mrn", "day"), ("1", day))
    source = given_source(f"{{file: t.xlsx, key: mrn, {EQUALS}}}", tmp_path)
    facts = find(source, tmp_path, "1", **{SITE: Site()}).facts
    assert rendered("{{ row.day | dicom_date }}", row=facts) == "20240531"
    text = "{file: t.xlsx, key: '{{ row.day | dicom_date }}', equals: '{{ path.day }}'}"
    assert given_source(text, tmp_path).find(case(tmp_path, path={"day": "20240531"})).facts["mrn"] == "1"
    _, faults = built("{file: t.xlsx, key: day, equals: '{{ path.day }}'}", tmp_path)
    assert "row 2 day is part of the key, and is a date or time" in faults[0]
    assert "{{ row.day | dicom_date }}" in faults[0]


def test_a_failed_formula_costs_its_row_unless_it_means_nothing(tmp_path: Path) -> None:
    workbook(tmp_path / "t.xlsx", ("mrn", "x"), ("1", "#REF!"), ("2", "#N/A"), ("3", "y"))
    source = given_source(f"{{file: t.xlsx, key: mrn, {EQUALS}, null: '#N/A'}}", tmp_path)
    assert find(source, tmp_path, "2").facts["x"] is None
    assert "row 2: x is #REF!" in str(held(source, case(tmp_path, path={"mrn": "1"})))


# Bytes and words


def test_bad_bytes_cost_their_row_unless_they_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("mrn,last\n1,Müller\n2,M".encode() + b"\xfcller\n3,Doe\n")
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}}}", tmp_path)
    assert find(source, tmp_path, "3").facts["last"] == "Doe"
    doubt = held(source, case(tmp_path, path={"mrn": "2"}))
    assert "row 3: last has bytes that are not in the table's encoding" in str(doubt)
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}, on_bad_byte: replace}}", tmp_path)
    found = find(source, tmp_path, "2")
    assert found.facts["last"] == "M\ufffdller"
    assert found.messages == (
        "t.csv, row 3: last has bytes that are not in the table's encoding, read as \ufffd",
    )


def test_text_encoded_twice_is_told_with_a_sample(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "mrn,last\n1,MÃ¼ller\n2,Doe\n")
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}}}", tmp_path)
    said = "t.csv, row 2: 'MÃ¼ller' looks like 'Müller' encoded twice: export the table again"
    assert find(source, tmp_path, "1").messages == (said,)
    assert find(source, tmp_path, "2").messages == ()
    (report,) = source.report()
    assert report.lines == (said,)


# What a person should know


def test_a_report_names_rows(tmp_path: Path) -> None:
    text = "mrn,last\n1,a\n2,b\n1,c\n3\n4,d\n,e\n5,f\n"
    write(tmp_path / "t.csv", text)
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}}}", tmp_path)
    asked = [source.asked(case(tmp_path, path={"mrn": mrn})) for mrn in ("1", "2", "9", None)]
    (report,) = source.report(asked)
    assert (report.rows, report.refused.count) == (6, 1)
    assert report.lines == (
        "t.csv, row 5: it cannot be used: it has 1 cells, and there are 2 columns",
        "t.csv, rows 2 and 4: they have the same key, mrn '1'",
        "t.csv, row 7: the key is empty, so no file can be found by it (1 in all)",
        "t.csv, rows 6 and 8: no file has this key (2 in all)",
    )
    (report,) = source.report()
    assert report.unused is None
    assert not any("no file has" in line for line in report.lines)


def test_a_report_of_much_is_short(tmp_path: Path) -> None:
    lines = [f"{number},a\n{number},b\n" for number in range(100)] + ["x\n"] * 100
    write(tmp_path / "t.csv", "mrn,last\n" + "".join(lines))
    source = given_source(f"{{file: t.csv, key: mrn, {EQUALS}}}", tmp_path)
    (report,) = source.report([])
    assert len(report.lines) < 50
    assert "t.csv: 80 more rows cannot be used" in report.lines
    assert "t.csv: 80 more keys are not unique" in report.lines
    assert any(line.endswith("and others: no file has this key (200 in all)") for line in report.lines)


def test_tables_of_folders_are_told_of_one_by_one(tmp_path: Path) -> None:
    source = given_source(f"{{file: ./data.csv, key: mrn, {EQUALS}}}", tmp_path)
    asked = []
    for folder in "ab":
        write(tmp_path / folder / "data.csv", "mrn,x\n1,a\n2,b\n")
        asked.append(source.asked(case(tmp_path, f"{folder}/1.jpg", path={"mrn": "1"})))
    assert [report.lines for report in source.report(asked)] == [
        (f"{folder}/data.csv, row 3: no file has this key (1 in all)",) for folder in "ab"
    ]
    assert list(source.report()) == []


# Memory

PEAK = """
import os, re, sys
from pathlib import Path
from gateway import documents
from gateway.mapping.sources import table
from gateway.mapping.tables.shelf import Shelf
from gateway.nodes import parse
faults = []
node = parse("{file: big.csv, key: mrn, equals: '{{ path.mrn }}'}", "m.yaml", faults)
model = documents.build(node, table.TableModel, faults)
source = table.read(model, faults, Path(sys.argv[1]))
assert not faults, faults
(report,) = source.report([])
assert report.rows == report.unused.count == int(sys.argv[2])
print(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.memory
@pytest.mark.xdist_group("memory")
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_million_rows_fit_into_little_memory(tmp_path: Path) -> None:
    peaks = []
    for count in (1000, 1_000_000):
        with (tmp_path / "big.csv").open("w", encoding="cp1252") as file:
            file.write("mrn;last;first;born;path\n")
            for number in range(count):
                file.write(f"{number:08};Müller-{number};Jörg;31.05.1970;\\\\nas\\bilder\\{number}.tif\n")
        command = [sys.executable, "-c", PEAK, str(tmp_path), str(count)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
        peaks.append(int(re.findall("[0-9]+", said.stdout)[0]) * 1024)
    assert peaks[1] < 200 * 1000**2
    assert peaks[1] - peaks[0] < 60 * 1000**2
