"""What became of every file of an import: lists for programs, figures, and a page for people.

    stored.ndjson       the archive has it, with a remark where there is one
    duplicate.ndjson    the same object as another file, or there already
    held.ndjson         a person must settle a doubt
    rejected.ndjson     it cannot be stored, or the archive refused it
    skipped.ndjson      not meant to be stored
    retry.ndjson        left for the next run
    summary.json        how many of each; the sum is the number of files; and what was left out on the disk
    report.html         the same as a page

Each file of the import stands in exactly one list, in one line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from gateway.errors import Fatal
from gateway.intake.batch import disk
from gateway.intake.batch.disk import Disk
from gateway.intake.batch.figures import Figures
from gateway.ledger import Entry, Ledger, Query, State

LISTS: Mapping[State, str] = {
    State.STORED: "stored",
    State.WARNING: "stored",
    State.CHANGED: "stored",
    State.DUPLICATE: "duplicate",
    State.HELD: "held",
    State.REJECTED: "rejected",
    State.REFUSED: "rejected",
    State.SKIPPED: "skipped",
    State.RETRY: "retry",
    State.SEEN: "retry",
    State.SETTLING: "retry",
    State.READY: "retry",
    State.CLAIMED: "retry",
}
"""The list in which a file stands."""

NAMES = ("stored", "duplicate", "held", "rejected", "skipped", "retry")

STATUS: Mapping[State, str] = {
    State.REFUSED: "failed",
    State.SEEN: "left",
    State.SETTLING: "left",
    State.READY: "left",
    State.CLAIMED: "left",
}
"""What states are called in lists and summaries, where that is not their own name."""

AFTERWARDS = ("held", "rejected", "failed")
"""What a person must look at: exit status 3."""

LATER = ("retry", "left")
"""What the next run may do: exit status 5."""


@dataclass(slots=True)
class Summary:
    """How many files there are, and how many with each outcome.

    `size` is bytes, `disk` what the last scan found and left out; None where nothing was scanned.
    """

    counts: dict[str, int] = field(default_factory=dict)
    size: int = 0
    disk: Disk | None = None

    @property
    def files(self) -> int:
        """All files: the sum of all outcomes."""
        return sum(self.counts.values())

    def facts(self) -> dict[str, Any]:
        """For programs: `{"files": n, "stored": n, ...}`."""
        found = {"disk": self.disk.facts()} if self.disk else {}
        return {"files": self.files, "bytes": self.size, **self.counts, **found}

    @property
    def left(self) -> int:
        """Files that the next run may store."""
        return sum(self.counts.get(name, 0) for name in LATER)

    def words(self) -> str:
        """The counts in words: `3 stored, 1 rejected`."""
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items()) or "nothing"

    def exit_status(self) -> int:
        """3 when something was held, rejected or refused; 5 when something is left or not found; else 0."""
        if any(self.counts.get(name) for name in AFTERWARDS):
            return 3
        return 5 if self.left or (self.disk and not self.disk.ended) else 0


def status_of(state: State) -> str:
    """What a state is called in lists and summaries."""
    return STATUS.get(state, state.value)


def summary(ledger: Ledger, name: str | None = None) -> Summary:
    """The outcomes of an import, or of all in a ledger; takes no longer with more files."""
    found = Summary(disk=disk.kept(ledger, name))
    for each in ledger.reports.counts():
        if name is None or each.folder == name:
            status = status_of(each.state)
            found.counts[status] = found.counts.get(status, 0) + each.files
            found.size += each.size
    found.counts = {status: found.counts[status] for status in _ORDER if status in found.counts}
    return found


_ORDER = tuple(dict.fromkeys(status_of(state) for state in LISTS))


def record(entry: Entry) -> dict[str, Any]:
    """The line of a file; keys without a value are null."""
    identity = entry.identity
    return {
        "file": _shown(entry.path),
        "source": _shown(os.path.join(entry.folder, entry.path)),  # noqa: PTH118 - a name need not be a path
        "bytes": entry.stamp.size,
        "format": entry.format,
        "status": status_of(entry.state),
        "reason": entry.reason,
        "text": entry.text,
        "sop_instance_uid": identity.instance if identity else None,
        "sop_class_uid": (identity.sop_class or None) if identity else None,
        "series_instance_uid": identity.series if identity else None,
        "study_instance_uid": identity.study if identity else None,
        "retrieve_url": entry.retrieve_url,
        "attempts": entry.attempts,
        "digest": f"blake3:{entry.digest.hex()}" if entry.digest else None,
        "time": _time(entry.finished_at),
    }


def write(ledger: Ledger, folder: Path, name: str | None = None) -> Summary:
    """Writes all of the report into a folder, over what an earlier one wrote there.

    Raises `Fatal` when that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(ledger, folder, name)
    except OSError as error:
        raise Fatal(
            f"the report cannot be written to {error.filename or folder}: {error.strerror or error}"
        ) from error


def _write(ledger: Ledger, folder: Path, name: str | None) -> Summary:
    from gateway.intake.batch import page

    found, figures = Summary(disk=disk.kept(ledger, name)), Figures()
    with ExitStack() as stack:
        lists = {each: stack.enter_context(_list(folder / f"{each}.ndjson")) for each in NAMES}
        for entry in ledger.reports.every(Query(folder=name)):
            status = status_of(entry.state)
            found.counts[status] = found.counts.get(status, 0) + 1
            found.size += entry.stamp.size
            figures.add(entry, status)
            lists[LISTS[entry.state]].write(json.dumps(record(entry), ensure_ascii=False) + "\n")
    found.counts = {status: found.counts[status] for status in _ORDER if status in found.counts}
    with _list(folder / "summary.json") as file:
        file.write(json.dumps(found.facts(), indent=2) + "\n")
    with _list(folder / "report.html") as file:
        file.writelines(page.written(found, figures, made=datetime.fromtimestamp(ledger.files.now(), UTC)))
    return found


class _Replaced:
    """A file that takes the place of an earlier one once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._file: IO[str] = self._part.open("w", encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> IO[str]:
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._file.close()
        if error is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def written_to(path: Path, text: Iterable[str]) -> None:
    """Writes a file whole. Raises `Fatal` when that cannot be done."""
    try:
        with _list(path) as file:
            file.writelines(text)
    except OSError as error:
        raise Fatal(f"{path} cannot be written: {error.strerror or error}") from error


def _list(path: Path) -> _Replaced:
    return _Replaced(path)


def _shown(path: str) -> str:
    """A path with undecodable bytes as escapes."""
    return path.encode("utf-8", "backslashreplace").decode()


def _time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
