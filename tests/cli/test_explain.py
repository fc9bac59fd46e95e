"""`gateway explain`: which step won, which have lost, and what keeps a file from being sent."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from doors import Done, gateway
from gateway.cli import samples

MAPPING = """\
template: vl-photographic
sources:
  path: {name: '(?P<mrn>[0-9]+)_(?P<day>[0-9]{8})\\.jpg'}
  table: {file: patients.csv, key: mrn, equals: '{{ path.mrn }}'}
attributes:
  PatientID: '{{ path.mrn }}'
  PatientName: '{{ row.last }}^{{ row.first }}'
  StudyDate: '{{ path.day | dicom_date }}'
  AnatomicRegionSequence: SCT:39937001:Skin
  SeriesDescription: '{{ row.none }}'
  PatientComments: ~
"""
TABLE = "mrn;last;first;none\n4711001;Müller;Anna;\n4711002;Meyer;Bo;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "patients.csv").write_text(TABLE, "utf-8")
    for name in ("4711002_20240531.jpg", "4711009_20240531.jpg"):
        samples.photo(tmp_path / name)
    return tmp_path


def explained(*arguments: object) -> tuple[Done, dict[str, dict[str, Any]], dict[str, Any]]:
    """How the command ended, its attributes by name, and its last line."""
    done = gateway("explain", "--json", *arguments)
    *rows, last = map(json.loads, done.out.splitlines())
    return done, {row["attribute"]: row for row in rows}, last


def test_every_attribute_says_where_it_comes_from(folder: Path) -> None:
    done, rows, last = explained("--xc", "-m", "PatientName=Doe^John", folder / "4711002_20240531.jpg")
    assert done.status == 0
    assert (rows["PatientName"]["origin"], rows["PatientName"]["step"]) == ("-m", "typed")
    assert rows["Modality"]["origin"].startswith("template vl-photographic")
    assert (rows["Rows"]["origin"], rows["Rows"]["step"]) == ("the file itself", "itself")
    assert (rows["PatientID"]["origin"], rows["PatientID"]["step"]) == ("required, but not known", "empty")
    assert (rows["SOPInstanceUID"]["origin"], rows["SOPInstanceUID"]["step"]) == (
        "what identifies the file",
        "identity",
    )
    assert (rows["PatientName"]["vr"], rows["Rows"]["vr"]) == ("PN", "US")
    assert last["problems"] == []
    assert "the patient is not known: PatientID is empty" in last["messages"]


def test_what_has_lost_is_told_with_its_values_and_places(folder: Path) -> None:
    site = folder / "site.yaml"
    _, rows, _ = explained("--mapping", site, "-m", "PatientName=Doe^John", folder / "4711002_20240531.jpg")
    assert rows["PatientName"]["lost"] == [
        {
            "step": "mapping",
            "origin": f"{site}:7",
            "value": "Meyer^Bo",
            "source": "patients.csv, row 3",
            "note": None,
        }
    ]
    assert (rows["StudyDate"]["value"], rows["StudyDate"]["origin"]) == ("20240531", f"{site}:8")
    [lost] = rows["StudyDate"]["lost"]
    assert (lost["step"], lost["value"]) == ("template", "20260314")
    assert rows["AnatomicRegionSequence.CodeMeaning"]["origin"] == f"{site}:9"
    assert (rows["SeriesDescription"]["value"], rows["SeriesDescription"]["note"]) == (
        None,
        "comes to nothing",
    )
    assert (rows["PatientComments"]["value"], rows["PatientComments"]["note"]) == (None, "removed")


def test_a_file_that_is_held_is_explained_as_far_as_it_is_known(folder: Path) -> None:
    done, rows, last = explained("--mapping", folder / "site.yaml", folder / "4711009_20240531.jpg")
    assert done.status == 3
    [problem] = last["problems"]
    assert "4711009" in problem
    assert rows["PatientID"]["value"] == "4711009"
    assert (rows["PatientName"]["value"], rows["PatientName"]["note"]) == (None, "is not known without row")
    assert rows["StudyDate"]["value"] == "20240531"


def test_a_file_that_the_mapping_is_not_for_is_explained_with_the_reason(folder: Path) -> None:
    other = (folder / "4711009_20240531.jpg").rename(folder / "other.jpg")
    done, rows, last = explained("--mapping", folder / "site.yaml", other)
    assert done.status == 3
    assert "its name 'other.jpg' is not what the mapping expects" in last["problems"][0]
    assert rows["PatientID"]["note"] == "is not known without path"
    assert rows["AnatomicRegionSequence.CodeMeaning"]["value"] == "Skin"


def test_people_get_a_table_and_the_problems(folder: Path) -> None:
    done = gateway(
        "explain", "--mapping", folder / "site.yaml", "-m", "PatientID=", folder / "4711002_20240531.jpg"
    )
    assert done.status == 0
    assert "patients.csv, row 3" in " ".join(done.out.split())
    assert "lost:" in done.out
    held = gateway("explain", "--mapping", folder / "site.yaml", folder / "4711009_20240531.jpg")
    assert held.status == 3
    assert held.err.startswith("gateway: ")
    assert "AnatomicRegionSequence" in held.out


def test_what_is_no_picture_has_a_problem_and_no_attributes(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    done, rows, last = explained(folder / "notes.txt")
    assert (done.status, rows, len(last["problems"])) == (3, {}, 1)


def test_a_member_of_an_archive_is_explained(folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name in ("4711002_20240531.jpg", "4711009_20240531.jpg"):
            archive.write(folder / name, name)
    site = folder / "site.yaml"
    done, rows, _ = explained("--mapping", site, f"{folder}/all.zip!/4711002_20240531.jpg")
    assert (done.status, rows["PatientName"]["value"]) == (0, "Meyer^Bo")
    several = gateway("explain", folder / "all.zip")
    assert several.status == 2
    assert "has 2 files: name one of them" in several.err


def test_what_came_with_a_file_is_what_lies_beside_it_below_a_root(folder: Path) -> None:
    (folder / "count.yaml").write_text("attributes: {PatientID: '4711001', StudyID: '{{ group.count }}'}\n")
    arguments = ("--mapping", folder / "count.yaml", folder / "4711002_20240531.jpg")
    assert explained(*arguments)[1]["StudyID"]["value"] == "1"
    assert explained("--root", folder, *arguments)[1]["StudyID"]["value"] == "2"


def test_relative_names_start_from_the_root(folder: Path) -> None:
    (folder / "by-folder.yaml").write_text("attributes: {PatientID: '{{ media.folder }}'}\n")
    (folder / "4711001").mkdir()
    samples.photo(folder / "4711001" / "a.jpg")
    arguments = ("--mapping", folder / "by-folder.yaml", folder / "4711001" / "a.jpg")
    assert explained(*arguments)[1]["PatientID"]["value"] == ""
    assert explained("--root", folder, *arguments)[1]["PatientID"]["value"] == "4711001"
    outside = gateway("explain", "--root", folder / "4711001", folder / "patients.csv")
    assert (outside.status, "is not below" in outside.err) == (2, True)


def test_a_dicom_file_is_explained(folder: Path) -> None:
    gateway("render", "--part10", folder / "out", "-m", "PatientID=1", folder / "4711002_20240531.jpg")
    [path] = (folder / "out").iterdir()
    done, rows, _ = explained("-m", "PatientID=2", path)
    assert done.status == 0
    assert (rows["PatientID"]["value"], rows["PatientID"]["step"]) == ("2", "typed")
    assert rows["Modality"]["step"] == "itself"
