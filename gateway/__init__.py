"""A gateway that turns files into DICOM objects and stores them over DICOMweb STOW-RS.

import gateway

outcomes = gateway.store(["photo.jpg"], "http://127.0.0.1:8042/dicom-web", attributes={"PatientID": "4711"})
for outcome in outcomes:
    print(outcome.source, outcome.status, outcome.text)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import Fatal, GatewayError, Pause, Reject, Retry
from gateway.model import Outcome, Status
from gateway.version import __version__

if TYPE_CHECKING:  # the stages load when they are used
    from gateway.config import Destination
    from gateway.pipeline import Observer, Work

__all__ = ["Fatal", "GatewayError", "Outcome", "Pause", "Reject", "Retry", "Status", "__version__", "store"]


def store(
    files: Iterable[str | PathLike[str]],
    url: str | Destination,
    *,
    attributes: Mapping[str, str] | None = None,
    mapping: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    headers: Mapping[str, str] | None = None,
    work: Work | None = None,
    observer: Observer | None = None,
) -> list[Outcome]:
    """Converts files, and all files in folders, and stores them; one outcome a file.

    `url` is the archive's DICOMweb address, or a `Destination` that says more of it. `attributes` are
    set as if typed (`{"PatientName": "Doe^John"}`), `mapping` names a mapping or its file, or several, of
    which the first is taken that is for a file; `headers` go with every request. `work` says all that in
    one, for whoever needs more than these three.

    What is wrong with one file is that file's outcome, and an archive that cannot be used is the
    outcome `retry` of those that it did not take. Raises `Fatal` when what was asked for cannot be done:
    an unknown attribute, a value that is not of its form, a mapping with errors.
    """
    from gateway import config, pipeline
    from gateway.mapping.description import description

    if work is None:
        typed = [f"{name}={value}" for name, value in (attributes or {}).items()]
        names = [mapping] if isinstance(mapping, str | PathLike) else mapping
        asked = description(mappings=[str(name) for name in names], typed=typed)
        work = pipeline.Work(namespace=config.uid_namespace().value, description=asked)
    elif attributes or mapping:
        raise Fatal("attributes and mapping are part of work: give them there")
    destination = url if isinstance(url, config.Destination) else config.Destination(url)
    if headers:
        destination = replace(destination, headers=(*destination.headers, *headers.items()))
    outcomes = []
    for outcome in pipeline.store(map(Path, files), destination, work, observer):
        outcomes.append(outcome)
        if observer:
            observer.settled(outcome)
    return outcomes
