"""Which object a file becomes: the template that was asked for, or the one for its kind.

A picture that the object asked for may not carry becomes the Secondary Capture that fits, with a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.dicom import iods
from gateway.errors import Fatal, Reject
from gateway.mapping.description import Description, said
from gateway.mapping.language import Mapping
from gateway.mapping.templates import ObjectTemplate, load_template
from gateway.model import Kind, Probe

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

_KINDS = {Kind.IMAGE: "a picture", Kind.VIDEO: "a video", Kind.DOCUMENT: "a document"}


def form_of(probe: Probe, request: Description, mapping: Mapping | None) -> Probe:
    """The first form of a file that the object asked for may carry.

    Where it may carry none, the first that another object takes instead; the file as it is if none does.
    """
    if probe.kind in (Kind.DICOM, Kind.OBJECT):
        return probe
    choices: tuple[Callable[[Probe], str | None], ...] = (
        lambda form: _wanted(form, request, mapping),
        _instead,
    )
    for choice in choices:
        for form in _forms(probe):
            name = choice(form)
            if name and iods.permits(load_template(name).sop_class_uid, form) is None:
                return form
    return probe


def template_of(
    probe: Probe, request: Description, mapping: Mapping | None, messages: list[str]
) -> ObjectTemplate | None:
    """The template for a file; None for a DICOM file, which is an object already.

    Raises `Reject` when the file is not what the template is for.
    """
    if probe.kind is not Kind.DICOM:
        template = _fitting(probe, request, mapping, messages)
        _check_sop_class(request, template.sop_class_uid, probe)
        return template
    named = _named(probe, request, mapping)
    if named:
        raise Reject(
            f"{probe.source.shown} is a DICOM object already; the template {named} makes one of another file"
        )
    _check_sop_class(request, probe.dicom.sop_class_uid if probe.dicom else "", probe)
    return None


def _forms(probe: Probe) -> Iterator[Probe]:
    """A file as it is, and the other forms that it has."""
    form: Probe | None = probe
    while form:
        yield form
        form = form.otherwise


def _named(probe: Probe, request: Description, mapping: Mapping | None) -> str | None:
    """The template that was asked for; a mapping that has a part for DICOM files means others by it."""
    if request.template or mapping is None:
        return request.template
    if probe.kind is Kind.DICOM and "dicom" in mapping.kinds:
        return None
    return mapping.part(probe).template


def _wanted(probe: Probe, request: Description, mapping: Mapping | None) -> str:
    """The template that was asked for, or else the one for this kind of file."""
    if named := _named(probe, request, mapping):
        return named
    if probe.kind is Kind.IMAGE:
        return PHOTOGRAPHIC if request.photographic else _capture(probe)
    return VIDEO if probe.kind is Kind.VIDEO else DOCUMENTS[probe.media_type.lower()]


def _instead(probe: Probe) -> str | None:
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


def _fitting(
    probe: Probe, request: Description, mapping: Mapping | None, messages: list[str]
) -> ObjectTemplate:
    """The template asked for, or another one for a picture that its object may not carry."""
    path = probe.source.shown
    template = load_template(_wanted(probe, request, mapping))
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
    instead = _instead(probe)
    other = load_template(instead) if instead else template
    if iods.permits(other.sop_class_uid, probe) is not None:
        raise Reject(f"{path} cannot become the object {template.name}: {obstacle}")
    messages.append(f"becomes the object {other.name} and not {template.name}: {obstacle}")
    return other


def _check_sop_class(request: Description, uid: str, probe: Probe) -> None:
    """A file of attributes may say which object it describes; it has to be this one."""
    for assignment in request.file:
        if assignment.name == "SOPClassUID" and said(assignment) != uid:
            raise Reject(
                f"{probe.source.shown} is or becomes an object of the SOP class {uid}, and "
                f"{assignment.origin} describes one of {said(assignment)}: choose another template, or leave "
                "SOPClassUID out of the file"
            )
