"""What a run tells people and programs: lines of JSON, a table, progress, an exit status."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from gateway.errors import Pause, Unreachable
from gateway.model import Outcome, Status

GOOD = frozenset({Status.STORED, Status.WARNING, Status.DUPLICATE, Status.SKIPPED, Status.RENDERED})
FOR_GOOD = frozenset({Status.FAILED, Status.REJECTED, Status.HELD})
"""Outcomes that another try alone does not change."""

COLOURS = {
    Status.STORED: "green",
    Status.RENDERED: "green",
    Status.WARNING: "yellow",
    Status.DUPLICATE: "cyan",
    Status.SKIPPED: "cyan",
    Status.FAILED: "red",
    Status.REJECTED: "red",
    Status.HELD: "magenta",
    Status.UNKNOWN: "yellow",
    Status.RETRY: "yellow",
}
WIDTH = 120
ROWS = 40
"""Rows of stored files that a table shows; those that need attention are all shown."""


def record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as the object that `--json` prints; keys without a value are null."""
    return {
        "source": str(outcome.source),
        "file": str(outcome.written) if outcome.written else None,
        "sop_instance_uid": outcome.sop_instance_uid,
        "sop_class_uid": outcome.sop_class_uid,
        "series_instance_uid": outcome.series_instance_uid,
        "study_instance_uid": outcome.study_instance_uid,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "text": _text(outcome),
        "retrieve_url": outcome.retrieve_url,
    }


def _text(outcome: Outcome) -> str | None:
    """What there is to say of an outcome, in sentences."""
    sentences = [text.rstrip(".") for text in (outcome.text, *outcome.messages) if text]
    return ". ".join(sentences) + "." if sentences else None


class Tally:
    """Counts outcomes as they come; what a run ends with."""

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.files: set[Path] = set()
        self.size = 0
        self.pause: Pause | None = None
        self._started = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        self.counts[outcome.status] += 1
        self.files.add(outcome.source)
        self.size += outcome.size

    def summary(self) -> dict[str, Any]:
        """The last line of `--json`: totals, and each status that occurred."""
        return {
            "files": len(self.files),
            "instances": sum(self.counts.values()),
            "bytes": self.size,
            "seconds": round(time.monotonic() - self._started, 3),
            **{status.value: self.counts[status] for status in Status if self.counts[status]},
        }

    def words(self) -> str:
        """The counts in words: `3 stored, 1 rejected`."""
        return (
            ", ".join(f"{self.counts[status]} {status}" for status in Status if self.counts[status])
            or "nothing"
        )

    def exit_status(self) -> int:
        """The exit status that the outcomes and a pause ask for; see `gateway.cli.run`."""
        if self.pause and not isinstance(self.pause, Unreachable):
            return 2
        if any(self.counts[status] for status in FOR_GOOD):
            return 3
        return 5 if self.pause or self.counts.total() > sum(self.counts[status] for status in GOOD) else 0


class Report:
    """Shows a run while it happens and when it ends; also the pipeline's observer.

    JSON lines go to standard output as they come; the table for people at the end, so that Ctrl-C ends
    with the table so far; progress and complaints to standard error.
    """

    def __init__(
        self,
        *,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        failed_to: Path | None = None,
        destination: str | None = None,
    ) -> None:
        self.tally = Tally()
        self._destination = destination
        self._as_json = as_json
        self._quiet = quiet
        self._verbose = verbose
        self._failed_to = failed_to
        self._shown: list[Outcome] = []
        self._left_out = 0
        self._progress: Progress | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._as_json:
            click.echo(json.dumps({"summary": self.tally.summary()}))
        elif not self._quiet:
            self._print_table()
        if self.tally.pause:
            click.echo(f"gateway: {self.tally.pause}", err=True)

    def found(self, files: int, size: int) -> None:
        """Begins the progress bar, if a person is watching."""
        if self._quiet or not size or not sys.stderr.isatty():
            return
        self._progress = self._stack.enter_context(
            Progress(
                TextColumn(_files(files)),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
        )
        self._progress.add_task("send", total=size)

    def sent(self, size: int) -> None:
        """Moves the progress bar."""
        if self._progress:
            self._progress.advance(self._progress.task_ids[0], size)

    def paused(self, pause: Pause) -> None:
        """Remembers why the destination takes nothing."""
        self.tally.pause = pause

    def settled(self, outcome: Outcome) -> None:
        """Shows or keeps one outcome."""
        self.tally.add(outcome)
        if self._failed_to and outcome.status in FOR_GOOD:
            outcome = replace(outcome, written=put_aside(outcome, self._failed_to, self._destination))
        if self._as_json:
            click.echo(json.dumps(record(outcome), ensure_ascii=False))
        elif outcome.status in GOOD and len(self._shown) >= ROWS and not self._verbose:
            self._left_out += 1
        else:
            self._shown.append(outcome)

    def _print_table(self) -> None:
        console = console_for_people()
        if self._shown:
            table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
            table.add_column("File", overflow="fold", ratio=2)
            table.add_column("Status", no_wrap=True)
            table.add_column("", overflow="fold", ratio=3)
            for outcome in self._shown:
                table.add_row(
                    Text(printable(str(outcome.source))),
                    Text(outcome.status.value, style=COLOURS[outcome.status]),
                    Text(printable("\n".join(self._lines(outcome)))),
                )
            console.print(table)
        if self._left_out:
            console.print(f"... and {self._left_out} more that are well")
        summary = self.tally.summary()
        console.print(
            f"{_files(summary['files'])}: {self.tally.words()} in {summary['seconds']:.1f} s", style="bold"
        )

    def _lines(self, outcome: Outcome) -> Iterable[str]:
        if outcome.text:  # a sentence about the file need not name it again beside its name
            text = outcome.text.removeprefix(str(outcome.source)).lstrip(": ")
            yield text + (f" ({outcome.reason})" if outcome.reason else "")
        yield from outcome.messages
        if self._verbose and outcome.sop_instance_uid:
            yield f"SOP Instance UID {outcome.sop_instance_uid}"
            yield f"Study Instance UID {outcome.study_instance_uid}"
            if outcome.retrieve_url:
                yield outcome.retrieve_url


def console_for_people() -> Console:
    """Standard output; where it is no terminal, as wide as tables are pleasant to read."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def put_aside(outcome: Outcome, folder: Path, destination: str | None) -> Path | None:
    """Copies a file that failed for good into a folder, with the reason beside it; overwrites nothing.

    The path of the copy, None where the file cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = _free_name(folder, outcome.source.name)
    copy: Path | None = folder / name
    try:
        shutil.copyfile(outcome.source, folder / name)
    except OSError:  # that it cannot be read may be why it failed; the reason is written all the same
        (folder / name).unlink(missing_ok=True)
        copy = None
    error = {
        "source": str(outcome.source.absolute()),
        "destination": destination,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "text": outcome.text,
        "attempts": outcome.attempts,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "sop_instance_uid": outcome.sop_instance_uid,
    }
    (folder / f"{name}.error.json").write_text(
        json.dumps(error, indent=2, ensure_ascii=False) + "\n", "utf-8"
    )
    return copy


def _files(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"


def _free_name(folder: Path, name: str) -> str:
    stem, suffix = Path(name).stem, Path(name).suffix
    number = 1
    while (folder / name).exists() or (folder / f"{name}.error.json").exists():
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def printable(text: str) -> str:
    """The text without what a terminal would take for a command, and with odd bytes of names escaped."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(ch if ch == "\n" or ch.isprintable() else f"\\x{ord(ch):02x}" for ch in text)
