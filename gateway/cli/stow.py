"""`gateway stow`, also called `stowrs`: converts files and stores them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import options as shared
from gateway.errors import Fatal
from gateway.model import Status

if TYPE_CHECKING:
    from gateway.pipeline import Earlier


@click.command(
    "stow",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Ends with 0 when all is stored, 2 for a wrong option, address or password, "
    "3 when a file failed or was rejected, 5 when something is to be tried again.",
)
@shared.paths
@shared.describing
@shared.sending
@click.option(
    "--failed-to",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Copy files that failed for good here, each with its reason in NAME.error.json.",
)
@click.option(
    "--retry",
    "earlier",
    metavar="RESULT",
    type=shared.FILE,
    help="Send what an earlier run with --json left; its output is the file RESULT.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Do everything but send.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each instance.")
@click.option("-v", "--verbose", is_flag=True, help="Say more: UIDs, addresses, every file.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def command(files: tuple[Path, ...], **options: Any) -> int:
    """Converts FILEs, and all files in DIRs, to DICOM objects and stores them in an archive.

    \b
      gateway stow -m PatientName=John^Doe -m PatientID=4711 --url http://127.0.0.1:8042/dicom-web photo.jpg
      gateway stow -t json --xc -u http://127.0.0.1:8080/dcm4chee-arc/aets/DCM4CHEE/rs/studies *.jpg
    """  # fmt: skip
    earlier = _earlier(options["earlier"]) if options["earlier"] else None
    if earlier is not None and files:
        raise Fatal("--retry takes the files from the earlier run's result: name no others")
    if not files and earlier is None and not options["attribute_file"]:
        raise Fatal("there is nothing to send: name files or folders")
    destination = None if options["dry_run"] else shared.destination(options)
    work = replace(shared.work(options), earlier=earlier)
    # loading the stages takes longer than answering --help
    import gateway
    from gateway import pipeline
    from gateway.cli.report import Report

    report = Report(
        as_json=options["as_json"],
        quiet=options["quiet"],
        verbose=options["verbose"],
        failed_to=options["failed_to"],
        destination=destination.url if destination else None,
    )
    try:
        with report:
            if destination:
                gateway.store(files, destination, work=work, observer=report)
            else:
                for outcome in pipeline.rehearse(files, work):
                    report.settled(outcome)
    except KeyboardInterrupt:
        click.echo(
            "gateway: stopped; what is not listed was not sent, or its answer was not waited for", err=True
        )
        sys.stdout.flush()
        os._exit(130)  # sending threads may be waiting for an answer for minutes
    if not report.tally.files and earlier is None:
        raise Fatal(f"there are no files in {', '.join(map(str, files))}")
    return report.tally.exit_status()


def _earlier(result: Path) -> dict[Path, Earlier]:
    """What an earlier run printed with `--json`: to each file its UIDs, and whether it is left."""
    from gateway.pipeline import Earlier

    files: dict[Path, Earlier] = {}
    done = {Status.STORED, Status.WARNING, Status.DUPLICATE}
    for number, line in enumerate(result.read_text("utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            if "summary" in entry:
                continue
            files[Path(entry["source"])] = Earlier(
                left=Status(entry["status"]) not in done,
                study_instance_uid=entry["study_instance_uid"],
                series_instance_uid=entry["series_instance_uid"],
                sop_instance_uid=entry["sop_instance_uid"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Fatal(f"{result}:{number}: is not a line that 'gateway stow --json' prints") from error
    return files
