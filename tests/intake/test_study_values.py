"""What the objects of one study have in common: values, numbers, and the study itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from doors import gateway
from driven import Driven, configure, driven, files_in, in_archive, picture
from gateway.archive.server import running
from gateway.intake import study
from gateway.ledger import Query, State

TABLE = """
extends: photo
sources:
  path: {name: '(?P<mrn>[0-9]{7})_.*'}
  table: {file: patients.csv, key: mrn, equals: '{{ path.mrn }}'}
identity: {study: '{{ path.mrn }}'}
attributes:
  PatientID: '{{ path.mrn }}'
  PatientName: '{{ row.name | dicom_name }}'
  PatientBirthDate: '{{ row.born }}'
  AccessionNumber: '{{ row.accession }}'
  SeriesDescription: '{{ row.remark }}'
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path / "archive") as address:
        yield address


def table(place: Path, name: str = "Doe^Jane", born: str = "19800102", remark: str = "left") -> None:
    lines = ["mrn,name,born,accession,remark", f"4711001,{name},{born},A1,{remark}", "4711002,Roe^Max,,,"]
    (place / "patients.csv").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def it(tmp_path: Path, url: str) -> Iterator[Driven]:
    table(tmp_path)
    with driven(configure(tmp_path, url, TABLE)) as made:
        yield made


def drop(it: Driven, *numbers: int, mrn: str = "4711001") -> None:
    for number in numbers:
        picture(it.inbox / f"{mrn}_{number}.jpg", number)
    it.through()


def values(url: str, keyword: str) -> list[str]:
    return sorted(str(each.get(keyword, "")) for each in in_archive(url))


def changed(it: Driven) -> None:
    """The daemon looks at what its files depend on."""
    it.passed += 10
    it.daemon.look_at_dependencies()


def test_numbers_follow_the_natural_order_of_names(it: Driven, url: str) -> None:
    drop(it, 10, 2, 1)
    numbers = {row.path: row.numbers.instance for row in it.rows() if row.numbers}
    assert numbers == {"4711001_1.jpg": 1, "4711001_2.jpg": 2, "4711001_10.jpg": 3}
    drop(it, 3)
    assert values(url, "InstanceNumber") == ["1", "2", "3", "4"]
    assert len(set(values(url, "SeriesInstanceUID"))) == 1


def test_number_of_a_file_that_comes_no_further_is_a_gap(it: Driven, url: str) -> None:
    """It is given to no other, and the file has it when it comes after all."""
    (it.inbox / "4711001_1.jpg").write_bytes(b"nothing that could be stored")
    drop(it, 2, 3)
    assert it.state("4711001_1.jpg") is State.REJECTED
    drop(it, 4)
    assert len(set(values(url, "InstanceNumber"))) == 3


def test_later_files_get_the_values_of_the_first(it: Driven, url: str) -> None:
    drop(it, 1)
    table(it.place, name="Doe-Miller^Jane", remark="right")
    drop(it, 2)
    assert values(url, "PatientName") == ["Doe^Jane", "Doe^Jane"]
    assert values(url, "SeriesDescription") == ["left", "right"]
    detail = it.ledger.reports.detail(it.row("4711001_2.jpg").id)
    assert detail is not None
    assert any("PatientName as in the study already" in each for each in detail.messages)


def test_value_that_later_files_lack_is_given_to_them(it: Driven, url: str) -> None:
    drop(it, 1)
    table(it.place, born="")
    drop(it, 2)
    assert values(url, "PatientBirthDate") == ["19800102", "19800102"]


def test_another_patient_in_the_study_is_held(it: Driven) -> None:
    drop(it, 1)
    table(it.place, born="19990909")
    drop(it, 2)
    assert it.held("4711001_2.jpg") == "another-patient"
    said = it.row("4711001_2.jpg").text or ""
    assert "19990909" in said
    assert "19800102 there" in said


