"""Whom and what a file shows: templates, a mapping and what the user typed, made into attributes.

Of several values for one attribute the most particular one wins: typed with `-m`, in the file given
with `-f`, in the mapping, in a sidecar that is merged, of the site, in the object template.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config import Site, Unidentified
from gateway.dicom import iods
from gateway.dicom.dictionary import keyword_of
from gateway.errors import GatewayError, Hold, Reject
from gateway.mapping import patients
from gateway.mapping import site as place
from gateway.mapping.assignments import SOP_CLASS, Assignment
from gateway.mapping.compose import Composition, Said, compose, evaluate
from gateway.mapping.description import Description, said
from gateway.mapping.expressions import Expression, Facts, Template, Use
from gateway.mapping.known import known
from gateway.mapping.language import Mapping
from gateway.mapping.objects import template_of
from gateway.mapping.select import Subject
from gateway.mapping.sources import Gathered, ask
from gateway.mapping.templates import ObjectTemplate
from gateway.mapping.typed import load_object
from gateway.mapping.verdict import Verdict, judge
from gateway.model import Attributes, Kind, Probe

_DATES = ("ContentDate", "AcquisitionDateTime")
"""Dates of the object itself; that of its study is settled with the other files of the study."""

_OFFSET = "TimezoneOffsetFromUTC"
_MADE = frozenset(
    {
        "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID",
        "SynchronizationFrameOfReferenceUID", "InstanceNumber",
    }
)  # fmt: skip
"""Attributes that are made where nobody gives them."""


@dataclass(slots=True)
class Draft:
    """What is known of a file's object, also where something keeps it from being made.

    `problems` are what does; the first decides what becomes of the file. `trail` is what each assignment
    says, and `places` where in its files each source found its facts.
    """

    attributes: Attributes
    problems: list[GatewayError] = field(default_factory=list)
    trail: list[Said] = field(default_factory=list)
    places: Table[str, str] = field(default_factory=dict)


def describe(subject: Subject, request: Description) -> Attributes:
    """The attributes of the object that a file becomes; of a DICOM file, those that are to be set in it.

    Raises `Reject` when the file is not what the template is for, or when a value cannot be; `Hold` where
    a mapping or table may be mended, a check says so, or it is not known whom the file shows; `Skip` where
    a check says that; and what the sources of the mapping raise.
    """
    made = draft(subject, request)
    if made.problems:
        raise _together(made.problems, made.places)
    return made.attributes


def draft(subject: Subject, request: Description, *, in_full: bool = False) -> Draft:
    """The attributes, and what keeps them from being sent.

    `in_full` has the trail in it, and goes on after a source has failed, without what needs that.
    """
    if subject.probe.kind is Kind.OBJECT:
        load_object(subject.probe.source.path)  # says what keeps it from being one
    probe, mapping = subject.probe, subject.mapping
    messages: list[str] = []
    problems: list[GatewayError] = []
    trail: list[Said] | None = [] if in_full else None
    there = known(probe, mapping, request, subject.group)
    template = _template(subject, request, messages, problems if in_full else None)
    sources = mapping.sources if mapping else ()
    try:
        gathered = ask(probe, there.facts, sources, problems if in_full else None)
    except Hold as error:
        raise _depending(error, subject) from error
    missing = frozenset(source.name for source in sources if source.name not in gathered.facts)
    verdict = _judge(subject, request, gathered.facts, missing)
    levels = tuple(_levels(subject, request, template, there.site, gathered))
    composition = compose(levels, gathered.facts, trail=trail, missing=missing)
    study_key, series_key = _keys(mapping, gathered.facts, missing, composition)
    if template:
        messages += [there.captured.message] if there.captured.message else []
        messages += _missing_dates(composition)
        _set_offset(composition, there.site)
        composition.faults += _empty_where_needed(template, composition)
    problems += [*verdict.problems, *_faults(subject, composition)]
    for why, policy in () if missing else _unidentified(subject, request, composition, gathered.facts):
        if policy is Unidentified.HOLD:
            problems.append(_hold(subject, why, "unidentified"))
        else:
            messages.append(why)
    problems = [_depending(each, subject, gathered.depends) for each in problems]
    attributes = Attributes(
        dataset=composition.dataset,
        origins=composition.origins,
        template=template.name if template else "",
        typed=_typed(probe, request),
        scope=mapping.name if mapping else "",
        study_key=study_key,
        series_key=series_key,
        lossless=template.lossless if template else None,
        removed=tuple(composition.removed),
        depends=gathered.depends,
        destinations=verdict.destinations,
        messages=(*messages, *gathered.messages, *verdict.messages, *composition.messages),
    )
    return Draft(attributes, problems, trail or [], gathered.places or {})


def _together(problems: Sequence[GatewayError], places: Table[str, str]) -> GatewayError:
    """The first problem, with what the others say, and where in tables and sidecars the facts stand."""
    first = problems[0]
    message = "\n".join(dict.fromkeys(map(str, problems)))
    if places:
        message += f" (see {'; '.join(places.values())})"
    if isinstance(first, Hold):
        depends = [path for each in problems if isinstance(each, Hold) for path in each.depends]
        return Hold(message, reason=first.reason, depends=tuple(dict.fromkeys(depends)))
    return Reject(message) if isinstance(first, Reject) else first


def _hold(subject: Subject, why: str, reason: str) -> Hold:
    return Hold(f"{subject.probe.source.shown}: {why}", reason=reason)


def _depending(problem: GatewayError, subject: Subject, depends: Iterable[Path] = ()) -> GatewayError:
    """A doubt with all that may settle it by a change: the mapping, and what its sources read."""
    if not isinstance(problem, Hold):
        return problem
    files = subject.mapping.files if subject.mapping else ()
    found = dict.fromkeys((*files, *depends, *problem.depends))
    return Hold(str(problem), reason=problem.reason, depends=tuple(found))


def _template(
    subject: Subject, request: Description, messages: list[str], problems: list[GatewayError] | None
) -> ObjectTemplate | None:
    """The object template; None where there is none, or where that goes to the problems."""
    if subject.probe.kind is Kind.OBJECT:
        return None
    try:
        return template_of(subject.probe, request, subject.mapping, messages)
    except Reject as error:
        if problems is None:
            raise
        problems.append(error)
        return None


def _levels(
    subject: Subject,
    request: Description,
    template: ObjectTemplate | None,
    site: Site,
    gathered: Gathered,
) -> Iterator[Sequence[Assignment]]:
    """The assignments for a file, the lowest level first."""
    if template:
        yield from template.levels
        yield place.attributes(site)
    yield from gathered.levels
    if subject.mapping:
        yield from subject.mapping.part(subject.probe).levels
    yield _from_file(subject.probe, request)
    yield request.typed


def _from_file(probe: Probe, request: Description) -> tuple[Assignment, ...]:
    """The attributes in the file given with `-f`, of which only an object by itself takes the SOP class."""
    if probe.kind is Kind.OBJECT:
        return request.file
    return tuple(each for each in request.file if each.path[0].tag != SOP_CLASS)


def _typed(probe: Probe, request: Description) -> tuple[tuple[str, str], ...]:
    """What the user gave, by path: part of an instance's identity.

    The file of an object by itself is in its digest already.
    """
    file = () if probe.kind is Kind.OBJECT else _from_file(probe, request)
    return tuple(sorted({each.name: said(each) for each in (*file, *request.typed)}.items()))


# Checks and faults


def _judge(subject: Subject, request: Description, facts: Facts, missing: frozenset[str]) -> Verdict:
    """What the checks of the mapping say that can be made, and the further destinations of the file."""
    checks = subject.mapping.checks if subject.mapping else ()
    able = [each for each in checks if not _use(each.expressions, missing)]
    return judge(able, request.routes, facts, str(subject.probe.source.shown))


def _use(expressions: Iterable[Expression], sources: frozenset[str]) -> bool:
    """Whether one of the expressions uses one of the sources."""
    return bool(sources) and any(use.source in sources for each in expressions for use in each.uses)


def _faults(subject: Subject, composition: Composition) -> Iterator[GatewayError]:
    """What is wrong with values: a doubt where a mapping is in play, since that or a table can be mended."""
    if not composition.faults:
        return
    shown = subject.probe.source.shown
    message = "\n".join(f"{shown}: {fault}" for fault in composition.faults)
    yield Hold(message, reason="mapping") if subject.mapping else Reject(message)


def _empty_where_needed(template: ObjectTemplate, composition: Composition) -> Iterator[str]:
    """Values of a mapping that come to nothing where the object must have one (Type 1)."""
    iod = iods.IODS.get(template.sop_class_uid)
    for each in composition.silent:
        keyword = keyword_of(each.path[0].tag)
        if (
            iod
            and keyword in iod.type1
            and keyword not in _MADE
            and not each.origin.startswith("template ")
            and not composition.dataset.get(keyword)
        ):
            yield f"{each.place}: {each.name} comes to nothing, and {iod.noun} must have a value in it"


def _unidentified(
    subject: Subject, request: Description, composition: Composition, facts: Facts
) -> Iterator[tuple[str, Unidentified]]:
    """Why it is not established whom the file shows, and what becomes of it then.

    DICOM files are asked only where a mapping is for them, or where nobody would see a message.
    """
    probe, mapping = subject.probe, subject.mapping
    rule, policy = request.patient_ids_of(mapping), request.policy_for(mapping)
    if probe.kind is Kind.DICOM and not mapping and policy is Unidentified.SEND:
        return
    patient_id = _patient_id(probe, composition)
    if not patient_id:
        asked = {(use.source, use.name) for each in composition.silent for use in _named(each, "PatientID")}
        doubt = facts["media"]["patient_doubt"] if ("media", "patient") in asked else None
        why = "the patient is not known: PatientID is empty"
        yield (f"{why}, since it has {doubt}" if doubt else why), policy
        return
    if not (mapping or rule or policy is Unidentified.HOLD):
        return  # it was typed, by somebody who knows
    if doubt := patients.doubt(patient_id, str(composition.dataset.get("PatientName") or ""), rule):
        doubtful = request.policy_in_doubt(mapping) if rule else policy
        yield f"the patient is not known for certain: {doubt}", doubtful
    if own := _another(subject, composition, patient_id):
        why = (
            f"it shows the patient {own!r} by its own Patient ID, and {patient_id!r} by "
            f"{composition.origins['PatientID']}: to give DICOM files another one, say it under kinds: dicom:"
        )
        yield why, request.policy_in_doubt(mapping)


def _another(subject: Subject, composition: Composition, patient_id: str) -> str | None:
    """The Patient ID of a DICOM file for which a mapping has another one, and not on purpose."""
    probe, mapping = subject.probe, subject.mapping
    origin = composition.origins.get("PatientID")
    if probe.dicom is None or mapping is None or origin is None:
        return None
    own = probe.dicom.patient_id.strip()
    for_all = {each.origin for level in mapping.levels for each in level}
    on_purpose = origin not in for_all and not origin.startswith("sidecar ")  # typed, or under kinds
    if on_purpose or own in ("", patient_id) or patients.doubt(own, "", None):
        return None
    return own


def _patient_id(probe: Probe, composition: Composition) -> str:
    """The Patient ID that the object will have."""
    said = "PatientID" in composition.dataset or "PatientID" in composition.removed
    if probe.dicom and not said:
        return probe.dicom.patient_id.strip()
    return str(composition.dataset.get("PatientID") or "").strip()


def _named(assignment: Assignment, name: str) -> Iterator[Use]:
    """What the expressions of an assignment use, if it is for the attribute of this name."""
    if assignment.name == name:
        for expression in assignment.expressions:
            yield from expression.uses


# Dates and keys


def _missing_dates(composition: Composition) -> list[str]:
    missing = [keyword for keyword in _DATES if not composition.dataset.get(keyword)]
    if not missing:
        return []
    names = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    verb = "is" if len(missing) == 1 else "are"
    return [f"it is not known when the file was made: {names} {verb} empty"]


def _set_offset(composition: Composition, site: Site) -> None:
    """Sets the offset from UTC of the object's times, where the site says its time zone."""
    if not site.timezone or _OFFSET in composition.dataset or _OFFSET in composition.removed:
        return
    if offset := place.timezone_offset(composition.dataset, site):
        composition.dataset.TimezoneOffsetFromUTC = offset
        composition.origins[_OFFSET] = place.ORIGIN


def _keys(
    mapping: Mapping | None, facts: Facts, missing: frozenset[str], composition: Composition
) -> tuple[str | None, str | None]:
    """The study's and the series's key, as the mapping says."""
    if mapping is None:
        return None, None
    study = mapping.study
    if study is None and not composition.dataset.get("AccessionNumber"):
        study = mapping.otherwise

    def key(template: Template | None) -> str | None:
        if template is None or _use(template.expressions, missing):
            return None
        try:
            return evaluate(template, facts)
        except ValueError as error:
            where = next(each.place for each in template.expressions)
            composition.faults.append(f"{where}: {error}")
            return None

    return key(study), key(mapping.series)
