from collections.abc import Mapping
from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway.mapping.assignments import Assignment, read_attributes
from gateway.mapping.compose import Composition, Said, compose
from gateway.nodes import Fault, Table, parse

FACTS: Mapping[str, Mapping[str, Any]] = {
    "path": {
        "mrn": "4711",
        "none": None,
        "back": "a\\b",
        "code": "39937001",
        "whole": "SCT:39937001:Skin",
        "caret": "Doe^Jane",
    }
}


def level(text: str, origin: str = "") -> tuple[Assignment, ...]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert isinstance(node, Table)
    assignments = read_attributes(node, faults, origin=origin)
    assert faults == []
    return assignments


def composed(*levels: str) -> Composition:
    """The composition of levels, lowest first; their origins are `0 m.yaml:1`, `1 m.yaml:1` and so on."""
    return compose([level(text, f"{number} ") for number, text in enumerate(levels)], FACTS)


def made_of(*levels: str) -> Dataset:
    composition = composed(*levels)
    assert composition.faults == []
    return composition.dataset


def test_the_higher_level_wins_attribute_by_attribute() -> None:
    composition = composed("PatientID: low\nPatientSex: O\n", "00100020: high\n")
    assert (composition.dataset.PatientID, composition.dataset.PatientSex) == ("high", "O")
    assert composition.origins == {"PatientID": "1 m.yaml:1", "PatientSex": "0 m.yaml:2"}


def test_values_are_text_until_their_vr_says_otherwise() -> None:
    dataset = made_of(
        "SeriesNumber: 7\nPatientID: 0010\nPixelSpacing: 0.10\\0.2\nReferencedFrameNumber: 1\\2\\3\n"
    )
    assert dataset.SeriesNumber == 7
    assert dataset.PatientID == "0010"
    assert [str(value) for value in dataset.PixelSpacing] == ["0.10", "0.2"]
    assert dataset.ReferencedFrameNumber == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (r'{{ row.steps | join("\\") }}', ["A", "B", "C"]),
        (r'DERIVED\{{ row.steps | join("\\") }}', ["DERIVED", "A", "B", "C"]),
        (r'X{{ row.steps | join("\\") }}Y\{{ row.steps[0] }}', ["XA", "B", "CY", "A"]),
        (r'{{ row.steps[0] ~ "\\" ~ row.steps[3] }}', ["A", "C"]),
    ],
)
def test_a_list_becomes_several_values(text: str, values: list[str]) -> None:
    composition = compose([level(f"ImageType: '{text}'")], {"row": {"steps": ("A", None, "B", "C")}})
    assert composition.faults == []
    assert list(composition.dataset.ImageType) == values


def test_a_separator_that_data_bring_separates_nothing() -> None:
    composition = compose(
        [level("OtherPatientIDs: '{{ row.ids | join(\"\\\\\") }}'")], {"row": {"ids": ("1\\2", "3")}}
    )
    assert "a backslash separates values: add | clean" in composition.faults[0]
    one = compose([level("PatientID: '{{ row.ids | join(\"\\\\\") }}'")], {"row": {"ids": ("1", "3")}})
    assert "PatientID" in one.faults[0]


def test_null_removes_and_quoted_empty_sends_empty() -> None:
    composition = composed(
        "PatientID: low\nPatientSex: O\nModality: OT\n", "PatientID: null\nPatientSex: ''\nStudyID:\n"
    )
    assert "PatientID" not in composition.dataset
    assert composition.dataset["PatientSex"].is_empty
    assert composition.removed == ["PatientID", "StudyID"]
    assert set(composition.origins) == {"PatientSex", "Modality"}


def test_expressions_that_all_come_to_nothing_leave_the_word_to_the_next_level() -> None:
    composition = composed(
        "PatientComments: low\nStationName: '{{ path.none }}'\nStudyID: '{{ path.none | keep_empty }}'\n",
        "PatientComments: 'MRN {{ path.none }}'\nOtherPatientNames: 'A{{ path.none }}\\B{{ path.none }}'\n",
    )
    assert composition.dataset.PatientComments == "low"
    assert composition.origins["PatientComments"] == "0 m.yaml:1"
    assert "StationName" not in composition.dataset
    assert "OtherPatientNames" not in composition.dataset
    assert composition.dataset["StudyID"].is_empty


def test_a_patient_id_that_comes_to_nothing_is_not_another_levels() -> None:
    composition = composed("PatientID: low\n", "PatientID: '{{ path.none }}'\n")
    assert "PatientID" not in composition.dataset
    assert [each.name for each in composition.silent] == ["PatientID"]


def test_what_is_overridden_is_never_evaluated() -> None:
    assert (
        made_of("StudyDate: '{{ path.mrn | dicom_date }}'\n", "StudyDate: '20240531'\n").StudyDate
        == "20240531"
    )


