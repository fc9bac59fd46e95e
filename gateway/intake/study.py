"""What the objects of one study have in common, however long after each other their files come.

The patient's and the study's values are frozen when the first object of the study is built. Later files
get the same, so that an archive never sees two patients in one study; a difference is said, and one that
makes it another patient holds the file.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydicom.dataset import Dataset

from gateway.dicom import json
from gateway.dicom.dictionary import keyword_of, tag_of
from gateway.errors import Hold
from gateway.ledger import Ledger
from gateway.model import Instance

PATIENT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientBirthTime", "PatientSex",
)  # fmt: skip
STUDY = (
    "StudyDate", "StudyTime", "AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyID",
    "StudyDescription", "ReferringPhysicianName", "ReferencedStudySequence", "ProcedureCodeSequence",
    "AdmittingDiagnosesDescription", "PatientAge", "PatientSize", "PatientWeight",
)  # fmt: skip
"""Attributes of the Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2)."""

_TAGS = {keyword: f"{tag_of(keyword):08X}" for keyword in (*PATIENT, *STUDY)}

WHO = ("PatientID", "IssuerOfPatientID", "PatientBirthDate")
"""What is another patient when it is different."""

LONGEST = 512
"""Characters of a value that the ledger keeps for comparison."""


def frozen(instance: Instance, ledger: Ledger, *, revised_at: float | None = None) -> Instance:
    """The instance with the values that its study has.

    An instance that is sent anew on purpose, which was decided `revised_at` (seconds since 1970), brings
    its study the values that it has now. Raises `Hold` when its own say that it is another patient's.
    """
    own = _shared(instance.dataset)
    names = {
        "patient_id": str(own.get("PatientID") or ""),
        "name": str(own.get("PatientName") or ""),
        "accession": str(own.get("AccessionNumber") or ""),
    }
    uid, model = instance.study_instance_uid, json.to_model(own)
    agreed = ledger.studies.freeze(uid, model, names, older_than=revised_at)
    different = sorted(_different(model, agreed))
    if not different:
        return instance
    kept, _ = json.from_model(dict(agreed))
    conflict = [keyword for keyword in different if keyword in WHO and own.get(keyword) and kept.get(keyword)]
    if conflict:
        values = "; ".join(f"{each} {own[each].value!s}, and {kept[each].value!s} there" for each in conflict)
        raise Hold(
            f"{instance.source.shown}: its study {instance.study_instance_uid} belongs to another patient: "
            f"{values}. Mend the mapping or table, or assign another study",
            reason="another-patient",
        )
    dataset = copy.deepcopy(instance.dataset)
    for keyword in _TAGS:
        if keyword in kept:
            dataset[keyword] = kept[keyword]
        elif keyword in dataset and keyword in different:
            del dataset[keyword]
    message = f"{', '.join(different)} as in the study already, where the file would have other values"
    return replace(instance, dataset=dataset, messages=(*instance.messages, message))


def patient_of(study: str, ledger: Ledger) -> str | None:
    """The Patient ID that the objects of a study have; None where there are none yet."""
    frozen = ledger.studies.frozen(study)
    return str(json.from_model(dict(frozen))[0].get("PatientID") or "") if frozen is not None else None


def flat(dataset: Dataset, prefix: str = "") -> dict[str, str]:
    """The attributes of a data set by path, as texts: what the ledger compares later ones with."""
    return dict(_flat(dataset, prefix))


def _flat(dataset: Dataset, prefix: str) -> Iterator[tuple[str, str]]:
    for element in dataset:
        name = f"{prefix}{keyword_of(element.tag)}"
        if element.VR == "SQ":
            for number, item in enumerate(element.value or ()):
                yield from _flat(item, f"{name}[{number}].")
        elif not isinstance(element.value, bytes):
            values = element.value if element.VM > 1 else [element.value]
            yield name, "\\".join("" if each is None else str(each) for each in values)[:LONGEST]


def _shared(dataset: Dataset) -> Dataset:
    """The attributes that all objects of a study share."""
    shared = Dataset()
    for keyword in _TAGS:
        if keyword in dataset:
            shared.add(dataset[keyword])
    return shared


def _different(own: Mapping[str, object], agreed: Mapping[str, object]) -> Iterator[str]:
    """The attributes that are not the same in two models of DICOM JSON."""
    for keyword, tag in _TAGS.items():
        if _value(own, tag) != _value(agreed, tag):
            yield keyword


def _value(model: Mapping[str, object], tag: str) -> object:
    element = model.get(tag)
    return element.get("Value") if isinstance(element, dict) else None
