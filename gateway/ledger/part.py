"""What the parts of the ledger have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from gateway.ledger import packing
from gateway.ledger.database import Database, Row, Transaction
from gateway.ledger.records import Entry, Identity, Numbers
from gateway.ledger.states import State
from gateway.stream import FileStamp

Clock = Callable[[], float]
"""Gives the seconds since 1970."""
Item = TypeVar("Item")

GATEWAY = "gateway"
"""Who does what nobody has asked for."""
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the ledger: the database, and the time."""

    database: Database
    now: Clock


def ids_text(ids: Iterable[int]) -> str:
    """Numbers of rows as statements take them."""
    return packing.json_text(list(ids))


def states_text(states: Iterable[State]) -> str:
    """States as statements take them."""
    return packing.json_text(sorted(states))


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most this size, so that no transaction lasts long."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def folder_of(transaction: Transaction, name: str) -> int | None:
    """The number of a folder; None when nothing was ever seen in it."""
    row = transaction.row("folder", {"name": packing.storable(name)})
    return row["id"] if row else None


def destination_of(transaction: Transaction, name: str) -> int | None:
    """The number of a destination; None when nothing was ever meant for it."""
    row = transaction.row("destination", {"name": name})
    return row["id"] if row else None


def report(
    transaction: Transaction, ids: Sequence[int], what: str, *, at: float, who: str, text: str | None = None
) -> None:
    """Adds an event for each file."""
    words = packing.shortened(text, packing.MAX_TEXT)
    event = {"at": at, "who": packing.storable(who), "what": what, "text": words}
    transaction.many("event_add", ({**event, "file": each} for each in ids))


def count_hour(transaction: Transaction, ids: Sequence[int], state: State, at: float) -> None:
    """Counts files that came into a state."""
    hour = int(at // SECONDS_AN_HOUR)
    transaction.run("hour_add", {"ids": ids_text(ids), "state": state, "hour": hour})


def entries(transaction: Transaction, ids: Iterable[int]) -> tuple[Entry, ...]:
    """The files of these numbers that there are, in their order."""
    return tuple(entry(row) for row in transaction.rows("entries_of", {"ids": ids_text(ids)}))


def entry(row: Row) -> Entry:
    """A file as a row of the view has it."""
    return Entry(
        id=row["id"],
        folder=row["folder_name"],
        path=packing.path_text(row["path"] or b""),
        destination=row["destination_name"],
        generation=row["generation"],
        current=bool(row["current"]),
        stamp=FileStamp(row["size"], row["modified_ns"], packing.inode_of(row["inode"])),
        state=State(row["state"]),
        since=row["since"],
        seen_at=row["seen_at"],
        finished_at=row["finished_at"],
        due=row["due"],
        attempts=row["attempts"],
        checks=row["checks"],
        crashes=row["crashes"],
        doubt=bool(row["doubt"]),
        revision=row["revision"],
        reason=row["reason"],
        text=row["text"],
        format=row["format"],
        template=row["template"],
        digest=row["digest"],
        attributes_digest=row["attributes_digest"],
        identity=_identity(row),
        numbers=_numbers(row),
        retrieve_url=row["retrieve_url"],
        sent=row["sent"],
        seconds=row["seconds"],
        assigned=packing.json_value(row["assigned"]) or {},
        assigned_study=row["assigned_study"],
    )


def _identity(row: Row) -> Identity | None:
    if row["instance_uid"] is None:
        return None
    return Identity(row["study_uid"], row["series_uid"], row["instance_uid"], row["sop_class"] or "")


def _numbers(row: Row) -> Numbers | None:
    if row["series_number"] is None or row["instance_number"] is None:
        return None
    return Numbers(row["series_number"], row["instance_number"])
