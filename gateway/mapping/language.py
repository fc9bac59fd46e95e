"""Mapping files and object templates: what they may say, and where they are found.

    template: vl-photographic        the object to make: templates/<name>.yaml, or a file
    extends: base                    another mapping, whose parts are overridden by this one's
    sources: {path: {name: '...'}}   where facts come from
    identity: {study: '...', series: '...'}
    convert: {lossless: jpeg-ls}     how files are converted
    attributes: {PatientID: '...'}

An object template has `extends`, `attributes` and, of `convert`, `lossless`. Both kinds come with the
gateway, in `mappings/` and `templates/`; a name with a folder or an extension is a file of the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import TypeVar

from gateway import nodes
from gateway.config import Lossless
from gateway.errors import Fatal, Reject
from gateway.mapping import conversion, expressions
from gateway.mapping.assignments import SOP_CLASS, Assignment, read_attributes
from gateway.mapping.conversion import Conversion
from gateway.mapping.expressions import Expression, Template, check
from gateway.mapping.sources import known, path
from gateway.mapping.sources.path import Patterns
from gateway.nodes import Fault, Node, Table, Text

Value = TypeVar("Value")

NOTHING_SAID = Conversion()
SOURCES = ("path",)
IDENTITY = ("study", "series")

BASE = "common"
"""The template that all others extend, which is no object by itself."""

_BARE = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Mapping:
    """Whom and what a site's files show.

    `template` is the name of an object template or the path of one, None for the default of each kind
    of file. `levels` are the attributes, those of the mapping that it extends first.
    """

    name: str
    path: Path
    template: str | None = None
    patterns: Patterns = ()
    study: Template | None = None
    series: Template | None = None
    convert: Conversion = NOTHING_SAID
    levels: tuple[tuple[Assignment, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectTemplate:
    """A DICOM object: its SOP class, and the attributes that it needs with their defaults."""

    name: str
    sop_class_uid: str
    levels: tuple[tuple[Assignment, ...], ...]
    lossless: Lossless | None = None
    """How decoded pixels are stored, if it says."""


def load(name: str) -> Mapping:
    """The mapping of this name, or in this file. Raises `Fatal` with all its faults."""
    faults: list[Fault] = []
    sheets = _sheets(name, MAPPINGS, faults)
    parts = [_part(sheet, faults) for sheet in sheets]
    patterns = _last(part.patterns for part in parts) or ()
    there: dict[str, tuple[str, ...] | None] = dict(known(patterns))
    if any(part.unsure for part in parts):
        there["path"] = None
    for part in parts:
        check(part.expressions, there, faults)
    nodes.fail(faults)
    return Mapping(
        name=sheets[-1].path.stem,
        path=sheets[-1].path,
        template=_last(part.template for part in parts),
        patterns=patterns,
        study=_last(part.study for part in parts),
        series=_last(part.series for part in parts),
        convert=_together(part.convert for part in parts),
        levels=tuple(part.attributes for part in parts),
    )


@cache
def load_template(name: str) -> ObjectTemplate:
    """The object template of this name, or in this file; read once. Raises `Fatal` with all its faults."""
    faults: list[Fault] = []
    sheets = _sheets(name, TEMPLATES, faults)
    levels = tuple(_template_attributes(sheet, faults) for sheet in sheets)
    for level in levels:
        check(_all_expressions(level), known(()), faults)
    convert = _together(_convert(sheet, conversion.TEMPLATE_KEYS, faults) for sheet in sheets)
    nodes.fail(faults)
    given = [each.text() for level in levels for each in level if each.path[0].tag == SOP_CLASS]
    if not given or not given[-1]:
        raise Fatal(f"the template {name} does not say which object it is for: it has no SOPClassUID")
    return ObjectTemplate(sheets[-1].path.stem, given[-1], levels, convert.lossless)


@dataclass(frozen=True, slots=True)
class _Sort:
    """What sort of file is read: what it is called, where those of the gateway are, which keys it has."""

    what: str
    folder: str
    keys: tuple[str, ...]


MAPPINGS = _Sort(
    "mapping", "mappings", ("template", "extends", "sources", "identity", "convert", "attributes")
)
TEMPLATES = _Sort("template", "templates", ("extends", "convert", "attributes"))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One file as it is written."""

    path: Path
    values: dict[str, tuple[Text, Node]]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one file of a mapping says; `unsure` is whether its patterns have faults."""

    template: str | None
    patterns: Patterns | None
    unsure: bool
    study: Template | None
    series: Template | None
    convert: Conversion
    attributes: tuple[Assignment, ...]

    @property
    def expressions(self) -> Iterator[Expression]:
        for key in (self.study, self.series):
            if key is not None:
                yield from key.expressions
        yield from _all_expressions(self.attributes)


def _all_expressions(assignments: tuple[Assignment, ...]) -> Iterator[Expression]:
    for assignment in assignments:
        yield from assignment.expressions


def _together(parts: Iterable[Conversion]) -> Conversion:
    """What all files say of conversions; the one that overrides the others is the last."""
    return reduce(Conversion.under, parts, NOTHING_SAID)


def _last(values: Iterator[Value | None]) -> Value | None:
    """The last value that is given: the one of the file that overrides the others."""
    given = [value for value in values if value is not None]
    return given[-1] if given else None


# Finding and reading files


def own(folder: str) -> Path:
    """A folder of files that come with the gateway: in an installed package, or in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "data" / folder
    return installed if installed.is_dir() else package.parent / folder


def available(folder: str) -> list[str]:
    """The names of the mappings or templates that come with the gateway."""
    return sorted(file.stem for file in own(folder).glob("*.yaml") if file.stem != BASE)


