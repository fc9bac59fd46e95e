from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import Fatal
from gateway.nodes import LIMIT, Fault, Listing, Node, Place, Table, Text, fail, parse, read

YAML_SIGNS = st.lists(
    st.sampled_from([*"ab:{}[]'\"#&*!|>-?%@`,\\ \n\t0.~", "{{ ", " }}", ": ", "- ", "\n  ", "\na: "])
).map("".join)


def table(text: str) -> dict[str | None, Node]:
    """The entries of a document that must be right."""
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert faults == []
    assert isinstance(node, Table)
    return {key.text: value for key, value in node.entries}


def complaints(text: str) -> list[str]:
    faults: list[Fault] = []
    parse(text, "m.yaml", faults)
    return [str(fault) for fault in sorted(faults)]


def texts(node: Node | None) -> list[Text]:
    match node:
        case Text():
            return [node]
        case Table():
            return [text for key, value in node.entries for text in (key, *texts(value))]
        case Listing():
            return [text for item in node.items for text in texts(item)]
        case _:
            return []


@pytest.mark.parametrize(
    "written", ["NO", "yes", "0010", "1e3", "2020-01-01", "0x1F", "1:30", "Null", "true", "1_000", ".5"]
)
def test_every_plain_scalar_is_the_text_it_looks_like(written: str) -> None:
    value = table(f"key: {written}\n")["key"]
    assert isinstance(value, Text)
    assert value.text == written


@pytest.mark.parametrize("written", ["null", "~", "", "   ", "# a comment"])
def test_plain_null_tilde_and_nothing_remove(written: str) -> None:
    value = table(f"key: {written}\nother: x\n")["key"]
    assert isinstance(value, Text)
    assert value.text is None


@pytest.mark.parametrize(
    ("written", "text"), [("''", ""), ('""', ""), ("'null'", "null"), ('"~"', "~"), ("'it''s'", "it's")]
)
def test_quoted_scalars_are_always_text(written: str, text: str) -> None:
    value = table(f"key: {written}\n")["key"]
    assert isinstance(value, Text)
    assert value.text == text


def test_places_are_those_of_an_editor() -> None:
    entries = table("first: a\nlist:\n  - 'bc'\n  - |\n    block\n")
    plain, items = entries["first"], entries["list"]
    assert isinstance(plain, Text)
    assert isinstance(items, Listing)
    quoted, block = items.items
    assert isinstance(quoted, Text)
    assert isinstance(block, Text)
    assert (str(plain.place), str(plain.at(0))) == ("m.yaml:1:8", "m.yaml:1:8")
    assert (str(quoted.place), str(quoted.at(1))) == ("m.yaml:3:5", "m.yaml:3:7")
    assert block.at(3) == block.place == Place("m.yaml", 4, 5)


def test_a_duplicate_key_is_a_fault_at_the_second() -> None:
    assert complaints("a: 1\nb: 2\na: 3\n") == [
        "m.yaml:3:1: a stands here a second time: the first is in line 1; leave one out"
    ]


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("PatientID: {{ path.mrn }}", "PatientID: '{{ path.mrn }}'"),
        ("PatientID: {{ path.mrn }}  # the number", "PatientID: '{{ path.mrn }}'  # the number"),
        ("PatientName: {{ a.b }}^{{ a.c }}", "PatientName: '{{ a.b }}^{{ a.c }}'"),
        ("StudyDate: {{ a.b | dicom_date('%d') }}", "StudyDate: '{{ a.b | dicom_date(''%d'') }}'"),
        ("list: [{{ a.b }}, c]", "list: ['{{ a.b }}', c]"),
    ],
)
def test_an_unquoted_expression_is_shown_mended(line: str, mended: str) -> None:
    column = line.index("{{") + 1
    assert complaints(f"x: 1\n{line}\n") == [
        f"m.yaml:2:{column}: text that begins with {{{{ needs quotes round it; write: {mended}"
    ]


def test_expressions_within_text_need_no_quotes() -> None:
    value = table("key: Dr. {{ path.name }}\n")["key"]
    assert isinstance(value, Text)
    assert value.text == "Dr. {{ path.name }}"


@pytest.mark.parametrize(
    "document",
    ["a: 'open\nb: 2\n", "a: 'open\nb: 'closed'\n", 'a: "open\nb: c"\n', "a: 'open"],
)
def test_an_unclosed_quote_is_reported_where_it_begins(document: str) -> None:
    first = complaints(document)[0]
    assert first.startswith("m.yaml:1:4: the quote that begins here is not closed on this line; write: a: ")


