"""The Authorization header, and a new one when the old one is refused (RFC 7617, RFC 6750)."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.config import Credentials
from gateway.errors import Fatal, Refused

TOKEN_COMMAND_TIMEOUT = 60.0
"""Seconds that a token command may take."""

_TOKEN = re.compile(r"[!-~]+")


class Authorization:
    """The header that says who is sending; shared by threads.

    Tokens from a file or a command are read when they are first needed, and again by `renew`.
    No message has a secret in it, nor anything that a token command printed.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._read = _reader(credentials)
        self._changes = bool(credentials.bearer_file or credentials.token_command)
        self._lock = threading.Lock()
        self._header: str | None = None

    def __repr__(self) -> str:
        return "Authorization(...)"

    def header(self) -> str | None:
        """The header's value, None without credentials.

        Raises `Refused` when the token cannot be read.
        """
        with self._lock:
            if self._header is None:
                self._header = self._read()
            return self._header

    def renew(self, refused: str | None) -> bool:
        """Read the token again after `refused` was; True when there is another one to try.

        A thread that comes second finds the token that the first one has read.
        """
        if not self._changes:
            return False
        with self._lock:
            if self._header == refused:
                self._header = self._read()
            return self._header != refused


def _reader(credentials: Credentials) -> Callable[[], str | None]:
    """What reads the header's value anew from where the credentials say."""
    if credentials.user is not None:
        basic = _basic(credentials.user, credentials.password or "")
        return lambda: basic
    if credentials.bearer is not None:
        bearer = _bearer(credentials.bearer, "The token given")
        return lambda: bearer
    if file := credentials.bearer_file:
        return lambda: _from_file(file)
    if command := credentials.token_command:
        words = _words(command)
        return lambda: _from_command(words)
    return lambda: None


def _basic(user: str, password: str) -> str:
    if ":" in user:
        raise Fatal("The user name has a colon in it, which Basic authentication cannot carry (RFC 7617)")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _bearer(token: str, origin: str) -> str:
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise Refused(f"{origin} is empty, or has spaces, line ends or other characters that no token has")
    return f"Bearer {token}"


def _from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Refused(f"The token file {path} cannot be read: {reason}") from None
    return _bearer(text, f"The token in {path}")


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Fatal(f"The token command cannot be read: {error}. Check its quotes") from None
    if not words:
        raise Fatal("The token command is empty")
    return words


def _from_command(words: list[str]) -> str:
    name = words[0]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TOKEN_COMMAND_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise Refused(f"The token command {name} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Refused(
            f"The token command {name} did not end within {TOKEN_COMMAND_TIMEOUT:g} seconds"
        ) from None
    if done.returncode:
        raise Refused(
            f"The token command {name} failed with status {done.returncode}: run it by itself to see why"
        )
    return _bearer(done.stdout.decode("utf-8", "replace"), f"What the token command {name} printed")
