from __future__ import annotations

import io
import math
import re
import struct
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.valuerep import VR, validate_value

from gateway.dicom.dictionary import tag_of, vr_of
from gateway.dicom.values import BINARY, convert, format_ds


def value_of(keyword: str, *texts: str) -> Any:
    tag = tag_of(keyword)
    return convert(tag, vr_of(tag), texts)


@pytest.mark.parametrize(
    ("keyword", "text", "value"),
    [
        ("StationAETitle", "MY_AE 1", "MY_AE 1"),
        ("PatientAge", "045Y", "045Y"),
        ("Modality", "XC", "XC"),
        ("PatientBirthDate", "19800102", "19800102"),
        ("PatientBirthDate", "20240229", "20240229"),
        ("SliceThickness", "-1.25e-3", "-1.25e-3"),
        ("SliceThickness", ".5", ".5"),
        ("AcquisitionDateTime", "2024", "2024"),
        ("AcquisitionDateTime", "202402", "202402"),
        ("AcquisitionDateTime", "2024022913", "2024022913"),
        ("AcquisitionDateTime", "20240229134501.123456+1400", "20240229134501.123456+1400"),
        ("InstanceNumber", "-2147483648", "-2147483648"),
        ("PatientID", "12345", "12345"),
        ("PatientComments", "one\ttwo\fthree\\four", "one\ttwo\fthree\\four"),
        ("PatientName", "Doe^John^^Dr.=山田^太郎=やまだ^たろう", "Doe^John^^Dr.=山田^太郎=やまだ^たろう"),
        ("AccessionNumber", "Ärztin 4711", "Ärztin 4711"),
        ("StudyTime", "13", "13"),
        ("StudyTime", "134560.5", "134560.5"),
        ("StudyInstanceUID", "1.2.840.10008.1.1", "1.2.840.10008.1.1"),
        ("RetrieveURL", "http://host/a%20b?x=1#y", "http://host/a%20b?x=1#y"),
        ("StrainDescription", "x" * 20_000, "x" * 20_000),
        ("Rows", "512", 512),
        ("SelectorSSValue", "-32768", -32768),
        ("SelectorULValue", "4294967295", 4294967295),
        ("SelectorSLValue", "-1", -1),
        ("SelectorUVValue", "18446744073709551615", 2**64 - 1),
        ("SelectorSVValue", "-9223372036854775808", -(2**63)),
        ("SelectorFLValue", "0.5", 0.5),
        ("SelectorFDValue", "1e300", 1e300),
        ("FrameIncrementPointer", "FrameTime", 0x00181063),
        ("FrameIncrementPointer", "(0018,1063)", 0x00181063),
        ("FrameIncrementPointer", "00091001", 0x00091001),
    ],
)
def test_a_right_value_is_taken(keyword: str, text: str, value: object) -> None:
    assert value_of(keyword, text) == value


