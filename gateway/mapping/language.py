"""Mapping files: what they say, checked and put together.

    template: vl-photographic        the object to make: templates/<name>.yaml, or a file
    extends: base                    another mapping, whose parts are overridden by this one's
    match: {name: '*.jpg'}           which files it is for
    when: '{{ path.mrn }}'
    sources: {path: {name: '...'}}   where facts come from
    identity: {study: '...', series: '...'}
    assemble: {by: '...', order: '...', into: multipage-pdf}
    convert: {lossless: jpeg-ls}     how files are converted
    attributes: {PatientID: '...'}
    maps: {side: {OD: R, OS: L}}     tables for the filter pick
    kinds: {video: {template: ...}}  what is different for a kind of file
    checks: [{when: ..., then: hold}]
    site: {institution: ...}
    patient_id: '\\d{7}'
    unidentified: hold

What one file says is in `parts.py`; here a file and those that it extends become one mapping.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gateway import nodes
from gateway.config import Site, Unidentified
from gateway.mapping import scope
from gateway.mapping.conversion import NOTHING_SAID, Conversion
from gateway.mapping.expressions import Template
from gateway.mapping.match import MODELS, Match, kind_of
from gateway.mapping.parts import Maps, Part, in_order, model_of, part_of
from gateway.mapping.sheets import MAPPINGS, Sheet, sheets
from gateway.mapping.sources import site as sites
from gateway.mapping.sources.source import GivenSource
from gateway.mapping.templates import Level, together
from gateway.model import Probe
from gateway.nodes import Fault

if TYPE_CHECKING:  # pydantic takes longer to import than a template to read
    from gateway.mapping.assembly import Assembly
    from gateway.mapping.checks import Check
    from gateway.mapping.models import MappingModel
    from gateway.mapping.patients import PatientIds

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class KindPart:
    """What a mapping says for one kind of file: all that it says, the particular above the general."""

    template: str | None
    levels: tuple[Level, ...]
    convert: Conversion


@dataclass(frozen=True, slots=True)
class Mapping:
    """Whom and what a site's files show.

    `template` is the name of an object template or the path of one, None for the default of each kind
    of file. `levels` are the attributes, those of the mapping that it extends first. `sources` are in
    the order in which they are asked. `site` is what it says of the place, which a folder or an option
    may say better. `files` are its own files, with those that it extends.
    """

    name: str
    path: Path
    template: str | None = None
    match: Match | None = None
    when: Template | None = None
    sources: tuple[GivenSource, ...] = ()
    study: Template | None = None
    otherwise: Template | None = None
    """The study's key where there is no Accession Number."""
    series: Template | None = None
    assemble: Assembly | None = None
    convert: Conversion = NOTHING_SAID
    levels: tuple[Level, ...] = ()
    maps: Maps = field(default_factory=dict)
    kinds: Table[str, KindPart] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    patient_id: PatientIds | None = None
    unidentified: Unidentified | None = None
    site: Site = field(default_factory=Site)
    files: tuple[Path, ...] = ()

    @property
    def companions(self) -> tuple[str, ...]:
        """Patterns of the names of files that only describe others, in small letters."""
        return tuple(name for source in self.sources for name in source.companions)

    def part(self, probe: Probe) -> KindPart:
        """What it says for a file: for its kind, or else for all kinds."""
        kind = kind_of(probe)
        for key in (kind, "model") if kind in MODELS else (kind,):
            if key in self.kinds:
                return self.kinds[key]
        return KindPart(self.template, self.levels, self.convert)


def load(name: str) -> Mapping:
    """The mapping of this name, or in this file. Raises `Fatal` with all its faults."""
    faults: list[Fault] = []
    read = sheets(name, MAPPINGS, faults)
    models = [model_of(sheet, faults) for sheet in read]
    maps = _maps(model for model, _ in models)
    parts = [
        part_of(model, sheet, maps, faults, unsure) if model else Part()
        for (model, unsure), sheet in zip(models, read, strict=True)
    ]
    mapping = _joined(parts, read, maps)
    _check_names(mapping, parts, faults)
    nodes.fail(faults)
    return mapping


# What several files say together


def _joined(parts: list[Part], read: list[Sheet], maps: Maps) -> Mapping:
    """What all files say together; the one that overrides the others is the last."""
    return Mapping(
        name=read[-1].path.stem,
        path=read[-1].path,
        template=_last(part.template for part in parts),
        match=_match(parts),
        when=_last(part.when for part in parts),
        sources=in_order(source for part in parts for source in part.sources),
        study=_last(part.study for part in parts),
        otherwise=_last(part.otherwise for part in parts),
        series=_last(part.series for part in parts),
        assemble=_last(part.assemble for part in parts),
        convert=together(part.convert for part in parts),
        levels=tuple(part.attributes for part in parts),
        maps=maps,
        kinds={kind: _kind_part(kind, parts) for part in parts for kind in part.kinds},
        checks=tuple(check for part in parts for check in part.checks),
        patient_id=_last(part.patient_id for part in parts),
        unidentified=_last(part.unidentified for part in parts),
        site=reduce(sites.over, (part.site for part in parts)),
        files=tuple(sheet.path for sheet in read),
    )


def _match(parts: list[Part]) -> Match | None:
    given = [part.match for part in parts if part.match]
    return reduce(Match.under, given) if given else None


def _kind_part(kind: str, parts: list[Part]) -> KindPart:
    """What all files say for a kind: in each, what is for the kind is above what is for all."""
    templates: list[str | None] = []
    levels: list[Level] = []
    convert: list[Conversion] = []
    for part in parts:
        said = part.kinds.get(kind)
        templates += [part.template, said.template if said else None]
        levels += [part.attributes, said.attributes] if said else [part.attributes]
        convert += [part.convert, said.convert] if said else [part.convert]
    return KindPart(_last(templates), tuple(levels), together(convert))


def _maps(models: Iterable[MappingModel | None]) -> Maps:
    joined: dict[str, dict[str, str]] = {}
    for model in models:
        for name, values in model.maps.items() if model else ():
            joined[name] = {**joined.get(name, {}), **values}
    return joined


def _last(values: Iterable[Value | None]) -> Value | None:
    """The last value that is given: the one of the file that overrides the others."""
    given = [value for value in values if value is not None]
    return given[-1] if given else None


# Names


def _check_names(mapping: Mapping, parts: list[Part], faults: list[Fault]) -> None:
    """Adds a fault for every name that is not there where it is used."""
    unsure = {name: None for part in parts for name in part.unsure}
    known = {**unsure, **scope.own(mapping.site)}
    optional: frozenset[str] = frozenset()
    before = scope.Scope(known, mapping.maps)
    for position, source in enumerate(mapping.sources):
        later = {each.name: _LATER for each in mapping.sources[position:]}
        scope.Scope(known, mapping.maps, optional, later).check(source.expressions, faults)
        known = {**known, source.name: None if source.name in unsure else source.names}
        optional |= getattr(source, "optional", frozenset())
        if source.name == "path":
            before = scope.Scope(known, mapping.maps)
    asked = replace(before, later={each.name: _NOT_YET for each in mapping.sources if each.name != "path"})
    after = scope.Scope(known, mapping.maps, optional)
    for part in parts:
        asked.check(part.when.expressions if part.when else (), faults, as_test=True)
        after.check(part.used, faults)
        for check in part.checks:
            after.check(check.expressions, faults, as_test=True)


_LATER = "{name} comes later: a source may use those that stand before it, so move {name} up"
_NOT_YET = (
    "when is asked before {name} is: it may use path, site, group and what the file says itself; write it as "
    "one of the checks, with then: skip"
)
