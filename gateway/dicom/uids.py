"""Unique identifiers (PS3.5 chapter 9 and Annex B)."""

from __future__ import annotations

import hashlib
import re
import uuid

MAX_LENGTH = 64
_COMPONENTS = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")


def name_based(namespace: uuid.UUID, *parts: str) -> str:
    """The UID that these parts always have in this namespace: `2.25.` and a version 5 UUID.

    Parts are joined with their lengths, so that no two lists of parts become one name. Characters
    that stand for undecodable bytes of a file name are taken as those bytes.
    """
    name = b"".join(_netstring(part.encode("utf-8", "surrogateescape")) for part in parts)
    digest = hashlib.sha1(namespace.bytes + name, usedforsecurity=False).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def check(uid: str) -> None:
    """Raise ValueError in words unless this is a UID (PS3.5 9.1)."""
    reason = fault(uid)
    if reason is not None:
        raise ValueError(f"{uid!r} is not a UID: {reason}")


def fault(uid: str) -> str | None:
    """Why this is not a UID; None if it is one."""
    if len(uid) > MAX_LENGTH:
        return f"it has {len(uid)} characters, at most {MAX_LENGTH} are allowed"
    if _COMPONENTS.fullmatch(uid) is None:
        return "a UID is numbers joined by dots, none of them with a leading zero, e.g. 1.2.840.10008.1.1"
    return None


def _netstring(data: bytes) -> bytes:
    return b"%d:%b," % (len(data), data)
