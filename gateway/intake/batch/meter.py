"""How far a run is and how fast it goes, counted from what its workers say."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.intake.journal import Journal
from gateway.ledger import State
from gateway.ledger.states import FINISHED

WINDOW = 60.0
"""Seconds over which the rate is taken."""

ERRORS = frozenset({State.HELD, State.REJECTED, State.REFUSED})
SETTLED = FINISHED | {State.HELD}
"""States in which a file stays until somebody does something about it."""

Note = Callable[[str, dict[str, Any]], None]
"""Is told of what is not about one file: the archive takes nothing, the ledger's disk is full."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run at one moment. Rates are those of the last minute, per second."""

    files: int
    of: int
    size: int
    seconds: float
    file_rate: float
    byte_rate: float
    counts: dict[str, int]
    waiting: str | None = None
    """Why nothing is sent just now."""

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None while nothing goes on."""
        return (self.of - self.files) / self.file_rate if self.file_rate > 0 else None

    def facts(self) -> dict[str, Any]:
        """For programs."""
        left = self.seconds_left
        return {
            "files": self.files,
            "of": self.of,
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
            "files_per_second": round(self.file_rate, 1),
            "bytes_per_second": round(self.byte_rate),
            "seconds_left": None if left is None else round(left),
            **self.counts,
            **({"waiting": self.waiting} if self.waiting else {}),
        }


class Meter(Journal):
    """Counts what workers would write into a log; only what is not about one file is passed on.

    `enough` is told after each error how many there are.
    """

    def __init__(
        self, clock: Callable[[], float], note: Note, enough: Callable[[int], None] = lambda _: None
    ) -> None:
        super().__init__(clock)
        self._clock = clock
        self._note = note
        self._enough = enough
        self._guard = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._size = 0
        self._began = clock()
        self._past: deque[tuple[float, int, int]] = deque([(self._began, 0, 0)])
        self.of = 0
        self.last = self._began
        """When a file came to its end last, by the clock."""

    def event(self, what: str, **facts: Any) -> None:
        """Counts the outcome of a file, or passes on what else there is."""
        if what not in frozenset(State):
            self._note(what, facts)
        elif State(what) in SETTLED:
            with self._guard:
                self._counts[what] += 1
                self._size += facts.get("bytes") or 0
                self.last = self._clock()
            if State(what) in ERRORS:
                self._enough(self.errors)

    @property
    def files(self) -> int:
        """How many files have come to their end."""
        with self._guard:
            return self._counts.total()

    @property
    def errors(self) -> int:
        """How many of them a person must look at."""
        with self._guard:
            return sum(self._counts[state.value] for state in ERRORS)

    def progress(self, waiting: str | None = None) -> Progress:
        """How far it is now."""
        with self._guard:
            now, files, size = self._clock(), self._counts.total(), self._size
            while len(self._past) > 1 and now - self._past[0][0] > WINDOW:
                self._past.popleft()
            before, files_then, size_then = self._past[0]
            if now - self._past[-1][0] >= 1.0:
                self._past.append((now, files, size))
            passed = max(now - before, 1e-9)
            return Progress(
                files=files,
                of=max(self.of, files),
                size=size,
                seconds=now - self._began,
                file_rate=(files - files_then) / passed,
                byte_rate=(size - size_then) / passed,
                counts=dict(self._counts),
                waiting=waiting,
            )
