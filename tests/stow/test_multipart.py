from __future__ import annotations

import contextlib
import email
import email.policy
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stow import multipart
from gateway.stow.multipart import ContentType, Malformed, Part, PartData, PartEnd, PartStart, Reader
from gateway.stream import FileSlice, Stream

Parsed = list[tuple[dict[str, str], bytes]]


def read(chunks: Iterable[bytes], boundary: str | None = "b") -> Parsed:
    reader = Reader(boundary)
    parts: Parsed = []
    open_part = False
    for chunk in chunks:
        for event in reader.feed(chunk):
            match event:
                case PartStart(headers):
                    assert not open_part
                    open_part = True
                    parts.append((dict(headers), b""))
                case PartData(data):
                    assert open_part
                    assert data
                    parts[-1] = (parts[-1][0], parts[-1][1] + data)
                case PartEnd():
                    assert open_part
                    open_part = False
    reader.close()
    assert not open_part
    return parts


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def parts_of(*contents: bytes) -> list[Part]:
    return [Part((("Content-Type", "image/jpeg"),), Stream.of(content)) for content in contents]


def judged(body: bytes, content_type: str) -> list[email.message.EmailMessage]:
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert not message.defects
    assert message.is_multipart()
    return list(message.iter_parts())


def test_a_boundary_is_as_long_as_allowed_and_needs_no_quotes() -> None:
    boundary = multipart.boundary()
    assert len(boundary) == 70
    assert boundary.isalnum()
    assert boundary.isascii()
    assert multipart.boundary() != boundary


def test_a_boundary_that_occurs_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("a" * 70 + "b" * 70)
    monkeypatch.setattr(multipart.secrets, "choice", lambda _: next(letters))
    assert multipart.boundary([b"something", b"-" + b"a" * 70 + b"-"]) == "b" * 70


def test_the_length_is_exact_and_the_body_can_be_read_again(tmp_path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(bytes(range(256)) * 2000)
    part = Part(
        (("Content-Type", "image/jpeg"), ("Content-Location", "bulk/1")), Stream.of(FileSlice.whole(path))
    )
    body = multipart.write([part, *parts_of(b"", b"\r\n")], "b")
    assert body.length == len(body.read())
    assert body.read() == body.read()


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_an_independent_parser_reads_what_is_written(contents: list[bytes]) -> None:
    boundary = multipart.boundary()
    parts = [
        Part(
            (("Content-Type", "application/octet-stream"), ("Content-Location", f"bulk/{index}")),
            Stream.of(content),
        )
        for index, content in enumerate(contents)
    ]
    body = multipart.write(parts, boundary).read()
    found = judged(body, multipart.related("application/dicom+json", boundary))
    assert [part["Content-Location"] for part in found] == [f"bulk/{index}" for index in range(len(contents))]
    # Python's parser works on lines and so cannot tell CR, LF and CRLF apart where it cuts them.
    assert [part.get_payload(decode=True) for part in found] == contents


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        (True, 'multipart/related; type="application/dicom+json"; boundary=abc'),
        (False, "multipart/related; type=application/dicom+json; boundary=abc"),
    ],
)
def test_the_content_type_of_a_body(quoted: bool, expected: str) -> None:
    written = multipart.related("application/dicom+json", "abc", quoted=quoted)
    assert written == expected
    assert multipart.parse_content_type(written).parameters == {
        "type": "application/dicom+json",
        "boundary": "abc",
    }


@pytest.mark.parametrize(
    ("text", "media_type", "parameters"),
    [
        ("multipart/related", "multipart/related", {}),
        ("Multipart/Related;", "multipart/related", {}),
        (
            "multipart/related;boundary=X;type=application/dicom",
            None,
            {"boundary": "X", "type": "application/dicom"},
        ),
        (
            'multipart/related; TYPE="application/dicom"; boundary="a b:c=?"',
            None,
            {"type": "application/dicom", "boundary": "a b:c=?"},
        ),
        (r'multipart/related; boundary="a\"b\\c"', None, {"boundary": r'a"b\c'}),
        ('multipart/related; boundary="a;b" ; start="<root>"', None, {"boundary": "a;b", "start": "<root>"}),
        ("multipart/related; boundary=a:b=c", None, {"boundary": "a:b=c"}),
        (
            "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50",
            "image/jpeg",
            {"transfer-syntax": "1.2.840.10008.1.2.4.50"},
        ),
        ("multipart/related; boundary=first; boundary=second", None, {"boundary": "first"}),
    ],
)
def test_content_types_as_clients_write_them(
    text: str, media_type: str | None, parameters: dict[str, str]
) -> None:
    assert multipart.parse_content_type(text) == ContentType(media_type or "multipart/related", parameters)


@pytest.mark.parametrize(
    "text", ['multipart/related; boundary="open', "multipart/related; boundary", 'a/b; c="d"e']
)
def test_a_content_type_that_is_none(text: str) -> None:
    with pytest.raises(Malformed, match="not name=value"):
        multipart.parse_content_type(text)


