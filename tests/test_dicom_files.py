"""DICOM files of many makers go through byte for byte, or are refused in words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from doors import stow
from gateway.archive.server import running

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
FORBIDDEN = (ImplicitVRLittleEndian, ExplicitVRBigEndian)


def _candidates() -> Iterator[Path]:
    """Files of pydicom's own test data that have a preamble."""
    for path in sorted(FILES.rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            yield path


def _header(path: Path) -> pydicom.FileDataset | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(path, specific_tags=list(UIDS))
        except Exception:
            return None
    return header if all(header.get(keyword) for keyword in UIDS) else None


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("archive")) as url:
        yield url


def _stored(outcome: dict[str, str], archive: str) -> bytes:
    url = (
        f"{archive}/studies/{outcome['study_instance_uid']}/series/{outcome['series_instance_uid']}"
        f"/instances/{outcome['sop_instance_uid']}"
    )
    answer = httpx.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert answer.status_code == 200, answer.text
    assert httpx.delete(url).status_code in (200, 204)
    return answer.content


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in _candidates()])
def test_file_of_another_maker(path: Path, archive: str) -> None:
    header = _header(path)
    done = stow("--url", archive, path)
    [outcome] = done.lines
    if (
        outcome["status"] == "rejected" and "--verbatim" in outcome["text"]
    ):  # cut off, and would have to be rewritten
        assert "damaged" in outcome["text"]
        done = stow("--verbatim", "--url", archive, path)
        assert _stored(done.lines[0], archive) == path.read_bytes()
        return
    if outcome["status"] == "rejected":
        assert header is None or not header.file_meta.get("TransferSyntaxUID"), outcome
        assert outcome["text"].startswith(str(path))
        assert done.status == 3
        return
    assert header is not None
    assert outcome["status"] in ("stored", "warning"), outcome
    assert [outcome[key] for key in ("sop_class_uid", "sop_instance_uid")] == [
        header.SOPClassUID,
        header.SOPInstanceUID,
    ]
    stored = _stored(outcome, archive)
    if header.file_meta.TransferSyntaxUID in FORBIDDEN:
        assert "Explicit VR Little Endian" in outcome["text"]
        done = stow("--verbatim", "--url", archive, path)
        stored = _stored(done.lines[0], archive)
    assert stored == path.read_bytes()
