"""`gateway completion`: what makes a shell complete the gateway's commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Prints the completion script of SHELL, for its start-up file: eval "$(gateway completion bash)"."""
    # imported here, since the group imports this module
    from gateway.cli import group

    completion = get_completion_class(shell)
    assert completion is not None  # noqa: S101 - told by the choice
    click.echo(completion(group, {}, "gateway", "_GATEWAY_COMPLETE").source())
