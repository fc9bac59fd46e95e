"""Forgetting whom old files showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.ledger.database import Transaction
from gateway.ledger.imports import PREFIX
from gateway.ledger.part import Part, ids_text

BATCH = 2_000


class Upkeep(Part):
    """What keeps a ledger fit to be kept."""

    def purge(self, before: float, who: str) -> int:
        """Drops names, paths, attributes and texts of what was finished before this time; how many files.

        Digest, UIDs, numbers, destination, outcome with its reason, and dates stay: an instance stays
        known as stored. A file that still lies in its folder would be seen as new, and then be found to
        be stored. What is held or changed is not old, however long it waits. An import none of whose
        files has a path any more is forgotten with what was typed for it.
        """
        count = 0
        with self.database.write() as transaction:
            transaction.run("purge_owners", {"before": before})
        for ids in self._pages("purge_page", before):
            with self.database.write() as transaction:
                _purge_files(transaction, ids)
            count += len(ids)
        for ids in self._pages("purge_studies", before):
            with self.database.write() as transaction:
                transaction.run("purge_frozen", {"ids": ids_text(ids)})
                transaction.run("purge_names", {"ids": ids_text(ids)})
        with self.database.write() as transaction:
            transaction.run("purge_dependencies")
            transaction.run("purge_imports", {"prefix": PREFIX})
        event = {"at": self.now(), "who": who, "what": "purge", "file": None}
        with self.database.write() as transaction:
            transaction.many("event_add", [{**event, "text": f"{count} files finished before {before:.0f}"}])
        self.database.tidy()
        return count

    def _pages(self, statement: str, before: float) -> Iterator[Sequence[int]]:
        after = 0
        while True:
            values = {"before": before, "after": after, "limit": BATCH, "prefix": PREFIX}
            with self.database.read() as transaction:
                rows = transaction.rows(statement, values)
            if not rows:
                return
            after = rows[-1]["id"]
            yield [row["id"] for row in rows]


def _purge_files(transaction: Transaction, ids: Sequence[int]) -> None:
    values = {"ids": ids_text(ids)}
    transaction.run("meta_set", {"key": "purging", "value": "1"})  # what the events' trigger lets pass
    for statement in ("purge_files", "purge_events", "details_forget", "names_forget", "depends_forget"):
        transaction.run(statement, values)
    transaction.run("meta_delete", {"key": "purging"})
