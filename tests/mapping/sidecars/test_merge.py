"""All attributes of a sidecar, judged by what pydicom has in the data set that they make."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.mapping.compose import compose
from gateway.mapping.sidecars import READERS, merge

FILE = Path("/in/a.x")


def merged(form: str, text: str) -> Dataset:
    content = READERS[form].read(text)
    assignments = merge.attributes(content, text, form, FILE, "sidecar a.x")
    composition = compose([assignments], {})
    assert composition.faults == []
    assert set(composition.origins.values()) <= {"sidecar a.x"}
    return composition.dataset


def expected() -> Dataset:
    dataset = Dataset()
    dataset.PatientID = "4711001"
    dataset.PatientName = "Müller^Jörg"
    dataset.OtherPatientNames = ["A^B", "C^D"]
    step = Dataset()
    step.ScheduledProcedureStepID = "77"
    dataset.RequestAttributesSequence = [step]
    return dataset


def test_dicom_json() -> None:
    assert merged("json", expected().to_json()) == expected()
    assert merged("json", f"[{expected().to_json()}]") == expected()


NATIVE = """<?xml version="1.0" encoding="windows-1252"?>
<NativeDicomModel>
<DicomAttribute tag="00080016" vr="UI"><Value number="1">1.2.840.10008.5.1.4.1.1.7</Value></DicomAttribute>
<DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Alphabetic><FamilyName>Müller</FamilyName>
<GivenName>Jörg</GivenName></Alphabetic></PersonName></DicomAttribute>
<DicomAttribute keyword="PatientID" tag="00100020" vr="LO"><Value number="1">4711001</Value></DicomAttribute>
</NativeDicomModel>"""


def test_native_xml_whatever_it_says_of_its_encoding() -> None:
    dataset = merged("xml", NATIVE)
    assert (dataset.PatientName, dataset.PatientID) == ("Müller^Jörg", "4711001")


def test_the_object_comes_with_the_template() -> None:
    assert "SOPClassUID" not in merged("xml", NATIVE)
    assert "SOPClassUID" not in merged("text", "SOPClassUID: 1.2.840.10008.5.1.4.1.1.7\nPatientID: 1")


KEYWORDS = {
    "PatientID": "4711001",
    "(0010,0010)": "Müller^Jörg",
    "OtherPatientNames": ["A^B", "C^D"],
    "RequestAttributesSequence": [{"ScheduledProcedureStepID": 77}],
    "PatientSex": None,
    "PatientComments": "",
}


def test_keywords_with_values() -> None:
    assert merged("json", json.dumps(KEYWORDS)) == expected()
    assert merged("yaml", json.dumps(KEYWORDS)) == expected()
    lines = (
        "PatientID={}\n00100010=Müller^Jörg\nOtherPatientNames=A^B\\C^D\nPatientSex=\n"
        "RequestAttributesSequence.ScheduledProcedureStepID=77\n"
    ).format("4711001")
    assert merged("text", lines) == expected()
    assert merged("ini", f"[Exam]\n{lines}") == expected()


def test_codes() -> None:
    for text in (
        '{"AnatomicRegionSequence": "SCT:39937001:Skin"}',
        '{"AnatomicRegionSequence": ["SCT:39937001:Skin"]}',
    ):
        [item] = merged("json", text).AnatomicRegionSequence
        assert (item.CodeValue, item.CodingSchemeDesignator) == ("39937001", "SCT")


def test_what_looks_like_an_expression_is_text() -> None:
    assert merged("text", "PatientComments: {{ 7 * 7 }}").PatientComments == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("text", "PatientId: 1\nMRN: 2", ["'PatientId'", "did you mean PatientID", "'MRN'"]),
        ("ini", "[A]\nPatientID=1\n[B]\nPatientID=2", ["PatientID has two different values"]),
        ("text", "Rows: 5", ["Rows follows from the content"]),
        ("json", '{"00280010": {"vr": "US", "Value": [5]}}', ["Rows follows from the content"]),
        ("json", '{"00100020": {"vr": "LO", "BulkDataURI": "file:///x"}}', ["PatientID"]),
        ("json", '{"7FE00010": {"vr": "OW", "BulkDataURI": "file:///x"}}', ["PixelData refers to bulk data"]),
        ("json", '[{"00100020": {"vr": "LO"}}, {}]', ["it has 2 data sets"]),
        ("json", '{"PatientBirthDate": "31.01.1970"}', ["PatientBirthDate (DA) cannot be '31.01.1970'"]),
        ("json", '{"PatientID": true}', ["PatientID (LO) takes text or a number"]),
        ("json", '{"PatientID": {"PatientID": 1}}', ["PatientID (LO) takes text or a number"]),
        ("xml", "<exam/>", ["begins with <NativeDicomModel>"]),
        ("text", "\n".join(f"Key{n}: 1" for n in range(9)), ["'Key0'", "and 4 more"]),
    ],
)
def test_what_cannot_be_taken_is_named(form: str, text: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the words are looked at below
        merged(form, text)
    for word in words:
        assert word in str(caught.value)
    assert str(FILE) not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["PatientID", "vr", "Value", "00100020", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["PatientName", "RequestAttributesSequence", "00100020"]), VALUES))
def test_any_json_is_taken_or_refused_in_words(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    try:
        merge.attributes(READERS["json"].read(text), text, "json", FILE, "sidecar a.x")
    except ValueError as error:
        assert str(error)  # noqa: PT017  both are right
