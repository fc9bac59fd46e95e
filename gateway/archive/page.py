"""The page at `/`: the studies that came last, with what they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template
from starlette.requests import Request
from starlette.responses import Response

from gateway.archive.index import Found
from gateway.archive.levels import Level, Model, first, key
from gateway.archive.matching import Key
from gateway.archive.replies import Problem
from gateway.archive.store import Store
from gateway.archive.urls import Urls
from gateway.media_types import is_video

STUDIES = 25
TILES = 8

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Tile:
    """An instance on the page: a picture or a label, and where it leads."""

    link: str
    title: str
    picture: str = ""
    label: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """A study on the page; `more` is the number of its instances that have no tile."""

    link: str
    patient: str
    facts: tuple[str, ...]
    tiles: tuple[Tile, ...]
    more: int


def page(request: Request) -> Response:
    """`GET /`."""
    archive: Store = request.app.state.store
    urls = Urls.of(request)
    number = request.query_params.get("page", "1")
    if not (number.isascii() and number.isdigit() and 0 < int(number[:9]) < 10**8):
        raise Problem(400, "The page must be a number from 1")
    at = int(number)
    offset = (at - 1) * STUDIES
    found = archive.index.search(Level.STUDY, [], limit=STUDIES, offset=offset, newest_first=True)
    body = _template().render(
        base=urls.base,
        total=offset + len(found.found) + found.remaining,
        studies=[_study(each, archive, request.app.state.root) for each in found.found],
        newer=at - 1,
        older=at + 1 if found.remaining else 0,
    )
    return Response(body, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _study(found: Found, archive: Store, root: str) -> Study:
    link = f"{root}/studies/{found.study_uid}"
    in_study = Key((key("StudyInstanceUID"),), "UI", found.study_uid)
    instances = archive.index.search(Level.INSTANCE, [in_study], limit=TILES)
    return Study(
        link=link,
        patient=_name(found.attributes),
        facts=tuple(_facts(found.attributes)),
        tiles=tuple(
            _tile(each, f"{link}/series/{each.series_uid}/instances/{each.sop_uid}")
            for each in instances.found
        ),
        more=instances.remaining,
    )


def _facts(model: Model) -> Iterator[str]:
    """What is known of a study, a line each, in the order in which people ask."""
    if patient_id := _text(model, "PatientID"):
        yield f"ID {patient_id}"
    date = _text(model, "StudyDate")
    shown = f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else date
    if when := " · ".join(filter(None, (shown, ", ".join(model[key("ModalitiesInStudy")]["Value"])))):
        yield when
    if description := _text(model, "StudyDescription"):
        yield description
    yield (
        f"{_counted(model, 'NumberOfStudyRelatedSeries', 'series', 'series')}, "
        f"{_counted(model, 'NumberOfStudyRelatedInstances', 'instance', 'instances')}"
    )


def _counted(model: Model, keyword: str, one: str, several: str) -> str:
    number = first(model, key(keyword))
    return f"{number} {one if number == 1 else several}"


def _tile(found: Found, link: str) -> Tile:
    model = found.attributes
    modality = _text(model, "Modality") or "?"
    number = _text(model, "InstanceNumber")
    words = (modality, _text(model, "SeriesDescription"), f"#{number}" if number else "")
    title = " ".join(filter(None, words))
    picture = f"{link}/thumbnail"
    if _text(model, "SOPClassUID") == ENCAPSULATED_PDF:
        return Tile(f"{link}/rendered", _text(model, "DocumentTitle") or title, label="PDF")
    if is_video(_text(model, "AvailableTransferSyntaxUID")):
        return Tile(f"{link}/bulkdata/7FE00010", title, picture, mark="▶")
    if key("Rows") not in model:
        return Tile(f"{link}/metadata", title, label=modality)
    frames = _text(model, "NumberOfFrames")
    return Tile(
        f"{link}/rendered", title, picture, mark=f"{frames} frames" if frames not in {"", "1"} else ""
    )


def _name(model: Model) -> str:
    """The patient's name as people write it: `Doe^John` is Doe, John."""
    name: Any = first(model, key("PatientName"))
    if isinstance(name, dict):
        name = name.get("Alphabetic") or next(iter(name.values()), "")
    family, _, others = str(name or "").partition("^")
    return ", ".join(filter(None, (family, " ".join(filter(None, others.split("^"))))))


def _text(model: Model, keyword: str) -> str:
    value = first(model, key(keyword))
    return "" if value is None else str(value)


@cache
def _template() -> Template:
    source = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
