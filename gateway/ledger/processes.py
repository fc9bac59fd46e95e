"""Which process an owner of claims is, so that others on the machine can tell when it is gone.

A process number says little: numbers are given again, and containers have their own. A process is known
by the kernel's boot, its space of numbers, its number and its start.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a host.

    `space` is where its number is valid: processes of one space can see each other. `started` is in the
    kernel's clock ticks; empty where the system does not tell.
    """

    host: str
    space: str
    number: int
    started: str

    @classmethod
    def this(cls) -> Process:
        """The process that asks."""
        return cls(platform.node(), _space(), os.getpid(), _started(os.getpid()))


def is_running(process: Process) -> bool | None:
    """Whether the process still runs; None when it cannot be seen from here."""
    if process.space != _space():
        return None
    try:
        os.kill(process.number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        pass
    return _started(process.number) == process.started


Look = Callable[[Process], bool | None]
"""How it is found out whether a process still runs."""


def _space() -> str:
    """The kernel's boot and its space of process numbers; the host's name where there is no `/proc`."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _started(number: int) -> str:
    """The 22nd field of proc(5), `/proc/pid/stat`; empty for a zombie, which runs no more."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = re.split(r"\s+", text.rpartition(")")[2].strip())  # the name before may hold anything
    return "" if fields[0] in "ZX" else fields[19]
