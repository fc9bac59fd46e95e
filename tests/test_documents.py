"""Clinical documents and models as objects, judged by dicom3tools and DCMTK."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom
import pytest

import examples
from doors import gateway
from support import dciodvfy, dcmdump, require

EQUIPMENT = (
    "Manufacturer=Example", "ManufacturerModelName=M1", "DeviceSerialNumber=4711", "SoftwareVersions=1.0",
)  # fmt: skip
UNIT = "MeasurementUnitsCodeSequence=UCUM:mm:mm"

MEDIA = (
    '<component><structuredBody><component><section><entry><observationMedia classCode="OBS">'
    '<value mediaType="image/jpeg" representation="B64">QUJD</value></observationMedia></entry></section>'
    "</component></structuredBody></component>"
)


def rendered(path: Path, *typed: str) -> Path:
    """The object that a file becomes."""
    folder = path.parent / "objects"
    done = gateway("render", "--part10", folder, *(part for each in typed for part in ("-m", each)), path)
    assert done.status == 0, done.err
    [made] = folder.glob("*.dcm")
    return made


def theirs(program: str, path: Path, *options: str) -> pydicom.FileDataset:
    """What a program of DCMTK makes of the same file."""
    target = path.with_suffix(f".{program}")
    subprocess.run([require(program), *options, str(path), str(target)], check=True, capture_output=True)
    return pydicom.dcmread(target)


def test_a_clinical_document_is_a_valid_object(tmp_path: Path) -> None:
    data = examples.cda(body=MEDIA)
    path = rendered(examples.write(tmp_path / "letter.xml", data))
    assert dciodvfy(path) == []
    assert "EncapsulatedDocument" in dcmdump(path)
    ours = pydicom.dcmread(path)
    assert ours.EncapsulatedDocument[: ours.EncapsulatedDocumentLength] == data
    assert ours.ListOfMIMETypes == "image/jpeg"
    code = ours.ConceptNameCodeSequence[0]
    assert (code.CodingSchemeDesignator, code.CodeValue) == ("LN", "34133-9")
    assert (ours.StudyDate, ours.AcquisitionDateTime) == ("20240531", "20240531143000+0200")


def test_dcmtk_makes_the_same_of_a_clinical_document(tmp_path: Path) -> None:
    data = examples.cda(body=MEDIA).replace("für Jörg".encode(), b"for Joe")  # it takes UTF-8 for Latin-1
    path = examples.write(tmp_path / "letter.xml", data)
    judged = theirs("cda2dcm", path, "+ov")  # the patient of the document is nobody
    ours = pydicom.dcmread(rendered(path))
    for keyword in (
        "SOPClassUID", "MIMETypeOfEncapsulatedDocument", "HL7InstanceIdentifier", "DocumentTitle",
        "EncapsulatedDocument", "EncapsulatedDocumentLength",
    ):  # fmt: skip
        left, right = ours.get(keyword), judged.get(keyword)
        if keyword == "MIMETypeOfEncapsulatedDocument":
            left, right = left.lower(), right.lower()
        assert left == right, keyword


def test_a_clinical_document_without_an_identifier_needs_one(tmp_path: Path) -> None:
    path = examples.write(tmp_path / "letter.xml", examples.cda(header="<title>T</title>"))
    done = gateway("render", path)
    assert done.status == 3
    assert "HL7InstanceIdentifier has no value" in done.err
    assert dciodvfy(rendered(path, "HL7InstanceIdentifier=1.2.3^4")) == []


@pytest.mark.parametrize("data", [examples.stl(), examples.ascii_stl()], ids=["binary", "ascii"])
def test_an_stl_model_is_a_valid_object(tmp_path: Path, data: bytes) -> None:
    path = rendered(examples.write(tmp_path / "part.stl", data), UNIT, *EQUIPMENT)
    assert dciodvfy(path) == []
    assert "EncapsulatedDocument" in dcmdump(path)
    ours = pydicom.dcmread(path)
    assert ours.EncapsulatedDocument[: ours.EncapsulatedDocumentLength] == data
    unit = ours.MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("mm", "UCUM")


def test_dcmtk_makes_the_same_of_an_stl_model(tmp_path: Path) -> None:
    path = examples.write(tmp_path / "part.stl", examples.stl())
    judged = theirs("stl2dcm", path, "+mn", "Example", "+mm", "M1", "+ds", "4711", "+sv", "1.0")
    ours = pydicom.dcmread(rendered(path, UNIT, *EQUIPMENT))
    for keyword in ("SOPClassUID", "Modality", "MIMETypeOfEncapsulatedDocument", "EncapsulatedDocument"):
        assert ours.get(keyword) == judged.get(keyword), keyword
    assert set(judged.dir()) - set(ours.dir()) <= {"InstanceCreationDate", "InstanceCreationTime"}


@pytest.mark.parametrize(
    ("name", "data", "sop_class"),
    [("skull.obj", examples.obj(), "104.4"), ("skull.mtl", examples.mtl(), "104.5")],
)
def test_obj_and_mtl_are_objects(tmp_path: Path, name: str, data: bytes, sop_class: str) -> None:
    path = rendered(examples.write(tmp_path / name, data), UNIT, *EQUIPMENT)
    assert "EncapsulatedDocument" in dcmdump(path)
    ours = pydicom.dcmread(path)
    assert ours.SOPClassUID == f"1.2.840.10008.5.1.4.1.1.{sop_class}"
    assert ours.EncapsulatedDocument[: ours.EncapsulatedDocumentLength] == data


@pytest.mark.parametrize(
    ("name", "data"),
    [("part.stl", examples.stl()), ("skull.obj", examples.obj()), ("skull.mtl", examples.mtl())],
)
def test_units_are_never_guessed(tmp_path: Path, name: str, data: bytes) -> None:
    path = examples.write(tmp_path / name, data)
    done = gateway("render", *(part for each in EQUIPMENT for part in ("-m", each)), path)
    assert done.status == 3
    assert f"-m '{UNIT}'" in done.err
