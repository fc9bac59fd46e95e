from __future__ import annotations

import base64
import copy
import io
import json as standard_json
import math
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from dicom_models import CONTENTS, SEQUENCES, models
from gateway.dicom import json
from gateway.dicom.json import Model
from support import require

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

PACKAGED = Path(pydicom.data.__file__).parent
"""pydicom's own test files, those that come in its package: nothing is downloaded here."""

FILES = sorted([*PACKAGED.glob("test_files/*.dcm"), *PACKAGED.glob("charset_files/*.dcm")])


def one(vr: str, value: Any, tag: int = 0x00091001) -> dict[str, Any]:
    """What the model says of an element made here."""
    dataset = Dataset()
    dataset.add(DataElement(tag, vr, value))
    return json.to_model(dataset)[f"{tag:08X}"]


def read_one(attribute: object, key: str = "00091001") -> DataElement:
    """The element that an attribute of a model becomes."""
    dataset, references = json.from_model({key: attribute})  # type: ignore[dict-item]  as wrong as servers are
    assert not references
    return dataset[int(key, 16)]


def raw(tag: int, vr: str, value: bytes) -> Dataset:
    """A data set as it is after reading a file, before pydicom has looked at the values."""
    dataset = Dataset()
    dataset._dict[BaseTag(tag)] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
    return dataset


# What is written


def test_tags_are_in_order_and_upper_case() -> None:
    dataset = Dataset()
    dataset.StudyID = "S"
    dataset.PatientID = "P"
    dataset.StudyInstanceUID = "1.2"
    assert list(json.to_model(dataset)) == ["00100020", "0020000D", "00200010"]


def test_group_lengths_and_file_meta_are_left_out() -> None:
    dataset = Dataset()
    dataset.add_new(0x00020010, "UI", "1.2.840.10008.1.2.1")
    dataset.add_new(0x00080000, "UL", 100)
    dataset.PatientID = "P"
    assert list(json.to_model(dataset)) == ["00100020"]


@pytest.mark.parametrize("empty", [None, "", []])
@pytest.mark.parametrize(
    "vr", ["AE", "CS", "DA", "DS", "IS", "LO", "LT", "PN", "UI", "US", "FD", "AT", "OB", "SQ"]
)
def test_empty_elements_have_a_vr_and_nothing_else(vr: str, empty: object) -> None:
    if vr != "SQ" or empty == []:
        assert one(vr, empty) == {"vr": vr}


