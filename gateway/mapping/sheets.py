"""The YAML files of mappings and object templates: where they are found, and which extend which.

Both kinds come with the gateway, in `mappings/` and `templates/`; a name with a folder or an extension
is a file of the user's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import nodes
from gateway.errors import Fatal, Reject
from gateway.nodes import Fault, Node, Table, Text, instead

BASE = "common"
"""The template that all others extend, which is no object by itself."""

_BARE = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Sort:
    """What sort of file is read: what it is called, where those of the gateway are, which keys it has."""

    what: str
    folder: str
    keys: tuple[str, ...]


MAPPINGS = Sort(
    "mapping",
    "mappings",
    (
        "template", "extends", "match", "when", "sources", "identity", "assemble", "convert", "attributes",
        "maps", "kinds", "checks", "site", "patient_id", "unidentified",
    ),
)  # fmt: skip
TEMPLATES = Sort("template", "templates", ("extends", "convert", "attributes"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file as it is written; `table` is None where it is not a table at all."""

    path: Path
    table: Table | None

    def get(self, key: str) -> Node | None:
        """What stands behind a key; None where nothing does."""
        entries = self.table.entries if self.table else ()
        return next((node for name, node in entries if name.text == key and not is_nothing(node)), None)


def own(folder: str) -> Path:
    """A folder of files that come with the gateway: in an installed package, or in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "data" / folder
    return installed if installed.is_dir() else package.parent / folder


def available(folder: str) -> list[str]:
    """The names of the mappings or templates that come with the gateway."""
    return sorted(file.stem for file in own(folder).glob("*.yaml") if file.stem != BASE)


def beside(name: str, path: Path) -> str:
    """A name as it stands in a file, as it is for everybody: one of the gateway's, or a path."""
    return name if _BARE.fullmatch(name) else str(path.parent / name)


def is_template(name: str) -> bool:
    """Whether a name is that of an object template, or of a file that is or extends one.

    Templates say which object they are for; mappings choose a template.
    """
    seen: set[Path] = set()
    while not _BARE.fullmatch(name):
        path = Path(name).resolve()
        if path in seen or not path.is_file():
            return False
        seen.add(path)
        sheet = _sheet(Path(name), name, TEMPLATES, [])
        attributes, extends = sheet.get("attributes"), sheet.get("extends")
        if isinstance(attributes, Table) and any(key.text == "SOPClassUID" for key, _ in attributes.entries):
            return all(sheet.get(key) is None for key in MAPPINGS.keys if key not in TEMPLATES.keys)
        if not isinstance(extends, Text) or not extends.text:
            return False
        name = beside(extends.text, Path(name))
    return not _ours(name, MAPPINGS).is_file() and _ours(name, TEMPLATES).is_file()


def _ours(name: str, sort: Sort) -> Path:
    return own(sort.folder) / f"{name}.yaml"


def sheets(name: str, sort: Sort, faults: list[Fault]) -> list[Sheet]:
    """A file and those that it extends, the one that extends nothing first.

    Raises `Fatal` if there is no such file.
    """
    found: list[Sheet] = []
    path, shown = _locate(name, sort, Path())
    while True:
        found.insert(0, _sheet(path, shown, sort, faults))
        node = found[0].get("extends")
        if not isinstance(node, Text) or not node.text:
            return found
        try:
            path, shown = _locate(node.text, sort, path.parent)
            if any(path.samefile(sheet.path) for sheet in found):
                raise Fatal(
                    f"extends goes round in a circle: {node.text} extends this file in turn; leave one out"
                )
        except Fatal as error:
            faults.append(Fault(node.place, str(error)))
            return found


def entries(
    table: Table, keys: tuple[str, ...], what: str, faults: list[Fault]
) -> Iterator[tuple[str, Node]]:
    """The entries of a table that say something; the others are added to the faults."""
    for key, node in table.entries:
        if key.text not in keys:
            message = f"{what} has no {key.text!r}{instead(key.text or '', keys)}"
            faults.append(Fault(key.place, message))
        elif not is_nothing(node):
            yield key.text, node


def is_nothing(node: Node) -> bool:
    """Whether nothing stands behind a colon, or `~` or `null`."""
    return isinstance(node, Text) and node.text is None


def _locate(name: str, sort: Sort, base: Path) -> tuple[Path, str]:
    """The file that a name stands for, and what it is called in messages. Raises `Fatal` if there is none."""
    if _BARE.fullmatch(name):
        path = _ours(name, sort)
        if path.is_file():
            return path, f"{path.stem}.yaml" if sort is TEMPLATES else f"{sort.folder}/{path.name}"
    path = base / name
    if path.is_file():
        return path, str(path)
    there = available(sort.folder)
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]}?" if near else f"name one of {', '.join(there)}, or a file that exists"
    raise Fatal(f"there is no {sort.what} {name!r}: {hint}")


def _sheet(path: Path, shown: str, sort: Sort, faults: list[Fault]) -> Sheet:
    try:
        node = nodes.read(path, shown, faults)
    except Reject as error:
        raise Fatal(str(error)) from error
    if isinstance(node, Table):
        return Sheet(path, node)
    if node is not None:
        faults.append(Fault(node.place, f"a {sort.what} is a table with the keys {', '.join(sort.keys)}"))
    return Sheet(path, None)
