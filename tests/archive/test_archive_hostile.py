"""Whatever is sent to the embedded archive, it answers in words and goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import examples
from archive_requests import BOUNDARY, JSON, XML, body, bulk, model, related
from gateway.archive.server import running
from gateway.dicom import xml

quickly = settings(
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PART10 = {"Content-Type": "application/dicom"}
INSTANCE = "studies/2.25.1002/series/2.25.1003/instances/2.25.1001"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        running(tmp_path_factory.mktemp("archive")) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        client.post("studies", content=examples.dicom(), headers=PART10)
        yield client
        assert client.get("studies").status_code == 200
        assert client.get(INSTANCE, headers={"Accept": "application/dicom"}).content == examples.dicom()


def _check(answer: httpx.Response) -> None:
    """An answer is never the archive's own failure, and a refusal is a sentence."""
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if answer.headers.get("Content-Type") == "application/json":
        assert answer.json()["message"]


_damage = st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8)), max_size=6)


def _damaged(data: bytes, damage: list[tuple[int, bytes]]) -> bytes:
    changed = bytearray(data)
    for number, piece in damage:
        place = number % (len(changed) + 1)
        changed[place : place + len(piece)] = piece
    return bytes(changed)


@quickly
@given(_damage, st.integers(0, 1200))
def test_damaged_files(client: httpx.Client, damage: list[tuple[int, bytes]], cut: int) -> None:
    data = _damaged(
        examples.dicom(SOPInstanceUID="2.25.1", PatientName="X^Y", ProcedureCodeSequence=[]), damage
    )
    _check(client.post("studies", content=data[: len(data) - cut % 200], headers=PART10))


@quickly
@given(
    _damage, st.sampled_from([related("application/dicom"), related(JSON), related(XML), "multipart/related"])
)
def test_damaged_bodies(client: httpx.Client, damage: list[tuple[int, bytes]], content_type: str) -> None:
    content = body(
        ({"Content-Type": JSON}, json.dumps([model()]).encode()),
        ({"Content-Type": XML}, xml.dump(model("2.25.2"))),
        bulk(examples.jpeg(), "image/jpeg"),
    )
    _check(client.post("studies", content=_damaged(content, damage), headers={"Content-Type": content_type}))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["vr", "Value", "BulkDataURI", "InlineBinary", "Alphabetic"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
_media_types = ["image/jpeg", "video/mp4", "application/octet-stream", "application/pdf", ""]
_tags = st.sampled_from(
    [
        "00080016",
        "00080018",
        "0020000D",
        "7FE00010",
        "00280010",
        "00280008",
        "00420011",
        "00400275",
        "00020010",
        "x",
    ]
)


@quickly
@given(st.dictionaries(_tags, _json, max_size=4), st.sampled_from([*_media_types, "image/jls", "x;y"]))
def test_metadata_of_any_shape(client: httpx.Client, changes: dict[str, Any], media_type: str) -> None:
    metadata = json.dumps([{**model("2.25.3"), **changes}]).encode()
    content = body(({"Content-Type": JSON}, metadata), bulk(examples.jpeg(), media_type))
    _check(client.post("studies", content=content, headers={"Content-Type": related(JSON)}))


@quickly
@given(st.binary(max_size=300), st.sampled_from(_media_types))
def test_pixel_data_of_any_bytes(client: httpx.Client, content: bytes, media_type: str) -> None:
    for start in (b"", b"\xff\xd8\xff\xe0", b"\0\0\0\x18ftypmp42", b"G" + bytes(187) + b"G"):
        parts = body(
            ({"Content-Type": JSON}, json.dumps(model("2.25.4")).encode()), bulk(start + content, media_type)
        )
        _check(client.post("studies", content=parts, headers={"Content-Type": related(JSON)}))


_printable = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.strip)
_words = st.sampled_from(
    ["PatientID", "StudyDate", "includefield", "limit", "offset", "00100010", "fuzzymatching", "accept"]
)


@quickly
@given(
    st.lists(st.tuples(_words | st.text(max_size=20), st.text(max_size=30)), max_size=4),
    st.sampled_from(["studies", "series", "instances"]),
)
def test_queries_of_any_words(client: httpx.Client, query: list[tuple[str, str]], level: str) -> None:
    encoded = "&".join(f"{quote(name)}={quote(value)}" for name, value in query)
    _check(client.get(f"{level}?{encoded}"))


@quickly
@given(st.binary(max_size=60))
def test_queries_of_any_bytes(client: httpx.Client, query: bytes) -> None:
    _check(
        client.get("studies?" + "".join(f"%{byte:02X}" if byte % 3 else chr(33 + byte % 3) for byte in query))
    )


@quickly
@given(_printable, st.sampled_from(["", "/metadata", "/rendered", "/frames/1", "/bulkdata/7FE00010"]))
def test_any_accept(client: httpx.Client, accept: str, path: str) -> None:
    _check(client.get(INSTANCE + path, headers={"Accept": accept}))


@quickly
@given(
    st.text(max_size=30),
    st.sampled_from(
        [
            "{}",
            "studies/{}",
            "studies/2.25.1002/series/{}",
            f"{INSTANCE}/frames/{{}}",
            f"{INSTANCE}/bulkdata/{{}}",
        ]
    ),
)
def test_any_address(client: httpx.Client, name: str, path: str) -> None:
    _check(client.get(path.replace("{}", quote(name, safe=""))))


@quickly
@given(_printable)
def test_any_content_type(client: httpx.Client, text: str) -> None:
    for content_type in (text, f"multipart/related; {text}", f"multipart/related; boundary={text}"):
        content = body((PART10, examples.dicom()))
        _check(client.post("studies", content=content, headers={"Content-Type": content_type.strip()}))


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
        'GET //x HTTP/1.1\r\nHost: "<b>\r\n\r\n',
        "GET /dicom-web/studies HTTP/1.1\r\nHost: [\r\n\r\n",
        "GET /dicom-web/studies HTTP/1.1\r\nHost: x:y@z:99999\r\n\r\n",
        "GET /dicom-web/studies HTTP/1.0\r\n\r\n",
        "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
)
def test_requests_that_are_no_http(client: httpx.Client, request_text: str) -> None:
    address = urlsplit(str(client.base_url))
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(request_text.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 500 " not in answer[:20]


def test_part_with_many_headers_and_many_parts(client: httpx.Client) -> None:
    many = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    content = f"--{BOUNDARY}\r\n".encode() + many + b"\r\n"
    answer = client.post("studies", content=content, headers={"Content-Type": related("application/dicom")})
    assert answer.status_code == 400
    parts = body(*[(PART10, b"x")] * 500)
    answer = client.post("studies", content=parts, headers={"Content-Type": related("application/dicom")})
    assert answer.status_code == 409
    assert len(answer.json()["0008119A"]["Value"]) == 500
    assert len(answer.headers.get_list("Warning")) <= 40