def test_empty_values_between_others_are_null() -> None:
    assert one("CS", ["A", "", "B"]) == {"vr": "CS", "Value": ["A", None, "B"]}
    assert one("DS", ["1.5", "", "2"]) == {"vr": "DS", "Value": [1.5, None, 2]}
    assert one("IS", ["1", ""]) == {"vr": "IS", "Value": [1, None]}
    assert one("LO", ["", ""]) == {"vr": "LO", "Value": [None, None]}
    assert one("PN", ["A^B", "", "C^D"]) == {
        "vr": "PN",
        "Value": [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C^D"}],
    }


def test_names_have_only_the_groups_that_are_there() -> None:
    assert one("PN", "=山田^太郎") == {"vr": "PN", "Value": [{"Ideographic": "山田^太郎"}]}
    assert one("PN", "A==C") == {"vr": "PN", "Value": [{"Alphabetic": "A", "Phonetic": "C"}]}
    assert one("PN", "=") == one("PN", "^^^^") == {"vr": "PN"}


def test_an_empty_item_is_an_empty_object() -> None:
    assert one("SQ", [Dataset()]) == {"vr": "SQ", "Value": [{}]}


@pytest.mark.parametrize(
    ("vr", "text", "value"),
    [
        ("DS", "0.10000", 0.1),
        ("DS", "5", 5),
        ("DS", "5.0", 5.0),
        ("DS", "-1e-3", -0.001),
        ("DS", ".5", 0.5),
        ("DS", "1e400", "1e400"),
        ("DS", "9999999999999999", "9999999999999999"),
        ("DS", "0.12345678901234567890123", "0.12345678901234567890123"),
        ("IS", "001", 1),
        ("IS", "1.0", 1),
        ("IS", "99999999999999999", "99999999999999999"),
    ],
)
def test_numbers_are_numbers_unless_that_would_change_them(vr: str, text: str, value: object) -> None:
    model = json.to_model(raw(0x00091001, vr, text.encode()))
    assert model["00091001"] == {"vr": vr, "Value": [value]}
    assert type(model["00091001"]["Value"][0]) is type(value)


@pytest.mark.parametrize(
    ("vr", "text"), [("DS", "1,5"), ("DS", "NaN"), ("IS", "1.5"), ("IS", "1A"), ("DS", "1\\x")]
)
def test_what_is_no_number_keeps_its_bytes(vr: str, text: str) -> None:
    """A reader that trusts the VR would fail, and with it the whole request."""
    model = json.to_model(raw(0x00180050 if vr == "DS" else 0x00280008, vr, text.encode()))
    attribute = next(iter(model.values()))
    assert attribute == {"vr": "UN", "InlineBinary": base64.b64encode(text.encode()).decode()}


def test_there_is_no_nan_in_json() -> None:
    attribute = one("FD", [1.0, math.nan], 0x00189073)
    assert attribute == {"vr": "UN", "InlineBinary": "AAAAAAAA8D8AAAAAAAD4fw=="}
    element = read_one(attribute, "00189073")
    assert element.VR == "FD"
    assert element.value[0] == 1.0
    assert math.isnan(element.value[1])


def test_large_integers_are_text_where_a_double_would_lose_digits() -> None:
    assert one("UV", [2**53, 2**64 - 1]) == {"vr": "UV", "Value": [2**53, "18446744073709551615"]}
    assert one("SV", -(2**63)) == {"vr": "SV", "Value": ["-9223372036854775808"]}


def test_tags_as_values_are_eight_digits() -> None:
    assert one("AT", [0x0018106A, 0x7FE00010]) == {"vr": "AT", "Value": ["0018106A", "7FE00010"]}


@pytest.mark.parametrize("vr", ["LT", "ST", "UT"])
def test_a_backslash_in_one_text_is_a_character(vr: str) -> None:
    assert one(vr, "C:\\a\\b\r\n") == {"vr": vr, "Value": ["C:\\a\\b\r\n"]}


def test_padding_between_values_goes() -> None:
    assert one("CS", ["DERIVED ", "PRIMARY"]) == {"vr": "CS", "Value": ["DERIVED", "PRIMARY"]}


@pytest.mark.parametrize(
    ("tag", "value", "signed", "expected"),
    [
        (0x7FE00010, b"\0\1", 0, {"vr": "OW", "InlineBinary": "AAE="}),
        (0x00281101, [256, 0, 16], 0, {"vr": "US", "Value": [256, 0, 16]}),
        (0x00280106, 5, 0, {"vr": "US", "Value": [5]}),
        (0x00280106, 5, 1, {"vr": "SS", "Value": [5]}),
        (0x00280106, -5, 0, {"vr": "SS", "Value": [-5]}),
        (0x00283006, b"\0\1", 0, {"vr": "OW", "InlineBinary": "AAE="}),
        (0x00283006, [1, 2], 0, {"vr": "US", "Value": [1, 2]}),
    ],
)
def test_a_vr_is_chosen_where_the_dictionary_leaves_it_open(
    tag: int, value: object, signed: int, expected: dict[str, Any]
) -> None:
    dataset = Dataset()
    dataset.PixelRepresentation = signed
    dataset.add(DataElement(tag, pydicom.datadict.dictionary_VR(tag), value))
    assert " or " in dataset[tag].VR
    assert json.to_model(dataset)[f"{tag:08X}"] == expected
    outer = Dataset()
    outer.PixelRepresentation = signed
    del dataset.PixelRepresentation
    outer.add_new(0x00081140, "SQ", [dataset])
    assert json.to_model(outer)["00081140"]["Value"][0][f"{tag:08X}"] == expected


def test_bulk_data_is_a_reference() -> None:
    dataset = Dataset()
    dataset.PatientID = "P"
    dataset.add_new(0x00420011, "OB", b"%PDF")
    model = json.to_model(dataset, {0x7FE00010: "p", 0x00420011: "d"}, {0x7FE00010: "OB"})
    assert model == {
        "00100020": {"vr": "LO", "Value": ["P"]},
        "00420011": {"vr": "OB", "BulkDataURI": "d"},
        "7FE00010": {"vr": "OB", "BulkDataURI": "p"},
    }
    assert list(model) == sorted(model)
    assert json.to_model(Dataset(), {0x00281201: "l"}) == {"00281201": {"vr": "OW", "BulkDataURI": "l"}}


def test_bulk_data_only_where_it_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"PatientName \(PN\) cannot refer to bulk data"):
        json.to_model(Dataset(), {0x00100010: "x"})


