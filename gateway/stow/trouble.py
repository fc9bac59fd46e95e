"""Why a connection failed, in words, from what the operating system and TLS say."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

# What OpenSSL calls a failure that the same attempt would meet again; an unexpected end is none.
_LASTING = re.compile(r"certificate|unknown_ca|handshake_failure|wrong_version|protocol|http_request", re.I)


def lasting(error: BaseException) -> str | None:
    """Why the other side and we will never come together, when that is so: trust, or no common language."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message.rstrip('.')}). "
                "Name the authority that issued it (--cacert, or tls: ca)"
            )
        if isinstance(cause, ssl.SSLError) and _LASTING.search(cause.reason or ""):
            return (
                f"TLS fails ({(cause.reason or '').replace('_', ' ').lower()}). "
                "Check whether it speaks https there, and whether it wants a client certificate (--cert, or "
                "tls: cert)"
            )
        text = str(cause)
        if "illegal status line" in text or "illegal header line" in text:
            return "what answers there does not speak HTTP. Check host and port"
    return None


def reason(error: BaseException) -> str:
    """What the operating system says, such as `connection refused`."""
    for cause in _causes(error):
        if isinstance(cause, TimeoutError):
            return "no answer to the attempt to connect"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror[:1].lower() + cause.strerror[1:]
    return "the connection failed"


def is_unknown_host(error: BaseException) -> bool:
    """Whether there is no such host, which waiting does not change."""
    return any(
        isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause:
        yield cause
        cause = cause.__cause__ or cause.__context__
