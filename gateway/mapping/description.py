"""What was asked for about the files of a call: mappings, an object template, values, facts of the site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.config import Site, Unidentified
from gateway.dicom import json
from gateway.errors import Fatal
from gateway.mapping import site as places
from gateway.mapping.assignments import Assignment, Code, Items, WholeCode
from gateway.mapping.language import Mapping, load
from gateway.mapping.sources import site as sites
from gateway.mapping.templates import load_template
from gateway.mapping.typed import load_file, parse_typed
from gateway.mapping.verdict import Route
from gateway.nodes import Fault, Place, Text

if TYPE_CHECKING:  # only who gives a rule for Patient IDs pays for pydantic
    from gateway.mapping.patients import PatientIds

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Description:
    """What was asked for. Of several mappings the first that is for a file is taken.

    `photographic` makes VL Photographic Images of pictures for which nothing names a template. `site` is
    better known than what a mapping says of it, and so is what Patient IDs look like. `unidentified` says
    what becomes of files whose patient is not established, None for what the mapping says; where that
    says nothing they are sent, but if `unattended` they are held. `routes` are further destinations, and
    expressions for the files that go there, None for all. `today` is the day that dates in files are
    compared with, None for the day it is.
    """

    mappings: tuple[Mapping, ...] = ()
    template: str | None = None
    photographic: bool = False
    typed: tuple[Assignment, ...] = ()
    file: tuple[Assignment, ...] = ()
    site: Site = field(default_factory=Site)
    patient_id: PatientIds | None = None
    unidentified: Unidentified | None = None
    unattended: bool = False
    routes: tuple[Route, ...] = ()
    today: date | None = None

    def typed_value(self, keyword: str) -> str | None:
        """The text that the user gave for an attribute of the object itself; None if there is none."""
        for level in (self.typed, self.file):
            for assignment in level:
                if assignment.name == keyword:
                    return said(assignment)
        return None

    def site_of(self, mapping: Mapping | None) -> Site:
        """The facts of the site for files that a mapping is for."""
        return sites.over(mapping.site, self.site) if mapping else self.site

    def patient_ids_of(self, mapping: Mapping | None) -> PatientIds | None:
        """What Patient IDs look like for files that a mapping is for: all rules of both."""
        theirs = mapping.patient_id if mapping else None
        if self.patient_id is None or theirs is None:
            return self.patient_id or theirs
        return replace(theirs, **{name: value for name, value in _said(self.patient_id).items() if value})

    def policy_for(self, mapping: Mapping | None) -> Unidentified:
        """What becomes of files that a mapping is for and whose patient is not established."""
        usual = Unidentified.HOLD if self.unattended else Unidentified.SEND
        return self._policy_said(mapping) or usual

    def policy_in_doubt(self, mapping: Mapping | None) -> Unidentified:
        """What becomes of files whose Patient ID is there, and is not what it should be: they are held, but
        where a person has typed it, or where sending such files is asked for."""
        if self.typed_value("PatientID") is not None:
            return self.policy_for(mapping)
        return self._policy_said(mapping) or Unidentified.HOLD

    def _policy_said(self, mapping: Mapping | None) -> Unidentified | None:
        return self.unidentified or (mapping.unidentified if mapping else None)


def _said(rule: PatientIds) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in rule.__dataclass_fields__}


def description(
    *,
    mappings: Sequence[str] = (),
    template: str | None = None,
    photographic: bool = False,
    typed: Sequence[str] = (),
    attribute_file: Path | None = None,
    site: Sequence[str] = (),
    patient_id: str | None = None,
    unidentified: Unidentified | None = None,
) -> Description:
    """The description that options ask for. Raises `Fatal` with all that is wrong with them, a line each.

    `typed` and `site` are texts such as `PatientID=4711` and `institution=St. Mary's`, `patient_id` is a
    regular expression.
    """
    faults: list[str] = []
    asked = Description(
        template=template,
        photographic=photographic,
        unidentified=unidentified,
        typed=_tried(lambda: parse_typed(typed), (), faults),
        file=_tried(lambda: load_file(attribute_file) if attribute_file else (), (), faults),
        mappings=_tried(lambda: _loaded(mappings), (), faults),
        site=_tried(lambda: places.parse(site) if site else Site(), Site(), faults),
        patient_id=_tried(lambda: _rule(patient_id) if patient_id else None, None, faults),
    )
    if template:
        _tried(lambda: load_template(template), None, faults)
    if faults:
        raise Fatal("\n".join(faults))
    return asked


def _tried(make: Callable[[], Value], otherwise: Value, faults: list[str]) -> Value:
    """What is made; otherwise what is wrong is added to the faults."""
    try:
        return make()
    except Fatal as error:
        faults.append(str(error))
        return otherwise


def _loaded(names: Sequence[str]) -> tuple[Mapping, ...]:
    """The mappings of these names or files. Raises `Fatal` with the faults of all of them."""
    faults: list[str] = []
    found = [_tried(lambda: load(name), None, faults) for name in names]  # noqa: B023 - called at once
    if faults:
        raise Fatal("\n".join(faults))
    return tuple(mapping for mapping in found if mapping)


def _rule(pattern: str) -> PatientIds:
    from gateway.mapping import patient_ids

    faults: list[Fault] = []
    rule = patient_ids.read(Text(Place("--patient-id", 1, 1), pattern), faults)
    if faults:
        raise Fatal("\n".join(f"--patient-id: {fault.message}" for fault in faults))
    return rule


def said(assignment: Assignment) -> str:
    """The value of an assignment without expressions as one text, the same however it was written."""
    value = assignment.value
    if value is None:
        return "(removed)"
    if isinstance(value, tuple):
        return "\\".join(template.literal or "" for template in value)
    if isinstance(value, Items):
        return "\\".join(map(_item_said, value.items))
    if value.VR == "SQ" or isinstance(value.value, bytes):
        dataset = Dataset()
        dataset.add(value)
        return json.dump([json.to_model(dataset)]).decode()
    values = value.value if isinstance(value.value, MultiValue | list) else [value.value]
    return "\\".join("" if each is None else str(each) for each in values)


def _item_said(item: Code | WholeCode | tuple[Assignment, ...]) -> str:
    if isinstance(item, Code):
        return ":".join(part.literal or "" for part in item.parts)
    if isinstance(item, WholeCode):
        return item.text.literal or ""
    return "{" + ",".join(f"{each.name}={said(each)}" for each in item) + "}"
