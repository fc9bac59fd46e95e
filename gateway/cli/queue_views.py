"""What `gateway queue` shows: tables and pages for people, records for programs."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydicom.uid import UID
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.report import console_for_people, printable
from gateway.intake.putback import whereabouts
from gateway.ledger.outcomes import differences
from gateway.ledger.records import Count, Detail, Difference, Entry
from gateway.ledger.states import State

COLOURS = {
    State.STORED: "green",
    State.WARNING: "yellow",
    State.DUPLICATE: "cyan",
    State.HELD: "magenta",
    State.REJECTED: "red",
    State.REFUSED: "red",
    State.RETRY: "yellow",
    State.CHANGED: "magenta",
    State.SKIPPED: "dim",
}

Roots = Mapping[str, Path]
"""The folders of the configuration, by name."""


def source_of(entry: Entry, roots: Roots) -> str:
    """The path by which a file came; below its folder's name where the folder is not known."""
    if not entry.path:
        return "(forgotten)"
    root = roots.get(entry.folder)
    return os.fspath(root / entry.path) if root else f"{entry.folder}/{entry.path}"


def sent_as(entry: Entry) -> str | None:
    """The name of the SOP class that a file became."""
    return UID(entry.identity.sop_class).name if entry.identity and entry.identity.sop_class else None


def when(seconds: float | None) -> str | None:
    """A time in this machine's time zone, for people."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


# For programs


def plain(entry: Entry) -> dict[str, Any]:
    """What is known of a file, without what may name a patient."""
    identity, numbers = entry.identity, entry.numbers
    return {
        "id": entry.id,
        "folder": entry.folder,
        "destination": entry.destination,
        "state": entry.state.value,
        "reason": entry.reason,
        "since": _utc(entry.since),
        "seen": _utc(entry.seen_at),
        "finished": _utc(entry.finished_at),
        "due": _utc(entry.due),
        "generation": entry.generation,
        "current": entry.current,
        "revision": entry.revision,
        "attempts": entry.attempts,
        "doubt": entry.doubt,
        "bytes": entry.stamp.size,
        "sent": entry.sent,
        "seconds": entry.seconds,
        "format": entry.format,
        "template": entry.template,
        "digest": entry.digest.hex() if entry.digest else None,
        "study_instance_uid": identity.study if identity else None,
        "series_instance_uid": identity.series if identity else None,
        "sop_instance_uid": identity.instance if identity else None,
        "sop_class_uid": identity.sop_class or None if identity else None,
        "series_number": numbers.series if numbers else None,
        "instance_number": numbers.instance if numbers else None,
        "retrieve_url": entry.retrieve_url,
    }


def named(entry: Entry, roots: Roots) -> dict[str, Any]:
    """What is known of a file, with its path and what was said of it, which may name a patient."""
    return {
        **plain(entry),
        "source": source_of(entry, roots),
        "text": entry.text,
        "assigned": dict(entry.assigned),
        "assigned_study": entry.assigned_study,
    }


def whole(detail: Detail, roots: Roots) -> dict[str, Any]:
    """All that is known of a file."""
    return {
        **named(detail.entry, roots),
        "original": whereabouts(detail),
        "answer": detail.answer,
        "messages": list(detail.messages),
        "attributes": dict(detail.attributes or {}),
        "differences": [
            {"attribute": each.attribute, "stored": each.stored, "wanted": each.wanted}
            for each in different(detail)
        ],
        "depends": list(detail.depends),
        "events": [
            {"time": _utc(each.at), "who": each.who, "what": each.what, "text": each.text}
            for each in detail.events
        ],
    }


def json_line(value: Any) -> str:
    """A JSON value on one line; odd bytes of names are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def print_json(value: Any) -> None:
    """Prints a JSON value on one line."""
    click.echo(json_line(value), nl=False)


