"""PDF documents: facts, passwords, and what is whole."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, NameObject, NumberObject

import examples
from gateway.config import Reading
from gateway.errors import GatewayError, Reject
from gateway.formats import pdf, probe
from gateway.model import Probe, Source
from support import require


def look(folder: Path, data: bytes, reading: Reading = Reading()) -> Probe:
    path = examples.write(folder / "letter.pdf", data)
    return probe(Source(path, folder), reading)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


def poppler(path: Path) -> dict[str, str]:
    """What poppler's pdfinfo says of a document."""
    done = subprocess.run(
        [require("pdfinfo"), "-isodates", str(path)], capture_output=True, text=True, check=True
    )
    return {
        name: value.strip() for name, _, value in (line.partition(":") for line in done.stdout.splitlines())
    }


def encrypted(algorithm: str, user: str = "", **options: object) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width=100, height=100)
    writer.add_metadata({"/Title": "Befund für Jörg"})
    writer.encrypt(user_password=user, owner_password="owner", algorithm=algorithm, **options)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_real_documents_are_as_poppler_sees_them(samples: Path) -> None:
    seen = 0
    for path in sorted((samples / "pdf").iterdir()):
        if "password" in path.name:
            continue
        found, judged = probe(Source(path, samples), Reading()), poppler(path)
        facts = found.facts["pdf"]
        assert facts["pages"] == int(judged["Pages"])
        assert facts["title"] == (judged.get("Title") or None)
        assert facts["producer"] == (judged.get("Producer") or None)
        assert facts["encrypted"] is (judged["Encrypted"] != "no")
        if made := judged.get("CreationDate"):
            assert (
                facts["created"] == found.captured == datetime.fromisoformat(made + "00" * (made[-3] in "+-"))
            )
        else:
            assert facts["created"] is None
        assert found.content.read() == path.read_bytes()
        assert (found.transfer_syntax, found.media_type) == ("1.2.840.10008.1.2.1", "application/pdf")
        seen += 1
    assert seen >= 4


def test_a_real_document_that_needs_a_password(samples: Path) -> None:
    source = Source(samples / "pdf" / "libreoffice-writer-password.pdf", samples)
    with pytest.raises(Reject, match="needs a password"):
        probe(source, Reading())
    found = probe(source, Reading(allow_encrypted=True))
    assert found.facts["pdf"]["encrypted"] is True
    assert found.facts["pdf"]["pages"] is None
    assert found.messages == ("needs a password to be read",)
    assert found.content.length == source.path.stat().st_size


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_encrypted_documents_are_stored_when_they_open_without_a_password(
    tmp_path: Path, algorithm: str
) -> None:
    found = look(tmp_path, encrypted(algorithm))
    assert found.facts["pdf"]["encrypted"] is True
    assert found.facts["pdf"]["title"] == "Befund für Jörg"
    assert found.facts["pdf"]["pages"] == 1
    assert found.messages == ("is encrypted but opens without a password",)
    assert "needs a password" in refusal(tmp_path, encrypted(algorithm, "secret"))
    assert look(tmp_path, encrypted(algorithm, "secret"), Reading(allow_encrypted=True)).captured is None


def test_an_unknown_kind_of_encryption_counts_as_locked(tmp_path: Path) -> None:
    data = encrypted("RC4-128").replace(b"/Filter /Standard", b"/Filter /PubKeySe")
    assert b"PubKeySe" in data
    assert "needs a password" in refusal(tmp_path, data)


def test_title_and_other_texts(tmp_path: Path) -> None:
    data = examples.pdf(
        pages=3, Title=" Arzt\nbrief  Ä中\0", Author="A", Subject="", Keywords="k", Creator="c"
    )
    facts = look(tmp_path, data).facts["pdf"]
    assert facts == {
        "title": "Arzt brief Ä中",
        "author": "A",
        "subject": None,
        "keywords": "k",
        "creator": "c",
        "producer": "pypdf",
        "created": None,
        "pages": 3,
        "encrypted": False,
    }