# Character sets


def test_text_that_needs_utf_8_says_so() -> None:
    plain = Dataset()
    plain.PatientName = "Mueller"
    assert "00080005" not in json.to_model(plain)
    plain.PatientName = "Müller"
    assert json.to_model(plain)["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    outer = Dataset()
    outer.RequestAttributesSequence = Sequence([plain])
    assert json.to_model(outer)["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_a_character_set_becomes_utf_8_wherever_it_stands() -> None:
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 100"
    item.CodeMeaning = "x"
    dataset = Dataset()
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    dataset.ConceptNameCodeSequence = Sequence([item])
    model = json.to_model(dataset)
    assert model["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert model["0040A043"]["Value"][0]["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (
            "chrH31.dcm",
            {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
        ),
        ("chrX1.dcm", {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小東"}),
        ("chrGerm.dcm", {"Alphabetic": "Äneas^Rüdiger"}),
        ("chrKoreanMulti.dcm", {"Alphabetic": "김희중"}),
    ],
)
def test_text_of_other_character_sets_is_unicode(file: str, name: dict[str, str]) -> None:
    model = json.to_model(dcmread(PACKAGED / "charset_files" / file))
    assert model["00100010"]["Value"] == [name]
    assert model["00080005"]["Value"] == ["ISO_IR 192"]


# What is read


def test_what_other_programs_write_is_read() -> None:
    dataset, references = json.from_model(
        {
            "0020000d": {"vr": "UI", "Value": ["1.2.3"]},
            "PatientID": {"vr": "LO", "Value": ["P"]},
            "00100010": {"vr": "PN", "Value": ["Doe^John=山田"]},
            "00100040": {"Value": ["M"]},
            "00280010": {"vr": "US", "Value": ["512"]},
            "00280011": {"vr": "US", "Value": 512},
            "00281101": {"vr": "US or SS", "Value": [256, 0, 16]},
            "00280030": {"vr": "DS", "Value": [0.5, "0.25"]},
            "00200013": {"vr": "IS", "Value": [7.0]},
            "00080050": {"vr": "SH", "Value": [4711]},
            "00280009": {"vr": "AT", "Value": ["FrameTime"]},
            "00080020": {"vr": "DA", "Value": [None]},
            "00080030": {"vr": "TM", "Value": None},
            "00080008": {"vr": "CS", "Value": ["ORIGINAL\\PRIMARY", "X"]},
            "00104000": {"vr": "LT", "Value": ["C:", "a"]},
            "00020010": {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]},
            "00080000": {"vr": "UL", "Value": [1]},
            "00400275": {"vr": "SQ", "Value": [None, {}]},
        }
    )
    assert references == {}
    assert dataset.StudyInstanceUID == "1.2.3"
    assert dataset.PatientID == "P"
    assert dataset.PatientName.ideographic == "山田"
    assert dataset.PatientSex == "M"
    assert (dataset.Rows, dataset.Columns) == (512, 512)
    assert dataset.RedPaletteColorLookupTableDescriptor == [256, 0, 16]
    assert [str(value) for value in dataset.PixelSpacing] == ["0.5", "0.25"]
    assert dataset.InstanceNumber == 7
    assert dataset.AccessionNumber == "4711"
    assert dataset.FrameIncrementPointer == 0x00181063
    assert not dataset.StudyDate
    assert not dataset.StudyTime
    assert dataset.ImageType == ["ORIGINAL", "PRIMARY", "X"]
    assert dataset.PatientComments == "C:\\a"
    assert 0x00020010 not in dataset
    assert 0x00080000 not in dataset
    assert list(dataset.RequestAttributesSequence) == [Dataset(), Dataset()]
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


def test_long_numbers_become_decimal_strings_that_fit() -> None:
    assert str(read_one({"vr": "DS", "Value": [1 / 3]}).value) == "0.33333333333333"
    assert str(read_one({"vr": "DS", "Value": ["0.10000"]}).value) == "0.10000"


def test_a_character_set_that_contradicts_the_bytes_is_put_right() -> None:
    dataset, _ = json.from_model(
        {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ä"}]},
        }
    )
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


def test_unknown_values_of_known_attributes_are_made_known() -> None:
    element = read_one(
        {"vr": "UN", "InlineBinary": base64.b64encode("Müller^J".encode()).decode()}, "00100010"
    )
    assert element.VR == "PN"
    assert element.value == "Müller^J"
    unreadable: Model = {"00280008": {"vr": "UN", "InlineBinary": "MUE="}}  # an IS that says 1A
    assert json.to_model(json.from_model(unreadable)[0]) == unreadable


def test_bulk_data_is_told_apart() -> None:
    model: Model = {
        "00420011": {"vr": "OB", "BulkDataURI": "d"},
        "7fe00010": {"vr": "OW", "BulkDataURI": "p"},
        "00100020": {"vr": "LO", "Value": ["P"]},
    }
    dataset, references = json.from_model(model)
    assert references == {0x00420011: "d", 0x7FE00010: "p"}
    assert json.bulk_vrs(model) == {0x00420011: "OB", 0x7FE00010: "OW"}
    assert list(dataset.keys()) == [0x00100020]


def nested(attribute: object) -> dict[str, object]:
    return {"00400275": {"vr": "SQ", "Value": [{}, {"00281201": attribute}]}}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ([], "a data set must be an object of attributes"),
        ({"00100020": []}, r"PatientID must be an object with 'vr' and 'Value', not \[\]"),
        ({"00100020": "P"}, "PatientID must be an object"),
        ({"0010002": {"vr": "LO"}}, "'0010002' is not an attribute"),
        ({"PatientNme": {"vr": "PN"}}, "did you mean PatientName"),
        ({"0020000d": {"vr": "UI"}, "0020000D": {"vr": "UI"}}, "StudyInstanceUID is given twice"),
        (
            {"00100020": {"vr": "ZZ"}},
            'PatientID has the value representation "ZZ", which DICOM does not have',
        ),
        ({"00100020": {"vr": ["LO"]}}, "which DICOM does not have"),
        ({"00091001": {"Value": ["x"]}}, r"\(0009,1001\) has no 'vr'"),
        ({"00100020": {"vr": "LO", "Value": ["P"], "BulkDataURI": "x"}}, "has both Value and BulkDataURI"),
        ({"00100020": {"vr": "LO", "Value": [["P"]]}}, r"PatientID \(LO\) cannot be"),
        ({"00100020": {"vr": "LO", "Value": [{}]}}, "it must be a text"),
        ({"00100020": {"vr": "LO", "Value": [True]}}, r"PatientID \(LO\) cannot be true"),
        ({"00100020": {"vr": "LO", "Value": ["\ud800"]}}, "half of a surrogate pair"),
        ({"00100010": {"vr": "PN", "Value": [{"Family": "x"}]}}, 'PatientName .PN. has "Family"'),
        ({"00100010": {"vr": "PN", "Value": [{"Alphabetic": {}}]}}, "PatientName Alphabetic .PN. cannot be"),
        ({"00280010": {"vr": "US", "Value": [70000]}}, "Rows .US. cannot be 70000; it goes from 0 to 65535"),
        ({"00280010": {"vr": "US", "Value": [1.5]}}, "must be a whole number"),
        ({"00280010": {"vr": "US", "Value": ["1_0"]}}, "must be a whole number"),
        ({"00280010": {"vr": "US", "Value": [1, None]}}, "must be a whole number"),
        ({"00189073": {"vr": "FD", "Value": ["x"]}}, "must be a number"),
        ({"00720076": {"vr": "FL", "Value": [1e39]}}, "too large"),
        ({"00280009": {"vr": "AT", "Value": ["xyz"]}}, "must be eight hexadecimal digits"),
        ({"00280009": {"vr": "AT", "Value": [-1]}}, "must be eight hexadecimal digits"),
        (
            {"00200013": {"vr": "IS", "Value": [5.5]}},
            r"InstanceNumber \(IS\) cannot be 5.5; .* a whole number",
        ),
        (
            {"00180050": {"vr": "DS", "Value": ["1,5"]}},
            r"SliceThickness \(DS\) cannot be \"1,5\"; .* a number",
        ),
        ({"00420011": {"vr": "OB", "Value": ["x"]}}, "EncapsulatedDocument .OB. is binary"),
        ({"00420011": {"vr": "OB", "InlineBinary": "!"}}, "InlineBinary that is not base64"),
        ({"00100020": {"vr": "LO", "InlineBinary": "AAAA"}}, "InlineBinary, which only OB"),
        ({"00100020": {"vr": "LO", "BulkDataURI": "x"}}, "its value representation does not allow"),
        ({"00420011": {"vr": "OB", "BulkDataURI": 5}}, "has the BulkDataURI 5; it must be a text"),
        ({"00420011": {"vr": "OB", "BulkDataURI": ""}}, "it must be a text"),
        (
            nested({"vr": "OW", "BulkDataURI": "x"}),
            r"RequestAttributesSequence\[1\]\.RedPaletteColor\w+ refers to bulk data within a sequence",
        ),
        (nested({"vr": "OW", "Value": [1]}), r"RequestAttributesSequence\[1\]\.RedPaletteColor"),
        ({"00400275": {"vr": "SQ", "Value": ["x"]}}, r"RequestAttributesSequence\[0\] must be an object"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(model: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        json.from_model(model)


def test_sequences_have_a_bottom() -> None:
    model: Model = {}
    for _ in range(200):
        model = {"00400275": {"vr": "SQ", "Value": [model]}}
    with pytest.raises(ValueError, match="more than 100 sequences deep"):
        json.from_model(model)


# The text


def test_a_document_is_one_array_of_objects_in_utf_8() -> None:
    models: list[Model] = [{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]}}, {}]
    data = json.dump(models)
    assert data == '[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"Müller"}]}},{}]'.encode()
    assert json.load(data) == models
    assert json.load(b"\xef\xbb\xbf" + data) == models
    assert json.load(b'{"00100020": {"vr": "LO"}}') == [{"00100020": {"vr": "LO"}}]
    assert json.load(b"[]") == json.load(json.dump([])) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "this is not JSON: .* at line 1, column 1"),
        (b"{", "this is not JSON"),
        (b'[{"a": 1}\n x]', "line 2, column 2"),
        (b"5", "is an array of objects, and this has 5 in it"),
        (b"[[]]", "is an array of objects"),
        (b"\xff", "not in UTF-8"),
        (b'{"00100020": {}, "00100020": {}}', "'00100020' is twice in one JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "is an array of objects"),
    ],
)
def test_what_is_no_dicom_json_is_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        json.load(data)


def test_a_bare_nan_of_other_programs_is_read() -> None:
    dataset, _ = json.from_model(json.load(b'{"00189073": {"vr": "FD", "Value": [NaN]}}')[0])
    assert math.isnan(dataset[0x00189073].value)


# There and back


@given(models)
def test_a_model_is_the_same_after_being_a_data_set(model: Model) -> None:
    dataset, references = json.from_model(model)
    assert not references
    assert json.to_model(dataset) == model


@given(models)
def test_a_model_is_the_same_after_being_text(model: Model) -> None:
    assert json.load(json.dump([model])) == [model]


@given(models)
def test_a_data_set_is_the_same_after_being_a_model(model: Model) -> None:
    dataset, _ = json.from_model(model)
    again, _ = json.from_model(json.to_model(copy.deepcopy(dataset)))
    assert again == dataset


@given(models)
def test_a_model_is_the_same_after_being_a_file(model: Model) -> None:
    dataset, _ = json.from_model(model)
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    file.seek(0)
    assert json.to_model(read_dataset(file, is_implicit_VR=False, is_little_endian=True)) == model


@given(models)
def test_bulk_references_survive(model: Model) -> None:
    model = {**model, "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"}}
    dataset, references = json.from_model(model)
    assert json.to_model(dataset, references, json.bulk_vrs(model)) == model


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vr", "Alphabetic"]), inner),
    max_leaves=4,
)
ATTRIBUTES = st.fixed_dictionaries(
    {
        "vr": st.sampled_from(
            [*sorted({vr for vr, _ in CONTENTS.values()}), "SQ", "XX", "OB or OW", "US or SS", None]
        )
    },
    optional={
        "Value": st.lists(JSON_VALUES, max_size=3) | JSON_VALUES,
        "InlineBinary": st.text(max_size=8) | JSON_VALUES,
        "BulkDataURI": JSON_VALUES,
    },
)


