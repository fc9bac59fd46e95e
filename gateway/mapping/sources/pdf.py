"""`pdf`: what a PDF document says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import NOTHING, Probe

NAMES = (
    "title", "author", "subject", "keywords", "creator", "producer", "pages", "created", "encrypted",
)  # fmt: skip
"""`pages` is a number, `created` a date and time, `encrypted` true or false."""


def facts(probe: Probe) -> Mapping[str, Any]:
    """The facts of a document; None where it says nothing, and for all other files."""
    return dict.fromkeys(NAMES) | dict(probe.facts.get("pdf", NOTHING))
