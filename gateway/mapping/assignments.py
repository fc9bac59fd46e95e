"""What is to be set: an attribute, its value, and who says so.

The same in mappings, in object templates and on the command line:

    PatientName: Doe^John                       text; a backslash separates several values
    ImageType: ''                               sent empty
    Laterality: null                            removed
    AnatomicRegionSequence: SCT:39937001:Skin   a code: scheme, value and meaning; a backslash separates items
    AnatomicRegionSequence: '{{ ... }}'         one expression that comes to such a code
    RequestAttributesSequence: {...} or [{...}] items with attributes of their own

Only a file's own bytes decide what its pixels are, so attributes that follow from them are nobody's to set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement

from gateway.dicom import codes as known_codes
from gateway.dicom.dictionary import Step, format_path, keyword_of, parse_path, vr_of
from gateway.dicom.values import ONE_TEXT, convert
from gateway.mapping import expressions
from gateway.mapping.expressions import Expression, Template
from gateway.nodes import Fault, Listing, Node, Place, Table, Text

BITSTREAM = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns",
        "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelAspectRatio",
        "NumberOfFrames", "FrameIncrementPointer", "FrameTime", "FrameTimeVector", "CineRate",
        "RecommendedDisplayFrameRate", "EffectiveDuration", "MultiplexedAudioChannelsDescriptionCodeSequence",
        "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
        "PixelData", "FloatPixelData", "DoubleFloatPixelData", "EncapsulatedPixelDataValueTotalLength",
        "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
        "EncapsulatedDocument", "EncapsulatedDocumentLength", "MIMETypeOfEncapsulatedDocument",
        "ListOfMIMETypes", "PageNumberVector", "FrameLabelVector",
    )
)  # fmt: skip
"""Attributes that say what the content is, and are therefore read from it."""

SOP_CLASS = tag_for_keyword("SOPClassUID")
CHARACTER_SET = tag_for_keyword("SpecificCharacterSet")


@dataclass(frozen=True, slots=True)
class Code:
    """An item of a code sequence (PS3.3 8.8)."""

    scheme: Template
    value: Template
    meaning: Template

    @property
    def parts(self) -> tuple[Template, Template, Template]:
        """Scheme, value and meaning."""
        return self.scheme, self.value, self.meaning


@dataclass(frozen=True, slots=True)
class WholeCode:
    """An item of a code sequence that one expression comes to as a whole: `SCT:39937001:Skin`."""

    text: Template


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a sequence: codes, or attributes by their path within the item."""

    items: tuple[Code | WholeCode | tuple[Assignment, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """An attribute and what it is set to.

    `value` is None where the attribute is removed, no texts where it is sent empty, and a finished
    element where it comes from a DICOM file format. `origin` is what people are told of where it comes
    from; `place` is where it stands in a YAML file.
    """

    path: tuple[Step, ...]
    value: tuple[Template, ...] | Items | DataElement | None
    origin: str
    place: Place | None = None

    @property
    def name(self) -> str:
        """The path as text."""
        return format_path(self.path)

    @property
    def expressions(self) -> Iterator[Expression]:
        """All expressions in the value."""
        return _expressions(self.value)

    def text(self) -> str | None:
        """The value as it was typed, if it is plain text."""
        if not isinstance(self.value, tuple):
            return None
        return "\\".join(template.literal or "" for template in self.value)


def read_attributes(
    table: Table, faults: list[Fault], *, origin: str = "", inside: bool = False
) -> tuple[Assignment, ...]:
    """The assignments in a table of attributes; what is wrong with them is added to the faults.

    `origin` is put before the file and line; `inside` says that this is an item of a sequence, where
    nothing follows from the file's bytes.
    """
    assignments: dict[str, Assignment] = {}
    for key, node in table.entries:
        try:
            path = target(key.text or "", inside=inside)
        except ValueError as error:
            faults.append(Fault(key.place, str(error)))
            _parse_all(node, faults)
            continue
        value = _value(path[-1].tag, node, faults, origin)
        assignment = Assignment(path, value, f"{origin}{key.place.file}:{key.place.line}", key.place)
        if (first := assignments.get(assignment.name)) and first.place:
            line = first.place.line
            message = f"{key.text} is {assignment.name}, which stands in line {line} already; leave one out"
            faults.append(Fault(key.place, message))
        assignments[assignment.name] = assignment
    return tuple(assignments.values())


def target(name: str, *, inside: bool = False) -> tuple[Step, ...]:
    """The path of an attribute that can be set. Raises ValueError in words for all others."""
    path = parse_path(name)
    check_settable(path, inside=inside)
    if path[-1].index:
        raise ValueError(f"{name} is one item: name an attribute in it, or set the whole sequence")
    return path


def check_settable(path: tuple[Step, ...], *, inside: bool = False) -> None:
    """Raises ValueError for an attribute that nobody sets."""
    tag = path[0].tag
    if not inside and tag in BITSTREAM:
        raise ValueError(
            f"{keyword_of(tag)} follows from the content of the file and cannot be set: leave it out"
        )
    if tag == CHARACTER_SET:
        raise ValueError("SpecificCharacterSet cannot be set: all text is stored as UTF-8 (ISO_IR 192)")


def texts(tag: int, template: Template) -> tuple[Template, ...]:
    """The values in a text; those of text alone are checked. Raises ValueError in words."""
    vr = vr_of(tag)
    values = (template,) if vr in ONE_TEXT else tuple(template.split("\\"))
    if not any(value.parts for value in values) and len(values) == 1:
        return ()
    literals = [value.literal for value in values]
    known = [text for text in literals if text is not None]
    if len(known) == len(literals):
        convert(tag, vr, known)
    return values


def codes(tag: int, template: Template) -> Items:
    """The items that a shorthand such as `SCT:39937001:Skin` stands for. Raises ValueError in words."""
    if not template.parts:
        return Items()
    return Items(tuple(_code(tag, part) for part in template.split("\\")))


def _code(tag: int, template: Template) -> Code | WholeCode:
    if len(template.parts) == 1 and template.literal is None:
        return WholeCode(template)
    parts = template.split(":", 2)
    if len(parts) < 3 or not all(part.parts for part in parts):
        raise ValueError(
            f"{keyword_of(tag)} is a sequence: write a code as SCHEME:VALUE:MEANING, such as "
            "SCT:39937001:Skin, or the items with their attributes"
        )
    scheme, value, meaning = (Template(part.parts) for part in parts)
    said = [part.literal for part in (scheme, value, meaning)]
    if None not in said and (wrong := known_codes.fault(keyword_of(tag), *(text or "" for text in said))):
        raise ValueError(f"{keyword_of(tag)} cannot be {wrong}")
    return Code(scheme, value, meaning)


def _value(tag: int, node: Node, faults: list[Fault], origin: str) -> tuple[Template, ...] | Items | None:
    if isinstance(node, Text) and node.text is None:
        return None
    if vr_of(tag) == "SQ":
        return _items(tag, node, faults, origin)
    if isinstance(node, Text):
        before = len(faults)
        template = expressions.parse(node, faults)
        if len(faults) > before:
            return (template,)  # what it names is looked at all the same
        try:
            return texts(tag, template)
        except ValueError as error:
            faults.append(Fault(node.place, str(error)))
            return ()
    what = "a list" if isinstance(node, Listing) else "a table"
    hint = "; several values are separated by a backslash" if isinstance(node, Listing) else ""
    faults.append(Fault(node.place, f"{keyword_of(tag)} ({vr_of(tag)}) takes text and not {what}{hint}"))
    return ()


def _items(tag: int, node: Node, faults: list[Fault], origin: str) -> Items:
    if isinstance(node, Table):
        return Items((read_attributes(node, faults, origin=origin, inside=True),))
    if isinstance(node, Listing):
        return Items(tuple(each for item in node.items for each in _items(tag, item, faults, origin).items))
    if node.text is None:
        faults.append(Fault(node.place, f"an item of {keyword_of(tag)} has nothing in it"))
        return Items()
    before = len(faults)
    template = expressions.parse(node, faults)
    if len(faults) > before:
        return Items((WholeCode(template),))
    try:
        return codes(tag, template)
    except ValueError as error:
        faults.append(Fault(node.place, str(error)))
        return Items()


def _parse_all(node: Node, faults: list[Fault]) -> None:
    """Finds what is wrong with the expressions of an attribute that is not known itself."""
    match node:
        case Text():
            expressions.parse(node, faults)
        case Table():
            for _, value in node.entries:
                _parse_all(value, faults)
        case Listing():
            for item in node.items:
                _parse_all(item, faults)


def _expressions(value: tuple[Template, ...] | Items | DataElement | None) -> Iterator[Expression]:
    if isinstance(value, Items):
        for item in value.items:
            if isinstance(item, Code):
                yield from _expressions(item.parts)
            elif isinstance(item, WholeCode):
                yield from item.text.expressions
            else:
                for assignment in item:
                    yield from assignment.expressions
    elif isinstance(value, tuple):
        for template in value:
            yield from template.expressions