def test_backslashes_separate_in_the_text_and_not_in_values() -> None:
    assert made_of("ImageType: 'DERIVED\\{{ path.code }}'\n").ImageType == ["DERIVED", "39937001"]
    assert made_of("PatientComments: 'a\\b'\n").PatientComments == "a\\b"
    (fault,) = composed("PatientID: '{{ path.back }}'\n").faults
    assert fault.startswith(
        "m.yaml:1:1: PatientID: {{ path.back }} comes to 'a\\\\b', and a backslash separates"
    )


def test_a_sequence_is_codes_or_items_or_one_item() -> None:
    dataset = made_of(
        "AnatomicRegionSequence: 'SCT:{{ path.code }}:Skin'\n"
        "ProcedureCodeSequence: [L:1:One, L:2:Two]\n"
        "ConceptNameCodeSequence: []\n"
        "RequestAttributesSequence:\n- {AccessionNumber: A}\n- {RequestedProcedureCodeSequence: L:3:Three}\n"
        "ReferencedStudySequence: {ReferencedSOPInstanceUID: '1.2'}\n"
        "IssuerOfPatientIDQualifiersSequence: ''\n"
    )
    assert dataset.AnatomicRegionSequence[0].CodeValue == "39937001"
    assert [item.CodeMeaning for item in dataset.ProcedureCodeSequence] == ["One", "Two"]
    assert [
        len(dataset[name].value)
        for name in ("ConceptNameCodeSequence", "IssuerOfPatientIDQualifiersSequence")
    ] == [0, 0]
    assert dataset.RequestAttributesSequence[1].RequestedProcedureCodeSequence[0].CodeMeaning == "Three"
    assert dataset.ReferencedStudySequence[0].ReferencedSOPInstanceUID == "1.2"


def test_parts_of_sequences_that_come_to_nothing_are_left_out() -> None:
    dataset = made_of(
        "AnatomicRegionSequence: 'SCT:{{ path.none }}:Skin'\n"
        "ProcedureCodeSequence: ['L:{{ path.none }}:One', 'L:{{ path.mrn }}:Two']\n"
        "RequestAttributesSequence: [{AccessionNumber: '{{ path.none }}', RequestedProcedureID: R}]\n"
        "ReferencedStudySequence: [{ReferencedSOPInstanceUID: '{{ path.none }}'}]\n"
    )
    assert "AnatomicRegionSequence" not in dataset
    assert [item.CodeValue for item in dataset.ProcedureCodeSequence] == ["4711"]
    assert list(dataset.RequestAttributesSequence[0].keys()) == [0x00401001]
    assert "ReferencedStudySequence" not in dataset


def test_a_path_sets_one_attribute_of_an_item() -> None:
    composition = composed(
        "RequestAttributesSequence: [{AccessionNumber: A, RequestedProcedureID: R}]\n",
        "RequestAttributesSequence.RequestedProcedureID: S\n"
        "RequestAttributesSequence[1].AccessionNumber: B\n",
    )
    first, second = composition.dataset.RequestAttributesSequence
    assert (first.AccessionNumber, first.RequestedProcedureID, second.AccessionNumber) == ("A", "S", "B")
    assert composition.origins["RequestAttributesSequence.RequestedProcedureID"] == "1 m.yaml:1"


def test_what_is_removed_is_not_made_first() -> None:
    low = "RequestAttributesSequence: [{AccessionNumber: A, RequestedProcedureID: R}]\n"
    high = (
        "RequestAttributesSequence.AccessionNumber: null\n"
        "RequestAttributesSequence[3].AccessionNumber: null\n"
        "ReferencedStudySequence.ReferencedSOPInstanceUID: ~\n"
    )
    composition = composed(low, high)
    (item,) = composition.dataset.RequestAttributesSequence
    assert [element.keyword for element in item] == ["RequestedProcedureID"]
    assert "ReferencedStudySequence" not in composition.dataset
    assert len(composition.removed) == 3


def test_whoever_sets_a_sequence_sets_all_of_it() -> None:
    composition = composed(
        "RequestAttributesSequence.AccessionNumber: A\nRequestAttributesSequence[1].AccessionNumber: B\n",
        "RequestAttributesSequence: {RequestedProcedureID: R}\n",
    )
    (item,) = composition.dataset.RequestAttributesSequence
    assert "AccessionNumber" not in item
    assert list(composition.origins) == ["RequestAttributesSequence"]


def test_items_are_counted_from_0_and_none_is_left_out() -> None:
    (fault,) = composed("RequestAttributesSequence[1].AccessionNumber: B\n").faults
    assert fault == (
        "m.yaml:1:1: RequestAttributesSequence[1].AccessionNumber is in item 1 of RequestAttributesSequence, "
        "which has 0 items: they count from 0 and none is left out"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("PatientBirthDate: '{{ path.mrn }}'", "PatientBirthDate (DA) cannot be '4711'"),
        ("AnatomicRegionSequence: 'SCT:{{ path.mrn }}:{{ path.none }}'", "CodeMeaning of the code is empty"),
        ("PatientID: '{{ 1 / 0 }}'", "{{ 1 / 0 }} fails: division by zero"),
        (
            "RequestAttributesSequence: [{AccessionNumber: '{{ path.code }}{{ path.code }}1'}]",
            "SH allows 16",
        ),
    ],
)
def test_what_a_value_cannot_be_is_told_with_its_place(text: str, words: str) -> None:
    (fault,) = composed(text).faults
    assert fault.startswith("m.yaml:1:1: ")
    assert words in fault


