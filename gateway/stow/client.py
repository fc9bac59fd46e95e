"""Storing over HTTP. The only module that speaks HTTP as a client.

What is decided about each instance is decided in `delivery`; here a request goes out, and what comes
back is an answer, or one of the ways in which there is none.
"""

from __future__ import annotations

import logging
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from types import TracebackType
from typing import IO

import httpx

from gateway.config import Destination, Form
from gateway.errors import Fatal, Refused, Retry, Unreachable
from gateway.model import Instance, Outcome
from gateway.stow import address, answer, capabilities, codes, lookup, tls, trouble
from gateway.stow.answer import Answer
from gateway.stow.auth import Authorization
from gateway.stow.capabilities import Service
from gateway.stow.codes import Step
from gateway.stow.delivery import Delivery, Lost, Memory
from gateway.stow.lookup import Found, Presence
from gateway.stow.multipart import Malformed, PartData, Reader, parse_content_type
from gateway.stow.patience import Patience
from gateway.stow.request import Request
from gateway.stream import Stream
from gateway.version import __version__

LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer that are read; what is longer is none that we could have asked for."""

IDLE = 0.9
"""Seconds that an unused connection is kept: some archives close theirs after one."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

Headers = list[tuple[bytes, bytes]]

_log = logging.getLogger(__name__)


