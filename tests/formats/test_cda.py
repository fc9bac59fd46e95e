"""Clinical documents: what they say of themselves, and XML that is hostile or something else."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import examples
from gateway.config import Reading
from gateway.errors import GatewayError, Reject
from gateway.formats import cda, probe
from gateway.model import Document, Probe, Source


def look(folder: Path, data: bytes) -> Probe:
    path = examples.write(folder / "letter.xml", data)
    return probe(Source(path, folder), Reading())


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


def test_the_header_of_a_document(tmp_path: Path) -> None:
    data = examples.cda()
    found = look(tmp_path, data)
    made = datetime(2024, 5, 31, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    assert found.facts["cda"] == {
        "title": "Arztbrief für Jörg",
        "scheme": "LN",
        "code": "34133-9",
        "meaning": "Summary of episode note",
        "identifier": "1.2.276.0.76.1^4711",
        "created": made,
        "date": date(2024, 5, 31),
    }
    assert found.captured == made
    assert found.document == Document("text/XML")
    assert (found.media_type, found.transfer_syntax) == ("text/xml", "1.2.840.10008.1.2.1")
    assert (found.content.read(), found.messages) == (data, ())


def test_a_document_that_says_nothing(tmp_path: Path) -> None:
    found = look(tmp_path, examples.cda(header="<realmCode/>"))
    assert set(found.facts["cda"].values()) == {None}
    assert found.captured is None


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "cp1252"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    name = "utf-8" if encoding == "utf-8-sig" else "utf-16" if "utf-16" in encoding else encoding
    text = examples.cda(declaration=f'<?xml version="1.0" encoding="{name}"?>\n<!-- ä -->').decode()
    assert look(tmp_path, text.encode(encoding)).facts["cda"]["title"] == "Arztbrief für Jörg"


def test_the_namespace_may_have_any_prefix_and_the_root_may_come_late(tmp_path: Path) -> None:
    text = examples.cda().decode().replace("<", "<h:").replace("<h:?", "<?").replace("<h:/", "</h:")
    text = text.replace("xmlns=", "xmlns:h=").replace("?>", f"?><!--{'x' * 9000}-->")
    assert look(tmp_path, text.encode()).facts["cda"]["code"] == "34133-9"


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ('<code code="1" codeSystem="2.16.840.1.113883.6.96" displayName="One"/>', ("SCT", "1", "One")),
        ('<code code="1" codeSystem="2.16.840.1.113883.6.1"/>', (None, None, None)),
        ('<code code="1" codeSystem="1.2.3" displayName="One"/>', (None, None, None)),
        ('<code nullFlavor="UNK"/>', (None, None, None)),
        (
            '<code code="1" codeSystem="1.2.3" displayName="One">'
            '<translation code="2" codeSystem="2.16.840.1.113883.6.1" displayName=" Two&#10;2 "/></code>',
            ("LN", "2", "Two 2"),
        ),
    ],
)
def test_codes(tmp_path: Path, element: str, expected: tuple[str | None, ...]) -> None:
    facts = look(tmp_path, examples.cda(header=element)).facts["cda"]
    assert (facts["scheme"], facts["code"], facts["meaning"]) == expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ('<id root="1.2.3"/>', "1.2.3"),
        ('<id root="1.2.3" extension="a b"/>', "1.2.3^a b"),
        ('<id nullFlavor="NI"/>', None),
        ('<id extension="4"/>', None),
        ('<author><id root="9.9"/></author>', None),
    ],
)
def test_instance_identifiers(tmp_path: Path, element: str, expected: str | None) -> None:
    assert look(tmp_path, examples.cda(header=element)).facts["cda"]["identifier"] == expected


@pytest.mark.parametrize(
    ("value", "moment", "day"),
    [
        ("20240229235958.123+0100",
         datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone(timedelta(hours=1))), date(2024, 2, 29)),
        ("202402292359-0330",
         datetime(2024, 2, 29, 23, 59, tzinfo=timezone(-timedelta(hours=3.5))), date(2024, 2, 29)),
        ("202402292359+00", datetime(2024, 2, 29, 23, 59, tzinfo=UTC), date(2024, 2, 29)),
        ("20240229235958", datetime(2024, 2, 29, 23, 59, 58), date(2024, 2, 29)),  # noqa: DTZ001
        ("20240229", None, date(2024, 2, 29)),
        ("20240229+0100", None, date(2024, 2, 29)),
        ("20230229", None, None),
        ("2024022924", None, None),
        ("202402", None, None),
        ("20240229250000", None, None),
        ("yesterday", None, None),
    ],
)  # fmt: skip
def test_effective_times(tmp_path: Path, value: str, moment: datetime | None, day: date | None) -> None:
    found = look(tmp_path, examples.cda(header=f'<effectiveTime value="{value}"/>'))
    assert (found.captured, found.facts["cda"]["date"]) == (moment, day)
    assert moment is None or found.captured.tzinfo == moment.tzinfo


def test_media_types_of_what_is_embedded(tmp_path: Path) -> None:
    media = "".join(
        f'<observationMedia><value mediaType="{each}">QUJD</value></observationMedia>'
        for each in ("image/jpeg", "image/png", "image/jpeg", "no type", "")
    )
    assert look(tmp_path, examples.cda(body=f"<component>{media}</component>")).document == Document(
        "text/XML", ("image/jpeg", "image/png")
    )
    scan = '<component><nonXMLBody><text mediaType="application/pdf">QUJD</text></nonXMLBody></component>'
    assert look(tmp_path, examples.cda(body=scan)).document == Document("text/XML", ("application/pdf",))


def test_titles_are_one_line_and_bounded(tmp_path: Path) -> None:
    header = f"<title>A\n<sub>B</sub>\t{'c' * 9000}</title>"
    title = look(tmp_path, examples.cda(header=header)).facts["cda"]["title"]
    assert title.startswith("A B ccc")
    assert len(title) < 5000


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ("<!DOCTYPE ClinicalDocument>", "declares a document type"),
        ('<!DOCTYPE ClinicalDocument [<!ENTITY a "b">]>', "declares a document type"),
        ('<!DOCTYPE ClinicalDocument SYSTEM "file:///etc/passwd">', "declares a document type"),
    ],
)
def test_document_types_are_refused(tmp_path: Path, declaration: str, words: str) -> None:
    assert words in refusal(tmp_path, examples.cda(declaration=declaration))


def test_what_is_not_well_formed_is_damaged_or_not_whole(tmp_path: Path) -> None:
    data = examples.cda()
    assert "damaged clinical document: mismatched tag in line 1" in refusal(
        tmp_path, data.replace(b"</title>", b"</tilte>")
    )
    assert "damaged" in refusal(tmp_path, data + b"<more/>")
    assert "damaged" in refusal(tmp_path, data.replace(b"Arzt", b"\xff\xff"))
    assert "damaged" in refusal(tmp_path, data.replace(b"Arzt", b"&undefined;"))
    for length in range(len(data) - 1, len(data) - 200, -7):
        assert "not whole" in refusal(tmp_path, data[:length])


def test_depth_and_length_are_bounded(tmp_path: Path) -> None:
    assert "deeper than 512" in refusal(tmp_path, examples.cda(body="<a>" * 100_000))
    assert "more than 4,194,304 bytes" in refusal(tmp_path, examples.cda(body=f"<!--{'x' * (8 << 20)}-->"))
    body = f"<component><nonXMLBody><text>{'QUJD' * (4 << 20)}</text></nonXMLBody></component>"
    assert look(tmp_path, examples.cda(body=body)).content.length > 16 << 20


@settings(deadline=None)
@given(st.data())
def test_no_change_of_a_document_breaks_the_reading(data: st.DataObject) -> None:
    original = examples.cda()
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    cda.sniff(bytes(changed))
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x.xml", bytes(changed))
        try:
            assert cda.probe(Source(path, path.parent), Reading()).content.length == len(original)
        except GatewayError:
            return
