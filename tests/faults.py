"""A proxy in front of an archive that counts what it is sent and makes every sort of trouble.

Trouble comes by a plan, store by store, so that a run is the same every time: `Fault.NONE` lets a
request through, the others do to it what archives, load balancers and networks do.
"""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pydicom
from pydicom.uid import UID

FAILED_REASON = 0xA700
"""Refused: Out of Resources (PS3.18 table 10.5.1-1)."""


class Fault(Enum):
    """What happens to a store."""

    NONE = auto()
    BUSY = auto()
    """503 with Retry-After; nothing reaches the archive."""
    HANG = auto()
    """The body is read and forwarded, and the connection says nothing for a while, then ends."""
    RESET = auto()
    """The connection is reset when the body has been read; nothing reaches the archive."""
    FAILED = auto()
    """202 that names every instance as failed for now; nothing reaches the archive."""
    EMPTY = auto()
    """200 without a word; nothing reaches the archive."""
    SLOW = auto()
    """The body is read slowly, then all is well."""
    DROPPED = auto()
    """The archive stores it, and the answer never comes: the connection is reset."""


TROUBLE = tuple(fault for fault in Fault if fault is not Fault.NONE)


def seldom(seed: int, share: float = 0.2) -> Callable[[int], Fault]:
    """A plan in which one store in so many meets trouble, each sort as often as the others."""
    chance = random.Random(seed)
    lock = threading.Lock()

    def plan(_: int) -> Fault:
        with lock:
            return chance.choice(TROUBLE) if chance.random() < share else Fault.NONE

    return plan


class Proxy(ThreadingHTTPServer):
    """What stands between a client and the archive at `upstream` (`http://127.0.0.1:PORT`).

    `sent` counts how often each SOP Instance UID was posted, `answered` how often the archive itself said
    that it stored it. With `down` no connection is answered at all.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, plan: Callable[[int], Fault], *, patience: float = 1.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream)
        self.plan = plan
        self.patience = patience
        self.ended = threading.Event()
        self.down = threading.Event()
        self.lock = threading.Lock()
        self.stores = 0
        self.sent: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.searches = 0
        self.faults: Counter[Fault] = Counter()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def handle_one_request(self) -> None:
        if self.server.down.is_set():
            self.close_connection = True
            return
        super().handle_one_request()

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.searches += 1
        self._forward("GET", None)

    def do_OPTIONS(self) -> None:
        self._forward("OPTIONS", None)

    def do_POST(self) -> None:
        with self.server.lock:
            number = self.server.stores
            self.server.stores += 1
        fault = self.server.plan(number)
        body = self._body(slow=fault is Fault.SLOW)
        if body is None:
            return
        uids = list(posted_uids(body, self.headers["Content-Type"]))
        with self.server.lock:
            self.server.faults[fault] += 1
            self.server.sent.update(uids)
        if fault is Fault.BUSY:
            self._reply(503, b"busy", {"Retry-After": "1"})
        elif fault is Fault.EMPTY:
            self._reply(200, b"", {})
        elif fault is Fault.FAILED:
            self._reply(202, _all_failed(uids), {"Content-Type": "application/dicom+json"})
        elif fault is Fault.RESET:
            self._reset()
        elif fault in (Fault.HANG, Fault.DROPPED):
            self._upstream("POST", body)
            if fault is Fault.HANG:
                self.server.ended.wait(self.server.patience)
            self._reset()
        else:
            self._forward("POST", body)

    def _body(self, *, slow: bool) -> bytes | None:
        """The body; None when the client went away before all of it had come."""
        left = int(self.headers["Content-Length"])
        pieces = []
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                self.close_connection = True
                return None
            pieces.append(piece)
            left -= len(piece)
            if slow:
                self.server.ended.wait(0.01)
        return b"".join(pieces)

    def _upstream(self, method: str, body: bytes | None) -> tuple[int, bytes, dict[str, str]]:
        to = self.server.upstream
        connection = http.client.HTTPConnection(str(to.hostname), to.port, timeout=60)
        try:
            own = ("connection", "accept-encoding")  # answers are read here
            headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
            connection.request(method, self.path, body, headers)
            response = connection.getresponse()
            data = response.read()
            kind = response.headers.get("Content-Type", "")
            if method == "POST" and response.status < 300:
                with self.server.lock:
                    self.server.answered.update(_stored(data))
            return response.status, data, {"Content-Type": kind}
        finally:
            connection.close()

    def _forward(self, method: str, body: bytes | None) -> None:
        try:
            status, data, headers = self._upstream(method, body)
        except OSError:
            self._reply(502, b"the archive does not answer", {})
            return
        self._reply(status, data, headers)

    def _reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        """Ends the connection with a reset rather than an orderly end."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def posted_uids(body: bytes, content_type: str) -> Iterator[str]:
    """The SOP Instance UIDs of the Part 10 files in a store request."""
    boundary = content_type.split("boundary=")[1].split(";", maxsplit=1)[0].strip('"').encode()
    for part in body.split(b"--" + boundary)[1:-1]:
        _, _, file = part.partition(b"\r\n\r\n")
        dataset = pydicom.dcmread(io.BytesIO(file), specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        yield str(UID(dataset.SOPInstanceUID))


def _stored(data: bytes) -> Iterator[str]:
    """The instances that an archive names as stored."""
    with suppress(ValueError):
        answer = json.loads(data)
        for item in answer.get("00081199", {}).get("Value", []) if isinstance(answer, dict) else []:
            yield item["00081155"]["Value"][0]


def _all_failed(uids: list[str]) -> bytes:
    items = [
        {
            "00081155": {"vr": "UI", "Value": [uid]},
            "00081197": {"vr": "US", "Value": [FAILED_REASON]},
        }
        for uid in uids
    ]
    return json.dumps({"00081198": {"vr": "SQ", "Value": items}}).encode()


@contextmanager
def proxy(
    upstream: str, plan: Callable[[int], Fault] = lambda _: Fault.NONE, *, patience: float = 1.0
) -> Iterator[tuple[str, Proxy]]:
    """The address of a running proxy, in front of the server at `upstream`, and the proxy."""
    server = Proxy(upstream, plan, patience=patience)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
