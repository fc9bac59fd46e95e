"""The templates that come with the gateway, judged from outside: whole objects, by dicom3tools."""

from fractions import Fraction
from pathlib import Path

import pydicom
import pytest

import examples
import videos
from gateway import formats
from gateway.config import Reading
from gateway.dicom import part10
from gateway.dicom.build import build
from gateway.dicom.identity import Identity
from gateway.mapping.describe import describe
from gateway.mapping.description import description
from gateway.mapping.select import select
from gateway.model import Probe, Source
from support import dciodvfy

IDENTITY = Identity("2.25.1", "2.25.2", "2.25.3", series_number=1, instance_number=1)

WHO = ("PatientName=Müller^Jürgen=山田^太郎", "PatientID=4711", "PatientBirthDate=19800102", "PatientSex=M")
ORDER = (
    "AccessionNumber=A1", "StudyID=S1", "ReferringPhysicianName=Doe^Jane", "IssuerOfPatientID=HOSPITAL",
    "RequestAttributesSequence.ScheduledProcedureStepID=SPS",
    "RequestAttributesSequence.RequestedProcedureID=RP",
)  # fmt: skip


def probed(path: Path) -> Probe:
    return formats.probe(Source(path, path.parent), Reading())


def made(what: Probe, folder: Path, template: str, *typed: str, mapping: str | None = None) -> Path:
    """The object that a file becomes, as a file."""
    wanted = description(template=template, typed=typed, mappings=[mapping] if mapping else [])
    attributes = describe(select(what, wanted), wanted)
    instance = build(what, attributes, IDENTITY)
    target = folder / "object.dcm"
    with target.open("wb") as file:
        file.writelines(part10.write(instance))
    return target


@pytest.fixture
def photo(tmp_path: Path) -> Probe:
    return probed(examples.write(tmp_path / "photo.jpg", examples.jpeg()))


@pytest.fixture
def scan(tmp_path: Path) -> Probe:
    return probed(examples.write(tmp_path / "scan.pdf", examples.pdf(Title="Überweisung")))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    return probed(videos.make_video(path, codec="h264", frames=10, rate=Fraction(25)))


@pytest.mark.parametrize("typed", [(), WHO, WHO + ORDER], ids=["nobody", "somebody", "ordered"])
@pytest.mark.parametrize("template", ["secondary-capture", "vl-photographic"])
def test_pictures_are_valid_objects(
    template: str, typed: tuple[str, ...], photo: Probe, tmp_path: Path
) -> None:
    assert dciodvfy(made(photo, tmp_path, template, *typed)) == []


@pytest.mark.parametrize("typed", [(), WHO, WHO + ORDER], ids=["nobody", "somebody", "ordered"])
def test_documents_are_valid_objects(typed: tuple[str, ...], scan: Probe, tmp_path: Path) -> None:
    path = made(scan, tmp_path, "encapsulated-pdf", *typed)
    assert dciodvfy(path) == []
    assert pydicom.dcmread(path).DocumentTitle == "Überweisung"


@pytest.mark.parametrize("typed", [(), WHO + ORDER], ids=["nobody", "ordered"])
def test_videos_are_valid_objects(typed: tuple[str, ...], video: Probe, tmp_path: Path) -> None:
    assert dciodvfy(made(video, tmp_path, "video-photographic", *typed)) == []


@pytest.mark.parametrize(
    "typed",
    [
        "AnatomicRegionSequence=SCT:39937001:Skin",
        "AnatomicRegionSequence=SCT:69536005:Head",
        "AnatomicRegionSequence=SCT:38266002:Entire body",
        "BodyPartExamined=CHEST",
        "BodyPartExamined=HAND",
        "ImageLaterality=L",
        "ImageLaterality=B",
        "Laterality=R",
        "Laterality=",
        "ConversionType=DI",
        "ContentDate=20240531",
        "StudyDate=20240531",
        "Modality=XC",
    ],
)
@pytest.mark.parametrize("template", ["secondary-capture", "vl-photographic"])
def test_pictures_of_any_part_of_the_body_are_valid(
    template: str, typed: str, photo: Probe, tmp_path: Path
) -> None:
    assert dciodvfy(made(photo, tmp_path, template, typed)) == []


@pytest.mark.parametrize(
    "typed",
    [
        "AnatomicRegionSequence=SCT:39937001:Skin",
        "AnatomicRegionSequence=SCT:69536005:Head",
        "ImageLaterality=L",
    ],
)
def test_videos_of_any_part_of_the_body_are_valid(typed: str, video: Probe, tmp_path: Path) -> None:
    assert dciodvfy(made(video, tmp_path, "video-photographic", typed)) == []


DEVICE = ("Manufacturer=A", "ManufacturerModelName=B", "DeviceSerialNumber=C", "SoftwareVersions=1")
WHEN = ("ContentDate=20240531", "ContentTime=1430", "AcquisitionDateTime=202405311430")


@pytest.mark.parametrize(
    "typed",
    [
        WHO + ORDER,
        ("ContactMethod=CONTACT", "ImmersionMedia=WATER", "LightSourcePolarization=POLARIZED"),
        ("ContactMethod=CONTACT",),
        ("TrackingID=mole 1", "TrackingUID=2.25.9", "RecognizableVisualFeatures=NO"),
        ("AnatomicRegionSequence=SCT:69536005:Head",),
        ("ImageLaterality=L", "EmitterColorTemperature=5600", "OpticalMagnificationFactor=10"),
    ],
)
def test_pictures_through_a_dermatoscope_are_valid(
    typed: tuple[str, ...], photo: Probe, tmp_path: Path
) -> None:
    assert dciodvfy(made(photo, tmp_path, "dermoscopic-photographic", *DEVICE, *typed)) == []


@pytest.mark.parametrize(
    "typed",
    [
        WHO + ORDER,
        ("ImageLaterality=B", "AnatomicRegionSequence=SCT:5665001:Retina"),
        ("PupilDilated=YES",),
        ("PupilDilated=NO", "DetectorType=CMOS", "HorizontalFieldOfView=45"),
        (r"ImageType=ORIGINAL\PRIMARY\\COLOR",),
        ("AcquisitionDeviceTypeCodeSequence=SCT:397247004:Slit Lamp Biomicroscope", "BurnedInAnnotation=YES"),
    ],
)
def test_pictures_of_eyes_are_valid(typed: tuple[str, ...], photo: Probe, tmp_path: Path) -> None:
    side = () if any("ImageLaterality" in each for each in typed) else ("ImageLaterality=R",)
    assert dciodvfy(made(photo, tmp_path, "ophthalmic-8-bit", *WHEN, *side, *typed)) == []


def test_what_the_mappings_make_is_valid(tmp_path: Path) -> None:
    photo = probed(examples.write(tmp_path / "4711001_20240531_L_02.jpg", examples.jpeg()))
    assert dciodvfy(made(photo, tmp_path, "vl-photographic", mapping="photo")) == []
    scan = probed(examples.write(tmp_path / "4711001_20240531_Referral.pdf", examples.pdf()))
    assert dciodvfy(made(scan, tmp_path, "encapsulated-pdf", mapping="document")) == []
