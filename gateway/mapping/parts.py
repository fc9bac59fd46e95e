"""What one file of a mapping says: its keys, each read by the module that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import nodes
from gateway.config import Site, Unidentified
from gateway.dicom import iods
from gateway.errors import Fatal
from gateway.mapping import conversion, expressions, scope, templates
from gateway.mapping.assignments import SOP_CLASS
from gateway.mapping.conversion import NOTHING_SAID, Conversion
from gateway.mapping.expressions import Expression, Template
from gateway.mapping.match import Match
from gateway.mapping.sheets import Sheet, beside
from gateway.mapping.sources.source import GivenSource
from gateway.mapping.templates import Level
from gateway.model import Kind
from gateway.nodes import Fault, Node, Table, Text

if TYPE_CHECKING:  # pydantic takes longer to import than a template to read
    from gateway.mapping.assembly import Assembly
    from gateway.mapping.checks import Check
    from gateway.mapping.models import KindModel, MappingModel, SourcesModel
    from gateway.mapping.patients import PatientIds

Maps = Mapping[str, Mapping[str, str]]
"""The tables of a mapping, by name."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one file of a mapping says; `unsure` are the names of its sources if they have faults."""

    template: str | None = None
    match: Match | None = None
    when: Template | None = None
    sources: tuple[GivenSource, ...] = ()
    unsure: tuple[str, ...] = ()
    study: Template | None = None
    otherwise: Template | None = None
    series: Template | None = None
    assemble: Assembly | None = None
    convert: Conversion = NOTHING_SAID
    attributes: Level = ()
    kinds: Mapping[str, KindSaid] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    patient_id: PatientIds | None = None
    unidentified: Unidentified | None = None
    site: Site = field(default_factory=Site)

    @property
    def used(self) -> Iterator[Expression]:
        """The expressions that are evaluated when all sources were asked."""
        for key in (self.study, self.otherwise, self.series):
            if key is not None:
                yield from key.expressions
        if self.assemble is not None:
            yield from self.assemble.expressions
        yield from templates.used(self.attributes)
        for kind in self.kinds.values():
            yield from templates.used(kind.attributes)


@dataclass(frozen=True, slots=True)
class KindSaid:
    """What one file says for one kind of file."""

    template: str | None
    attributes: Level
    convert: Conversion


def model_of(sheet: Sheet, faults: list[Fault]) -> tuple[MappingModel | None, bool]:
    """What a file says, and whether its sources have faults."""
    # only who has a mapping pays for pydantic
    from gateway import documents
    from gateway.mapping.models import MappingModel

    found: list[Fault] = []
    model = documents.build(sheet.table, MappingModel, found) if sheet.table else None
    faults += found
    return model, _is_faulty(sheet.get("sources"), found)


def part_of(said: MappingModel, sheet: Sheet, maps: Maps, faults: list[Fault], unsure: bool) -> Part:
    """The parts of what a file says, each read; their faults are added."""
    from gateway.mapping import assembly, checks, match, models, patient_ids

    before = len(faults)
    sources = _sources(said.sources, sheet, maps, faults) if said.sources else ()
    doubtful = unsure or len(faults) > before
    identity = said.identity
    return Part(
        template=_template(said.template, sheet, faults),
        match=match.read(said.match, faults) if said.match else None,
        when=_text(said.when, faults),
        sources=sources,
        unsure=tuple(_named(sheet.get("sources"))) if doubtful else (),
        study=_text(identity.study if identity else None, faults),
        otherwise=_text(identity.otherwise if identity else None, faults),
        series=_text(identity.series if identity else None, faults),
        assemble=assembly.read(said.assemble, faults) if said.assemble else None,
        convert=templates.convert(said.convert, conversion.KEYS, faults),
        attributes=_own_attributes(said.attributes, faults),
        kinds=_kinds(said, sheet, faults),
        checks=tuple(checks.read(each, faults) for each in said.checks),
        patient_id=patient_ids.read(said.patient_id, faults) if said.patient_id else None,
        unidentified=Unidentified(said.unidentified) if said.unidentified else None,
        site=models.site(said.site, faults) if said.site else Site(),
    )


