"""Originals that were moved away, put back into their folder to be tried again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.errors import Retry
from gateway.intake.originals import ERROR, move
from gateway.intake.putaway import STAYS
from gateway.ledger import Entry, Ledger
from gateway.ledger.records import Detail
from gateway.stream import FileStamp


def whereabouts(detail: Detail) -> str | None:
    """Where the original of a file was moved to, or what else became of it; None where it stayed."""
    said = [event.text for event in detail.events if event.what == "original"]
    return said[-1] if said and said[-1] != STAYS else None


def put_back(ledger: Ledger, entry: Entry, roots: Mapping[str, Path]) -> str | None:
    """Makes sure that the original of a file lies in its folder again; why it cannot, None if it does.

    `roots` are the folders by name. What lies there already is never touched.
    """
    root = roots.get(entry.folder)
    if root is not None and (root / entry.path).exists():
        return None
    detail = ledger.reports.detail(entry.id)
    where = whereabouts(detail) if detail else None
    if root is None:
        wanted = f"its original is now at {where}: name the configuration of its folder with --config"
        return wanted if where else None
    if where is None or not Path(where).is_absolute():
        return f"its original is not in {root} any more"
    moved = Path(where)
    if not moved.is_file():
        return f"its original was moved to {moved}, and is not there any more"
    try:
        move(moved, root, entry.path, FileStamp.of(moved.stat()))
    except Retry as error:
        return str(error)
    moved.with_name(moved.name + ERROR).unlink(missing_ok=True)
    return None
