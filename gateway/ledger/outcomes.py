"""What became of claimed files, each once; and which stored ones would now be different."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.ledger import packing
from gateway.ledger.claims import free, owned
from gateway.ledger.database import Row, Transaction, Values
from gateway.ledger.files import depend
from gateway.ledger.part import GATEWAY, Part, count_hour, ids_text, report
from gateway.ledger.records import RETRIES, Difference, Result
from gateway.ledger.states import DONE, FINISHED, FOLLOWERS, WAITING, State
from gateway.ledger.studies import instance_row


class Outcomes(Part):
    """What became of files."""

    def record(self, owner: int, results: Mapping[int, Result]) -> None:
        """Records what became of claimed files: state, answer and event together, or nothing.

        On the disk when it returns. A claim whose last file has its outcome is over. Raises `ClaimLost`
        when one of the files is not this owner's: then nothing is recorded, and whoever has the file
        now will. ValueError for a state that cannot follow `claimed`.
        """
        for result in results.values():
            if result.state not in FOLLOWERS[State.CLAIMED]:
                raise ValueError(f"a claimed file does not become {result.state}")
        now = self.now()
        with self.database.write() as transaction:
            units = owned(transaction, owner, list(results))
            name = transaction.rows("owner_name", {"owner": owner})[0]["name"]
            for file, result in results.items():
                _record(transaction, file, result, now, name)
            free(transaction, set(units.values()))

    def compare(self, file: int, attributes: Mapping[str, str], text: str) -> tuple[Difference, ...]:
        """Compares a stored file with the attributes that it would have now.

        Where they differ it becomes `changed`, with `text`, and is not sent again by itself; where they
        agree again, or are what a person has dismissed, it is what it was. Gives the differences from
        what was stored, as far as that is kept. Nothing is done to a file that is not stored, or whose
        attributes were not recorded.
        """
        now = self.now()
        digest = packing.attributes_digest(attributes)
        with self.database.write() as transaction:
            row = transaction.row("stored_attributes", {"file": file})
            if row is None or State(row["state"]) not in DONE | {State.CHANGED}:
                return ()
            if row["attributes_digest"] is None:
                return ()
            values: Values = {"file": file, "now": now, "wanted": None, "digest": None}
            if digest in (row["attributes_digest"], row["dismissed"]):
                if row["state"] == State.CHANGED:
                    transaction.run("agrees", values)
                    transaction.run("wanted", values)
                    report(transaction, [file], "unchanged", at=now, who=GATEWAY)
                return ()
            packed = packing.packed_attributes(attributes)
            transaction.run("differs", {**values, "text": packing.shortened(text, packing.MAX_TEXT)})
            transaction.run("wanted", {**values, "wanted": packed, "digest": digest})
            if row["state"] != State.CHANGED:
                report(transaction, [file], State.CHANGED, at=now, who=GATEWAY)
                count_hour(transaction, [file], State.CHANGED, now)
        stored = packing.unpacked_attributes(row["attributes"]) or {}
        return differences(stored, packing.unpacked_attributes(packed) or {})


def differences(stored: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[Difference, ...]:
    """What is not the same in both, in the order of the stored ones."""
    names = dict.fromkeys((*stored, *wanted))
    return tuple(
        Difference(name, stored.get(name), wanted.get(name))
        for name in names
        if stored.get(name) != wanted.get(name)
    )


def _record(transaction: Transaction, file: int, result: Result, now: float, who: str) -> None:
    row = transaction.rows("claimed", {"file": file})[0]
    again = row["back"] == result.state and row["reason"] == result.reason
    attempts = row["attempts"] + result.attempts
    checks = (row["checks"] if again else 0) + (result.state is State.HELD)
    instance = instance_row(transaction, result.identity) if result.identity else None
    attributes = result.attributes
    transaction.run(
        "record",
        {
            "file": file,
            "state": result.state,
            "since": row["since"] if again else now,
            "due": _due(result, now, attempts, checks),
            "finished_at": now if result.state in FINISHED else None,
            "waits": result.state in WAITING,
            "instance": instance,
            "attempts": attempts,
            "checks": checks,
            "doubt": result.doubt,
            "sent": result.sent,
            "seconds": result.seconds,
            "reason": result.reason,
            "text": packing.shortened(result.text, packing.MAX_TEXT),
            "digest": result.digest,
            "format": result.format,
            "template": result.template,
            "attributes_digest": None if attributes is None else packing.attributes_digest(attributes),
            "original_due": result.original_due,
        },
    )
    _detail(transaction, file, result, row)
    depend(transaction, file, result.depends)
    _name(transaction, file, result)
    if not again:  # a hold that goes on is no news
        report(transaction, [file], result.state, at=now, who=who, text=result.reason)
        count_hour(transaction, [file], result.state, now)


def _due(result: Result, now: float, attempts: int, checks: int) -> float | None:
    """When the file may be claimed again; None for not by itself."""
    if result.state is State.READY:
        return now + (result.after or 0)
    if result.state is State.RETRY:
        return now + max(result.after or 0, (result.again or RETRIES).after(attempts))
    if result.state is State.HELD and result.again:
        return now + max(result.after or 0, result.again.after(checks))
    return None


def _detail(transaction: Transaction, file: int, result: Result, before: Row) -> None:
    """Keeps what few files have; most that are stored at once have none of it."""
    answer = packing.shortened(result.answer, packing.MAX_ANSWER)
    messages = [packing.storable(each) for each in result.messages]
    values = {
        "file": file,
        "retrieve_url": result.retrieve_url,
        "messages": packing.json_text(messages) if messages else None,
        "answer": packing.compressed(answer),
        "attributes": packing.packed_attributes(result.attributes),
    }
    first = before["back"] == State.READY and not before["attempts"]
    some = result.retrieve_url or messages or answer or result.attributes is not None
    if some or not first:
        transaction.run("detail", values)


def _name(transaction: Transaction, file: int, result: Result) -> None:
    """By what people look for a file that has no study; a study has names of its own."""
    transaction.run("names_forget", {"ids": ids_text([file])})
    if result.identity is None:
        for kind, value in result.names.items():
            if value:
                found = {"kind": kind, "value": packing.searchable(value), "file": file}
                transaction.run("file_name", found)
