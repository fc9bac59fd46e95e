"""The modules that objects consist of (PS3.3 Annex C), one table each: what must be there, and which values.

A table has the attributes of its module that are Type 1 (with a value), Type 2 (at least empty), or one
of these under a condition; the values that are enumerated; and sequences of a single item. What is
optional, and neither enumerated nor bound to a number of items, is in none. Rules that are no table are
named by their function in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.dicom import rules
from gateway.dicom.conditions import Condition, exceeds, filled, present, says, without
from gateway.dicom.rules import Rule

Terms = tuple[tuple[str | int, ...], ...]
"""The values that an attribute may have, at each place; an empty text where there may be none."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module and the section of PS3.3 that it stands in."""

    name: str
    section: str
    type1: tuple[str, ...] = ()
    type2: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    enumerated: Mapping[str, Terms] = field(default_factory=dict)
    single: tuple[str, ...] = ()
    """Sequences that have one item when they are there, and never none."""
    single_or_none: tuple[str, ...] = ()
    """Sequences that have one item at most."""
    with_items: tuple[str, ...] = ()
    """Optional sequences that are never there without an item."""
    rules: tuple[Rule, ...] = ()


_YES_NO: Terms = (("YES", "NO"),)

# Patient and study

PATIENT = Module(
    "Patient", "C.7.1.1",
    type2=("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    enumerated={"PatientSex": (("M", "F", "O", ""),)},
)  # fmt: skip
STUDY = Module(
    "General Study", "C.7.2.1",
    type1=("StudyInstanceUID",),
    type2=("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)  # fmt: skip

# Series, frame of reference, equipment

SERIES = Module(
    "General Series", "C.7.3.1",
    type1=("Modality", "SeriesInstanceUID"),
    type2=("SeriesNumber",),
    enumerated={"Laterality": (("R", "L", ""),)},
    with_items=("ReferencedPerformedProcedureStepSequence", "RequestAttributesSequence"),
    rules=(rules.laterality,),
)  # fmt: skip
OPHTHALMIC_SERIES = Module("Ophthalmic Photography Series", "C.8.17.1", type1=("Modality",))
DOCUMENT_SERIES = Module(
    "Encapsulated Document Series", "C.24.1",
    type1=("Modality", "SeriesInstanceUID", "SeriesNumber"),
    with_items=("ReferencedPerformedProcedureStepSequence", "RequestAttributesSequence"),
)  # fmt: skip
FRAME_OF_REFERENCE = Module(
    "Frame of Reference", "C.7.4.1", type1=("FrameOfReferenceUID",), type2=("PositionReferenceIndicator",)
)
SYNCHRONIZATION = Module(
    "Synchronization", "C.7.4.2",
    type1=("SynchronizationFrameOfReferenceUID", "SynchronizationTrigger", "AcquisitionTimeSynchronized"),
    enumerated={
        "SynchronizationTrigger": (("SOURCE", "EXTERNAL", "PASSTHRU", "NO TRIGGER"),),
        "AcquisitionTimeSynchronized": (("Y", "N"),),
    },
)  # fmt: skip
EQUIPMENT = Module("General Equipment", "C.7.5.1", type2=("Manufacturer",))
ENHANCED_EQUIPMENT = Module(
    "Enhanced General Equipment", "C.7.5.2",
    type1=("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
)  # fmt: skip
SC_EQUIPMENT = Module("SC Equipment", "C.8.6.1", type1=("ConversionType",))

# Images

GENERAL_IMAGE = Module(
    "General Image", "C.7.6.1",
    type2=("InstanceNumber", "PatientOrientation"),
    conditions=(
        Condition("LossyImageCompressionRatio", says("LossyImageCompression", "01"),
                  "the pixels were compressed with loss"),
        Condition("LossyImageCompressionMethod", says("LossyImageCompression", "01"),
                  "the pixels were compressed with loss"),
    ),
    enumerated={
        "ImageType": (("ORIGINAL", "DERIVED", ""), ("PRIMARY", "SECONDARY", "")),
        "LossyImageCompression": (("00", "01", ""),),
        "BurnedInAnnotation": (("YES", "NO", ""),),
        "RecognizableVisualFeatures": (("YES", "NO", ""),),
        "QualityControlImage": (("YES", "NO", ""),),
        "ImageLaterality": (("R", "L", "U", "B", ""),),
        "PresentationLUTShape": (("IDENTITY", "INVERSE", ""),),
    },
    rules=(rules.lossy_steps,),
)  # fmt: skip
IMAGE_PIXEL = Module(
    "Image Pixel", "C.7.6.3",
    type1=(
        "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored",
        "HighBit", "PixelRepresentation",
    ),
    conditions=(
        Condition("PlanarConfiguration", exceeds("SamplesPerPixel", 1), "there are several samples a pixel"),
    ),
    enumerated={"PixelRepresentation": ((0, 1),), "PlanarConfiguration": ((0, 1, ""),)},
)  # fmt: skip
MULTI_FRAME = Module(
    "Multi-frame", "C.7.6.6",
    type1=("NumberOfFrames",),
    conditions=(
        Condition("FrameIncrementPointer", exceeds("NumberOfFrames", 1), "there are several frames"),
    ),
    rules=(rules.frame_pointers,),
)  # fmt: skip
CINE = Module(
    "Cine", "C.7.6.5",
    type1=("FrameIncrementPointer",),
    with_items=("MultiplexedAudioChannelsDescriptionCodeSequence",),
    rules=(rules.audio_channels,),
)  # fmt: skip
ACQUISITION_CONTEXT = Module("Acquisition Context", "C.7.6.14", type2=("AcquisitionContextSequence",))
SPECIMEN = Module(
    "Specimen", "C.7.6.22",
    conditions=(
        Condition("ContainerIdentifier", present("SpecimenDescriptionSequence"), "a specimen is described"),
        Condition("IssuerOfTheContainerIdentifierSequence", present("SpecimenDescriptionSequence"),
                  "a specimen is described", may_be_empty=True),
        Condition("ContainerTypeCodeSequence", present("SpecimenDescriptionSequence"),
                  "a specimen is described", may_be_empty=True),
    ),
    with_items=("SpecimenDescriptionSequence",),
    rules=(rules.specimens,),
)  # fmt: skip

# Secondary capture

SC_MULTI_FRAME_IMAGE = Module(
    "SC Multi-frame Image", "C.8.6.3",
    type1=("BurnedInAnnotation",),
    conditions=tuple(
        Condition(keyword, says("PhotometricInterpretation", "MONOCHROME2"), "the pixels are grey")
        for keyword in ("PresentationLUTShape", "RescaleIntercept", "RescaleSlope", "RescaleType")
    ),
    enumerated={"BurnedInAnnotation": _YES_NO, "PresentationLUTShape": (("IDENTITY", ""),)},
)  # fmt: skip

# Visible light

VL_IMAGE = Module(
    "VL Image", "C.8.12.1",
    type1=("ImageType",),
    type2=("LossyImageCompression",),
    conditions=(
        Condition("AnatomicRegionSequence", without("SpecimenDescriptionSequence", present("NumberOfFrames")),
                  "there are frames, and what they show must be named"),
        Condition("WindowWidth", filled("WindowCenter"), "there is a WindowCenter"),
    ),
    enumerated={
        "ImageType": (("ORIGINAL", "DERIVED"), ("PRIMARY", "SECONDARY"), ("", "STEREO L", "STEREO R")),
    },
    single=("AnatomicRegionSequence",),
    rules=(rules.content_time,),
)  # fmt: skip
DERMOSCOPIC_IMAGE = Module(
    "Dermoscopic Image", "C.8.12.13",
    type1=("RecognizableVisualFeatures",),
    type2=(
        "LightSourcePolarization", "EmitterColorTemperature", "ContactMethod", "OpticalMagnificationFactor",
    ),
    conditions=(
        Condition("ImmersionMedia", says("ContactMethod", "CONTACT"), "the dermoscope touched the skin",
                  may_be_empty=True),
        Condition("TrackingID", filled("TrackingUID"), "there is a TrackingUID"),
        Condition("TrackingUID", filled("TrackingID"), "there is a TrackingID"),
    ),
    enumerated={
        "RecognizableVisualFeatures": _YES_NO,
        "LightSourcePolarization": (("POLARIZED", "NON_POLARIZED", ""),),
        "ContactMethod": (("CONTACT", "NON_CONTACT", ""),),
        "ImmersionMedia": (("ULTRASOUND_GEL", "ALCOHOL", "WATER", "MINERAL_OIL", "PLASTIC_CAP", ""),),
        "PartialView": (("YES", "NO", ""),),
    },
)  # fmt: skip

# Ophthalmic photography

OPHTHALMIC_IMAGE = Module(
    "Ophthalmic Photography Image", "C.8.17.2",
    type1=(
        "ImageType", "InstanceNumber", "ContentDate", "ContentTime", "LossyImageCompression",
        "BurnedInAnnotation", "FrameIncrementPointer",
    ),
    conditions=(
        Condition("AcquisitionDateTime", says("ImageType", "ORIGINAL"), "the image is an original"),
        Condition("SourceImageSequence", says("ImageType", "DERIVED"), "the image is derived from others",
                  may_be_empty=True),
        Condition("PresentationLUTShape", says("PhotometricInterpretation", "MONOCHROME2"),
                  "the pixels are grey"),
    ),
    enumerated={
        "ImageType": (
            ("ORIGINAL", "DERIVED"), ("PRIMARY",), ("", "MONTAGE"),
            ("", "COLOR", "REDFREE", "RED", "BLUE", "FA", "ICG"),
        ),
        "BurnedInAnnotation": _YES_NO,
        "LossyImageCompression": (("00", "01"),),
        "PresentationLUTShape": (("IDENTITY", ""),),
    },
    rules=(rules.montage,),
)  # fmt: skip
OCULAR_REGION = Module(
    "Ocular Region Imaged", "C.8.17.5",
    type1=("ImageLaterality", "AnatomicRegionSequence"),
    enumerated={"ImageLaterality": (("R", "L", "B"),)},
    single=("AnatomicRegionSequence",),
)  # fmt: skip
OPHTHALMIC_ACQUISITION = Module(
    "Ophthalmic Photography Acquisition Parameters", "C.8.17.4",
    type2=(
        "PatientEyeMovementCommanded", "HorizontalFieldOfView", "RefractiveStateSequence",
        "EmmetropicMagnification", "IntraOcularPressure", "PupilDilated",
    ),
    conditions=(
        Condition("MydriaticAgentSequence", says("PupilDilated", "YES"), "the pupil was dilated",
                  may_be_empty=True),
        Condition("DegreeOfDilation", says("PupilDilated", "YES"), "the pupil was dilated",
                  may_be_empty=True),
        Condition("PatientEyeMovementCommandCodeSequence", says("PatientEyeMovementCommanded", "YES"),
                  "the patient was told where to look"),
    ),
    enumerated={
        "PupilDilated": (("YES", "NO", ""),),
        "PatientEyeMovementCommanded": (("YES", "NO", ""),),
    },
)  # fmt: skip
OPHTHALMIC_PARAMETERS = Module(
    "Ophthalmic Photographic Parameters", "C.8.17.3",
    type1=("AcquisitionDeviceTypeCodeSequence",),
    type2=(
        "IlluminationTypeCodeSequence", "LightPathFilterTypeStackCodeSequence",
        "ImagePathFilterTypeStackCodeSequence", "LensesCodeSequence", "DetectorType",
    ),
    enumerated={"DetectorType": (("CCD", "CMOS", "PHOTO", "INT", ""),)},
    single=("AcquisitionDeviceTypeCodeSequence",),
)  # fmt: skip

# Documents and models

DOCUMENT = Module(
    "Encapsulated Document", "C.24.2",
    type1=("InstanceNumber", "BurnedInAnnotation", "MIMETypeOfEncapsulatedDocument"),
    type2=("ContentDate", "ContentTime", "AcquisitionDateTime", "DocumentTitle", "ConceptNameCodeSequence"),
    conditions=(
        Condition("HL7InstanceIdentifier", says("MIMETypeOfEncapsulatedDocument", "text/XML"),
                  "it is how a clinical document is told from others"),
    ),
    enumerated={
        "BurnedInAnnotation": _YES_NO,
        "RecognizableVisualFeatures": (("YES", "NO", ""),),
        "VerificationFlag": (("UNVERIFIED", "VERIFIED", ""),),
    },
    single_or_none=("ConceptNameCodeSequence",),
    with_items=("SourceInstanceSequence", "ReferencedInstanceSequence"),
)  # fmt: skip
MODEL = Module(
    "Manufacturing 3D Model", "C.35.1",
    type1=("MeasurementUnitsCodeSequence",),
    enumerated={"ModelModification": (("YES", "NO", ""),), "ModelMirroring": (("YES", "NO", ""),)},
    single=("MeasurementUnitsCodeSequence",),
)  # fmt: skip
SOP_COMMON = Module(
    "SOP Common", "C.12.1",
    type1=("SOPClassUID", "SOPInstanceUID"),
    with_items=("OriginalAttributesSequence",),
)  # fmt: skip

EXAMPLES: Mapping[str, str] = {
    "AcquisitionDateTime": "20240531143005",
    "AcquisitionDeviceTypeCodeSequence": "SCT:409898007:Fundus Camera",
    "AnatomicRegionSequence": "SCT:39937001:Skin",
    "BurnedInAnnotation": "YES",
    "ContentDate": "20240531",
    "ContentTime": "143005",
    "ConversionType": "WSD",
    "DeviceSerialNumber": "4711",
    "HL7InstanceIdentifier": "1.2.276.0.76^4711",
    "ImageLaterality": "R",
    "Manufacturer": "Example",
    "ManufacturerModelName": "M1",
    "MeasurementUnitsCodeSequence": "UCUM:mm:mm",
    "RecognizableVisualFeatures": "YES",
    "SoftwareVersions": "1.0",
}
"""What a value looks like that files often do not have, so that somebody must give it."""