def test_stored_files_whose_table_changes_are_shown_and_not_sent(it: Driven, url: str) -> None:
    drop(it, 1, 2)
    drop(it, 3, mrn="4711002")
    table(it.place, name="Doe-Miller^Jane")
    changed(it)
    it.work()
    assert it.states() == {
        "4711001_1.jpg": "changed", "4711001_2.jpg": "changed", "4711002_3.jpg": "stored",
    }  # fmt: skip
    detail = it.ledger.reports.detail(it.row("4711001_1.jpg").id)
    assert detail is not None
    assert detail.wanted is not None
    assert detail.wanted["PatientName"] == "Doe-Miller^Jane"
    assert it.events("changed")[0]["attributes"] == ["PatientName"]
    assert len(in_archive(url)) == 3
    table(it.place)
    changed(it)
    assert set(it.states().values()) == {"stored"}


def test_revised_files_carry_the_new_values_of_patient_and_study(it: Driven, url: str) -> None:
    drop(it, 1, 2)
    before = {each.SOPInstanceUID for each in in_archive(url)}
    table(it.place, name="Doe-Miller^Jane", born="19800103", remark="right")
    changed(it)
    assert it.ledger.decisions.revise(Query(), "anna") == 2
    it.work()
    assert {row.state for row in it.rows()} == {State.STORED}
    new = [each for each in in_archive(url) if each.SOPInstanceUID not in before]
    assert len(new) == 2
    for each in new:
        assert each.PatientName == "Doe-Miller^Jane"
        assert each.PatientBirthDate == "19800103"
        assert each.SeriesDescription == "right"
    assert len({each.StudyInstanceUID for each in in_archive(url)}) == 1
    drop(it, 3)  # and so do those that come later
    assert values(url, "PatientName").count("Doe-Miller^Jane") == 3
    changed(it)
    assert {row.state for row in it.rows()} == {State.STORED}


def test_revising_again_makes_another_instance(it: Driven, url: str) -> None:
    drop(it, 1)
    for name in ("A^B", "C^D"):
        table(it.place, name=name)
        changed(it)
        it.ledger.decisions.revise(Query(), "anna")
        it.passed += 1
        it.work()
    assert values(url, "PatientName") == ["A^B", "C^D", "Doe^Jane"]


def test_moved_original_is_compared_where_it_is(tmp_path: Path, url: str) -> None:
    table(tmp_path)
    with driven(configure(tmp_path, url, TABLE, originals={"move": "done"})) as it:
        drop(it, 1)
        assert files_in(tmp_path / "done") == ["4711001_1.jpg"]
        table(tmp_path, name="A^B")
        changed(it)
        assert it.state("4711001_1.jpg") is State.CHANGED
        it.ledger.decisions.revise(Query(), "anna")
        it.work()
        assert it.held("4711001_1.jpg") == "original-gone"
        (tmp_path / "done/4711001_1.jpg").rename(it.inbox / "4711001_1.jpg")
        changed(it)
        it.work()
        assert it.state("4711001_1.jpg") is State.STORED
        it.scan()
        assert files_in(tmp_path / "done") == ["4711001_1.jpg"]
    assert values(url, "PatientName") == ["A^B", "Doe^Jane"]


def test_values_assigned_by_a_person_are_no_change(it: Driven) -> None:
    picture(it.inbox / "unknown.jpg")
    picture(it.inbox / "4711003_1.jpg")
    it.through()
    assert it.held("4711003_1.jpg") == "no-row"
    it.ledger.decisions.assign(Query(ids=(it.row("4711003_1.jpg").id,)), "anna", {"PatientName": "Poe^Ann"})
    table(it.place)
    with (it.place / "patients.csv").open("a") as file:
        file.write("4711003,Wrong^Name,,,\n")
    it.work()
    assert it.state("4711003_1.jpg") is State.STORED
    with (it.place / "patients.csv").open("a") as file:
        file.write("4711004,Other^Name,,,\n")
    changed(it)
    assert it.state("4711003_1.jpg") is State.STORED


# Groups without a key of their own

KEYLESS = """
template: vl-photographic
attributes: {PatientID: ''}
"""


GROUPED: dict[str, Any] = {
    "mapping": KEYLESS, "unidentified": "send", "group": {"by": "folder", "quiet": "0s"},
}  # fmt: skip


def studies(it: Driven, destination: str = "archive") -> dict[str, str]:
    return {
        row.path: row.identity.study for row in it.rows() if row.identity and row.destination == destination
    }