@given(st.text(max_size=60))
def test_any_content_type_is_taken_apart_or_refused(text: str) -> None:
    with contextlib.suppress(Malformed):
        multipart.parse_content_type(text)


# Content made of what delimiters are made of.
CONFUSING = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"-", b"--", b"b", b"\r\n--b", b"\r\n--bb", b" ", b"\t", b":", b"x"]
    ),
    max_size=12,
).map(b"".join)


@given(st.lists(CONFUSING, min_size=1, max_size=3), st.lists(st.integers(min_value=0), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_parts(contents: list[bytes], cuts: list[int]) -> None:
    boundary = "bound"
    body = multipart.write(parts_of(*contents), boundary).read()
    expected = [({"content-type": "image/jpeg"}, content) for content in contents]
    assert read(pieces(body, cuts), boundary) == expected
    assert read((body[i : i + 1] for i in range(len(body))), None) == expected


@given(st.binary(max_size=300) | CONFUSING, st.lists(st.integers(min_value=0), max_size=20), st.booleans())
def test_any_bytes_give_the_same_result_at_any_split(data: bytes, cuts: list[int], known: bool) -> None:
    data = b"--b\r\nA: b\r\n\r\n" + data

    def result(chunks: Iterable[bytes]) -> Parsed | str:
        try:
            return read(chunks, "b" if known else None)
        except Malformed as error:
            return str(error)

    assert result(pieces(data, cuts)) == result([data])


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\nx\r\n--b--",
        b"--b\r\n\r\nx\r\n--b--\r\n",
        b"\r\n--b\r\n\r\nx\r\n--b--",
        b"A preamble\r\nof two lines\r\n--b\r\n\r\nx\r\n--b--\r\nand an epilogue\r\n--b\r\n\r\ny\r\n--b--",
        b"--b  \t\r\n\r\nx\r\n--b--",
        b"--b\n\nx\r\n--b--\n",
    ],
    ids=[
        "no last line end",
        "last line end",
        "leading line end",
        "preamble and epilogue",
        "padding",
        "bare LF",
    ],
)
def test_bodies_as_clients_write_them(body: bytes) -> None:
    assert read([body]) == [({}, b"x")]


def test_the_boundary_is_taken_from_the_first_line() -> None:
    body = b"\r\n--------d74496d66958873e\r\n\r\nx\r\n--------d74496d66958873e--"
    assert read([body], None) == [({}, b"x")]


@pytest.mark.parametrize("body", [b"no dashes\r\n", b"--\r\n", b"x" * 2000, b"--" + b"b" * 300 + b"\r\n"])
def test_a_first_line_that_is_no_boundary(body: bytes) -> None:
    with pytest.raises(Malformed, match="boundary"):
        read([body], None)


@pytest.mark.parametrize("boundary", ["", "a\r\nb", "a ", "b" * 300])
def test_a_boundary_that_cannot_be_one(boundary: str) -> None:
    with pytest.raises(Malformed, match="boundary"):
        Reader(boundary)


def test_a_part_without_content_may_leave_out_its_line_end() -> None:
    assert read([b"--b\r\nA: 1\r\n\r\n--b\r\nA: 2\r\n\r\n\r\n--b--"]) == [
        ({"a": "1"}, b""),
        ({"a": "2"}, b""),
    ]


def test_headers_are_unfolded_and_known_in_lower_case() -> None:
    block = b"Content-Type: image/jpeg;\r\n  transfer-syntax=1.2\r\nCONTENT-location :  bulk/\xc3\xa9 \r\n"
    body = b"--b\r\n" + block + b"\r\n\r\n--b--"
    assert read([body]) == [
        ({"content-type": "image/jpeg; transfer-syntax=1.2", "content-location": "bulk/é"}, b"")
    ]
    assert read([body.replace(b"\xc3\xa9", b"\xe9")]) == read([body])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no parts"),
        (b"something else", "no parts"),
        (b"--c\r\n\r\nx\r\n--c--", "no parts"),
        (b"--b\r\n\r\nx", "ends before its closing boundary"),
        (b"--b\r\n\r\nx\r\n--b\r\n", "ends before its closing boundary"),
        (b"--b\r\n\r\nx\r\n--b", "ends before its closing boundary"),
        (b"--b\r\nA: 1\r\n", "ends before its closing boundary"),
        (b"--b\r\nno header\r\n\r\nx\r\n--b--", "not 'Name: value'"),
        (b"--b\r\nA: " + b"x" * 70_000 + b"\r\n\r\nx\r\n--b--", "bytes of headers"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read([body])


def test_no_more_than_a_boundary_is_held_back() -> None:
    reader = Reader("b" * 70)
    reader.feed(b"--" + b"b" * 70 + b"\r\n\r\n")
    handed_out = 0
    for _ in range(100):
        for event in reader.feed(b"\r\n--" * 1000):
            assert isinstance(event, PartData)
            handed_out += len(event.data)
    assert handed_out > 100 * 4000 - 80
    assert not reader.complete
