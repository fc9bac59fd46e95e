"""The embedded archive as a web application, and ways to run it (PS3.18 chapters 8 and 10).

It is for trying out and for tests: it keeps what it gets and tells the truth about it, and it asks
nobody who they are.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.archive.page import page
from gateway.archive.pictures import rendered, thumbnail
from gateway.archive.qido import search
from gateway.archive.replies import Problem
from gateway.archive.store import Store
from gateway.archive.stow import store
from gateway.archive.wado import bulk_data, delete, metadata, retrieve, retrieve_frames

ROOT = "/dicom-web"
HOST = "127.0.0.1"

log = logging.getLogger(__name__)

_GRACE = 5
"""Seconds that requests have to end when the archive is told to."""

_STUDY = "/studies/{study}"
_SERIES = f"{_STUDY}/series/{{series}}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"

Handler = Callable[[Request], Response | Awaitable[Response]]
"""Answers a request, in a thread of its own unless it is a coroutine."""

_SERVICES: Mapping[str, Mapping[str, Handler]] = {
    "/studies": {"GET": search, "POST": store},
    "/series": {"GET": search},
    "/instances": {"GET": search},
    _STUDY: {"GET": retrieve, "POST": store, "DELETE": delete},
    f"{_STUDY}/series": {"GET": search},
    f"{_STUDY}/instances": {"GET": search},
    f"{_STUDY}/metadata": {"GET": metadata},
    f"{_STUDY}/thumbnail": {"GET": thumbnail},
    _SERIES: {"GET": retrieve, "DELETE": delete},
    f"{_SERIES}/instances": {"GET": search},
    f"{_SERIES}/metadata": {"GET": metadata},
    f"{_SERIES}/thumbnail": {"GET": thumbnail},
    _INSTANCE: {"GET": retrieve, "DELETE": delete},
    f"{_INSTANCE}/metadata": {"GET": metadata},
    f"{_INSTANCE}/thumbnail": {"GET": thumbnail},
    f"{_INSTANCE}/rendered": {"GET": rendered},
    f"{_INSTANCE}/bulkdata/{{tag}}": {"GET": bulk_data},
    f"{_INSTANCE}/frames/{{frames}}": {"GET": retrieve_frames},
    f"{_INSTANCE}/frames/{{frames}}/rendered": {"GET": rendered},
}
"""What there is below the DICOMweb root."""


def create_app(directory: Path, root: str = ROOT) -> Starlette:
    """The archive of a directory, with its DICOMweb services under the path `root`."""
    root = f"/{root.strip('/')}".rstrip("/")
    routes = [_resource(f"{root}{path}", handlers) for path, handlers in _SERVICES.items()]
    app = Starlette(
        routes=[_resource("/", {"GET": page}), *routes],
        exception_handlers=_REFUSALS,
    )
    app.state.store = Store(directory)
    app.state.root = root
    return app


def serve(
    directory: Path,
    port: int,
    root: str = ROOT,
    host: str = HOST,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Runs the archive until it is told to end (Ctrl-C, SIGTERM).

    `ready` is called with the address, without `root`, once connections are taken; port 0 stands for
    any free one. Raises OSError when the port or the directory cannot be used.
    """
    # they quote values, and what patients are called has no place in a log
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    app = create_app(directory, root)
    with _listening(host, port) as listener:
        if ready:
            ready(_address(listener))
        try:
            _server(app).run(sockets=[listener])
        finally:
            app.state.store.close()


@contextmanager
def running(directory: Path, *, port: int = 0, root: str = ROOT) -> Iterator[str]:
    """The archive in a thread of its own, on this machine alone; gives the DICOMweb root.

    Raises OSError when the port or the directory cannot be used.
    """
    app = create_app(directory, root)
    with _listening(HOST, port) as listener:
        server = _server(app)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="archive", daemon=True
        )
        thread.start()
        try:
            yield f"{_address(listener)}{app.state.root}"
        finally:
            server.should_exit = True
            thread.join()
            app.state.store.close()


def _resource(path: str, handlers: Mapping[str, Handler]) -> Route:
    """One address with all its methods, so that a refusal can say which there are."""
    allowed = ", ".join(sorted({*handlers, "HEAD", "OPTIONS"}))

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allowed})
        handler = handlers["GET" if request.method == "HEAD" else request.method]
        answer = await run_in_threadpool(handler, request)
        response = answer if isinstance(answer, Response) else await answer
        if request.method == "HEAD":  # nobody reads a body that is not sent
            return Response(status_code=response.status_code, headers=dict(response.headers))
        return response

    return Route(path, endpoint, methods=[*handlers, "OPTIONS"])


# Refusals


def _problem(request: Request, error: Problem) -> Response:
    return error.response()


def _refusal(request: Request, error: HTTPException) -> Response:
    """What the framework refuses by itself: addresses and methods that there are not."""
    words = {
        404: "There is nothing at this address",
        405: f"{request.method} is not possible at this address",
    }
    return Problem(error.status_code, words.get(error.status_code, error.detail), error.headers).response()


def _gone(request: Request, error: Exception) -> Response:
    log.info("A client went away before its request was complete; nothing of it was stored")
    return Response(status_code=400)


def _failure(request: Request, error: Exception) -> Response:
    return Problem(500, "The archive ran into an error; its log says which").response()


_REFUSALS: Mapping[Any, Callable[..., Response]] = {
    Problem: _problem,
    HTTPException: _refusal,
    ClientDisconnect: _gone,
    Exception: _failure,
}


# Running


class _Server(uvicorn.Server):
    """A server that takes a signal to end as the end, and not as an error afterwards."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server on Ctrl-C and SIGTERM while it runs in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _server(app: Starlette) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
    )
    return _Server(config)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections before anything else happens, so that nobody comes too early."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio spares the delay of Nagle's algorithm only where it sees that this is TCP
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
