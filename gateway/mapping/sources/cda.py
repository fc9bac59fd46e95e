"""`cda`: what a clinical document says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import NOTHING, Probe

NAMES = ("title", "scheme", "code", "meaning", "identifier", "created", "date")
"""`scheme`, `code` and `meaning` are of the sort of document, all of them or none; `identifier` is the
HL7 Instance Identifier; `created` is a date and time, and `date` its day, which may be known alone."""


def facts(probe: Probe) -> Mapping[str, Any]:
    """The facts of a document; None where it says nothing, and for all other files."""
    return dict.fromkeys(NAMES) | dict(probe.facts.get("cda", NOTHING))
