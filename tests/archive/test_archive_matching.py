"""What a search key matches (PS3.4 C.2.2.2)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.archive.matching import matches, parse_key

NAME = {"Alphabetic": "Müller^Jörg^^Dr.", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


MODEL: dict[str, Any] = {
    "00080020": _element("DA", "20260314"),
    "00080030": _element("TM", "0926"),
    "0008002A": _element("DT", "20260314092653.5+0100"),
    "00080050": _element("SH"),
    "00080060": _element("CS", "XC"),
    "00081030": _element("LO", "Wound [left] 100%"),
    "00081032": _element("SQ"),
    "00100010": _element("PN", NAME),
    "00100020": _element("LO", "P*1"),
    "00200013": _element("IS", 7),
    "0020000D": _element("UI", "1.2.3"),
    "00080008": _element("CS", "ORIGINAL", "PRIMARY", None),
    "00281050": _element("DS", 1.5, "2.25"),
    "00400275": _element(
        "SQ", {"00400009": _element("SH", "STEP1")}, {}, {"00400009": _element("SH", "STEP2")}
    ),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PatientID", ""),
        ("PatientID", "*"),
        ("PatientID", "P*1"),
        ("00100020", "P?1"),
        ("(0010,0020)", "P*"),
        ("AccessionNumber", ""),
        ("AccessionNumber", "**"),
        ("Manufacturer", "*"),
        ("StudyDescription", "*[left]*"),
        ("StudyDescription", "Wound ?left? 100%"),
        ("PatientName", "müller^jörg*"),
        ("PatientName", "MÜLLER*"),
        ("PatientName", "*jörg*"),
        ("PatientName", "Müller^Jörg^^Dr."),
        ("PatientName", "Müller^Jörg^^Dr.^"),
        ("PatientName", "山田*"),
        ("PatientName", "*=やまだ^たろう"),
        ("StudyDate", "20260314"),
        ("StudyDate", "20260101-20261231"),
        ("StudyDate", "20260314-"),
        ("StudyDate", "-20260314"),
        ("StudyDate", "20260314-20260314"),
        ("StudyTime", "09"),
        ("StudyTime", "092600-092659"),
        ("StudyTime", "09-10"),
        ("AcquisitionDateTime", "20260314"),
        ("AcquisitionDateTime", "202603140926-202603140927"),
        ("StudyInstanceUID", "1.2.3"),
        ("StudyInstanceUID", "9.9,1.2.3"),
        ("StudyInstanceUID", "9.9\\1.2.3"),
        ("InstanceNumber", "7"),
        ("InstanceNumber", "007"),
        ("WindowCenter", "1.50"),
        ("WindowCenter", "2.25"),
        ("ImageType", "PRIMARY"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "STEP2"),
        ("00400275.00400009", "STEP*"),
        ("ProcedureCodeSequence", ""),
    ],
)
def test_key_matches(name: str, value: str) -> None:
    assert matches(MODEL, parse_key(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PatientID", "p*1"),
        ("PatientID", "P"),
        ("PatientID", "P[*]1"),
        ("AccessionNumber", "?*"),
        ("Manufacturer", "A*"),
        ("PatientName", "Müller"),
        ("PatientName", "Muller*"),
        ("StudyDate", "20260315"),
        ("StudyDate", "20260315-"),
        ("StudyTime", "0927"),
        ("StudyTime", "-0925"),
        ("StudyInstanceUID", "1.2.3*"),
        ("StudyInstanceUID", "1.2"),
        ("InstanceNumber", "70"),
        ("ImageType", "SECONDARY"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "STEP3"),
        ("RequestAttributesSequence.RequestedProcedureID", "STEP2"),
    ],
)
def test_key_does_not_match(name: str, value: str) -> None:
    assert not matches(MODEL, parse_key(name, value))


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("PatientNam", "x", "PatientName"),
        ("00100", "x", "attribute"),
        ("00091001", "x", "private"),
        ("00100010.00100020", "x", "sequence"),
        ("StudyDate", "2026-03-14", "YYYYMMDD"),
        ("StudyDate", "-", "YYYYMMDD"),
        ("StudyTime", "9:26", "HHMMSS"),
        ("InstanceNumber", "seven", "number"),
        ("InstanceNumber", "1e999999999", ""),
        ("PixelData", "x", "binary"),
        ("ProcedureCodeSequence", "x", "sequence"),
    ],
)
def test_keys_that_mean_nothing_are_refused_in_words(name: str, value: str, word: str) -> None:
    if not word:
        assert not matches(MODEL, parse_key(name, value))
        return
    with pytest.raises(ValueError, match=word):
        parse_key(name, value)


_names = st.sampled_from(
    ["PatientID", "PatientName", "StudyDate", "StudyTime", "InstanceNumber", "StudyInstanceUID"]
)


@given(_names | st.text(max_size=40), st.text(max_size=40))
def test_any_key_is_understood_or_refused(name: str, value: str) -> None:
    with suppress(ValueError):
        assert matches(MODEL, parse_key(name, value)) in {True, False}


@given(st.text(max_size=30), st.text(alphabet="ab*?[]!", max_size=12))
def test_wildcards_are_those_of_dicom_and_no_others(value: str, pattern: str) -> None:
    """A pattern matches by the plain definition: `*` any run, `?` any one, all else itself."""

    def plain(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(plain(pattern[1:], text[start:]) for start in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and plain(pattern[1:], text[1:])

    text = "".join("ab[]!"[ord(character) % 5] for character in value)[:8]
    key = parse_key("PatientID", pattern)
    expected = key.universal or plain(pattern.strip(), text.strip())
    assert matches({"00100020": {"vr": "LO", "Value": [text]}}, key) == expected


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_ranges_have_both_their_ends(low: int, high: int, value: int) -> None:
    days = [f"2026{1 + number // 28 % 12:02}{1 + number % 28:02}" for number in (low, high, value)]
    found = matches(
        {"00080020": {"vr": "DA", "Value": [days[2]]}}, parse_key("StudyDate", f"{days[0]}-{days[1]}")
    )
    assert found == (days[0] <= days[2] <= days[1])


def test_hostile_patterns_end_soon() -> None:
    key = parse_key("PatientID", "*a" * 2000 + "b")
    assert not matches({"00100020": {"vr": "LO", "Value": ["a" * 4000]}}, key)
