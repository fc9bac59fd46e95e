"""What can be found out about a configuration before it runs: places, samples, archives, the clock.

Nothing is sent and nothing stays: what is written is a probe that is removed at once.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from pydicom.uid import UID

from gateway import config, mounts, pipeline
from gateway.config import Destination
from gateway.convert.workshop import Workshop
from gateway.dicom import charsets
from gateway.dicom.identity import identify
from gateway.dispatch import discard
from gateway.errors import Fatal, GatewayError, Hold, Pause, Reject, Retry, Skip, Unfinished
from gateway.intake import groups
from gateway.intake.configuration import Action, Archive, Configuration, Folder
from gateway.intake.folder import HotFolder
from gateway.intake.journal import Journal
from gateway.intake.scan import Entry, Offline
from gateway.ledger import Ledger
from gateway.mapping.select import ALONE
from gateway.mapping.sources.group import Group
from gateway.model import Instance, Source
from gateway.stow.capabilities import Service
from gateway.stow.client import Client

SAMPLES = 20
"""Files of a folder that are tried."""
SKEW = 300.0
"""Seconds by which two clocks may differ."""
TIMEOUT = 20.0
"""Seconds that an archive may take to answer a question."""
LOW = 1_000_000_000
"""Free bytes below which a disk is worth a warning."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in a sentence."""

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level:<8} {self.text}"


OpenClient = Callable[[Destination], Client]


def findings(
    configuration: Configuration,
    *,
    offline: bool = False,
    now: Callable[[], float] = time.time,
    open_client: OpenClient = Client,
) -> Iterator[Finding]:
    """All that there is to say of a configuration whose YAML is right.

    `offline` leaves the archives out. `now` gives seconds since 1970.
    """
    yield _ledger(configuration)
    for folder in configuration.folders:
        yield from _folder(folder)
    yield from _places(configuration)
    for folder in configuration.folders:
        yield from _samples(folder, configuration, now)
    for archive in configuration.archives.values():
        yield from _archive(archive, configuration.folders, offline, now, open_client)


# Places


def _ledger(configuration: Configuration) -> Finding:
    path = configuration.ledger
    what = f"the ledger {path}"
    namespace = configuration.uid_namespace
    try:
        if path.exists():
            with Ledger.open(
                path,
                read_only=True,
                uid_namespace=config.uid_namespace(namespace).value if namespace else None,
            ) as ledger:
                files = sum(each.files for each in ledger.reports.counts())
            state = f"{files} files in it" if files != 1 else "one file in it"
        else:
            state = "new"
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".stow-gateway-") as folder:
                Ledger.open(Path(folder) / "probe").close()
    except (Fatal, Pause, Retry) as error:
        return Finding(Level.FAULT, str(error))
    except OSError as error:
        return Finding(
            Level.FAULT, f"{what} cannot be made: {error.strerror}. Make its folder, or mend ledger"
        )
    if (why := _unwritable(path.parent)) is not None:
        return Finding(Level.FAULT, f"{what} cannot be written: {why}")
    return _roomy(f"{what}: {state}, on a local disk ({_mounted(path.parent)})", path.parent)


def _folder(folder: Folder) -> Iterator[Finding]:
    """Whether a hot folder is there, and what may be done in it."""
    what = f"the folder {folder.path}"
    if not folder.path.is_dir():
        problem = "is not a folder" if folder.path.exists() else "is not there: make it, or mend path"
        yield Finding(Level.FAULT, f"{what} {problem}")
        return
    try:
        with os.scandir(folder.path) as found:
            next(found, None)
    except OSError as error:
        yield Finding(Level.FAULT, f"{what} cannot be read: {error.strerror}")
        return
    yield Finding(Level.OK, f"{what}: on {_mounted(folder.path)}, {_wakes(folder)}")
    if (why := _unwritable(folder.path)) is not None:
        keeps = folder.originals.action is Action.KEEP
        files = "rejected files" if keeps else "files"
        level = Level.WARNING if keeps else Level.FAULT
        yield Finding(level, f"{what} cannot be written, so {files} cannot be taken out of it: {why}")


