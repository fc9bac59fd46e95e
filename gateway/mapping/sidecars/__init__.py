"""Files beside a file that say whom and what it shows, a reader for each format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from gateway.mapping.sidecars import hl7v2, ini, json, text, xml, yaml
from gateway.mapping.sidecars.reader import Reader

READERS: Mapping[str, Reader] = {
    "ini": ini.READER,
    "xml": xml.READER,
    "json": json.READER,
    "yaml": yaml.READER,
    "hl7v2": hl7v2.READER,
    "text": text.READER,
}
"""The reader of each format."""


def format_of(name: str) -> str | None:
    """The format that files with the extension of this name have; None if none is known to have it."""
    extension = PurePath(name).suffix.removeprefix(".").lower()
    return next((form for form, reader in READERS.items() if extension in reader.extensions), None)
