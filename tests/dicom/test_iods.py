# ruff: noqa: E501 - tables of cases are read best with a case a line
import re
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from gateway.dicom.iods import (
    DERMOSCOPIC,
    ENCAPSULATED_CDA,
    ENCAPSULATED_MTL,
    ENCAPSULATED_PDF,
    IODS,
    MULTI_FRAME_BYTE,
    MULTI_FRAME_TRUE_COLOR,
    MULTI_FRAME_WORD,
    OPHTHALMIC_8_BIT,
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
JPEG_XL = tuple(JPEG + end for end in ("110", "111", "112"))  # pydicom does not know them yet


def code(value: str, meaning: str = "Skin") -> Sequence:
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
    keywords = {*iod.type1, *iod.type2, *iod.enumerated}
    for module in iod.modules:
        keywords |= {*module.single, *module.single_or_none, *module.with_items}
        keywords |= {condition.keyword for condition in module.conditions}
        assert re.fullmatch(r"C\.\d+(\.\d+)+", module.section)
    for keyword in keywords:
        assert tag_for_keyword(keyword), keyword
    assert re.fullmatch(r"A\.\d+(\.\d+)?", iod.section)
    assert not set(iod.type1) & set(iod.type2)
    for encoding in iod.encodings:
        for transfer_syntax in encoding.transfer_syntaxes:
            assert transfer_syntax in JPEG_XL or UID(transfer_syntax).is_transfer_syntax
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
        ({"ContentTime": ""}, "ContentTime is empty, and a VL Photographic Image has either a value in it or no such attribute"),
        ({"LossyImageCompressionRatio": None}, "LossyImageCompressionRatio has no value, and the pixels were compressed with loss"),
        ({"RequestAttributesSequence": Sequence()}, "RequestAttributesSequence has no items: give it one, or leave it out"),
        (
            {"AnatomicRegionSequence": Sequence([*code("39937001"), *code("38266002", "Entire body")])},
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


def made(uid: str, **changes: Any) -> Dataset:
    """An object of another class with all that must have a value; None takes an attribute out."""
    common = {"SOPClassUID": uid, "ContentDate": "20240531", "ContentTime": "1430", "InstanceNumber": 1}
    values = common | _WANTED[uid] | changes
    dataset = photograph(**values)
    complete(dataset)
    return dataset


_DEVICE = {
    "Manufacturer": "A",
    "ManufacturerModelName": "B",
    "DeviceSerialNumber": "C",
    "SoftwareVersions": "D",
}
_WANTED: dict[str, dict[str, Any]] = {
    MULTI_FRAME_BYTE: {
        "Modality": "OT", "ConversionType": "WSD", "BurnedInAnnotation": "NO", "NumberOfFrames": 2,
        "FrameIncrementPointer": 0x00182001, "PageNumberVector": ["1", "2"], "ImageType": None,
        "PhotometricInterpretation": "MONOCHROME2", "SamplesPerPixel": 1, "PlanarConfiguration": None,
        "RescaleIntercept": "0", "RescaleSlope": "1", "RescaleType": "US",
    },
    VIDEO_PHOTOGRAPHIC: {
        "NumberOfFrames": 3, "FrameIncrementPointer": 0x00181063, "FrameTime": "40",
        "AnatomicRegionSequence": code("38266002", "Entire body"),
    },
    OPHTHALMIC_8_BIT: {
        "Modality": "OP", "ImageLaterality": "R", "BurnedInAnnotation": "NO", "NumberOfFrames": 1,
        "FrameIncrementPointer": 0x00181063, "FrameTime": "0", "AcquisitionDateTime": "20240531",
        "AnatomicRegionSequence": code("81745001", "Eye"),
        "AcquisitionDeviceTypeCodeSequence": code("409898007", "Fundus Camera"),
        "SynchronizationFrameOfReferenceUID": "2.25.4", "SynchronizationTrigger": "NO TRIGGER",
        "AcquisitionTimeSynchronized": "N",
    },
    DERMOSCOPIC: {
        "Modality": "DMS", "RecognizableVisualFeatures": "NO", "FrameOfReferenceUID": "2.25.4", **_DEVICE,
    },
    ENCAPSULATED_CDA: {
        "Modality": "DOC", "SeriesNumber": 1, "ConversionType": "WSD", "BurnedInAnnotation": "YES",
        "MIMETypeOfEncapsulatedDocument": "text/XML", "HL7InstanceIdentifier": "1.2^3",
    },
    ENCAPSULATED_MTL: {
        "Modality": "M3D", "SeriesNumber": 1, "BurnedInAnnotation": "NO",
        "MIMETypeOfEncapsulatedDocument": "model/mtl", **_DEVICE,
        "MeasurementUnitsCodeSequence": Sequence([]),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("uid", "changes", "fault"),
    [
        (MULTI_FRAME_BYTE, {"BurnedInAnnotation": "MAYBE"}, "BurnedInAnnotation is MAYBE, and can be YES or NO"),
        (MULTI_FRAME_BYTE, {"RescaleType": None}, "RescaleType has no value, and the pixels are grey"),
        (MULTI_FRAME_BYTE, {"PresentationLUTShape": "INVERSE"}, "PresentationLUTShape is INVERSE, and can be IDENTITY"),
        (MULTI_FRAME_BYTE, {"PageNumberVector": None}, "PageNumberVector has no value, and FrameIncrementPointer points to it"),
        (MULTI_FRAME_BYTE, {"PageNumberVector": ["1", "2", "3"]}, "PageNumberVector has 3 values, and there are 2 frames"),
        (MULTI_FRAME_BYTE, {"FrameIncrementPointer": None}, "FrameIncrementPointer has no value, and there are several frames"),
        (MULTI_FRAME_BYTE, {"NumberOfFrames": 0}, "NumberOfFrames is 0, and there is at least one"),
        (VIDEO_PHOTOGRAPHIC, {"FrameTime": None}, "FrameTime has no value, and FrameIncrementPointer points to it"),
        (VIDEO_PHOTOGRAPHIC, {"AnatomicRegionSequence": None},
         "AnatomicRegionSequence has no value, and there are frames, and what they show must be named "
         "(for example -m 'AnatomicRegionSequence=SCT:39937001:Skin')"),
        (VIDEO_PHOTOGRAPHIC, {"MultiplexedAudioChannelsDescriptionCodeSequence": Sequence()},
         "MultiplexedAudioChannelsDescriptionCodeSequence has no items: give it one, or leave it out"),
        (VIDEO_PHOTOGRAPHIC, {"MultiplexedAudioChannelsDescriptionCodeSequence": Sequence([Dataset()])},
         "ChannelMode is None, and can be MONO or STEREO"),
        (VIDEO_PHOTOGRAPHIC, {"LossyImageCompressionRatio": ["10", "20"]},
         "LossyImageCompressionRatio has 2 values and LossyImageCompressionMethod 1, and each compression has one of both"),
        (VIDEO_PHOTOGRAPHIC, {"SpecimenDescriptionSequence": Sequence([Dataset()])},
         "ContainerIdentifier has no value, and a specimen is described"),
        (OPHTHALMIC_8_BIT, {"ImageLaterality": None},
         "ImageLaterality has no value, and an Ophthalmic Photography 8 Bit Image must have one "
         "(for example -m 'ImageLaterality=R')"),
        (OPHTHALMIC_8_BIT, {"ImageLaterality": "U"}, "ImageLaterality is U, and can be R or L or B"),
        (OPHTHALMIC_8_BIT, {"Laterality": "R"}, "Laterality is R, and must not be there, since ImageLaterality says it for each image"),
        (OPHTHALMIC_8_BIT, {"AcquisitionDateTime": None},
         "AcquisitionDateTime has no value, and the image is an original "
         "(for example -m 'AcquisitionDateTime=20240531143005')"),
        (OPHTHALMIC_8_BIT, {"ImageType": ["ORIGINAL", "SECONDARY"]},
         "ImageType is ORIGINAL\\SECONDARY, and begins with ORIGINAL or DERIVED, then PRIMARY"),
        (OPHTHALMIC_8_BIT, {"ImageType": ["ORIGINAL", "PRIMARY", "MONTAGE"]}, "ImageType says MONTAGE, and only a DERIVED image is one"),
        (OPHTHALMIC_8_BIT, {"AcquisitionDeviceTypeCodeSequence": code("409898007", "Microscope")},
         "AcquisitionDeviceTypeCodeSequence cannot be SCT:409898007:Microscope, since 409898007 is a code of SCT "
         "and means Fundus Camera: write SCT:409898007:Fundus Camera"),
        (DERMOSCOPIC, {"DeviceSerialNumber": None},
         "DeviceSerialNumber has no value, and a Dermoscopic Photography Image must have one "
         "(for example -m 'DeviceSerialNumber=4711')"),
        (DERMOSCOPIC, {"ContactMethod": "SOME"}, "ContactMethod is SOME, and can be CONTACT or NON_CONTACT"),
        (DERMOSCOPIC, {"TrackingUID": "2.25.9"}, "TrackingID has no value, and there is a TrackingUID"),
        (ENCAPSULATED_CDA, {"HL7InstanceIdentifier": None},
         "HL7InstanceIdentifier has no value, and it is how a clinical document is told from others "
         "(for example -m 'HL7InstanceIdentifier=1.2.276.0.76^4711')"),
        (ENCAPSULATED_CDA, {"MIMETypeOfEncapsulatedDocument": "application/pdf"},
         "MIMETypeOfEncapsulatedDocument is application/pdf, and an Encapsulated CDA has text/XML"),
        (ENCAPSULATED_MTL, {},
         "MeasurementUnitsCodeSequence has no value, and an Encapsulated MTL must have one "
         "(for example -m 'MeasurementUnitsCodeSequence=UCUM:mm:mm')"),
        (ENCAPSULATED_MTL, {"Modality": "OT"}, "Modality is OT, and an Encapsulated MTL has M3D"),
    ],
)  # fmt: skip
def test_each_object_has_its_own_demands(uid: str, changes: dict[str, Any], fault: str) -> None:
    assert fault in faults(made(uid, **changes))


@pytest.mark.parametrize("uid", _WANTED)
def test_what_has_all_that_is_demanded_has_no_faults(uid: str) -> None:
    units = Sequence([Dataset()])
    units[0].CodeValue, units[0].CodingSchemeDesignator, units[0].CodeMeaning = "um", "UCUM", "um"
    more = {"MeasurementUnitsCodeSequence": units} if uid == ENCAPSULATED_MTL else {}
    assert faults(made(uid, **more)) == []


def test_what_can_have_one_value_only_is_filled_in() -> None:
    assert made(MULTI_FRAME_BYTE).PresentationLUTShape == "IDENTITY"
    grey = made(OPHTHALMIC_8_BIT, PhotometricInterpretation="MONOCHROME2")
    assert grey.PresentationLUTShape == "IDENTITY"
    assert "PresentationLUTShape" not in made(OPHTHALMIC_8_BIT)
    assert made(DERMOSCOPIC, ContactMethod="CONTACT")["ImmersionMedia"].is_empty
    assert "ImmersionMedia" not in made(DERMOSCOPIC)
    assert made(OPHTHALMIC_8_BIT, PupilDilated="YES")["MydriaticAgentSequence"].VR == "SQ"


def test_all_faults_come_at_once() -> None:
    found = faults(made(OPHTHALMIC_8_BIT, ImageLaterality=None, ContentDate=None, BurnedInAnnotation="X"))
    assert [fault.split(" ")[0] for fault in found] == [
        "ContentDate",
        "ImageLaterality",
        "BurnedInAnnotation",
    ]


@pytest.mark.parametrize(
    ("uid", "transfer_syntax", "photometric", "bits", "permitted"),
    [
        (SECONDARY_CAPTURE, "50", "YBR_FULL_422", 8, True),
        (SECONDARY_CAPTURE, "50", "RGB", 8, True),
        (SECONDARY_CAPTURE, "50", "MONOCHROME2", 8, True),
        (SECONDARY_CAPTURE, "51", "MONOCHROME2", 12, True),
        (SECONDARY_CAPTURE, "70", "MONOCHROME2", 16, True),
        (SECONDARY_CAPTURE, "70", "YBR_FULL", 8, True),
        (SECONDARY_CAPTURE, "70", "RGB", 16, True),
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
        (VIDEO_PHOTOGRAPHIC, "100.1", "YBR_PARTIAL_420", 8, True),
        (VIDEO_PHOTOGRAPHIC, "102", "YBR_FULL_422", 8, False),
        (VL_PHOTOGRAPHIC, "80", "RGB", 8, True),
        (VL_PHOTOGRAPHIC, "90", "YBR_RCT", 8, True),
        (VL_PHOTOGRAPHIC, "90", "RGB", 8, False),
        (VL_PHOTOGRAPHIC, "91", "YBR_ICT", 8, True),
        (VL_PHOTOGRAPHIC, "90", "YBR_ICT", 8, False),
        (VL_PHOTOGRAPHIC, "201", "YBR_RCT", 8, True),
        (VL_PHOTOGRAPHIC, "203", "YBR_ICT", 8, True),
        (VL_PHOTOGRAPHIC, "110", "RGB", 8, True),
        (VL_PHOTOGRAPHIC, "111", "YBR_FULL_422", 8, True),
        (SECONDARY_CAPTURE, "90", "RGB", 8, True),
        (SECONDARY_CAPTURE, "81", "MONOCHROME2", 12, True),
        (MULTI_FRAME_BYTE, "80", "MONOCHROME2", 8, True),
        (MULTI_FRAME_BYTE, "80", "MONOCHROME2", 9, False),
        (MULTI_FRAME_BYTE, "80", "RGB", 8, False),
        (MULTI_FRAME_WORD, "80", "MONOCHROME2", 9, True),
        (MULTI_FRAME_WORD, "80", "MONOCHROME2", 8, False),
        (MULTI_FRAME_TRUE_COLOR, "50", "YBR_FULL_422", 8, True),
        (MULTI_FRAME_TRUE_COLOR, "50", "MONOCHROME2", 8, False),
        (OPHTHALMIC_8_BIT, "50", "YBR_FULL_422", 8, True),
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
    pages = probe(JPEG + "50", "YBR_FULL_422", frames=2)
    assert permits(MULTI_FRAME_TRUE_COLOR, pages) is None
    reason = "the frames of an Ophthalmic Photography 8 Bit Image are moments in time and not pages"
    assert permits(OPHTHALMIC_8_BIT, pages) == reason
    assert (
        permits(OPHTHALMIC_8_BIT, probe(JPEG + "50", "YBR_FULL_422", frames=2, frame_times=(40.0,))) is None
    )


def test_signed_pixels_are_for_secondary_capture_alone() -> None:
    signed = probe(JPEG + "80", "MONOCHROME2", 16, pixel_representation=1)
    assert permits(SECONDARY_CAPTURE, signed) is None
    assert permits(MULTI_FRAME_WORD, signed) == (
        "a Multi-frame Grayscale Word Secondary Capture Image is not stored with signed pixels"
    )
