from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread

from dicom_models import models
from gateway.dicom import json, xml
from gateway.dicom.json import Model
from support import require

from hypothesis import settings; settings.register_profile("big", max_examples=4000, deadline=None); settings.load_profile("big")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

PACKAGED = Path(pydicom.data.__file__).parent
FILES = sorted([*PACKAGED.glob("test_files/*.dcm"), *PACKAGED.glob("charset_files/*.dcm")])
NAMESPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def document(content: str) -> bytes:
    return f"<NativeDicomModel>{content}</NativeDicomModel>".encode()


def body(model: Model) -> str:
    """What the model's document has in its root element."""
    text = xml.dump(model).decode()
    return text[text.index(">", text.index("<NativeDicomModel")) + 1 : text.rindex("</NativeDicomModel>")]


# What is written


def test_a_document_says_what_it_is() -> None:
    data = xml.dump({})
    root = ElementTree.fromstring(data)
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    assert root.tag == f"{NAMESPACE}NativeDicomModel"
    assert root.attrib == {"{http://www.w3.org/XML/1998/namespace}space": "preserve"}
    assert xml.load(data) == {}


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (
            {"00100020": {"vr": "LO", "Value": ["P"]}},
            '<DicomAttribute tag="00100020" vr="LO" keyword="PatientID">'
            '<Value number="1">P</Value></DicomAttribute>',
        ),
        (
            {"00080008": {"vr": "CS", "Value": ["MPG", None, "XR3"]}},
            '<DicomAttribute tag="00080008" vr="CS" keyword="ImageType"><Value number="1">MPG</Value>'
            '<Value number="2"></Value><Value number="3">XR3</Value></DicomAttribute>',
        ),
        (
            {"00080020": {"vr": "DA"}},
            '<DicomAttribute tag="00080020" vr="DA" keyword="StudyDate"></DicomAttribute>',
        ),
        (
            {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^John^^Dr.", "Ideographic": "山田"}]}},
            '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1">'
            "<Alphabetic><FamilyName>Doe</FamilyName><GivenName>John</GivenName><MiddleName></MiddleName>"
            "<NamePrefix>Dr.</NamePrefix></Alphabetic>"
            "<Ideographic><FamilyName>山田</FamilyName></Ideographic></PersonName></DicomAttribute>",
        ),
        (
            {"00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["1"]}}, {}]}},
            '<DicomAttribute tag="00400275" vr="SQ" keyword="RequestAttributesSequence"><Item number="1">'
            '<DicomAttribute tag="00400009" vr="SH" keyword="ScheduledProcedureStepID">'
            '<Value number="1">1</Value></DicomAttribute></Item><Item number="2"></Item></DicomAttribute>',
        ),
        (
            {"7FE00010": {"vr": "OB", "BulkDataURI": 'a?b=1&c="2"'}},
            '<DicomAttribute tag="7FE00010" vr="OB" keyword="PixelData">'
            '<BulkData uri="a?b=1&amp;c=&quot;2&quot;"/></DicomAttribute>',
        ),
        (
            {"00281201": {"vr": "OW", "InlineBinary": "AAE="}},
            '<DicomAttribute tag="00281201" vr="OW" keyword="RedPaletteColorLookupTableData">'
            "<InlineBinary>AAE=</InlineBinary></DicomAttribute>",
        ),
        (
            {"60020010": {"vr": "US", "Value": [512]}},
            '<DicomAttribute tag="60020010" vr="US" keyword="OverlayRows">'
            '<Value number="1">512</Value></DicomAttribute>',
        ),
        (
            {"00090010": {"vr": "LO", "Value": ["ACME"]}, "00091001": {"vr": "LO", "Value": ["x"]}},
            '<DicomAttribute tag="00090010" vr="LO"><Value number="1">ACME</Value></DicomAttribute>'
            '<DicomAttribute tag="00090001" vr="LO" privateCreator="ACME">'
            '<Value number="1">x</Value></DicomAttribute>',
        ),
    ],
)
def test_a_model_in_the_native_form_of_ps3_19(model: Model, content: str) -> None:
    assert body(model) == content
    assert xml.load(xml.dump(model)) == model