@given(
    st.dictionaries(
        st.sampled_from([*CONTENTS, *SEQUENCES, "PatientID", "x"]), ATTRIBUTES | JSON_VALUES, max_size=3
    )
)
def test_any_json_is_a_data_set_that_can_be_written_or_a_sentence(model: Any) -> None:
    try:
        dataset, _ = json.from_model(model)
    except ValueError:
        return
    json.dump([json.to_model(dataset)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(io.BytesIO(), implicit_vr=False, little_endian=True)


@given(st.binary(max_size=60) | st.text('{}[]":,0123456789abcdeE.-+ \\u', max_size=40).map(str.encode))
def test_any_bytes_are_models_or_a_sentence(data: bytes) -> None:
    try:
        models = json.load(data)
    except ValueError:
        return
    assert all(isinstance(model, dict) for model in models)


# Other people's readers and writers


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_survives(path: Path) -> None:
    model = json.to_model(dcmread(path, force=True))
    (loaded,) = json.load(json.dump([model]))
    assert loaded == model
    dataset, references = json.from_model(loaded)
    assert not references
    assert json.to_model(dataset) == model


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name != "badVR.dcm"], ids=lambda path: path.name
)
def test_pydicom_reads_the_same_from_it(path: Path) -> None:
    model = json.to_model(dcmread(path, force=True))
    found = Dataset.from_json(standard_json.dumps(model))
    assert json.to_model(found) == model