XMP = """<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:title><rdf:Alt>
<rdf:li xml:lang='de'>Befund</rdf:li><rdf:li xml:lang='x-default'>Report</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""


@pytest.mark.parametrize(("info", "title"), [({}, "Report"), ({"Title": "Letter"}, "Letter")])
def test_the_title_in_xmp_counts_where_there_is_no_other(tmp_path: Path, info: dict, title: str) -> None:
    writer = PdfWriter(io.BytesIO(examples.pdf(**info)))
    writer.xmp_metadata = XMP.encode()
    file = io.BytesIO()
    writer.write(file)
    assert look(tmp_path, file.getvalue()).facts["pdf"]["title"] == title


def test_broken_xmp_is_no_title(tmp_path: Path) -> None:
    writer = PdfWriter(io.BytesIO(examples.pdf()))
    writer.xmp_metadata = b"<x:xmpmeta"
    file = io.BytesIO()
    writer.write(file)
    assert look(tmp_path, file.getvalue()).facts["pdf"]["title"] is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("D:20240229235958+01'00'", datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone(timedelta(hours=1)))),
        ("D:20240229235958-0330", datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone(-timedelta(hours=3.5)))),
        ("D:20240229235958+01", datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone(timedelta(hours=1)))),
        ("D:20240229235958Z00'00'", datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)),
        ("20240229235958", datetime(2024, 2, 29, 23, 59, 58)),  # noqa: DTZ001
        ("D:202402292359", datetime(2024, 2, 29, 23, 59)),  # noqa: DTZ001
        ("D:20240229235958+99'99'", datetime(2024, 2, 29, 23, 59, 58)),  # noqa: DTZ001
        ("D:20230229235958", None),
        ("D:00000000000000", None),
        ("D:2024", None),
        ("Thursday", None),
        ("", None),
    ],
)
def test_creation_dates(tmp_path: Path, written: str, expected: datetime | None) -> None:
    found = look(tmp_path, examples.pdf(CreationDate=written))
    assert found.captured == expected
    assert found.captured is None or found.captured.tzinfo == expected.tzinfo


def test_a_header_further_inside_is_a_message(tmp_path: Path) -> None:
    for before in (1, 7, 1000):
        data = b"\n" * before + examples.pdf()
        found = look(tmp_path, data)
        assert found.content.read() == data
        assert f"{before:,} bytes before its PDF header" in found.messages[0]
    assert "known here by its content" in refusal(tmp_path, bytes(1024) + examples.pdf())


def test_truncated_documents_are_not_whole(tmp_path: Path, samples: Path) -> None:
    for data in (examples.pdf(pages=3), (samples / "pdf" / "pdflatex-forms.pdf").read_bytes()):
        for part in (0.1, 0.5, 0.9, 0.999):
            assert "not whole" in refusal(tmp_path, data[: int(len(data.rstrip()) * part)])


def test_padding_behind_the_end_is_no_fault(tmp_path: Path) -> None:
    assert look(tmp_path, examples.pdf() + bytes(2000)).facts["pdf"]["pages"] == 1


def test_wrong_tables_are_mended(tmp_path: Path) -> None:
    data = re.sub(rb"startxref\n\d+", b"startxref\n12", examples.pdf(pages=2, Title="T"))
    facts = look(tmp_path, data).facts["pdf"]
    assert (facts["pages"], facts["title"]) == (2, "T")


def test_large_documents_with_wrong_tables_are_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n")
        file.seek(1 << 30)
        file.write(b"\nstartxref\n99\n%%EOF\n")
    with pytest.raises(Reject, match="damaged PDF"):
        probe(Source(path, tmp_path), Reading())


@pytest.mark.parametrize(
    "middle",
    [
        b"",
        b"trailer\n<</Root 1 0 R>>\nstartxref\n9\n",
        b"1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R/Size 2>>\nstartxref\n0\n",
        b"1 0 obj\n<</Type/Catalog/Pages 1 0 R/Count(x)>>\nendobj\n"
        b"trailer\n<</Root 1 0 R/Size 2>>\nstartxref\n0\n",
        b"1 0 obj\n" + b"[" * 100_000 + b"\nendobj\ntrailer\n<</Root 1 0 R/Size 2>>\nstartxref\n0\n",
        b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Prev 9/Root 1 0 R>>\nstartxref\n9\n",
        b"xref\n0 99999999\ntrailer\n<</Root 1 0 R>>\nstartxref\n9\n",
    ],
)
def test_nonsense_is_refused_as_damaged(tmp_path: Path, middle: bytes) -> None:
    assert "damaged PDF document" in refusal(tmp_path, b"%PDF-1.4\n" + middle + b"%%EOF\n")


def test_the_page_count_is_that_of_the_tree(tmp_path: Path) -> None:
    writer = PdfWriter()
    writer.add_blank_page(width=10, height=10)
    writer.root_object["/Pages"][NameObject("/Count")] = ArrayObject([NumberObject(1)])
    file = io.BytesIO()
    writer.write(file)
    assert "damaged" in refusal(tmp_path, file.getvalue())


def test_nothing_is_said_on_the_terminal_or_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    try:
        look(tmp_path, b"\n" + re.sub(rb"startxref\n\d+", b"startxref\n12", examples.pdf()))
    finally:
        logging.getLogger().removeHandler(handler)
    assert heard.getvalue() == ""
    assert capfd.readouterr() == ("", "")


DOCUMENTS = [examples.pdf(pages=2, Title="Title"), encrypted("RC4-128"), encrypted("AES-256")]


@given(st.data())
def test_no_change_of_a_document_breaks_the_reading(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(DOCUMENTS))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(8, len(original) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x.pdf", bytes(changed))
        try:
            assert pdf.probe(Source(path, path.parent), Reading()).content.length == len(original)
        except GatewayError:
            return