def _bounded(response: httpx.Response) -> bytes:
    """The body of an answer, which ought to be short."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            break
    return bytes(body[:LONGEST_ANSWER])


def _save(file: IO[bytes], response: httpx.Response) -> bytes:
    """Write an instance that was asked for to a file, out of its envelope if it has one."""
    if response.status_code != 200:
        return _bounded(response)
    file.seek(0)  # an earlier attempt may have broken off
    file.truncate()
    content_type = parse_content_type(response.headers.get("content-type", ""))
    if not content_type.media_type.startswith("multipart/"):
        file.writelines(response.iter_bytes())
        return b""
    reader = Reader(content_type.parameters.get("boundary"))
    for chunk in response.iter_bytes():
        file.writelines(event.data for event in reader.feed(chunk) if isinstance(event, PartData))
    reader.close()
    return b""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to be made; `read` takes the answer's body in."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Stream | None = None
    read: Callable[[httpx.Response], bytes] = _bounded


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: httpx.Headers
    body: bytes


class Client:
    """A destination, and the connections to it; one is shared by all threads that send there.

    `on_progress` is told how many more bytes are on their way; a negative number takes back those of
    an attempt that failed. `transport`, `clock`, `sleep` and `random` take the place of the network and
    of time. Raises `Fatal` for an address, header, certificate or proxy that cannot be used.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        transport: httpx.BaseTransport | None = None,
        on_progress: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._destination = destination
        self._address = address.parse(destination.url)
        self._authorization = Authorization(destination.credentials)
        self._on_progress = on_progress or (lambda _: None)
        self._stopped = threading.Event()
        self._clock = clock
        self._sleep = sleep or self._stopped.wait
        self._random = random
        self._memory = Memory()
        _check_headers(destination.headers)
        self._http = self._open(transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.shown})"

    @property
    def shown(self) -> str:
        """The address that is posted to, for people."""
        return self._address.shown

    def close(self) -> None:
        """Give the connections up."""
        self._http.close()

    def stop(self) -> None:
        """End all sending soon: bodies break off, nothing new goes out, nobody waits to try again."""
        self._stopped.set()

    def store(self, instances: Sequence[Instance]) -> list[Outcome]:
        """Store instances; one outcome each, in order.

        What the archive is in no state to take within `retry_for` seconds ends as `retry`, what may be
        stored but cannot be looked up as `unknown`. Raises `Refused` when the archive does not let us
        in and `Unreachable` when it cannot be reached; the error's `outcomes` say what is known of each
        instance by then.
        """
        delivery = Delivery(self, self._destination, self._memory, self._patience())
        return delivery.run(instances)

    def existing(self, instance: Instance) -> bool:
        """Whether the archive has this instance already.

        Raises `Refused` when it does not let us search, `Unreachable` when it does not answer.
        """
        patience = self._patience()
        while True:
            try:
                found = self.find(instance, patience)
            except Lost:
                found = None
            if found and found.presence is not Presence.UNCLEAR:
                return found.presence is Presence.THERE
            if found and found.status == 404:  # some archives say so of a study that they do not have
                return False
            if found:
                raise Refused(
                    f"{self._address.root}: it cannot be told what the archive has already, because "
                    f"{found.words}. Leave out --skip-existing"
                )
            if not patience.wait():
                raise Unreachable(f"{self._address.root}: the archive does not answer searches")

    def instances(self, study: str) -> frozenset[str] | None:
        """The SOP Instance UIDs that the archive has of a study; None when it does not say.

        Raises `Refused` when it does not let us search, `Unreachable` when it does not answer.
        """
        patience = self._patience()
        call = _Call("GET", self._address.instances(study), {"Accept": Form.JSON.media_type})
        while True:
            try:
                reply = self._exchange(call, patience)
            except Lost:
                reply = None
            later = {Step.LATER, Step.LATER_TWICE}
            if reply and (reply.status < 300 or codes.status(reply.status).step not in later):
                return lookup.instances(reply.status, reply.body)
            if not patience.wait():
                raise Unreachable(f"{self._address.root}: the archive does not answer searches")

    def retrieve(self, study: str, series: str, sop_instance_uid: str, file: IO[bytes]) -> None:
        """Write an instance to a file, as the archive keeps it (WADO-RS, PS3.18 10.4).

        Raises `Refused` when the archive does not give it, `Retry` when it breaks off, and
        `Unreachable` when it does not answer.
        """
        url = self._address.instance(study, series, sop_instance_uid)
        accept = f'multipart/related; type="{Form.DICOM.media_type}"; transfer-syntax=*'
        call = _Call("GET", url, {"Accept": accept}, read=partial(_save, file))
        try:
            reply = self._exchange(call, self._patience())
        except (Lost, Malformed) as error:
            raise Retry(f"{self._address.root}: an instance did not come back whole: {error}") from error
        if reply.status != 200:
            said = answer.parse(reply.status, reply.headers, reply.body).text
            text = codes.sentence("the archive does not give an instance back", f"HTTP {reply.status}", said)
            raise Refused(f"{self._address.root}: {text}")

    def probe(self) -> Service:
        """What the archive says of itself, and whether it lets us in; nothing is stored.

        It is asked for its capabilities (PS3.18 10.3) and, since these may be for everybody, for any one
        study (10.6). Raises `Refused` when it does not let us in or nothing is at the address, and
        `Unreachable` when it does not answer, or is in trouble.
        """
        patience = self._patience()
        described = self._capabilities(patience)
        try:
            reply = self._exchange(
                _Call("GET", self._address.any_study, {"Accept": Form.JSON.media_type}), patience
            )
        except Lost as error:
            raise Unreachable(f"{self._address.root}: {error}") from error
        posts = any("POST" in capabilities.methods(each.headers.get("allow")) for each in described)
        forms = next((found for each in described if (found := capabilities.forms(each.body))), None)
        said = answer.parse(reply.status, reply.headers, reply.body).text if reply.status >= 300 else None
        words = codes.sentence("a search was not answered", f"HTTP {reply.status}", said)
        if reply.status in (401, 407) or (300 <= reply.status < 400):
            raise Refused(f"{self.shown}: {self._why(reply.status, said)}")
        if reply.status in (404, 410) and not posts and forms is None:
            raise Refused(f"{self.shown}: {self._why(reply.status, said)}")
        if codes.status(reply.status).step in {Step.LATER, Step.LATER_TWICE} and reply.status >= 400:
            raise Unreachable(f"{self.shown}: {self._why(reply.status, said)}")
        return Service(self.shown, forms, words if reply.status >= 300 else None, _date(reply.headers))

    # What a delivery needs

    def post(self, request: Request, patience: Patience) -> Answer:
        """Send a store request; see `delivery.Wire`."""
        headers = {"Content-Type": request.content_type}
        if not self._destination.chunked:
            headers["Content-Length"] = str(request.body.length)
        reply = self._exchange(_Call("POST", self._address.store, headers, request.body), patience)
        return answer.parse(reply.status, reply.headers, reply.body)

    def find(self, instance: Instance, patience: Patience) -> Found | None:
        """Search for an instance in its study and then everywhere; see `delivery.Wire`."""
        found: Found | None = None
        if self._stopped.is_set():
            return None
        for study in (instance.study_instance_uid, None):
            url = self._address.search(study, instance.sop_instance_uid)
            reply = self._exchange(_Call("GET", url, {"Accept": Form.JSON.media_type}), patience)
            if reply.status >= 300 and codes.status(reply.status).step in {Step.LATER, Step.LATER_TWICE}:
                return None
            found = lookup.read(reply.status, reply.body, instance)
            if found.presence is not Presence.UNCLEAR:
                break
        return found

    # HTTP

    def _capabilities(self, patience: Patience) -> list[_Reply]:
        """What is said of the store address and of the service; archives may say nothing of either."""
        replies = []
        for url in (self._address.store, f"{self._address.root}/"):
            try:
                reply = self._exchange(_Call("OPTIONS", url, {"Accept": capabilities.ACCEPT}), patience)
            except Lost:
                continue
            replies += [reply] if reply.status < 300 else []
        return replies

    def _why(self, status: int, said: str | None) -> str:
        meaning = codes.status(status)
        return codes.sentence(meaning.words, f"HTTP {status}", said, meaning.remedy)

    def _patience(self) -> Patience:
        budget = 0.0 if self._memory.tired else self._destination.retry_for
        return Patience(budget, clock=self._clock, sleep=self._sleep, random=self._random)

    def _exchange(self, call: _Call, patience: Patience) -> _Reply:
        """One request and its answer. Connecting, and a token that is refused, are tried again here."""
        renewed = repeated = False
        while True:
            authorization = self._authorization.header()
            began = self._clock()
            try:
                reply = self._talk(call, authorization, patience)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                self._refuse_if_lasting(error)
                if trouble.is_unknown_host(error) or not patience.wait(since=began):
                    raise Unreachable(
                        f"{self.shown} cannot be reached: {trouble.reason(error)}. "
                        "Check the address, and whether the archive is running"
                    ) from error
            except httpx.TimeoutException as error:
                raise Lost(f"The archive was silent for {self._destination.timeout:g} seconds") from error
            except httpx.RequestError as error:
                self._refuse_if_lasting(error)
                if call.body or repeated:
                    raise Lost(
                        "The archive closed the connection without a complete answer", hung_up=True
                    ) from error
                repeated = True  # a question may be asked twice
            else:
                if reply.status != 401 or renewed or not self._authorization.renew(authorization):
                    return reply
                renewed = True

    def _talk(self, call: _Call, authorization: str | None, patience: Patience) -> _Reply:
        outgoing = _Outgoing(call.body, self._on_progress, self._stopped) if call.body else None
        timeout = self._destination.timeout
        request = self._http.build_request(
            call.method,
            call.url,
            headers=self._headers(call.headers, authorization),
            content=outgoing,
            timeout=httpx.Timeout(timeout, connect=self._connect_timeout(patience), pool=None),
        )
        try:
            with closing(self._http.send(request, stream=True)) as response:
                reply = _Reply(response.status_code, response.headers, call.read(response))
        except BaseException:
            if outgoing:
                outgoing.take_back()
            raise
        _log.debug("%s %s: %d", call.method, self._address.host, reply.status)
        if outgoing and reply.status >= 300 and codes.status(reply.status).step is not Step.FAIL:
            outgoing.take_back()
        return reply

    def _connect_timeout(self, patience: Patience) -> float:
        """What is left of the time for trying again, but at least a second."""
        longest = self._destination.connect_timeout
        return longest if patience.left is None else min(longest, max(1.0, patience.left))

    def _refuse_if_lasting(self, error: httpx.RequestError) -> None:
        if isinstance(error, httpx.ProxyError) and re.match("40[37]", str(error)):
            raise Refused(f"{self.shown}: the proxy does not let us through ({error})") from error
        if why := trouble.lasting(error):
            raise Refused(f"{self.shown}: {why}") from error

    def _headers(self, needed: Mapping[str, str], authorization: str | None) -> Headers:
        """The headers of a request: the user's own take the place of ours, but not of what is needed."""
        ours = {"User-Agent": f"stow-gateway/{__version__}", "Accept": self._destination.accept.media_type}
        if authorization:
            ours["Authorization"] = authorization
        own = [(name, value) for name, value in self._destination.headers if name.title() not in needed]
        replaced = {name.title() for name, _ in own} | needed.keys()
        pairs = [*needed.items(), *own, *((n, v) for n, v in ours.items() if n not in replaced)]
        return [(name.encode("ascii"), value.strip().encode("utf-8")) for name, value in pairs]

    def _open(self, transport: httpx.BaseTransport | None) -> httpx.Client:
        """The connections; proxies are taken from the environment, but not for this machine."""
        jobs = self._destination.jobs
        try:
            httpx.URL(self._address.store)
            return httpx.Client(
                transport=transport,
                verify=self._trust(),
                trust_env=not self._address.is_loopback,
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=jobs, keepalive_expiry=IDLE
                ),
                follow_redirects=False,
            )
        except httpx.InvalidURL as error:
            raise Fatal(f"{self.shown} is no address: {error}") from error
        except (ImportError, ValueError) as error:
            raise Fatal(
                "The proxy named in the environment cannot be used: HTTP_PROXY, HTTPS_PROXY or ALL_PROXY "
                "must be the http:// address of one"
            ) from error

    def _trust(self) -> ssl.SSLContext:
        if self._address.store.startswith("https:"):
            return tls.context(self._destination.tls, httpx.create_ssl_context)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not used; loading authorities takes its time


