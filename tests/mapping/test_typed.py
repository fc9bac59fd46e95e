# ruff: noqa: E501 - tables of cases are read best with a case a line
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.dicom import json as dicom_json
from gateway.dicom import xml
from gateway.errors import Fatal
from gateway.mapping.compose import compose
from gateway.mapping.typed import load_file, load_object, parse_typed

REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


def given_by(*items: str) -> Dataset:
    """The data set that typed items make."""
    composition = compose([parse_typed(items)], {})
    assert composition.faults == []
    return composition.dataset


def complaints(*items: str) -> list[str]:
    with pytest.raises(Fatal) as raised:
        parse_typed(items)
    return str(raised.value).splitlines()


def report() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = REPORT
    dataset.SOPInstanceUID = "2.25.1"
    dataset.PatientName = "Müller^Jürgen"
    dataset.StudyDate = "20240531"
    dataset.SeriesNumber = 3
    item = Dataset()
    item.ValueType = "TEXT"
    item.TextValue = "all well"
    dataset.ContentSequence = [item]
    return dataset


def written(folder: Path, form: str, dataset: Dataset) -> Path:
    model = dicom_json.to_model(dataset)
    path = folder / f"attributes.{form}"
    path.write_bytes(xml.dump(model) if form == "xml" else dicom_json.dump([model]))
    return path


def words_of(call: Callable[[], object]) -> str:
    """What a call is refused with; nothing if it is not."""
    try:
        call()
    except Fatal as error:
        return str(error)
    return ""


def refused(path: Path) -> str:
    with pytest.raises(Fatal) as raised:
        load_file(path)
    return str(raised.value)


def test_attributes_are_named_by_keyword_tag_or_path() -> None:
    dataset = given_by(
        "PatientName=Doe^John",
        "00100020=4711",
        "(0010,0040)=M",
        r"ImageType=DERIVED\SECONDARY",
        "RequestAttributesSequence.ScheduledProcedureStepID=S1",
        "RequestAttributesSequence[1].ScheduledProcedureStepID=S2",
        "AccessionNumber=",
        "PatientComments=a = b \\ c",
        "StudyDescription={{ 1 }}",
    )
    assert dataset.PatientName == "Doe^John"
    assert dataset.PatientID == "4711"
    assert dataset.PatientSex == "M"
    assert dataset.ImageType == ["DERIVED", "SECONDARY"]
    assert [item.ScheduledProcedureStepID for item in dataset.RequestAttributesSequence] == ["S1", "S2"]
    assert dataset["AccessionNumber"].is_empty
    assert dataset.PatientComments == "a = b \\ c"
    assert dataset.StudyDescription == "{{ 1 }}"


def test_codes_have_a_short_form() -> None:
    dataset = given_by(
        "AnatomicRegionSequence=99X:39937:Skin: of the hand",
        r"ProcedureCodeSequence=99X:1:One\99X:123456789012345678:Long",
        "ConceptNameCodeSequence=",
    )
    skin = dataset.AnatomicRegionSequence[0]
    assert (skin.CodingSchemeDesignator, skin.CodeValue, skin.CodeMeaning) == (
        "99X",
        "39937",
        "Skin: of the hand",
    )
    assert dataset.ProcedureCodeSequence[1].LongCodeValue == "123456789012345678"
    assert "CodeValue" not in dataset.ProcedureCodeSequence[1]
    assert len(dataset.ConceptNameCodeSequence) == 0


def test_all_faults_come_at_once_and_name_the_option() -> None:
    assert complaints("PatientBirthDate=1980/01/02", "PatientID=ok", "PatientNam=x", "PatientSex=male") == [
        "-m PatientBirthDate=1980/01/02: PatientBirthDate (DA) cannot be '1980/01/02': a date is written YYYYMMDD, "
        "e.g. 19800102; did you mean 19800102?",
        "-m PatientNam=x: 'PatientNam' is not an attribute in the DICOM dictionary; did you mean PatientName or "
        "PatientAge or PatientBirthName?",
        "-m PatientSex=male: PatientSex (CS) cannot be 'male': it can be M (male), F (female), O (other), or empty; "
        "did you mean M?",
    ]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("PatientID", "write ATTRIBUTE=VALUE"),
        ("=4711", "write ATTRIBUTE=VALUE"),
        ("Rows=5", "follows from the content of the file"),
        ("PixelData=x", "follows from the content of the file"),
        ("LossyImageCompression=00", "follows from the content of the file"),
        ("SOPClassUID=1.2.3", "choose that with --template"),
        ("SpecificCharacterSet=ISO_IR 100", "all text is stored as UTF-8"),
        ("TransferSyntaxUID=1.2.840.10008.1.2", "File Meta Information"),
        ("00091010=x", "is private"),
        ("AnatomicRegionSequence=Skin", "SCHEME:VALUE:MEANING"),
        ("AnatomicRegionSequence=SCT::Skin", "SCHEME:VALUE:MEANING"),
        ("ReferencedImageSequence[0]=x", "is a sequence"),
        ("ReferencedImageSequence[2]=x", "is one item"),
        (r"PatientID=a\b", "takes 1 value, not 2"),
        ("PatientName=A\nB", "line break"),
        ("StudyInstanceUID=1.2.03", "StudyInstanceUID (UI) cannot be"),
    ],
)
def test_what_cannot_be_set_is_a_usage_error(item: str, words: str) -> None:
    assert words in complaints(item)[0]


