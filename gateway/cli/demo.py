"""`gateway demo`: the main job on files of its own and an archive of its own."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.dicom.reader import Part10
    from gateway.stow.client import Client

FORMS = ("dicom", "json")
WORDS = {"dicom": "Part 10", "json": "metadata + bulk data"}


@dataclass(frozen=True, slots=True)
class Row:
    """One file in one form: what the archive said, and whether the same bytes came back."""

    name: str
    form: str
    sop_class: str
    status: str
    text: str
    size: int
    same: bool


@click.command("demo", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--keep", is_flag=True, help="Leave the archive running until Ctrl-C, and say where to look.")
@click.option("--keep-files", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Leave the files in DIR, with a table and a mapping for 'gateway import'.")  # fmt: skip
def command(keep: bool, keep_files: Path | None) -> int:
    """Stores a photo, a PDF, a video and a DICOM file in an archive of its own, and reads them back.

    Each file goes in both forms, through the same command that you type: as a Part 10 file, and as
    metadata with bulk data. What comes back is compared byte for byte.
    """
    # loading the stages takes longer than answering --help
    from gateway.archive import server
    from gateway.cli import samples

    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        files = samples.make(keep_files or Path(folder) / "files")
        if keep_files:
            samples.describe(keep_files)
        with server.running(Path(folder) / "archive") as url:
            click.echo(f"An archive is running at {url}. Storing {len(files)} files in it, in two forms:\n")
            rows = [row for form in FORMS for row in _stored(files, form, url)]
            _print(rows)
            if keep:
                page = url.rsplit("/", 1)[0]
                click.echo(f"\nThe archive stays at {url}, its page is {page}/. Ctrl-C ends it.")
                with contextlib.suppress(KeyboardInterrupt):
                    while True:
                        time.sleep(3600)
    well = all(row.same for row in rows) and len(rows) == len(files) * len(FORMS)
    click.echo("\nAll came back byte for byte." if well else "\nSomething did not come back as it was.")
    return 0 if well else 1


def _stored(files: list[Path], form: str, url: str) -> Iterator[Row]:
    """Stores files with `gateway stow` and reads each back."""
    from gateway.cli import run
    from gateway.cli.stow import command as stow
    from gateway.config import Destination
    from gateway.stow.client import Client

    patient = ["-m", f"PatientID=DEMO-{form.upper()}", "-m", f"PatientName=Demo^{form.title()}"]
    described, dicom = files[:-1], files[-1]
    other = (
        ["--uid-suffix", ".1"] if form != "dicom" else []
    )  # the same object again would not be stored again
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for arguments in ([*patient, "--xc", *map(str, described)], [*other, str(dicom)]):
            run(stow, "gateway stow", ["--json", "-t", form, "--url", url, *arguments])
    with Client(Destination(url)) as client:
        for line in map(json.loads, printed.getvalue().splitlines()):
            if "summary" not in line:
                yield _compared(line, form, client)


def _compared(outcome: dict[str, Any], form: str, client: Client) -> Row:
    """Reads an instance back through DICOMweb and compares what it carries with the file."""
    from pydicom.uid import UID

    source = Path(outcome["source"])
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        with contextlib.suppress(GatewayError):  # what was not stored is not there, and differs
            client.retrieve(
                outcome["study_instance_uid"],
                outcome["series_instance_uid"],
                outcome["sop_instance_uid"],
                file,
            )
        file.flush()
        same = _carries(Path(file.name), source)
    return Row(
        name=source.name,
        form=form,
        sop_class=UID(outcome["sop_class_uid"] or "").name.removesuffix(" Storage"),
        status=outcome["status"],
        text=outcome["text"] or "",
        size=source.stat().st_size,
        same=same,
    )


def _carries(stored: Path, source: Path) -> bool:
    """Whether a stored object is the file, or carries exactly its bytes."""
    from gateway.dicom.reader import read
    from gateway.stream import FileSlice, Stream

    if not stored.stat().st_size:
        return False
    original = Stream.of(FileSlice.whole(source)).read()
    if stored.read_bytes() == original:
        return True
    if source.suffix == ".dcm":
        return _content(read(stored)) == _content(read(source))
    return _content(read(stored)) in (original, original + b"\0")


def _content(part10: Part10) -> bytes:
    """The bytes of the document or of the one frame that a file carries."""
    return part10.bulks[0].value.read()


def _print(rows: list[Row]) -> None:
    from rich.table import Table

    from gateway.cli.report import console_for_people

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("File", "Form", "Object", "Status", "Bytes", "Read back"):
        table.add_column(title, overflow="fold", justify="right" if title == "Bytes" else "left")
    for row in rows:
        same = "[green]identical[/]" if row.same else "[red]different[/]"
        table.add_row(row.name, WORDS[row.form], row.sop_class, row.status, f"{row.size:,}", same)
    console = console_for_people()
    console.print(table)
    for row in rows:
        if row.text:
            console.print(f"{row.name}: {row.text}", style="dim", markup=False)
