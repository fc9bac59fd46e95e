"""Health and figures of a daemon over HTTP, on a port of its own.

    /healthz   200 while all threads live; for whoever starts the daemon anew when it is sick
    /readyz    200 when files that come now are taken; else 503, and JSON that says what is wrong
    /metrics   figures for Prometheus

Anybody who can reach the port may ask: nothing that is answered names a patient or a file.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import choose_encoder

from gateway.errors import Fatal
from gateway.intake import figures
from gateway.intake.folder import HotFolder
from gateway.intake.watch import Daemon

SHORTEST_INTERVAL = 5.0
"""Seconds between two scans that a folder is granted at least: a large one takes its time."""

PATIENCE = 10.0
"""Seconds in which a client has to ask."""

POLL = 0.1
"""Seconds until it is noticed that no more is to be answered."""

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request."""

    status: HTTPStatus
    type: str
    body: bytes


@contextmanager
def serving(daemon: Daemon) -> Iterator[str]:
    """Answers for a daemon as long as the context lasts; gives the address, which is journaled too.

    Raises `Fatal` when the port cannot be had.
    """
    monitoring = daemon.configuration.monitoring
    host, port = monitoring.host, monitoring.port or 0
    try:
        server = _Server(host, port, daemon)
    except (OSError, OverflowError) as error:
        raise Fatal(
            f"monitoring cannot listen on {host}:{port} ({getattr(error, 'strerror', None) or error}): "
            "name another port, or another host of this machine"
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), name="monitoring", daemon=True)
    thread.start()
    daemon.journal.event("monitoring", url=server.url)
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def readiness(daemon: Daemon) -> tuple[bool, dict[str, Any]]:
    """Whether files that come now are taken, and of each folder and of the ledger whether it is in order."""
    scanned = {hot.folder.name: _scanned(hot, daemon) for hot in daemon.folders}
    folders = {each.name: scanned.get(each.name, "not opened yet") for each in daemon.configuration.folders}
    told = {
        "gateway": "stopping" if daemon.stopping.is_set() else "ok",
        "ledger": daemon.ledger_trouble or "ok",
        "folders": folders,
    }
    ready = all(each == "ok" for each in (told["gateway"], told["ledger"], *folders.values()))
    return ready, {"ready": ready, **told}


def _scanned(hot: HotFolder, daemon: Daemon) -> str:
    """Whether a folder was looked through within three of its intervals, in words."""
    moment = daemon.clock()
    if hot.offline_since is not None:
        return f"offline for {moment - hot.offline_since:.0f} s"
    if hot.scanned_at is None:
        return "not looked through yet"
    age = moment - hot.scanned_at
    late = age > 3 * max(hot.folder.scan.total_seconds(), SHORTEST_INTERVAL)
    return f"not looked through for {age:.0f} s" if late else "ok"


class _Server(ThreadingHTTPServer):
    """Listens; each request is answered by a thread of its own."""

    daemon_threads = True

    def __init__(self, host: str, port: int, daemon: Daemon) -> None:
        self.daemon = daemon
        self.registry = figures.registry(daemon)
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where it is asked."""
        host, port = self.server_address[:2]
        shown = f"[{host!s}]" if self.address_family == socket.AF_INET6 else host
        return f"http://{shown!s}:{port}"

    def server_bind(self) -> None:
        """Binds, without asking a name server for the name of this host."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Journals what goes wrong with a request, unless whoever asked has gone."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.daemon.journal.defect("monitoring", None, error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE
    server_version = "stow-gateway"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answers without the body."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: it is asked every few seconds."""

    def _answer(self, *, with_body: bool) -> None:
        reply = self._reply()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(reply.body)

    def _reply(self) -> Reply:
        answers = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        answer = answers.get(self.path.partition("?")[0])
        if answer is None:
            return Reply(HTTPStatus.NOT_FOUND, TEXT, f"Ask for {', '.join(answers)}\n".encode())
        return answer()

    def _healthz(self) -> Reply:
        if self.server.daemon.healthy:
            return Reply(HTTPStatus.OK, TEXT, b"ok\n")
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, b"a thread has ended: see the log\n")

    def _readyz(self) -> Reply:
        ready, told = readiness(self.server.daemon)
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Reply(status, "application/json", json.dumps(told, indent=2).encode() + b"\n")

    def _metrics(self) -> Reply:
        encode, media_type = choose_encoder(self.headers.get("Accept", ""))
        return Reply(HTTPStatus.OK, media_type, encode(self.server.registry))