@pytest.mark.parametrize("text", ["a\r\nb\n\rc\td", "  both  ends \t", "<&>\"'", "]]>", "\u0085\u2028", "😀"])
def test_text_comes_back_character_by_character(text: str) -> None:
    model: Model = {"0040A160": {"vr": "UT", "Value": [text]}}
    assert xml.load(xml.dump(model)) == model


@pytest.mark.parametrize("character", ["\f", "\x1b", "\0", "\ufffe"])
def test_characters_that_xml_does_not_have_travel_as_bytes(character: str) -> None:
    text = f"page one{character}päge two"
    model: Model = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "0040A160": {"vr": "UT", "Value": [text]},
    }
    loaded = xml.load(xml.dump(model))
    assert loaded["0040A160"]["vr"] == "UN"
    assert json.to_model(json.from_model(loaded)[0]) == model
    name: Model = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": f"A^{character}", "Phonetic": "B"}]}}
    loaded = xml.load(xml.dump(name))
    assert json.from_model(loaded)[0].PatientName == f"A^{character}==B"


# Private attributes


def test_a_private_attribute_finds_the_block_of_its_creator() -> None:
    model: Model = {
        "00090010": {"vr": "LO", "Value": ["ONE"]},
        "00090020": {"vr": "LO", "Value": ["TWO"]},
        "00091001": {"vr": "LO", "Value": ["of one"]},
        "00092001": {"vr": "LO", "Value": ["of two"]},
        "00190010": {"vr": "LO", "Value": ["ONE"]},
        "00191001": {"vr": "LO", "Value": ["of one elsewhere"]},
    }
    root = ElementTree.fromstring(xml.dump(model))
    shown = [(each.get("tag"), each.get("privateCreator")) for each in root]
    assert shown.count(("00090001", "ONE")) == shown.count(("00090001", "TWO")) == 1
    assert xml.load(xml.dump(model)) == model


def test_two_blocks_of_one_creator_stay_apart() -> None:
    model: Model = {
        "00090010": {"vr": "LO", "Value": ["ONE"]},
        "00090011": {"vr": "LO", "Value": ["ONE"]},
        "00091001": {"vr": "LO", "Value": ["first"]},
        "00091101": {"vr": "LO", "Value": ["second"]},
    }
    assert xml.load(xml.dump(model)) == model


def test_a_private_attribute_without_its_creator_keeps_its_tag() -> None:
    model: Model = {"00091001": {"vr": "LO", "Value": ["orphan"]}, "00090001": {"vr": "UN"}}
    assert xml.load(xml.dump(model)) == dict(sorted(model.items()))


def test_a_creator_that_is_not_in_the_document_gets_a_block() -> None:
    attribute = '<DicomAttribute tag="0009{}" vr="LO" privateCreator="{}"><Value>x</Value></DicomAttribute>'
    loaded = xml.load(
        document(
            attribute.format("0010", "ONE")
            + attribute.format("0011", "ONE")
            + attribute.format("0010", "TWO")
        )
    )
    assert loaded == {
        "00090010": {"vr": "LO", "Value": ["ONE"]},
        "00090011": {"vr": "LO", "Value": ["TWO"]},
        "00091010": {"vr": "LO", "Value": ["x"]},
        "00091011": {"vr": "LO", "Value": ["x"]},
        "00091110": {"vr": "LO", "Value": ["x"]},
    }


def test_a_block_that_was_left_in_place_is_kept() -> None:
    attribute = (
        '<DicomAttribute tag="00091501" vr="LO" privateCreator="ONE"><Value>x</Value></DicomAttribute>'
    )
    assert xml.load(document(attribute)) == {
        "00090015": {"vr": "LO", "Value": ["ONE"]},
        "00091501": {"vr": "LO", "Value": ["x"]},
    }


def test_a_group_has_a_limited_number_of_blocks() -> None:
    attributes = "".join(
        f'<DicomAttribute tag="00090001" vr="LO" privateCreator="C{number}"/>' for number in range(241)
    )
    with pytest.raises(ValueError, match="the private group 0009 has no block left for 'C240'"):
        xml.load(document(attributes))


