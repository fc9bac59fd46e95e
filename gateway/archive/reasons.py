"""Why an instance is not stored, or not as it came (PS3.18 I.2, and what archives add to it)."""

from __future__ import annotations

DUPLICATE = 0x0111
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
MISSING_BULK_DATA = 0xA922
CANNOT_UNDERSTAND = 0xC000
UNSUPPORTED_TRANSFER_SYNTAX = 0xC122
OTHER_STUDY = 0xC409
"""Failure Reasons."""

COERCED = 0xB000
DAMAGED = 0xB007
"""Warning Reasons: values were changed; the data set is not what its SOP class demands."""


class Unstorable(Exception):
    """An instance that cannot be stored: the Failure Reason, and a sentence."""

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
