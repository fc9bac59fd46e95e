"""Addresses: where to store, where to look, and which study an address names (PS3.18 10.1, 10.5.1)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from gateway.errors import Fatal

_DICOM_KEY = re.compile(r"[0-9A-Fa-f]{8}|[A-Z].*")


@dataclass(frozen=True, slots=True)
class Address:
    """A store address taken apart.

    `store` is what is posted to; `root` the DICOMweb root, which queries start from; `study` the Study
    Instance UID in the address, if there is one; `query` what followed the question mark. `shown` is
    for people: it has no query, which may be a secret.
    """

    store: str
    root: str
    study: str | None
    query: str
    host: str
    shown: str

    @property
    def is_loopback(self) -> bool:
        """Whether the address stays on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def search(self, study: str | None, sop_instance_uid: str) -> str:
        """The address of a search for one instance, in a study or everywhere (PS3.18 10.6.1).

        Of the store address's own query, attributes are left out: there they are values for what is
        stored, here they would narrow the search.
        """
        path = f"/studies/{quote(study, safe='')}/instances" if study else "/instances"
        return f"{self.root}{path}?{urlencode([('SOPInstanceUID', sop_instance_uid), *self._own_query()])}"

    def instances(self, study: str) -> str:
        """The address of a search for all instances of a study (PS3.18 10.6.1)."""
        query = urlencode([("includefield", "SOPInstanceUID"), *self._own_query()])
        return f"{self.root}/studies/{quote(study, safe='')}/instances?{query}"

    @property
    def any_study(self) -> str:
        """The address of a search that one study at most answers (PS3.18 10.6.1)."""
        return f"{self.root}/studies?{urlencode([('limit', '1'), *self._own_query()])}"

    def _own_query(self) -> list[tuple[str, str]]:
        """The store address's own query without attributes."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return [(key, value) for key, value in pairs if not _DICOM_KEY.fullmatch(key)]

    def instance(self, study: str, series: str, sop_instance_uid: str) -> str:
        """The address of an instance (PS3.18 10.4.1)."""
        study, series, uid = (quote(each, safe="") for each in (study, series, sop_instance_uid))
        return f"{self.root}/studies/{study}/series/{series}/instances/{uid}"


def parse(url: str) -> Address:
    """Take a store address apart; a DICOMweb root gets `/studies` appended. Raises `Fatal`."""
    parts, host = _split(url)
    path = parts.path.rstrip("/")
    above, _, last = path.rpartition("/")
    if last == "studies":
        root, study = above, None
    elif above.rpartition("/")[2] == "studies":
        root, study = above.rpartition("/")[0], unquote(last)
    else:
        root, study, path = path, None, f"{path}/studies"
    return Address(
        store=urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
        root=urlunsplit((parts.scheme, parts.netloc, root, "", "")),
        study=study,
        query=parts.query,
        host=host,
        shown=urlunsplit((parts.scheme, parts.netloc, path, "", "")),
    )


def without_secrets(url: str) -> str:
    """An address as it may be shown: without credentials, and without a query, which may be a token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _split(url: str) -> tuple[SplitResult, str]:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port  # a port that is no number raises only when it is read
    except ValueError as error:
        raise Fatal(f"The address of the archive cannot be read: {error}") from error
    if "@" in parts.netloc:
        raise Fatal("The address of the archive has a user name or password in it: give them by -u instead")
    if parts.scheme not in ("http", "https") or not host:
        raise Fatal(
            f"{url!r} is no address of an archive: it begins with http:// or https:// and a host, "
            "as in http://127.0.0.1:8042/dicom-web"
        )
    return parts, host
