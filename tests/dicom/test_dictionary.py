from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import keyword_dict

from gateway.dicom.dictionary import Step, format_path, keyword_of, parse_path, tag_of, vm_of, vr_of

SETTABLE = {
    keyword: tag
    for keyword, tag in keyword_dict.items()
    if keyword and tag >> 16 not in (0x0000, 0x0002, 0xFFFE)
}
SEQUENCES = [tag for tag in SETTABLE.values() if vr_of(tag) == "SQ"]


@pytest.mark.parametrize("name", ["PatientName", "00100010", "(0010,0010)", "0010,0010", " PatientName "])
def test_an_attribute_has_several_names(name: str) -> None:
    assert tag_of(name) == 0x00100010


def test_hexadecimal_digits_may_be_small() -> None:
    assert tag_of("0020000d") == tag_of("(0020,000D)") == tag_of("StudyInstanceUID")


def test_every_keyword_of_the_dictionary_is_a_name() -> None:
    assert {keyword: tag_of(keyword) for keyword in SETTABLE} == SETTABLE


def test_every_tag_has_a_name_that_leads_back_to_it() -> None:
    assert [tag_of(keyword_of(tag)) for tag in SETTABLE.values()] == list(SETTABLE.values())


def test_overlays_are_named_by_tag() -> None:
    assert keyword_of(0x60020010) == "60020010"
    assert tag_of("60020010") == 0x60020010
    assert vr_of(0x60020010) == "US"
    with pytest.raises(ValueError, match="attribute of several groups; name one of them by its tag"):
        tag_of("OverlayRows")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("patientname", "PatientName"),
        ("PatientNam", "PatientName"),
        ("PatientsName", "PatientName"),
        ("Patient's Name", "PatientName"),
        ("StudyInstanceUid", "StudyInstanceUID"),
        ("AccessionNo", "AccessionNumber"),
        ("BirthDate", "PatientBirthDate"),
        ("Sex", "PatientSex"),
    ],
)
def test_a_near_miss_is_answered_with_the_keyword(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean .*{meant}") as caught:
        tag_of(typed)
    assert repr(typed) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Xyzzy", "is not an attribute in the DICOM dictionary; name it by keyword"),
        ("", "needs a name"),
        ("00091001", "is private"),
        ("00090010", "is private"),
        ("TransferSyntaxUID", "File Meta Information"),
        ("00020010", "File Meta Information"),
        ("00000100", "commands"),
        ("(0008,0000)", "group length"),
        ("FFFEE000", "marks an item"),
        ("00109999", r"\(0010,9999\) is not in the DICOM dictionary"),
        ("x" * 1000, "is not an attribute"),
    ],
)
def test_what_cannot_be_set_by_name_is_refused_in_words(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        tag_of(name)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00100010, "PN"),
        (0x7FE00010, "OB"),
        (0x00280106, "US"),
        (0x00283006, "US"),
        (0x00090010, "LO"),
        (0x00091001, "UN"),
        (0x00080000, "UL"),
        (0x00109999, "UN"),
        (0xFFFEE000, "UN"),
    ],
)
def test_value_representations(tag: int, vr: str) -> None:
    assert vr_of(tag) == vr


def test_value_multiplicities() -> None:
    assert [vm_of(tag) for tag in (0x00100010, 0x00080008, 0x00200032, 0x00091001)] == [
        "1",
        "2-n",
        "3",
        "1-n",
    ]


def test_a_path_goes_through_items() -> None:
    path = parse_path("ReferencedImageSequence[1].ReferencedSOPInstanceUID")
    assert path == (Step(0x00081140, 1), Step(0x00081155))
    assert parse_path("(0040,0275).00400009") == (Step(0x00400275), Step(0x00400009))
    assert parse_path("PatientID") == (Step(0x00100020),)


def test_the_first_item_need_not_be_numbered() -> None:
    assert parse_path("RequestAttributesSequence[0].ScheduledProcedureStepID") == parse_path(
        "RequestAttributesSequence.ScheduledProcedureStepID"
    )


@given(st.lists(st.builds(Step, st.sampled_from(SEQUENCES), st.integers(0, 9999)), max_size=4), st.data())
def test_a_written_path_is_read_as_the_same(steps: list[Step], data: st.DataObject) -> None:
    path = (*steps, Step(data.draw(st.sampled_from(sorted(SETTABLE.values())))))
    assert parse_path(format_path(path)) == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("PatientName.FamilyName", "PatientName.FamilyName: PatientName .PN. is no sequence"),
        ("PatientName[0]", "is no sequence and has no items"),
        ("RequestAttributesSequence..PatientID", "needs a name"),
        ("RequestAttributesSequence.", "needs a name"),
        ("RequestAttributesSequence[x].PatientID", "an item of a sequence by its number from 0"),
        ("RequestAttributesSequence[-1].PatientID", "an item of a sequence by its number from 0"),
        ("RequestAttributesSequence[10000].PatientID", "an item of a sequence by its number from 0"),
        ("RequestAttributesSequence[1", "an item of a sequence by its number from 0"),
        ("RequestAttributesSequence.PatientIDs", "did you mean .*PatientID"),
        ("", "needs a name"),
    ],
)
def test_a_wrong_path_is_refused_in_words(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_path(path)


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_a_sentence(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    assert parse_path(format_path(path)) == path
