import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import examples
from doors import gateway

MAPPING = """\
template: vl-photographic
sources:
  path: {name: '(?P<mrn>\\d{7})_(?P<eye>OD|OS)\\.jpg'}
  table: {file: patients.csv, key: mrn, equals: '{{ path.mrn }}'}
maps:
  eye: {OD: R, OS: L}
attributes:
  PatientID: '{{ path.mrn }}'
  PatientName: '{{ row.last }}^{{ row.first }}'
  ImageLaterality: '{{ path.eye | pick("eye") }}'
"""
TABLE = "mrn,last,first\n4711001,Doe,Jane\n4711002,Roe,Richard\n4711002,Roe,Rick\n4711003,Poe,Edgar\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "patients.csv").write_text(TABLE, "utf-8")
    return tmp_path


def photo(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(examples.jpeg())
    return folder / "in"


def test_a_mapping_that_is_right(site: Path) -> None:
    done = gateway("check", site / "site.yaml")
    assert done.out == f"{site}/site.yaml: ok (3 attributes; sources path, row)\n"
    assert (done.status, done.err) == (0, "")


def test_all_that_is_wrong_comes_at_once_and_of_all_files(site: Path) -> None:
    (site / "a.yaml").write_text("templat: x\nattributes: {PatientID: {{ x }}}\n", "utf-8")
    (site / "b.yaml").write_text("identity: {study: '{{ y }}'}\n", "utf-8")
    done = gateway("check", site / "a.yaml", site / "site.yaml", site / "b.yaml")
    assert done.status == 2
    places = [line.split(": ")[0].removeprefix(f"{site}/") for line in done.out.splitlines()]
    assert places == ["a.yaml:1:1", "a.yaml:2:25", "a.yaml:2:28", "site.yaml", "b.yaml:1:23"]


def test_a_mapping_that_is_not_there() -> None:
    done = gateway("check", "phto")
    assert done.status == 2
    assert done.out == "there is no mapping 'phto': did you mean photo?\n"


def test_nothing_to_check() -> None:
    done = gateway("check")
    assert done.status == 2
    assert "name a mapping" in done.err


def test_object_templates_by_name() -> None:
    done = gateway("check", "vl-photographic")
    assert (done.status, done.out) == (0, "vl-photographic: ok (object template, 10 attributes)\n")


def test_object_templates_by_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: vl-photographic\nattributes: {Manufacturer: X}\n", "utf-8")
    (tmp_path / "own.yaml").write_text("extends: base.yaml\nattributes: {StationName: Y}\n", "utf-8")
    done = gateway("check", tmp_path / "own.yaml")
    assert done.status == 0
    assert "ok (object template," in done.out
    (tmp_path / "bad.yaml").write_text("extends: base.yaml\natributes: {StationName: Y}\n", "utf-8")
    assert "bad.yaml:2:1: a template has no 'atributes'" in gateway("check", tmp_path / "bad.yaml").out


def test_a_mapping_of_ours_without_a_pattern_for_patient_ids_is_warned_of(tmp_path: Path) -> None:
    assert "warning: without a pattern for Patient IDs" in gateway("check", "photo").out
    own = tmp_path / "own.yaml"
    own.write_text("extends: photo\n", "utf-8")
    assert "warning: without a pattern" in gateway("check", own).out
    own.write_text("extends: photo\npatient_id: '\\d{7}'\n", "utf-8")
    assert "warning" not in gateway("check", own).out


def test_the_schemas_are_for_editors() -> None:
    mapping = json.loads(gateway("check", "--schema").out)
    assert mapping["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"sources", "attributes", "checks"} <= mapping["properties"].keys()
    template = json.loads(gateway("check", "--schema", "template").out)
    assert template["properties"].keys() == {"extends", "convert", "attributes"}


def test_files_are_tried_without_a_network(site: Path) -> None:
    folder = photo(
        site, "4711001_OD.jpg", "4711002_OD.jpg", "4711009_OS.jpg", "471100_OS.jpg", "4711001_od.jpg"
    )
    done = gateway("check", site / "site.yaml", folder)
    assert done.status == 3
    text = done.out
    assert f"{folder}/4711001_OD.jpg: ok (site)" in text
    assert f"{folder}/4711002_OD.jpg: held: " in text
    assert f"{folder}/4711009_OS.jpg: held: patients.csv has no row with mrn '4711009'" in text
    assert (
        "the mapping site would match its name '471100_OS.jpg' but for one digit that is missing in 471100"
        in text
    )
    assert "the mapping site would match its name '4711001_od.jpg' but for capitals and small letters" in text
    assert "patients.csv, rows 3 and 4: they have the same key, mrn '4711002'" in text
    assert "patients.csv, row 5: no file has this key" in text
    assert text.splitlines()[-1] == "5 files: 1 ok, 4 held"


def test_all_files_fit(site: Path) -> None:
    folder = photo(site, "4711001_OD.jpg", "4711003_OS.jpg")
    done = gateway("check", site / "site.yaml", folder / "4711001_OD.jpg", folder / "4711003_OS.jpg")
    assert done.status == 0
    assert done.out.splitlines()[-1] == "2 files: 2 ok"


def test_several_mappings_are_tried_in_order(site: Path) -> None:
    (site / "other.yaml").write_text("match: {name: 'IMG*'}\nattributes: {PatientID: '1234567'}\n", "utf-8")
    folder = photo(site, "4711001_OD.jpg", "IMG_1.jpg", "scan.jpg")
    (folder / "notes.txt").write_text("text", "utf-8")
    out = gateway("check", site / "site.yaml", site / "other.yaml", folder, site / "gone.jpg").out
    assert "4711001_OD.jpg: ok (site)" in out
    assert "IMG_1.jpg: ok (other)" in out
    assert "scan.jpg: held: none of the mappings is for it: site: its name" in out
    assert "notes.txt: rejected: " in out
    assert "gone.jpg is not there" in out
    assert out.splitlines()[-1] == "5 files: 2 ok, 1 held, 2 rejected"


def test_files_that_say_something_of_others_are_not_refused_themselves(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "sources:\n"
        "  sidecar: {file: '{{ media.stem }}.ini', select: {mrn: mrn, sex: sex}}\n"
        "  table: {file: './t.csv', key: mrn, equals: '{{ sidecar.mrn }}'}\n"
        "checks: {agree: ['{{ sidecar.sex }}', '{{ row.sex }}'], then: hold}\n"
        "attributes: {PatientID: '{{ row.mrn }}'}\n",
        "utf-8",
    )
    folder = photo(tmp_path, "a.jpg", "b.jpg")
    for name, sex in (("a", "F"), ("b", "M")):
        (folder / f"{name}.ini").write_text(f"mrn=4711001\nsex={sex}\n", "utf-8")
    (folder / "t.csv").write_text("mrn,sex\n4711001,F\n", "utf-8")
    (folder / "c.ini").write_text("mrn=4711001\n", "utf-8")
    done = gateway("check", tmp_path / "site.yaml", folder)
    lines = done.out.splitlines()
    assert lines[0].endswith("ok (1 attribute; sources sidecar, row; 1 check)")
    assert [line for line in lines if ".ini: " in line] == [
        line for line in lines if line.startswith(f"{folder}/c.ini: rejected: ")
    ]
    assert lines[-1] == "6 files: 1 ok, 1 held, 1 rejected, 3 read for the others"
    (folder / "b.ini").write_text("mrn=4711001\nsex=F\n", "utf-8")
    (folder / "c.ini").unlink()
    done = gateway("check", tmp_path / "site.yaml", folder)
    assert done.out.splitlines()[-1] == "5 files: 2 ok, 3 read for the others"
    assert done.status == 0


def test_what_keeps_an_object_from_being_made_is_found(tmp_path: Path) -> None:
    text = "template: dermoscopic-photographic\nattributes: {PatientID: '4711001'}\n"
    (tmp_path / "site.yaml").write_text(text, "utf-8")
    folder = photo(tmp_path, "a.jpg")
    (folder / "b.png").write_bytes(examples.raster("PNG"))
    done = gateway("check", tmp_path / "site.yaml", folder)
    assert done.status == 3
    for name in ("a.jpg", "b.png"):
        [line] = [line for line in done.out.splitlines() if line.startswith(f"{folder}/{name}: ")]
        assert ": held: " in line
        assert "DeviceSerialNumber" in line


def test_members_of_archives_are_tried(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("extends: photo\npatient_id: '\\d{7}'\n", "utf-8")
    with zipfile.ZipFile(tmp_path / "4711001.zip", "w") as archive:
        archive.writestr("IMG_1.jpg", examples.jpeg())
        archive.writestr("broken.jpg", examples.jpeg()[:200])
    done = gateway("check", tmp_path / "site.yaml", tmp_path / "4711001.zip")
    archived = f"{tmp_path}/4711001.zip!/"
    assert f"{archived}IMG_1.jpg: ok (site)" in done.out
    assert f"{archived}broken.jpg: rejected: " in done.out
    assert done.out.splitlines()[-1] == "2 files: 1 ok, 1 rejected"


def test_who_has_no_mapping_does_not_pay_for_pydantic() -> None:
    code = (
        "import sys; from gateway.mapping.templates import load_template; load_template('vl-photographic'); "
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
