# ruff: noqa: E501 - tables of cases are read best with a case a line
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from gateway.dicom.iods import (
    ENCAPSULATED_PDF,
    IODS,
    SECONDARY_CAPTURE,
    VIDEO_PHOTOGRAPHIC,
    VL_PHOTOGRAPHIC,
    complete,
    faults,
    kind_of,
    permits,
)
from gateway.model import Kind, Pixels, Probe, Source
from gateway.stream import Stream

JPEG = "1.2.840.10008.1.2.4."


def code(value: str, meaning: str = "x") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return Sequence([item])


def photograph(**changes: Any) -> Dataset:
    """A VL Photographic Image with everything that must have a value; None takes an attribute out."""
    dataset = Dataset()
    values = {
        "SOPClassUID": VL_PHOTOGRAPHIC,
        "SOPInstanceUID": "2.25.1",
        "StudyInstanceUID": "2.25.2",
        "SeriesInstanceUID": "2.25.3",
        "Modality": "XC",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "YBR_FULL_422",
        "Rows": 4,
        "Columns": 4,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "10",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    for keyword, value in (values | changes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def completed(**changes: Any) -> Dataset:
    dataset = photograph(**changes)
    complete(dataset)
    return dataset


def probe(transfer_syntax: str, photometric: str, bits: int = 8, **changes: Any) -> Probe:
    samples = 1 if photometric == "MONOCHROME2" else 3
    pixels = Pixels(4, 4, samples, photometric, 8 if bits <= 8 else 16, bits, **changes)
    source = Source(Path("a.jpg"), Path())
    return Probe(source, "jpeg", Kind.IMAGE, "image/jpeg", transfer_syntax, Stream(), pixels)


@pytest.mark.parametrize("uid", IODS)
def test_the_tables_name_what_exists(uid: str) -> None:
    iod = IODS[uid]
    assert UID(uid).name == f"{iod.name} Storage"
    for keyword in (*iod.type1, *iod.type2):
        assert tag_for_keyword(keyword), keyword
    assert not set(iod.type1) & set(iod.type2)
    assert len(set(iod.type1)) == len(iod.type1)
    for encoding in iod.encodings:
        for transfer_syntax in encoding.transfer_syntaxes:
            assert UID(transfer_syntax).is_transfer_syntax
    assert kind_of(uid) is iod.kind


def test_what_may_be_empty_is_added_empty() -> None:
    dataset = completed(PatientName="Doe^John")
    assert dataset.PatientName == "Doe^John"
    for keyword in (
        "PatientID",
        "PatientSex",
        "StudyDate",
        "AccessionNumber",
        "PatientOrientation",
        "Manufacturer",
        "Laterality",
    ):
        assert dataset[keyword].is_empty
    assert dataset["AcquisitionContextSequence"].VR == "SQ"
    assert faults(dataset) == []


def test_completing_twice_changes_nothing() -> None:
    dataset = completed()
    before = dataset.to_json()
    complete(dataset)
    assert dataset.to_json() == before


def test_other_objects_are_left_alone() -> None:
    dataset = Dataset()
    complete(dataset)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    complete(dataset)
    assert len(dataset) == 1
    assert faults(dataset) == []
    assert kind_of("1.2.840.10008.5.1.4.1.1.2") is None


def test_a_document_has_no_laterality() -> None:
    dataset = Dataset()
    dataset.SOPClassUID = ENCAPSULATED_PDF
    complete(dataset)
    assert "Laterality" not in dataset
    assert "AcquisitionDateTime" in dataset
    assert "SeriesNumber has no value, and an Encapsulated PDF must have one" in faults(dataset)


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, True),
        ({"AnatomicRegionSequence": code("39937001", "Skin")}, True),
        ({"AnatomicRegionSequence": code("69536005", "Head")}, False),
        ({"AnatomicRegionSequence": code("38266002", "Entire body")}, False),
        ({"AnatomicRegionSequence": code("69536005", "Head"), "Laterality": ""}, False),
        ({"BodyPartExamined": "CHEST"}, False),
        ({"BodyPartExamined": "HAND"}, True),
        ({"ImageLaterality": "L"}, False),
        ({"ImageLaterality": "L", "Laterality": ""}, False),
        ({"Laterality": "R"}, True),
    ],
)
def test_laterality_is_there_where_it_can_be(changes: dict[str, Any], due: bool) -> None:
    dataset = completed(**changes)
    assert ("Laterality" in dataset) is due
    assert faults(dataset) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"ImageType": None}, "ImageType has no value, and a VL Photographic Image must have one"),
        ({"StudyInstanceUID": ""}, "StudyInstanceUID has no value, and a VL Photographic Image must have one"),
        ({"Modality": "OT"}, "Modality is OT, and a VL Photographic Image has XC"),
        ({"ImageType": ["ORIGINAL"]}, "ImageType is ORIGINAL, and begins with ORIGINAL or DERIVED, then PRIMARY or SECONDARY"),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "COLOR"]},
            "ImageType is ORIGINAL\\PRIMARY\\COLOR, and begins with ORIGINAL or DERIVED, then PRIMARY or SECONDARY",
        ),
        ({"PlanarConfiguration": None}, "PlanarConfiguration has no value, and there are several samples a pixel"),
        ({"FrameIncrementPointer": 0x00181063}, "FrameTime has no value, and FrameIncrementPointer points to it"),
        ({"FrameIncrementPointer": [0x00181063, 0x00181065], "FrameTime": "40"}, "FrameTimeVector has no value, and FrameIncrementPointer points to it"),
        ({"ContentTime": ""}, "ContentTime is empty, and a VL Photographic Image has either a value in it or no such attribute"),
        ({"LossyImageCompressionRatio": None}, "LossyImageCompressionRatio has no value, and the pixels were compressed with loss"),
        ({"RequestAttributesSequence": Sequence()}, "RequestAttributesSequence has no items: give it one, or leave it out"),
        (
            {"AnatomicRegionSequence": Sequence([*code("39937001"), *code("38266002")])},
            "AnatomicRegionSequence has more than one item",
        ),
        ({"ImageLaterality": "L", "Laterality": "R"}, "Laterality is R, and must not be there, since ImageLaterality says it for each image"),
        (
            {"AnatomicRegionSequence": code("69536005", "Head"), "Laterality": "R"},
            "Laterality is R, and must not be there, since there is only one Head",
        ),
    ],
)  # fmt: skip
def test_what_keeps_an_object_from_being_one_is_said(changes: dict[str, Any], fault: str) -> None:
    assert fault in faults(completed(**changes))


