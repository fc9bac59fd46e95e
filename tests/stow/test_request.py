from __future__ import annotations

import email
import email.policy
import io
import json
import xml.etree.ElementTree as ET
from email.message import EmailMessage
from pathlib import Path

import pydicom
import pytest

from gateway.config import Form
from gateway.errors import Fatal, Reject
from gateway.model import Bulk, Instance
from gateway.stow import address, request
from gateway.stow.request import Request
from gateway.stream import Stream
from instances import EXPLICIT_LITTLE, JPEG_BASELINE, SECONDARY_CAPTURE, document, instance, photo


def parts(built: Request) -> list[EmailMessage]:
    """The parts of a request's body, read by Python's own parser."""
    body = built.body.read()
    assert len(body) == built.body.length
    head = f"MIME-Version: 1.0\r\nContent-Type: {built.content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert not message.defects
    assert message.get_content_type() == "multipart/related"
    found = list(message.iter_parts())
    assert message.get_param("type") == found[0].get_content_type()
    assert all("Content-Length" not in part for part in found)
    return found


def content(part: EmailMessage) -> bytes:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def native(folder: Path, number: int = 5) -> Instance:
    bulks = (
        Bulk(0x00282000, "OB", Stream.of(b"icc profile!")),
        Bulk(0x7FE00010, "OW", Stream.of(bytes(range(100)))),
    )
    path = folder / "native.dcm"
    path.touch()
    return instance(path, number, SECONDARY_CAPTURE, EXPLICIT_LITTLE, *bulks)


def test_dicom_files_are_one_part_each(tmp_path: Path) -> None:
    instances = [photo(tmp_path, 3), document(tmp_path, 4)]
    found = parts(request.build(instances, Form.DICOM))
    assert [part["Content-Type"] for part in found] == ["application/dicom"] * 2
    files = [pydicom.dcmread(io.BytesIO(content(part))) for part in found]
    assert [file.SOPInstanceUID for file in files] == ["2.25.3", "2.25.4"]
    assert [file.file_meta.TransferSyntaxUID for file in files] == [JPEG_BASELINE, EXPLICIT_LITTLE]
    assert files[1].EncapsulatedDocument.rstrip(b"\0") == instances[1].bulks[0].value.read()


def test_a_dicom_file_that_goes_as_it_came_keeps_every_byte(tmp_path: Path) -> None:
    file = b"preamble".ljust(128) + b"DICM and so on\r\n--\r\n"
    built = request.build([photo(tmp_path, part10=Stream.of(file))], Form.DICOM)
    assert content(parts(built)[0]) == file


def test_json_is_one_array_and_then_the_bulk_values(tmp_path: Path) -> None:
    instances = [photo(tmp_path, 3), document(tmp_path, 4), native(tmp_path, 5)]
    metadata, *bulks = parts(request.build(instances, Form.JSON))
    assert metadata["Content-Type"] == "application/dicom+json"
    models = json.loads(content(metadata))
    assert [model["00080018"]["Value"] for model in models] == [["2.25.3"], ["2.25.4"], ["2.25.5"]]
    assert models[0]["00100010"]["Value"] == [{"Alphabetic": "Müller^Jürgen"}]
    assert models[0]["7FE00010"] == {"vr": "OB", "BulkDataURI": "bulk/2.25.3/7FE00010"}
    assert models[2]["7FE00010"]["vr"] == "OW"
    assert not any(key.startswith("0002") for model in models for key in model)
    uris = [
        attribute["BulkDataURI"] for m in models for attribute in m.values() if "BulkDataURI" in attribute
    ]
    assert [part["Content-Location"] for part in bulks] == uris
    assert len(set(uris)) == 4
    assert [(part.get_content_type(), part.get_param("transfer-syntax")) for part in bulks] == [
        ("image/jpeg", JPEG_BASELINE),
        ("application/pdf", None),
        ("application/octet-stream", None),
        ("application/octet-stream", EXPLICIT_LITTLE),
    ]
    expected = [bulk.value.read() for each in instances for bulk in each.bulks]
    assert [content(part) for part in bulks] == expected


def test_xml_is_a_data_set_a_part_before_all_bulk_values(tmp_path: Path) -> None:
    instances = [photo(tmp_path, 3), document(tmp_path, 4)]
    found = parts(request.build(instances, Form.XML))
    types = [part.get_content_type() for part in found]
    assert types == ["application/dicom+xml"] * 2 + ["image/jpeg", "application/pdf"]
    documents = [ET.fromstring(content(part)) for part in found[:2]]
    uris = [
        node.get("uri") for document in documents for node in document.iter() if node.tag.endswith("BulkData")
    ]
    assert (
        [part["Content-Location"] for part in found[2:]]
        == uris
        == ["bulk/2.25.3/7FE00010", "bulk/2.25.4/00420011"]
    )


