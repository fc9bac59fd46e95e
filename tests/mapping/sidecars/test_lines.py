"""INI and plain text: both are lines of keywords with values."""

import configparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.sidecars import ini, text
from gateway.mapping.sidecars.lines import Named

EXAM = """\
; written by the endoscopy tower
station = Room 3
[Patient]
Patient ID = 4711001
Name="Müller, Jörg"
Path=C:\\Images\\%(x)s
Time: 12:30:00
[Exam]
Kind=
"""


def test_sections_and_keys_before_the_first_one() -> None:
    facts = ini.read(EXAM).facts
    assert facts is not None
    assert facts["station"] == "Room 3"
    assert facts["Patient"]["Patient ID"] == "4711001"
    assert facts["patient"]["patient_id"] == "4711001"
    assert facts["PATIENT"]["NAME"] == "Müller, Jörg"
    assert facts["Patient"]["path"] == "C:\\Images\\%(x)s"
    assert facts["Patient"]["time"] == "12:30:00"
    assert facts["Exam"]["kind"] == ""
    assert "other" not in facts
    assert list(facts) == ["station", "Patient", "Exam"]


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("station", "Room 3"),
        ("Patient.Patient ID", "4711001"),
        ("patient.patient_id", "4711001"),
        ("Patient.Other", None),
        ("Other.Name", None),
        ("Other", None),
    ],
)
def test_paths_into_an_ini(way: str, value: str | None) -> None:
    assert ini.path(way, {})(ini.read(EXAM).tree) == value


def test_keys_and_sections_may_have_dots() -> None:
    tree = ini.read("a.b=1\n[x.y]\nz.w=2").tree
    assert ini.path("a.b", {})(tree) == "1"
    assert ini.path("x.y.z.w", {})(tree) == "2"


def test_of_a_key_that_stands_twice_nobody_knows_which_value_is_meant() -> None:
    content = ini.read("[Patient]\nmrn=1\nborn=2\n[Exam]\nmrn=2\n[patient]\nMRN=3\nborn=2")
    assert content.facts is not None
    for ask in (lambda: content.facts["Patient"]["mrn"], lambda: ini.path("Patient.MRN", {})(content.tree)):
        with pytest.raises(
            ValueError, match=r"(?i)mrn stands there twice with different values, again in line 7"
        ):
            ask()
    assert content.facts["Patient"]["born"] == "2"
    assert content.facts["Exam"]["mrn"] == "2"
    assert content.remarks == ("MRN stands a second time in line 7, with another value",)


def test_a_key_that_is_a_section_too_is_told() -> None:
    content = ini.read("patient=1\n[Patient]\nid=2")
    assert content.facts is not None
    assert content.facts["patient"]["id"] == "2"
    assert content.remarks == ("Patient is a key and, from line 2, a section too: the section counts",)


def test_lines_that_are_no_entries_are_left_out_and_told() -> None:
    content = ini.read("a=1\nwhat?\n\n# no\n=x\n" + "junk\n" * 9)
    assert content.remarks == ("what is no keyword with a value was left out (line 2, 5, 6, 7, 8 ...)",)


@pytest.mark.parametrize("reader", [ini, text])
@pytest.mark.parametrize("nothing", ["", "hello", "; a=1", "[Patient]"])
def test_a_file_without_entries_is_none(reader, nothing: str) -> None:
    with pytest.raises(ValueError, match="there is no line with"):
        reader.read(nothing)


def test_plain_text() -> None:
    content = text.read("Patient ID: 4711001\r\nName = Doe^John\rEye=OD\n")
    assert content.facts is not None
    assert content.facts["patient_id"] == "4711001"
    assert content.facts["name"] == "Doe^John"
    assert text.path("Eye", {})(content.tree) == "OD"
    assert text.path("Nose", {})(content.tree) is None
    assert content.entries == (("Patient ID", "4711001"), ("Name", "Doe^John"), ("Eye", "OD"))


KEYS = st.text("abcdefgh", min_size=1, max_size=6)
VALUES = st.text(
    st.characters(codec="ascii", exclude_characters="'\"", categories=["L", "N", "P"]), max_size=8
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, min_size=1), min_size=1))
def test_python_reads_the_same(sections: dict[str, dict[str, str]]) -> None:
    written = "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in entries.items())
        for name, entries in sections.items()
    )
    judge = configparser.ConfigParser(interpolation=None)
    judge.read_string(written)
    facts = ini.read(written).facts
    assert facts is not None
    assert {name: dict(facts[name]) for name in facts} == {
        name: dict(judge[name]) for name in judge.sections()
    }


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_words(written: str) -> None:
    for reader in (ini, text):
        try:
            content = reader.read(written)
        except ValueError:
            continue
        assert content.entries
        reader.path(written, {})(content.tree)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_name_is_found_as_it_was_written(name: str, other: str) -> None:
    named = Named()
    named.put(name, 1)
    assert named[name] == 1
    assert (other in named) == (named.get(other) == 1)
