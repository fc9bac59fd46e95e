"""`gateway archive`: the embedded DICOMweb archive."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.errors import Fatal


@click.command("archive", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8042,
    show_default=True,
    help="The port to listen on; 0 picks a free one.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("archive"),
    show_default=True,
    help="Where the objects are kept, as Part 10 files.",
)
@click.option("--root", default="/dicom-web", show_default=True, help="The path of the DICOMweb services.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
def command(port: int, directory: Path, root: str, host: str) -> None:
    """Runs a small DICOMweb archive (STOW-RS, QIDO-RS, WADO-RS) to try things on; Ctrl-C ends it.

    It has no access control and is no place for patients' data.
    """
    # loading the archive takes longer than answering --help
    from gateway.archive import server

    def ready(url: str) -> None:
        click.echo(
            f"The archive is at {url}{root}, its page at {url}/, its files in {directory}. Ctrl-C ends it."
        )

    try:
        server.serve(directory, port=port, root=root, host=host, ready=ready)
    except OSError as error:
        raise Fatal(
            f"the archive cannot start on port {port} with {directory}: {error.strerror or error}"
        ) from error
