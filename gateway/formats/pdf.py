"""PDF documents (ISO 32000): stored as they are, after a look at whether they are whole and can be opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from gateway.config import Reading
from gateway.errors import Reject, Unfinished
from gateway.formats.format import Format
from gateway.model import Kind, Probe, Source
from gateway.stream import FileStamp, open_file

_HEADER_WITHIN = 1024
"""Bytes in which the header must begin (ISO 32000-1 annex H.3, note 13)."""

_END_WITHIN = 4096
"""Bytes at the end of the file in which the end marker must stand; readers ask for 1024, files are padded."""


def sniff(head: bytes) -> bool:
    """Whether a PDF header stands near the start of these first bytes."""
    return b"%PDF-" in head[: _HEADER_WITHIN + len(b"%PDF-") - 1]


def probe(source: Source, reading: Reading) -> Probe:
    """What a PDF says of itself.

    Raises `Reject` for a document that is not whole, that nobody could read, or that needs a password
    unless `reading.allow_encrypted` lets it through.
    """
    from gateway.formats import pdf_facts  # loads pypdf

    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        before = file.read(_HEADER_WITHIN * 2).find(b"%PDF-")
        _check_end(file, path, stamp.size)
        facts, locked = pdf_facts.read(file, path)
    messages = []
    if before > 0:
        messages.append(f"has {before:,} bytes before its PDF header; some viewers may not open it")
    if locked and not reading.allow_encrypted:
        raise Reject(
            f"{path} is encrypted and needs a password. Give a copy without one, "
            f"or use --allow-encrypted if everybody who should read it has the password"
        )
    if facts["encrypted"]:
        messages.append(
            "needs a password to be read" if locked else "is encrypted but opens without a password"
        )
    return FORMAT.whole(
        source,
        stamp,
        captured=facts["created"],
        facts={"pdf": facts},
        messages=tuple(messages),
    )


FORMAT = Format(
    name="pdf",
    title="a PDF document",
    short="PDF",
    kind=Kind.DOCUMENT,
    media_type="application/pdf",
    extensions=(".pdf",),
    sniff=sniff,
    probe=probe,
    aliases=("application/x-pdf",),
)


def _check_end(file: BinaryIO, path: Path, size: int) -> None:
    """Refuses a document without its end marker: it was cut off on the way."""
    file.seek(max(0, size - _END_WITHIN))
    if b"%%EOF" not in file.read(_END_WITHIN):
        raise Unfinished(
            f"{path} is not whole: the PDF document has no end marker (%%EOF). Copy or export it again"
        )
