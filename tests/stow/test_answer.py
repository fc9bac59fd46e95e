from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom import xml
from gateway.stow import answer
from gateway.stow.answer import Failure, Stored
from gateway.stow.prose import LONGEST, readable

CLASS = "1.2.840.10008.5.1.4.1.1.7"
DATE = "Fri, 01 Jan 2027 12:00:00 GMT"


def item(uid: str | None = None, **others: Any) -> dict[str, Any]:
    attributes = (
        {"00081150": {"vr": "UI", "Value": [CLASS]}, "00081155": {"vr": "UI", "Value": [uid]}} if uid else {}
    )
    return attributes | {f"{tag}"[1:]: value for tag, value in others.items()}


def body(*, stored: Any = None, failed: Any = None, other: Any = None, **more: Any) -> dict[str, Any]:
    model = {f"{tag}"[1:]: value for tag, value in more.items()}
    for tag, items in (("00081198", failed), ("00081199", stored), ("0008119A", other)):
        if items is not None:
            model[tag] = {"vr": "SQ", **({"Value": items} if items else {})}
    return model


def us(value: Any) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}


def parse(document: Any, status: int = 200, **headers: str) -> answer.Answer:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return answer.parse(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


FULL = body(
    stored=[
        item("1.1", t00081190={"vr": "UR", "Value": ["http://a/studies/1/series/2/instances/3"]}),
        item("1.2", t00081196=us(45056)),
    ],
    failed=[item("1.3", t00081197=us(49442))],
    other=[item(t00081197=us(272))],
    t00081190={"vr": "UR", "Value": ["http://a/studies/1"]},
)


@pytest.mark.parametrize("form", ["object", "array", "xml", "bom"])
@pytest.mark.parametrize(
    "content_type", [None, "application/dicom+json", "application/dicom+xml", "text/plain"]
)
def test_every_form_of_answer_says_the_same(form: str, content_type: str | None) -> None:
    documents = {
        "object": json.dumps(FULL).encode(),
        "array": json.dumps([FULL]).encode(),
        "xml": xml.dump(FULL),
        "bom": b"\xef\xbb\xbf " + json.dumps(FULL).encode(),
    }
    parsed = parse(documents[form], 202, **({"content_type": content_type} if content_type else {}))
    assert parsed.stored == {
        "1.1": Stored("http://a/studies/1/series/2/instances/3"),
        "1.2": Stored(warning=45056),
    }
    assert parsed.failed == {"1.3": Failure(49442, sop_instance_uid="1.3")}
    assert parsed.others == (Failure(272),)
    assert parsed.text is None


def test_orthancs_empty_sequences_say_nothing() -> None:
    parsed = parse(body(stored=[], failed=[]), content_type="application/dicom+json")
    assert parsed == answer.Answer(200)


def test_the_xml_that_archives_write() -> None:
    document = b"""<?xml version="1.0" encoding="UTF-8"?>
    <NativeDicomModel xml:space="preserve">
      <DicomAttribute keyword="ReferencedSOPSequence" tag="00081199" vr="SQ"><Item number="1">
        <DicomAttribute keyword="ReferencedSOPInstanceUID" tag="00081155" vr="UI">
          <Value number="1">1.1</Value>
        </DicomAttribute>
        <DicomAttribute keyword="WarningReason" tag="00081196" vr="US">
          <Value number="1">45062</Value>
        </DicomAttribute>
      </Item></DicomAttribute>
    </NativeDicomModel>"""
    assert parse(document).stored == {"1.1": Stored(warning=45062)}


def test_static_dicomwebs_failures_have_a_private_text_and_no_uid() -> None:
    failed = {"00091001": {"vr": "LO", "Value": ["part-2"]}, "00081197": us(49152)}
    parsed = parse(body(failed=[failed, failed]))
    assert parsed.failed == {}
    assert parsed.others == (Failure(49152, "part-2"),) * 2


def test_azures_comments_on_attributes() -> None:
    comments = {"vr": "SQ", "Value": [{"00000902": {"vr": "LO", "Value": ["PatientID: too long"]}}]}
    parsed = parse(
        body(
            stored=[item("1.1", t00081196=us(1), t00741048=comments)],
            failed=[item("1.2", t00741048=comments)],
        )
    )
    assert parsed.stored["1.1"] == Stored(warning=1, text="PatientID: too long")
    assert parsed.failed["1.2"].text == "PatientID: too long"


def test_members_that_are_no_attributes_are_read_as_text() -> None:
    parsed = parse(body(failed=[item("1.1", t00081197=us(272), tFailureDetail="disk on fire")]))
    assert parsed.failed["1.1"].text == "disk on fire"


def test_private_creators_and_numbers_are_no_texts() -> None:
    private = {"00090010": {"vr": "LO", "Value": ["ACME"]}, "00091002": {"vr": "US", "Value": [7]}}
    assert parse(body(failed=[item("1.1") | private])).failed["1.1"].text is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (272, 272),
        (272.0, 272),
        ("272", 272),
        ("A700", 0xA700),
        ("0xC122", 0xC122),
        (None, None),
        ("odd", None),
        ([], None),
    ],
)
def test_reasons_as_archives_write_them(value: Any, reason: int | None) -> None:
    assert parse(body(failed=[item("1.1", t00081197=us(value))])).failed["1.1"].reason == reason