def test_one_attribute_has_one_value() -> None:
    assert complaints("PatientID=1", "00100020=2") == [
        "-m 00100020=2: PatientID is given twice, with different values"
    ]
    assert len(parse_typed(["PatientID=1", "00100020=1"])) == 1


@given(st.lists(st.text() | st.from_regex(r"[A-Z]\w*(\[\d\])?\.?\w*=.*")))
def test_any_items_are_taken_or_refused_in_words(items: list[str]) -> None:
    said = words_of(lambda: parse_typed(items))
    assert said.startswith("-m ") or not said


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_file_of_attributes_is_dicom_json_or_native_xml(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, report())
    assignments = load_file(path)
    assert {each.origin for each in assignments} == {f"-f {path}"}
    dataset = compose([assignments], {}).dataset
    assert dataset.PatientName == "Müller^Jürgen"
    assert dataset.ContentSequence[0].TextValue == "all well"
    assert "SpecificCharacterSet" not in dataset


def test_a_file_of_attributes_is_yaml_as_in_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "attributes.txt"
    path.write_text(
        "PatientID: 0010\nAnatomicRegionSequence: SCT:39937001:Skin\nRequestAttributesSequence:\n- {AccessionNumber: A}\n"
    )
    assignments = load_file(path)
    assert assignments[0].origin == f"-f {path}:1"
    dataset = compose([assignments], {}).dataset
    assert dataset.PatientID == "0010"
    assert dataset.RequestAttributesSequence[0].AccessionNumber == "A"


def test_one_object_in_json_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '\ufeff  {"00100020": {"vr": "LO", "Value": ["4711"]}, "00020010": {"vr": "UI", "Value": ["1.2"]}}',
        "utf-8",
    )
    assert [each.name for each in load_file(path)] == ["PatientID"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "this is not JSON"),
        ("[]", "it has 0 data sets"),
        ("[{}, {}]", "it has 2 data sets"),
        (
            '{"00100030": {"vr": "DA", "Value": ["1980-01-02"]}}',
            "PatientBirthDate (DA) cannot be '1980-01-02'",
        ),
        ('{"00280010": {"vr": "US", "Value": [5]}}', "Rows follows from the content of the file"),
        ('{"7FE00010": {"vr": "OW", "BulkDataURI": "x"}}', "PixelData refers to bulk data"),
        ('{"00100020": {"vr": "SQ", "Value": []}}', "PatientID is LO in the DICOM dictionary and not SQ"),
        (
            '{"00400275": {"vr": "SQ", "Value": [{"00080050": {"vr": "SH", "Value": ["12345678901234567"]}}]}}',
            "RequestAttributesSequence[0].AccessionNumber (SH) cannot be",
        ),
        ("<a/>", ""),
        ('<!DOCTYPE a [<!ENTITY x "y">]><NativeDicomModel/>', ""),
        (
            "PatientID: '{{ path.mrn }}'",
            ":1:13: a file given with -f has values only; expressions belong in a mapping",
        ),
        ("- a", ":1:1: a file of attributes is a table"),
        ("PatientID: a\nPatientID: b", ":2:1: PatientID stands here a second time"),
        ("", ":1:1: there is nothing in this file"),
        ("attributes:\n  PatientID: a", ":1:1: 'attributes' is not an attribute"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(text)
    assert refused(path).startswith(str(path))
    assert words in refused(path)


def test_a_dicom_file_is_no_file_of_attributes(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM")
    assert "is a DICOM file: name it among the files to be stored" in refused(path)
    assert "cannot be read" in refused(tmp_path / "gone")


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_complete_object_is_loaded_by_itself(form: str, tmp_path: Path) -> None:
    dataset = load_object(written(tmp_path, form, report()))
    assert dataset.SOPClassUID == REPORT
    assert dataset.ContentSequence[0].TextValue == "all well"


def test_a_complete_object_may_be_yaml(tmp_path: Path) -> None:
    path = tmp_path / "report.yaml"
    path.write_text(
        f"SOPClassUID: {REPORT}\nModality: SR\nConceptNameCodeSequence: LN:18748-4:Diagnostic imaging study\n"
    )
    assert load_object(path).ConceptNameCodeSequence[0].CodeValue == "18748-4"


def test_what_is_no_object_is_refused(tmp_path: Path) -> None:
    nameless = report()
    del nameless.SOPClassUID
    with pytest.raises(Fatal, match="has no SOPClassUID, so it is no object by itself"):
        load_object(written(tmp_path, "json", nameless))
    picture = report()
    picture.PixelData = b"1234"
    picture["PixelData"].VR = "OB"
    with pytest.raises(Fatal, match="has PixelData: give the picture or document as a file instead"):
        load_object(written(tmp_path, "json", picture))


@given(
    model=st.dictionaries(
        st.sampled_from(["00100020", "PatientName", "00400275", "00080016", "x", "7FE00010"]),
        st.dictionaries(
            st.sampled_from(["vr", "Value", "InlineBinary", "BulkDataURI"]),
            st.sampled_from(
                ["LO", "SQ", "PN", "UN", "", None, 5, ["a"], [None], [{}], [{"Alphabetic": "x"}], "YQ=="]
            ),
        ),
    )
)
def test_any_json_is_read_or_refused_in_words(
    model: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(model))
    for load in (load_file, load_object):
        said = words_of(partial(load, path))
        assert said.startswith(str(path)) or not said
