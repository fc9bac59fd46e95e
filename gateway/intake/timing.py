"""How long destinations take to answer, as figures show it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate

from gateway.config import Destination
from gateway.model import Instance, Outcome
from gateway.stow.client import Client

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds by which durations are told apart."""


class Durations:
    """How long something took: how often no longer than each bound, and all of it; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        with self._lock:
            self._counts[bisect_left(BOUNDS, seconds)] += 1
            self._sum += seconds

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """How many took no longer than each bound (the last is `+Inf`), and the seconds of all together."""
        with self._lock:
            counts, total = accumulate(self._counts), self._sum
            return list(zip((*map(str, BOUNDS), "+Inf"), map(float, counts), strict=True)), total


class TimedClient(Client):
    """A destination that is timed: from the first byte to the archive's word, repeats and all.

    Sends that end without an answer are an outage, and are not counted.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        durations: Durations,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(destination, clock=clock)
        self._durations = durations

    def store(self, instances: Sequence[Instance]) -> list[Outcome]:
        """Stores instances as any client does, and counts how long that took."""
        begun = self._clock()
        outcomes = super().store(instances)
        self._durations.add(self._clock() - begun)
        return outcomes
