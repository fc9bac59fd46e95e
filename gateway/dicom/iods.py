"""What the Information Object Definitions demand (PS3.3 Annex A), as data, and whether an object has it.

An object is a row of `IODS`: its modules, what pixels or documents it takes, and how many frames. What a
module asks for stands in `modules.py`, what pixels are called in each compression in `encodings.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import empty_value_for_VR
from pydicom.dataset import Dataset

from gateway.dicom import codes, encodings, modules
from gateway.dicom.conditions import is_empty, values
from gateway.dicom.encodings import Encodings
from gateway.dicom.modules import EXAMPLES, Module, Terms
from gateway.dicom.rules import laterality_obstacle
from gateway.model import Kind, Probe


class Frames(Enum):
    """How many pictures an object holds."""

    ONE = "one picture"
    PAGES = "pages or moments"
    MOMENTS = "moments in time"
    """Also where it is only one: the time to the next is 0 then (PS3.3 C.7.6.5.1.1)."""


@dataclass(frozen=True)
class Iod:
    """An object and the section of PS3.3 that defines it.

    `modalities` are the Enumerated Values of its Modality, none where any may be; `mime_types` those of
    the documents that it takes.
    """

    name: str
    section: str
    kind: Kind
    modules: tuple[Module, ...]
    modalities: tuple[str, ...] = ()
    encodings: Encodings = ()
    frames: Frames = Frames.ONE
    mime_types: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """The name with its article."""
        return f"{'an' if self.name[0] in 'AEIO' else 'a'} {self.name}"

    @cached_property
    def type1(self) -> tuple[str, ...]:
        """Attributes that must have a value."""
        return tuple(dict.fromkeys(keyword for module in self.modules for keyword in module.type1))

    @cached_property
    def type2(self) -> tuple[str, ...]:
        """Attributes that must be there, with or without a value; none that is Type 1 in another module."""
        found = dict.fromkeys(keyword for module in self.modules for keyword in module.type2)
        return tuple(keyword for keyword in found if keyword not in self.type1)

    @cached_property
    def enumerated(self) -> Mapping[str, Terms]:
        """The values that attributes may have; a particular module has the word over a general one."""
        return {keyword: terms for module in self.modules for keyword, terms in module.enumerated.items()}


_PATIENT_AND_STUDY = (modules.PATIENT, modules.STUDY)
_IMAGE = (*_PATIENT_AND_STUDY, modules.SERIES, modules.GENERAL_IMAGE, modules.IMAGE_PIXEL, modules.SOP_COMMON)
_CAPTURE = (*_IMAGE, modules.SC_EQUIPMENT)
_MULTI_FRAME_CAPTURE = (*_CAPTURE, modules.MULTI_FRAME, modules.SC_MULTI_FRAME_IMAGE)
_VISIBLE_LIGHT = (*_IMAGE, modules.EQUIPMENT, modules.ACQUISITION_CONTEXT, modules.SPECIMEN, modules.VL_IMAGE)
_VIDEO = (*_VISIBLE_LIGHT, modules.MULTI_FRAME, modules.CINE)
_DOCUMENT = (
    *_PATIENT_AND_STUDY, modules.DOCUMENT_SERIES, modules.EQUIPMENT, modules.DOCUMENT, modules.SOP_COMMON,
)  # fmt: skip
_MODEL = (*_DOCUMENT, modules.ENHANCED_EQUIPMENT, modules.MODEL)

_STORAGE = "1.2.840.10008.5.1.4.1.1."
SECONDARY_CAPTURE = _STORAGE + "7"
MULTI_FRAME_BYTE = _STORAGE + "7.2"
MULTI_FRAME_WORD = _STORAGE + "7.3"
MULTI_FRAME_TRUE_COLOR = _STORAGE + "7.4"
VL_PHOTOGRAPHIC = _STORAGE + "77.1.4"
VIDEO_PHOTOGRAPHIC = _STORAGE + "77.1.4.1"
OPHTHALMIC_8_BIT = _STORAGE + "77.1.5.1"
DERMOSCOPIC = _STORAGE + "77.1.7"
ENCAPSULATED_PDF = _STORAGE + "104.1"
ENCAPSULATED_CDA = _STORAGE + "104.2"
ENCAPSULATED_STL = _STORAGE + "104.3"
ENCAPSULATED_OBJ = _STORAGE + "104.4"
ENCAPSULATED_MTL = _STORAGE + "104.5"


def _visible_light(name: str, section: str, modality: str) -> Iod:
    return Iod(name, section, Kind.IMAGE, _VISIBLE_LIGHT, (modality,), encodings.VISIBLE_LIGHT)


def _video(name: str, section: str, modality: str) -> Iod:
    return Iod(name, section, Kind.VIDEO, _VIDEO, (modality,), encodings.MOVING, Frames.MOMENTS)


def _capture(name: str, section: str, takes: Encodings) -> Iod:
    return Iod(name, section, Kind.IMAGE, _MULTI_FRAME_CAPTURE, (), takes, Frames.PAGES)


def _document(
    name: str, section: str, of: tuple[Module, ...], modalities: tuple[str, ...], mime_type: str
) -> Iod:
    return Iod(name, section, Kind.DOCUMENT, of, modalities, mime_types=(mime_type,))


IODS: Mapping[str, Iod] = {
    SECONDARY_CAPTURE: Iod(
        "Secondary Capture Image", "A.8.1", Kind.IMAGE, _CAPTURE, encodings=encodings.ANY_PICTURE
    ),
    MULTI_FRAME_BYTE: _capture(
        "Multi-frame Grayscale Byte Secondary Capture Image", "A.8.3", encodings.GREY_8
    ),
    MULTI_FRAME_WORD: _capture(
        "Multi-frame Grayscale Word Secondary Capture Image", "A.8.4", encodings.GREY_16
    ),
    MULTI_FRAME_TRUE_COLOR: _capture(
        "Multi-frame True Color Secondary Capture Image", "A.8.5", encodings.COLOUR_8
    ),
    _STORAGE + "77.1.1": _visible_light("VL Endoscopic Image", "A.32.1", "ES"),
    _STORAGE + "77.1.2": _visible_light("VL Microscopic Image", "A.32.2", "GM"),
    VL_PHOTOGRAPHIC: _visible_light("VL Photographic Image", "A.32.4", "XC"),
    _STORAGE + "77.1.1.1": _video("Video Endoscopic Image", "A.32.5", "ES"),
    _STORAGE + "77.1.2.1": _video("Video Microscopic Image", "A.32.6", "GM"),
    VIDEO_PHOTOGRAPHIC: _video("Video Photographic Image", "A.32.7", "XC"),
    OPHTHALMIC_8_BIT: Iod(
        "Ophthalmic Photography 8 Bit Image", "A.41", Kind.IMAGE,
        (
            *_IMAGE, modules.OPHTHALMIC_SERIES, modules.SYNCHRONIZATION, modules.EQUIPMENT,
            modules.MULTI_FRAME, modules.OPHTHALMIC_IMAGE, modules.OCULAR_REGION,
            modules.OPHTHALMIC_ACQUISITION, modules.OPHTHALMIC_PARAMETERS,
        ),
        ("OP",), encodings.VISIBLE_LIGHT, Frames.MOMENTS,
    ),
    DERMOSCOPIC: Iod(
        "Dermoscopic Photography Image", "A.32.11", Kind.IMAGE,
        # A frame of reference is not in its list of modules; validators ask for one, and it does no harm.
        (
            *_VISIBLE_LIGHT, modules.FRAME_OF_REFERENCE, modules.ENHANCED_EQUIPMENT,
            modules.DERMOSCOPIC_IMAGE,
        ),
        ("DMS",), encodings.VISIBLE_LIGHT,
    ),
    ENCAPSULATED_PDF: _document(
        "Encapsulated PDF", "A.45.1", (*_DOCUMENT, modules.SC_EQUIPMENT), (), "application/pdf"
    ),
    ENCAPSULATED_CDA: _document(
        "Encapsulated CDA", "A.45.2", (*_DOCUMENT, modules.SC_EQUIPMENT), (), "text/XML"
    ),
    ENCAPSULATED_STL: _document(
        "Encapsulated STL", "A.85.1", (*_MODEL, modules.FRAME_OF_REFERENCE), ("M3D",), "model/stl"
    ),
    ENCAPSULATED_OBJ: _document(
        "Encapsulated OBJ", "A.85.2", (*_MODEL, modules.FRAME_OF_REFERENCE), ("M3D",), "model/obj"
    ),
    ENCAPSULATED_MTL: _document("Encapsulated MTL", "A.85.3", _MODEL, ("M3D",), "model/mtl"),
}  # fmt: skip
"""The objects that are made, by SOP Class UID."""


def kind_of(sop_class_uid: str) -> Kind | None:
    """What sort of file an object is made of; None for an object that is not made here."""
    iod = IODS.get(sop_class_uid)
    return iod.kind if iod else None


def permits(sop_class_uid: str, probe: Probe) -> str | None:
    """Why an object may not carry what a file holds; None if it may, or nothing is known of it."""
    iod = IODS.get(sop_class_uid)
    if iod is None:
        return None
    if iod.mime_types:
        return _document_obstacle(iod, probe)
    pixels = probe.pixels
    if pixels is None:
        return None
    if pixels.frames is not None and iod.frames is Frames.ONE:
        return f"{iod.noun} is one picture and has no frames"
    pages = (pixels.frames or 1) > 1 and not pixels.frame_times and probe.kind is Kind.IMAGE
    if pages and iod.frames is Frames.MOMENTS:
        return f"the frames of {iod.noun} are moments in time and not pages"
    reason = encodings.obstacle(iod.encodings, probe.transfer_syntax, pixels)
    return f"{iod.noun} {reason}" if reason else None


def _document_obstacle(iod: Iod, probe: Probe) -> str | None:
    found = probe.document.mime_type if probe.document else probe.media_type
    if found.lower() in (known.lower() for known in iod.mime_types):
        return None
    return f"{iod.noun} holds {' or '.join(iod.mime_types)} and not {found}"


def complete(dataset: Dataset) -> None:
    """Adds what is not there and may be empty, or can have one value only.

    That is Type 2 attributes, those whose condition is met, and Laterality where it is due.

    An empty Laterality that must not be there is taken out; it says nothing.
    """
    iod = IODS.get(str(dataset.get("SOPClassUID", "")))
    if iod is None:
        return
    for keyword in iod.type2:
        if keyword not in dataset:
            _set_empty(dataset, keyword)
    for module in iod.modules:
        for condition in module.conditions:
            if condition.keyword in dataset or not condition.when(dataset):
                continue
            if only := _only_value(iod, condition.keyword):
                setattr(dataset, condition.keyword, only)
            elif condition.may_be_empty:
                _set_empty(dataset, condition.keyword)
    if modules.SERIES in iod.modules:
        due = laterality_obstacle(dataset) is None and "ImageLaterality" not in iod.type1
        if due and "Laterality" not in dataset:
            _set_empty(dataset, "Laterality")
        elif not due and "Laterality" in dataset and is_empty(dataset, "Laterality"):
            del dataset.Laterality


def faults(dataset: Dataset) -> list[str]:
    """All that keeps the object from being what its SOP class says, in words."""
    iod = IODS.get(str(dataset.get("SOPClassUID", "")))
    if iod is None:
        return []
    found = [
        *_type_faults(dataset, iod),
        *(fault for module in iod.modules for fault in _condition_faults(dataset, module)),
        *_term_faults(dataset, iod),
        *(fault for module in iod.modules for fault in _item_faults(dataset, module)),
        *(fault for module in iod.modules for rule in module.rules for fault in rule(dataset, iod.noun)),
        *codes.faults(dataset),
    ]
    return list(dict.fromkeys(found))


def _only_value(iod: Iod, keyword: str) -> str | int | None:
    """The one value that an attribute may have; None where it has a choice."""
    terms = iod.enumerated.get(keyword, ())
    choice = [term for term in terms[0] if term != ""] if len(terms) == 1 else []
    return choice[0] if len(choice) == 1 else None


def _type_faults(dataset: Dataset, iod: Iod) -> Iterator[str]:
    for keyword in iod.type1:
        if is_empty(dataset, keyword):
            yield f"{keyword} has no value, and {iod.noun} must have one{_remedy(keyword)}"
    for keyword in iod.type2:
        if keyword not in dataset:
            yield f"{keyword} is missing"


def _condition_faults(dataset: Dataset, module: Module) -> Iterator[str]:
    for each in module.conditions:
        if not each.when(dataset):
            continue
        if each.keyword not in dataset and each.may_be_empty:
            yield f"{each.keyword} is missing, and {each.because}"
        elif is_empty(dataset, each.keyword) and not each.may_be_empty:
            yield f"{each.keyword} has no value, and {each.because}{_remedy(each.keyword)}"


def _remedy(keyword: str) -> str:
    """What would give the attribute a value, where only a person can know it."""
    example = EXAMPLES.get(keyword)
    return f" (for example -m '{keyword}={example}')" if example else ""


def _term_faults(dataset: Dataset, iod: Iod) -> Iterator[str]:
    modality = dataset.get("Modality")
    if iod.modalities and modality and modality not in iod.modalities:
        yield f"Modality is {modality}, and {iod.noun} has {' or '.join(iod.modalities)}"
    for keyword, terms in iod.enumerated.items():
        found = values(dataset, keyword)
        if found and not _fit(found, terms):
            shown = "\\".join(map(str, found))
            yield f"{keyword} is {shown}, and {_in_words(terms)}"
    mime_type = dataset.get("MIMETypeOfEncapsulatedDocument")
    if iod.mime_types and mime_type and mime_type not in iod.mime_types:
        known = " or ".join(iod.mime_types)
        yield f"MIMETypeOfEncapsulatedDocument is {mime_type}, and {iod.noun} has {known}"


def _fit(found: list[object], terms: Terms) -> bool:
    """Whether values are what may stand in their places; behind the last place anything may."""
    padded = [*found, *[""] * (len(terms) - len(found))]
    return all(value in allowed for value, allowed in zip(padded, terms, strict=False))


def _in_words(terms: Terms) -> str:
    places = [" or ".join(str(term) for term in allowed if term != "") for allowed in terms]
    if len(terms) == 1:
        return f"can be {places[0]}"
    demanded = [place for place, allowed in zip(places, terms, strict=True) if "" not in allowed]
    return f"begins with {', then '.join(demanded or places)}"


def _item_faults(dataset: Dataset, module: Module) -> Iterator[str]:
    """What is wrong with the number of items of sequences."""
    for keyword in (*module.single, *module.with_items):
        if keyword in dataset and not dataset[keyword].value and keyword not in module.type1:
            yield f"{keyword} has no items: give it one, or leave it out"
    for keyword in (*module.single, *module.single_or_none):
        if len(dataset.get(keyword) or ()) > 1:
            yield f"{keyword} has more than one item"


def _set_empty(dataset: Dataset, keyword: str) -> None:
    vr = dictionary_VR(keyword)
    dataset.add_new(keyword, vr, [] if vr == "SQ" else empty_value_for_VR(vr))
