"""Which study, series and instance each file of a call becomes.

UIDs are made from names, so that the same file in the same place is the same instance, whoever sends
it and however often. What a name is made of is what makes the thing itself: a study is a patient and a
reason to come, a series is one sort of object in one folder of a study, an instance is the bytes of a
file in a series. Values that may be corrected later (a patient's name, a description, a number in a
table) are in no name: a correction must not make a second copy of the picture.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.dicom.uids import name_based
from gateway.model import Attributes

CONVERSION_REVISION = "1"
"""Raised when the same file is converted to other bytes than before: the result is another instance."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a file and its attributes decides its identity; small, since a call may have many files."""

    digest: str
    folder: str
    template: str
    modality: str
    scope: str
    issuer: str
    patient: str
    study_key: str
    series_key: str
    typed: tuple[tuple[str, str], ...]
    date: str
    """Study Date, and Study Time behind it where there is one."""
    date_given: bool
    """Whether the date was given rather than taken from the file."""
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    sop_class: str = ""
    conversion: str = ""
    """What was chosen about the conversion of the file, where it has one."""
    revision: int = 0
    """How often it was sent on purpose with other attributes."""

    @classmethod
    def known(cls, study_uid: str | None, series_uid: str | None) -> Claim:
        """The claim of an instance that was stored earlier: it only has a place in its series."""
        empty: dict[str, Any] = dict.fromkeys(
            (
                "digest",
                "folder",
                "template",
                "modality",
                "scope",
                "issuer",
                "patient",
                "study_key",
                "series_key",
            ),
            "",
        )
        return cls(
            **empty,
            typed=(),
            date="",
            date_given=False,
            study_uid=study_uid or "",
            series_uid=series_uid or "",
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """The UIDs and numbers of one instance, and the date that it shares with its study."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    series_number: int
    instance_number: int
    sop_class_uid: str = ""
    study_date: str = ""
    study_time: str = ""


def claim(attributes: Attributes, *, digest: str, folder: str, conversion: str = "") -> Claim:
    """What a file and its attributes say about where it belongs.

    The study key is the mapping's, else the Accession Number.
    """
    dataset = attributes.dataset

    def text(keyword: str) -> str:
        return str(dataset.get(keyword) or "")

    return Claim(
        digest=digest,
        folder=folder,
        template=attributes.template,
        modality=text("Modality"),
        scope=attributes.scope,
        issuer=text("IssuerOfPatientID"),
        patient=text("PatientID"),
        study_key=_named("key", attributes.study_key) or _named("accession", text("AccessionNumber")),
        series_key=attributes.series_key or "",
        typed=attributes.typed,
        date=text("StudyDate") + text("StudyTime"),
        date_given=not attributes.origins.get("StudyDate", "").startswith("template "),
        study_uid=text("StudyInstanceUID"),
        series_uid=text("SeriesInstanceUID"),
        instance_uid=text("SOPInstanceUID"),
        sop_class=text("SOPClassUID"),
        conversion=conversion,
    )


def identify(claims: Sequence[Claim], namespace: uuid.UUID) -> list[Identity]:
    """The identities of the files of one call, in their order.

    Series and Instance Numbers count from 1 in that order. All objects of one study get the earliest
    of its dates.
    """
    studies: dict[tuple[str, ...], _Study] = defaultdict(_Study)
    for each in claims:
        studies[_study_of(each)].add(each)
    uids = {key: study.uid(namespace) for key, study in studies.items()}
    return [
        studies[key].identity(each, uids[key], namespace) for each in claims for key in (_study_of(each),)
    ]


@dataclass(slots=True)
class _Study:
    """The files of one call that belong to one study."""

    claims: list[Claim] = field(default_factory=list)
    series: dict[str, list[int]] = field(default_factory=dict)
    """Series UID to its number and how many instances it has so far."""

    def add(self, each: Claim) -> None:
        self.claims.append(each)

    @property
    def date(self) -> str:
        return min((each.date for each in self.claims if each.date), default="")

    def uid(self, namespace: uuid.UUID) -> str:
        first = self.claims[0]
        if first.study_uid:
            return first.study_uid
        key = first.study_key or _named("date", self.date[:8])
        parts = ["study", first.issuer, first.patient, first.scope, key]
        if not key or not first.patient:  # strangers never share a study
            parts += sorted({each.digest for each in self.claims})
        return name_based(namespace, *parts)

    def identity(self, each: Claim, study_uid: str, namespace: uuid.UUID) -> Identity:
        series_uid = each.series_uid or name_based(
            namespace, "series", study_uid, each.template, each.modality, each.series_key or each.folder
        )
        numbers = self.series.setdefault(series_uid, [len(self.series) + 1, 0])
        numbers[1] += 1
        return Identity(
            study_instance_uid=study_uid,
            series_instance_uid=series_uid,
            sop_instance_uid=each.instance_uid or _instance_uid(each, series_uid, namespace),
            series_number=numbers[0],
            instance_number=numbers[1],
            sop_class_uid=each.sop_class,
            study_date=self.date[:8],
            study_time=self.date[8:],
        )


def _study_of(each: Claim) -> tuple[str, ...]:
    """What the files of one study have in common before its UID is known."""
    if each.study_uid:
        return (each.study_uid,)
    key = each.study_key or (_named("date", each.date[:8]) if each.date_given else "")
    return (each.issuer, each.patient, each.scope, key)


def _instance_uid(each: Claim, series_uid: str, namespace: uuid.UUID) -> str:
    typed = _flat(sorted(each.typed))
    return name_based(
        namespace,
        "instance",
        series_uid,
        each.digest,
        each.template,
        CONVERSION_REVISION,
        each.conversion,
        *((f"revision {each.revision}",) if each.revision else ()),
        *typed,
    )


def _named(name: str, value: str | None) -> str:
    """A key that says what sort of key it is, so that an Accession Number never equals a date."""
    return f"{name}:{value}" if value else ""


def _flat(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for pair in pairs:
        yield from pair
