"""Destinations as workers see them: whether one takes anything now, how fast, and what it answers.

A destination that fails for reasons of its own is paused: its breaker opens, for longer each time, and no
file pays for the outage with an attempt. When the time is up one send is let through as a probe; its
answer closes the breaker or keeps it open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.config import Destination, Site
from gateway.errors import Fatal, Refused
from gateway.intake.configuration import Archive
from gateway.model import Instance, Outcome
from gateway.stow.client import Client

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
"""Seconds that a breaker stays open; they double from the first to the longest."""

PATIENCE = 10.0
"""Seconds that one send is tried again before the destination is paused."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a destination is doing: since when it is paused, and why; None while it is well."""

    paused_since: float | None
    why: str | None
    refused: bool
    """Whether it answers, but does not let us in."""


class Gate:
    """One destination, its connections, its breaker and its rate; shared by all workers.

    `clock` gives seconds that only go forward. `sleep` waits, and returns something true when waiting is
    to end for good.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        open_client: Callable[[Destination], Client] = Client,
    ) -> None:
        self.archive = archive
        self._clock = clock
        self._sleep = sleep
        self._open_client = open_client
        self._lock = threading.Lock()
        self._clients: dict[Destination, Client] = {}
        self._next_request = 0.0
        self._open_until: float | None = None
        self._since: float | None = None
        self._why: str | None = None
        self._refused = False
        self._failures = 0
        self._probing = False

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        return self.archive.name

    @property
    def health(self) -> Health:
        """How it is doing."""
        with self._lock:
            return Health(self._since, self._why, self._refused)

    def admits(self) -> bool:
        """Whether something may be sent now: it is well, or it is time for one to try."""
        with self._lock:
            if self._open_until is None:
                return True
            if self._probing or self._clock() < self._open_until:
                return False
            self._probing = True
            return True

    def give_up_turn(self) -> None:
        """Whoever was let through has nothing to send: the next one may try."""
        with self._lock:
            self._probing = False

    def succeeded(self) -> bool:
        """It has answered about an instance; whether it was paused until now."""
        with self._lock:
            was_paused = self._open_until is not None
            self._open_until = self._since = self._why = None
            self._failures, self._probing, self._refused = 0, False, False
            return was_paused

    def failed(self, why: str, *, after: float | None = None, refused: bool = False) -> bool:
        """It takes nothing for now; whether that is news. `after` are the seconds that it asked for."""
        with self._lock:
            news = self._open_until is None
            now = self._clock()
            self._failures += 1
            wait = min(FIRST_PAUSE * 2.0 ** (self._failures - 1), LONGEST_PAUSE)
            self._open_until = now + max(wait, after or 0.0)
            self._since = self._since if self._since is not None else now
            self._why, self._refused, self._probing = why, refused, False
            return news

    def send(self, instance: Instance, site: Site) -> Outcome:
        """Stores one instance; what became of it. Raises `Pause` when the destination takes nothing."""
        self._wait_turn()
        return self._client(site).store([instance])[0]

    def has(self, instance: Instance, site: Site) -> bool | None:
        """Whether the archive has an instance; None where it does not say. Raises `Unreachable`."""
        self._wait_turn()
        try:
            return self._client(site).existing(instance)
        except Refused:
            return None

    def instances_of(self, study: str, site: Site) -> frozenset[str]:
        """The SOP Instance UIDs that the archive has of a study, as far as it says. Raises `Pause`."""
        self._wait_turn()
        return self._client(site).instances(study) or frozenset()

    def stop(self) -> None:
        """Ends what is being sent soon; nothing new goes out."""
        with self._lock:
            clients = list(self._clients.values())
        for client in clients:
            client.stop()

    def close(self) -> None:
        """Gives the connections up."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _client(self, site: Site) -> Client:
        """The connections with the headers that belong to files of a site. Raises `Refused`."""
        wanted = replace(self.archive.destination_for(site), retry_for=PATIENCE)
        with self._lock:
            if wanted not in self._clients:
                try:
                    self._clients[wanted] = self._open_client(wanted)
                except Fatal as error:  # a certificate, say, that cannot be read just now
                    raise Refused(str(error)) from error
            return self._clients[wanted]

    def _wait_turn(self) -> None:
        """Keeps to the rate, over all workers."""
        if not self.archive.rate:
            return
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_request)
            self._next_request = turn + 1.0 / self.archive.rate
        if turn > now:
            self._sleep(turn - now)
