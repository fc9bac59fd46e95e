"""A thousand files and a table: the good ones the same every time, the others named and never sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest

import sites
from doors import stow
from gateway.archive.server import running
from sent import rendered


@dataclass(frozen=True)
class Stored:
    """The exit status, the outcomes by file name, and the SOP Instance UIDs that the archive has."""

    status: int
    lines: dict[str, dict[str, Any]]
    instances: set[str]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> sites.Thousand:
    return sites.thousand(tmp_path_factory.mktemp("thousand"))


@pytest.fixture(scope="module")
def first(thousand: sites.Thousand, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The objects of a first run, by SOP Instance UID."""
    return rendered(tmp_path_factory.mktemp("first"), *_asked(thousand))


def _asked(thousand: sites.Thousand) -> tuple[object, ...]:
    namespace = ("--uid-namespace", "imaging.hospital.example")
    return (*namespace, "--mapping", thousand.site.mapping, thousand.site.folder)


def test_the_good_ones_are_the_same_bytes_every_time(
    thousand: sites.Thousand, first: dict[str, Path], tmp_path: Path
) -> None:
    assert len(list(thousand.site.folder.iterdir())) == 1000
    again = rendered(tmp_path / "again", *_asked(thousand))
    assert len(first) == 980
    assert again.keys() == first.keys()
    for uid, path in first.items():
        assert again[uid].read_bytes() == path.read_bytes()


def test_the_values_are_those_of_the_table(thousand: sites.Thousand, first: dict[str, Path]) -> None:
    names = set()
    for path in first.values():
        found = pydicom.dcmread(path, stop_before_pixels=True)
        row = thousand.rows[found.PatientID]
        name = found.PatientName
        names.add(str(name))
        assert (name.family_name, name.given_name) == (row["last"], row["first"])
        assert name.ideographic == row["ideographic"].replace(" ", "^")
        assert name.phonetic == row["phonetic"].replace(" ", "^")
        born = found.PatientBirthDate
        assert row["born"] in (
            f"{born[6:]}.{born[4:6]}.{born[:4]}",
            f"{born[:4]}-{born[4:6]}-{born[6:]}",
            f"{born[4:6]}/{born[6:]}/{born[:4]}",
        )
        assert found.PatientSex == {"m": "M", "w": "F", "d": "O"}[row["sex"]]
        assert found.InstitutionalDepartmentName == row["ward"]
    assert "Yamada^Tarou=山田^太郎=やまだ^たろう" in names
    assert len(names) == len(sites.PEOPLE)


@pytest.fixture(scope="module")
def stored(thousand: sites.Thousand, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """What the command says of each file, and what the archive has then."""
    archive = tmp_path_factory.mktemp("archive")
    with running(archive) as url:
        done = stow("--url", url, *_asked(thousand))
    lines = {Path(line["source"]).name: line for line in done.lines}
    return Stored(done.status, lines, {path.stem for path in archive.rglob("*.dcm")})


def test_the_faulty_ones_are_named_and_none_of_them_is_sent(thousand: sites.Thousand, stored: Stored) -> None:
    assert stored.status == 3
    assert len(stored.lines) == 1000
    unsent = {name for name, line in stored.lines.items() if line["status"] != "stored"}
    assert unsent == set(thousand.faults)
    for name, said in thousand.faults.items():
        line = stored.lines[name]
        assert line["status"] == "held", name
        for part in said:
            assert part in line["text"], (name, part)
    assert {line["sop_instance_uid"] for line in stored.lines.values()} - {None} == stored.instances
    assert len(stored.instances) == 980


def test_the_line_of_the_mapping_is_named(thousand: sites.Thousand, stored: Stored) -> None:
    """Where an expression fails it is told which, as an editor can open it."""
    [born] = [line["text"] for line in stored.lines.values() if "31.02.1970" in line["text"]]
    [(number, column)] = re.findall(r"site\.yaml:(\d+):(\d+)", born)
    line = thousand.site.mapping.read_text().splitlines()[int(number) - 1]
    assert line[int(column) - 1 :].startswith("PatientBirthDate:")


def test_what_others_are_is_in_no_uid(
    thousand: sites.Thousand, first: dict[str, Path], tmp_path: Path
) -> None:
    """A late file, a corrected name and a template with other values make no second copy of the others."""
    own = sites.thousand(tmp_path / "own")
    assert own.rows == thousand.rows
    name = next(iter(own.rows))
    (own.site.folder / f"{name}_20240531_L_9999.jpg").write_bytes(sites.photo("late"))
    own.rows[name]["last"] = "Müller-Corrected"
    own.write()
    upgraded = tmp_path / "own" / "vl-photographic.yaml"
    upgraded.write_text("extends: vl-photographic\nattributes:\n  PatientOrientation: L\\F\n")
    own.site.correct("template: vl-photographic", "template: vl-photographic.yaml")
    after = rendered(tmp_path / "after", *_asked(own))
    assert len(after) == len(first) + 1
    assert first.keys() < after.keys()
    corrected = [pydicom.dcmread(path).PatientName.family_name for path in after.values()]
    assert corrected.count("Müller-Corrected") == 4
