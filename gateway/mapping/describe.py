"""Whom and what a file shows: a template, a mapping and what the user typed, made into attributes.

Of several values for one attribute the most particular one wins: typed with `-m`, in the file given
with `-f`, in the mapping, in the object template.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.config import Reading
from gateway.dicom import iods, json
from gateway.errors import Fatal, Reject
from gateway.mapping.assignments import SOP_CLASS, Assignment, Code, Items
from gateway.mapping.compose import Composition, compose, evaluate
from gateway.mapping.expressions import Facts
from gateway.mapping.language import Mapping, ObjectTemplate, load, load_template
from gateway.mapping.sources import gather
from gateway.mapping.typed import load_file, load_object, parse_typed
from gateway.model import Attributes, Kind, Probe

PHOTOGRAPHIC = "vl-photographic"
ONE_PICTURE = "secondary-capture"
MANY_GREY = "multiframe-byte-secondary-capture"
MANY_DEEP_GREY = "multiframe-word-secondary-capture"
MANY_COLOURED = "multiframe-true-color-secondary-capture"
VIDEO = "video-photographic"
DOCUMENTS = {
    "application/pdf": "encapsulated-pdf",
    "text/xml": "encapsulated-cda",
    "model/stl": "encapsulated-stl",
    "model/obj": "encapsulated-obj",
    "model/mtl": "encapsulated-mtl",
}
"""The object of each sort of document, by its media type."""

EARLIEST = 1990
"""No digital picture, video or document is older; cameras whose clock was never set say 1970 or 1980."""

_DATES = ("ContentDate", "AcquisitionDateTime")
"""Dates of the object itself; that of its study is settled with the other files of the study."""


@dataclass(frozen=True, slots=True)
class Description:
    """What was asked for: a mapping, an object template, and values for all files.

    `photographic` makes VL Photographic Images of pictures for which nothing names a template. `today`
    is the day that dates in files are compared with, None for the day it is.
    """

    mapping: Mapping | None = None
    template: str | None = None
    photographic: bool = False
    typed: tuple[Assignment, ...] = ()
    file: tuple[Assignment, ...] = ()
    today: date | None = None

    def typed_value(self, keyword: str) -> str | None:
        """The text that the user gave for an attribute of the object itself; None if there is none."""
        for level in (self.typed, self.file):
            for assignment in level:
                if assignment.name == keyword:
                    return said(assignment)
        return None


def description(
    *,
    mapping: str | None = None,
    template: str | None = None,
    photographic: bool = False,
    typed: Sequence[str] = (),
    attribute_file: Path | None = None,
) -> Description:
    """The description that options ask for. Raises `Fatal` with all that is wrong with them, a line each."""
    faults: list[str] = []
    given_mapping: Mapping | None = None
    given_typed: tuple[Assignment, ...] = ()
    given_file: tuple[Assignment, ...] = ()
    try:
        given_typed = parse_typed(typed)
    except Fatal as error:
        faults.append(str(error))
    try:
        given_file = load_file(attribute_file) if attribute_file else ()
    except Fatal as error:
        faults.append(str(error))
    try:
        given_mapping = load(mapping) if mapping else None
    except Fatal as error:
        faults.append(str(error))
    try:
        if template:
            load_template(template)
    except Fatal as error:
        faults.append(str(error))
    if faults:
        raise Fatal("\n".join(faults))
    return Description(given_mapping, template, photographic, given_typed, given_file)


def choose(probe: Probe, request: Description) -> Probe:
    """The first form of a file that the object asked for may carry.

    Where it may carry none, the first that another object takes instead; the file as it is if none does.
    """
    if probe.kind in (Kind.DICOM, Kind.OBJECT):
        return probe
    forms: list[Probe] = []
    form: Probe | None = probe
    while form:
        forms.append(form)
        form = form.otherwise
    for wanted in (_wanted, _instead):
        for form in forms:
            name = wanted(form, request)
            if name and iods.permits(load_template(name).sop_class_uid, form) is None:
                return form
    return probe


def reading(options: Reading, mapping: Mapping | None, given: Collection[str] = ()) -> Reading:
    """How files are read: as the options say, and where they leave it open, as the mapping does.

    `given` are the fields of the options that somebody set, be it to the default.
    """
    return mapping.convert.over(options, given) if mapping else options


def describe(probe: Probe, request: Description) -> Attributes:
    """The attributes of the object that a file becomes; of a DICOM file, those that are to be set in it.

    Raises `Reject` when the file is not what the template or mapping is for, or when a value cannot be.
    """
    if probe.kind is Kind.OBJECT:
        return _describe_object(probe, request)
    messages: list[str] = []
    template = _template(probe, request, messages)
    mapping, given = request.mapping, tuple(each for each in request.file if each.path[0].tag != SOP_CLASS)
    facts = gather(probe, _captured(probe, request.today, messages), mapping.patterns if mapping else ())
    levels = (
        *(template.levels if template else ()),
        *(mapping.levels if mapping else ()),
        given,
        request.typed,
    )
    composition = compose(levels, facts)
    study_key, series_key = _keys(mapping, facts, composition)
    if composition.faults:
        raise Reject("\n".join(f"{probe.source.shown}: {fault}" for fault in composition.faults))
    if template:
        messages += _missing_dates(composition)
    return Attributes(
        dataset=composition.dataset,
        origins=composition.origins,
        template=template.name if template else "",
        typed=tuple(sorted({each.name: said(each) for each in (*given, *request.typed)}.items())),
        scope=mapping.name if mapping else "",
        study_key=study_key,
        series_key=series_key,
        lossless=template.lossless if template else None,
        removed=tuple(composition.removed),
        messages=(*messages, *composition.messages),
    )


def _describe_object(probe: Probe, request: Description) -> Attributes:
    """The attributes of an object that has no file but the one that describes it."""
    load_object(probe.source.path)  # says what keeps it from being one
    composition = compose((request.file, request.typed), {})
    if composition.faults:
        raise Reject("\n".join(f"{probe.source.shown}: {fault}" for fault in composition.faults))
    return Attributes(
        dataset=composition.dataset,
        origins=composition.origins,
        template="",
        typed=tuple(sorted((each.name, said(each)) for each in request.typed)),
        messages=tuple(composition.messages),
    )


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


def _item_said(item: Code | tuple[Assignment, ...]) -> str:
    if isinstance(item, Code):
        return ":".join(part.literal or "" for part in item.parts)
    return "{" + ",".join(f"{each.name}={said(each)}" for each in item) + "}"


# The object template


def _template(probe: Probe, request: Description, messages: list[str]) -> ObjectTemplate | None:
    """The template for a file; None for a DICOM file, which is an object already."""
    path = probe.source.shown
    named = request.template or (request.mapping.template if request.mapping else None)
    if probe.kind is Kind.DICOM:
        if named:
            raise Reject(f"{path} is a DICOM object already; the template {named} makes one of another file")
        _check_sop_class(request, probe.dicom.sop_class_uid if probe.dicom else "", path)
        return None
    template = _fitting(probe, request, messages)
    _check_sop_class(request, template.sop_class_uid, path)
    return template


def _wanted(probe: Probe, request: Description) -> str:
    """The template that was asked for, or else the one for this kind of file."""
    named = request.template or (request.mapping.template if request.mapping else None)
    if named:
        return named
    if probe.kind is Kind.IMAGE:
        return PHOTOGRAPHIC if request.photographic else _capture(probe)
    return VIDEO if probe.kind is Kind.VIDEO else DOCUMENTS[probe.media_type.lower()]


def _instead(probe: Probe, request: Description) -> str | None:
    """The template for a picture that the object asked for may not carry; None for all other files."""
    return _capture(probe) if probe.kind is Kind.IMAGE else None


def _capture(probe: Probe) -> str:
    """The Secondary Capture template for a picture: by its frames, its samples and its bits."""
    pixels = probe.pixels
    if pixels is None or pixels.frames is None:
        return ONE_PICTURE
    if pixels.samples_per_pixel > 1:
        return MANY_COLOURED
    return MANY_GREY if pixels.bits_stored <= 8 else MANY_DEEP_GREY


def _fitting(probe: Probe, request: Description, messages: list[str]) -> ObjectTemplate:
    """The template asked for, or another one for a picture that its object may not carry."""
    path = probe.source.shown
    template = load_template(_wanted(probe, request))
    kind = iods.kind_of(template.sop_class_uid)
    if kind is None:
        raise Fatal(
            f"the template {template.name} is for {template.sop_class_uid}, which this version cannot make"
        )
    if kind is not probe.kind:
        raise Reject(
            f"{path} is {_KINDS[probe.kind]}, and the template {template.name} is for {_KINDS[kind]}"
        )
    obstacle = iods.permits(template.sop_class_uid, probe)
    if obstacle is None:
        return template
    instead = _instead(probe, request)
    other = load_template(instead) if instead else template
    if iods.permits(other.sop_class_uid, probe) is not None:
        raise Reject(f"{path} cannot become the object {template.name}: {obstacle}")
    messages.append(f"becomes the object {other.name} and not {template.name}: {obstacle}")
    return other


_KINDS = {Kind.IMAGE: "a picture", Kind.VIDEO: "a video", Kind.DOCUMENT: "a document"}


def _check_sop_class(request: Description, uid: str, path: Path) -> None:
    """A file of attributes may say which object it describes; it has to be this one."""
    for assignment in request.file:
        if assignment.name == "SOPClassUID" and said(assignment) != uid:
            raise Reject(
                f"{path} is or becomes an object of the SOP class {uid}, and {assignment.origin} describes "
                f"one of {said(assignment)}: choose another template, or leave SOPClassUID out of the file"
            )


# Dates and keys


def _captured(probe: Probe, today: date | None, messages: list[str]) -> datetime | None:
    """When the file says that its content was made, if that can be true."""
    moment = probe.captured
    if moment is None:
        return None
    tomorrow = (today or datetime.now(UTC).date()) + timedelta(days=1)
    if moment.year >= EARLIEST and moment.date() <= tomorrow:
        return moment
    why = "that is to come" if moment.date() > tomorrow else f"that is before {EARLIEST}"
    messages.append(f"the file says that it was made on {moment.date()}, and {why}: the date is not used")
    return None


def _missing_dates(composition: Composition) -> list[str]:
    missing = [keyword for keyword in _DATES if not composition.dataset.get(keyword)]
    if not missing:
        return []
    names = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    verb = "is" if len(missing) == 1 else "are"
    return [f"it is not known when the file was made: {names} {verb} empty"]


def _keys(mapping: Mapping | None, facts: Facts, composition: Composition) -> tuple[str | None, str | None]:
    """The study's and the series's key, as the mapping says."""
    if mapping is None:
        return None, None
    keys: list[str | None] = []
    for template in (mapping.study, mapping.series):
        try:
            keys.append(evaluate(template, facts))
        except ValueError as error:
            where = next(each.place for each in template.expressions) if template else mapping.path
            composition.faults.append(f"{where}: {error}")
            keys.append(None)
    return keys[0], keys[1]