def test_group_without_a_key_is_one_study_and_the_next_another(tmp_path: Path, url: str) -> None:
    with driven(configure(tmp_path, url, **GROUPED, originals={"move": "done"})) as it:
        for name in ("s/1.jpg", "s/2.jpg"):
            picture(it.inbox / name, int(name[2]))
        it.through()
        for name in ("s/3.jpg", "s/4.jpg"):
            picture(it.inbox / name, int(name[2]))
        it.through()
        found = studies(it)
    assert found["s/1.jpg"] == found["s/2.jpg"] != found["s/3.jpg"] == found["s/4.jpg"]


def test_file_of_a_group_that_comes_later_joins_its_study(tmp_path: Path, url: str) -> None:
    """It was cut, and its group went on without it."""
    with driven(configure(tmp_path, url, **GROUPED)) as it:
        picture(it.inbox / "s/1.jpg", 1)
        whole = picture(it.inbox / "s/2.jpg", 2).read_bytes()
        (it.inbox / "s/2.jpg").write_bytes(whole[:-20])
        it.through()
        assert it.states() == {"s/1.jpg": "stored", "s/2.jpg": "retry incomplete"}
        row = it.row("s/2.jpg")
        (it.inbox / "s/2.jpg").write_bytes(whole)
        stamp = (it.inbox / "s/2.jpg").stat()
        assert stamp.st_size != row.stamp.size
        it.through()
        assert set(it.states().values()) == {"stored"}


def test_destinations_have_the_same_study_whatever_each_sees_first(tmp_path: Path) -> None:
    with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
        to = {"a": {"url": one, "jobs": 1}, "b": {"url": two, "jobs": 1}}
        configuration = configure(tmp_path, destinations=to, to=["a", "b"], **GROUPED)
        with driven(configuration) as it:
            for number in (1, 2, 3):
                picture(it.inbox / f"s/{number}.jpg", number)
            it.settle()
            it.workers[0].step()
            [claim] = it.ledger.claims.claim(it.workers[1].owner, ["b"])
            it.ledger.claims.release(claim)
            last = max(entry.id for entry in claim.files)
            it.ledger.decisions.reject(Query(ids=(last,)), "anna", "not this one")
            it.work()
            assert len(studies(it, "b")) == 2
            assert set(studies(it, "b").values()) == set(studies(it, "a").values())


# Parts


def test_flat_names_items_and_cuts_long_values() -> None:
    dataset = Dataset()
    dataset.PatientName = "Doe^Jane"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    item = Dataset()
    item.CodeValue = "T-1"
    dataset.AnatomicRegionSequence = [item]
    dataset.StudyDescription = ""
    dataset.PixelData = b"\0" * 10
    dataset["PixelData"].VR = "OB"
    dataset.ImageComments = "x" * 5000
    assert study.flat(dataset) == {
        "ImageType": r"DERIVED\PRIMARY",
        "StudyDescription": "",
        "PatientName": "Doe^Jane",
        "AnatomicRegionSequence[0].CodeValue": "T-1",
        "ImageComments": "x" * study.LONGEST,
    }


@pytest.mark.parametrize("first", [("revise", "--all", "--yes"), None])
def test_moved_original_comes_back_to_be_revised(
    tmp_path: Path, url: str, first: tuple[str, ...] | None
) -> None:
    """At once, or when files are retried that were revised without it."""
    table(tmp_path)
    with driven(configure(tmp_path, url, TABLE, originals={"move": "done"})) as it:
        drop(it, 1)
        table(tmp_path, name="A^B")
        changed(it)
        if first is None:
            it.ledger.decisions.revise(Query(), "anna")
            it.work()
            first = ("retry", "--reason", "original-gone", "--yes")
        done = gateway("queue", *first, "--config", it.configuration.path)
        assert done.status == 0, done.err
        assert (it.inbox / "4711001_1.jpg").exists()
        it.passed += 3e9  # the command has the clock of the machine
        it.scan()
        it.work()
        it.scan()
        assert it.states() == {"4711001_1.jpg": "stored"}
        assert files_in(tmp_path / "done") == ["4711001_1.jpg"]
    assert values(url, "PatientName") == ["A^B", "Doe^Jane"]
