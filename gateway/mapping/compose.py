"""Levels of assignments and the facts of a file, made into one data set.

A higher level wins over a lower one, attribute by attribute; whoever sets a sequence sets all of it. An
assignment whose expressions all come to nothing says nothing, and leaves the word to the next level;
but whose file it is is for the highest alone to say.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydicom import config
from pydicom.dataelem import DataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as ItemSequence
from pydicom.tag import Tag

from gateway.dicom import codes as known_codes
from gateway.dicom.dictionary import Step, keyword_of, vr_of
from gateway.dicom.values import convert
from gateway.mapping.assignments import Assignment, Code, Items, WholeCode
from gateway.mapping.expressions import Facts, Template

_SHORT = 16
"""Characters of a Code Value; a longer one is a Long Code Value (PS3.3 8.8)."""
_WHO = "PatientID"
"""Who is to say this has the word even with nothing to say: what comes from elsewhere is another's."""
_TEXT = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UR", "UT"})
"""VRs of whose values pydicom makes no objects of its own."""
_PARTS = ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")


@dataclass(slots=True)
class Composition:
    """A data set as it grows, where each attribute comes from, and what there is to say about it.

    `silent` are the assignments that came to nothing.
    """

    dataset: Dataset = field(default_factory=Dataset)
    origins: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    silent: list[Assignment] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Said:
    """What one assignment says of its attribute, for people.

    `value` is None where the attribute is removed, or where there is a `problem`; it is empty where the
    assignment comes to nothing. `sources` are those that its expressions use.
    """

    name: str
    origin: str
    value: str | None
    won: bool
    sources: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Resolved:
    assignment: Assignment
    element: DataElement | None


def compose(
    levels: Sequence[Iterable[Assignment]],
    facts: Facts,
    *,
    trail: list[Said] | None = None,
    missing: frozenset[str] = frozenset(),
) -> Composition:
    """The data set that the levels describe, lowest first. Values that cannot be are in the faults.

    The trail gets what each assignment says, also those that have lost, the highest first. An assignment
    that uses one of the `missing` sources is not asked, and nor are those below it.
    """
    composition = Composition()
    resolved: list[_Resolved] = []
    taken: set[tuple[object, ...]] = set()
    for assignment in (each for level in reversed(levels) for each in reversed(tuple(level))):
        if not taken.isdisjoint(_covering(assignment.path)):
            if trail is not None:
                trail.append(_said(assignment, facts, missing, won=False))
            continue
        has_the_word = (missing and _uses(assignment, missing)) or _ask(
            assignment, facts, composition, resolved
        )
        if has_the_word:
            taken.add(_key(assignment.path))
        if trail is not None:
            trail.append(_said(assignment, facts, missing, won=bool(has_the_word)))
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


def text_of(element: DataElement) -> str:
    """A value for people: several are separated by a backslash, codes are written with colons."""
    if element.VR == "SQ":
        return "\\".join(map(_item_text, element.value))
    if element.is_empty:
        return ""
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return "\\".join("" if value is None else str(value) for value in values)


def _item_text(item: Dataset) -> str:
    if "CodeMeaning" in item and "CodingSchemeDesignator" in item:
        value = item.get("CodeValue") or item.get("LongCodeValue")
        return f"{item.CodingSchemeDesignator}:{value}:{item.CodeMeaning}"
    return "{" + ", ".join(f"{keyword_of(each.tag)}: {text_of(each)}" for each in item) + "}"


def _key(path: tuple[Step, ...]) -> tuple[object, ...]:
    """A path as what it covers: with all items of the last sequence."""
    return (*path[:-1], path[-1].tag)


def _covering(path: tuple[Step, ...]) -> Iterator[tuple[object, ...]]:
    """The paths that cover a path, and itself."""
    return (_key(path[:length]) for length in range(1, len(path) + 1))


def _fault(assignment: Assignment, error: ValueError) -> str:
    """What is wrong, with the place and the attribute."""
    name = "" if keyword_of(assignment.path[-1].tag) in str(error) else f"{assignment.name}: "
    return f"{assignment.place or assignment.origin}: {name}{error}"


def _ask(assignment: Assignment, facts: Facts, composition: Composition, resolved: list[_Resolved]) -> bool:
    """Whether an assignment has the word: it says something, or has a fault that must be mended first."""
    remarks: list[str] = []
    try:
        said, element = _element(assignment, facts, remarks)
    except ValueError as error:
        composition.faults.append(_fault(assignment, error))
        return True
    composition.messages += [f"{assignment.name}: {remark}" for remark in remarks]
    if said is False:
        composition.silent.append(assignment)
        return assignment.name == _WHO
    resolved.append(_Resolved(assignment, element))
    return True


