"""The library's door."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

import gateway
from gateway import Fatal, Status
from gateway.cli import samples
from sink import sink


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return samples.make(tmp_path / "files")


def test_what_is_exported_is_there() -> None:
    assert all(hasattr(gateway, name) for name in gateway.__all__)
    assert gateway.__all__ == sorted(gateway.__all__, key=str)


def test_files_are_stored_with_attributes(files: list[Path], archive: str) -> None:
    attributes = {"PatientID": "4711", "PatientName": "Müller^Jörg"}
    outcomes = gateway.store(map(str, files[:2]), archive, attributes=attributes)
    assert [outcome.status for outcome in outcomes] == [Status.STORED, Status.STORED]
    assert [outcome.source for outcome in outcomes] == files[:2]
    [study] = httpx.get(f"{archive}/studies?PatientID=4711").json()
    assert study["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]


def test_a_mapping_says_whom_files_show(files: list[Path], archive: str, tmp_path: Path) -> None:
    photo = files[0].rename(files[0].with_name("4711001_20240531_L_02.jpg"))
    [outcome] = gateway.store([photo], archive, mapping="photo")
    assert outcome.status is Status.STORED
    [study] = httpx.get(f"{archive}/studies?PatientID=4711001").json()
    assert study["00080020"]["Value"] == ["20240531"]


def test_of_several_mappings_the_first_that_is_for_a_file_is_taken(
    files: list[Path], archive: str, tmp_path: Path
) -> None:
    (tmp_path / "papers.yaml").write_text("match: {kind: pdf}\nattributes: {PatientID: paper}\n")
    both = "attributes: {PatientID: rest}\nkinds: {dicom: {attributes: {PatientID: rest}}}\n"
    (tmp_path / "rest.yaml").write_text(both)
    outcomes = gateway.store(files, archive, mapping=[tmp_path / "papers.yaml", str(tmp_path / "rest.yaml")])
    assert {outcome.status for outcome in outcomes} == {Status.STORED}
    for patient in ("paper", "rest"):
        assert httpx.get(f"{archive}/studies?PatientID={patient}").json()


def test_one_bad_file_is_its_own_outcome(files: list[Path], archive: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    outcomes = gateway.store([tmp_path / "notes.txt", files[0]], archive)
    assert {outcome.source.name: outcome.status for outcome in outcomes} == {
        "notes.txt": Status.REJECTED,
        "wound.jpg": Status.STORED,
    }


def test_archive_that_does_not_let_us_in_is_told_of_each_file(files: list[Path]) -> None:
    with sink(401) as (url, _):
        outcomes = gateway.store(files, url)
    assert [outcome.status for outcome in outcomes] == [Status.RETRY] * 4
    assert all("401" in str(outcome.text) for outcome in outcomes)


@pytest.mark.parametrize("attributes", [{"PatientNam": "x"}, {"PatientBirthDate": "1980/01/02"}])
def test_what_cannot_be_done_is_fatal(attributes: dict[str, str], files: list[Path]) -> None:
    with pytest.raises(Fatal, match=next(iter(attributes))):
        gateway.store(files, "http://127.0.0.1:9", attributes=attributes)
