from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway.dicom.build import build
from gateway.dicom.identity import Identity
from gateway.errors import Reject
from gateway.mapping.describe import describe
from gateway.mapping.description import description
from gateway.mapping.select import Subject
from gateway.model import Document, Instance, Kind, Pixels, Probe, Source
from gateway.stream import Stream

NATIVE = "1.2.840.10008.1.2.1"
IDENTITY = Identity("2.25.1", "2.25.2", "2.25.3", series_number=1, instance_number=1)
EYE = ("ImageLaterality=R", "ContentDate=20240531", "ContentTime=1430", "AcquisitionDateTime=20240531")


def picture(folder: Path, *, grey: bool = True, bits: int = 8, **changes: Any) -> Probe:
    """Native pixels of any sort."""
    samples = 1 if grey else 3
    allocated = 8 if bits <= 8 else 16
    pixels = Pixels(
        2,
        2,
        samples,
        "MONOCHROME2" if grey else "RGB",
        allocated,
        bits,
        planar_configuration=None if grey else 0,
        **changes,
    )
    content = Stream.of(bytes(4 * samples * allocated // 8 * (pixels.frames or 1)))
    path = folder / "a.tif"
    path.write_bytes(b"x")
    return Probe(
        Source(path, folder), "tiff", Kind.IMAGE, "application/octet-stream", NATIVE, content, pixels
    )


def made(what: Probe, template: str | None = None, *typed: str) -> Instance:
    return build(what, describe(Subject(what), description(template=template, typed=typed)), IDENTITY)


def dataset(what: Probe, template: str | None = None, *typed: str) -> Dataset:
    return made(what, template, *typed).dataset


def test_pages_are_numbered(tmp_path: Path) -> None:
    found = dataset(picture(tmp_path, frames=3))
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7.2"
    assert (found.NumberOfFrames, found.FrameIncrementPointer) == (3, 0x00182001)
    assert list(found.PageNumberVector) == [1, 2, 3]
    assert (found.PresentationLUTShape, found.RescaleType, found.BurnedInAnnotation) == (
        "IDENTITY",
        "US",
        "YES",
    )
    assert "FrameTime" not in found


def test_moments_have_their_times(tmp_path: Path) -> None:
    even = dataset(picture(tmp_path, grey=False, frames=4, frame_times=(100.0,)))
    assert (even.FrameIncrementPointer, even.FrameTime, even.CineRate) == (0x00181063, 100, 10)
    assert "PresentationLUTShape" not in even
    uneven = dataset(picture(tmp_path, grey=False, frames=3, frame_times=(0.0, 100.0, 33.3333333)))
    assert uneven.FrameIncrementPointer == 0x00181065
    assert list(uneven.FrameTimeVector) == [0, 100, 33.333]


def test_more_times_than_fit_become_one(tmp_path: Path) -> None:
    times = (0.0, *(40.001, 39.999) * 6000)
    found = dataset(picture(tmp_path, frames=len(times), frame_times=times))
    assert found.FrameIncrementPointer == 0x00181063
    assert found.FrameTime == pytest.approx(40)
    with pytest.raises(Reject, match="PageNumberVector takes 65534 bytes at most"):
        dataset(picture(tmp_path, frames=15000))


def test_one_picture_in_an_object_for_many(tmp_path: Path) -> None:
    found = dataset(picture(tmp_path, bits=12), "multiframe-word-secondary-capture")
    assert found.NumberOfFrames == 1
    assert "FrameIncrementPointer" not in found
    assert made(picture(tmp_path, bits=12), "multiframe-word-secondary-capture").bulks[0].vr == "OW"
    eye = dataset(picture(tmp_path), "ophthalmic-8-bit", *EYE)
    assert (eye.NumberOfFrames, eye.FrameIncrementPointer, eye.FrameTime) == (1, 0x00181063, 0)
    assert "NumberOfFrames" not in dataset(picture(tmp_path))


def test_a_series_has_its_frame_of_reference(tmp_path: Path) -> None:
    what = picture(tmp_path)
    device = ("Manufacturer=A", "ManufacturerModelName=B", "DeviceSerialNumber=C", "SoftwareVersions=D")
    first = dataset(what, "dermoscopic-photographic", *device).FrameOfReferenceUID
    assert first == dataset(what, "dermoscopic-photographic", *device).FrameOfReferenceUID
    assert first.startswith("2.25.")
    eye = dataset(what, "ophthalmic-8-bit", *EYE)
    assert eye.SynchronizationFrameOfReferenceUID not in (first, "")
    given = dataset(what, "dermoscopic-photographic", *device, "FrameOfReferenceUID=1.2.3")
    assert given.FrameOfReferenceUID == "1.2.3"
    assert "FrameOfReferenceUID" not in dataset(what)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(Reject) as raised:
        made(picture(tmp_path), "ophthalmic-8-bit")
    text = str(raised.value)
    assert "a.tif cannot become the object ophthalmic-8-bit: " in text
    for keyword in ("ImageLaterality", "ContentDate", "ContentTime", "AcquisitionDateTime"):
        assert f"{keyword} has no value" in text
        assert f"-m '{keyword}=" in text
    with pytest.raises(Reject, match=r"Manufacturer has no value.*DeviceSerialNumber has no value"):
        made(picture(tmp_path), "dermoscopic-photographic")


def test_units_of_models_are_never_guessed(tmp_path: Path) -> None:
    what = picture(tmp_path)
    model = Probe(what.source, "stl", Kind.DOCUMENT, "model/stl", NATIVE, Stream.of(b"solid"))
    device = ("Manufacturer=A", "ManufacturerModelName=B", "DeviceSerialNumber=C", "SoftwareVersions=D")
    with pytest.raises(Reject, match="-m 'MeasurementUnitsCodeSequence=UCUM:mm:mm'"):
        made(model, None, *device)
    assert dataset(model, None, *device, "MeasurementUnitsCodeSequence=UCUM:mm:mm").Modality == "M3D"


def test_a_clinical_document_says_what_is_in_it(tmp_path: Path) -> None:
    what = picture(tmp_path)
    facts = {
        "cda": {"title": "Summary", "scheme": "LN", "code": "1-2", "meaning": "Note", "identifier": "1.2^3"}
    }
    cda = Probe(
        what.source, "cda", Kind.DOCUMENT, "text/xml", NATIVE, Stream.of(b"<x/>"),
        facts=facts, document=Document("text/XML", ("image/jpeg", "application/pdf")),
    )  # fmt: skip
    found = dataset(cda)
    assert (found.MIMETypeOfEncapsulatedDocument, found.HL7InstanceIdentifier) == ("text/XML", "1.2^3")
    assert list(found.ListOfMIMETypes) == ["image/jpeg", "application/pdf"]
    assert (found.DocumentTitle, found.ConceptNameCodeSequence[0].CodeMeaning) == ("Summary", "Note")


def test_a_specimen_gets_a_uid_of_its_own(tmp_path: Path) -> None:
    typed = (
        "ContainerIdentifier=H24-1234",
        "SpecimenDescriptionSequence[0].SpecimenIdentifier=H24-1234-1A",
        "SpecimenDescriptionSequence[1].SpecimenIdentifier=H24-1234-1B",
        "SpecimenDescriptionSequence[2].SpecimenIdentifier=H24-1234-1C",
        "SpecimenDescriptionSequence[2].SpecimenUID=1.2.3",
    )
    colour = picture(tmp_path, grey=False)
    first, second, third = dataset(colour, "vl-microscopic", *typed).SpecimenDescriptionSequence
    again = dataset(colour, "vl-microscopic", *typed).SpecimenDescriptionSequence
    assert first.SpecimenUID != second.SpecimenUID
    assert (first.SpecimenUID, third.SpecimenUID) == (again[0].SpecimenUID, "1.2.3")
    assert list(first.SpecimenPreparationSequence) == []