class _Outgoing:
    """A body on its way: it can be sent again, tells how far it is, and ends when sending is stopped."""

    def __init__(self, body: Stream, on_progress: Callable[[int], None], stopped: threading.Event) -> None:
        self._body = body
        self._on_progress = on_progress
        self._stopped = stopped
        self._sent = 0

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._body)
        while (chunk := self._next(chunks)) is not None:
            yield chunk
            self._sent += len(chunk)
            self._on_progress(len(chunk))

    def take_back(self) -> None:
        """What was sent will be sent again, or never."""
        self._on_progress(-self._sent)
        self._sent = 0

    def _next(self, chunks: Iterator[bytes]) -> bytes | None:
        if self._stopped.is_set():
            raise Retry("Sending was stopped before this was sent")
        try:
            return next(chunks, None)
        except OSError as error:
            name = error.filename or "A source file"
            raise Retry(f"{name} could not be read to its end: {error.strerror or error}") from error


def _date(headers: httpx.Headers) -> datetime | None:
    """When an answer was made, by the clock of who made it (RFC 9110 6.6.1)."""
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _check_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Refuse headers that HTTP cannot carry; values are not shown, because they may be secret."""
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise Fatal(f"{name!r} is no name of a header: write NAME:VALUE")
        if any(character < " " and character != "\t" for character in value.strip()) or "\x7f" in value:
            raise Fatal(f"The value of the header {name} has control characters in it")
        if name.lower() in ("content-length", "transfer-encoding"):
            raise Fatal(f"The header {name} cannot be given: it follows from what is sent")