def test_pydicom_writes_the_same_where_it_is_right() -> None:
    dataset = dcmread(PACKAGED / "test_files" / "CT_small.dcm")
    theirs = {key: value for key, value in dataset.to_json_dict().items() if not key.endswith("0000")}
    ours = json.to_model(dataset)
    assert theirs.pop("00080005") != ours.pop("00080005")  # they keep ISO_IR 100 and write UTF-8
    assert {key for key in ours if ours[key] != theirs[key]} == set()


JUDGED = [
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "UN_sequence.dcm",
    "examples_overlay.dcm",
    "image_dfl.dcm",
    "priv_SQ.dcm",
    "reportsi.dcm",
    "rtdose_1frame.dcm",
    "rtplan.dcm",
    "rtstruct.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
]


@pytest.mark.parametrize("name", JUDGED)
def test_dcmtk_writes_the_same(name: str) -> None:
    path = PACKAGED / "test_files" / name
    done = subprocess.run([require("dcm2json"), "-fc", str(path)], capture_output=True, check=True)
    theirs = standard_json.loads(done.stdout)
    assert comparable(json.to_model(dcmread(path, force=True))) == comparable(theirs)


def comparable(value: Any) -> Any:
    """A model with its numbers to nine digits, which is how many DCMTK writes of a float."""
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value
