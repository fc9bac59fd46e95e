"""`gateway explain`: every attribute of the object that a file becomes, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import options as shared

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    from gateway.mapping.compose import Said
    from gateway.pipeline import Explanation

IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SeriesNumber", "InstanceNumber")

_STEPS = {"-m": "typed", "-f": "file", "sidecar": "sidecar", "site": "site", "template": "template"}
"""The step that an origin is of, by its first word; all others are of a mapping."""


@click.command("explain", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@shared.describing
@click.option(
    "--root",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder that FILE's relative names start from, as when it is stored with that folder; "
    "otherwise its own.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each attribute.")
def command(file: Path, as_json: bool, root: Path | None, **options: Any) -> int:
    """Shows every attribute of the object that FILE becomes, its value, and where it came from.

    Also what has lost against it, and what keeps the file from being sent. A member of an archive is
    named archive.zip!/name.
    """
    work = shared.work(options)
    # loading the stages takes longer than answering --help
    from gateway import pipeline
    from gateway.convert.workshop import Workshop
    from gateway.errors import Fatal

    if root and not file.absolute().is_relative_to(root.absolute()):
        raise Fatal(f"{file} is not below {root}, the folder that --root names")
    with Workshop(work.tmp_dir) as shop:
        found = pipeline.explain(file, work, shop, root)
    rows = _rows(found)
    if as_json:
        _print_json(rows, found)
    else:
        _print(rows, found)
    return 3 if found.problems else 0


@dataclass(frozen=True, slots=True)
class Row:
    """An attribute, its value, and where it comes from.

    `value` is None where the object does not have it; `source` is the place in a table or sidecar.
    """

    attribute: str
    vr: str
    value: str | None
    step: str
    origin: str
    source: str | None = None
    note: str | None = None
    lost: list[dict[str, str | None]] = field(default_factory=list)


def _rows(found: Explanation) -> list[Row]:
    """The attributes that the object has, then those that somebody has said something about in vain."""
    if found.draft is None:
        return []
    dataset = found.instance.dataset if found.instance else found.draft.attributes.dataset
    trail = found.draft.trail
    places = found.draft.places
    winners = {said.name: said for said in trail if said.won}
    rows = [
        _row(name, element, winners, places, found.draft.attributes.origins)
        for name, element in _elements(dataset)
    ]
    there = {row.attribute: row for row in reversed(rows)}
    heads = {_head(row.attribute): row for row in reversed(rows)}
    for said in trail:
        row = there.get(said.name) or heads.get(_head(said.name))
        if row is None:
            row = heads[_head(said.name)] = _absent(said, places)
            rows.append(row)
        elif not said.won:
            row.lost.append(_told(said, places))
    return rows


def _elements(dataset: Dataset, prefix: str = "") -> Iterator[tuple[str, DataElement]]:
    """The attributes and those in items, each with its path."""
    for element in dataset:
        name = prefix + (element.keyword or f"{element.tag:08X}")
        if element.VR == "SQ" and element.value:
            for number, item in enumerate(element.value):
                yield from _elements(item, f"{name}{f'[{number}]' if number else ''}.")
        else:
            yield name, element


def _row(
    name: str,
    element: DataElement,
    winners: Mapping[str, Said],
    places: Mapping[str, str],
    origins: Mapping[str, str],
) -> Row:
    from gateway.mapping.compose import text_of

    value = f"{len(element.value):,} bytes" if isinstance(element.value, bytes) else text_of(element)
    said = next((winners[path] for path in _covering(name) if path in winners), None)
    if said is None:
        origin = origins.get(name)
        step, origin = (_step(origin), origin) if origin else _own(name, value)
        return Row(name, element.VR, value, step, origin)
    return Row(name, element.VR, value, _step(said.origin), said.origin, _source(said, places))


def _absent(said: Said, places: Mapping[str, str]) -> Row:
    """The row of an attribute that the object does not have."""
    from gateway.dicom.dictionary import parse_path, vr_of

    note = said.problem or ("removed" if said.value is None else "comes to nothing")
    vr = vr_of(parse_path(said.name)[-1].tag)
    return Row(said.name, vr, None, _step(said.origin), said.origin, _source(said, places), note)


def _told(said: Said, places: Mapping[str, str]) -> dict[str, str | None]:
    told = {"step": _step(said.origin), "origin": said.origin, "value": said.value}
    return told | {"source": _source(said, places), "note": said.problem}


def _source(said: Said, places: Mapping[str, str]) -> str | None:
    """The places in tables and sidecars that a value comes from."""
    return ", ".join(places[source] for source in said.sources if source in places) or None


def _covering(name: str) -> Iterator[str]:
    """A path, and the paths of the sequences that it is in, the innermost first."""
    steps = name.split(".")
    for length in range(len(steps), 0, -1):
        *outer, last = steps[:length]
        yield ".".join([*outer, last.partition("[")[0]])


def _head(name: str) -> str:
    return name.partition(".")[0].partition("[")[0]


def _step(origin: str) -> str:
    return _STEPS.get(origin.partition(" ")[0], "mapping")


def _own(name: str, value: str) -> tuple[str, str]:
    """The step of an attribute that nobody named, and where it comes from."""
    if name in IDENTITY:
        return "identity", "what identifies the file"
    return ("itself", "the file itself") if value else ("empty", "required, but not known")


def _print_json(rows: Sequence[Row], found: Explanation) -> None:
    for row in rows:
        entry = {
            "attribute": row.attribute,
            "vr": row.vr,
            "value": row.value,
            "step": row.step,
            "origin": row.origin,
            "source": row.source,
            "note": row.note,
            "lost": row.lost,
        }
        click.echo(json.dumps(entry, ensure_ascii=False))
    last = {"problems": [str(problem) for problem in found.problems], "messages": _messages(found)}
    click.echo(json.dumps(last, ensure_ascii=False))


def _messages(found: Explanation) -> list[str]:
    if found.instance:
        return list(found.instance.messages)
    return list(found.draft.attributes.messages) if found.draft else []


def _print(rows: Sequence[Row], found: Explanation) -> None:
    from rich.table import Table
    from rich.text import Text

    from gateway.cli.report import console_for_people, printable

    def cells(*texts: str) -> list[Text]:
        return [Text(printable(text)) for text in texts]

    console = console_for_people()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, ratio in (("Attribute", 5), ("VR", None), ("Value", 6), ("From", 6)):
        table.add_column(title, overflow="fold", ratio=ratio)
    for row in rows:
        value = f"({row.note})" if row.value is None else row.value
        table.add_row(*cells(row.attribute, row.vr, value, _with_source(row.origin, row.source)))
        for lost in row.lost:
            origin = _with_source(str(lost["origin"]), lost["source"])
            table.add_row(*cells("", "", _lost(lost), f"lost: {origin}"), style="dim")
    if rows:
        console.print(table)
    for message in _messages(found):
        console.print(Text(printable(message)), style="yellow")
    for problem in found.problems:
        for line in str(problem).splitlines():
            click.echo(f"gateway: {line}", err=True)


def _with_source(origin: str, source: str | None) -> str:
    return f"{origin} ({source})" if source else origin


def _lost(lost: Mapping[str, str | None]) -> str:
    """What a step has said in vain."""
    if lost["note"]:
        return f"({lost['note']})"
    return "(removed)" if lost["value"] is None else lost["value"] or "(nothing)"
