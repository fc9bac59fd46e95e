"""The short lists of codes that objects are described with, and whether a code says what it means.

A code that is in a list is known: another scheme or another meaning beside it is a mistake, and often a
wrong line copied. Codes that are in no list are nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.dicom.anatomy import OTHER_REGIONS, UNPAIRED_REGIONS
from gateway.dicom.dictionary import keyword_of


@dataclass(frozen=True, slots=True)
class CodeList:
    """Codes of one scheme for some attributes, and the meaning of each (a context group of PS3.16)."""

    name: str
    scheme: str
    keywords: tuple[str, ...]
    meanings: Mapping[str, str]


LISTS = (
    CodeList(
        "parts of the body",
        "SCT",
        ("AnatomicRegionSequence",),
        {**UNPAIRED_REGIONS, **OTHER_REGIONS},
    ),
    CodeList(
        "laterality (CID 244)",
        "SCT",
        ("AnatomicRegionModifierSequence",),
        {"24028007": "Right", "7771000": "Left", "51440002": "Bilateral", "66459002": "Unilateral"},
    ),
    CodeList(
        "ophthalmic photography devices (CID 4202)",
        "SCT",
        ("AcquisitionDeviceTypeCodeSequence",),
        {
            "409900009": "Direct Ophthalmoscope",
            "409903006": "External Camera",
            "409898007": "Fundus Camera",
            "409901008": "Indirect Ophthalmoscope",
            "397522002": "Keratoscope",
            "102321001": "Operating Microscope",
            "409902001": "Ophthalmic Endoscope",
            "420827006": "Pupillograph",
            "392001008": "Scanning Laser Ophthalmoscope",
            "397247004": "Slit Lamp Biomicroscope",
            "409899004": "Specular Microscope",
        },
    ),
    CodeList(
        "units of models (CID 7063)",
        "UCUM",
        ("MeasurementUnitsCodeSequence",),
        {"mm": "mm", "m": "m", "cm": "cm", "um": "micrometer"},
    ),
    CodeList(
        "sources of sound (CID 3000)",
        "DCM",
        ("ChannelSourceSequence",),
        {
            "109110": "Voice",
            "109111": "Operator's narrative",
            "109112": "Ambient room environment",
            "109113": "Doppler audio",
            "109114": "Phonocardiogram",
            "109115": "Physiological audio signal",
        },
    ),
)
"""All lists. A unit may also mean what it is written as: `UCUM:um:um`."""


def fault(keyword: str, scheme: str, value: str, meaning: str) -> str | None:
    """What a code of this attribute cannot be, and the right one; None where nothing is known to be wrong.

    It follows "cannot be" in messages.
    """
    for known in LISTS:
        right = known.meanings.get(value) if keyword in known.keywords else None
        if right is None:
            continue
        meant = {right.casefold(), value.casefold()} if known.scheme == "UCUM" else {right.casefold()}
        if scheme != known.scheme or meaning.casefold() not in meant:
            return (
                f"{scheme}:{value}:{meaning}, since {value} is a code of {known.scheme} and means {right}: "
                f"write {known.scheme}:{value}:{right}"
            )
    return None


def faults(dataset: Dataset, within: str = "") -> Iterator[str]:
    """What is wrong with the codes of a data set and of the items in it."""
    for element in dataset:
        if element.VR != "SQ":
            continue
        keyword = keyword_of(element.tag)
        for item in element.value:
            found = fault(
                keyword,
                str(item.get("CodingSchemeDesignator", "")),
                str(item.get("CodeValue", "")),
                str(item.get("CodeMeaning", "")),
            )
            if found:
                yield f"{within}{keyword} cannot be {found}"
            yield from faults(item, f"{within}{keyword}.")
