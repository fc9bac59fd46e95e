"""The commands. Each is a thin room of its own, loaded when it is used."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings

import click

from gateway.errors import Fatal, Pause, Refused, Reject, Retry
from gateway.version import __version__

COMMANDS = {
    "stow": "Convert files and store them in an archive.",
    "render": "Show what would be sent, without sending anything.",
    "explain": "Show every attribute of a file's object and where it came from.",
    "check": "Check mappings, templates and configurations, and try them on files.",
    "import": "Import a legacy tree or table: plan, run, report, verify.",
    "watch": "Store what comes into hot folders.",
    "queue": "See what became of files, and decide about those that wait.",
    "support-bundle": "Pack what helps to find a fault, without patients.",
    "archive": "Run a small DICOMweb archive to try things on.",
    "demo": "Store sample files in an archive of its own and read them back.",
    "completion": "Print the completion script of a shell.",
}
"""Names and short help, known without loading a command: its module is `gateway.cli.<name>`, `_` for `-`."""

MODULES = {"import": "importing"}  # what Python does not take as a module's name


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order in which help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(
            f"gateway.cli.{MODULES.get(cmd_name, cmd_name.replace('-', '_'))}"
        ).command
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="'gateway COMMAND --help' says more. Start with 'gateway demo'.",
)
@click.version_option(__version__, prog_name="gateway", message="%(prog)s %(version)s")
def group() -> None:
    """Turns photos, PDFs, videos and DICOM files into DICOM objects and stores them over DICOMweb."""


def main() -> None:
    """Runs `gateway` and ends the process with its exit status."""
    sys.exit(run(group, "gateway"))


def stowrs() -> None:
    """Runs `stowrs`, which is `gateway stow` under the name that people know."""
    sys.exit(run(importlib.import_module("gateway.cli.stow").command, "stowrs"))


def run(command: click.Command, name: str, arguments: list[str] | None = None) -> int:
    """The exit status of a command; what went wrong is one sentence on standard error.

    0 all is well, 1 an internal error, 2 usage, configuration or a destination that does not let us in,
    3 a file failed, was rejected or is held, 5 a file is unknown or to be tried again, or the
    destination does not answer; 130 ended by Ctrl-C.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("pydicom").setLevel(
        logging.CRITICAL
    )  # its warnings show values, which may be a patient's
    warnings.filterwarnings("ignore", module="pydicom")
    try:
        status = command.main(arguments, prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _complain(_sentence(error, name), 2)
    except (Fatal, Refused) as error:
        return _complain(str(error), 2)
    except Reject as error:
        return _complain(str(error), 3)
    except (Retry, Pause) as error:
        return _complain(str(error), 5)
    except (KeyboardInterrupt, click.Abort):
        return _complain("stopped", 130)
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last place where a traceback can be kept from a user
        return _complain(_internal(error), 1)
    return status if isinstance(status, int) else 0


def _complain(message: str, status: int) -> int:
    click.echo(f"gateway: {message}", err=True)
    return status


def _sentence(error: click.ClickException, name: str) -> str:
    message = error.format_message().rstrip(".").replace("\n", " ")
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else name
    return (
        f"{message}. '{command} --help' shows what there is"
        if isinstance(error, click.UsageError)
        else message
    )


def _internal(error: Exception) -> str:
    """An internal error in a sentence; the traceback, which may show data, only when it is asked for."""
    if os.environ.get("GATEWAY_TRACEBACK"):
        logging.getLogger("gateway").error("internal error", exc_info=error)
    return (
        f"internal error ({type(error).__name__}). This is a defect of the gateway: please report it, with "
        "what GATEWAY_TRACEBACK=1 adds to this message once you have checked it for patient data"
    )