def test_all_faults_of_a_file_come_at_once() -> None:
    faults = composed("PatientBirthDate: '{{ path.mrn }}'\nPatientSex: '{{ path.mrn }}'\n").faults
    assert sorted(fault.split(" ")[1] for fault in faults) == ["PatientBirthDate", "PatientSex"]


def test_one_file_leaves_no_trace_in_the_next() -> None:
    levels = [
        level("RequestAttributesSequence: [{AccessionNumber: A}]"),
        level("RequestAttributesSequence[1].AccessionNumber: B"),
    ]
    for _ in range(2):
        assert len(compose(levels, FACTS).dataset.RequestAttributesSequence) == 2


def test_one_expression_may_come_to_a_whole_code() -> None:
    dataset = made_of(
        "AnatomicRegionSequence: '{{ path.whole }}'\n"
        "ProcedureCodeSequence: '{{ path.none }}'\n"
        "ConceptNameCodeSequence: ['{{ path.none }}', 'L:1:One', '{{ path.whole }}']\n"
    )
    assert [item.CodeMeaning for item in dataset.AnatomicRegionSequence] == ["Skin"]
    assert "ProcedureCodeSequence" not in dataset
    assert [item.CodeValue for item in dataset.ConceptNameCodeSequence] == ["1", "39937001"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "AnatomicRegionSequence: '{{ path.mrn }}'",
            "AnatomicRegionSequence cannot be '4711': a code is written",
        ),
        ("AnatomicRegionSequence: 'SCT:{{ path.code }}:Eye'", "write SCT:39937001:Skin"),
        (
            "PatientName: '{{ path.caret }}'",
            "PatientName: {{ path.caret }} comes to 'Doe^Jane', and ^ separates",
        ),
    ],
)
def test_what_comes_out_of_data_is_checked_like_what_is_written(text: str, words: str) -> None:
    (fault,) = composed(text).faults
    assert fault.startswith("m.yaml:1:1: ")
    assert words in fault


def test_separators_of_names_are_those_of_the_text() -> None:
    dataset = made_of("PatientName: '{{ path.mrn }}^{{ path.code }}'\nPatientComments: '{{ path.caret }}'\n")
    assert (dataset.PatientName, dataset.PatientComments) == ("4711^39937001", "Doe^Jane")


def test_a_value_with_a_fault_keeps_the_word() -> None:
    composition = composed("PatientBirthDate: '19800101'\n", "PatientBirthDate: '{{ path.mrn }}'\n")
    assert len(composition.faults) == 1
    assert "PatientBirthDate" not in composition.dataset


def test_what_came_to_nothing_is_known() -> None:
    composition = composed("PatientSex: '{{ path.none }}'\n", "PatientSex: '{{ path.none }}'\nStudyID: a\n")
    assert [each.origin for each in composition.silent] == ["1 m.yaml:1", "0 m.yaml:1"]


def test_the_trail_tells_what_each_step_says_the_highest_first() -> None:
    trail: list[Said] = []
    levels = [
        level("PatientID: low\nAnatomicRegionSequence: SCT:39937001:Skin\n", "low "),
        level("PatientID: '{{ path.mrn }}'\nAnatomicRegionSequence: ~\n", "high "),
    ]
    composition = compose(levels, FACTS, trail=trail)
    assert trail == [
        Said("AnatomicRegionSequence", "high m.yaml:2", None, True),
        Said("PatientID", "high m.yaml:1", "4711", True, ("path",)),
        Said("AnatomicRegionSequence", "low m.yaml:2", "SCT:39937001:Skin", False),
        Said("PatientID", "low m.yaml:1", "low", False),
    ]
    assert composition.dataset == compose(levels, FACTS).dataset


def test_what_needs_a_missing_source_is_not_asked_and_nobody_else_is() -> None:
    trail: list[Said] = []
    levels = [level("PatientID: low\n"), level("PatientID: '{{ row.mrn }}'\nStudyID: '{{ path.mrn }}'\n")]
    composition = compose(levels, FACTS, trail=trail, missing=frozenset({"row"}))
    assert (composition.dataset.StudyID, "PatientID" in composition.dataset) == ("4711", False)
    assert composition.faults == []
    assert [(each.origin, each.value, each.problem) for each in trail if each.name == "PatientID"] == [
        ("m.yaml:1", None, "is not known without row"),
        ("m.yaml:1", "low", None),
    ]
