"""`gateway watch`: hot folders, for as long as it runs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.cli import options as shared


@click.command("watch", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("configuration", type=shared.FILE, metavar="CONFIG")
def command(configuration: Path) -> int:
    """Watches the folders of CONFIG and stores what comes, until it is told to stop (SIGTERM, Ctrl-C).

    \b
      destinations:
        archive: {url: http://127.0.0.1:8042/dicom-web}
      folders:
        - path: inbox
          mapping: photo
          originals: {move: done}
      ledger: ledger.db
    """  # fmt: skip
    # loading the stages takes longer than answering --help
    from gateway.intake.configuration import load
    from gateway.intake.journal import Journal
    from gateway.intake.signals import until_told
    from gateway.intake.watch import running

    loaded = load(configuration)
    with until_told() as told, running(loaded, Journal(time.time)):
        told.wait()
    return 0