def _utc(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds is not None else None


# What follows from what is kept


def different(detail: Detail) -> tuple[Difference, ...]:
    """How a changed file would be different from what is stored."""
    if detail.wanted is None:
        return ()
    return differences(detail.attributes or {}, detail.wanted)


# For people


def print_counts(counts: Sequence[Count], reasons: Mapping[State, Mapping[str, int]]) -> None:
    """How many files are in which state, by folder and destination; and why those that wait do."""
    console = console_for_people()
    if not counts:
        console.print("no file was ever seen")
        return
    states = [state for state in State if any(each.state is state for each in counts)]
    rows: dict[tuple[str, str], dict[State, int]] = defaultdict(dict)
    for each in counts:
        rows[each.folder, each.destination][each.state] = each.files
    table = _table("Folder", "To", *(f"{state}" for state in states))
    for (folder, destination), files in rows.items():
        cells = [_text(f"{files[state]:,}" if state in files else "", state) for state in states]
        table.add_row(_text(folder), _text(destination), *cells)
    console.print(table)
    for state, by_reason in reasons.items():
        said = ", ".join(f"{count:,} {reason or 'without a reason'}" for reason, count in by_reason.items())
        if said:
            console.print(_text(f"{state}: {said}"))


def print_files(entries: Iterable[Entry], roots: Roots) -> None:
    """A row a file."""
    table = _table("Id", "File", "State", "")
    for each in entries:
        table.add_row(
            _text(str(each.id)),
            _text(source_of(each, roots)),
            _text(each.state.value, each.state),
            _text(_why(each)),
        )
    if table.row_count:
        console_for_people().print(table)


def print_found(detail: Detail, roots: Roots) -> None:
    """Where the picture is: what a person asks for who misses one."""
    _print(_grid(detail, roots), detail.entry, roots)


def print_whole(detail: Detail, roots: Roots) -> None:
    """All that is known of a file."""
    entry = detail.entry
    grid = _grid(detail, roots)
    _add(grid, "file", f"{entry.stamp.size:,} bytes, {entry.format or 'format not known yet'}")
    _add(grid, "template", entry.template)
    _add(grid, "digest", f"BLAKE3 {entry.digest.hex()}" if entry.digest else None)
    _add(grid, "seen", when(entry.seen_at))
    _add(grid, "finished", when(entry.finished_at))
    _add(grid, "next try", when(entry.due))
    _add(grid, "attempts", str(entry.attempts))
    _add(grid, "sent", f"{entry.sent:,} bytes" if entry.sent else None)
    _add(grid, "revision", str(entry.revision) if entry.revision else None)
    _add(grid, "version", f"{entry.generation}{'' if entry.current else ', replaced by a later one'}")
    _add(grid, "crashes", f"{entry.crashes} while it was worked on" if entry.crashes else None)
    _add(grid, "doubt", "it may have been stored: it is looked up first" if entry.doubt else None)
    for name, value in entry.assigned.items():
        _add(grid, "assigned", f"{name} = {value}")
    _add(grid, "assigned", f"study {entry.assigned_study}" if entry.assigned_study else None)
    for path in detail.depends:
        _add(grid, "depends on", path)
    _print(grid, entry, roots)
    print_differences(detail)
    _print_pairs("Attribute", "Value", (detail.attributes or {}).items())
    _print_pairs("When", "What", ((when(each.at) or "", _event(each)) for each in detail.events))


def print_differences(detail: Detail) -> None:
    """What of a stored file would now be different."""
    found = different(detail)
    if not found:
        return
    table = _table("Attribute", "Stored", "Would be now")
    for each in found:
        table.add_row(*(_text(_or_absent(text)) for text in (each.attribute, each.stored, each.wanted)))
    console_for_people().print(table)
    console_for_people().print()


def _grid(detail: Detail, roots: Roots) -> Table:
    """What everybody asks of a file: where from, how far, what as, what the archive says."""
    entry = detail.entry
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    _add(grid, "source", source_of(entry, roots))
    now = whereabouts(detail)
    _add(grid, "", f"now {now}" if now else None)
    grid.add_row("state", Text.assemble(_text(entry.state.value, entry.state), f" since {when(entry.since)}"))
    _add(grid, "to", entry.destination)
    _add(grid, "from", f"{entry.folder}, file {entry.id}")
    _add(grid, "reason", entry.reason)
    _add(grid, "", entry.text)
    _add_identity(grid, entry)
    _add(grid, "archive", detail.answer if detail.answer != entry.text else None)
    for message in detail.messages:
        _add(grid, "remark", message)
    _add(grid, "link", entry.retrieve_url)
    return grid


def _add_identity(grid: Table, entry: Entry) -> None:
    if entry.identity is None:
        return
    numbers = entry.numbers
    series = f", series {numbers.series}, instance {numbers.instance}" if numbers else ""
    _add(grid, "sent as", f"{sent_as(entry) or 'an object'}{series}")
    _add(grid, "study", entry.identity.study)
    _add(grid, "series", entry.identity.series)
    _add(grid, "instance", entry.identity.instance)


def _add(grid: Table, name: str, value: str | None) -> None:
    if value:
        grid.add_row(name, _text(value))


def _print(grid: Table, entry: Entry, roots: Roots) -> None:
    console: Console = console_for_people()
    console.print(_text(Path(source_of(entry, roots)).name or f"file {entry.id}", bold=True))
    console.print(grid)
    console.print()


def _print_pairs(first: str, second: str, pairs: Iterable[tuple[str, str]]) -> None:
    table = _table(first, second)
    for one, other in pairs:
        table.add_row(_text(one), _text(other))
    if table.row_count:
        console_for_people().print(table)
        console_for_people().print()


def _event(event: Any) -> str:
    return f"{event.what} ({event.who}){f': {event.text}' if event.text else ''}"


def _why(entry: Entry) -> str:
    reason = f" ({entry.reason})" if entry.reason else ""
    return f"{entry.text or ''}{reason}".strip()


def _or_absent(text: str | None) -> str:
    return "(absent)" if text is None else text


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _text(text: str, state: State | None = None, *, bold: bool = False) -> Text:
    style = COLOURS.get(state, "") if state else ""
    return Text(printable(text), style="bold" if bold else style)