def _element(
    assignment: Assignment, facts: Facts, remarks: list[str]
) -> tuple[bool | None, DataElement | None]:
    """Whether an assignment says something (None: it always does), and its element."""
    value = assignment.value
    if value is None:
        return None, None
    if isinstance(value, DataElement):
        # paths may lead into the items of a sequence, file by file
        return None, copy.deepcopy(value) if value.VR == "SQ" else value
    tag = assignment.path[-1].tag
    if isinstance(value, Items):
        said, items = _all(_item(tag, item, facts, remarks) for item in value.items)
        return said, DataElement(tag, "SQ", ItemSequence(items))
    return _plain(tag, value, facts, remarks)


def _all(parts: Iterator[tuple[bool | None, Dataset]]) -> tuple[bool | None, list[Dataset]]:
    """The items that say something; False if there are only others."""
    found = list(parts)
    items = [item for said, item in found if said is not False]
    return (False if found and not items else None), items


def _item(
    tag: int, item: Code | WholeCode | tuple[Assignment, ...], facts: Facts, remarks: list[str]
) -> tuple[bool | None, Dataset]:
    if isinstance(item, Code):
        return _coded(tag, item, facts, remarks)
    if isinstance(item, WholeCode):
        return _coded_whole(tag, item, facts, remarks)
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


def _coded(tag: int, code: Code, facts: Facts, remarks: list[str]) -> tuple[bool | None, Dataset]:
    rendered = [part.render(facts, remarks, "LO") for part in code.parts]
    said = _together([part.said for part in rendered])
    return said, Dataset() if said is False else _code_item(tag, [part.text for part in rendered])


def _coded_whole(tag: int, code: WholeCode, facts: Facts, remarks: list[str]) -> tuple[bool, Dataset]:
    text = code.text.render(facts, remarks, "LO").text.strip()
    if not text:
        return False, Dataset()
    parts = text.split(":", 2)
    if len(parts) < 3:
        raise ValueError(
            f"{keyword_of(tag)} cannot be {text!r}: a code is written SCHEME:VALUE:MEANING, such as "
            "SCT:39937001:Skin; a table under maps: and | pick make one of other words"
        )
    return True, _code_item(tag, parts)


def _code_item(tag: int, texts: Sequence[str]) -> Dataset:
    """The item of a code with this scheme, value and meaning."""
    parts = [text.strip() for text in texts]
    item = Dataset()
    for keyword, text in zip(_PARTS, parts, strict=True):
        if not text:
            raise ValueError(f"{keyword} of the code is empty: a code has a scheme, a value and a meaning")
        part = Tag("LongCodeValue" if keyword == "CodeValue" and len(text) > _SHORT else keyword)
        item.add(_new(part, convert(part, vr_of(part), [text])))
    if wrong := known_codes.fault(keyword_of(tag), *parts):
        raise ValueError(f"{keyword_of(tag)} cannot be {wrong}")
    return item


def _plain(
    tag: int, templates: tuple[Template, ...], facts: Facts, remarks: list[str]
) -> tuple[bool | None, DataElement]:
    vr = vr_of(tag)
    rendered = [template.render(facts, remarks, vr) for template in templates]
    for each in rendered if keyword_of(tag) == _WHO else ():
        if each.bare is not None:
            raise ValueError(
                f"PatientID comes from the number {each.bare} of a spreadsheet, which does not tell how many "
                "zeros stood before it: say how many digits it has with width:, or make text of the column"
            )
    said = _together([each.said for each in rendered])
    found = [text for each in rendered for text in each.several or (each.text,)] if said is not False else []
    value = convert(tag, vr, found) if any(found) else empty_value_for_VR(vr)
    return said, _new(tag, value)


def _new(tag: int, value: object) -> DataElement:
    """An element with a value that is checked already, and where it is one text is in pydicom's form too."""
    vr = vr_of(tag)
    ready = vr in _TEXT and isinstance(value, str)
    return DataElement(tag, vr, value, validation_mode=config.IGNORE, already_converted=ready)


def _apply(resolved: _Resolved, composition: Composition) -> None:
    """Sets or removes the attribute; what is known of attributes within it is forgotten."""
    assignment, element = resolved.assignment, resolved.element
    name, tag = assignment.name, assignment.path[-1].tag
    if element is None or element.VR == "SQ":
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


# What people are told


def _uses(assignment: Assignment, sources: frozenset[str]) -> bool:
    return any(use.source in sources for each in assignment.expressions for use in each.uses)


def _said(assignment: Assignment, facts: Facts, missing: frozenset[str], *, won: bool) -> Said:
    used = (use.source for expression in assignment.expressions for use in expression.uses)
    sources = tuple(dict.fromkeys(used))
    value = problem = None
    if unknown := [source for source in sources if source in missing]:
        problem = f"is not known without {' and '.join(unknown)}"
    else:
        try:
            said, element = _element(assignment, facts, [])
            value = text_of(element) if element is not None and said is not False else ""
            if assignment.value is None:
                value = None
        except ValueError as error:
            problem = str(error)
    return Said(assignment.name, assignment.origin, value, won, sources, problem)