def _locate(name: str, sort: _Sort, base: Path) -> tuple[Path, str]:
    """The file that a name stands for, and what it is called in messages. Raises `Fatal` if there is none."""
    if _BARE.fullmatch(name):
        path = own(sort.folder) / f"{name}.yaml"
        if path.is_file():
            return path, f"{path.stem}.yaml" if sort is TEMPLATES else f"{sort.folder}/{path.name}"
    path = base / name
    if path.is_file():
        return path, str(path)
    there = ", ".join(available(sort.folder))
    raise Fatal(f"there is no {sort.what} {name!r}: name one of {there}, or a file that exists")


def _sheets(name: str, sort: _Sort, faults: list[Fault]) -> list[_Sheet]:
    """A file and those that it extends, the one that extends nothing first."""
    sheets: list[_Sheet] = []
    path, shown = _locate(name, sort, Path())
    while True:
        sheets.insert(0, _sheet(path, shown, sort, faults))
        _, node = sheets[0].values.get("extends", (None, None))
        if not isinstance(node, Text) or node.text is None:
            if node is not None and not isinstance(node, Text):
                faults.append(Fault(node.place, f"extends names one other {sort.what}"))
            return sheets
        try:
            path, shown = _locate(node.text, sort, path.parent)
            if any(path.samefile(sheet.path) for sheet in sheets):
                raise Fatal(f"extends goes round in a circle: {node.text} extends this file in turn")
        except Fatal as error:
            faults.append(Fault(node.place, str(error)))
            return sheets


def _sheet(path: Path, shown: str, sort: _Sort, faults: list[Fault]) -> _Sheet:
    try:
        node = nodes.read(path, shown, faults)
    except Reject as error:
        raise Fatal(str(error)) from error
    if node is not None and not isinstance(node, Table):
        faults.append(Fault(node.place, f"a {sort.what} is a table with the keys {', '.join(sort.keys)}"))
    values = (
        dict(_known_entries(node, sort.keys, f"a {sort.what}", faults)) if isinstance(node, Table) else {}
    )
    return _Sheet(path, values)


def _known_entries(
    table: Table, keys: tuple[str, ...], what: str, faults: list[Fault]
) -> Iterator[tuple[str, tuple[Text, Node]]]:
    for key, node in table.entries:
        if key.text in keys:
            yield key.text, (key, node)
        else:
            message = f"{what} has no {key.text!r}{expressions.instead(key.text or '', keys)}"
            faults.append(Fault(key.place, message))


# What the keys say


def _part(sheet: _Sheet, faults: list[Fault]) -> _Part:
    identity = _table(sheet, "identity", IDENTITY, faults)
    sources = _table(sheet, "sources", SOURCES, faults)
    before = len(faults)
    patterns = path.read(sources["path"], faults) if "path" in sources else None
    unsure = len(faults) > before
    attributes = _attributes(sheet, faults, "")
    for each in attributes:
        if each.path[0].tag == SOP_CLASS and each.place:
            message = "SOPClassUID comes with the object template: choose that with template:"
            faults.append(Fault(each.place, message))
    return _Part(
        template=_template(sheet, faults),
        patterns=patterns,
        unsure=unsure,
        study=_text(identity.get("study"), "study", faults),
        series=_text(identity.get("series"), "series", faults),
        convert=_convert(sheet, conversion.KEYS, faults),
        attributes=attributes,
    )


def _template_attributes(sheet: _Sheet, faults: list[Fault]) -> tuple[Assignment, ...]:
    return _attributes(sheet, faults, "template ")


def _attributes(sheet: _Sheet, faults: list[Fault], origin: str) -> tuple[Assignment, ...]:
    _, node = sheet.values.get("attributes", (None, None))
    if isinstance(node, Table):
        return read_attributes(node, faults, origin=origin)
    if node is not None and not (isinstance(node, Text) and node.text is None):
        faults.append(Fault(node.place, "attributes is a table of attributes and their values"))
    return ()


def _convert(sheet: _Sheet, keys: tuple[str, ...], faults: list[Fault]) -> Conversion:
    return conversion.read(_table(sheet, "convert", keys, faults), faults)


def _table(sheet: _Sheet, key: str, keys: tuple[str, ...], faults: list[Fault]) -> dict[str, Node]:
    _, node = sheet.values.get(key, (None, None))
    if isinstance(node, Table):
        return {name: value for name, (_, value) in _known_entries(node, keys, key, faults)}
    if node is not None and not (isinstance(node, Text) and node.text is None):
        faults.append(Fault(node.place, f"{key} is a table with {', '.join(keys)}"))
    return {}


def _template(sheet: _Sheet, faults: list[Fault]) -> str | None:
    _, node = sheet.values.get("template", (None, None))
    if node is None or (isinstance(node, Text) and not node.text):
        return None
    if not isinstance(node, Text) or not node.text:
        faults.append(Fault(node.place, "template is the name of an object template, or a file"))
        return None
    name = node.text
    if not _BARE.fullmatch(name):
        name = str(sheet.path.parent / name)
    try:
        load_template(name)
    except Fatal as error:
        faults.append(Fault(node.place, str(error)))
    return name


def _text(node: Node | None, key: str, faults: list[Fault]) -> Template | None:
    if node is None or (isinstance(node, Text) and node.text is None):
        return None
    if isinstance(node, Text):
        return expressions.parse(node, faults)
    faults.append(Fault(node.place, f"{key} is one text, such as '{{{{ path.day }}}}'"))
    return None
