"""A STOW-RS server that throws away what it gets and answers by the book; for measuring and for mischief."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Sink(ThreadingHTTPServer):
    """Answers stores without naming an instance, and finds every instance that is asked for.

    `status` is that of all answers; with `hang` stores are never answered.
    """

    daemon_threads = True

    def __init__(self, status: int, *, hang: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.hang = hang
        self.ended = threading.Event()
        self.received: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Sink

    def do_POST(self) -> None:
        self.server.received.append(sum(self._discard(size) for size in self._sizes()))
        if self.server.hang:
            self.server.ended.wait()
        self._answer({})

    def _sizes(self) -> Iterator[int]:
        """The lengths of the runs of bytes that the body comes in (RFC 9112 7.1)."""
        if "Content-Length" in self.headers:
            yield int(self.headers["Content-Length"])
            return
        while size := int(self.rfile.readline(), 16):
            yield size
            self.rfile.readline()
        self.rfile.readline()

    def _discard(self, size: int) -> int:
        left = size
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        return size

    def do_GET(self) -> None:
        uid = parse_qs(urlsplit(self.path).query)["SOPInstanceUID"][0]
        self._answer([{"00080018": {"vr": "UI", "Value": [uid]}}])

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def sink(status: int = 200, *, hang: bool = False) -> Iterator[tuple[str, Sink]]:
    """The base URL of a running sink, and the sink."""
    server = Sink(status, hang=hang)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web", server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
