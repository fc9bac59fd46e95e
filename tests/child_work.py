"""Functions for a child process: it imports them by name."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import time
from pathlib import Path

from gateway.errors import Reject, Retry
from gateway.model import LossyStep


def crash_in_c() -> None:
    """Reads where nothing is."""
    ctypes.string_at(0)


def spin() -> None:
    """Never ends, and works all the while."""
    while True:
        pass


def eat() -> int:
    """Takes memory until there is no more."""
    taken = []
    while True:
        taken.append(bytes(10_000_000))


def chatter() -> tuple[str, int]:
    """Says things on both streams, as C libraries do."""
    print("Corrupt JPEG data: 3 extraneous bytes", flush=True)  # noqa: T201
    os.write(1, b"noise")
    os.write(2, b"noise")
    return "said", 2


def echo(*values: object) -> tuple[object, ...]:
    return values


def reject(path: Path) -> None:
    raise Reject(f"{path} is not liked")


def retry() -> None:
    raise Retry("later", after=2.0)


def secrets() -> tuple[str | None, list[str]]:
    return os.environ.get("GATEWAY_TOKEN"), sorted(os.environ)


def litter() -> Path:
    """Leaves a temporary file behind, and crashes."""
    descriptor, name = tempfile.mkstemp()
    os.write(descriptor, b"litter")
    Path(name).with_name("where").write_text(name)
    os.abort()
    return Path(name)


def linger(path: Path) -> None:
    """Says who it is, and does not end."""
    path.write_text(str(os.getpid()))
    time.sleep(600)


def temporary() -> Path:
    return Path(tempfile.gettempdir())


def step() -> LossyStep:
    return LossyStep(2.0, "ISO_10918_1")


def imported() -> list[str]:
    """The heavy modules that are there."""
    return sorted(name for name in ("numpy", "PIL", "pydicom", "av", "httpx", "click") if name in sys.modules)


def full() -> None:
    Path("/dev/full").write_bytes(b"x")


class Trap:
    """Runs a command where it is read back."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/gateway-test-trap",)


def trap() -> Trap:
    return Trap()


def needs_a_library() -> None:
    import no_such_library  # noqa: F401


def together(folder: Path, most: int) -> int:
    """How many children are in it at the same time, itself among them; waits a while for `most`."""
    own = folder / str(os.getpid())
    own.touch()
    seen = 0
    for _ in range(100):
        seen = max(seen, len(list(folder.iterdir())))
        if seen >= most:
            break
        time.sleep(0.01)
    time.sleep(0.02)
    own.unlink()
    return seen
