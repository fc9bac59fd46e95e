"""What was asked for."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from gateway.config import Credentials, Form, uid_namespace
from gateway.errors import Fatal


@pytest.fixture(autouse=True)
def _no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_UID_NAMESPACE")


def test_namespace_is_made_once_and_kept() -> None:
    first = uid_namespace()
    second = uid_namespace()
    assert first.value == second.value
    assert first.origin.startswith("made now and kept in ")
    assert second.origin.startswith("kept in ")
    folder = Path(second.origin.removeprefix("kept in ")).parent
    assert [path.name for path in folder.iterdir()] == ["uid-namespace"]


def test_namespace_given_wins_over_the_environment() -> None:
    value = uuid.uuid4()
    environment = {"GATEWAY_UID_NAMESPACE": str(uuid.uuid4())}
    assert uid_namespace(str(value), environment).value == value
    assert str(uid_namespace(None, environment).value) == environment["GATEWAY_UID_NAMESPACE"]


def test_namespace_may_be_a_domain_name() -> None:
    assert uid_namespace("Imaging.Hospital.example").value == uid_namespace("imaging.hospital.example").value


@pytest.mark.parametrize("text", ["", "hospital", "a b.c", "../x", "."])
def test_namespace_of_other_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(Fatal, match="neither a UUID nor a domain name"):
        uid_namespace(text)


def test_broken_namespace_file_is_never_replaced_silently() -> None:
    path = Path(uid_namespace().origin.removeprefix("made now and kept in "))
    path.write_text("no uuid")
    with pytest.raises(Fatal, match="mend it, or delete it"):
        uid_namespace()
    assert path.read_text() == "no uuid"


def test_credentials_never_show_themselves() -> None:
    assert "secret" not in repr(Credentials(user="u", password="secret"))


def test_forms_have_their_media_types() -> None:
    assert [form.media_type for form in Form] == [
        "application/dicom", "application/dicom+json", "application/dicom+xml",
    ]  # fmt: skip
