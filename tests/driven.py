"""A daemon that is driven step by step: it scans, works and compares when a test says so."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom.dataset import Dataset

from faults import posted_uids
from gateway.config import Destination
from gateway.intake.archives import Gate
from gateway.intake.configuration import Configuration, load
from gateway.intake.work import Inbox, Worker
from gateway.ledger import Entry, Query, State
from gateway.stow.client import Client
from standing import Standing

SETTLE = 5.0
TOP = ("destinations", "folders", "tmp_dir", "uid_namespace")
"""Keys of a configuration that are not those of its folder."""


Answer = Callable[[httpx.Request, list[str]], httpx.Response]
"""What an archive answers to a store of these SOP Instance UIDs."""


@dataclass
class Book:
    """An archive that answers by the book: first what `answers` say, then that it has stored everything.

    `posted` and `stored` count the instances, `searches` are the addresses of what was asked.
    """

    answers: list[Answer] = field(default_factory=list)
    posted: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    searches: list[httpx.URL] = field(default_factory=list)
    searching: Callable[[httpx.Request], httpx.Response] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            self.searches.append(request.url)
            return self.searching(request) if self.searching else self._found(request.url)
        uids = list(posted_uids(request.read(), request.headers["Content-Type"]))
        self.posted.update(uids)
        return self.answers.pop(0)(request, uids) if self.answers else self.store(request, uids)

    def store(self, _: httpx.Request, uids: list[str]) -> httpx.Response:
        self.stored.update(uids)
        return httpx.Response(200, json={"00081199": {"vr": "SQ", "Value": [_item(uid) for uid in uids]}})

    def _found(self, url: httpx.URL) -> httpx.Response:
        wanted = url.params.get("SOPInstanceUID")
        found = [uid for uid in self.stored if wanted in (None, uid)]
        return httpx.Response(200, json=[{"00080018": {"vr": "UI", "Value": [uid]}} for uid in found])

    def losing(self, request: httpx.Request, uids: list[str]) -> httpx.Response:
        """It stores, and the answer is lost on the way."""
        self.store(request, uids)
        raise httpx.ReadError("connection reset")


def status(code: int, **headers: str) -> Answer:
    """A refusal of the whole request; `Retry_After=` and the like are headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, __: httpx.Response(code, headers=named)


def failed(reason: int) -> Answer:
    """All instances failed for a reason."""

    def answer(_: httpx.Request, uids: list[str]) -> httpx.Response:
        items = [{**_item(uid), "00081197": {"vr": "US", "Value": [reason]}} for uid in uids]
        return httpx.Response(409, json={"00081198": {"vr": "SQ", "Value": items}})

    return answer


def unreachable(_: httpx.Request, __: list[str]) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def _item(uid: str) -> dict[str, Any]:
    return {"00081155": {"vr": "UI", "Value": [uid]}}


