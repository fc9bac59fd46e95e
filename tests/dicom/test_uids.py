from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from gateway.dicom import uids

NAMESPACE = uuid.UUID("c3b9f5b2-6f4e-4f3c-9a63-0a4d9a1f8a51")
parts = st.lists(st.text(max_size=10), max_size=4)


def test_a_uid_is_the_name_based_uuid_of_its_parts_as_a_decimal_number() -> None:
    expected = uuid.uuid5(NAMESPACE, "1:a,2:bc,")
    assert uids.name_based(NAMESPACE, "a", "bc") == f"2.25.{expected.int}"


@given(parts)
def test_every_uid_is_valid_and_the_same_each_time(names: list[str]) -> None:
    uid = uids.name_based(NAMESPACE, *names)
    assert uid == uids.name_based(NAMESPACE, *names)
    assert UID(uid).is_valid
    uids.check(uid)


@given(parts, parts)
def test_different_parts_have_different_uids(one: list[str], other: list[str]) -> None:
    assert (uids.name_based(NAMESPACE, *one) == uids.name_based(NAMESPACE, *other)) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("a", ""), ("a",)), (("a,1:b",), ("a", "b")), ((), ("",))],
)
def test_parts_cannot_run_into_each_other(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert uids.name_based(NAMESPACE, *one) != uids.name_based(NAMESPACE, *other)


def test_another_namespace_has_other_uids() -> None:
    other = uuid.uuid5(NAMESPACE, "other")
    assert uids.name_based(NAMESPACE, "a") != uids.name_based(other, "a")


def test_undecodable_bytes_of_a_file_name_are_part_of_the_name() -> None:
    broken = b"\xff.jpg".decode("utf-8", "surrogateescape")
    assert uids.name_based(NAMESPACE, broken) != uids.name_based(NAMESPACE, "ÿ.jpg")


@pytest.mark.parametrize("uid", ["1.2", "1.0.3", "0.0", "1.2.840.10008.5.1.4.1.1.7", "1." + "1" * 62])
def test_check_takes_uids(uid: str) -> None:
    uids.check(uid)


@pytest.mark.parametrize(
    ("uid", "reason"),
    [
        ("", "numbers joined by dots"),
        ("1", "numbers joined by dots"),
        ("1.02", "leading zero"),
        ("1..2", "numbers joined by dots"),
        (".1.2", "numbers joined by dots"),
        ("1.2.", "numbers joined by dots"),
        ("1.a", "numbers joined by dots"),
        ("1.2 ", "numbers joined by dots"),
        ("1.2\n", "numbers joined by dots"),
        ("1.٢", "numbers joined by dots"),
        ("1." + "1" * 63, "65 characters, at most 64"),
    ],
)
def test_check_refuses_what_is_no_uid_and_says_why(uid: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        uids.check(uid)
    assert repr(uid) in str(caught.value)
