"""Whom the gateway trusts, and the certificate that it shows (PS3.15 B.12)."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.config import Tls
from gateway.errors import Fatal


def context(tls: Tls, public: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """The TLS settings for a destination.

    `public` makes a context that trusts the public authorities; those of this machine are added. An
    authority of the site's own takes the place of all of them. Raises `Fatal` for files that do not
    hold what they should.
    """
    if tls.ca:
        settings = _trusting(tls.ca)
    else:
        settings = public()
        settings.load_default_certs()
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    if not (tls.verify and tls.check_hostname):
        settings.check_hostname = False
    if not tls.verify:
        settings.verify_mode = ssl.CERT_NONE
    if tls.certificate:
        _present(settings, tls.certificate, tls.key)
    return settings


def _trusting(ca: Path) -> ssl.SSLContext:
    try:
        if ca.is_dir():
            return ssl.create_default_context(capath=str(ca))
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError as error:
        raise Fatal(f"{ca} does not hold certificates: a file with PEM certificates is needed") from error
    except OSError as error:
        raise Fatal(f"The certificates {ca} cannot be read: {error.strerror}") from error


def _present(settings: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def no_password() -> str:
        raise Fatal(f"The key in {key or certificate} is encrypted: give one without a password")

    try:
        settings.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        where = f"{certificate} and {key}" if key else str(certificate)
        raise Fatal(f"{where} must hold a PEM certificate and the private key that belongs to it") from error
    except OSError as error:
        raise Fatal(f"The certificate {certificate} or its key cannot be read: {error.strerror}") from error
