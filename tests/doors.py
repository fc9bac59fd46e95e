"""The commands as a user types them, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from gateway import cli


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The outcomes that `--json` printed."""
        return [entry for entry in map(json.loads, self.out.splitlines()) if "summary" not in entry]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line that `--json` printed."""
        summary: dict[str, Any] = json.loads(self.out.splitlines()[-1])["summary"]
        return summary


def gateway(*arguments: object) -> Done:
    """Runs `gateway ARGUMENTS`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.run(cli.group, "gateway", [str(argument) for argument in arguments])
    return Done(status, out.getvalue(), err.getvalue())


def stow(*arguments: object) -> Done:
    """Runs `gateway stow --json ARGUMENTS`."""
    return gateway("stow", "--json", *arguments)