def test_what_may_be_empty_must_still_be_there() -> None:
    found = faults(photograph())
    assert {
        "PatientName is missing",
        "AcquisitionContextSequence is missing",
        "Laterality is missing",
    } <= set(found)


@pytest.mark.parametrize(
    ("uid", "transfer_syntax", "photometric", "bits", "permitted"),
    [
        (SECONDARY_CAPTURE, "50", "YBR_FULL_422", 8, True),
        (SECONDARY_CAPTURE, "50", "RGB", 8, True),
        (SECONDARY_CAPTURE, "50", "MONOCHROME2", 8, True),
        (SECONDARY_CAPTURE, "51", "MONOCHROME2", 12, True),
        (SECONDARY_CAPTURE, "70", "MONOCHROME2", 16, True),
        (SECONDARY_CAPTURE, "70", "YBR_FULL", 8, True),
        (SECONDARY_CAPTURE, "70", "RGB", 16, False),
        (SECONDARY_CAPTURE, "102", "YBR_PARTIAL_420", 8, False),
        (VL_PHOTOGRAPHIC, "50", "YBR_FULL_422", 8, True),
        (VL_PHOTOGRAPHIC, "50", "RGB", 8, False),
        (VL_PHOTOGRAPHIC, "51", "MONOCHROME2", 12, False),
        (VL_PHOTOGRAPHIC, "57", "RGB", 8, True),
        (VL_PHOTOGRAPHIC, "57", "YBR_FULL", 8, False),
        (VL_PHOTOGRAPHIC, "70", "MONOCHROME2", 16, False),
        (VIDEO_PHOTOGRAPHIC, "102", "YBR_PARTIAL_420", 8, True),
        (VIDEO_PHOTOGRAPHIC, "107", "YBR_PARTIAL_420", 8, True),
        (VIDEO_PHOTOGRAPHIC, "107", "YBR_PARTIAL_420", 10, False),
        (VIDEO_PHOTOGRAPHIC, "108", "YBR_PARTIAL_420", 10, True),
    ],
)
def test_what_pixels_an_object_may_carry(
    uid: str, transfer_syntax: str, photometric: str, bits: int, permitted: bool
) -> None:
    reason = permits(uid, probe(JPEG + transfer_syntax, photometric, bits))
    assert (reason is None) is permitted


def test_one_picture_has_no_frames() -> None:
    reason = permits(SECONDARY_CAPTURE, probe(JPEG + "50", "RGB", frames=1))
    assert reason == "a Secondary Capture Image is one picture and has no frames"
    assert permits("1.2.3", probe(JPEG + "50", "RGB")) is None
