"""Identity: the same file in the same place is the same instance, and strangers never meet."""

from __future__ import annotations

import uuid
from dataclasses import replace

from gateway.dicom.identity import Claim, Identity, identify

HOSPITAL = uuid.UUID("0b0f4bb6-54a5-4d17-9f6e-0a6f5cf3c2b1")
PHOTO = Claim(
    digest="d1", folder="", template="vl-photographic", modality="XC", scope="", issuer="", patient="4711",
    study_key="", series_key="", typed=(), date="20260314092653", date_given=False,
)  # fmt: skip


def _one(claim: Claim, namespace: uuid.UUID = HOSPITAL) -> Identity:
    return identify([claim], namespace)[0]


def test_the_same_file_is_the_same_instance() -> None:
    assert _one(PHOTO) == _one(PHOTO)


def test_files_of_one_call_share_a_study_and_count_within_their_series() -> None:
    report = replace(PHOTO, digest="d2", template="encapsulated-pdf", modality="DOC")
    first, second, third = identify([PHOTO, report, replace(PHOTO, digest="d3")], HOSPITAL)
    assert first.study_instance_uid == second.study_instance_uid == third.study_instance_uid
    assert first.series_instance_uid == third.series_instance_uid != second.series_instance_uid
    assert [each.series_number for each in (first, second, third)] == [1, 2, 1]
    assert [each.instance_number for each in (first, second, third)] == [1, 1, 2]


def test_all_objects_of_a_study_get_its_earliest_date() -> None:
    later = replace(PHOTO, digest="d2", date="20260315")
    undated = replace(PHOTO, digest="d3", date="")
    assert {(each.study_date, each.study_time) for each in identify([later, PHOTO, undated], HOSPITAL)} == {
        ("20260314", "092653")
    }


def test_a_later_call_of_the_same_patient_and_day_joins_the_study() -> None:
    other = replace(PHOTO, digest="d2", date="20260314100000")
    assert _one(PHOTO).study_instance_uid == _one(other).study_instance_uid
    assert _one(PHOTO).study_instance_uid != _one(replace(other, date="20260315")).study_instance_uid


def test_strangers_never_share_a_study() -> None:
    nobody = replace(PHOTO, patient="", study_key="accession:A1")
    assert _one(nobody).study_instance_uid != _one(replace(nobody, digest="d2")).study_instance_uid
    undated = replace(PHOTO, date="")
    assert _one(undated).study_instance_uid != _one(replace(undated, digest="d2")).study_instance_uid
    together = identify([nobody, replace(nobody, digest="d2")], HOSPITAL)
    assert len({each.study_instance_uid for each in together}) == 1


def test_two_hospitals_patients_are_different_people() -> None:
    assert _one(PHOTO).study_instance_uid != _one(PHOTO, uuid.uuid4()).study_instance_uid
    assert _one(PHOTO).study_instance_uid != _one(replace(PHOTO, issuer="CLINIC")).study_instance_uid
    assert _one(PHOTO).study_instance_uid != _one(replace(PHOTO, scope="photo")).study_instance_uid


def test_what_makes_another_instance_of_the_same_bytes() -> None:
    uids = {
        _one(claim).sop_instance_uid
        for claim in (
            PHOTO,
            replace(PHOTO, template="secondary-capture"),
            replace(PHOTO, folder="left"),
            replace(PHOTO, typed=(("PatientName", "Doe^John"),)),
            replace(PHOTO, digest="d2"),
        )
    }
    assert len(uids) == 5


def test_order_of_typing_makes_no_difference() -> None:
    pairs = (("PatientName", "Doe^John"), ("PatientID", "4711"))
    assert _one(replace(PHOTO, typed=pairs)) == _one(replace(PHOTO, typed=pairs[::-1]))


def test_given_uids_are_kept() -> None:
    given = _one(replace(PHOTO, study_uid="1.2.3", series_uid="1.2.4", instance_uid="1.2.5"))
    assert (given.study_instance_uid, given.series_instance_uid, given.sop_instance_uid) == (
        "1.2.3",
        "1.2.4",
        "1.2.5",
    )


def test_an_accession_number_that_looks_like_a_date_is_no_date() -> None:
    accession = replace(PHOTO, study_key="accession:20260314")
    assert _one(accession).study_instance_uid != _one(PHOTO).study_instance_uid


def test_an_instance_stored_earlier_keeps_its_place() -> None:
    first = _one(PHOTO)
    earlier = Claim.known(first.study_instance_uid, first.series_instance_uid)
    again = replace(
        PHOTO, digest="d2", study_uid=first.study_instance_uid, series_uid=first.series_instance_uid
    )
    assert identify([earlier, again], HOSPITAL)[1].instance_number == 2