# What is read


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ('tag="00100020" vr="LO"><Value>P</Value>', {"vr": "LO", "Value": ["P"]}),
        (
            'tag="00100020" vr="LO"><Value number="1">a<!-- x -->b<![CDATA[<]]></Value>',
            {"vr": "LO", "Value": ["ab<"]},
        ),
        ('tag="00100020"><Value number="1">P</Value>', {"vr": "LO", "Value": ["P"]}),
        ('keyword="PatientID"><Value number="1">P</Value>', {"vr": "LO", "Value": ["P"]}),
        ('tag="00100020" vr="LO"><Value number="1"/>', {"vr": "LO"}),
        (
            'tag="00080008" vr="CS"><Value number="2">B</Value><Value number="1">A</Value>',
            {"vr": "CS", "Value": ["A", "B"]},
        ),
        (
            'tag="00080008" vr="CS"><Value number="1">A</Value><Value number="3">C</Value>',
            {"vr": "CS", "Value": ["A", None, "C"]},
        ),
        ('tag="00280010" vr="US">\n<Value number="1"> 512 </Value>\n', {"vr": "US", "Value": [512]}),
        (
            'tag="00280030" vr="DS"><Value number="1">0.10</Value><Value number="2"> 5 </Value>',
            {"vr": "DS", "Value": [0.1, 5]},
        ),
        (
            'tag="00280030" vr="DS"><Value number="1">1</Value><Value number="2"> </Value>',
            {"vr": "DS", "Value": [1, None]},
        ),
        ('tag="00200013" vr="IS"><Value number="1">007</Value>', {"vr": "IS", "Value": [7]}),
        ('tag="00189073" vr="FD"><Value number="1">1.5</Value>', {"vr": "FD", "Value": [1.5]}),
        (
            'tag="00720083" vr="UV"><Value number="1">18446744073709551615</Value>',
            {"vr": "UV", "Value": ["18446744073709551615"]},
        ),
        ('tag="00280009" vr="AT"><Value number="1">00181063</Value>', {"vr": "AT", "Value": ["00181063"]}),
        ('tag="00281201" vr="OW"><InlineBinary>AA\n E=</InlineBinary>', {"vr": "OW", "InlineBinary": "AAE="}),
        ('tag="7FE00010" vr="OB"><BulkData uri="x"/>', {"vr": "OB", "BulkDataURI": "x"}),
        ('tag="00100010" vr="PN"><PersonName number="1"/>', {"vr": "PN"}),
        ('tag="00100010" vr="PN"><Value number="1">A^B</Value>', {"vr": "PN", "Value": ["A^B"]}),
        (
            'tag="00100010" vr="PN"><PersonName number="1">'
            "<Alphabetic><GivenName>J</GivenName></Alphabetic></PersonName>",
            {"vr": "PN", "Value": [{"Alphabetic": "^J"}]},
        ),
        (
            'tag="00100010" vr="PN"><PersonName number="1"><Alphabetic>A^B</Alphabetic></PersonName>',
            {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]},
        ),
        ('tag="00400275" vr="SQ"><Item number="2"/><Item number="1"/>', {"vr": "SQ", "Value": [{}, {}]}),
    ],
)
def test_what_other_programs_write_is_read(attribute: str, expected: dict[str, Any]) -> None:
    (found,) = xml.load(document(f"<DicomAttribute {attribute}</DicomAttribute>")).values()
    assert found == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_document_says_its_encoding(encoding: str) -> None:
    text = '<DicomAttribute tag="00100020" vr="LO"><Value number="1">Ä</Value></DicomAttribute>'
    data = f'<?xml version="1.0" encoding="{encoding}"?>{document(text).decode()}'.encode(encoding)
    assert xml.load(data) == {"00100020": {"vr": "LO", "Value": ["Ä"]}}


