"""What the user gives by hand: `-m NAME=VALUE`, and files of attributes.

A file is DICOM JSON (PS3.18 F), Native XML (PS3.19 A.1) or a YAML table of attributes as in a mapping,
told apart by content. It adds attributes to objects that are made from other files, or is an object by
itself, such as a structured report or a presentation state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway import nodes
from gateway.dicom import json, xml
from gateway.dicom.dictionary import Step, keyword_of, vr_of
from gateway.dicom.values import convert
from gateway.errors import Fatal, Reject
from gateway.mapping.assignments import (
    BITSTREAM,
    CHARACTER_SET,
    SOP_CLASS,
    Assignment,
    check_settable,
    codes,
    read_attributes,
    target,
    texts,
)
from gateway.mapping.compose import compose
from gateway.mapping.expressions import literal
from gateway.nodes import Fault, Table
from gateway.stream import open_file

LIMIT = 16 * 1024 * 1024
"""Bytes in a file of attributes; a large structured report has one of them."""

_TEXT = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
_OWN = frozenset({CHARACTER_SET, SOP_CLASS})


def parse_typed(items: Sequence[str], origin: str = "-m") -> tuple[Assignment, ...]:
    """The assignments in texts such as `PatientName=Doe^John`; `NAME=` sends the attribute empty.

    Raises `Fatal` with all that is wrong, a line each.
    """
    faults: list[str] = []
    assignments: dict[str, Assignment] = {}
    for item in items:
        try:
            assignment = _typed(item, origin)
            first = assignments.setdefault(assignment.name, assignment)
            if first.text() != assignment.text() or first.value != assignment.value:
                raise ValueError(f"{assignment.name} is given twice, with different values")
        except ValueError as error:
            faults.append(f"{origin} {_shown(item)}: {error}")
    if faults:
        raise Fatal("\n".join(faults))
    return tuple(assignments.values())


def load_file(path: Path) -> tuple[Assignment, ...]:
    """The attributes in a file, to be added to an object. Raises `Fatal` with all that is wrong.

    A SOP Class UID is kept: it has to be that of the object.
    """
    data = _read(path)
    return _load_yaml(data, path) if _is_yaml(data) else of_model(data, path, f"-f {path}")


def of_model(data: bytes, path: Path, origin: str) -> tuple[Assignment, ...]:
    """The attributes in the DICOM JSON or Native XML of a file. Raises `Fatal` with all that is wrong."""
    faults: list[str] = []
    assignments = []
    for element in _load_dataset(data, path):
        try:
            if element.tag not in _OWN:
                check_settable((Step(element.tag),))
            _check(element, "")
        except ValueError as error:
            faults.append(f"{path}: {error}")
        if element.tag != CHARACTER_SET:
            assignments.append(Assignment((Step(element.tag),), element, origin))
    if faults:
        raise Fatal("\n".join(faults))
    return tuple(assignments)


def load_object(path: Path) -> Dataset:
    """The object that a file is by itself. Raises `Fatal` when it is none, or has pixels or a document."""
    data = _read(path)
    if _is_yaml(data):
        composition = compose([_load_yaml(data, path)], {})
        if composition.faults:
            raise Fatal("\n".join(composition.faults))
        dataset = composition.dataset
    else:
        dataset = _load_dataset(data, path)
    faults = []
    for element in dataset:
        try:
            _check(element, "")
        except ValueError as error:
            faults.append(f"{path}: {error}")
    if not dataset.get("SOPClassUID"):
        faults.append(
            f"{path} has no SOPClassUID, so it is no object by itself: add one, or name files to be described"
        )
    bulk = [
        element.tag
        for element in dataset
        if element.tag in BITSTREAM and element.VR in ("OB", "OW", "OF", "OD")
    ]
    if bulk:
        faults.append(f"{path} has {keyword_of(bulk[0])}: give the picture or document as a file instead")
    if faults:
        raise Fatal("\n".join(faults))
    return dataset


def _shown(item: str) -> str:
    """What was typed, on one line and not too long."""
    short = item if len(item) <= 80 else f"{item[:80]}..."
    return short if short.isprintable() else repr(short)


def _typed(item: str, origin: str) -> Assignment:
    name, sign, text = item.partition("=")
    if not sign or not name.strip():
        raise ValueError("write ATTRIBUTE=VALUE, such as PatientName=Doe^John")
    path = target(name)
    tag = path[-1].tag
    if path[0].tag == SOP_CLASS:
        raise ValueError("SOPClassUID comes with the object template: choose that with --template")
    value = codes(tag, literal(text)) if vr_of(tag) == "SQ" else texts(tag, literal(text))
    return Assignment(path, value, origin)


def _read(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            data = file.read(LIMIT + 1)
    except Reject as error:
        raise Fatal(str(error)) from error
    if len(data) > LIMIT:
        raise Fatal(f"{path} is larger than {LIMIT // 1024**2} MiB, which no file of attributes needs")
    if data[128:132] == b"DICM":
        raise Fatal(f"{path} is a DICOM file: name it among the files to be stored, without -f")
    return data


def _is_yaml(data: bytes) -> bool:
    """Whether this is neither JSON, which is an array or object, nor XML."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"[", b"<")


def _load_yaml(data: bytes, path: Path) -> tuple[Assignment, ...]:
    faults: list[Fault] = []
    node = nodes.read(path, str(path), faults)
    assignments: tuple[Assignment, ...] = ()
    if isinstance(node, Table):
        assignments = read_attributes(node, faults, origin="-f ")
    elif node is not None:
        faults.append(Fault(node.place, "a file of attributes is a table: PatientID: '4711'"))
    message = "a file given with -f has values only; expressions belong in a mapping"
    faults += [Fault(each.place, message) for given in assignments for each in given.expressions]
    nodes.fail(faults)
    return assignments


def _load_dataset(data: bytes, path: Path) -> Dataset:
    """The one data set in a DICOM JSON or Native XML file."""
    try:
        models = [xml.load(data)] if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else json.load(data)
        if len(models) != 1:
            raise ValueError(f"it has {len(models)} data sets, and one is expected")
        dataset, references = json.from_model(models[0])
        if references:
            tag = min(references)
            raise ValueError(
                f"{keyword_of(tag)} refers to bulk data that is not in the file; give it as InlineBinary"
            )
    except ValueError as error:
        raise Fatal(f"{path}: {error}") from error
    return dataset


def _check(element: DataElement, where: str) -> None:
    """Raises ValueError for a value that its VR does not allow, here or in an item."""
    tag, vr = element.tag, str(element.VR)
    known = vr_of(tag)
    if vr == "SQ":
        for number, item in enumerate(element.value):
            for inner in item:
                _check(inner, f"{where}{keyword_of(tag)}[{number}].")
    elif vr in _TEXT:
        values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
        try:
            convert(tag, vr, ["" if value is None else str(value) for value in values])
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None
    if known != "UN" and (known == "SQ") != (vr == "SQ"):
        raise ValueError(f"{where}{keyword_of(tag)} is {known} in the DICOM dictionary and not {vr}")