def _wakes(folder: Folder) -> str:
    """What makes a scan begin."""
    seconds = f"scanned every {folder.scan.total_seconds():g} s"
    mount = mounts.mount_of(folder.path)
    if not folder.events:
        return f"{seconds}, events are off"
    if mount and mount.remote:
        return f"{seconds}, since events do not come from {mount.type}"
    if find_spec("watchfiles") is None:
        return f"{seconds}; with watchfiles installed, events would make that faster"
    return f"{seconds}, and when something happens in it"


def _places(configuration: Configuration) -> Iterator[Finding]:
    """Whether there is room, and permission, where files are moved to and converted."""
    base = configuration.path.parent
    wanted: dict[Path, str] = {}
    for folder in configuration.folders:
        wanted.setdefault(folder.rejected, "the place for rejected files")
        if (moved := folder.originals.root(base)) is not None:
            wanted.setdefault(moved, "the place for stored originals")
    wanted.setdefault(configuration.tmp_dir or Path(tempfile.gettempdir()), "the place for converted files")
    for place, what in wanted.items():
        there = next(each for each in (place, *place.parents) if each.exists())
        if (why := _unwritable(there)) is not None:
            yield Finding(Level.FAULT, f"{what}, {place}, cannot be written: {why}")
        else:
            yield _roomy(f"{what}: {place}{'' if there == place else ', made when it is needed'}", there)


def _unwritable(folder: Path) -> str | None:
    """Why no file can be made in a folder, and removed from it; None where that works."""
    probe = folder / f".stow-gateway-{uuid.uuid4().hex}.probe"  # a name that no scan looks at
    try:
        probe.write_bytes(b"probe")
        probe.unlink()
    except OSError as error:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        return f"{(error.strerror or str(error)).lower()}. Mend its permissions, or name another"
    return None


def _roomy(text: str, place: Path) -> Finding:
    """A finding about a place that is well, with what is free there."""
    free = shutil.disk_usage(place).free
    level = Level.OK if free >= LOW else Level.WARNING
    return Finding(level, f"{text}, {free / 1e9:.1f} GB free")


def _mounted(place: Path) -> str:
    mount = mounts.mount_of(place)
    return mount.type if mount else "an unknown file system"


# Samples


def _samples(folder: Folder, configuration: Configuration, now: Callable[[], float]) -> Iterator[Finding]:
    """What would become of some files that lie in a folder."""
    with Ledger.open(None) as ledger:
        try:
            hot = HotFolder(folder, configuration, ledger, Journal(now, io.StringIO()), time.monotonic, now)
        except Fatal as error:
            yield Finding(Level.FAULT, str(error))
            return
        try:
            found = [each for each in hot.root.scan() if _is_sample(hot, each)]
        except Offline:  # said already
            return
        for place, why in hot.root.skipped.items():
            yield Finding(Level.WARNING, f"{folder.path}/{place}: {why}, so what is in it is never seen")
        if not found:
            yield Finding(Level.OK, f"{folder.path} has no files to try the mapping on")
            return
        together = _together(hot, found)
        with Workshop(configuration.tmp_dir) as shop:
            for entry in islice(found, SAMPLES):
                group = together.get(hot.inbox.key_of(entry.relative), ALONE)
                yield _tried(hot, entry, group, configuration.archives, shop)
        if len(found) > SAMPLES:
            yield Finding(
                Level.OK, f"{folder.path} has {len(found) - SAMPLES} more files, which were not tried"
            )


def _is_sample(hot: HotFolder, entry: Entry) -> bool:
    """Whether a file is one to be sent, and not one that tells of others."""
    return (
        entry.stamp.size > 0
        and not hot.is_companion(entry)
        and not groups.is_done_file(entry.relative, hot.folder.group)
    )


def _together(hot: HotFolder, found: Iterable[Entry]) -> Mapping[str, Group]:
    """The files that came together, by the key of their group; none where files come one by one."""
    names: dict[str, list[str]] = {}
    for entry in found if hot.inbox.grouped else ():
        names.setdefault(hot.inbox.key_of(entry.relative), []).append(entry.relative.rpartition("/")[2])
    return {key: Group(names=tuple(each)) for key, each in names.items()}


