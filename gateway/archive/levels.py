"""The three levels of an archive, and which attributes belong to each (PS3.3 A.1.2, PS3.18 10.6.3).

An instance repeats the attributes of its series, study and patient. The index keeps them once, with
the first instance that brought them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from pydicom.datadict import tag_for_keyword

Model = Mapping[str, Mapping[str, Any]]
"""A data set in the DICOM JSON model (PS3.18 F): eight hexadecimal digits to `vr` and `Value`."""

MAX_VALUE = 4096
"""Characters of JSON that a value may have to be searched for and returned by a search."""


class Level(IntEnum):
    """A level of the hierarchy; a lower one has a greater number."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


def key(keyword: str) -> str:
    """The key that an attribute has in a DICOM JSON model."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def keys(keywords: str) -> frozenset[str]:
    """The keys of the attributes whose keywords stand in a text, separated by blanks."""
    return frozenset(key(keyword) for keyword in keywords.split())


PATIENT_GROUP = "0010"
STUDY_KEYS = keys(
    "StudyInstanceUID StudyID StudyDate StudyTime StudyDescription AccessionNumber "
    "IssuerOfAccessionNumberSequence ReferringPhysicianName ReferringPhysicianIdentificationSequence "
    "ConsultingPhysicianName PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence "
    "NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence ReferencedStudySequence "
    "ProcedureCodeSequence RequestingService ReasonForPerformedProcedureCodeSequence "
    "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence AdmissionID IssuerOfAdmissionIDSequence "
    "ServiceEpisodeID ServiceEpisodeDescription"
)
SERIES_KEYS = keys(
    "SeriesInstanceUID SeriesNumber Modality SeriesDate SeriesTime SeriesDescription "
    "SeriesDescriptionCodeSequence Laterality BodyPartExamined ProtocolName PatientPosition "
    "PerformingPhysicianName PerformingPhysicianIdentificationSequence OperatorsName "
    "OperatorIdentificationSequence ReferencedPerformedProcedureStepSequence RequestAttributesSequence "
    "PerformedProcedureStepStartDate PerformedProcedureStepStartTime PerformedProcedureStepEndDate "
    "PerformedProcedureStepEndTime PerformedProcedureStepID PerformedProcedureStepDescription "
    "Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions InstitutionName "
    "InstitutionAddress InstitutionalDepartmentName StationName"
)

COUNTED = {
    Level.STUDY: keys("ModalitiesInStudy NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances"),
    Level.SERIES: keys("NumberOfSeriesRelatedInstances"),
    Level.INSTANCE: frozenset[str](),
}
"""Attributes that no object carries: the archive knows them from what it holds."""

RETURNED = {
    Level.STUDY: keys(
        "StudyDate StudyTime AccessionNumber ReferringPhysicianName TimezoneOffsetFromUTC "
        "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID StudyDescription "
        "ModalitiesInStudy NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances"
    ),
    Level.SERIES: keys(
        "Modality TimezoneOffsetFromUTC SeriesDescription SeriesInstanceUID SeriesNumber "
        "PerformedProcedureStepStartDate PerformedProcedureStepStartTime RequestAttributesSequence "
        "NumberOfSeriesRelatedInstances"
    ),
    Level.INSTANCE: keys(
        "SOPClassUID SOPInstanceUID AvailableTransferSyntaxUID TimezoneOffsetFromUTC InstanceNumber "
        "Rows Columns BitsAllocated NumberOfFrames"
    ),
}
"""What a search returns without being asked (PS3.18 Tables 10.6.3-3 to 10.6.3-5)."""


def level_of(key: str) -> Level:
    """The level at which an attribute is kept."""
    if key.startswith(PATIENT_GROUP) or key in STUDY_KEYS or key in COUNTED[Level.STUDY]:
        return Level.STUDY
    if key in SERIES_KEYS or key in COUNTED[Level.SERIES]:
        return Level.SERIES
    return Level.INSTANCE


def split(model: Model) -> dict[Level, str]:
    """The attributes of each level as JSON text, without binary and very long values."""
    parts: dict[Level, dict[str, Mapping[str, Any]]] = {level: {} for level in Level}
    for name, element in model.items():
        if _is_small(element):
            parts[level_of(name)][name] = element
    return {
        level: json.dumps(part, ensure_ascii=False, separators=(",", ":")) for level, part in parts.items()
    }


def first(model: Model, key: str) -> Any:
    """The first value of an attribute; None without one."""
    values = model.get(key, {}).get("Value")
    return values[0] if values else None


def _is_small(element: Mapping[str, Any]) -> bool:
    if "InlineBinary" in element or "BulkDataURI" in element:
        return False
    return len(json.dumps(element.get("Value", ""))) <= MAX_VALUE
