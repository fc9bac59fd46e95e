"""CSV and TSV, judged by Python's csv module."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.mapping.tables import encoding, reading
from gateway.mapping.tables.sheet import BadTable, Layout, Line


def read(path: Path, data: bytes | str, **layout: Any) -> tuple[list[str], list[Line], str]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with reading.opened(path, Layout(**layout)) as sheet:
        return list(sheet.columns), list(sheet.lines), sheet.form


def rows(found: list[Line]) -> list[tuple[int, list[str]]]:
    return [(line.number, list(line.cells)) for line in found if not line.fault]


def bad(path: Path, data: bytes | str, **layout: Any) -> BadTable:
    with pytest.raises(BadTable) as caught:
        read(path, data, **layout)
    return caught.value


CELL = st.text(
    st.one_of(
        st.sampled_from(" ;,\t|\"'\r\nä€ 1"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=8)
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
@example([['a"b\nc', "x"]], ";", "\r\n")
def test_what_python_writes_is_read_as_python_reads_it(
    tmp_path: Path, table: list[list[str]], delimiter: str, end: str
) -> None:
    header = [f"c{number}" for number in range(len(table[0]) if table else 2)]
    file = io.StringIO(newline="")
    alone = any("\r" in cell or "\n" in cell for row in table for cell in row)  # are not always quoted
    quoting = csv.QUOTE_ALL if alone else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([header, *table])
    text = file.getvalue()
    judged = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    columns, found, _ = read(tmp_path / "t.csv", text, delimiter=delimiter, encoding="utf-8")
    assert columns == judged[0]
    assert not any(line.fault for line in found)
    assert [cells for _, cells in rows(found)] == [row for row in judged[1:] if any(map(str.strip, row))]
    numbers = [line.number for line in found]
    assert numbers == sorted(set(numbers))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('";,\n\ra '), max_size=60))
def test_no_text_is_too_broken_to_be_judged_row_by_row(tmp_path: Path, text: str) -> None:
    lines = ("a,b\n" + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    _, found, _ = read(tmp_path / "t.csv", "a,b\n" + text, delimiter=",")
    assert all(2 <= line.number <= len(lines) for line in found)
    assert all(len(line.cells) == 2 for line in found if not line.fault)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("mrn,last,born\n1,Doe,x\n", "commas"),
        ("mrn;last;born\n1;Doe, Jane;1,5\n", "semicolons"),
        ("mrn\tlast\n1\tDoe, Jane\n", "tabs"),
        ("mrn|last\n1|Doe; J\n", "bars"),
        ("Name, Vorname;mrn;born\nDoe, J;1;x\nRoe, R;2;x\n", "semicolons"),
        ("mrn\n1\n2\n", "commas"),
        ("sep=;\nmrn;last\n1;a,b,c\n", "semicolons"),
    ],
)
def test_the_delimiter_is_found_out(tmp_path: Path, head: str, said: str) -> None:
    columns, found, form = read(tmp_path / "t.txt", head)
    assert f"{said} between cells" in form
    assert all(not line.fault for line in found)
    assert "mrn" in columns


def test_a_delimiter_that_is_given_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path / "t.csv", "a,b;c\n1,2;3\n", delimiter=";")[0] == ["a,b", "c"]


def test_rows_are_numbered_by_the_line_in_which_they_begin(tmp_path: Path) -> None:
    _, found, _ = read(tmp_path / "t.csv", 'mrn,note\n1,"two\nlines"\n\n2,x\n,\n3,y\n')
    assert rows(found) == [(2, ["1", "two\nlines"]), (5, ["2", "x"]), (7, ["3", "y"])]
    _, found, _ = read(tmp_path / "t.csv", "sep=,\n\nmrn,note\n1,x\n")
    assert rows(found) == [(4, ["1", "x"])]


def test_a_row_of_another_width_is_not_used_but_for_empty_cells_at_its_end(tmp_path: Path) -> None:
    _, found, _ = read(tmp_path / "t.csv", "mrn,last\n1,a,,\n2\n3,Doe, Jane\n4,b\n")
    assert rows(found) == [(2, ["1", "a"]), (5, ["4", "b"])]
    assert [(line.number, line.fault) for line in found if line.fault] == [
        (3, "it has 1 cells, and there are 2 columns"),
        (4, "it has 3 cells, and there are 2 columns"),
    ]


@pytest.mark.parametrize("broken", ['2,"never closed', '2,"a"b"', '2,"x" y'])
def test_wrong_quotes_cost_one_row(tmp_path: Path, broken: str) -> None:
    _, found, _ = read(tmp_path / "t.csv", f'mrn,last\n1,"a"\n{broken}\n3,c\n4,"d"\n5,e\n')
    assert rows(found) == [(2, ["1", "a"]), (4, ["3", "c"]), (5, ["4", "d"]), (6, ["5", "e"])]
    assert [line.number for line in found if line.fault] == [3]


def test_a_quote_that_is_never_closed_does_not_take_a_long_table_with_it(tmp_path: Path) -> None:
    count = 20_000
    text = 'mrn,last\n0,"open\n' + "".join(f"{number},name {number}\n" for number in range(1, count))
    _, found, _ = read(tmp_path / "t.csv", text)
    assert [line.number for line in found if line.fault] == [2]
    assert rows(found)[-1] == (count + 1, [str(count - 1), f"name {count - 1}"])


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ("mrn,last\n1,Müller\n".encode(), "UTF-8"),
        ("mrn,last\n1,Müller\n".encode("utf-8-sig"), "UTF-8"),
        ("mrn,last\n1,Müller\n".encode("utf-16"), "UTF-16"),
        ("mrn,last\n1,Müller\n".encode("utf-16-le"), "UTF-16-LE"),
        ("mrn,last\n1,Müller\n".encode("utf-16-be"), "UTF-16-BE"),
        ("mrn,last\n1,Müller\n".encode("cp1252"), "WINDOWS-1252"),
    ],
)
def test_the_encoding_is_found_out(tmp_path: Path, data: bytes, form: str) -> None:
    columns, found, said = read(tmp_path / "t.csv", data)
    assert (columns, rows(found)) == (["mrn", "last"], [(2, ["1", "Müller"])])
    assert said.startswith(f"{form},")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_categories=["Cc"]), max_size=300))
def test_what_can_be_utf_8_is_utf_8(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(("x" + text).encode())
    assert encoding.of(path, "") == "utf-8"


def test_one_bad_byte_does_not_make_windows_1252_of_utf_8(tmp_path: Path) -> None:
    data = "mrn,last\n1,Müller\n2,Jörg\n".encode() + b"3,M\xfcller\n"
    _, found, form = read(tmp_path / "t.csv", data)
    assert form.startswith("UTF-8,")
    assert rows(found)[:2] == [(2, ["1", "Müller"]), (3, ["2", "Jörg"])]
    assert encoding.BAD.search(found[2].cells[1])


def test_an_encoding_is_found_out_wherever_in_a_file_it_shows(tmp_path: Path) -> None:
    plain = "mrn,last\n" + "1,Miller\n" * 60_000
    for text, form in (("2,Müller".encode(), "UTF-8"), ("2,Müller".encode("cp1252"), "WINDOWS-1252")):
        _, found, said = read(tmp_path / "t.csv", plain.encode() + text)
        assert said.startswith(form)
        assert found[-1].cells == ["2", "Müller"]


def test_an_encoding_that_is_given_is_taken_unless_a_mark_says_otherwise(tmp_path: Path) -> None:
    data = "mrn,last\n1,山田\n".encode("shift_jis")
    assert rows(read(tmp_path / "t.csv", data, encoding="shift_jis")[1]) == [(2, ["1", "山田"])]
    data = "mrn,last\n1,山田\n".encode("utf-8-sig")
    assert rows(read(tmp_path / "t.csv", data, encoding="shift_jis")[1]) == [(2, ["1", "山田"])]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "nothing in it"),
        ("\n\n \n", "nothing in it"),
        ("mrn,mrn,x\n", "'mrn' as the name of columns 1 and 2 (row 1)"),
        ("\n,mrn\n1,2\n", "no name for column 1 in its header, row 2"),
        ('"mrn\n1\n', "no header that can be read"),
        (b"\0\1\2\3" * 99, "is not text"),
        (b"x" * (encoding.LONGEST + 1), "that is no table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50, "save it as XLSX or CSV"),
    ],
)
def test_what_is_no_table_says_so(tmp_path: Path, data: bytes | str, why: str) -> None:
    assert why in str(bad(tmp_path / "t.csv", data))


def test_a_header_is_trimmed_and_composed_and_may_have_empty_cells_at_its_end(tmp_path: Path) -> None:
    columns, found, _ = read(tmp_path / "t.csv", " mrn ,gro\u0308\u00dfe,,\n1,2,,\n")
    assert columns == ["mrn", "größe"]
    assert rows(found) == [(2, ["1", "2"])]


def test_settings_of_other_forms_are_faults(tmp_path: Path) -> None:
    problem = bad(tmp_path / "t.csv", "a,b\n", sheet="Patients")
    assert (str(problem), problem.setting) == ("is text, which has no sheet: leave sheet: out", "sheet")


def test_a_table_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="is not there"), reading.opened(tmp_path / "none.csv", Layout()):
        pass
    with pytest.raises(BadTable, match="cannot be read"), reading.opened(tmp_path, Layout()):
        pass


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        ("MÃ¼ller", ("MÃ¼ller", "Müller")),
        ("Frau GÃ¶tz-StraÃŸe", ("GÃ¶tz-StraÃŸe", "Götz-Straße")),
        ("caf\u00c3\u00a9", ("caf\u00c3\u00a9", "café")),
        ("20 â€“ 30", ("â€“", "–")),
        ("\u00c3\u0081rpad", ("\u00c3\u0081rpad", "Árpad")),
        ("Müller", None),
        ("São Gonçalo", None),
        ("Ångström", None),
        ("ÃÕ Ñandú", None),
        ("山田太郎", None),
        ("«Café»", None),
        ("20 €", None),
    ],
)
def test_text_that_was_encoded_twice_is_recognised(text: str, sample: tuple[str, str] | None) -> None:
    assert encoding.sample_of_twice(text) == sample


@given(st.text(st.characters(min_codepoint=0xA0, max_codepoint=0x24F), min_size=1, max_size=8))
def test_whatever_is_encoded_twice_is_recognised(text: str) -> None:
    twice = "".join(
        bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
        for byte in text.encode()
    )
    assert encoding.sample_of_twice(twice) is not None
