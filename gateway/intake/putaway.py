"""What becomes of the originals of one folder once all their destinations have answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import Retry
from gateway.intake import originals
from gateway.intake.configuration import Action, Configuration, Folder
from gateway.intake.journal import Journal
from gateway.ledger import Entry, Ledger, State
from gateway.ledger.files import Original
from gateway.ledger.packing import storable
from gateway.ledger.states import DONE
from gateway.stream import FileStamp

STAYS = "stays"


@dataclass(frozen=True, slots=True)
class PutAway:
    """Keeps, deletes, moves or puts aside the originals of a folder, as outcomes and configuration say.

    `now` gives seconds since 1970.
    """

    folder: Folder
    configuration: Configuration
    ledger: Ledger
    journal: Journal
    now: Callable[[], float]

    def settle(self) -> list[str]:
        """Deals with the originals that all destinations have answered; their paths below the folder."""
        settled = []
        for original in self.ledger.files.originals_due(self.folder.name):
            try:
                where = self._settle(original)
            except Retry as error:  # no room or no permission: the next scan tries again
                why = error.__cause__
                said = why.strerror if isinstance(why, OSError) else None
                self.journal.event("original-stays", file=original.files[0].id, why=said)
                continue
            self.ledger.files.original_done(original, where)
            settled.append(original.path)
        return settled

    def settle_marker(self, relative: str, stamp: FileStamp) -> None:
        """Deals with a file that only said that its group is complete, after the files of the group."""
        path, action = self.folder.path / relative, self.folder.originals
        try:
            if action.action is Action.DELETE:
                originals.delete(path, stamp)
            elif action.action is Action.MOVE:
                originals.move(path, self._place(relative, None), relative, stamp)
        except Retry:  # it is in nobody's way
            return

    def remove_old(self) -> None:
        """Deletes moved originals whose retention is over."""
        action = self.folder.originals
        place = action.root(self.configuration.path.parent)
        if action.retention is not None and place is not None:
            originals.remove_old(place, self.now() - action.retention.total_seconds())

    def _settle(self, original: Original) -> str:
        """Does with an original what its outcomes ask for; where it is now, in words where nowhere."""
        path = self.folder.path / original.path
        stamp = original.files[0].stamp
        bad = [row for row in original.files if row.state in (State.REJECTED, State.REFUSED)]
        if bad:
            record = self._record(path, bad[0])
            return _where(originals.put_aside(path, self.folder.rejected, original.path, stamp, record))
        if not all(row.state in DONE or row.state is State.SKIPPED for row in original.files):
            return STAYS
        action = self.folder.originals.action
        if action is Action.DELETE:
            return "deleted" if originals.delete(path, stamp) else "gone"
        if action is Action.MOVE:
            row = next((each for each in original.files if each.state in DONE), original.files[0])
            return _where(originals.move(path, self._place(original.path, row), original.path, stamp))
        return STAYS

    def _place(self, relative: str, row: Entry | None) -> Path:
        """The folder that an original is moved to."""
        detail = self.ledger.reports.detail(row.id) if row else None
        attributes = (detail.attributes if detail else None) or {}
        folder, _, name = relative.rpartition("/")
        finished = (row.finished_at if row else None) or self.now()
        facts: dict[str, Any] = {
            "date": datetime.fromtimestamp(finished, UTC).astimezone().strftime("%Y-%m-%d"),
            "folder": folder,
            "relative": relative,
            "name": name,
            "status": row.state.value if row else "",
            "patient": _as_name(attributes.get("PatientID", "")),
            "accession": _as_name(attributes.get("AccessionNumber", "")),
            "study": row.identity.study if row and row.identity else "",
        }
        assert self.folder.originals.to is not None  # noqa: S101 - asked by the caller
        text = self.folder.originals.to.render({"original": facts}, []).text
        return self.configuration.path.parent / text

    def _record(self, path: Path, row: Entry) -> Mapping[str, Any]:
        """What `NAME.error.json` says of a file that was put aside."""
        archive = self.configuration.archives.get(row.destination)
        ended = datetime.fromtimestamp(row.finished_at or self.now(), UTC)
        return {
            "source": storable(str(path)),
            "destination": archive.destination.url if archive else row.destination,
            "status": "failed" if row.state is State.REFUSED else row.state.value,
            "reason": row.reason,
            "text": row.text,
            "attempts": row.attempts,
            "time": ended.isoformat(timespec="seconds"),
            "sop_instance_uid": row.identity.instance if row.identity else None,
        }


def _as_name(text: str) -> str:
    """The text as one name of a folder."""
    safe = "".join("_" if each in '/\\:*?"<>|' or not each.isprintable() else each for each in text)
    return safe.strip(". ")


def _where(path: Path | None) -> str:
    return os.fspath(path) if path else "gone"
