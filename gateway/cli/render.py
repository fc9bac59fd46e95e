"""`gateway render`: what would be sent, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import options as shared
from gateway.config import Form
from gateway.errors import Fatal

if TYPE_CHECKING:
    from gateway.model import Instance
    from gateway.stream import Stream


@click.command("render", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@shared.paths
@shared.describing
@click.option(
    "-t",
    "--type",
    "form",
    type=click.Choice([form.value for form in Form]),
    default="dicom",
    show_default=True,
    help="The form of the request that --request writes.",
)
@click.option("--unquoted-type", is_flag=True, help="Write the type parameter without quotes.")
@click.option(
    "--part10",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each object as <SOPInstanceUID>.dcm into DIR.",
)
@click.option(
    "--request",
    "request_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the multipart body of one request with all instances.",
)
def command(files: tuple[Path, ...], **options: Any) -> int:
    """Prints the DICOM JSON of what would be sent for FILEs, as one array; sends nothing."""
    if not files and not options["attribute_file"]:
        raise Fatal("there is nothing to show: name files or folders")
    work = shared.work(options)
    # loading the stages takes longer than answering --help
    from gateway import pipeline
    from gateway.convert.workshop import Workshop
    from gateway.dispatch import discard
    from gateway.model import Outcome, Status

    kept: list[Instance] = []
    shown = refused = 0
    with Workshop(work.tmp_dir) as shop:
        for each in pipeline.render(files, work, shop):
            if isinstance(each, Outcome):
                click.echo(f"gateway: {each.text}", err=True)
                refused += each.status not in (Status.DUPLICATE, Status.SKIPPED)
                continue
            _show(each, "," if shown else "[", options["part10"])
            shown += 1
            if options["request_file"]:
                kept.append(each)
            else:
                discard([each])
        click.echo("]" if shown else "[]")
        if kept:
            _write_request(kept, options)
    return 3 if refused else 0


def _show(instance: Instance, before: str, part10_folder: Path | None) -> None:
    """Prints the data set of one instance, and writes its file if that is wanted."""
    from gateway.dicom import part10
    from gateway.stow import request

    for message in instance.messages:
        click.echo(f"gateway: {instance.source.shown}: {message}", err=True)
    click.echo(before + json.dumps(request.metadata(instance), ensure_ascii=False), nl=False)
    if part10_folder:
        write(part10.write(instance), part10_folder / f"{instance.sop_instance_uid}.dcm")


def _write_request(instances: list[Instance], options: dict[str, Any]) -> None:
    from gateway.stow import request

    built = request.build(instances, Form(options["form"]), unquoted_type=options["unquoted_type"])
    write(built.body, options["request_file"])
    click.echo(f"gateway: Content-Type: {built.content_type}", err=True)


def write(content: Stream, path: Path) -> None:
    """Writes a stream to a file that appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.tmp")
    try:
        with new.open("wb") as file:
            file.writelines(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
