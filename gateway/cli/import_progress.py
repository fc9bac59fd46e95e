"""What an import tells people and programs while it runs and when it ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gateway.cli.report import printable
from gateway.intake.batch.page import amount, span

if TYPE_CHECKING:
    from gateway.intake.batch.meter import Progress as Far
    from gateway.intake.batch.report import Summary
    from gateway.intake.batch.run import Ended
    from gateway.intake.batch.verify import Difference

EVERY = 5.0
"""Seconds between two lines of progress, where nobody watches a bar."""

NOTES = {
    "paused": "the archive takes nothing for now: {why}",
    "resumed": "the archive takes files again",
    "ledger-paused": "nothing can be recorded for now: {why}",
    "defect": "internal error ({error}) in {where}: please report it",
}


class Screen:
    """Progress on standard error: a bar on a terminal, else a line of JSON every few seconds. The result is
    on standard output, as words or as JSON."""

    def __init__(
        self,
        *,
        as_json: bool,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._clock = clock
        self._now = now
        self._told_at = clock()
        self._bar: Progress | None = None

    def __enter__(self) -> Screen:
        if sys.stderr.isatty() and not self._quiet:
            self._bar = Progress(
                TextColumn("{task.fields[files]} files"),
                BarColumn(),
                TextColumn("{task.fields[words]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._bar.add_task("import", total=None, files="0", words="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    # On the way

    def scanned(self, files: int) -> None:
        """How many files a scan has found so far."""
        self._line({"event": "scanning", "files": files})

    def planned(self, files: int) -> None:
        """How many files a plan has looked at so far."""
        self._line({"event": "planning", "files": files})

    def verified(self, objects: int) -> None:
        """How many objects were read back so far."""
        self._line({"event": "verifying", "objects": objects})

    def differs(self, difference: Difference) -> None:
        """Something that the archive has otherwise."""
        click.echo(
            json.dumps(difference.facts(), ensure_ascii=False)
            if self._as_json
            else printable(difference.words())
        )

    def progress(self, far: Far) -> None:
        """How far a run is."""
        if self._bar:
            self._bar.update(
                self._bar.task_ids[0],
                total=max(far.of, 1),
                completed=far.files,
                files=f"{far.files:,}/{far.of:,}",
                words=_words(far),
            )
        else:
            self._line({"event": "progress", **far.facts()})

    def note(self, what: str, facts: dict[str, Any]) -> None:
        """What goes wrong with the archive or the ledger, and when it is well again."""
        if sys.stderr.isatty():
            text = NOTES.get(what, what).format_map({"why": "", "error": "", "where": "", **facts})
            (self._bar.console.print if self._bar else click.echo)(f"gateway: {printable(text)}")
        else:
            self._write({"event": what, **facts})

    def complain(self, text: str) -> None:
        """Something that a person should know."""
        click.echo(f"gateway: {printable(text)}", err=True)

    # At the end

    def said(self, what: str, facts: dict[str, Any], words: str) -> None:
        """The result of a step."""
        if self._as_json:
            click.echo(json.dumps({what: facts}, ensure_ascii=False))
        elif not self._quiet:
            click.echo(printable(words))

    def ended(self, ended: Ended, found: Summary) -> None:
        """The end of a run: what it did, and how all files stand."""
        far = ended.progress
        facts = {**found.facts(), "why": ended.why.value, "run": far.facts()}
        words = f"{found.files:,} files: {found.words()}"
        words += f"; {far.files:,} of them in this run, in {span(far.seconds)}"
        self.said("summary", facts, _with_disk(words, found))
        if ended.text and ended.why.value == "max-errors":
            self.complain(ended.text)

    def summary(self, found: Summary) -> None:
        """How all files stand."""
        self.said("summary", found.facts(), _with_disk(f"{found.files:,} files: {found.words()}", found))

    def _line(self, facts: dict[str, Any]) -> None:
        """A line of JSON, unless there was one just now."""
        now = self._clock()
        if not self._quiet and not sys.stderr.isatty() and now - self._told_at >= EVERY:
            self._told_at = now
            self._write(facts)

    def _write(self, facts: dict[str, Any]) -> None:
        if not self._quiet:
            time_of_day = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
            click.echo(json.dumps({"time": time_of_day, **facts}, ensure_ascii=False, default=str), err=True)


def _with_disk(words: str, found: Summary) -> str:
    return f"{words}\n{found.disk.words()}" if found.disk else words


def _words(far: Far) -> str:
    """Rate, bytes and what is left, as a bar shows them."""
    if far.waiting:
        return f"waiting: {printable(far.waiting)}"
    left = far.seconds_left
    rest = f"{span(left)} left" if left is not None else ""
    return f"{far.file_rate:.0f}/s  {amount(far.size)}  {amount(far.byte_rate)}/s  {rest}"