def test_padding_of_uids_is_ignored() -> None:
    assert set(parse(body(stored=[item("1.1\0")], failed=[item("1.2 ")])).stored) == {"1.1"}


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ('299 archive "Missing Rows"', "Missing Rows"),
        ('299 - "first", 299 - "second \\"quoted\\""', 'first; second "quoted"'),
        ("299 archive: Coercion of data elements", "Coercion of data elements"),
        ("just words", "just words"),
        ("", None),
    ],
)
def test_the_warning_header(header: str, text: str | None) -> None:
    assert parse(body(stored=[]), 202, warning=header).text == text
    assert parse(b"", 202, Warning=header).text == text


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("120", "", 120.0),
        (" 0 ", "", 0.0),
        ("Fri, 01 Jan 2027 12:00:30 GMT", DATE, 30.0),
        ("Fri, 01 Jan 2027 11:00:00 GMT", DATE, 0.0),
        ("Fri, 01 Jan 2027 14:00:30 +0200", DATE, 30.0),
        ("Fri, 01 Jan 1999 00:00:00 GMT", "", 0.0),
        ("soon", DATE, None),
        ("-5", DATE, None),
        ("", DATE, None),
        ("9" * 400, "", 31_536_000.0),
    ],
)
def test_retry_after(header: str, date: str, seconds: float | None) -> None:
    assert parse(b"", 503, retry_after=header, date=date).retry_after == seconds


@pytest.mark.parametrize(
    ("data", "content_type", "text"),
    [
        (b"", "", None),
        (b"{}", "application/json", None),
        (b"[]", "", None),
        (b"\r\n Study is locked \n", "text/plain", "Study is locked"),
        (b'{"errorMessage":"Missing boundary"}', "text/plain", "Missing boundary"),
        (
            b'{"HttpError":"Unsupported Media Type","HttpStatus":415,"Message":"Unsupported media type",'
            b'"Method":"POST","Details":"only application/dicom","OrthancStatus":3000,"Uri":"/studies"}',
            "",
            "Unsupported media type: only application/dicom",
        ),
        (b'{"error":{"code":403,"message":"No access","status":"PERMISSION_DENIED"}}', "", "No access"),
        (b'[{"error":{"message":"quota"}}]', "", "quota"),
        (b'{"title":"Bad Request","status":400,"detail":"UID too long"}', "", "UID too long: Bad Request"),
        (b'{"error":"invalid_token","error_description":"expired"}', "", "expired: invalid_token"),
        (b'{"answer":42}', "", '{"answer":42}'),
        (b"{broken", "", "{broken"),
        (
            b"<html><head><title>413</title><style>p{}</style></head><body><h1>413</h1>"
            b"<p>Request Entity&nbsp;Too Large</p><script>x()</script></body></html>",
            "text/html",
            "413 Request Entity Too Large",
        ),
        (b"<html><head><title>Gone fishing</title></head></html>", "text/html", "Gone fishing"),
        ("Gr\u00f6\u00dfe".encode("latin-1"), "text/plain; charset=iso-8859-1", "Gr\u00f6\u00dfe"),
        ("Gr\u00f6\u00dfe".encode(), "text/plain; charset=no-such", "Gr\u00f6\u00dfe"),
        (b"Gr\xf6\xdfe", "", "Gr\u00f6\u00dfe"),
        (b"\x1b[31mred\x07\x00 alert", "", "[31mred alert"),
        (
            b"java.lang.NullPointerException: no sex\n\tat org.x.Y.z(Y.java:103)\n\tat a.b(C.java:1)",
            "text/plain",
            "java.lang.NullPointerException: no sex",
        ),
    ],
)
def test_error_bodies_become_one_sentence(data: bytes, content_type: str, text: str | None) -> None:
    assert parse(data, 500, content_type=content_type).text == text


def test_long_texts_are_cut() -> None:
    text = readable(b"word " * 10_000)
    assert text is not None
    assert len(text) <= LONGEST
    assert text.endswith("word…")


def test_a_new_address_is_shown_without_secrets() -> None:
    assert parse(b"", 301, location="https://u:p@new/studies?token=t").location == "https://new/studies"
    assert parse(b"", 301, location="/elsewhere").location == "/elsewhere"
    assert parse(b"", 301, location="http://[").location == "an address that cannot be read"


@pytest.mark.parametrize(
    "document",
    [
        [1, None, "text", [body(stored=[])]],
        {"00081199": {"vr": "SQ", "Value": [None, 1, {"00081155": None}, {"00081155": {"Value": [5]}}]}},
        {"00081199": ["Value"]},
        {"00081198": {"Value": {"00081155": 1}}},
        b"<NativeDicomModel><broken",
        b'<!DOCTYPE x [<!ENTITY e "x">]><NativeDicomModel>&e;</NativeDicomModel>',
        b"[" * 100_000,
        b'{"00081199":' * 10_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_nonsense_says_nothing_about_any_instance(document: Any) -> None:
    parsed = parse(document, 200)
    assert not parsed.stored
    assert set(parsed.failed) == set()


JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["00081198", "00081199", "0008119A", "00081155", "00081197", "Value", "vr", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read_without_an_error(document: Any) -> None:
    parse(document)


@given(st.binary(max_size=200), st.text(max_size=30), st.text(max_size=30))
def test_any_bytes_are_read_without_an_error(data: bytes, content_type: str, header: str) -> None:
    answer.parse(
        500,
        {"content-type": content_type, "warning": header, "retry-after": header, "location": header},
        data,
    )
