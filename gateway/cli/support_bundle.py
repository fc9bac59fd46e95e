"""`gateway support-bundle`: what helps others to find a fault, without patients and without secrets.

What goes in is chosen one by one; nothing is copied and then cleaned. Texts, names, paths and attributes
in the ledger may name patients, and stay out whole.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import options as shared
from gateway.errors import Fatal, Pause, Reject, Retry
from gateway.ledger import Ledger, State
from gateway.version import __version__

if TYPE_CHECKING:
    from gateway.documents import Model
    from gateway.nodes import Node

EVENTS = 5000
"""The last events that go in."""
MASKED = "(masked)"
SAFE_TEXTS = frozenset(State)
"""Events whose text is a reason, a short name that the gateway or the archive gives."""
FREE_VALUES = frozenset({"headers", "variables"})
"""Tables of names that people choose, and of values that may be keys to something."""
FREE_NAMES = FREE_VALUES | {"destinations"}
"""Tables whose keys are names that people choose."""
SECRET = FREE_VALUES | {"auth", "basic", "bearer", "command", "token_command", "webhook"}
"""Keys below which a text may be a secret, or have one in it, or was written where only its place belongs."""


@click.command(
    "support-bundle", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option(
    "--config",
    "configuration",
    metavar="CONFIG",
    type=shared.FILE,
    required=True,
    envvar="GATEWAY_CONFIG",
    help="The configuration that is in question.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE.zip",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write the bundle.",
)
@click.option(
    "--with-mappings",
    is_flag=True,
    help="Pack the mappings too; look through them for patients before you give them away.",
)
def command(configuration: Path, out: Path, with_mappings: bool) -> int:
    """Packs the configuration, versions, states and events into a ZIP file, without secrets and patients."""
    parts = dict(_parts(configuration, with_mappings))
    _write(out, parts)
    click.echo(f"{out}: {', '.join(parts)}")
    click.echo(
        "It has no names, paths or values of files in it, and no secrets. Look through it all the same."
    )
    return 0


def _parts(path: Path, with_mappings: bool) -> Iterator[tuple[str, str]]:
    """The files of the bundle: names and texts."""
    from gateway.intake.configuration import outline

    yield "configuration.yaml", _configuration(path)
    yield "faults.txt", "".join(f"{place}\n" for place in _faults(path))
    yield "versions.json", _json(_versions())
    yield "mappings.json", _json(_mappings(path))
    if with_mappings:
        yield from _mapping_files(path)
    try:
        found = outline(path)
    except Fatal:
        return
    yield "disks.json", _json(dict(_disks({"ledger": found.ledger.parent, **found.folders})))
    yield from _of_ledger(found.ledger)


# The configuration


def _configuration(path: Path) -> str:
    """The configuration as it was read, without comments and secrets; empty where it cannot be read."""
    import yaml

    from gateway import nodes
    from gateway.intake.configuration import ConfigurationModel

    try:
        node = nodes.read(path, path.name, [])
    except Reject:
        return ""
    shown = _masked(node, _keys(ConfigurationModel)) if node else None
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)


def _keys(model: type[Model]) -> frozenset[str]:
    """All keys that a configuration may have, wherever they are."""
    from gateway import documents

    schema = documents.schema(model)
    tables = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for table in tables for name in table.get("properties", {}))


def _masked(node: Node, keys: frozenset[str], key: str = "") -> Any:
    """A node as plain values; what may be a secret, or stands where nobody expects it, is masked."""
    from gateway.nodes import Listing, Table
    from gateway.stow.address import without_secrets

    if isinstance(node, Listing):
        return [_masked(each, keys, key) for each in node.items]
    if isinstance(node, Table):
        return {
            name.text or "": _masked(value, keys, key if key in FREE_VALUES else name.text or "")
            if name.text in keys or key in FREE_NAMES
            else MASKED
            for name, value in node.entries
        }
    if node.text is None:
        return None
    if key in SECRET:
        return MASKED
    return without_secrets(node.text) if key == "url" else node.text


def _faults(path: Path) -> Iterator[str]:
    """Where the configuration is faulty; what is wrong there may quote a secret."""
    from gateway.intake.configuration import load

    try:
        load(path)
    except Fatal as error:
        yield from (line.split(": ", 1)[0] for line in str(error).splitlines())


def _mappings(path: Path) -> list[dict[str, Any]]:
    return [{"file": str(each), "bytes": each.stat().st_size} for each in _files_of_mappings(path)]


def _mapping_files(path: Path) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(_files_of_mappings(path), 1):
        yield f"mappings/{number}-{each.name}", each.read_text("utf-8", "replace")


def _files_of_mappings(path: Path) -> list[Path]:
    """The mappings of all folders, with those that they extend; none where the configuration is faulty."""
    from gateway.intake.configuration import load
    from gateway.mapping import language

    try:
        names = [name for folder in load(path).folders for name in folder.mappings]
        return list(dict.fromkeys(file for name in names for file in language.load(name).files))
    except Fatal:
        return []


# The machine


def _versions() -> dict[str, Any]:
    packages = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    return {
        "gateway": __version__,
        "made": _time(time.time()),
        "python": sys.version,
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }


def _disks(places: Mapping[str, Path]) -> Iterator[tuple[str, Any]]:
    """What is free where things are kept, and on what sort of file system."""
    from gateway.mounts import mount_of

    for name, place in places.items():
        mount = mount_of(place)
        found: dict[str, Any] = {"there": place.is_dir(), "type": mount.type if mount else None}
        try:
            usage = shutil.disk_usage(place)
        except OSError as error:
            found["error"] = error.strerror
        else:
            found |= {"total": usage.total, "free": usage.free}
        yield name, found


# The ledger


def _of_ledger(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        yield "ledger.json", _json({"there": False})
        return
    try:
        with Ledger.open(path, read_only=True) as ledger:
            yield "ledger.json", _json(_facts(path, ledger))
            yield "events.ndjson", "".join(_events(ledger))
    except (Fatal, Pause, Retry) as error:
        yield "ledger-error.txt", f"{type(error).__name__}\n"


def _facts(path: Path, ledger: Ledger) -> dict[str, Any]:
    """States, reasons and owners, in numbers."""
    reports = ledger.reports
    log = path.with_name(f"{path.name}-wal")
    return {
        "there": True,
        "bytes": path.stat().st_size,
        "log_bytes": log.stat().st_size if log.exists() else 0,
        "counts": [asdict(each) for each in reports.counts()],
        "oldest": [{**asdict(each), "since": _time(each.since)} for each in reports.oldest()],
        "reasons": {state.value: reports.reasons(state) for state in State},
        "outcomes": [asdict(each) for each in reports.outcomes()],
        "owners": [
            {
                **asdict(each),
                "joined": _time(each.joined),
                "beat": _time(each.beat),
                "gone_at": _time(each.gone_at),
            }
            for each in ledger.claims.owners(gone=True)
        ],
    }


def _events(ledger: Ledger) -> Iterator[str]:
    for event in ledger.reports.events(after=max(0, _last_event(ledger) - EVENTS), limit=EVENTS):
        text = event.text if event.what in SAFE_TEXTS else None
        record = {
            "id": event.id,
            "time": _time(event.at),
            "what": event.what,
            "file": event.file,
            "text": text,
        }
        yield json.dumps(record) + "\n"


def _last_event(ledger: Ledger) -> int:
    """The number of the last event: numbers only grow, so it is found by halving."""
    low, high = 0, 1
    while ledger.reports.events(after=high, limit=1):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if ledger.reports.events(after=middle, limit=1) else (low, middle)
    return high


# Writing


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _time(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds is not None else None


def _write(out: Path, parts: Mapping[str, str]) -> None:
    """Writes the bundle; it is there whole or not at all."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as bundle:
            part.chmod(0o600)
            for name, text in parts.items():
                bundle.writestr(name, text.encode("utf-8", "backslashreplace"))
        part.replace(out)
    except OSError as error:
        raise Fatal(f"{out} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
