"""`gateway explain`: every attribute of the object that a file becomes, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import options as shared
from gateway.errors import Reject

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    from gateway.model import Instance

IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SeriesNumber", "InstanceNumber")


@click.command("explain", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@shared.describing
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each attribute.")
def command(file: Path, as_json: bool, **options: Any) -> int:
    """Shows every attribute of the object that FILE becomes, its value, and where it came from."""
    work = shared.work(options)
    # loading the stages takes longer than answering --help
    from gateway import formats, pipeline
    from gateway.convert.workshop import Workshop
    from gateway.mapping.describe import choose, describe
    from gateway.model import Instance, Source

    with Workshop(work.tmp_dir) as shop:
        instance = next(pipeline.render([file], work, shop))
    if not isinstance(instance, Instance):
        raise Reject(instance.text or f"{file} cannot become an object")
    probe = choose(formats.probe(Source(file, file.parent), work.reading), work.description)
    origins = describe(probe, work.description).origins
    rows = list(_rows(instance.dataset, origins))
    if as_json:
        for path, value, origin in rows:
            click.echo(json.dumps({"attribute": path, "value": value, "origin": origin}, ensure_ascii=False))
    else:
        _print(rows, instance)
    return 0


def _rows(dataset: Dataset, origins: Mapping[str, str], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for element in dataset:
        name = prefix + (element.keyword or f"{element.tag:08X}")
        if element.VR == "SQ" and element.value:
            for number, item in enumerate(element.value):
                yield from _rows(item, origins, f"{name}{f'[{number}]' if number else ''}.")
        else:
            value = "" if element.is_empty else "\\".join(map(str, _values(element)))
            yield name, value, origins.get(name) or _own(name, value)


def _values(element: DataElement) -> Sequence[object]:
    return element.value if element.VM > 1 else [element.value]


def _own(name: str, value: str) -> str:
    """Where an attribute comes from that nobody named."""
    if name in IDENTITY:
        return "what identifies the file"
    return "the file itself" if value else "required, but not known"


def _print(rows: list[tuple[str, str, str]], instance: Instance) -> None:
    from rich.table import Table
    from rich.text import Text

    from gateway.cli.report import console_for_people

    console = console_for_people()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, ratio in (("Attribute", 3), ("Value", 4), ("From", 3)):
        table.add_column(title, overflow="fold", ratio=ratio)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
    for message in instance.messages:
        console.print(Text(message), style="yellow")
