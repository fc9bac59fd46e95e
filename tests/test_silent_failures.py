"""Things that other tools get wrong without saying so: each is stored rightly here, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from PIL import Image

from doors import gateway, stow
from gateway.cli import samples
from gateway.stow.client import Client
from videos import FRAGMENTED, make_video

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    samples.make(tmp_path / "inputs")
    return tmp_path / "inputs"


def _rendered(*arguments: object) -> dict[str, Any]:
    """The one data set that would be sent."""
    done = gateway("render", *arguments)
    assert done.status == 0, done
    [dataset] = json.loads(done.out)
    assert isinstance(dataset, dict)
    return dataset


def _refused(file: Path) -> str:
    """Why a file is not sent."""
    done = stow("--dry-run", file)
    [outcome] = done.lines
    assert (done.status, outcome["status"]) == (3, "rejected")
    return str(outcome["text"])


def test_second_file_missing_and_the_first_is_stored(archive: str, inputs: Path) -> None:
    done = stow("--url", archive, inputs / "wound.jpg", inputs / "missing.jpg")
    assert done.status == 3
    assert sorted(line["status"] for line in done.lines) == ["rejected", "stored"]


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF", "BMP", "WEBP"])
def test_pictures_that_are_no_jpeg_are_stored_as_what_they_are(format: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 9), "red").save(file, format)
    dataset = _rendered(file)
    assert (dataset["00280010"]["Value"], dataset["00280011"]["Value"]) == ([9], [8])
    assert dataset["00280004"]["Value"] == ["RGB"]


def test_picture_of_a_kind_that_cannot_be_converted_is_named(tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 8)).save(file, "PPM")
    assert "Netpbm" in _refused(file)


@pytest.mark.parametrize("profile", ["baseline", "main"])
def test_h264_that_is_not_high_is_named(profile: str, tmp_path: Path) -> None:
    text = _refused(make_video(tmp_path / "v.mp4", profile=profile))
    assert profile.title() in text
    assert "High" in text
    assert "--transcode" in text


def test_fragmented_video_has_all_its_frames(tmp_path: Path) -> None:
    file = make_video(tmp_path / "v.mp4", profile="high", frames=75, muxer=FRAGMENTED)
    assert _rendered(file)["00280008"]["Value"] == [75]


@pytest.mark.parametrize("suffix", [".mpg", ".ts"])
def test_mpeg2_has_all_its_frames(suffix: str, tmp_path: Path) -> None:
    file = make_video(tmp_path / f"v{suffix}", codec="mpeg2", frames=75, size=(720, 576))
    assert _rendered(file)["00280008"]["Value"] == [75]


def test_broken_picture_is_refused(inputs: Path) -> None:
    data = (inputs / "wound.jpg").read_bytes()
    (inputs / "wound.jpg").write_bytes(data[: len(data) // 2])
    assert "whole" in _refused(inputs / "wound.jpg")


def test_attributes_without_files_are_an_object_of_their_own(archive: str, tmp_path: Path) -> None:
    report = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.88.11"]},
        "00080060": {"vr": "CS", "Value": ["SR"]},
        "00100020": {"vr": "LO", "Value": ["4711"]},
        "0040A040": {"vr": "CS", "Value": ["CONTAINER"]},
    }
    (tmp_path / "sr.json").write_text(json.dumps(report))
    done = stow("-f", tmp_path / "sr.json", "-m", "PatientName=Doe^John", "--url", archive)
    assert done.status == 0, done
    [found] = httpx.get(f"{archive}/instances?PatientID=4711&includefield=all").json()
    assert found["00100010"]["Value"] == [{"Alphabetic": "Doe^John"}]
    assert found["0040A040"]["Value"] == ["CONTAINER"]


@pytest.mark.parametrize("limit", ["0", "1", "5"])
@pytest.mark.parametrize("form", ["dicom", "json", "xml"])
def test_a_folder_of_many_kinds_is_stored_as_what_each_is(
    form: str, limit: str, archive: str, inputs: Path
) -> None:
    done = stow("-t", form, "--limit", limit, "--url", archive, inputs)
    assert done.status == 0, done
    classes = {Path(line["source"]).name: line["sop_class_uid"] for line in done.lines}
    assert classes["report.pdf"] == ENCAPSULATED_PDF
    assert classes["wound.jpg"] == SECONDARY_CAPTURE
    assert len(classes) == len(done.lines) == 4


def test_picture_after_dicom_files_is_a_picture(archive: str, inputs: Path) -> None:
    done = stow("--url", archive, inputs / "phantom.dcm", inputs / "wound.jpg")
    assert done.status == 0
    [dataset] = httpx.get(
        f"{archive}/studies/{done.lines[1]['study_instance_uid']}/metadata",
        headers={"Accept": "application/dicom+json"},
    ).json()
    assert dataset["00280010"]["Value"] == [480]


def test_document_with_a_picture_s_name_is_a_document_and_says_so(inputs: Path) -> None:
    file = (inputs / "report.pdf").rename(inputs / "report.jpg")
    done = gateway("render", file)
    assert json.loads(done.out)[0]["00080016"]["Value"] == [ENCAPSULATED_PDF]
    assert "report.jpg" in done.err


def test_accepted_with_failures_is_a_failure(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        request.read()
        uid = json.loads(gateway("render", inputs / "wound.jpg").out)[0]["00080018"]["Value"][0]
        item = {
            "00081155": {"vr": "UI", "Value": [uid]},
            "00081197": {"vr": "US", "Value": [0xA900]},
        }
        return httpx.Response(202, json={"00081198": {"vr": "SQ", "Value": [item]}})

    with_answer = lambda *args, **options: Client(*args, **options, transport=httpx.MockTransport(refuse))  # noqa: E731
    monkeypatch.setattr("gateway.pipeline.Client", with_answer)
    done = stow("--url", "http://archive.invalid/dicom-web", inputs / "wound.jpg")
    [outcome] = done.lines
    assert (done.status, outcome["status"], outcome["reason"]) == (3, "failed", "A900")


def test_query_of_the_address_is_no_study(archive: str, inputs: Path) -> None:
    done = stow("--url", f"{archive}/studies?updatePolicy=MERGE", inputs / "wound.jpg")
    assert done.status == 0
    assert done.lines[0]["study_instance_uid"].startswith("2.25.")


def test_no_app_leaves_out_exif(inputs: Path, tmp_path: Path) -> None:
    for options, there in (([], True), (["--no-app"], False)):
        done = gateway("render", *options, "--part10", tmp_path / "out", inputs / "wound.jpg")
        assert done.status == 0, done
        [file] = (tmp_path / "out").glob("*.dcm")
        assert (b"Exif\0" in file.read_bytes()) is there
        file.unlink()


def test_inks_become_colours(tmp_path: Path) -> None:
    file = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16)).save(file, "JPEG")
    done = gateway("render", "--part10", tmp_path / "out", file)
    assert done.status == 0, done
    [written] = (tmp_path / "out").glob("*.dcm")
    dataset = pydicom.dcmread(written)
    assert dataset.PhotometricInterpretation == "RGB"
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert dataset.LossyImageCompression == "01"
    assert set(dataset.PixelData) == {255}, "no ink is white"


def test_progressive_is_never_called_baseline(tmp_path: Path) -> None:
    file = tmp_path / "web.jpg"
    Image.new("RGB", (16, 16)).save(file, "JPEG", progressive=True)
    done = gateway("render", "--part10", tmp_path / "out", file)
    assert done.status == 0, done
    [written] = (tmp_path / "out").glob("*.dcm")
    dataset = pydicom.dcmread(written)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert b"\xff\xc0" in dataset.PixelData
    assert b"\xff\xc2" not in dataset.PixelData


def test_picture_that_is_to_be_turned_is_turned(samples: Path) -> None:
    for name in ("Landscape_6.jpg", "Landscape_8.jpg"):
        file = samples / "jpeg" / name
        dataset = _rendered(file)
        assert (dataset["00280010"]["Value"], dataset["00280011"]["Value"]) == ([1200], [1800])
        kept = _rendered("--keep-orientation", file)
        assert (kept["00280010"]["Value"], kept["00280011"]["Value"]) == ([1800], [1200])


def test_boundary_of_other_tools_inside_a_file_does_no_harm(archive: str, inputs: Path) -> None:
    data = (inputs / "wound.jpg").read_bytes()
    comment = b"\r\n--myboundary\r\nContent-Type: image/jpeg\r\n\r\n\r\n--myboundary--\r\n"
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    (inputs / "wound.jpg").write_bytes(data[:2] + segment + data[2:])
    assert stow("-t", "json", "--url", archive, inputs / "wound.jpg").status == 0


def test_wrong_name_of_a_file_that_is_converted_is_told(tmp_path: Path) -> None:
    file = tmp_path / "picture.pdf"
    Image.new("RGB", (8, 8)).save(file, "PNG")
    done = gateway("render", file)
    assert "picture.pdf" in done.err
    assert "PNG" in done.err