def _tried(
    hot: HotFolder, entry: Entry, group: Group, archives: Mapping[str, Archive], shop: Workshop
) -> Finding:
    """What would become of a file."""
    source = Source(hot.folder.path / entry.relative, hot.folder.path)
    try:
        text = _rendered(hot, source, group, archives, shop)
    except (Reject, Hold, Skip, Retry) as error:
        why = str(error).replace(f"{source.shown}: ", "").replace(f"{source.shown} ", "it ")
        return Finding(Level.WARNING, f"{source.shown} {_words(error)}: {' '.join(why.split())}")
    return Finding(Level.OK, f"{source.shown} {text}")


def _words(error: GatewayError) -> str:
    if isinstance(error, Hold):
        return f"would be held ({error.reason})"
    if isinstance(error, Unfinished):
        return "is not complete, and would be waited for"
    if isinstance(error, Skip):
        return "would be passed over"
    return "would be tried again" if isinstance(error, Retry) else "would be rejected"


def _rendered(
    hot: HotFolder, source: Source, group: Group, archives: Mapping[str, Archive], shop: Workshop
) -> str:
    """Makes the object of a file; in words where it would go, and as what."""
    work = hot.inbox.work
    candidate = pipeline.examine(pipeline.look(source, work), work, group)
    if not candidate.destinations:
        raise Skip(f"{source.shown}: no destination is for it")
    [identity] = identify([candidate.claim], work.namespace) if candidate.claim else [None]
    instance = pipeline.construct(candidate, identity, {}, work, shop)
    try:
        for name in candidate.destinations:
            _recoded(instance, archives[name].charset)
    finally:
        discard([instance])
    to = ", ".join(candidate.destinations)
    said = "".join(f"; {message}" for message in instance.messages)
    return f"would be sent to {to} as {UID(instance.sop_class_uid).name}{said}"


def _recoded(instance: Instance, charset: str | None) -> None:
    """Raises `Hold` where the destination's character set cannot carry the object's text."""
    if charset and instance.part10 is None:
        charsets.recode(instance, charset)


# Archives


def _archive(
    archive: Archive,
    folders: Iterable[Folder],
    offline: bool,
    now: Callable[[], float],
    open_client: OpenClient,
) -> Iterator[Finding]:
    """Whether an archive answers, lets us in and takes the form that is meant for it."""
    users = [each for each in folders if any(route.destination == archive.name for route in each.to)]
    if not users:
        yield Finding(Level.WARNING, f"no folder sends to {archive.name} of its own; a mapping may")
    destinations = dict.fromkeys(archive.destination_for(each.site) for each in users)
    for destination in destinations or {archive.destination: None}:
        if offline:
            yield Finding(Level.OK, f"{archive.name} at {destination.url} was not asked, as --offline says")
            continue
        patient = replace(destination, timeout=min(destination.timeout, TIMEOUT), retry_for=0.0)
        try:
            with open_client(patient) as client:
                service = client.probe()
        except (Fatal, Pause, Retry) as error:
            yield Finding(Level.FAULT, f"{archive.name}: {error}")
        else:
            yield _serves(archive, service)
            yield from _clock(archive, service, now)


def _serves(archive: Archive, service: Service) -> Finding:
    form = archive.destination.form
    if service.forms is not None and form not in service.forms:
        known = ", ".join(sorted(service.forms))
        text = f"it says that it takes {known}, and form is {form}"
        return Finding(Level.WARNING, f"{archive.name} at {service.url} answers, but {text}")
    if service.trouble:
        return Finding(Level.WARNING, f"{archive.name} at {service.url} answers, but {service.trouble}")
    takes = ", ".join(sorted(service.forms)) if service.forms else "it does not say which forms it takes"
    said = f"takes {takes}" if service.forms else takes
    return Finding(Level.OK, f"{archive.name} at {service.url} lets us in; {said}; {form} is sent")


def _clock(archive: Archive, service: Service, now: Callable[[], float]) -> Iterator[Finding]:
    if service.date is None:
        return
    ahead = (service.date - datetime.fromtimestamp(now(), UTC)).total_seconds()
    if abs(ahead) > SKEW:
        minutes, way = round(abs(ahead) / 60), "ahead of" if ahead > 0 else "behind"
        text = f"the clock of {archive.name} is {minutes} minutes {way} ours: set whichever is wrong"
        yield Finding(Level.WARNING, text)
    else:
        yield Finding(Level.OK, f"the clock of {archive.name} and ours agree")
