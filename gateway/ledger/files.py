"""Files before they are claimed, and after they are finished: what a scan tells and asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.ledger import packing
from gateway.ledger.database import Transaction
from gateway.ledger.part import (
    GATEWAY,
    Part,
    batches,
    count_hour,
    destination_of,
    entry,
    folder_of,
    ids_text,
    report,
    states_text,
)
from gateway.ledger.records import RECHECKS, Entry, Facts, Growing, Ready, Seen, Sighting
from gateway.ledger.states import FINISHED, OPEN, UNCLAIMED, VANISHED, State, before
from gateway.stream import FileStamp

BATCH = 10_000
"""Files in one transaction: others that write wait for a fraction of a second."""

COMPARED = 1000
"""Finished files that are compared before that is kept."""


@dataclass(frozen=True, slots=True)
class Original:
    """A source file that all its destinations have answered, and that is to be moved or deleted."""

    path: str
    files: tuple[Entry, ...]


class Files(Part):
    """What was found in folders, and how far it has come."""

    def see(self, folder: str, sightings: Iterable[Sighting], destinations: Sequence[str]) -> Seen:
        """Tells what a scan has found.

        A path that is not known becomes a row for each destination. One that is waiting and has another
        stamp starts again; one that is finished and has another stamp becomes a new generation. What is
        unchanged, and what is being worked on, stays as it is; nothing is written for it.
        """
        new: list[int] = []
        changed: list[int] = []
        for batch in batches(sightings, BATCH):
            for destination in destinations:
                found = self._see(folder, list(dict(batch).items()), destination)
                new += found.new
                changed += found.changed
        return Seen(tuple(new), tuple(changed))

    def learn(self, facts: Iterable[Facts]) -> None:
        """Keeps what was found out about files; what is None leaves alone what is known."""
        for batch in batches(facts, BATCH):
            with self.database.write(durable=False) as transaction:
                transaction.many(
                    "learn",
                    (
                        {
                            "file": each.file,
                            "digest": each.digest,
                            "format": each.format,
                            "template": each.template,
                        }
                        for each in batch
                    ),
                )

    def settle(
        self, files: Sequence[int], reason: str | None = None, text: str | None = None
    ) -> tuple[int, ...]:
        """Files that have stopped growing, or wait for something; the numbers of those that could."""
        return self._move(files, State.SETTLING, reason=reason, text=text)

    def ready(self, files: Iterable[Ready]) -> None:
        """Lets files be claimed that are complete; those that are in other hands by now stay there."""
        now = self.now()
        allowed = states_text(before(State.READY) & UNCLAIMED)
        for batch in batches(files, BATCH):
            with self.database.write(durable=False) as transaction:
                values = [
                    {
                        "file": each.file,
                        "key": key,
                        "due": now if each.due is None else each.due,
                        "now": now,
                        "before": allowed,
                    }
                    for each, key in zip(batch, _keys(transaction, batch), strict=True)
                ]
                transaction.many("ready_unit", values)
                transaction.many("ready", values)

    def hold(
        self,
        files: Sequence[int],
        reason: str,
        text: str,
        *,
        again: Growing | None = RECHECKS,
        depends: Mapping[str, FileStamp | None] | None = None,
    ) -> tuple[int, ...]:
        """Holds files that were not claimed; they are looked at again by a claim when `again` says."""
        now = self.now()
        with self.database.write() as transaction:
            held = moved(transaction, files, State.HELD, now, reason=reason, text=text)
            transaction.run("queue_units", {"ids": ids_text(held)})
            due = now + again.after(1) if again else None
            transaction.run("queue", {"ids": ids_text(held), "due": due})
            for each in held:
                depend(transaction, each, depends or {})
            count_hour(transaction, held, State.HELD, now)
            report(transaction, held, State.HELD, at=now, who=GATEWAY, text=reason)
        return held

    def reject(self, files: Sequence[int], reason: str, text: str) -> tuple[int, ...]:
        """Gives up files that were not claimed: they never became complete."""
        return self._move(files, State.REJECTED, reason=reason, text=text, original_due=True)

    def skip(self, files: Sequence[int], reason: str, text: str) -> tuple[int, ...]:
        """Leaves out files that are not meant."""
        return self._move(files, State.SKIPPED, reason=reason, text=text)

    def vanished(self, folder: str, paths: Iterable[str]) -> int:
        """Files that are gone before they were stored; how many rows. They may come back."""
        count = 0
        for batch in batches(paths, BATCH):
            with self.database.write() as transaction:
                number = folder_of(transaction, folder)
                _sight(transaction, ((path, FileStamp(0, 0, 0)) for path in batch))
                rows = transaction.rows("vanished", {"folder": number})
                text = "The file was taken away before it was stored"
                gone = [row["id"] for row in rows]
                count += len(self._finish(transaction, gone, State.SKIPPED, reason=VANISHED, text=text))
        return count

    def at(self, folder: str, path: str) -> tuple[Entry, ...]:
        """All rows of one source file: its destinations, and their generations in order."""
        with self.database.read() as transaction:
            number = folder_of(transaction, folder)
            rows = transaction.rows("by_path", {"folder": number, "path": packing.path_bytes(path)})
            return tuple(map(entry, rows))

    def dependencies(self) -> Iterator[str]:
        """The files outside on which outcomes depended, for somebody to look whether they change."""
        after = 0
        while True:
            with self.database.read() as transaction:
                rows = transaction.rows("dependencies", {"after": after, "limit": BATCH})
            if not rows:
                return
            yield from (packing.path_text(row["path"]) for row in rows)
            after = rows[-1]["id"]

    def touched(self, path: str, stamp: FileStamp | None) -> tuple[int, ...]:
        """A file outside is as `stamp` says (None: not there).

        Held files that depended on it as it was before may be claimed at once. Gives some of the finished
        ones, whose attributes may be different now, until `compared` is told of them.
        """
        values = {"path": packing.path_bytes(path), "stamp": packing.stamp_text(stamp), "limit": COMPARED}
        unfinished = {**values, "states": states_text(OPEN)}
        with self.database.read() as transaction:
            finished = transaction.rows("touched", {**values, "states": states_text(FINISHED)})
            waiting = transaction.row("touched", unfinished)
        while waiting:
            with self.database.write() as transaction:
                ids = ids_text(row["id"] for row in transaction.rows("touched", unfinished))
                transaction.run("due_now", {"ids": ids, "now": self.now()})
                transaction.run("touched_now", {**values, "ids": ids})
                waiting = transaction.row("touched", unfinished)
        return tuple(row["id"] for row in finished)

    def recheck(self, folder: str) -> None:
        """Held files of a folder that are looked at again by themselves are looked at at once."""
        with self.database.write() as transaction:
            transaction.run("recheck", {"folder": folder_of(transaction, folder), "now": self.now()})

    def compared(self, path: str, stamp: FileStamp | None, files: Iterable[int]) -> None:
        """Finished files were compared with what they would be now that the file outside is like this."""
        values = {"path": packing.path_bytes(path), "stamp": packing.stamp_text(stamp)}
        with self.database.write() as transaction:
            transaction.run("touched_now", {**values, "ids": ids_text(files)})

    def originals_due(self, folder: str, limit: int = 1000) -> tuple[Original, ...]:
        """Source files to be moved or deleted now: no destination has anything left to do with them."""
        with self.database.read() as transaction:
            number = folder_of(transaction, folder)
            paths = transaction.rows("originals_due", {"folder": number, "limit": limit})
            return tuple(
                Original(packing.path_text(row["path"]), _current(transaction, number, row["path"]))
                for row in paths
            )

    def original_done(self, original: Original, text: str) -> None:
        """The source file was moved or deleted, as `text` says."""
        ids = [each.id for each in original.files]
        with self.database.write() as transaction:
            done = transaction.rows("originals_done", {"ids": ids_text(ids)})
            numbers = [row["id"] for row in done]
            report(transaction, numbers, "original", at=self.now(), who=GATEWAY, text=text)

    def _see(self, folder: str, batch: Sequence[Sighting], destination: str) -> Seen:
        news = self._news(folder, batch, destination)
        if not news:
            return Seen()
        now = self.now()
        with self.database.write(durable=False) as transaction:
            transaction.run("folder_add", {"name": packing.storable(folder)})
            transaction.run("destination_add", {"name": destination})
            _sight(transaction, news)
            values = {
                "folder": folder_of(transaction, folder),
                "destination": destination_of(transaction, destination),
                "now": now,
            }
            changed = [row["id"] for row in transaction.rows("see_again", values)]
            _forget(transaction, changed)
            transaction.run("see_replaced", values)
            new = [row["id"] for row in transaction.rows("see_new", values)]
            count_hour(transaction, new, State.SEEN, now)
        return Seen(tuple(new), tuple(changed))

    def _news(self, folder: str, batch: Sequence[Sighting], destination: str) -> list[Sighting]:
        """What of a scan is not known already, found without keeping others from writing."""
        with self.database.read() as transaction:
            number = folder_of(transaction, folder)
            place = destination_of(transaction, destination)
            if number is None or place is None:
                return list(batch)
            _sight(transaction, batch)
            rows = transaction.rows("sighted_news", {"folder": number, "destination": place})
        return [batch[row["id"]] for row in rows]

    def _move(
        self,
        files: Sequence[int],
        state: State,
        *,
        reason: str | None,
        text: str | None,
        original_due: bool = False,
    ) -> tuple[int, ...]:
        done: list[int] = []
        for batch in batches(files, BATCH):
            with self.database.write(durable=state in FINISHED) as transaction:
                if state in FINISHED:
                    now_there = self._finish(transaction, batch, state, reason=reason, text=text)
                else:
                    now_there = moved(transaction, batch, state, self.now(), reason=reason, text=text)
                if original_due:
                    transaction.run("original_due", {"ids": ids_text(now_there)})
                done += now_there
        return tuple(done)

    def _finish(
        self,
        transaction: Transaction,
        files: Sequence[int],
        state: State,
        reason: str | None,
        text: str | None,
    ) -> tuple[int, ...]:
        now = self.now()
        done = moved(transaction, files, state, now, reason=reason, text=text)
        count_hour(transaction, done, state, now)
        report(transaction, done, state, at=now, who=GATEWAY, text=reason)
        return done


def depend(transaction: Transaction, file: int, depends: Mapping[str, FileStamp | None]) -> None:
    """Replaces what a file depends on."""
    transaction.run("depends_forget", {"ids": ids_text([file])})
    for path, stamp in depends.items():
        values = {"path": packing.path_bytes(path), "file": file, "stamp": packing.stamp_text(stamp)}
        transaction.run("dependency_add", {"path": values["path"]})
        transaction.run("depend", values)


def moved(
    transaction: Transaction,
    files: Sequence[int],
    state: State,
    now: float,
    *,
    reason: str | None,
    text: str | None,
) -> tuple[int, ...]:
    """The files that were in a state that this one may follow, and are in it now."""
    values = {
        "ids": ids_text(files),
        "state": state,
        "now": now,
        "reason": reason,
        "text": packing.shortened(text, packing.MAX_TEXT),
        "finished": state in FINISHED,
        "before": states_text((before(state) | {state}) & UNCLAIMED),
    }
    return tuple(row["id"] for row in transaction.rows("move", values))


def _sight(transaction: Transaction, sightings: Iterable[Sighting]) -> None:
    """Puts a scan beside the ledger, to be compared with it."""
    transaction.run("sighted_table")
    transaction.run("sighted_clear")
    transaction.many(
        "sighted_add",
        (
            {
                "id": number,
                "path": packing.path_bytes(path),
                "name": packing.file_name(path),
                "size": stamp.size,
                "modified_ns": stamp.modified_ns,
                "inode": packing.inode_number(stamp.inode),
            }
            for number, (path, stamp) in enumerate(sightings)
        ),
    )


def _forget(transaction: Transaction, files: Sequence[int]) -> None:
    """Drops what was kept of files whose content is another now."""
    for statement in ("details_forget", "names_forget", "depends_forget"):
        transaction.run(statement, {"ids": ids_text(files)})


def _keys(transaction: Transaction, files: Sequence[Ready]) -> Iterator[str]:
    """With what each file is claimed."""
    folders = {row["id"]: row["folder"] for row in transaction.rows("folders_of", _ids(files))}
    for each in files:
        if each.study:
            yield study_key(each.study)
        elif each.group:
            yield f"group:{folders.get(each.file)}:{packing.storable(each.group)}"
        else:
            yield f"file:{each.file}"


def _ids(files: Sequence[Ready]) -> dict[str, str]:
    return {"ids": ids_text(each.file for each in files if each.group)}


def study_key(study: str) -> str:
    """The key of the unit that is a study."""
    return f"study:{study}"


def _current(transaction: Transaction, folder: int | None, path: bytes) -> tuple[Entry, ...]:
    rows = transaction.rows("by_path", {"folder": folder, "path": path})
    return tuple(each for each in map(entry, rows) if each.current)
