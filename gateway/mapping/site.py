"""What the place where files come from says of them: attributes, the right time, the offset from UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pydicom.dataset import Dataset

from gateway.config import Site
from gateway.dicom.dictionary import parse_path
from gateway.errors import Fatal
from gateway.mapping import dates
from gateway.mapping.assignments import Assignment, texts
from gateway.mapping.expressions import literal
from gateway.model import NOTHING, Probe
from gateway.nodes import Fault, Node, Place, Table, Text

ORIGIN = "site"

ATTRIBUTES: Mapping[str, str] = {
    "institution": "InstitutionName",
    "department": "InstitutionalDepartmentName",
    "station": "StationName",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "serial": "DeviceSerialNumber",
    "software": "SoftwareVersions",
    "issuer": "IssuerOfPatientID",
    "issuer_accession": "IssuerOfAccessionNumberSequence.LocalNamespaceEntityID",
}
"""The attributes that facts of a site fill, below the mapping."""

EARLIEST = 1990
"""No digital picture, video or document is older; cameras whose clock was never set say 1970 or 1980."""

_MOMENTS = {"exif": "captured", "video": "created"}
"""The facts that come from the clock of a device, by source."""


@dataclass(frozen=True, slots=True)
class Captured:
    """When a file was made, by a clock that is right. `moment` is None where there is a `problem`."""

    moment: datetime | None = None
    problem: str | None = None
    message: str | None = None


def attributes(site: Site) -> tuple[Assignment, ...]:
    """The attributes that the site fills. Raises ValueError in words for a value that does not fit."""
    return _attributes(tuple((path, getattr(site, name)) for name, path in ATTRIBUTES.items()))


@lru_cache(maxsize=256)
def _attributes(values: tuple[tuple[str, str], ...]) -> tuple[Assignment, ...]:
    said = ((parse_path(path), value) for path, value in values if value)
    return tuple(Assignment(path, texts(path[-1].tag, literal(value)), ORIGIN) for path, value in said)


def parse(items: Sequence[str]) -> Site:
    """The facts in texts such as `institution=St. Mary's`; other keys than those of a site are variables.

    Raises `Fatal` with all that is wrong, a line each.
    """
    # only who gives facts pays for pydantic
    from gateway import documents
    from gateway.mapping import models

    faults: list[Fault] = []
    known: list[tuple[Text, Node]] = []
    others: list[tuple[Text, Node]] = []
    for item in items:
        name, sign, value = (part.strip() for part in item.partition("="))
        place = Place(f"--site {name}", 1, 1)
        if not sign or not name:
            faults.append(Fault(place, "write KEY=VALUE, such as institution=St. Mary's"))
        elif name in ("variables", *(key.text for key, _ in (*known, *others))):
            faults.append(Fault(place, "is given twice" if name != "variables" else "give each as KEY=VALUE"))
        else:
            is_known = name in models.SiteModel.model_fields
            (known if is_known else others).append((Text(place, name), Text(place, value)))
    nowhere = Place("--site", 1, 1)
    variables: tuple[Text, Node] = (Text(nowhere, "variables"), Table(nowhere, tuple(others)))
    said = documents.build(Table(nowhere, (*known, variables)), models.SiteModel, faults)
    site = models.site(said, faults) if said else Site()
    try:
        attributes(site)
    except ValueError as error:
        faults.append(Fault(nowhere, str(error)))
    if faults:
        raise Fatal("\n".join(f"{fault.place.file}: {fault.message}" for fault in faults))
    return site


# Time


def corrected(probe: Probe, clock: timedelta) -> Probe:
    """The file with the moments that a device wrote as its clock should have shown them."""
    if not clock:
        return probe
    facts = dict(probe.facts)
    for source, name in _MOMENTS.items():
        moment = facts.get(source, NOTHING).get(name)
        if isinstance(moment, datetime):
            facts[source] = {**facts[source], name: added(moment, clock)}
    captured = added(probe.captured, clock) if probe.captured else None
    return replace(probe, captured=captured, facts=facts)


def captured(moment: datetime | None, site: Site, today: date) -> Captured:
    """When a file was made that says this, as far as it can be true."""
    problem, why = _problem(moment, site, today) if moment else (None, "")
    if moment is None or problem is None:
        return Captured(moment)
    message = f"the file says that it was made on {moment.date()}, and {why}: the date is not used"
    return Captured(None, problem, message)


def _problem(moment: datetime, site: Site, today: date) -> tuple[str | None, str]:
    """The name of what makes a date incredible, and what it is in words."""
    day = moment.date()
    if day > today + timedelta(days=1):  # it may be tomorrow already where the camera is
        return "future", "that is to come"
    if day.year < EARLIEST:
        return "before-1990", f"that is before {EARLIEST}"
    if site.since and day < site.since:
        return "before-site", f"the site has no files from before {site.since}"
    if site.max_age is not None and today - day > site.max_age:
        return "too-old", f"files of the site are at most {site.max_age.days} days old"
    return None, ""


def added(moment: datetime, clock: timedelta) -> datetime:
    """The moment that a clock should have shown."""
    try:
        return moment + clock
    except OverflowError:
        return moment  # of the year 1 or 9999, which nobody believes anyway


def timezone_offset(dataset: Dataset, site: Site) -> str | None:
    """The offset from UTC of the times in an object, as TimezoneOffsetFromUTC has it (PS3.3 C.12.1.1.8).

    It is that of the site's clocks, by which times are written, at the moment at which the content was
    acquired or made. None where it is not certain: in the hour that daylight saving time doubles or leaves
    out, unless the moment has an offset itself, and without a time on a day with two offsets.
    """
    day, clock, offset = _acquired(dataset)
    if not (site.timezone and day):
        return None
    if clock and offset:
        moment = datetime.combine(day, clock, datetime.strptime(offset, "%z").tzinfo)
        return dates.offset(dates.local(moment, site.timezone))
    zone = ZoneInfo(site.timezone)
    ends = (clock, clock) if clock else (time.min, time.max)
    moments = (datetime.combine(day, end, zone).replace(fold=fold) for fold, end in enumerate(ends))
    offsets = {dates.offset(moment) for moment in moments}
    return offsets.pop() if len(offsets) == 1 else None


def _acquired(dataset: Dataset) -> tuple[date | None, time | None, str | None]:
    """When the content was acquired or made, by day and time, with the offset that stands there."""
    acquired = str(dataset.get("AcquisitionDateTime") or "")
    if acquired:
        plain, offset = acquired, None
        for sign in "+-":
            plain, found, digits = plain.partition(sign)
            offset = f"{sign}{digits}" if found else offset
        return _day(plain[:8]), _clock(plain[8:]), offset
    for what in ("Acquisition", "Content"):
        if day := _day(_text(dataset.get(f"{what}Date"))):
            return day, _clock(_text(dataset.get(f"{what}Time"))), None
    return None, None, None


def _text(value: Any) -> str:
    return str(value) if value else ""


def _day(text: str) -> date | None:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None


def _clock(text: str) -> time | None:
    """The time in a TM; None without minutes, as it may be in either of two hours then."""
    whole, _, _ = text.strip().partition(".")
    if len(whole) < 4:
        return None
    return time(int(whole[:2]), int(whole[2:4]), min(int(whole[4:6] or 0), 59))