def test_a_backslash_in_double_quotes_is_explained() -> None:
    assert complaints('name: "(?P<mrn>\\d{8})_.*"  # x\n') == [
        "m.yaml:1:7: a backslash in double quotes begins an escape: use single quotes; "
        "write: name: '(?P<mrn>\\d{8})_.*'  # x"
    ]


def test_a_tab_is_explained() -> None:
    assert complaints("a:\n\tb: 1\n")[0] == "m.yaml:2:1: a tab cannot indent: use spaces; write: b: 1"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("a: &x 1\nb: *x\n", "m.yaml:1:4: anchors (&) and aliases (*) are not used here"),
        ("b: *x\n", "m.yaml:1:4: anchors (&) and aliases (*) are not used here"),
        ("a: !!int 3\n", "m.yaml:1:4: tags (!) are not used here"),
        ("%YAML 1.1\n---\na: 1\n", "m.yaml:1:1: directives (%) are not used here"),
        ("a: b: c\n", "m.yaml:1:5: a second colon on this line"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2:1: there is a second document"),
        ("a: @b\n", "m.yaml:1:4: '@' cannot begin a value"),
        ("a: [b\nc: d\n", "a comma or the closing bracket is missing"),
        ("a: 1\n  b\nc\n", "there is no colon after the key"),
        ("a: 1\n b: 2\n", "m.yaml:2:3: a second colon on this line"),
        ("? [a]\n: b\n", "m.yaml:1:3: a name is expected here"),
        ("~: b\n", "m.yaml:1:1: a name is expected here"),
        ("", "m.yaml:1:1: there is nothing in this file"),
        ("# only a comment\n", "m.yaml:1:1: there is nothing in this file"),
        ("a: b\x07c\n", "m.yaml:1:5: the character U+0007 must not stand in a YAML file"),
        ("x: 1\na: " + "[" * 60 + "]" * 60, "m.yaml:2:43: this is nested more than 40 deep"),
    ],
)
def test_what_is_not_used_here_is_named(document: str, words: str) -> None:
    assert any(words in complaint for complaint in complaints(document)), complaints(document)


def test_several_slips_come_at_once() -> None:
    found = complaints("a: {{ x }}\nb: 'open\nc: 1\nc: 2\nd:\n\te: 3\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "4", "6"]


def test_a_file_that_is_not_utf_8_is_a_fault_at_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"a: 1\nb: M\xfcller\n")
    faults: list[Fault] = []
    assert read(path, "m.yaml", faults) is None
    assert [str(fault) for fault in faults] == [
        "m.yaml:2:5: the byte 0xFC is not UTF-8: save the file as UTF-8"
    ]


def test_a_byte_order_mark_and_crlf_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    faults: list[Fault] = []
    assert [text.text for text in texts(read(path, "m.yaml", faults))] == ["a", "1", "b", "2"]
    assert faults == []


def test_a_file_larger_than_any_mapping_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"# " + b"x" * LIMIT)
    faults: list[Fault] = []
    assert read(path, "m.yaml", faults) is None
    assert "larger than 256 KiB" in str(faults[0])


def test_all_faults_are_one_error_in_the_order_of_the_file() -> None:
    faults = [Fault(Place("m.yaml", 10, 2), "later"), Fault(Place("m.yaml", 9, 1), "sooner")] * 2
    with pytest.raises(Fatal) as raised:
        fail(faults)
    assert str(raised.value) == "m.yaml:9:1: sooner\nm.yaml:10:2: later"
    fail([])


@given(st.text() | YAML_SIGNS)
@example("{{: 'a\n\t\"\\d")
@example("a: 'x\n" * 60)
@example("- " * 500)
def test_any_text_is_read_or_explained(text: str) -> None:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None or faults
    for fault in faults:
        assert fault.place.line >= 1
        assert fault.place.column >= 1
        assert "\n" not in fault.message


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Co", "Cn")), max_size=60))
def test_what_single_quotes_hold_is_the_text(text: str) -> None:
    text = "".join(character for character in text if character not in "\x85\u2028\u2029\ufeff")
    value = table("key: '" + text.replace("'", "''") + "'\n")["key"]
    assert isinstance(value, Text)
    assert value.text == text