def _sources(said: SourcesModel, sheet: Sheet, maps: Maps, faults: list[Fault]) -> tuple[GivenSource, ...]:
    """The sources in the order in which they are asked."""
    found: dict[str, GivenSource] = {}
    for source, place in _read_sources(said, sheet.path.parent, maps, faults):
        if source.name in found or source.name in scope.own(Site()):
            message = f"there is another source {source.name!r}: give this one another name"
            faults.append(Fault(place, message))
        found[source.name] = source
    return in_order(found.values())


def in_order(sources: Iterable[GivenSource]) -> tuple[GivenSource, ...]:
    """The sources as they are asked: the path first, which needs nothing before it; a later one of the
    same name takes the place of the earlier one."""
    found = {source.name: source for source in sources}
    return tuple(sorted(found.values(), key=lambda source: source.name != "path"))


def _read_sources(
    said: SourcesModel, folder: Path, maps: Maps, faults: list[Fault]
) -> Iterator[tuple[GivenSource, nodes.Place]]:
    from gateway.mapping.sources import barcode, path, sidecar, table

    readers: dict[str, Callable[..., GivenSource]] = {
        "path": path.read,
        "table": partial(table.read, maps=maps),
        "sidecar": sidecar.read,
        "barcode": barcode.read,
    }
    for key in said.written:
        models = getattr(said, key) or ()  # nothing where it is faulty
        for model in models if isinstance(models, tuple) else (models,):
            yield readers[key](model, faults, folder), model.place


def _named(node: Node | None) -> Iterator[str]:
    """The names of all sources that somebody meant to set up, however faulty."""
    yield from ("path", "row", "sidecar", "barcode")
    for key, value in (entry for each in _nodes(node) if isinstance(each, Table) for entry in each.entries):
        if key.text == "name" and isinstance(value, Text) and value.text:
            yield value.text


def _is_faulty(node: Node | None, faults: list[Fault]) -> bool:
    """Whether one of the faults lies within a node."""
    return not {each.place for each in _nodes(node)}.isdisjoint(fault.place for fault in faults)


def _nodes(node: Node | None) -> Iterator[Node]:
    """A node and all within it."""
    if node is None:
        return
    yield node
    inner = node.items if isinstance(node, nodes.Listing) else ()
    for each in (part for entry in node.entries for part in entry) if isinstance(node, Table) else inner:
        yield from _nodes(each)


def _kinds(said: MappingModel, sheet: Sheet, faults: list[Fault]) -> dict[str, KindSaid]:
    if said.kinds is None:
        return {}
    given = {kind: getattr(said.kinds, kind) for kind in said.kinds.written}
    return {kind: _kind(kind, model, sheet, faults) for kind, model in given.items() if model}


def _kind(kind: str, said: KindModel, sheet: Sheet, faults: list[Fault]) -> KindSaid:
    name = _template(said.template, sheet, faults, kind)
    return KindSaid(
        name,
        _own_attributes(said.attributes, faults),
        templates.convert(said.convert, conversion.KEYS, faults),
    )


def _template(node: Text | None, sheet: Sheet, faults: list[Fault], kind: str = "") -> str | None:
    """The object template that a text names, which has to be there, and to be for the kind of file."""
    if node is None:
        return None
    name = beside(node.text or "", sheet.path)
    try:
        template = templates.load_template(name)
    except Fatal as error:
        faults.append(Fault(node.place, str(error)))
        return name
    wanted = _KINDS.get(kind, Kind.DOCUMENT)
    if kind and iods.kind_of(template.sop_class_uid) is not wanted:
        message = (
            "a DICOM file is an object already: leave template out"
            if wanted is Kind.DICOM
            else f"the template {node.text} is not for {kind}: name another one, or leave it out"
        )
        faults.append(Fault(node.place, message))
    return name


_KINDS = {"image": Kind.IMAGE, "video": Kind.VIDEO, "dicom": Kind.DICOM}


def _own_attributes(node: Node | None, faults: list[Fault]) -> Level:
    attributes = templates.attributes(node, faults, "")
    for each in attributes:
        if each.path[0].tag == SOP_CLASS and each.place:
            message = "SOPClassUID comes with the object template: choose that with template:"
            faults.append(Fault(each.place, message))
    return attributes


def _text(node: Text | None, faults: list[Fault]) -> Template | None:
    return expressions.parse(node, faults) if node else None
