"""Sending over several connections: batches, their order, and what is left when the archive pauses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from gateway.config import Destination
from gateway.errors import Pause
from gateway.model import Instance, Outcome, Status
from gateway.stow.client import Client


def dispatch(
    items: Iterator[Instance | Outcome],
    archive: Client,
    destination: Destination,
    paused: Callable[[Pause], None],
) -> Iterator[Outcome]:
    """Sends instances in batches over `jobs` connections; yields the outcomes in their order.

    Outcomes among the items keep their place. When the destination takes nothing for now, `paused` is
    told why, once, and the instances left are `retry`. Files made for an instance are deleted when it
    is settled.
    """
    pause: Pause | None = None
    waiting: deque[Future[list[Outcome]]] = deque()

    def settle() -> Iterator[Outcome]:
        nonlocal pause
        try:
            yield from waiting.popleft().result()
        except Pause as error:
            if pause is None:
                pause = error
                paused(error)
            yield from error.outcomes

    workers = ThreadPoolExecutor(destination.jobs, thread_name_prefix="send")
    try:
        for batch in _batches(items, destination):
            if pause:
                yield from _postponed(batch, pause)
                discard(batch)
                continue
            waiting.append(workers.submit(_store, archive, batch, destination))
            while waiting and (pause or len(waiting) > 2 * destination.jobs):
                yield from settle()
        while waiting:
            yield from settle()
    finally:  # who stops early does not want to wait for answers
        archive.stop()
        workers.shutdown(wait=False, cancel_futures=True)


def _store(archive: Client, batch: Sequence[Instance | Outcome], destination: Destination) -> list[Outcome]:
    """Stores the instances of a batch, without those that the archive has if it is to be asked.

    Raises `Pause` with the outcomes of all of the batch.
    """
    items = list(batch)
    try:
        if destination.skip_existing:
            items = [_unless_there(each, archive) for each in batch]
        new = [each for each in items if isinstance(each, Instance)]
        told = iter(archive.store(new) if new else [])
        return [next(told) if isinstance(each, Instance) else each for each in items]
    except Pause as pause:
        pause.outcomes = tuple(_postponed(items, pause, pause.outcomes))
        raise
    finally:
        discard(batch)


def _unless_there(each: Instance | Outcome, archive: Client) -> Instance | Outcome:
    if isinstance(each, Instance) and archive.existing(each):
        return Outcome.of(each, Status.DUPLICATE, "is in the archive already")
    return each


def _postponed(
    batch: Iterable[Instance | Outcome], pause: Pause, told: Iterable[Outcome] = ()
) -> Iterator[Outcome]:
    """The outcomes of a batch when nothing more of it can be sent: what was told in order, else `retry`."""
    known = iter(told)
    for each in batch:
        if isinstance(each, Instance):
            yield next(known, None) or Outcome.of(each, Status.RETRY, str(pause))
        else:
            yield each


def _batches(
    items: Iterator[Instance | Outcome], destination: Destination
) -> Iterator[list[Instance | Outcome]]:
    """The instances by request, at most `limit` and `max_request_size`; outcomes keep their place."""
    batch: list[Instance | Outcome] = []
    count = size = 0
    for each in items:
        length = each.size if isinstance(each, Instance) else 0
        if count and destination.max_request_size and size + length > destination.max_request_size:
            yield batch
            batch, count, size = [], 0, 0
        batch.append(each)
        size += length
        count += isinstance(each, Instance)
        if not count or (destination.limit and count >= destination.limit):
            yield batch
            batch, count, size = [], 0, 0
    if batch:
        yield batch


def discard(batch: Iterable[Instance | Outcome]) -> None:
    """Deletes the files that were made for instances, which are settled."""
    for each in batch:
        if isinstance(each, Instance):
            for path in each.temporary:
                path.unlink(missing_ok=True)
