"""Store requests put together by hand, for tests of the embedded archive."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx

BOUNDARY = "boundary-of-the-test"
JSON = "application/dicom+json"
XML = "application/dicom+xml"

Headers = dict[str, str]


def body(*parts: tuple[Headers, bytes]) -> bytes:
    """A multipart body."""
    pieces = []
    for headers, content in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(f"--{BOUNDARY}\r\n{head}\r\n".encode() + content + b"\r\n")
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def related(root_type: str) -> str:
    """The Content-Type of such a body."""
    return f'multipart/related; type="{root_type}"; boundary={BOUNDARY}'


def model(sop_uid: str = "2.25.1", **attributes: Any) -> dict[str, Any]:
    """The metadata of a secondary capture image; attributes by tag (`T00280010`), None to leave one out."""
    values: dict[str, Any] = {
        "T00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "T00080018": {"vr": "UI", "Value": [sop_uid]},
        "T00080060": {"vr": "CS", "Value": ["OT"]},
        "T00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
        "T00100020": {"vr": "LO", "Value": ["P1"]},
        "T0020000D": {"vr": "UI", "Value": ["2.25.1002"]},
        "T0020000E": {"vr": "UI", "Value": ["2.25.1003"]},
        "T7FE00010": {"vr": "OB", "BulkDataURI": "bulk/1"},
    }
    return {name[1:]: value for name, value in sorted((values | attributes).items()) if value is not None}


def grey(rows: int = 16, columns: int = 16, **attributes: Any) -> dict[str, Any]:
    """The attributes that describe native grey pixels of 8 bits, for `model`."""
    values = {"00280002": 1, "00280010": rows, "00280011": columns, "00280100": 8, "00280101": 8}
    values |= {"00280102": 7, "00280103": 0}
    return {
        **{f"T{tag}": {"vr": "US", "Value": [value]} for tag, value in values.items()},
        "T00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
        **attributes,
    }


def bulk(content: bytes, content_type: str, location: str = "bulk/1") -> tuple[Headers, bytes]:
    """A bulk data part."""
    return {"Content-Type": content_type, "Content-Location": location}, content


def post(
    http: httpx.Client,
    url: str,
    models: Sequence[dict[str, Any]] | dict[str, Any],
    *parts: tuple[Headers, bytes],
    **headers: str,
) -> httpx.Response:
    """Stores JSON metadata with bulk data."""
    metadata = {"Content-Type": JSON}, json.dumps(models).encode()
    return http.post(
        f"{url}/studies",
        content=body(metadata, *parts),
        headers={
            "Content-Type": related(JSON),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


def stored(answer: httpx.Response) -> list[str]:
    """The SOP Instance UIDs that an answer names as stored."""
    items = answer.json().get("00081199", {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items]


def failures(answer: httpx.Response) -> list[tuple[str, int, str]]:
    """SOP Instance UID, reason and words of each failure that an answer names."""
    found = []
    for sequence in ("00081198", "0008119A"):
        for item in answer.json().get(sequence, {}).get("Value", []):
            uid = item.get("00081155", {}).get("Value", [""])[0]
            words = item["00741048"]["Value"][0]["00000902"]["Value"][0]
            found.append((uid, item["00081197"]["Value"][0], words))
    return found


def location(answer: httpx.Response) -> str:
    """Where the first instance of an answer can be retrieved."""
    return str(answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0])
