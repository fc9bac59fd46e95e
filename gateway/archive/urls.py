"""The addresses of what the archive holds (PS3.18 10.1)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Urls:
    """Absolute addresses, as the client that asked knows the archive.

    `base` is the DICOMweb root without a slash at the end, `request` the address that was asked for.
    """

    base: str
    request: str

    @classmethod
    def of(cls, request: Request) -> Urls:
        """The addresses for the answer to a request."""
        origin = _origin(request)
        root: str = request.app.state.root
        return cls(f"{origin}{root}", f"{origin}{request.scope['path']}")

    def study(self, study_uid: str) -> str:
        """A study's address."""
        return f"{self.base}/studies/{study_uid}"

    def series(self, study_uid: str, series_uid: str) -> str:
        """A series' address."""
        return f"{self.study(study_uid)}/series/{series_uid}"

    def instance(self, study_uid: str, series_uid: str, sop_uid: str) -> str:
        """An instance's address."""
        return f"{self.series(study_uid, series_uid)}/instances/{sop_uid}"


def _origin(request: Request) -> str:
    """Scheme, host and port by which the client knows the archive: its Host header.

    Some clients leave the port out of it (dicomweb-client does). Where the host is this machine, it is
    the port that the archive listens on.
    """
    scheme = request.scope["scheme"]
    address, port = request.scope.get("server") or ("127.0.0.1", 80)
    said = f"{scheme}://{request.headers.get('host', '')}"
    try:
        parts = urlsplit(said)
        name, named_port = parts.hostname, parts.port
    except ValueError:
        name = None
    if not name or said != f"{scheme}://{parts.netloc}":
        return f"{scheme}://{_joined(address, port)}"
    here = name == address or (name == "localhost" and ipaddress.ip_address(address).is_loopback)
    return f"{scheme}://{_joined(name, port)}" if here and named_port is None else said


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
