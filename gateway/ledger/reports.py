"""What operators, pages and metrics ask. Nothing here changes anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from gateway.ledger import packing
from gateway.ledger.database import Database, Transaction, Values
from gateway.ledger.part import SECONDS_AN_HOUR, Part, destination_of, entries, entry, folder_of, ids_text
from gateway.ledger.records import Count, Detail, Entry, Event, Hour, Oldest, Outcomes, Query
from gateway.ledger.states import State

PAGE = 1000
ALL = Query()
_LAST = chr(sys.maxunicode)


class Reports(Part):
    """What there is in the ledger."""

    def counts(self) -> tuple[Count, ...]:
        """How many files are in which state; takes no longer with more files."""
        with self.database.read() as transaction:
            rows = transaction.rows("counts")
        return tuple(
            Count(row["folder"], row["destination"], State(row["state"]), row["files"], row["size"])
            for row in rows
        )

    def oldest(self) -> tuple[Oldest, ...]:
        """Since when the oldest unfinished file of each state waits."""
        with self.database.read() as transaction:
            rows = transaction.rows("oldest")
        return tuple(
            Oldest(row["folder"], row["destination"], State(row["state"]), row["since"]) for row in rows
        )

    def reasons(self, state: State) -> dict[str, int]:
        """How many files are in this state for each reason; no reason is an empty one."""
        with self.database.read() as transaction:
            return {
                row["reason"] or "": row["files"] for row in transaction.rows("reasons", {"state": state})
            }

    def outcomes(self) -> tuple[Outcomes, ...]:
        """Files by format, template, state and reason; reads all of them."""
        with self.database.read() as transaction:
            rows = transaction.rows("outcomes")
        return tuple(
            Outcomes(
                row["format"],
                row["template"],
                State(row["state"]),
                row["reason"],
                row["files"],
                row["size"],
                row["seconds"],
            )
            for row in rows
        )

    def hours(self, since: float = 0, until: float | None = None) -> tuple[Hour, ...]:
        """What happened in each hour, of those that touch the time given."""
        end = self.now() if until is None else until
        values = {"since": int(since // SECONDS_AN_HOUR), "until": int(end // SECONDS_AN_HOUR)}
        with self.database.read() as transaction:
            rows = transaction.rows("hours", values)
        return tuple(
            Hour(
                float(row["hour"] * SECONDS_AN_HOUR),
                row["folder"],
                row["destination"],
                State(row["state"]),
                row["files"],
                row["size"],
            )
            for row in rows
        )

    def page(self, query: Query = ALL, *, after: int = 0, limit: int = PAGE) -> tuple[Entry, ...]:
        """A page of the files that are meant, by number; the next one begins after its last."""
        return tuple(islice(_page(self.database, query, after, limit), limit))

    def every(self, query: Query = ALL) -> Iterator[Entry]:
        """All files that are meant, by number, in bounded memory: for exports."""
        for page in pages(self.database, query, PAGE):
            yield from page

    def get(self, file: int) -> Entry | None:
        """One file."""
        with self.database.read() as transaction:
            found = entries(transaction, [file])
        return found[0] if found else None

    def detail(self, file: int) -> Detail | None:
        """One file with all that is kept of it."""
        with self.database.read() as transaction:
            found = entries(transaction, [file])
            if not found:
                return None
            row = transaction.row("detail_of", {"file": file})
            depends = transaction.rows("depends_of", {"file": file})
            events = transaction.rows("events_of", {"file": file})
        return Detail(
            entry=found[0],
            answer=packing.plain(row["answer"]) if row else None,
            messages=tuple(packing.json_value(row["messages"]) or ()) if row else (),
            attributes=packing.unpacked_attributes(row["attributes"]) if row else None,
            wanted=packing.unpacked_attributes(row["wanted"]) if row else None,
            depends=tuple(packing.path_text(each["path"]) for each in depends),
            events=_events(events),
        )

    def find(self, text: str, limit: int = 100) -> tuple[Entry, ...]:
        """Files by what people know of them.

        A UID of an instance, series or study; a path; or the beginning of a file's name, a Patient ID, a
        patient's name or an accession number, whatever its case.
        """
        searched = packing.searchable(text.strip())
        values: Values = {
            "text": searched,
            "end": searched + _LAST,
            "path": packing.path_bytes(text.strip()),
            "limit": limit,
        }
        if not searched:
            return ()
        with self.database.read() as transaction:
            statements = ("find_uid", "find_path", "find_named", "find_file")
            ids = {row[0] for each in statements for row in transaction.rows(each, values)}
            return entries(transaction, sorted(ids)[:limit])

    def events(self, *, after: int = 0, limit: int = PAGE) -> tuple[Event, ...]:
        """A page of all events in order; the next one begins after its last."""
        with self.database.read() as transaction:
            return _events(transaction.rows("events", {"after": after, "limit": limit}))


def pages(database: Database, query: Query, size: int) -> Iterator[list[Entry]]:
    """All files that are meant, in lists; what is done to one list does not disturb the next.

    Each page is a short look of its own: a long one would keep the log from being tidied.
    """
    after = 0
    while page := list(islice(_page(database, query, after, size), size)):
        yield page
        after = page[-1].id


def _page(database: Database, query: Query, after: int, limit: int) -> Iterator[Entry]:
    with database.read() as transaction:
        values = _values(transaction, query, after, limit)
        if values is None:
            return iter(())
        return merge(*_lists(transaction, query, values), key=lambda each: each.id)


def _lists(transaction: Transaction, query: Query, values: Values) -> Iterator[Sequence[Entry]]:
    """The first files of each state that is meant; they are few, or found by an index."""
    statement = "page_of_ids" if query.ids is not None else "page_of_state"
    if query.states is not None:
        for state in sorted(query.states):
            yield [entry(row) for row in transaction.rows(statement, {**values, "state": state})]
    else:
        whole = "page_of_ids" if query.ids is not None else "page"
        yield [entry(row) for row in transaction.rows(whole, {**values, "state": None})]


def _values(transaction: Transaction, query: Query, after: int, limit: int) -> Values | None:
    """The query as statements take it; None when it names a folder or destination that nobody knows."""
    values: Values = {
        "ids": ids_text(query.ids or ()),
        "folder": None,
        "destination": None,
        "reason": query.reason,
        "before": query.before,
        "replaced": query.replaced,
        "after": after,
        "limit": limit,
    }
    if query.folder is not None:
        values["folder"] = folder_of(transaction, query.folder)
    if query.destination is not None:
        values["destination"] = destination_of(transaction, query.destination)
    if (query.folder is not None and values["folder"] is None) or (
        query.destination is not None and values["destination"] is None
    ):
        return None
    return values


def _events(rows: Sequence[Values]) -> tuple[Event, ...]:
    return tuple(
        Event(row["id"], row["at"], row["who"], row["what"], row["file"], row["text"]) for row in rows
    )
