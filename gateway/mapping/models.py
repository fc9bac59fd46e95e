"""Mappings and object templates as models: their keys and shapes, for reading them and for editors.

What a text means (an expression, a pattern, a code) is for the module that it belongs to; here is only
where it may stand.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from gateway.config import Site
from gateway.documents import Day, Duration, Model, Named, OneOrMore, Plain, SignedDuration, Tree, Words
from gateway.mapping import conversion
from gateway.mapping.assembly import AssembleModel
from gateway.mapping.checks import CheckModel
from gateway.mapping.patient_ids import PatientIdsSaid
from gateway.mapping.sources.barcode import BarcodeModel
from gateway.mapping.sources.path import PathModel
from gateway.mapping.sources.sidecar import SidecarModel
from gateway.mapping.sources.table import TableModel
from gateway.nodes import Fault

Kinds = Literal["image", "video", "pdf", "cda", "stl", "obj", "mtl", "model", "document", "dicom"]

Attributes = Annotated[
    Tree,
    WithJsonSchema(
        {
            "type": ["object", "null"],
            "propertyNames": {"pattern": r"^[A-Za-z0-9(),.\[\]]+$"},
            "additionalProperties": {"type": ["string", "number", "boolean", "null", "object", "array"]},
        }
    ),
]
"""Attributes by keyword, tag or path, and their values."""

Convert = Annotated[Tree, WithJsonSchema(conversion.schema(conversion.KEYS))]
"""How files are converted."""


class MatchModel(Model):
    """Which files the mapping is for: patterns with * and ?, one or a list, for what a file is itself."""

    WHAT = "match"

    name: OneOrMore[Words] = ()
    """The file name."""
    folder: OneOrMore[Words] = ()
    """The folder below the root."""
    relative: OneOrMore[Words] = ()
    """The path below the root."""
    kind: OneOrMore[Kinds] = ()
    """The kind of file."""
    format: OneOrMore[Words] = ()
    """The format by content, such as jpeg."""
    type: OneOrMore[Words] = ()
    """The media type, such as image/*."""


class SourcesModel(Model):
    """Where facts come from besides the file itself; each may use those before it."""

    WHAT = "sources"

    path: PathModel | None = None
    """The file's name and folders."""
    table: OneOrMore[TableModel] = ()
    """Tables: CSV, TSV, spreadsheets, NDJSON, SQLite."""
    sidecar: OneOrMore[SidecarModel] = ()
    """Files beside the file, or one for all files of a folder."""
    barcode: BarcodeModel | None = None
    """A bar code or QR code in the picture or on the first page."""


class IdentityModel(Model):
    """What makes a study or a series one."""

    WHAT = "identity"

    study: Words | None = None
    """The key of the study, besides the patient."""
    otherwise: Words | None = None
    """The study's key where there is no Accession Number, and nothing under study."""
    series: Words | None = None
    """The key of the series within the study."""


class KindModel(Model):
    """What is different for one kind of file."""

    WHAT = "a kind"

    template: Words | None = None
    """The object template, by name or file."""
    attributes: Attributes | None = None
    """Attributes and their values, above those for all kinds."""
    convert: Convert | None = None
    """How files of this kind are converted."""


class KindsModel(Model):
    """Templates, attributes and conversions by kind of file."""

    WHAT = "kinds"

    image: KindModel | None = None
    """Pictures."""
    video: KindModel | None = None
    """Videos."""
    pdf: KindModel | None = None
    """PDF documents."""
    cda: KindModel | None = None
    """Clinical documents."""
    stl: KindModel | None = None
    """STL models."""
    obj: KindModel | None = None
    """OBJ models."""
    mtl: KindModel | None = None
    """Materials of OBJ models."""
    model: KindModel | None = None
    """Models and materials that have no entry of their own."""
    dicom: KindModel | None = None
    """Files that are DICOM objects already."""


class SiteModel(Model):
    """Facts of the place where files come from; they fill the attributes below the mapping."""

    WHAT = "site"

    institution: Plain = ""
    """Institution Name."""
    department: Plain = ""
    """Institutional Department Name."""
    station: Plain = ""
    """Station Name."""
    manufacturer: Plain = ""
    """Manufacturer of the device."""
    model: Plain = ""
    """Manufacturer's Model Name of the device."""
    serial: Plain = ""
    """Device Serial Number."""
    software: Plain = ""
    """Software Versions of the device."""
    issuer: Plain = ""
    """Issuer of Patient ID."""
    issuer_accession: Plain = ""
    """Issuer of Accession Numbers."""
    timezone: Plain = ""
    """Time zone by its IANA name, such as Europe/Berlin."""
    language: Plain = ""
    """Language of the names of months, such as de."""
    clock: SignedDuration = timedelta()
    """What must be added to the device's clock to make it right, such as +1h."""
    since: Day | None = None
    """No file is older than this day."""
    max_age: Duration | None = None
    """No file is older than this when it comes, such as 10y."""
    variables: Named[Plain] = Field(default_factory=dict)
    """The site's own facts, used as site.NAME."""


class MappingModel(Model):
    """Whom and what the files of a site show."""

    WHAT = "a mapping"

    template: Words | None = None
    """The object template, by name or file."""
    extends: Words | None = None
    """Another mapping that this one adds to; what both say, this one decides."""
    match: MatchModel | None = None
    """Which files the mapping is for."""
    when: Words | None = None
    """An expression: the mapping is for the files for which it comes to something."""
    sources: SourcesModel | None = None
    """Where facts come from besides the file itself."""
    identity: IdentityModel | None = None
    """What makes a study or series one."""
    assemble: AssembleModel | None = None
    """Which files are the pages of one document."""
    convert: Convert | None = None
    """How files are converted."""
    attributes: Attributes | None = None
    """Attributes by keyword, tag or path, and their values."""
    maps: Named[Named[Plain]] = Field(default_factory=dict)
    """Tables from value to value or code, for the filter pick."""
    kinds: KindsModel | None = None
    """What is different for a kind of file."""
    checks: OneOrMore[CheckModel] = ()
    """What must be true of a file before it is sent, and what becomes of it otherwise."""
    site: SiteModel | None = None
    """Facts of the place; those of a folder or an option decide."""
    patient_id: PatientIdsSaid | None = None
    """What Patient IDs look like: a pattern, or a table with more."""
    unidentified: Literal["hold", "send"] | None = None
    """What becomes of a file whose patient is not established."""


class TemplateModel(Model):
    """A DICOM object: its SOP class, and the attributes that it needs with their defaults."""

    WHAT = "a template"

    extends: Words | None = None
    """Another template that this one adds to."""
    convert: Annotated[Tree, WithJsonSchema(conversion.schema(conversion.TEMPLATE_KEYS))] | None = None
    """How decoded pixels are stored."""
    attributes: Attributes | None = None
    """Attributes by keyword, tag or path, and their values."""


def site(model: SiteModel, faults: list[Fault]) -> Site:
    """The facts of a site; a time zone or language that does not exist is added to the faults."""
    if model.timezone and not _is_zone(model.timezone):
        message = f"there is no time zone {model.timezone!r}: write its IANA name, such as Europe/Berlin"
        faults.append(Fault(model.at("timezone"), message))
    if model.language and not _is_language(model.language):
        message = f"there is no language {model.language!r}: write its code, such as de or fr_CA"
        faults.append(Fault(model.at("language"), message))
    for name in model.variables:
        if name in _SITE_KEYS or not name.isidentifier():
            message = f"site.{name} cannot be a variable's name: choose another, of letters, digits and _"
            faults.append(Fault(model.at("variables"), message))
    values: dict[str, Any] = {name: getattr(model, name) for name in model.model_fields_set}
    return Site(**values)


_SITE_KEYS = frozenset(SiteModel.model_fields)


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        return bool(ZoneInfo(name))
    except (ValueError, OSError, LookupError):
        return False


def _is_language(name: str) -> bool:
    from babel import Locale, UnknownLocaleError

    try:
        return bool(Locale.parse(name.replace("-", "_")))
    except (ValueError, TypeError, UnknownLocaleError):
        return False
