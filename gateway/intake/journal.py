"""The log of a daemon: one JSON object a line, one line an event.

It names files by their number in the ledger and objects by UID, and never a patient: names, identifiers
and paths, which may hold them, stay in the ledger.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any


class Journal:
    """Writes events to a stream, from any thread. `now` gives seconds since 1970."""

    def __init__(self, now: Callable[[], float], stream: IO[str] | None = None) -> None:
        self._now = now
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def event(self, what: str, **facts: Any) -> None:
        """Writes one event; facts that are None are left out."""
        line = {
            "time": datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds"),
            "event": what,
            **{name: value for name, value in facts.items() if value is not None},
        }
        text = json.dumps(line, default=str)  # ASCII, which no stream refuses
        with self._lock, suppress(OSError, ValueError):  # a log that cannot be written stops nothing
            print(text, file=self._stream, flush=True)

    def defect(self, where: str, file: int | None, error: BaseException) -> None:
        """Writes that the gateway itself failed: where in its code, but none of the values at hand."""
        frames = traceback.extract_tb(error.__traceback__)
        place = [f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in frames[-6:]]  # noqa: PTH119
        self.event("defect", where=where, file=file, error=type(error).__name__, trace=place)
