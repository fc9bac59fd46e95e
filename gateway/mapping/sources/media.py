"""`media`: what is known of every file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.model import Probe
from gateway.stream import FileSlice, stat

NAMES = ("name", "stem", "extension", "folder", "relative", "size", "type", "format", "captured", "modified")
"""`folder` and `relative` are below the root, with `/`; `captured` is when the file says that its
content was made; `modified` is when the file itself was written, which no template uses."""


def facts(probe: Probe, captured: datetime | None) -> Mapping[str, Any]:
    """The facts of a file. `modified` is in this computer's time zone."""
    source = probe.source
    return {
        "name": source.name,
        "stem": source.shown.stem,
        "extension": source.shown.suffix.removeprefix(".").lower(),
        "folder": source.folder,
        "relative": source.relative,
        "size": probe.content.length,
        "type": probe.media_type,
        "format": probe.format,
        "captured": captured,
        "modified": datetime.fromtimestamp(_modified(probe), UTC).astimezone(),
    }


def _modified(probe: Probe) -> float:
    """Seconds since 1970 at which the file was written, as when it was examined."""
    for piece in probe.content.pieces:
        if isinstance(piece, FileSlice) and piece.path == probe.source.path:
            return piece.stamp.modified_ns / 1e9
    return stat(probe.source.path).st_mtime
