"""The ready-made mappings, each on a folder as its sites have it, through the command and an archive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

import sites
from doors import gateway
from sent import Sent, sent

NAMES = ("document", "ecg", "endoscopy", "legacy", "microscopy", "model", "ophthalmology", "photo")


def values(sent: Sent, *keywords: str) -> dict[str, tuple[Any, ...]]:
    """Some values of each object that went, empty text where there is none."""
    return {
        name: tuple(str(dataset.get(keyword) or "") for keyword in keywords)
        for name, dataset in sent.objects.items()
    }


def studies(sent: Sent) -> dict[str, set[str]]:
    """The files of each study."""
    found: dict[str, set[str]] = {}
    for name, dataset in sent.objects.items():
        found.setdefault(dataset.StudyInstanceUID, set()).add(name)
    return found


def held(sent: Sent) -> set[str]:
    """The files that are held for a person to look at."""
    return {name for name, status in sent.statuses().items() if status == "held"}


def test_photos(tmp_path: Path) -> None:
    done = sent(sites.photos(tmp_path / "in"), "photo", tmp_path)
    assert held(done) == {"DCIM/100CANON/IMG_0043.JPG", "20240531_142200.jpg"}
    assert "'20240531_142200' is a time stamp" in done.text("20240531_142200.jpg")
    assert done.stored == len(done.objects) == 6
    assert values(done, "PatientID", "StudyDate", "ImageLaterality", "Modality") == {
        "4711001_20240531_L_02.jpg": ("4711001", "20240531", "L", "XC"),
        "4711001_20240531_wound.jpg": ("4711001", "20240531", "", "XC"),
        "4711001_heel.jpg": ("4711001", "20240603", "", "XC"),
        "4711002/IMG_0042.JPG": ("4711002", "20240531", "", "XC"),
        "4711002/20240601_R_1.jpg": ("4711002", "20240601", "R", "XC"),
        "4711003/undated.jpg": ("4711003", "", "", "XC"),
    }
    assert {"4711001_20240531_L_02.jpg", "4711001_20240531_wound.jpg"} in studies(done).values()
    assert len(studies(done)) == 5
    assert done.judged() == {}


def test_endoscopy(tmp_path: Path) -> None:
    done = sent(sites.exams(tmp_path / "in"), "endoscopy", tmp_path)
    assert held(done) == {"DVD 3/still_001.jpg"}
    exam = "4711001/20240531 OGD"
    assert values(done, "PatientID", "StudyDate", "Modality", "SOPClassUID") == {
        f"{exam}/still_001.jpg": ("4711001", "20240531", "ES", "1.2.840.10008.5.1.4.1.1.77.1.1"),
        f"{exam}/still_002.jpg": ("4711001", "20240531", "ES", "1.2.840.10008.5.1.4.1.1.77.1.1"),
        f"{exam}/clip.mp4": ("4711001", "20240531", "ES", "1.2.840.10008.5.1.4.1.1.77.1.1.1"),
        "4711001/2024-06-03/still_001.jpg": ("4711001", "20240603", "ES", "1.2.840.10008.5.1.4.1.1.77.1.1"),
    }
    assert sorted(map(len, studies(done).values())) == [1, 3]
    assert done.judged() == {}


def test_ophthalmology(tmp_path: Path) -> None:
    done = sent(sites.eyes(tmp_path / "in"), "ophthalmology", tmp_path)
    assert held(done) == {"4711003_fundus.jpg"}
    assert values(done, "PatientID", "ImageLaterality", "ContentDate", "ContentTime") == {
        "4711001_OD_1.jpg": ("4711001", "R", "20240531", "142200"),
        "4711001_os_2.jpg": ("4711001", "L", "20240531", "142200"),
        "4711002/OU/IMG_0001.JPG": ("4711002", "B", "20240531", "142200"),
        "4711002/20240601_093000_OD.jpg": ("4711002", "R", "20240601", "093000"),
    }
    assert done.objects["4711002/20240601_093000_OD.jpg"].AcquisitionDateTime == "20240601093000"
    assert done.judged() == {}


def test_microscopy(tmp_path: Path) -> None:
    done = sent(sites.slides(tmp_path / "in"), "microscopy", tmp_path)
    assert held(done) == set()

    def specimen(dataset: Dataset) -> tuple[str, str]:
        items = dataset.get("SpecimenDescriptionSequence") or [Dataset()]
        return str(dataset.get("ContainerIdentifier", "")), str(items[0].get("SpecimenIdentifier", ""))

    assert {name: specimen(dataset) for name, dataset in done.objects.items()} == {
        "4711001_H24-01234-1A_01.tif": ("H24-01234-1A", "H24-01234-1A"),
        "4711001_H24-01234-1A_02.png": ("H24-01234-1A", "H24-01234-1A"),
        "4711001_H24-01236-1.mp4": ("H24-01236-1", "H24-01236-1"),
        "4711002/H24-01235-2.jpg": ("H24-01235-2", "H24-01235-2"),
        "4711002/IMG_0042.JPG": ("", ""),
    }
    first, second = (
        done.objects[f"4711001_H24-01234-1A_{name}"].SpecimenDescriptionSequence[0].SpecimenUID
        for name in ("01.tif", "02.png")
    )
    assert first == second
    assert done.judged() == {}


def test_documents(tmp_path: Path) -> None:
    done = sent(sites.papers(tmp_path / "in"), "document", tmp_path)
    assert held(done) == {"Scan_0043.pdf"}
    assert values(done, "PatientID", "StudyDate", "DocumentTitle", "ConversionType") == {
        "4711001_20240531_Referral_letter.pdf": ("4711001", "20240531", "Referral letter", "SD"),
        "4711001_20240531.pdf": ("4711001", "20240531", "Discharge letter", "SD"),
        "4711002/Scan_0042.pdf": ("4711002", "", "", "SD"),
        "4711002/page.tif": ("4711002", "", "", "SD"),
        "4711002/summary.xml": ("4711002", "20240531", "Arztbrief für Jörg", "WSD"),
    }
    assert done.judged() == {}


def test_ecgs(tmp_path: Path) -> None:
    done = sent(sites.tracings(tmp_path / "in"), "ecg", tmp_path)
    assert held(done) == {"4711003/rest.pdf"}
    assert "the XML is of the patient 4711004, and the path says 4711003" in done.text("4711003/rest.pdf")
    assert values(done, "PatientID", "PatientName", "PatientSex", "StudyDate", "StudyTime") == {
        "4711001/rest.pdf": ("4711001", "Müller^Jürgen", "M", "20240531", "142200"),
        "4711002_20240601.pdf": ("4711002", "", "M", "20240601", "093000"),
        "4711005/alone.pdf": ("4711005", "", "", "", ""),
    }
    assert done.judged() == {}


def test_models(tmp_path: Path) -> None:
    device = ("manufacturer=Example", "model=Planner", "serial=1", "software=2.1")
    options = (part for fact in device for part in ("--site", fact))
    done = sent(sites.prints(tmp_path / "in"), "model", tmp_path, *options)
    assert held(done) == set()
    assert values(done, "PatientID", "Modality", "ManufacturerModelName", "SoftwareVersions") == {
        "4711001_20240531_skull.stl": ("4711001", "M3D", "Planner", "2.1"),
        "4711002/skull.obj": ("4711002", "M3D", "Planner", "2.1"),
        "4711002/skull.mtl": ("4711002", "M3D", "Planner", "2.1"),
    }
    assert len(studies(done)) == 2
    unknown = ["Error - Information Object Not found"]  # to dciodvfy
    assert done.judged() == {"4711002/skull.obj": unknown, "4711002/skull.mtl": unknown}


def test_models_of_an_unknown_device_are_not_sent(tmp_path: Path) -> None:
    done = sent(sites.prints(tmp_path / "in"), "model", tmp_path)
    assert done.stored == 0
    assert "Manufacturer" in done.text("4711002/skull.obj")


def test_legacy_export(tmp_path: Path) -> None:
    done = sent(sites.export(tmp_path / "in"), "legacy", tmp_path)
    assert held(done) == {"2010/0002/UNLISTED.PDF"}
    keywords = ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "StudyDate")
    assert values(done, *keywords) == {
        "2009/0001/IMG00001.JPG": ("4711001", "Müller^Jürgen", "19600103", "A1", "20090531"),
        "2009/0001/IMG00002.JPG": ("4711001", "Müller^Jürgen", "19600103", "A1", "20090531"),
        "2010/0002/DOC00001.PDF": ("4711002", "Doe^Jane", "", "", "20100601"),
    }
    assert sorted(map(len, studies(done).values())) == [1, 2]
    assert done.judged() == {}


# All of them


@pytest.mark.parametrize("name", NAMES)
def test_check_warns_where_patient_ids_have_no_pattern(name: str) -> None:
    done = gateway("check", name)
    assert done.status == 0, done.out
    assert "warning" in done.out
    assert "patient_id" in done.out


def test_a_pattern_silences_the_warning_and_decides(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("extends: photo\npatient_id: '\\d{7}'\n")
    done = gateway("check", own)
    assert (done.status, "warning" in done.out) == (0, False)


DOCS = (Path(__file__).parents[2] / "docs/mappings.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_all_are_explained(name: str) -> None:
    assert f"## `{name}`" in DOCS


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL))
def test_the_examples_are_right(example: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(example)
    done = gateway("check", own)
    assert done.status == 0, done.out


def test_what_came_along_is_in_no_uid(tmp_path: Path) -> None:
    """A file that comes late makes the same instance, in the same study, as with the others."""
    folder = sites.photos(tmp_path / "in")
    before = {
        name: data.SOPInstanceUID for name, data in sent(folder, "photo", tmp_path / "1").objects.items()
    }
    (folder / "4711001_20240531_L_03.jpg").write_bytes(sites.photo("late"))
    (folder / "4711003/late.jpg").write_bytes(sites.photo("late, too"))
    after = {
        name: data.SOPInstanceUID for name, data in sent(folder, "photo", tmp_path / "2").objects.items()
    }
    assert len(after) == len(before) + 2
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("key", ["", "identity: {study: '{{ media.folder }}'}\n"])
def test_an_accession_number_makes_one_study_of_several_days(tmp_path: Path, key: str) -> None:
    """Unless the site's own mapping says what else does."""
    own = tmp_path / "own.yaml"
    own.write_text(f"extends: photo\n{key}attributes: {{PatientID: '4711009', AccessionNumber: A1}}\n")
    done = sent(sites.photos(tmp_path / "in"), own, tmp_path)
    assert len({dataset.StudyDate for dataset in done.objects.values()}) > 1 or not key
    assert len(studies(done)) == (len({Path(name).parent for name in done.objects}) if key else 1)


def test_a_person_may_say_whom_a_file_shows(tmp_path: Path) -> None:
    folder = sites.photos(tmp_path / "in")
    done = sent(folder, "photo", tmp_path, "-m", "PatientID=4711009")
    assert set(done.statuses().values()) == {"stored"}
    assert {str(dataset.PatientID) for dataset in done.objects.values()} == {"4711009"}
