"""A function in a process of its own, with limits: what decodes other people's files may crash or never end.

The child is a new interpreter that imports what the function needs and nothing else. It sees no secrets
of this process, writes nothing to its streams, and does not outlive the call. Large results are files.
As many children run at the same time as there are processors, however many threads ask for one.
"""

from __future__ import annotations

import errno
import io
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import Fatal, GatewayError, Reject


class Missing(Reject):
    """A library that the function needs is not installed."""


Result = TypeVar("Result")

SECONDS = 60.0
"""Processor time that a function has by default."""

MEMORY = 1 << 30
"""Bytes of address space that a child has by default."""

_PATIENCE = 4
"""How many times its processor time a child may take by the clock, on a machine that has more to do."""

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Processors that this process may use."""

_turns = threading.Semaphore(PROCESSORS)

_HANDED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Environment variables that a child sees. Tokens and passwords are in others."""

_START = "import sys; sys.path[:] = {path!r}; from gateway.convert.child import _serve; _serve()"


def at_once(children: int) -> None:
    """Lets so many children run at the same time from now on; further ones wait for their turn."""
    global _turns  # noqa: PLW0603 - processors are one thing for the whole process
    _turns = threading.Semaphore(children)


def run(
    function: Callable[..., Result],
    *args: Any,
    seconds: float | None = None,
    memory: int | None = None,
    about: Path | None = None,
    folder: Path | None = None,
) -> Result:
    """What a function of a module returns for `args`, in a new process.

    It has `seconds` of processor time and `memory` bytes of address space. What it returns is made of
    numbers, texts, paths and this package's frozen dataclasses. `about` is the file that messages name;
    temporary files of libraries are in a folder below `folder` that is gone afterwards.

    Raises what the function raises if it is a `GatewayError`, `Missing` for a library that is not
    installed, and `Reject` when the function fails otherwise, crashes, or comes to one of its limits.
    """
    seconds = SECONDS if seconds is None else seconds
    memory = MEMORY if memory is None else memory
    call = pickle.dumps((seconds, memory)) + pickle.dumps((function, args))
    with _turns, tempfile.TemporaryDirectory(prefix="child-", dir=folder) as temporary:
        environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # each takes memory
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _START.format(path=sys.path)],
                input=call,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | one_thread | {"TMPDIR": temporary},
                timeout=_PATIENCE * seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _failure(about, _too_long(seconds)) from error
        except OSError as error:
            raise Fatal(f"no process can be started for a conversion: {error.strerror or error}") from error
    result: Result = _result(done, seconds, memory, about)
    return result


def _result(done: subprocess.CompletedProcess[bytes], seconds: float, memory: int, about: Path | None) -> Any:
    """What a child answered; its end where it did not."""
    if not done.stdout or done.returncode:
        raise _failure(about, _end(done.returncode, seconds))
    try:
        what, value = _Answer(io.BytesIO(done.stdout)).load()
    except Exception as error:  # bytes that are no answer may raise anything
        raise _failure(about, "its decoder gave no answer") from error
    if what == "error":
        raise value
    if what == "memory":
        raise _failure(about, f"it needs more memory than the {memory >> 20:,} MiB that it may have")
    if what == "missing":
        raise Missing(f"{about or 'The file'} cannot be converted without {value}, which is not installed")
    if what == "full":
        raise Fatal(f"converted files cannot be kept ({value}): name another folder with --tmp-dir")
    if what == "failed":
        raise _failure(about, value)
    return value


def _failure(about: Path | None, what: str) -> Reject:
    return Reject(f"{about or 'The file'} cannot be converted: {what}. Check that it is not damaged")


def _too_long(seconds: float) -> str:
    return f"it takes longer than the {seconds:g} seconds that it may take"


def _end(status: int, seconds: float) -> str:
    """How a child ended that did not answer."""
    if -status == signal.SIGXCPU:
        return _too_long(seconds)
    if status < 0:
        with suppress(ValueError):
            return f"its decoder crashed ({signal.Signals(-status).name})"
    return f"its decoder ended with status {status}"


class _Answer(pickle.Unpickler):
    """Reads what a child answers. The child met a stranger's file: it cannot make this process do things."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of this package or of paths by this name; no other name means anything."""
        if module.partition(".")[0] not in {"gateway", "pathlib"} or module not in sys.modules:
            raise pickle.UnpicklingError(f"{module}.{name} is no answer")
        found = getattr(sys.modules[module], name, None)
        if not isinstance(found, type) or not (
            is_dataclass(found) or issubclass(found, GatewayError | os.PathLike)
        ):
            raise pickle.UnpicklingError(f"{module}.{name} is no answer")
        return found


# In the child


def _serve() -> None:
    """Reads a call from standard input and answers it on standard output, which nothing else can write to."""
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit(*pickle.load(sys.stdin.buffer))  # noqa: S301 - written by the parent
    with open(answer, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(_call())
        file.flush()
        os._exit(0)  # libraries that crash while they are unloaded do no harm any more


def _limit(seconds: float, memory: int) -> None:
    processor = max(1, math.ceil(seconds))
    for what, limits in (
        (resource.RLIMIT_CORE, (0, 0)),
        (resource.RLIMIT_CPU, (processor, processor + 1)),  # at the first one the signal says why
        (resource.RLIMIT_AS, (memory, memory)),
    ):
        with suppress(ValueError, OSError):  # a lower one is set already, or the system knows none
            resource.setrlimit(what, limits)


def _call() -> bytes:
    try:
        function, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the parent
        return pickle.dumps(("result", function(*args)))
    except GatewayError as error:
        return pickle.dumps(("error", error))
    except ImportError as error:
        return pickle.dumps(("missing", error.name or str(error)))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return pickle.dumps(("full" if full else "failed", _told(error)))
    except MemoryError:
        return pickle.dumps(("memory", None))
    except Exception as error:  # what a decoder raises is an answer, in words
        return pickle.dumps(("failed", _told(error)))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:1000] or 'no more is said'}"
