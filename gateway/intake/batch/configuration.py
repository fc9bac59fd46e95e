"""An import as one YAML file, checked before anything runs.

    files: /mnt/legacy
    mapping: legacy.yaml
    destination: {url: https://archive.example/dicom-web, auth: {bearer: {file: token}}, rate: 20/s}
    ledger: import.db
    report: report
    night: 20:00-06:00

Paths are relative to the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from gateway import documents, nodes
from gateway.config import Site, Unidentified
from gateway.documents import Duration, Model, OneOrMore, Plain, Size, Whole, Words
from gateway.errors import Fatal, Reject
from gateway.intake.batch.job import DESTINATION, JOBS, Order, Pace, Selection, hours_of, share_of
from gateway.intake.configuration import Archive, DestinationModel, Reader
from gateway.mapping import patient_ids
from gateway.mapping.models import SiteModel
from gateway.mapping.models import site as read_site
from gateway.mapping.patient_ids import PatientIdsSaid
from gateway.mapping.patients import PatientIds
from gateway.nodes import Fault


class ImportModel(Model):
    """An import: where the files are, whom they show, where they go."""

    WHAT: ClassVar[str] = "an import"

    files: Plain = ""
    """Folder with the files, or table that names them."""
    ledger: Plain = ""
    """The ledger's file."""
    destination: DestinationModel | None = None
    """The archive and how to talk to it."""
    mapping: OneOrMore[Words] = ()
    """The mapping, or several that are tried in order."""
    name: Plain = ""
    """What the import is called in the ledger; the folder or table unless given."""
    file_column: Plain = "file"
    """The column of the table that names the files."""
    ignore: OneOrMore[Plain] = ()
    """Names that are passed over, with * and ?."""
    site: SiteModel | None = None
    """Facts of the place."""
    patient_id: PatientIdsSaid | None = None
    """What Patient IDs look like: a pattern, or a table with more."""
    unidentified: Literal["hold", "send"] = "hold"
    """What becomes of a file whose patient is not established."""
    report: Plain = ""
    """Folder for the report."""
    order: Literal["path", "newest", "oldest", "size"] = "path"
    """Which files come first."""
    limit: Whole | None = None
    """At most so many files in one run."""
    sample: Plain = ""
    """Only a part of the files, always the same, such as 1%."""
    bandwidth: Size | None = None
    """Bytes a second at most, such as 10MB."""
    night: Plain = ""
    """When anything is sent, such as 20:00-06:00."""
    decoders: Whole | None = None
    """Processes that decode at the same time; one a processor unless given."""
    max_errors: Whole | None = None
    """How many files may be held, rejected or refused before a run ends."""
    retry_for: Duration = timedelta(minutes=5)
    """How long a run goes on while the archive takes nothing."""
    uid_namespace: Plain = ""
    """Namespace of UIDs: a UUID or a domain name; the ledger's own unless given."""
    tmp_dir: Plain = ""
    """Folder for converted files."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a configuration file says of an import; None for what it does not."""

    files: Path | None = None
    ledger: Path | None = None
    archive: Archive | None = None
    mappings: tuple[str, ...] = ()
    name: str | None = None
    column: str = "file"
    ignore: tuple[str, ...] = ()
    site: Site = field(default_factory=Site)
    patient_id: PatientIds | None = None
    unidentified: Unidentified = Unidentified.HOLD
    report: Path | None = None
    selection: Selection = field(default_factory=Selection)
    pace: Pace = field(default_factory=Pace)
    uid_namespace: str | None = None
    tmp_dir: Path | None = None
    path: Path | None = None
    """The file itself."""


def load(path: Path) -> Settings:
    """The import in a file. Raises `Fatal` with all its faults, a line each."""
    faults: list[Fault] = []
    try:
        model = documents.read(path, str(path), ImportModel, faults)
    except Reject as error:
        raise Fatal(str(error)) from error
    made = _settings(model, path, faults) if model else None
    nodes.fail(faults)
    assert made is not None  # noqa: S101 - there are faults where there is no model
    return made


def _settings(model: ImportModel, path: Path, faults: list[Fault]) -> Settings:
    reader = Reader(path, faults)
    archive = _archive(model.destination, reader) if model.destination else None

    def place(text: str) -> Path | None:
        return (path.parent / Path(text).expanduser()).absolute() if text else None

    def parsed(key: str, parse: Any) -> Any:
        try:
            return parse(getattr(model, key)) if getattr(model, key) else None
        except Fatal as error:
            faults.append(Fault(model.at(key), str(error)))
            return None

    return Settings(
        files=place(model.files),
        ledger=place(model.ledger),
        archive=archive,
        mappings=tuple(
            reader.mapping(each, {DESTINATION: archive} if archive else {}) for each in model.mapping
        ),
        name=model.name or None,
        column=model.file_column,
        ignore=tuple(pattern.lower() for pattern in model.ignore),
        site=read_site(model.site, faults) if model.site else Site(),
        patient_id=patient_ids.read(model.patient_id, faults) if model.patient_id else None,
        unidentified=Unidentified(model.unidentified),
        report=place(model.report),
        selection=Selection(Order(model.order), model.limit, parsed("sample", share_of)),
        pace=Pace(
            bandwidth=model.bandwidth,
            night=parsed("night", hours_of),
            patience=model.retry_for.total_seconds(),
            max_errors=model.max_errors,
            decoders=model.decoders or None,
        ),
        uid_namespace=model.uid_namespace or None,
        tmp_dir=place(model.tmp_dir),
        path=path,
    )


def _archive(model: DestinationModel, reader: Reader) -> Archive:
    """The archive, with as many connections as suit an import where it does not say."""
    archive = reader.archive(DESTINATION, model)
    if "jobs" in model.written:
        return archive
    return replace(archive, destination=replace(archive.destination, jobs=JOBS))
