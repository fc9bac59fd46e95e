import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.sidecars import hl7v2

LINES = (
    r"MSH|^~\&|ENDO|ROOM3|GW|HOSP|20240531143000||ORU^R01^ORU_R01|77|P|2.5",
    r"PID|1||4711001^^^HOSP&1.2.3&ISO^MR~123-45-6789^^^SSA^SS||Müller^Jörg^^^Dr.||19700131|M|||St. 1\S\2",
    r"OBR|1|A1^PLACER|F7|44388^Colonoscopy",
    r"OBX|1|ST|EYE||OD||||||F",
    r"OBX|2|FT|NOTE||one\.br\two \T\ three \X4F4B\ \H\bold\N\ \Zmine\ \E\||||||F",
    r'OBX|3|ST|NIL||""||||||F',
    r"ZEN|a&b|",
)
MESSAGE = "\r".join(LINES)


def value(way: str, text: str = MESSAGE) -> str | None:
    found = hl7v2.path(way, {})(hl7v2.read(text).tree)
    assert found is None or isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("PID-3.1", "4711001"),
        ("PID-3[1].1", "4711001"),
        ("PID-3[2].1", "123-45-6789"),
        ("PID-3[2].4", "SSA"),
        ("PID-3[3].1", None),
        ("PID-3.4.1", "HOSP"),
        ("PID-3.4.2", "1.2.3"),
        ("PID-3.4.9", None),
        ("PID-5.1", "Müller"),
        ("PID-5.2", "Jörg"),
        ("PID-5.3", None),
        ("PID-7", "19700131"),
        ("PID-7.1", "19700131"),
        ("PID-8", "M"),
        ("PID-9", None),
        ("PID-99", None),
        ("PID-11.1", "St. 1^2"),
        ("OBX[1]-5", "OD"),
        ("OBX[2]-5", "one\ntwo & three OK bold \\Zmine\\ \\"),
        ("OBX[3]-5", None),
        ("OBX[4]-5", None),
        ("OBX-11", "F"),
        ("OBR-4.2", "Colonoscopy"),
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-3", "ENDO"),
        ("MSH-9.2", "R01"),
        ("MSH-12", "2.5"),
        ("ZEN-1.1.2", "b"),
        ("NK1-2", None),
    ],
)
def test_fields_and_their_parts(way: str, expected: str | None) -> None:
    assert value(way) == expected


@pytest.mark.parametrize("separator", ["\r", "\n", "\r\n", "\r\r"])
@pytest.mark.parametrize("frame", ["{}", "\x0b{}\x1c\r", "\x0b{}\r\x1c\r", "\n{}\n"])
def test_segments_end_in_every_way(separator: str, frame: str) -> None:
    assert value("OBR-2.1", frame.format(separator.join(LINES))) == "A1"


def test_separators_are_those_of_the_message() -> None:
    text = "MSH#!@$%#ENDO\nPID###1!2%3@4##a$R$b$S$c"
    assert value("PID-3.2.2", text) == "3"
    assert value("PID-3[2]", text) == "4"
    assert value("PID-5", text) == "a@b!c"
    assert value("PID-3.1.1", "MSH|^~|ENDO\nPID|||47&11^x") == "47"


def test_the_envelope_of_a_file_is_passed_over() -> None:
    text = f"FHS|^~\\&|X\rBHS|^~\\&|X\r{MESSAGE}\rBTS|1\rFTS|1"
    assert value("PID-3.1", text) == "4711001"


def test_a_field_of_segments_that_differ_is_not_guessed() -> None:
    with pytest.raises(ValueError, match=r"OBX-5 has 2 different values in 3 segments OBX: say which"):
        value("OBX-5")


@pytest.mark.parametrize(
    ("way", "hint"), [("PID-5", "PID-5.1"), ("PID-3[1]", r"PID-3\[1\].1"), ("PID-3.4", "PID-3.4.1")]
)
def test_a_part_of_several_is_not_guessed(way: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"has several parts: say which one, as in {hint}"):
        value(way)


@pytest.mark.parametrize(
    "way",
    ["PID", "PID-", "PID-0", "PID.3", "pid-3", "PID-3.0", "PID[0]-3", "PID-3.1.1.1", "PID-3[x]", "", "1AB-3"],
)
def test_what_is_no_path_is_said_at_once(way: str) -> None:
    with pytest.raises(ValueError, match="is not a segment and field"):
        hl7v2.path(way, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not begin with a segment MSH"),
        ("PID|1", "does not begin with a segment MSH"),
        ("MSH", "does not begin with a segment MSH"),
        ("MSH|^^\\&|x", "cannot be"),
        ("MSHa^~\\&ax", "cannot be"),
        (f"{MESSAGE}\r{MESSAGE}", "has 2 messages"),
    ],
)
def test_what_is_no_message_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        hl7v2.read(text)


PIECES = st.sampled_from(
    [*"|^~\\&\r\n\x0b\x1c[]", "MSH", "PID", "OBX", '""', "\\X41\\", "\\X4\\", "\\F\\", "ä", "1"]
)


@given(
    st.lists(PIECES, max_size=60).map("".join),
    st.sampled_from(["PID-1", "OBX[2]-1.2", "MSH-2", "MSH-9[2].1.1"]),
)
def test_any_text_is_read_or_refused_in_words(text: str, way: str) -> None:
    for message in (text, f"MSH|^~\\&|{text}"):
        with contextlib.suppress(ValueError):
            value(way, message)


@given(st.text(max_size=30))
def test_escaped_text_comes_back(text: str) -> None:
    written = text.replace("\\", "\\E\\")
    for character, code in zip("|^~&\r\n", ("F", "S", "R", "T", "X0D", "X0A"), strict=True):
        written = written.replace(character, f"\\{code}\\")
    assert (value("ZZZ-1", f"MSH|^~\\&|A\rZZZ|{written}|") or "") == ("" if text == '""' else text.strip())
