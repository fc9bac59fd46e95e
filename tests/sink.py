"""A STOW-RS server that throws away what it gets and answers by the book; for measuring and for mischief."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_UID = re.compile(rb"\x08\x00\x18\x00UI..([0-9.]+\0?)", re.DOTALL)


class Sink(ThreadingHTTPServer):
    """Answers stores without naming an instance, and finds every instance that is asked for.

    `status` is that of all answers; with `hang` stores are never answered, with `names` they are with the
    instances that came, which `stored` counts.
    """

    daemon_threads = True

    def __init__(self, status: int, *, hang: bool, names: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.names = names
        self.stored: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.status = status
        self.hang = hang
        self.ended = threading.Event()
        self.received: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Sink

    def do_POST(self) -> None:
        if self.server.names:
            self._name(self.rfile.read(int(self.headers["Content-Length"])))
            return
        self.server.received.append(sum(self._discard(size) for size in self._sizes()))
        if self.server.hang:
            self.server.ended.wait()
        self._answer({})

    def _name(self, body: bytes) -> None:
        """Answers with the SOP Instance UIDs of the Part 10 files in a body (PS3.5 7.1.2)."""
        uids = [match[1].rstrip(b"\0").decode() for match in _UID.finditer(body)]
        with self.server.lock:
            self.server.stored.update(uids)
        items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
        self._answer({"00081199": {"vr": "SQ", "Value": items}})

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
def sink(status: int = 200, *, hang: bool = False, names: bool = False) -> Iterator[tuple[str, Sink]]:
    """The base URL of a running sink, and the sink."""
    server = Sink(status, hang=hang, names=names)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web", server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