def test_attributes_are_put_in_order() -> None:
    loaded = xml.load(
        document('<DicomAttribute tag="00200010" vr="SH"/><DicomAttribute tag="0020000d" vr="UI"/>')
    )
    assert list(loaded) == ["0020000D", "00200010"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "this is not XML"),
        (b"{}", "this is not XML"),
        (b"<NativeDicomModel>", "this is not XML"),
        (b"<html/>", "begins with <NativeDicomModel>, not with <html>"),
        (b'<!DOCTYPE NativeDicomModel SYSTEM "file:///etc/passwd"><NativeDicomModel/>', "document type"),
        (
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><NativeDicomModel>&x;</NativeDicomModel>',
            "document type",
        ),
        (document("&x;"), "this is not XML"),
        (b'<?xml version="1.0" encoding="no-such"?><NativeDicomModel/>', "this is not XML"),
        (document("<DicomAttribute/>"), "needs a name"),
        (document('<DicomAttribute tag="PatientNme" vr="PN"/>'), "did you mean PatientName"),
        (document('<DicomAttribute tag="00100020" vr="LO"/>' * 2), "has the attribute 00100020 twice"),
        (
            document('<DicomAttribute tag="00100020" vr="LO"><Value/><Item/></DicomAttribute>'),
            "both <Item> and <Value>",
        ),
        (document('<DicomAttribute tag="00100020" vr="LO"><Text/></DicomAttribute>'), "<Text> in the XML"),
        (
            document('<DicomAttribute tag="7FE00010" vr="OB"><BulkData uuid="x"/></DicomAttribute>'),
            "without a uri",
        ),
        (
            document(
                '<DicomAttribute tag="00080008" vr="CS">'
                '<Value number="1"/><Value number="1"/></DicomAttribute>'
            ),
            "not numbered 1, 2, 3",
        ),
        (
            document('<DicomAttribute tag="00080008" vr="CS"><Value number="0"/></DicomAttribute>'),
            "not numbered 1, 2, 3",
        ),
        (
            document('<DicomAttribute tag="00080008" vr="CS"><Value number="999999999"/></DicomAttribute>'),
            "has 1 values in the XML, and one numbered 999999999",
        ),
    ],
)
def test_what_is_no_native_model_is_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        xml.load(data)


def test_entities_do_not_grow() -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "x">{entities}]><NativeDicomModel>&e9;</NativeDicomModel>'
    with pytest.raises(ValueError, match="document type"):
        xml.load(bomb.encode())


def test_sequences_have_a_bottom() -> None:
    opening = '<DicomAttribute tag="00400275" vr="SQ"><Item number="1">'
    data = document(opening * 5000 + "</Item></DicomAttribute>" * 5000)
    with pytest.raises(ValueError, match="more than 100 sequences within each other"):
        xml.load(data)


# There and back


@given(models)
def test_a_model_is_the_same_after_being_xml(model: Model) -> None:
    assert xml.load(xml.dump(model)) == model


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_survives(path: Path) -> None:
    model = json.to_model(dcmread(path, force=True))
    assert xml.load(xml.dump(model)) == model


PIECES = st.sampled_from(
    [
        "<NativeDicomModel>",
        "</NativeDicomModel>",
        '<DicomAttribute tag="00100010" vr="PN">',
        '<DicomAttribute tag="00090001" vr="LO" privateCreator="A">',
        '<DicomAttribute keyword="RequestAttributesSequence">',
        "</DicomAttribute>",
        '<Item number="1">',
        "</Item>",
        '<Value number="2">5</Value>',
        "<PersonName><Alphabetic><x/></Alphabetic></PersonName>",
        "<BulkData/>",
        "<InlineBinary/>",
        "text",
        "<",
    ]
)


@given(st.lists(PIECES, max_size=12).map(lambda pieces: document("".join(pieces))) | st.binary(max_size=40))
def test_any_document_is_a_model_or_a_sentence(data: bytes) -> None:
    try:
        model = xml.load(data)
    except ValueError:
        return
    assert isinstance(model, dict)


JUDGED = [
    "CT_small.dcm",
    "MR_small.dcm",
    "image_dfl.dcm",
    "priv_SQ.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
    "test-SR.dcm",
]


@pytest.mark.parametrize("name", JUDGED)
def test_dcmtk_writes_the_same(name: str) -> None:
    """Binary values aside: DCMTK 3.6.7 turns the bytes of OW round."""
    path = PACKAGED / "test_files" / name
    options = ["--native-format", "--use-xml-namespace", "--convert-to-utf8", "--encode-base64"]
    done = subprocess.run([require("dcm2xml"), *options, str(path)], capture_output=True, check=True)
    theirs = comparable(xml.load(done.stdout))
    ours = comparable(json.to_model(dcmread(path)))
    theirs.setdefault("00080005", {})
    ours.setdefault("00080005", {})
    assert {**theirs, "00080005": {}} == {**ours, "00080005": {}}


def comparable(value: Any) -> Any:
    """A model without binary values, and with numbers to as many digits as DCMTK writes."""
    if isinstance(value, dict):
        return {
            key: comparable(each) for key, each in value.items() if key not in ("InlineBinary", "BulkDataURI")
        }
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value
