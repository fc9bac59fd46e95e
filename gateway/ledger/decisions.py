"""What a person decides about files, each with an event that names the person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gateway.ledger import packing
from gateway.ledger.database import Row, Transaction
from gateway.ledger.files import BATCH, moved
from gateway.ledger.outcomes import differences
from gateway.ledger.part import Part, batches, count_hour, ids_text, report, states_text
from gateway.ledger.records import Query
from gateway.ledger.reports import pages
from gateway.ledger.states import FINISHED, WAITING, State

Act = Callable[[Transaction, Sequence[int], float], Sequence[int]]


class Decisions(Part):
    """What a person decides. Each method gives the number of files that it could be done to."""

    def retry(self, which: Query, who: str) -> int:
        """Files that wait or are finished are tried again at once, from the beginning."""

        def act(transaction: Transaction, ids: Sequence[int], now: float) -> Sequence[int]:
            done = _again(transaction, ids, now, WAITING | FINISHED - {State.CHANGED})
            report(transaction, done, "retry", at=now, who=who)
            return done

        return self._each(which, act)

    def revise(self, which: Query, who: str) -> int:
        """Changed files are sent as they would be now, as a new revision: another instance."""

        def act(transaction: Transaction, ids: Sequence[int], now: float) -> Sequence[int]:
            done = _again(transaction, ids, now, {State.CHANGED}, revision=1)
            report(transaction, done, "revise", at=now, who=who)
            return done

        return self._each(which, act)

    def assign(self, which: Query, who: str, attributes: Mapping[str, str], study: str | None = None) -> int:
        """Held files get what they lack, and are looked at again at once.

        `attributes` are kept with what was assigned before; `study` is a Study Instance UID.
        """
        given = {name: packing.storable(value) for name, value in attributes.items()}
        said = packing.json_text({**given, **({"StudyInstanceUID": study} if study else {})})

        def act(transaction: Transaction, ids: Sequence[int], now: float) -> Sequence[int]:
            done = _again(transaction, ids, now, {State.HELD})
            values = {"ids": ids_text(done), "assigned": packing.json_text(given), "study": study}
            transaction.run("assign", values)
            report(transaction, done, "assign", at=now, who=who, text=said)
            return done

        return self._each(which, act)

    def reject(self, which: Query, who: str, text: str) -> int:
        """Files that are not finished are given up; what is being sent just now is not."""

        def act(transaction: Transaction, ids: Sequence[int], now: float) -> Sequence[int]:
            done = moved(transaction, ids, State.REJECTED, now, reason="by-hand", text=text)
            transaction.run("original_due", {"ids": ids_text(done)})
            count_hour(transaction, done, State.REJECTED, now)
            report(transaction, done, "reject", at=now, who=who, text=text)
            return done

        return self._each(which, act)

    def dismiss(self, which: Query, who: str, text: str) -> int:
        """What is stored of changed files is right: they are again what they were.

        They become changed again when they would be sent with yet other attributes. The event has the
        names of those that differ.
        """

        def act(transaction: Transaction, ids: Sequence[int], now: float) -> Sequence[int]:
            done = transaction.rows("changes", {"ids": ids_text(ids)})
            for row in done:
                _dismiss(transaction, row, now, who, text)
            return [row["id"] for row in done]

        return self._each(which, act)

    def look(self, files: Iterable[int], who: str, what: str) -> None:
        """Somebody looks at these files; `what` says by which way. What they looked for is not kept."""
        for ids in batches(files, BATCH):
            with self.database.write() as transaction:
                report(transaction, ids, what, at=self.now(), who=who)

    def note(self, who: str, what: str, text: str | None = None) -> None:
        """Something else that a person has done: an export, a list."""
        event = {"at": self.now(), "who": packing.storable(who), "what": what, "file": None, "text": text}
        with self.database.write() as transaction:
            transaction.many("event_add", [event])

    def _each(self, which: Query, act: Act) -> int:
        """Does it to all files that are meant, some thousands in a transaction."""
        count = 0
        for page in pages(self.database, which, BATCH):
            with self.database.write() as transaction:
                count += len(act(transaction, [each.id for each in page], self.now()))
        return count


def _dismiss(transaction: Transaction, row: Row, now: float, who: str, text: str) -> None:
    wanted = packing.unpacked_attributes(row["wanted"]) or {}
    digest = row["wanted_digest"] or packing.attributes_digest(wanted)  # version 1 of the schema had none
    transaction.run("dismiss", {"file": row["id"], "digest": digest})
    transaction.run("agrees", {"file": row["id"], "now": now})
    stored = packing.unpacked_attributes(row["attributes"]) or {}
    names = ", ".join(each.attribute for each in differences(stored, wanted))
    report(transaction, [row["id"]], "dismiss", at=now, who=who, text=f"{text} ({names})" if names else text)


def _again(
    transaction: Transaction,
    ids: Sequence[int],
    now: float,
    states: Collection[State],
    revision: int = 0,
) -> list[int]:
    """Puts files back into the queue, those of one study together."""
    values = {"ids": ids_text(ids), "before": states_text(states), "now": now, "revision": revision}
    done = [row["id"] for row in transaction.rows("again", values)]
    transaction.run("queue_units", {"ids": ids_text(done)})
    transaction.run("queue", {"ids": ids_text(done), "due": now})
    return done
