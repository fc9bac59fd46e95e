"""How long a failed request is tried again: exponential backoff with jitter, within a budget."""

from __future__ import annotations

from collections.abc import Callable

FIRST_WAIT = 0.5
LONGEST_WAIT = 15.0
"""Seconds; waits double from the first to the longest."""


class Patience:
    """The time that one delivery may still spend on trying again.

    It runs from the first failure for `budget` seconds. `sleep` returns something true when waiting
    is to end for good; `random` returns numbers from 0 to 1. Not for use by several threads.
    """

    def __init__(
        self,
        budget: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        random: Callable[[], float],
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._since: float | None = None
        self._waits = 0

    @property
    def left(self) -> float | None:
        """Seconds that are left; None while nothing has failed."""
        return None if self._since is None else max(0.0, self._since + self._budget - self._clock())

    def wait(self, *, asked: float | None = None, since: float | None = None) -> bool:
        """Wait before the next attempt; False, at once, when there is no time for one.

        `asked` is the number of seconds that the archive wants to be left alone for; `since` is when
        the trouble began, if that was before now.
        """
        if self._since is None:
            self._since = self._clock() if since is None else since
        left = self._since + self._budget - self._clock()
        if left <= 0 or (asked or 0) > left:
            return False
        backoff = min(FIRST_WAIT * 2.0**self._waits, LONGEST_WAIT) * (0.5 + self._random() / 2)
        self._waits += 1
        return not self._sleep(min((asked or 0) + backoff, left))

    def reset(self) -> None:
        """Start afresh: something has gone well."""
        self._since = None
        self._waits = 0
