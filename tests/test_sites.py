"""Five sites with mappings of their own: what goes into the archive, and what waits for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

import sites
from sent import Sent, sent
from support import require


def went(site: sites.Site, work: Path, *options: object) -> Sent:
    """What becomes of a site's folder; nothing that is in doubt may be in the archive."""
    done = sent(site.folder, site.mapping, work, *options)
    assert done.stored == len(done.objects)
    assert set(done.statuses().values()) <= {"stored", "held", "skipped", "rejected"}
    assert done.judged() == {}
    return done


def test_photos_named_by_medical_record_number(tmp_path: Path) -> None:
    done = went(sites.photos_by_number(tmp_path), tmp_path)
    assert {(name, str(each.PatientID), each.StudyDate) for name, each in done.objects.items()} == {
        ("47110010_20240531_L_01.jpg", "47110010", "20240531"),
        ("47110010_20240531_R_02.jpg", "47110010", "20240531"),
        ("47110028_sole.jpg", "47110028", "20240603"),
    }
    first = done.objects["47110010_20240531_L_01.jpg"]
    assert (first.InstitutionName, first.InstitutionalDepartmentName) == ("Klinikum Köln", "Dermatologie")
    assert first.IssuerOfPatientID == "KIS"
    assert first.StudyInstanceUID == done.objects["47110010_20240531_R_02.jpg"].StudyInstanceUID
    assert "wrong check digit (luhn)" in done.text("47110029_sole.jpg")
    assert "test patient" in done.text("99110017_sole.jpg")
    assert r"'IMG' is not what patient_id expects: \d{8}" in done.text("IMG_0042.JPG")
    assert "'20240603_100400' is a time stamp" in done.text("20240603_100400.jpg")


def test_endoscopy_with_ini_files(tmp_path: Path) -> None:
    require("dciodvfy")
    done = went(sites.exams_with_ini(tmp_path), tmp_path)
    exam = {f"exam_0001/{name}" for name in ("still_001.jpg", "still_002.jpg", "clip.avi")}
    assert set(done.objects) == exam
    assert len({each.StudyInstanceUID for each in done.objects.values()}) == 1
    assert len({each.SeriesInstanceUID for each in done.objects.values()}) == 2
    for each in done.objects.values():
        assert str(each.PatientName) == "Müller-Lüdenscheidt^Jürgen"
        assert (each.PatientID, each.PatientBirthDate, each.PatientSex) == ("4711001", "19600103", "M")
        assert (each.StudyDate, each.StudyTime) == ("20240531", "142200")
        assert each.StudyDescription == "Ösophago-Gastro-Duodenoskopie 100%"
        assert (each.Modality, each.StationName) == ("ES", "ENDO1")
    assert "exam.ini" in done.text("exam_0002/still_001.jpg")
    assert done.statuses()["exam_0002/still_001.jpg"] == "held"
    assert done.statuses()["exam_0003/still_001.jpg"] == "held"


def test_eyes_that_the_name_and_the_table_say(tmp_path: Path) -> None:
    done = went(sites.eyes_with_table(tmp_path), tmp_path)
    assert {name: each.ImageLaterality for name, each in done.objects.items()} == {
        "4711001/a_OD_1.jpg": "R",
        "4711001/a_OS_2.jpg": "L",
    }
    assert str(done.objects["4711001/a_OD_1.jpg"].PatientName) == "Doe^Jane"
    assert done.statuses()["4711002/b_OD_1.jpg"] == "held"
    assert "the name says OD, and the table left" in done.text("4711002/b_OD_1.jpg")
    assert done.statuses()["4711002/b_OS_2.jpg"] == "held"
    assert "images.csv" in done.text("4711002/b_OS_2.jpg")


def test_ecgs_with_xml_beside_them(tmp_path: Path) -> None:
    done = went(sites.tracings_with_xml(tmp_path), tmp_path)
    [(name, ecg)] = done.objects.items()
    assert name == "ecg_0001.pdf"
    assert (str(ecg.PatientName), ecg.PatientID) == ("Müller^Jürgen", "4711001")
    assert (ecg.PatientBirthDate, ecg.StudyDate, ecg.StudyTime) == ("19600103", "20240531", "142200")
    assert (ecg.DocumentTitle, ecg.ConceptNameCodeSequence[0].CodeValue) == ("ECG", "11524-6")
    assert r"'471100' is not what patient_id expects: \d{7}" in done.text("ecg_0002.pdf")
    assert done.statuses()["ecg_0003.pdf"] == "held"
    assert "ecg_0003.xml" in done.text("ecg_0003.pdf")


def test_scans_joined_through_two_tables(tmp_path: Path) -> None:
    done = went(sites.scans_with_tables(tmp_path), tmp_path)
    keywords = ("PatientID", "AccessionNumber", "SeriesDescription", "InstanceNumber", "PatientBirthDate")
    assert {
        name: tuple(str(each.get(keyword) or "") for keyword in keywords)
        for name, each in done.objects.items()
    } == {
        "2009/0001.TIF": ("P004711", "F1", "Überweisung", "1", "19600103"),
        "2009/0002.TIF": ("P004711", "F1", "Überweisung", "2", "19600103"),
        "2009/0003.TIF": ("P004711", "F1", "Röntgenbefund", "1", "19600103"),
        "2009/0004.TIF": ("P004712", "F2", "Aufklärung", "1", ""),
    }
    assert str(done.objects["2009/0004.TIF"].PatientName) == "Groß^Zoé"
    series = {name: each.SeriesInstanceUID for name, each in done.objects.items()}
    assert series["2009/0001.TIF"] == series["2009/0002.TIF"] != series["2009/0003.TIF"]
    studies = {name: each.StudyInstanceUID for name, each in done.objects.items()}
    assert studies["2009/0001.TIF"] == studies["2009/0003.TIF"] != studies["2009/0004.TIF"]
    assert "patients.csv" in done.text("2009/0005.TIF")
    assert "P004799" in done.text("2009/0005.TIF")
    assert "pages.csv" in done.text("2009/0006.TIF")


@pytest.mark.parametrize(
    "make",
    [
        sites.photos_by_number,
        sites.exams_with_ini,
        sites.eyes_with_table,
        sites.tracings_with_xml,
        sites.scans_with_tables,
    ],
)
def test_what_is_beside_the_files_is_no_fault(make: sites.Make, tmp_path: Path) -> None:
    """Sidecars and tables in the folder are not files of the site: nobody has to look at them."""
    done = went(make(tmp_path), tmp_path)
    assert {name for name, status in done.statuses().items() if status == "rejected"} == set()
