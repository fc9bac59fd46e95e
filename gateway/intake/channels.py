"""How people are told: by mail, webhook or command, each from a thread of its own.

A mail server that hangs keeps nothing waiting but its own messages. What could not be told is tried again
for a while, and each failure is journaled.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import smtplib
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.errors import GatewayError
from gateway.intake.configuration import Alerts, Mail
from gateway.intake.journal import Journal

SECONDS = 30.0
"""How long a mail server, a webhook and a command may take."""

AGAIN = (10.0, 60.0, 300.0)
"""Seconds after which what could not be told is tried again."""

WAITING = 100
"""Messages that a channel keeps while it cannot tell them."""

SMTP_PORT = 25
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Untold(GatewayError):
    """A message did not reach anybody."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: a line, a text for people, and the same as facts for programs. Nothing of a patient."""

    title: str
    text: str
    facts: Mapping[str, Any]

    @property
    def json(self) -> bytes:
        """The facts as a JSON object, with the line and the text in it."""
        return json.dumps({"title": self.title, "text": self.text, **self.facts}).encode()


Channel = Callable[[Message], None]
"""Tells a message, or raises `Untold` or OSError."""


def channels(alerts: Alerts, folder: Path) -> dict[str, Channel]:
    """The channels that the configuration names; `folder` is where a command runs."""
    found: dict[str, Channel] = {}
    if alerts.mail:
        found["mail"] = partial(mail, alerts.mail)
    if alerts.webhook:
        found["webhook"] = partial(post, alerts.webhook)
    if alerts.command:
        found["command"] = partial(run, alerts.command, folder)
    return found


class Teller:
    """Tells one channel all messages in their order, from a thread of its own."""

    def __init__(
        self, name: str, channel: Channel, journal: Journal, *, again: Sequence[float] = AGAIN
    ) -> None:
        self._name = name
        self._channel = channel
        self._journal = journal
        self._again = again
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tell-{name}", daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Leaves a message to be told; returns at once."""
        if self._messages.qsize() < WAITING:
            self._messages.put(message)
        else:
            self._journal.event("untold", channel=self._name, why="too many messages wait to be told")

    def close(self, seconds: float) -> None:
        """Tells what is left within this time, each message once at most, and gives up the rest."""
        self._stopping.set()
        self._messages.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (message := self._messages.get()) is not None:
            for pause in (*self._again, None):
                if self._told(message, pause) or pause is None or self._stopping.wait(pause):
                    break

    def _told(self, message: Message, pause: float | None) -> bool:
        try:
            self._channel(message)
        except Exception as error:  # whatever a server or library does must not end the telling
            self._journal.event("untold", channel=self._name, why=_why(error), again=pause)
            return False
        return True


def mail(to: Mail, message: Message) -> None:
    """Mails a message, encrypted where the server offers it."""
    server = urlsplit(f"//{to.server}")
    host = socket.getfqdn()
    note = EmailMessage()
    note["Subject"] = " ".join(message.title.split())
    note["From"] = to.sender if "@" in to.sender else f"{to.sender}@{host}"
    note["To"] = ", ".join(to.to)
    note["Date"] = formatdate(localtime=True)
    note["Message-ID"] = make_msgid(domain=host)
    note["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday is to answer
    note.set_content(message.text)
    port = server.port or SMTP_PORT
    with smtplib.SMTP(server.hostname or "localhost", port, local_hostname=host, timeout=SECONDS) as smtp:
        smtp.ehlo()
        if smtp.has_extn("starttls"):
            smtp.starttls()
        refused = smtp.send_message(note)
    if refused:
        raise Untold(f"the mail server refused {len(refused)} of {len(to.to)} addresses")


def post(url: str, message: Message) -> None:
    """Posts a message as JSON. Knows http and https alone, and follows no redirection."""
    request = urllib.request.Request(  # noqa: S310 - the opener below has no other schemes
        url,
        message.json,
        {"Content-Type": "application/json", "User-Agent": "stow-gateway"},
        method="POST",
    )
    opener = urllib.request.OpenerDirector()
    local = urlsplit(url).hostname in LOOPBACK
    for handler in (
        urllib.request.ProxyHandler({} if local else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    with opener.open(request, timeout=SECONDS):
        pass


def run(command: str, folder: Path, message: Message) -> None:
    """Runs a command with the message as JSON on its standard input.

    One that takes too long is ended together with all that it started.
    """
    with subprocess.Popen(  # noqa: S602 - the operator's own command line, as the configuration says
        command,
        shell=True,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        try:
            process.communicate(message.json, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Untold(f"the command took more than {SECONDS:g} s") from None
    if process.returncode:
        raise Untold(f"the command ended with {process.returncode}")


def _why(error: Exception) -> str:
    """What went wrong, without an address, which may hold a secret."""
    if isinstance(error, Untold):
        return str(error)
    if isinstance(error, urllib.error.HTTPError):
        return f"the webhook answered {error.code}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"there was no answer within {SECONDS:g} s"
    return getattr(error, "strerror", None) or type(error).__name__