@pytest.mark.parametrize("form", [Form.JSON, Form.XML])
def test_nothing_on_the_wire_tells_the_name_of_the_file(tmp_path: Path, form: Form) -> None:
    body = request.build([photo(tmp_path)], form).body.read()
    assert b"Jane" not in body
    assert tmp_path.name.encode() not in body


def test_the_type_parameter_without_quotes(tmp_path: Path) -> None:
    instances = [photo(tmp_path)]
    assert 'type="application/dicom+json"; ' in request.build(instances, Form.JSON).content_type
    unquoted = request.build(instances, Form.JSON, unquoted_type=True).content_type
    assert "type=application/dicom+json; " in unquoted


def test_each_request_has_a_boundary_of_its_own(tmp_path: Path) -> None:
    instances = [photo(tmp_path)]
    first, second = (request.build(instances, Form.DICOM) for _ in range(2))
    assert first.content_type != second.content_type
    assert first.body.read() == first.body.read()


def test_what_cannot_travel_as_metadata_is_refused_by_name(tmp_path: Path) -> None:
    obstacle = "it has 10 compressed frames"
    with pytest.raises(Reject, match=r"Jane Doe 3\.jpg cannot be sent as metadata and bulk data: it has 10"):
        request.build([photo(tmp_path, metadata_obstacle=obstacle)], Form.JSON)
    assert request.build([photo(tmp_path, metadata_obstacle=obstacle)], Form.DICOM)


def test_a_single_file_is_the_body_itself(tmp_path: Path) -> None:
    each = photo(tmp_path, part10=Stream.of(b"the file"))
    single = request.single(request.prepare(each, Form.DICOM))
    assert single.content_type == "application/dicom"
    assert single.body.read() == b"the file"


@pytest.mark.parametrize("form", list(Form))
def test_no_body_is_longer_than_its_instances_say(tmp_path: Path, form: Form) -> None:
    prepared = [
        request.prepare(each, form) for each in (photo(tmp_path), document(tmp_path), native(tmp_path))
    ]
    assert request.join(prepared).body.length <= request.ENVELOPE + sum(each.size for each in prepared)


def test_a_reference_is_ascii_whatever_the_uid(tmp_path: Path) -> None:
    each = photo(tmp_path, sop_instance_uid="2.25.3 \r\n/é")
    assert request.bulk_uri(each, each.bulks[0]) == "bulk/2.25.3%20%0D%0A%2F%C3%A9/7FE00010"


@pytest.mark.parametrize(
    ("url", "store", "study"),
    [
        ("http://host/dicom-web", "http://host/dicom-web/studies", None),
        ("http://host/dicom-web/", "http://host/dicom-web/studies", None),
        ("http://host:8042", "http://host:8042/studies", None),
        ("http://host/", "http://host/studies", None),
        ("http://host/rs/studies", "http://host/rs/studies", None),
        ("http://host/rs/studies/", "http://host/rs/studies", None),
        ("http://host/rs/studies/1.2.3", "http://host/rs/studies/1.2.3", "1.2.3"),
        ("http://host/rs/studies/1.2.3/", "http://host/rs/studies/1.2.3", "1.2.3"),
        ("https://host/rs/studies?x=y", "https://host/rs/studies?x=y", None),
        ("https://host/rs?x=y", "https://host/rs/studies?x=y", None),
        ("http://host/studies/1.2.3?x=y#there", "http://host/studies/1.2.3?x=y", "1.2.3"),
        ("http://[::1]:80/rs", "http://[::1]:80/rs/studies", None),
    ],
)
def test_addresses(url: str, store: str, study: str | None) -> None:
    parsed = address.parse(url)
    assert parsed.store == store
    assert parsed.study == study == request.study_in_url(url)
    assert parsed.root == store.partition("/studies")[0]
    assert "?" not in parsed.shown


@pytest.mark.parametrize(
    "url", ["localhost:8042", "ftp://host/studies", "http://", "", "http://host:port/", "http://[::1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Fatal, match="address"):
        address.parse(url)


def test_credentials_in_an_address_are_refused_without_being_repeated() -> None:
    with pytest.raises(Fatal) as caught:
        address.parse("https://user:secret@host/dicom-web")
    assert "secret" not in str(caught.value)


def test_a_search_keeps_keys_but_not_attributes() -> None:
    parsed = address.parse("http://host/rs/studies?api-key=k&00100020=4711&PatientID=1")
    assert parsed.search("1.2", "3.4") == "http://host/rs/studies/1.2/instances?SOPInstanceUID=3.4&api-key=k"
    assert parsed.search(None, "3.4") == "http://host/rs/instances?SOPInstanceUID=3.4&api-key=k"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1/", True),
        ("http://127.0.0.1", True),
        ("http://127.1.2.3", True),
        ("http://[::1]/", True),
        ("http://archive.localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert address.parse(url).is_loopback is expected
