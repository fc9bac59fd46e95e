"""How fast bytes go out, and in which part of the day."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Bandwidth:
    """Bytes a second over all connections, held back in the threads that send.

    `clock` gives seconds that only go forward; `sleep` waits, and returns something true when waiting is to
    end for good.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def take(self, size: int) -> None:
        """Waits until so many bytes may have gone out; what is taken back was sent all the same."""
        if size <= 0:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + size / self._rate
            wait = self._free_at - now
        if wait > 0:
            self._sleep(wait)
