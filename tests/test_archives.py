"""A ZIP archive among the files of a call: each member is a file of its own."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest

import examples
from doors import stow


@pytest.fixture
def export(tmp_path: Path) -> Path:
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as inner:
        inner.writestr("x.dcm", examples.dicom())
    path = tmp_path / "files" / "export.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("CT/1.dcm", examples.dicom())
        made.writestr("CT/2.dcm", examples.dicom(SOPInstanceUID="2.25.1009")[128:])
        made.writestr("CT/again.dcm", examples.dicom())
        made.writestr("letter.dcm", examples.pdf(Title="Letter"))
        made.writestr("bad.dcm", examples.dicom()[:300])
        made.writestr("nested.zip", nested.getvalue())
        made.writestr("__MACOSX/CT/._1.dcm", b"\0\5\x16\7")
    return path


def test_members_are_stored_and_rejected_one_by_one(export: Path, archive: str, tmp_path: Path) -> None:
    done = stow("--url", archive, "--tmp-dir", tmp_path / "work", export)
    outcomes = {entry["source"].removeprefix(f"{export}!/"): entry for entry in done.lines}
    assert {name: entry["status"] for name, entry in outcomes.items()} == {
        "CT/1.dcm": "stored",
        "CT/2.dcm": "stored",
        "CT/again.dcm": "duplicate",
        "letter.dcm": "stored",
        "bad.dcm": "rejected",
        "nested.zip": "rejected",
    }
    assert all(str(tmp_path / "work") not in (entry["text"] or "") for entry in outcomes.values())
    assert outcomes["bad.dcm"]["text"].startswith(f"{export}!/bad.dcm is not whole")
    assert "is a ZIP archive" in outcomes["nested.zip"]["text"]
    assert f"is the same as {export}!/CT/1.dcm" in outcomes["CT/again.dcm"]["text"]
    assert "letter.dcm is a PDF document by its content" in outcomes["letter.dcm"]["text"]
    assert list((tmp_path / "work").iterdir()) == []
    url = f"{archive}/studies/2.25.1002/series/2.25.1003/instances/2.25.1001"
    answer = httpx.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert answer.content == examples.dicom()


def test_a_folder_may_have_archives_in_it(export: Path) -> None:
    (export.parent / "zz.dcm").write_bytes(examples.dicom(SOPInstanceUID="2.25.7"))
    sources = [entry["source"] for entry in stow("--dry-run", export.parent).lines]
    assert f"{export}!/CT/1.dcm" in sources
    assert f"{export.parent}/zz.dcm" in sources


def test_what_is_left_of_an_archive_is_sent_again(export: Path, archive: str, tmp_path: Path) -> None:
    first = stow("--dry-run", export)
    entries = [json.dumps(entry) for entry in first.lines if entry["status"] == "rendered"]
    result = tmp_path / "result"
    result.write_text("\n".join(entries))
    again = stow("--url", archive, "--retry", result)
    assert [entry["status"] for entry in again.lines] == ["stored"] * 3
    uids = {entry["source"]: entry["sop_instance_uid"] for entry in first.lines}
    assert all(entry["sop_instance_uid"] == uids[entry["source"]] for entry in again.lines)


def test_an_archive_that_cannot_be_read_is_one_rejection(tmp_path: Path) -> None:
    path = examples.write(tmp_path / "cut.zip", b"PK\3\4" + bytes(100))
    [outcome] = stow("--dry-run", path).lines
    assert (outcome["source"], outcome["status"]) == (str(path), "rejected")
    assert "not whole" in outcome["text"]
