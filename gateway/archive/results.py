"""What became of the instances of a store request, and the answer that says it (PS3.18 10.5.3, I.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gateway.archive.levels import key
from gateway.archive.replies import JSON, XML, Wanted, warning
from gateway.archive.urls import Urls
from gateway.dicom import json, xml

_MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one instance.

    An instance with neither a Failure Reason nor a Warning Reason (PS3.18 I.2) is stored as it should
    be; with one of them, `text` says why. UIDs are empty where the instance did not say them.
    """

    sop_class: str = ""
    sop_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    failure: int | None = None
    warning: int | None = None
    text: str = ""


def answer_type(each: Wanted) -> str | None:
    """JSON or XML, whichever the client means; None if it is neither."""
    if each.takes(JSON, multipart=False) or each.takes("application/json", multipart=False):
        return JSON
    if each.takes(XML, multipart=False) or each.takes("application/xml", multipart=False):
        return XML
    return None


def answer(results: Sequence[Result], urls: Urls, media_type: str) -> Response:
    """The Store Instances Response (PS3.18 10.5.3 and Annex I)."""
    model = _response_module(results, urls)
    body = json.dump([model])[1:-1] if media_type == JSON else xml.dump(model)
    failed = sum(result.failure is not None for result in results)
    status = 200 if not failed else 409 if failed == len(results) else 202
    response = Response(body, status, headers={"Content-Type": media_type})
    for text in [result.text for result in results if result.text][:_MAX_WARNINGS]:
        response.headers.append("Warning", warning(text))
    return response


def _response_module(results: Sequence[Result], urls: Urls) -> json.Model:
    stored = [result for result in results if result.failure is None]
    failed = [result for result in results if result.failure is not None and result.sop_uid]
    others = [result for result in results if result.failure is not None and not result.sop_uid]
    studies = {result.study_uid for result in stored}
    model: json.Model = {
        key("RetrieveURL"): _element("UR", *(map(urls.study, studies) if len(studies) == 1 else ()))
    }
    if failed:
        model[key("FailedSOPSequence")] = _element("SQ", *(_failure_item(result) for result in failed))
    if stored:
        model[key("ReferencedSOPSequence")] = _element(
            "SQ", *(_stored_item(result, urls) for result in stored)
        )
    if others:
        model[key("OtherFailuresSequence")] = _element("SQ", *(_reason_item(result) for result in others))
    return model


def _stored_item(result: Result, urls: Urls) -> json.Model:
    url = urls.instance(result.study_uid, result.series_uid, result.sop_uid)
    item = {**_reference(result), key("RetrieveURL"): _element("UR", url)}
    if result.warning is not None:
        item[key("WarningReason")] = _element("US", result.warning)
    return item | _comment(result.text)


def _failure_item(result: Result) -> json.Model:
    return {**_reference(result), **_reason_item(result)}


def _reason_item(result: Result) -> json.Model:
    return {key("FailureReason"): _element("US", result.failure), **_comment(result.text)}


def _reference(result: Result) -> json.Model:
    return {
        key("ReferencedSOPClassUID"): _element("UI", *_one(result.sop_class)),
        key("ReferencedSOPInstanceUID"): _element("UI", result.sop_uid),
    }


def _comment(text: str) -> json.Model:
    """The text where other archives put theirs: an Error Comment for the attributes that failed."""
    comment = {key("ErrorComment"): _element("LO", text.replace("\\", "/"))}
    return {key("FailedAttributesSequence"): _element("SQ", comment)} if text else {}


def _one(text: str) -> Iterator[str]:
    if text:
        yield text


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
