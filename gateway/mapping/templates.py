"""Object templates: the DICOM objects that files become, with the attributes that they need.

    extends: common
    convert: {lossless: jpeg-ls}
    attributes:
      SOPClassUID: 1.2.840.10008.5.1.4.1.1.77.1.4
      Modality: XC

They are read without pydantic, since every file needs one, and few files need a mapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, reduce

from gateway import nodes
from gateway.config import Lossless, Site
from gateway.errors import Fatal
from gateway.mapping import conversion, scope
from gateway.mapping.assignments import SOP_CLASS, Assignment, read_attributes
from gateway.mapping.conversion import NOTHING_SAID, Conversion
from gateway.mapping.expressions import Expression
from gateway.mapping.sheets import TEMPLATES, entries, is_nothing, sheets
from gateway.nodes import Fault, Node, Table

Level = tuple[Assignment, ...]
"""The attributes that one file sets."""


@dataclass(frozen=True, slots=True)
class ObjectTemplate:
    """A DICOM object: its SOP class, and the attributes that it needs with their defaults."""

    name: str
    sop_class_uid: str
    levels: tuple[Level, ...]
    lossless: Lossless | None = None
    """How decoded pixels are stored, if it says."""


@cache
def load_template(name: str) -> ObjectTemplate:
    """The object template of this name, or in this file; read once. Raises `Fatal` with all its faults."""
    faults: list[Fault] = []
    read = sheets(name, TEMPLATES, faults)
    said = [
        dict(entries(sheet.table, TEMPLATES.keys, "a template", faults)) if sheet.table else {}
        for sheet in read
    ]
    levels = tuple(attributes(each.get("attributes"), faults, "template ") for each in said)
    there = scope.Scope(scope.own(Site()))
    for level in levels:
        there.check(used(level), faults)
    converts = together(convert(each.get("convert"), conversion.TEMPLATE_KEYS, faults) for each in said)
    nodes.fail(faults)
    given = [each.text() for level in levels for each in level if each.path[0].tag == SOP_CLASS]
    if not given or not given[-1]:
        raise Fatal(f"the template {name} does not say which object it is for: it has no SOPClassUID")
    return ObjectTemplate(read[-1].path.stem, given[-1], levels, converts.lossless)


def attributes(node: Node | None, faults: list[Fault], origin: str) -> Level:
    """The attributes in a node, whose origins begin with `origin`; its faults are added."""
    if isinstance(node, Table):
        return read_attributes(node, faults, origin=origin)
    if node is not None and not is_nothing(node):
        faults.append(Fault(node.place, "attributes is a table of attributes and their values"))
    return ()


def convert(node: Node | None, keys: tuple[str, ...], faults: list[Fault]) -> Conversion:
    """What a node says of conversions, with these keys; its faults are added."""
    if isinstance(node, Table):
        return conversion.read(dict(entries(node, keys, "convert", faults)), faults)
    if node is not None and not is_nothing(node):
        faults.append(Fault(node.place, f"convert is a table with {', '.join(keys)}"))
    return NOTHING_SAID


def together(parts: Iterable[Conversion]) -> Conversion:
    """What several files say of conversions; the one that overrides the others is the last."""
    return reduce(Conversion.under, parts, NOTHING_SAID)


def used(assignments: Level) -> Iterator[Expression]:
    """The expressions in attributes."""
    for assignment in assignments:
        yield from assignment.expressions
