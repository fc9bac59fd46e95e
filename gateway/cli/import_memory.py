"""What an import was told before, and need not be told again: the ledger keeps it.

files       the folder or table
settings    what was typed last about what files are and show
sent        the same as it was when files were sent last, which is what `verify` compares with
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gateway.cli import options as shared
from gateway.errors import Fatal

if TYPE_CHECKING:
    from gateway.ledger import Ledger

OWN = frozenset({"configuration", "column", "ignore"})
"""Options of an import that are remembered; so are those that describe files, but for these."""
OF_THE_LEDGER = frozenset({"uid_namespace", "tmp_dir"})
"""What the ledger knows by itself, and what may be otherwise each time."""


def name_of(ledger: Ledger, name: str | None, files: Path | None) -> str | None:
    """Which import of a ledger is meant; a new name for files that are none of its imports'.

    None where nothing is typed and the ledger has none, or several. Raises `Fatal` when the ledger has
    another import than is typed, and no name says that this is one too.
    """
    known = imports(ledger)
    if name:
        return _named(ledger, name, files)
    if files is None:
        return known[0] if len(known) == 1 else None
    for each in known:
        place = place_of(ledger, each)
        if each == str(files) or (place and place.resolve() == files.resolve()):
            return each
    if known:
        raise Fatal(
            f"the ledger {ledger.name} is of {listed(known)}, and {files} is another place. If the same "
            f"files are there now, add --name '{known[0]}'; if these are others, use another ledger, or give "
            "them a new --name in this one"
        )
    return str(files).encode("utf-8", "backslashreplace").decode()  # as the ledger has it


def imports(ledger: Ledger) -> tuple[str, ...]:
    """The imports of a ledger that have files."""
    folders = {each.folder for each in ledger.reports.counts()}
    return tuple(name for name in ledger.imports.names() if name in folders)


def place_of(ledger: Ledger, name: str) -> Path | None:
    """The folder or table of an import, as it was typed last."""
    place = ledger.imports.kept(name).get("files")
    return Path(place) if place else None


def listed(names: Iterable[str]) -> str:
    """Names of imports in a sentence."""
    return ", ".join(names) or "nothing yet"


def recall(ledger: Ledger, name: str, options: dict[str, Any], *, as_sent: bool) -> None:
    """Takes what was not typed from what was typed before, as if it were typed again.

    Raises `Fatal` when that cannot be had any more: a file that was named is gone.
    """
    kept = ledger.imports.kept(name)
    before = (kept.get("sent") if as_sent else None) or kept.get("settings") or {}
    context = click.get_current_context()
    for each in context.command.params:
        if each.name in before and not _is_given(each.name):
            try:
                options[each.name] = each.process_value(context, before[each.name])
            except click.BadParameter as error:
                raise Fatal(
                    f"as it was typed before, {error.format_message()[:1].lower()}"
                    f"{error.format_message()[1:].rstrip('.')}: type it as it is now"
                ) from error
            context.set_parameter_source(each.name, ParameterSource.DEFAULT_MAP)


def remember(ledger: Ledger, name: str, files: Path, options: dict[str, Any], step: str | None) -> None:
    """Keeps what is typed for later steps. A scan adds to what there is; the others say all of it."""
    typed = {each: _plain(each, options[each]) for each in _remembered() if _is_given(each)}
    kept = ledger.imports.kept(name)
    facts: dict[str, Any] = {
        "files": str(files),
        "settings": {**kept.get("settings", {}), **typed} if step == "scan" else typed,
    }
    if step in (None, "run"):
        facts["sent"] = typed
    if any(kept.get(each) != fact for each, fact in facts.items()):
        ledger.imports.keep(name, **facts)


def _named(ledger: Ledger, name: str, files: Path | None) -> str:
    """An import by its name; one that has moved must have its files in the new place."""
    if name not in imports(ledger):
        if files is None:
            raise Fatal(
                f"the ledger {ledger.name} has no import {name!r}: it has {listed(imports(ledger))}. "
                "To begin one, name its folder or table too"
            )
        return name
    place = place_of(ledger, name)
    if files and place and files.resolve() != place.resolve() and not _has_files_of(ledger, name, files):
        raise Fatal(
            f"{files} has none of the files of the import {name!r}, which was of {place}: check the place, "
            "or give these files a --name of their own"
        )
    return name


def _has_files_of(ledger: Ledger, name: str, files: Path) -> bool:
    """Whether any of the first files of an import are in this place."""
    from gateway.ledger import Query

    root = files if files.is_dir() else files.parent
    return any((root / row.path).exists() for row in ledger.reports.page(Query(folder=name)) if row.path)


def _remembered() -> tuple[str, ...]:
    """The names of options that are remembered."""
    described = click.command("describing")(shared.describing(lambda **_: None)).params
    names = {each.name for each in described if each.expose_value and each.name} | OWN
    return tuple(sorted(names - OF_THE_LEDGER))


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def _plain(name: str, value: Any) -> Any:
    """A value as it could be typed anywhere: files with their whole paths."""
    if isinstance(value, tuple | list):
        return [_plain(name, each) for each in value]
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, Fraction):
        return str(value)
    if name == "mappings":
        return _anywhere(value)
    return value


def _anywhere(mapping: str) -> str:
    """The name of a mapping of the gateway's, or the whole path of a file."""
    from gateway.mapping.sheets import MAPPINGS, TEMPLATES, available

    ours = (*available(MAPPINGS.folder), *available(TEMPLATES.folder))
    return mapping if mapping in ours or not Path(mapping).is_file() else str(Path(mapping).absolute())
