"""What becomes of a folder: stored in the embedded archive, and rendered for others to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from doors import gateway, stow
from gateway.archive.server import running
from support import dciodvfy


@dataclass(frozen=True)
class Sent:
    """The outcomes of a folder's files by their path in it, and the objects of those that went."""

    status: int
    lines: dict[str, dict[str, Any]]
    objects: Mapping[str, Dataset]
    files: dict[str, Path] = field(repr=False)
    """The Part 10 files of the objects."""
    stored: int
    """Instances that the archive has."""

    def text(self, name: str) -> str:
        """What is said of a file."""
        return str(self.lines[name]["text"])

    def statuses(self) -> dict[str, str]:
        """The status of each file."""
        return {name: str(line["status"]) for name, line in self.lines.items()}

    def judged(self) -> dict[str, list[str]]:
        """What dciodvfy has against each object; nothing where it has nothing."""
        return {name: errors for name, path in self.files.items() if (errors := dciodvfy(path))}


def sent(folder: Path, mapping: str | Path, work: Path, *options: object) -> Sent:
    """Stores a folder by a mapping in an archive of its own below `work`, and renders it."""
    options = ("--mapping", mapping, *options, folder)
    with running(work / "archive") as url:
        done = stow("--url", url, *options)
        stored = len(list((work / "archive").rglob("*.dcm")))
    lines = {str(Path(line["source"]).relative_to(folder)): line for line in done.lines}
    files = rendered(work / "objects", *options)
    made = {
        name: files[line["sop_instance_uid"]] for name, line in lines.items() if line["status"] == "stored"
    }
    assert len(made) == len(files)
    objects = {name: pydicom.dcmread(path) for name, path in made.items()}
    return Sent(done.status, lines, objects, made, stored)


def rendered(out: Path, *arguments: object) -> dict[str, Path]:
    """The Part 10 files that `gateway render` writes, by SOP Instance UID."""
    gateway("render", "--part10", out, *arguments)
    return {path.stem: path for path in out.glob("*.dcm")}
