"""`media`: what is known of every file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.mapping.patients import PatientIds, candidate
from gateway.mapping.sources.days import day_of
from gateway.model import Probe
from gateway.stream import FileSlice, stat

NAMES = (
    "name", "stem", "extension", "folder", "relative", "size", "type", "kind", "format", "captured",
    "captured_problem", "modified", "day", "patient", "patient_doubt",
)  # fmt: skip
"""`folder` and `relative` are below the root, with `/`; `kind` is image, video, document or dicom;
`captured` is when the file says that its content was made, by a clock that is right; `captured_problem`
says why that cannot be true (`future`, `before-site`, `too-old`, `before-1990`); `modified` is when the
file itself was written, which no template uses. `day` is the date that the path says, `patient` the
Patient ID, and `patient_doubt` why there is none."""


def facts(
    probe: Probe, captured: datetime | None, problem: str | None = None, rule: PatientIds | None = None
) -> Mapping[str, Any]:
    """The facts of a file. `captured` is None where there is a problem; `modified` is in this computer's
    time zone; `rule` says what Patient IDs look like."""
    source = probe.source
    patient, doubt = candidate(source, rule)
    return {
        "name": source.name,
        "stem": source.shown.stem,
        "extension": source.shown.suffix.removeprefix(".").lower(),
        "folder": source.folder,
        "relative": source.relative,
        "size": probe.content.length,
        "type": probe.media_type,
        "kind": probe.kind.value,
        "format": probe.format,
        "captured": captured,
        "captured_problem": problem,
        "modified": datetime.fromtimestamp(_modified(probe), UTC).astimezone(),
        "day": day_of(source),
        "patient": patient,
        "patient_doubt": doubt,
    }


def _modified(probe: Probe) -> float:
    """Seconds since 1970 at which the file was written, as when it was examined."""
    for piece in probe.content.pieces:
        if isinstance(piece, FileSlice) and piece.path == probe.source.path:
            return piece.stamp.modified_ns / 1e9
    return stat(probe.source.path).st_mtime
