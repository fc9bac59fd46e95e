"""Searching: the Search transaction (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gateway.archive.index import Found, Page
from gateway.archive.levels import COUNTED, RETURNED, Level, key, level_of
from gateway.archive.matching import Key, parse_key
from gateway.archive.replies import JSON, XML, Problem, choose_metadata, parts_response, warning
from gateway.archive.store import Store, is_uid
from gateway.archive.urls import Urls
from gateway.dicom import json, xml
from gateway.dicom.dictionary import parse_path
from gateway.stow.multipart import Part
from gateway.stream import Stream

MAX_RESULTS = 5000
"""Results of one answer; the rest can be asked for by `offset`."""

_NOT_KEYS = frozenset({"accept", "charset", "fuzzymatching", "includefield", "limit", "offset"})
_LEVEL_OF = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.INSTANCE}
_NAMES = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}
_UID_KEYWORDS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for: `fields` are the attributes to return, None for all there are."""

    level: Level
    keys: tuple[Key, ...]
    fields: frozenset[str] | None
    limit: int
    offset: int
    fuzzy: bool


def search(request: Request) -> Response:
    """`GET {root}/studies`, `/series`, `/instances`, also those within a study or series."""
    archive: Store = request.app.state.store
    answers_in = choose_metadata(request)
    query = _query(request)
    page = archive.index.search(query.level, query.keys, limit=query.limit, offset=query.offset)
    response = _answer(page.found, query, Urls.of(request), answers_in)
    for text in _remarks(query, page):
        response.headers.append("Warning", warning(text))
    return response


def _query(request: Request) -> Query:
    level = _LEVEL_OF[request.scope["path"].rstrip("/").rpartition("/")[2]]
    parameters = request.query_params
    keys = [*_keys_of_path(request.path_params, level), *_keys(parameters.multi_items(), level)]
    return Query(
        level=level,
        keys=tuple(keys),
        fields=_fields(parameters.getlist("includefield"), level, keys, request.path_params),
        limit=min(_number(parameters.getlist("limit"), "limit", MAX_RESULTS), MAX_RESULTS),
        offset=_number(parameters.getlist("offset"), "offset", 0),
        fuzzy=_fuzzy(parameters.getlist("fuzzymatching")),
    )


def _keys_of_path(path_params: dict[str, str], level: Level) -> Iterable[Key]:
    for name, keyword in _UID_KEYWORDS.items():
        uid = path_params.get(name)
        if uid is None:
            continue
        if not is_uid(uid):
            raise Problem(400, f"{uid!r} in the address is not a {keyword}")
        yield Key((key(keyword),), "UI", uid)


def _keys(items: Iterable[tuple[str, str]], level: Level) -> Iterable[Key]:
    seen: set[tuple[str, ...]] = set()
    for name, value in items:
        if name.lower() in _NOT_KEYS:
            continue
        try:
            found = parse_key(name, value)
        except ValueError as error:
            raise Problem(400, f"This search cannot be understood: {error}") from error
        if found.path in seen:
            raise Problem(400, f"The search key {name} is given twice")
        seen.add(found.path)
        if level_of(found.path[0]) > level and not found.universal:
            raise Problem(
                400,
                f"{name} is an attribute of {_NAMES[level_of(found.path[0])]}, by which {_NAMES[level]} "
                "cannot be searched for",
            )
        if found.path[0] in _UNSEARCHED and not found.universal:
            raise Problem(400, f"{name} is counted when it is asked for, and cannot be searched for")
        yield found


_UNSEARCHED = frozenset().union(*COUNTED.values()) - {key("ModalitiesInStudy")}


def _fields(
    includes: Sequence[str], level: Level, keys: Sequence[Key], path_params: dict[str, str]
) -> frozenset[str] | None:
    """The attributes of an answer: those of PS3.18 Tables 10.6.3-3 to -5, the keys', and those asked for.

    The attributes of levels above are among them unless the address names what they belong to.
    """
    fields: set[str] = {each.path[0] for each in keys}
    for part in (part.strip() for text in includes for part in text.split(",")):
        if part.lower() == "all":
            return None
        if part:
            try:
                fields.add(f"{parse_path(part)[0].tag:08X}")
            except ValueError as error:
                raise Problem(400, f"includefield cannot be understood: {error}") from error
    fields |= RETURNED[level]
    for above in Level:
        if above < level and above.name.lower() not in path_params:
            fields |= RETURNED[above]
    return frozenset(fields | {key(keyword) for keyword in _UID_KEYWORDS.values()})


def _number(values: Sequence[str], name: str, default: int) -> int:
    if not values:
        return default
    text = values[0].strip()
    if len(values) > 1 or not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Problem(400, f"{name} must be one whole number, not {', '.join(values)[:80]!r}")
    return int(text)


def _fuzzy(values: Sequence[str]) -> bool:
    text = values[0].strip().lower() if len(values) == 1 else "" if values else "false"
    if text not in {"true", "false"}:
        raise Problem(400, "fuzzymatching must be true or false")
    return text == "true"


def _remarks(query: Query, page: Page) -> Iterable[str]:
    if query.fuzzy:
        yield "The fuzzymatching parameter is not supported. Only literal matching has been performed."
    if page.remaining:
        yield f"There are {page.remaining} additional results that can be requested"


def _answer(found: Sequence[Found], query: Query, urls: Urls, answers_in: str) -> Response:
    models = [_model(each, query, urls) for each in found]
    if not models:
        return Response(status_code=204)
    if answers_in == JSON:
        return Response(json.dump(models), headers={"Content-Type": JSON})
    if answers_in == XML:
        if len(models) > 1:
            raise Problem(406, f'Several results in XML are multipart/related; type="{XML}"')
        return Response(xml.dump(models[0]), headers={"Content-Type": XML})
    return parts_response([Part((("Content-Type", XML),), Stream.of(xml.dump(each))) for each in models], XML)


def _model(found: Found, query: Query, urls: Urls) -> json.Model:
    """One result: the attributes that were asked for, and what the archive says of it."""
    model = {
        name: dict(element)
        for name, element in found.attributes.items()
        if query.fields is None or name in query.fields
    }
    model[key("SpecificCharacterSet")] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    model[key("InstanceAvailability")] = {"vr": "CS", "Value": ["ONLINE"]}
    url = urls.study(found.study_uid)
    if query.level is Level.SERIES:
        url = urls.series(found.study_uid, found.series_uid)
    elif query.level is Level.INSTANCE:
        url = urls.instance(found.study_uid, found.series_uid, found.sop_uid)
    model[key("RetrieveURL")] = {"vr": "UR", "Value": [url]}
    return dict(sorted(model.items()))
