"""The main job: real files into real archives, and back byte for byte."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.encaps import generate_frames

from doors import stow
from gateway.archive.server import running
from support import dciodvfy, dcmdump

PATIENT = ("-m", "PatientID=4711", "-m", "PatientName=Müller^Jörg")
FILES = ("jpeg/Landscape_1.jpg", "pdf/minimal-document.pdf", "video/bottle.mp4")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb root of an embedded archive."""
    with running(tmp_path_factory.mktemp("archive")) as url:
        yield url


def _retrieve(root: str, outcome: dict[str, Any]) -> bytes:
    """The Part 10 file of an instance, fetched by somebody else's client."""
    client = DICOMwebClient(root)
    dataset = client.retrieve_instance(
        outcome["study_instance_uid"],
        outcome["series_instance_uid"],
        outcome["sop_instance_uid"],
        media_types=(("application/dicom", "*"),),
    )
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _content(part10: bytes) -> bytes:
    """The bytes that an object carries, read by pydicom."""
    dataset = pydicom.dcmread(io.BytesIO(part10))
    if "EncapsulatedDocument" in dataset:
        document: bytes = dataset.EncapsulatedDocument
        return document[: dataset.EncapsulatedDocumentLength]
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def _check_object(part10: bytes, path: Path) -> None:
    path.write_bytes(part10)
    dcmdump(path)
    assert dciodvfy(path) == []


@pytest.mark.parametrize("name", FILES)
def test_orthanc_takes_every_kind_as_part10(name: str, orthanc: str, samples: Path, tmp_path: Path) -> None:
    done = stow(*PATIENT, "--url", orthanc, samples / name)
    assert done.status == 0, done
    [outcome] = done.lines
    assert outcome["status"] == "stored"
    part10 = _retrieve(orthanc, outcome)
    source = (samples / name).read_bytes()
    assert _content(part10) in (source, source + b"\0")
    _check_object(part10, tmp_path / "object.dcm")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["dicom", "json", "xml"])
def test_the_embedded_archive_takes_every_form(
    name: str, form: str, archive: str, samples: Path, tmp_path: Path
) -> None:
    done = stow(*PATIENT, "-m", f"StudyID={form}", "-t", form, "--url", archive, samples / name)
    assert done.status == 0, done
    [outcome] = done.lines
    assert outcome["status"] == "stored", outcome
    part10 = _retrieve(archive, outcome)
    source = (samples / name).read_bytes()
    assert _content(part10) in (source, source + b"\0")
    dataset = pydicom.dcmread(io.BytesIO(part10))
    assert dataset.PatientName == "Müller^Jörg"
    assert dataset.StudyID == form
    _check_object(part10, tmp_path / "object.dcm")


def test_orthanc_refuses_metadata_and_gets_part10_instead(orthanc: str, samples: Path) -> None:
    done = stow(
        "-m", "PatientID=4712", "-t", "json", "--url", orthanc, samples / FILES[0], samples / FILES[1]
    )
    assert done.status == 0, done
    assert [line["status"] for line in done.lines] == ["stored", "stored"]
    assert "DICOM file" in done.lines[0]["text"]


def test_many_instances_in_one_request(archive: str, samples: Path) -> None:
    files = [samples / name for name in FILES]
    done = stow("-m", "PatientID=4713", "--limit", "0", "--url", archive, *files)
    assert done.status == 0, done
    assert len({line["study_instance_uid"] for line in done.lines}) == 1
    assert len({line["series_instance_uid"] for line in done.lines}) == 3
    assert done.summary["stored"] == 3


def test_a_second_run_stores_nothing_twice(archive: str, samples: Path) -> None:
    arguments = ("-m", "PatientID=4714", "--url", archive, samples / FILES[0])
    first, second = stow(*arguments), stow("--skip-existing", *arguments)
    assert first.lines[0]["sop_instance_uid"] == second.lines[0]["sop_instance_uid"]
    assert (second.status, second.lines[0]["status"]) == (0, "duplicate")
    found = httpx.get(f"{archive}/instances", params={"PatientID": "4714"}).json()
    assert len(found) == 1


def test_the_same_picture_twice_in_one_call_is_one_instance(
    archive: str, samples: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes((samples / FILES[0]).read_bytes())
    done = stow("-m", "PatientID=4715", "--url", archive, samples / FILES[0], copy)
    assert [line["status"] for line in done.lines] == ["stored", "duplicate"]


def test_study_uid_in_the_address_is_the_study(archive: str, samples: Path) -> None:
    done = stow("--url", f"{archive}/studies/1.2.826.0.1.99", samples / FILES[0])
    assert done.lines[0]["study_instance_uid"] == "1.2.826.0.1.99"
    clash = stow(
        "--url", f"{archive}/studies/1.2.826.0.1.99", "-m", "StudyInstanceUID=1.2.3", samples / FILES[0]
    )
    assert (clash.status, clash.lines[0]["status"]) == (3, "rejected")
    assert "1.2.826.0.1.99" in clash.lines[0]["text"]


def test_retry_sends_what_an_earlier_run_left(archive: str, samples: Path, tmp_path: Path) -> None:
    files = [samples / name for name in FILES]
    arguments = ("-m", "AccessionNumber=A4716", "-m", "StudyID=R")
    alone = stow(*arguments, "--url", "http://127.0.0.1:9/dicom-web", "--retry-for", "0", *files)
    assert alone.status == 5
    assert {line["status"] for line in alone.lines} == {"retry"}
    result = tmp_path / "result.ndjson"
    result.write_text(alone.out)
    done = stow(*arguments, "--url", archive, "--retry", result)
    assert [line["status"] for line in done.lines] == ["stored"] * 3
    assert [line["sop_instance_uid"] for line in done.lines] == [
        line["sop_instance_uid"] for line in alone.lines
    ]
    result.write_text(done.out)
    assert stow(*arguments, "--url", archive, "--retry", result).lines == []


def test_failed_files_are_put_aside_with_their_reason(archive: str, samples: Path, tmp_path: Path) -> None:
    done = stow(
        "--url", archive, "--failed-to", tmp_path / "failed", samples / "pdf/libreoffice-writer-password.pdf"
    )
    assert done.status == 3
    names = sorted(path.name for path in (tmp_path / "failed").iterdir())
    assert names == ["libreoffice-writer-password.pdf", "libreoffice-writer-password.pdf.error.json"]
    assert "password" in (tmp_path / "failed" / names[1]).read_text()
