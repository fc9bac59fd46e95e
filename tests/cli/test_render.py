"""Rendering: what would be sent, judged by others."""

from __future__ import annotations

import json
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from PIL import Image

from doors import gateway, stow
from gateway.cli import samples
from support import dciodvfy, dcmdump


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return samples.make(tmp_path_factory.mktemp("files"))


def _parts(request: Path, content_type: str) -> list[Message]:
    """The parts of a request, taken apart by Python's own mail parser."""
    message = BytesParser().parsebytes(content_type.encode() + b"\r\n\r\n" + request.read_bytes())
    assert message.get_content_type() == "multipart/related"
    assert message.defects == []
    parts = message.get_payload()
    assert isinstance(parts, list)
    return parts


@pytest.mark.parametrize("form", ["dicom", "json", "xml"])
def test_request_is_taken_apart_by_another_parser(form: str, files: list[Path], tmp_path: Path) -> None:
    done = gateway("render", "-t", form, "--request", tmp_path / "body", *files)
    assert done.status == 0, done
    [content_type] = [line for line in done.err.splitlines() if "Content-Type" in line]
    parts = _parts(tmp_path / "body", content_type.removeprefix("gateway: "))
    contents = [part.get_payload(decode=True) for part in parts]
    if form == "dicom":
        assert [part["Content-Type"] for part in parts] == ["application/dicom"] * 4
        assert files[-1].read_bytes() in contents
        return
    locations = {part["Content-Location"] for part in parts if part["Content-Location"]}
    assert len(locations) == 4
    for file in files[:3]:
        assert file.read_bytes() in contents
        assert file.stem not in "".join(locations)
    if form == "json":
        sets = json.loads(contents[0])
        uris = {
            element["BulkDataURI"] for each in sets for element in each.values() if "BulkDataURI" in element
        }
        assert uris == locations
        assert sets == json.loads(done.out)


def test_output_is_one_array_and_nothing_else(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    done = gateway("render", tmp_path / "notes.txt", *files)
    assert done.status == 3
    assert [each["00080060"]["Value"] for each in json.loads(done.out)] == [["OT"], ["DOC"], ["XC"], ["OT"]]
    assert "notes.txt" in done.err
    assert json.loads(gateway("render", tmp_path / "notes.txt").out) == []


@pytest.mark.parametrize("options", [[], ["--xc"]])
def test_every_object_is_what_its_class_demands(
    options: list[str], files: list[Path], tmp_path: Path
) -> None:
    done = gateway("render", *options, "--part10", tmp_path, *files)
    assert done.status == 0, done
    written = sorted(tmp_path.glob("*.dcm"))
    assert {path.stem for path in written} == {each["00080018"]["Value"][0] for each in json.loads(done.out)}
    for path in written:
        dcmdump(path)
        assert dciodvfy(path) == []


def test_same_input_gives_the_same_bytes(files: list[Path], tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert gateway("render", "-m", "PatientID=1", "--part10", tmp_path / name, *files).status == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "first").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "second").iterdir())
    ]


def test_new_namespace_is_told(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_UID_NAMESPACE")
    assert "made now and kept in" in stow("--dry-run", files[0]).err
    assert stow("--dry-run", files[0]).err == ""


@pytest.mark.parametrize("form", ["dicom", "json"])
def test_request_with_a_converted_picture(form: str, tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8), (1, 2, 3))
    picture.save(tmp_path / "picture.png")
    tmp_dir = tmp_path / "tmp"
    done = gateway(
        "render", "-t", form, "--tmp-dir", tmp_dir, "--request", tmp_path / "body", tmp_path / "picture.png"
    )
    assert done.status == 0, done
    [content_type] = [line for line in done.err.splitlines() if "Content-Type" in line]
    last = _parts(tmp_path / "body", content_type.removeprefix("gateway: "))[-1].get_payload(decode=True)
    assert isinstance(last, bytes)
    assert picture.tobytes() in last
    assert list(tmp_dir.iterdir()) == []


def _uid(*arguments: object) -> str:
    [dataset] = json.loads(gateway("render", "-m", "PatientID=1", *arguments).out)
    uid: str = dataset["00080018"]["Value"][0]
    return uid


def test_other_bytes_are_another_instance(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 16)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (32, 16)).save(tmp_path / "plain.jpg")
    Image.new("RGB", (32, 16)).save(tmp_path / "plain.png")
    turned, plain, png = (tmp_path / name for name in ("turned.jpg", "plain.jpg", "plain.png"))
    assert _uid(turned) != _uid("--keep-orientation", turned)
    assert _uid(plain) == _uid("--keep-orientation", "--lossless", "rle", "--transcode", plain)
    assert _uid(plain) != _uid("--no-app", plain)
    assert len({_uid(png), _uid("--lossless", "rle", png), _uid("--lossless", "jpeg-ls", png)}) == 3
    assert _uid(png) == _uid("--lossless", "native", png)