@pytest.mark.parametrize(
    ("keyword", "text", "reason"),
    [
        ("StationAETitle", "Ä", "ASCII without backslash"),
        ("StationAETitle", "A" * 17, "it has 17 characters, and AE allows 16"),
        ("PatientAge", "45", "an age is three digits and D, W, M or Y"),
        ("PatientAge", "5y", "did you mean 005Y?"),
        ("PatientAge", "045A", "an age is"),
        ("Modality", "xc", "did you mean XC?"),
        ("Modality", "X-C", "capital letters A-Z, digits, blanks and underscores"),
        ("BodyPartExamined", "A" * 17, "it has 17 characters, and CS allows 16"),
        (
            "PatientBirthDate",
            "1980/01/02",
            "a date is written YYYYMMDD, e.g. 19800102; did you mean 19800102?",
        ),
        ("PatientBirthDate", "1980-1-2", "did you mean 19800102?"),
        ("PatientBirthDate", "1980.01.02", "did you mean 19800102?"),
        ("PatientBirthDate", "1980-01-02T00:00:00Z", "did you mean 19800102?"),
        ("PatientBirthDate", "19800230", "there is no such day"),
        ("PatientBirthDate", "20230229", "there is no such day"),
        ("PatientBirthDate", "00000101", "there is no such day"),
        ("PatientBirthDate", "1980010", "a date is written YYYYMMDD"),
        ("PatientBirthDate", "١٩٨٠٠١٠٢", "a date is written YYYYMMDD"),
        ("SliceThickness", "1,5", "did you mean 1.5?"),
        ("SliceThickness", "1,234,567", "digits and a point"),
        ("SliceThickness", "nan", "digits and a point"),
        ("SliceThickness", "33.36666666666667", "and DS allows 16; did you mean 33.3666666666667?"),
        ("AcquisitionDateTime", "2024-01-31T13:45:01.25Z", "did you mean 20240131134501.25+0000?"),
        (
            "AcquisitionDateTime",
            "2024-01-31 13:45:01.1234567+01:00",
            "did you mean 20240131134501.123456+0100?",
        ),
        ("AcquisitionDateTime", "2024-01-31", "did you mean 20240131?"),
        ("AcquisitionDateTime", "20240230", "is written YYYYMMDDHHMMSS"),
        ("AcquisitionDateTime", "20240", "is written YYYYMMDDHHMMSS"),
        ("AcquisitionDateTime", "2024013124", "is written YYYYMMDDHHMMSS"),
        ("AcquisitionDateTime", "20240131134501+1500", "is written YYYYMMDDHHMMSS"),
        ("AcquisitionDateTime", "20240131134501-0000", "is written YYYYMMDDHHMMSS"),
        ("InstanceNumber", "1.0", "a whole number is written with digits only"),
        ("InstanceNumber", "2147483648", "from -2147483648 to 2147483647"),
        ("InstanceNumber", "0000000000001", "it has 13 characters, and IS allows 12"),
        ("PatientID", "x" * 65, "it has 65 characters, and LO allows 64"),
        ("PatientID", "a\\b", "a backslash separates values"),
        ("PatientID", "a\tb", "it has a tab in it"),
        ("PatientID", "a\nb", "it has a line break in it"),
        ("PatientID", "a\x1bb", "control character in it (U+001B)"),
        ("PatientID", "a\x85b", "control character in it (U+0085)"),
        ("PatientID", "a\udcffb", "not UTF-8 text"),
        ("PatientComments", "a\0b", "control character in it (U+0000)"),
        ("PatientComments", "x" * 10241, "it has 10241 characters, and LT allows 10240"),
        ("RequestingService", "x" * 65, "LO allows 64"),
        ("InstitutionAddress", "x" * 1025, "ST allows 1024"),
        ("PatientName", "a=b=c=d", "at most three groups"),
        ("PatientName", "a^b^c^d^e^f", "at most five components"),
        ("PatientName", "x" * 65, "a group of it has 65 characters, and PN allows 64"),
        ("PatientName", "Doe\nJohn", "it has a line break in it"),
        ("AccessionNumber", "x" * 17, "it has 17 characters, and SH allows 16"),
        ("StudyTime", "13:45", "did you mean 1345?"),
        ("StudyTime", "13:45:01.25", "did you mean 134501.25?"),
        ("StudyTime", "13:45Z", "without a time zone"),
        ("StudyTime", "2400", "a time is written HHMMSS"),
        ("StudyTime", "1360", "a time is written HHMMSS"),
        ("StudyTime", "25:00", "a time is written HHMMSS"),
        ("StudyTime", "134501.1234567", "a time is written HHMMSS"),
        ("StudyTime", "1345.5", "a time is written HHMMSS"),
        ("StudyInstanceUID", "1.02.3", "none of them with a leading zero"),
        ("StudyInstanceUID", "1." * 40 + "1", "at most 64"),
        ("RetrieveURL", "http://host/a b", "the characters of RFC 3986"),
        ("RetrieveURL", "http://host/%zz", "the characters of RFC 3986"),
        ("StrainDescription", "a\\b", "a backslash separates values"),
        ("Rows", "65536", "whole numbers from 0 to 65535"),
        ("Rows", "-1", "whole numbers from 0 to 65535"),
        ("Rows", "1.5", "whole numbers from 0 to 65535"),
        ("Rows", "9" * 5000, "whole numbers from 0 to 65535"),
        ("SelectorFLValue", "1e39", "the number is too large"),
        ("SelectorFDValue", "1e999", "the number is too large"),
        ("SelectorFDValue", "1,5", "did you mean 1.5?"),
        ("SelectorFDValue", "inf", "digits and a point"),
        ("FrameIncrementPointer", "FrameTim", "did you mean FrameTime?"),
        ("TimezoneOffsetFromUTC", "+01:00", "did you mean +0100?"),
        ("TimezoneOffsetFromUTC", "Z", "did you mean +0000?"),
        ("TimezoneOffsetFromUTC", "CET", "written +HHMM or -HHMM"),
        ("PatientSex", "male", "it can be M (male), F (female), O (other), or empty; did you mean M?"),
        ("PatientSex", "U", "it can be M (male), F (female), O (other), or empty"),
        ("Laterality", "left", "did you mean L?"),
        ("Laterality", "B", "it can be R (right), L (left), or empty"),
        ("ImageLaterality", "X", "U (unpaired), B (both)"),
        ("BurnedInAnnotation", "yes", "did you mean YES?"),
        ("RecognizableVisualFeatures", "N", "YES, NO"),
        ("LossyImageCompression", "1", "00 (never lossy), 01"),
        ("SpecificCharacterSet", "ISO_IR 100", "it can be ISO_IR 192"),
        ("PregnancyStatus", "9", "4 (unknown)"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_expected(keyword: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        value_of(keyword, text)
    message = str(caught.value)
    assert message.startswith(f"{keyword} ({vr_of(tag_of(keyword))}) cannot be ")
    assert len(message) < 400


@pytest.mark.parametrize(
    ("keyword", "texts", "reason"),
    [
        ("PatientName", ("a", "b"), r"PatientName \(PN\) takes 1 value, not 2"),
        ("PixelSpacing", ("1",), "takes 2 values, not 1"),
        ("PixelSpacing", ("1", "2", "3"), "takes 2 values, not 3"),
        ("ImageType", ("ORIGINAL",), "takes 2 or more values, not 1"),
        ("ContourData", ("1", "2", "3", "4"), "takes a multiple of 3 values, not 4"),
        ("VerticesOfThePolygonalShutter", ("1", "2", "3"), "takes a multiple of 2 values, not 3"),
        ("IssuerOfPatientID", ("a", "b"), "takes 1 value, not 2"),
        ("FailureAttributes", ("1", "2", "3"), None),
        ("ZoomCenter", ("1", "2"), None),
        ("SelectorISValue", tuple("12"), None),
    ],
)
def test_the_number_of_values_is_that_of_the_dictionary(
    keyword: str, texts: tuple[str, ...], reason: str | None
) -> None:
    if reason is None:
        assert len(value_of(keyword, *(["00080018"] * 3 if keyword == "FailureAttributes" else texts))) > 1
        return
    with pytest.raises(ValueError, match=reason):
        value_of(keyword, *texts)


def test_the_whole_field_has_a_limit() -> None:
    with pytest.raises(ValueError, match="takes 65534 bytes at most, and its values take 65536 together"):
        value_of("SelectorUSValue", *["1"] * 32768)
    assert len(value_of("SelectorUSValue", *["1"] * 32767)) == 32767
    with pytest.raises(ValueError, match="65534 bytes at most"):
        value_of("SelectorLOValue", *["ä" * 64] * 600)


def test_several_values_are_a_list_and_may_have_empty_ones_between() -> None:
    assert value_of("ImageType", "ORIGINAL", "", "X") == ["ORIGINAL", "", "X"]
    assert value_of("PixelSpacing", "0.5", "0.25") == ["0.5", "0.25"]
    with pytest.raises(ValueError, match="whole numbers"):
        value_of("SelectorUSValue", "1", "", "2")


@pytest.mark.parametrize(
    "keyword", ["PatientName", "Rows", "PixelData", "StudyDate", "PatientSex", "SliceThickness"]
)
def test_nothing_is_an_empty_element(keyword: str) -> None:
    assert value_of(keyword) is None
    assert value_of(keyword, "") is None
    assert value_of(keyword, "  ") is None


def test_nothing_is_an_empty_sequence() -> None:
    assert value_of("AcquisitionContextSequence", "") == []


@pytest.mark.parametrize("vr", sorted(BINARY))
def test_binary_values_cannot_be_text(vr: str) -> None:
    with pytest.raises(ValueError, match="holds binary data, which cannot be given as text"):
        convert(0x7FE00010, vr, ["abc"])


def test_a_sequence_cannot_be_text() -> None:
    with pytest.raises(ValueError, match="is a sequence of items and cannot be 'x'; name an attribute in it"):
        value_of("AcquisitionContextSequence", "x")


def test_padding_is_removed() -> None:
    assert value_of("PatientID", " 123 \0") == "123"
    assert value_of("PatientID", "123\r\n") == "123"
    assert value_of("PatientName", " Doe ^ John = 山田　^太郎") == "Doe^John=山田^太郎"
    assert value_of("PatientComments", "  indented \n\n") == "  indented"
    assert value_of("StudyDate", "20240131 ") == "20240131"


def test_line_breaks_of_paragraphs_are_those_of_dicom() -> None:
    assert value_of("PatientComments", "a\nb\r\nc\rd") == "a\r\nb\r\nc\r\nd"


def test_accents_are_composed_before_characters_are_counted() -> None:
    decomposed = unicodedata.normalize("NFD", "é" * 64)
    assert value_of("PatientID", decomposed) == "é" * 64
    with pytest.raises(ValueError, match="65 characters"):
        value_of("PatientID", decomposed + "e")


def test_characters_are_counted_and_not_bytes() -> None:
    assert value_of("PatientID", "漢" * 64) == "漢" * 64


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (5.0, "5"),
        (0.1, "0.1"),
        (-0.0, "0"),
        (1 / 3, "0.33333333333333"),
        (33.36666666666667, "33.3666666666667"),
        (1001 / 30, "33.3666666666667"),
        (1e22, "1e+22"),
        (-1.2345678901234567e-100, "-1.23456789e-100"),
        (16, "16"),
    ],
)
def test_numbers_become_decimal_strings(number: float, text: str) -> None:
    assert format_ds(number) == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_no_decimal_string(number: float) -> None:
    with pytest.raises(ValueError, match="cannot be written as a decimal string"):
        format_ds(number)


@given(st.floats(-1e300, 1e300))
def test_every_decimal_string_fits_and_is_near(number: float) -> None:
    text = format_ds(number)
    assert value_of("SliceThickness", text) == text
    assert math.isclose(float(text), number, rel_tol=1e-8, abs_tol=1e-300)


ONE_OF_EVERY_VR = """
    StationAETitle PatientAge FrameIncrementPointer Modality PatientBirthDate SliceThickness
    AcquisitionDateTime SelectorFLValue SelectorFDValue InstanceNumber PatientID PatientComments
    PatientName AccessionNumber SelectorSLValue SelectorSSValue InstitutionAddress SelectorSVValue
    StudyTime StrainDescription StudyInstanceUID SelectorULValue RetrieveURL Rows TextValue
    SelectorUVValue
"""
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text("0123456789.+-eE:/TZ ^=\\ABCXYZ_", max_size=30),
    st.from_regex(r"[0-9]{4}[01][0-9][0-3][0-9]([0-2][0-9][0-5][0-9])?", fullmatch=True),
)


def written(tag: int, vr: str, value: object) -> DataElement:
    """The element after it was written to a file by pydicom, and read again."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.add(DataElement(tag, vr, value))
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    file.seek(0)
    return read_dataset(file, is_implicit_VR=False, is_little_endian=True)[tag]


@settings(max_examples=400)
@given(st.sampled_from(ONE_OF_EVERY_VR.split()), TEXTS)
@example("PatientComments", "a\nb")
@example("PatientName", "^")
def test_what_is_taken_satisfies_pydicom_and_comes_back_from_a_file(keyword: str, text: str) -> None:
    tag = tag_of(keyword)
    vr = vr_of(tag)
    try:
        value = convert(tag, vr, [text])
    except ValueError as error:
        assert keyword in str(error)  # noqa: PT017  every text is taken or refused by name
        return
    if value is None:
        assert not text.strip().strip("\0").strip()
        return
    if vr != "AT":
        validate_value(VR(vr), value, config.RAISE)
    if vr == "FL":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    found = written(tag, vr, value).value
    if vr == "PN":
        assert str(found) == value.rstrip("=")
    elif isinstance(value, str):
        assert str(found) == value
    else:
        assert found == value