@dataclass
class Driven(Standing):
    """A daemon without threads: one worker for each destination.

    `archive` takes the place of the network; then sending takes no more time than its clock shows.
    """

    archive: Callable[[httpx.Request], httpx.Response] | None = None
    workers: list[Worker] = field(default_factory=list)
    opened: int = 0
    """How often connections were opened."""

    def open_client(self, destination: Destination) -> Client:
        self.opened += 1
        if self.archive is None:
            return Client(destination)
        transport = httpx.MockTransport(self.archive)
        return Client(
            destination, transport=transport, clock=self.clock, sleep=self.sleep, random=lambda: 0.0
        )

    def sleep(self, seconds: float) -> None:
        self.passed += seconds

    def open(self) -> None:
        super().open()
        for name, archive in self.configuration.archives.items():
            gate = Gate(archive, clock=self.clock, sleep=self.sleep, open_client=self.open_client)
            self.daemon.gates[name] = gate
            self.workers.append(
                Worker(
                    self.ledger,
                    self.inbox_of,
                    gate,
                    name=f"worker of {name}",
                    namespace=self.ledger.uid_namespace,
                    journal=self.daemon.journal,
                    stopping=self.daemon.stopping,
                    tmp_dir=self.configuration.tmp_dir,
                )
            )

    def inbox_of(self, name: str) -> Inbox:
        return self.daemon._inbox_of(name)

    @property
    def inbox(self) -> Path:
        return self.hot.folder.path

    @property
    def place(self) -> Path:
        return self.configuration.path.parent

    def scan(self) -> None:
        for hot in self.daemon.folders:
            hot.scan()

    def work(self) -> None:
        """Workers do all that is due."""
        while any([worker.step() for worker in self.workers]):
            pass

    def settle(self, seconds: float = SETTLE) -> None:
        """Files that are there now are seen, and are as they were when the time has passed."""
        self.scan()
        self.passed += seconds
        self.scan()

    def through(self, seconds: float = SETTLE) -> None:
        """All that is there goes as far as it can by now."""
        self.settle(seconds)
        self.work()
        self.scan()

    def rows(self, **which: Any) -> list[Entry]:
        return list(self.ledger.reports.every(Query(**which)))

    def row(self, path: str, destination: str = "archive") -> Entry:
        [row] = [each for each in self.rows() if (each.path, each.destination) == (path, destination)]
        return row

    def states(self) -> dict[str, str]:
        """The state of each file, with the reason where there is one."""
        return {
            each.path: each.state.value + (f" {each.reason}" if each.reason else "") for each in self.rows()
        }

    def state(self, path: str) -> State:
        return self.row(path).state

    def held(self, path: str) -> str | None:
        row = self.row(path)
        return row.reason if row.state is State.HELD else None


def configure(place: Path, url: str | None = None, mapping: str | None = None, **more: Any) -> Configuration:
    """A configuration with one folder, which has all keys but those at the top."""
    top = {key: more.pop(key) for key in TOP if key in more}
    (place / "inbox").mkdir(exist_ok=True)
    if mapping is not None:
        (place / "mapping.yaml").write_text(mapping, "utf-8")
    folder = {"path": "inbox", "name": "photos", "events": "off", **more}
    folder.setdefault("mapping", "mapping.yaml" if mapping is not None else "photo")
    sheet = {
        "destinations": {"archive": {"url": url, "jobs": 1}},
        "folders": [folder],
        "ledger": "ledger.db",
        **top,
    }
    (place / "gateway.yaml").write_text(yaml.safe_dump(sheet), "utf-8")
    return load(place / "gateway.yaml")


@contextmanager
def driven(configuration: Configuration, **more: Any) -> Iterator[Driven]:
    """The daemon, with its folders and destinations opened."""
    it = Driven(configuration, **more)
    with it.ledger:
        it.open()
        try:
            yield it
        finally:
            for gate in it.daemon.gates.values():
                gate.close()
            for hot in it.daemon.folders:
                hot.lock.release()


def picture(path: Path, number: int = 0, **options: Any) -> Path:
    """A small JPEG picture, another one for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (number % 256, number // 256 % 256, number // 65536 % 256)
    Image.new("RGB", (16, 16), colour).save(path, "JPEG", comment=str(number).encode(), **options)
    return path


def jpeg(number: int = 0) -> bytes:
    """The bytes of a small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, 0, 0)).save(buffer, "JPEG", comment=str(number).encode())
    return buffer.getvalue()


def in_archive(url: str) -> list[Dataset]:
    """All that an archive has, read by somebody else's client."""
    client = DICOMwebClient(url)
    return [
        Dataset.from_json(each)
        for study in client.search_for_studies(limit=10_000)
        for each in client.retrieve_study_metadata(study["0020000D"]["Value"][0])
    ]


def files_in(folder: Path) -> list[str]:
    """The files in a folder and below, by their paths in it; hidden ones are nobody's."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )
