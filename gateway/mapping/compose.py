"""Levels of assignments and the facts of a file, made into one data set.

A higher level wins over a lower one, attribute by attribute; whoever sets a sequence sets all of it. An
assignment whose expressions all come to nothing says nothing, and leaves the word to the next level.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydicom import config
from pydicom.dataelem import DataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as ItemSequence
from pydicom.tag import Tag

from gateway.dicom.dictionary import Step, keyword_of, vr_of
from gateway.dicom.values import convert
from gateway.mapping.assignments import Assignment, Code, Items
from gateway.mapping.expressions import Facts, Template

_SHORT = 16
"""Characters of a Code Value; a longer one is a Long Code Value (PS3.3 8.8)."""


@dataclass(slots=True)
class Composition:
    """A data set as it grows, where each attribute comes from, and what there is to say about it."""

    dataset: Dataset = field(default_factory=Dataset)
    origins: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Resolved:
    assignment: Assignment
    element: DataElement | None


def compose(levels: Sequence[Iterable[Assignment]], facts: Facts) -> Composition:
    """The data set that the levels describe, lowest first. Values that cannot be are in the faults."""
    composition = Composition()
    resolved: list[_Resolved] = []
    taken: set[tuple[object, ...]] = set()
    for assignment in (each for level in reversed(levels) for each in reversed(tuple(level))):
        if any(_key(assignment.path[:length]) in taken for length in range(1, len(assignment.path) + 1)):
            continue
        found = _resolve(assignment, facts, composition)
        if found is not None:
            resolved.append(found)
            taken.add(_key(assignment.path))
    for each in reversed(resolved):
        try:
            _apply(each, composition)
        except ValueError as error:
            composition.faults.append(_fault(each.assignment, error))
    return composition


def evaluate(template: Template | None, facts: Facts) -> str | None:
    """The text that a template comes to; None for nothing. Raises ValueError in words."""
    if template is None:
        return None
    return template.render(facts, []).text.strip() or None


def _key(path: tuple[Step, ...]) -> tuple[object, ...]:
    """A path as what it covers: with all items of the last sequence."""
    return (*path[:-1], path[-1].tag)


def _fault(assignment: Assignment, error: ValueError) -> str:
    where = f"{assignment.place}: " if assignment.place else f"{assignment.origin}: "
    return f"{where}{error}"


def _resolve(assignment: Assignment, facts: Facts, composition: Composition) -> _Resolved | None:
    """The element of an assignment; None if it says nothing, or has a fault."""
    remarks: list[str] = []
    try:
        said, element = _element(assignment, facts, remarks)
    except ValueError as error:
        composition.faults.append(_fault(assignment, error))
        return None
    composition.messages += [f"{assignment.name}: {remark}" for remark in remarks]
    return None if said is False else _Resolved(assignment, element)


def _element(
    assignment: Assignment, facts: Facts, remarks: list[str]
) -> tuple[bool | None, DataElement | None]:
    """Whether an assignment says something (None: it always does), and its element."""
    value = assignment.value
    if value is None or isinstance(value, DataElement):
        return None, copy.deepcopy(value)  # paths may lead into the items of a sequence, file by file
    tag = assignment.path[-1].tag
    if isinstance(value, Items):
        said, items = _all(_item(item, facts, remarks) for item in value.items)
        return said, DataElement(tag, "SQ", ItemSequence(items))
    return _plain(tag, value, facts, remarks)


def _all(parts: Iterator[tuple[bool | None, Dataset]]) -> tuple[bool | None, list[Dataset]]:
    """The items that say something; False if there are only others."""
    found = list(parts)
    items = [item for said, item in found if said is not False]
    return (False if found and not items else None), items


def _item(
    item: Code | tuple[Assignment, ...], facts: Facts, remarks: list[str]
) -> tuple[bool | None, Dataset]:
    if isinstance(item, Code):
        return _coded(item, facts, remarks)
    composition = Composition()
    sayings: list[bool | None] = []
    for assignment in item:
        said, element = _element(assignment, facts, remarks)
        sayings.append(said)
        if said is not False:
            _apply(_Resolved(assignment, element), composition)
    silent = bool(sayings) and all(said is False for said in sayings)
    return (False if silent else None), composition.dataset


def _together(sayings: Sequence[bool | None]) -> bool | None:
    """Whether parts say something: False only if all that could say something does not."""
    if False in sayings and True not in sayings:
        return False
    return True if True in sayings else None


def _coded(code: Code, facts: Facts, remarks: list[str]) -> tuple[bool | None, Dataset]:
    rendered = [part.render(facts, remarks) for part in code.parts]
    said = _together([part.said for part in rendered])
    item = Dataset()
    if said is not False:
        scheme, value, meaning = (part.text.strip() for part in rendered)
        name = "CodeValue" if len(value) <= _SHORT else "LongCodeValue"
        for keyword, text in ((name, value), ("CodingSchemeDesignator", scheme), ("CodeMeaning", meaning)):
            if not text:
                raise ValueError(
                    f"{keyword} of the code is empty: a code has a scheme, a value and a meaning"
                )
            tag = Tag(keyword)
            item.add(_new(tag, convert(tag, vr_of(tag), [text])))
    return said, item


def _plain(
    tag: int, templates: tuple[Template, ...], facts: Facts, remarks: list[str]
) -> tuple[bool | None, DataElement]:
    rendered = [template.render(facts, remarks) for template in templates]
    said = _together([each.said for each in rendered])
    found = [each.text for each in rendered] if said is not False else []
    vr = vr_of(tag)
    value = convert(tag, vr, found) if any(found) else empty_value_for_VR(vr)
    return said, _new(tag, value)


def _new(tag: int, value: object) -> DataElement:
    return DataElement(tag, vr_of(tag), value, validation_mode=config.IGNORE)  # checked already


def _apply(resolved: _Resolved, composition: Composition) -> None:
    """Sets or removes the attribute; what is known of attributes within it is forgotten."""
    assignment, element = resolved.assignment, resolved.element
    name, tag = assignment.name, assignment.path[-1].tag
    for known in [known for known in composition.origins if known.startswith((f"{name}.", f"{name}["))]:
        del composition.origins[known]
    if element is None:
        holder = _holder(assignment, composition.dataset, make=False)
        if holder is not None:
            holder.pop(tag, None)
        composition.origins.pop(name, None)
        composition.removed.append(name)
    elif (holder := _holder(assignment, composition.dataset, make=True)) is not None:
        holder.add(element)
        composition.origins[name] = assignment.origin


def _holder(assignment: Assignment, dataset: Dataset, *, make: bool) -> Dataset | None:
    """The data set or item that an attribute is in: made where it does not exist, or None."""
    for step in assignment.path[:-1]:
        if not make and step.tag not in dataset:
            return None
        items = dataset.setdefault(step.tag, _new(step.tag, ItemSequence())).value
        if step.index == len(items) and make:
            items.append(Dataset())
        elif step.index >= len(items) and not make:
            return None
        elif step.index > len(items):
            raise ValueError(
                f"{assignment.name} is in item {step.index} of {keyword_of(step.tag)}, which has "
                f"{len(items)} items: they count from 0 and none is left out"
            )
        dataset = items[step.index]
    return dataset
