"""What the Information Object Definitions demand (PS3.3 Annex A and C), as data.

An object is a list of modules, and a module a list of attributes that must be there: Type 1 with a
value, Type 2 at least empty. A new object is a new row of `IODS`, a new module a new `Module`. Rules
that depend on other values are few and stand at the end, as functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import empty_value_for_VR
from pydicom.dataset import Dataset

from gateway.dicom.anatomy import UNPAIRED_BODY_PARTS, UNPAIRED_REGIONS
from gateway.dicom.dictionary import keyword_of
from gateway.model import Kind, Probe


@dataclass(frozen=True, slots=True)
class Module:
    """Attributes of one module by keyword, those without a condition."""

    type1: tuple[str, ...] = ()
    type2: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoding:
    """Pixels that an object may carry in some transfer syntaxes: photometric interpretation, bits stored."""

    transfer_syntaxes: tuple[str, ...]
    photometric: tuple[str, ...]
    bits: tuple[int, ...] = (8,)


@dataclass(frozen=True, slots=True)
class Iod:
    """An object. `modalities` are its Enumerated Values, none where any may be.

    `has_laterality` says that the General Series module's rule for paired body parts applies.
    """

    name: str
    kind: Kind
    modules: tuple[Module, ...]
    modalities: tuple[str, ...] = ()
    encodings: tuple[Encoding, ...] = ()
    has_laterality: bool = True

    @property
    def noun(self) -> str:
        """The name with its article."""
        return f"{'an' if self.name[0] in 'AEIO' else 'a'} {self.name}"

    @property
    def type1(self) -> tuple[str, ...]:
        """Attributes that must have a value."""
        return tuple(keyword for module in self.modules for keyword in module.type1)

    @property
    def type2(self) -> tuple[str, ...]:
        """Attributes that must be there, with or without a value; none that is Type 1 in another module."""
        stricter = self.type1
        return tuple(
            keyword for module in self.modules for keyword in module.type2 if keyword not in stricter
        )


# Modules (PS3.3 C.7, C.8, C.12, C.24)

PATIENT = Module(type2=("PatientName", "PatientID", "PatientBirthDate", "PatientSex"))
STUDY = Module(
    type1=("StudyInstanceUID",),
    type2=("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
SERIES = Module(type1=("Modality", "SeriesInstanceUID"), type2=("SeriesNumber",))
DOCUMENT_SERIES = Module(type1=("Modality", "SeriesInstanceUID", "SeriesNumber"))
EQUIPMENT = Module(type2=("Manufacturer",))
CONVERSION = Module(type1=("ConversionType",))
GENERAL_IMAGE = Module(type2=("InstanceNumber", "PatientOrientation"))
IMAGE_PIXEL = Module(
    type1=(
        "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored",
        "HighBit", "PixelRepresentation",
    )
)  # fmt: skip
MULTI_FRAME = Module(type1=("NumberOfFrames", "FrameIncrementPointer"))
ACQUISITION_CONTEXT = Module(type2=("AcquisitionContextSequence",))
VL_IMAGE = Module(type1=("ImageType",), type2=("LossyImageCompression",))
FRAMED_VL_IMAGE = Module(type1=("AnatomicRegionSequence",))
"""What the VL Image module asks for where there is a Number of Frames (PS3.3 C.8.12.1)."""
DOCUMENT = Module(
    type1=("InstanceNumber", "BurnedInAnnotation", "MIMETypeOfEncapsulatedDocument"),
    type2=("ContentDate", "ContentTime", "AcquisitionDateTime", "DocumentTitle", "ConceptNameCodeSequence"),
)
SOP_COMMON = Module(type1=("SOPClassUID", "SOPInstanceUID"))

# Transfer syntaxes (PS3.5 Annex A)

EXPLICIT = "1.2.840.10008.1.2.1"
_JPEG = "1.2.840.10008.1.2.4."
JPEG_BASELINE = (_JPEG + "50",)
JPEG_EXTENDED = (_JPEG + "51",)
JPEG_LOSSLESS = (_JPEG + "57", _JPEG + "70")
VIDEO_8 = tuple(
    _JPEG + number
    for number in ("100", "100.1", "101", "101.1", "102", "102.1", "103", "103.1", "104", "104.1", "107")
)
VIDEO_10 = (_JPEG + "108",)

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
VIDEO_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4.1"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

IODS: Mapping[str, Iod] = {
    SECONDARY_CAPTURE: Iod(
        "Secondary Capture Image",
        Kind.IMAGE,
        (PATIENT, STUDY, SERIES, CONVERSION, GENERAL_IMAGE, IMAGE_PIXEL, SOP_COMMON),
        encodings=(
            Encoding(JPEG_BASELINE, ("MONOCHROME2", "YBR_FULL_422", "RGB")),
            Encoding(JPEG_EXTENDED, ("MONOCHROME2",), (8, 12)),
            Encoding(JPEG_LOSSLESS, ("MONOCHROME2",), tuple(range(2, 17))),
            Encoding(JPEG_LOSSLESS, ("RGB", "YBR_FULL")),
        ),
    ),
    VL_PHOTOGRAPHIC: Iod(
        "VL Photographic Image",
        Kind.IMAGE,
        (
            PATIENT, STUDY, SERIES, EQUIPMENT, GENERAL_IMAGE, IMAGE_PIXEL, ACQUISITION_CONTEXT, VL_IMAGE,
            SOP_COMMON,
        ),
        modalities=("XC",),
        encodings=(
            Encoding(JPEG_BASELINE, ("MONOCHROME2", "YBR_FULL_422")),
            Encoding(JPEG_EXTENDED, ("MONOCHROME2",)),
            Encoding(JPEG_LOSSLESS, ("MONOCHROME2", "RGB")),
        ),
    ),
    VIDEO_PHOTOGRAPHIC: Iod(
        "Video Photographic Image",
        Kind.VIDEO,
        (
            PATIENT, STUDY, SERIES, EQUIPMENT, GENERAL_IMAGE, MULTI_FRAME, IMAGE_PIXEL, ACQUISITION_CONTEXT,
            VL_IMAGE, FRAMED_VL_IMAGE, SOP_COMMON,
        ),
        modalities=("XC",),
        encodings=(
            Encoding(VIDEO_8, ("YBR_PARTIAL_420",)),
            Encoding(VIDEO_10, ("YBR_PARTIAL_420",), (8, 10)),
        ),
    ),
    ENCAPSULATED_PDF: Iod(
        "Encapsulated PDF",
        Kind.DOCUMENT,
        (PATIENT, STUDY, DOCUMENT_SERIES, EQUIPMENT, CONVERSION, DOCUMENT, SOP_COMMON),
        has_laterality=False,
    ),
}  # fmt: skip
"""The objects that are made, by SOP Class UID."""


def kind_of(sop_class_uid: str) -> Kind | None:
    """What sort of file an object is made of; None for an object that is not made here."""
    iod = IODS.get(sop_class_uid)
    return iod.kind if iod else None


def permits(sop_class_uid: str, probe: Probe) -> str | None:
    """Why an object may not carry these pixels; None if it may, or has none."""
    iod = IODS.get(sop_class_uid)
    pixels = probe.pixels
    if iod is None or pixels is None:
        return None
    if pixels.frames is not None and iod.kind is Kind.IMAGE:
        return f"{iod.noun} is one picture and has no frames"
    encodings = [each for each in iod.encodings if probe.transfer_syntax in each.transfer_syntaxes]
    if not encodings:
        return f"{iod.noun} is not stored in the transfer syntax {probe.transfer_syntax}"
    if not any(pixels.photometric_interpretation in each.photometric for each in encodings):
        return f"{iod.noun} is not stored with {pixels.photometric_interpretation} pixels in this compression"
    if not any(
        pixels.photometric_interpretation in each.photometric and pixels.bits_stored in each.bits
        for each in encodings
    ):
        return f"{iod.noun} is not stored with {pixels.bits_stored} bits a sample"
    return None


def complete(dataset: Dataset) -> None:
    """Adds what may be empty and is not there: Type 2 attributes, and Laterality where it is due.

    An empty Laterality that must not be there is taken out; it says nothing.
    """
    iod = IODS.get(str(dataset.get("SOPClassUID", "")))
    if iod is None:
        return
    for keyword in iod.type2:
        if keyword not in dataset:
            _set_empty(dataset, keyword)
    if iod.has_laterality:
        due = _laterality_obstacle(dataset) is None
        if due and "Laterality" not in dataset:
            _set_empty(dataset, "Laterality")
        elif not due and "Laterality" in dataset and _is_empty(dataset, "Laterality"):
            del dataset.Laterality


def faults(dataset: Dataset) -> list[str]:
    """What keeps the object from being what its SOP class says, in words."""
    iod = IODS.get(str(dataset.get("SOPClassUID", "")))
    if iod is None:
        return []
    return [
        *(
            f"{keyword} has no value, and {iod.noun} must have one"
            for keyword in iod.type1
            if _is_empty(dataset, keyword)
        ),
        *(f"{keyword} is missing" for keyword in iod.type2 if keyword not in dataset),
        *_modality_faults(dataset, iod),
        *_laterality_faults(dataset, iod),
        *_pixel_faults(dataset),
        *_sequence_faults(dataset),
        *_vl_faults(dataset, iod),
    ]


def _set_empty(dataset: Dataset, keyword: str) -> None:
    vr = dictionary_VR(keyword)
    dataset.add_new(keyword, vr, [] if vr == "SQ" else empty_value_for_VR(vr))


def _is_empty(dataset: Dataset, keyword: str) -> bool:
    return keyword not in dataset or dataset[keyword].is_empty


# Rules that depend on values


def _modality_faults(dataset: Dataset, iod: Iod) -> Iterator[str]:
    modality = dataset.get("Modality")
    if iod.modalities and modality and modality not in iod.modalities:
        yield f"Modality is {modality}, and {iod.noun} has {' or '.join(iod.modalities)}"


def _laterality_obstacle(dataset: Dataset) -> str | None:
    """Why Laterality must not be there (PS3.3 C.7.3.1); None where it must be."""
    if "ImageLaterality" in dataset:
        return "ImageLaterality says it for each image"
    for region in dataset.get("AnatomicRegionSequence", []):
        code = str(region.get("CodeValue", ""))
        if code in UNPAIRED_REGIONS and region.get("CodingSchemeDesignator") == "SCT":
            return f"there is only one {UNPAIRED_REGIONS[code]}"
    part = dataset.get("BodyPartExamined")
    return f"there is only one {part}" if part in UNPAIRED_BODY_PARTS else None


def _laterality_faults(dataset: Dataset, iod: Iod) -> Iterator[str]:
    if not iod.has_laterality:
        return
    obstacle = _laterality_obstacle(dataset)
    if obstacle and "Laterality" in dataset:
        yield f"Laterality is {dataset.Laterality}, and must not be there, since {obstacle}"
    if not obstacle and "Laterality" not in dataset:
        yield "Laterality is missing"


def _pixel_faults(dataset: Dataset) -> Iterator[str]:
    """What samples, frames and compression ask for (PS3.3 C.7.6.3, C.7.6.6.1.1, C.7.6.1.1.5)."""
    if dataset.get("SamplesPerPixel", 1) > 1 and _is_empty(dataset, "PlanarConfiguration"):
        yield "PlanarConfiguration has no value, and there are several samples a pixel"
    pointers = dataset.get("FrameIncrementPointer") or ()
    for tag in [pointers] if isinstance(pointers, int) else pointers:
        if tag not in dataset or dataset[tag].is_empty:
            yield f"{keyword_of(tag)} has no value, and FrameIncrementPointer points to it"
    if dataset.get("LossyImageCompression") == "01":
        for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if _is_empty(dataset, keyword):
                yield f"{keyword} has no value, and the pixels were compressed with loss"


def _sequence_faults(dataset: Dataset) -> Iterator[str]:
    for keyword in _NEVER_WITHOUT_ITEMS:
        if keyword in dataset and not dataset[keyword].value:
            yield f"{keyword} has no items: give it one, or leave it out"
    for keyword in ("AnatomicRegionSequence", "ConceptNameCodeSequence"):
        if len(dataset.get(keyword) or ()) > 1:
            yield f"{keyword} has more than one item"


_NEVER_WITHOUT_ITEMS = (
    "AnatomicRegionSequence",
    "OriginalAttributesSequence",
    "ReferencedPerformedProcedureStepSequence",
    "RequestAttributesSequence",
)
"""Sequences of the modules above that are optional, and have items when they are there."""


def _vl_faults(dataset: Dataset, iod: Iod) -> Iterator[str]:
    """What visible light images ask for beyond (PS3.3 C.8.12.1)."""
    if VL_IMAGE not in iod.modules:
        return
    if "ContentTime" in dataset and _is_empty(dataset, "ContentTime"):
        yield f"ContentTime is empty, and {iod.noun} has either a value in it or no such attribute"
    if _is_empty(dataset, "ImageType"):
        return
    values = dataset["ImageType"].value
    values = [values] if isinstance(values, str) else list(values)
    allowed = (("ORIGINAL", "DERIVED"), ("PRIMARY", "SECONDARY"), ("", "STEREO L", "STEREO R"))
    if len(values) < 2 or any(value not in terms for value, terms in zip(values, allowed, strict=False)):
        shown = "\\".join(values)
        yield f"ImageType is {shown}, and begins with ORIGINAL or DERIVED, then PRIMARY or SECONDARY"
