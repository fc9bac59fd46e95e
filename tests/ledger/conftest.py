"""A ledger in a file and one in memory, with a clock that stands until it is set on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.ledger import Claim, Entry, Identity, Ledger, Query, Ready, Result, State
from gateway.stream import FileStamp

ARCHIVE = "archive"
START = 1_700_000_000.0


@dataclass
class Desk:
    """A ledger as a door uses it, with short words for what tests do again and again."""

    path: Path | None
    time: float = START
    running: dict[int, bool | None] = field(default_factory=dict)
    """What is seen of processes, by number; others are taken to run."""
    opened: list[Ledger] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = self.open()

    def open(self) -> Ledger:
        ledger = Ledger.open(
            self.path, now=lambda: self.time, look=lambda it: self.running.get(it.number, True)
        )
        self.opened.append(ledger)
        return ledger

    def found(
        self, *paths: str, folder: str = "in", to: Sequence[str] = (ARCHIVE,), size: int = 10
    ) -> tuple[int, ...]:
        seen = self.ledger.files.see(folder, [(path, FileStamp(size, size, 1)) for path in paths], to)
        return (*seen.new, *seen.changed)

    def ready(
        self, *paths: str, study: str = "", group: str = "", to: Sequence[str] = (ARCHIVE,)
    ) -> tuple[int, ...]:
        ids = self.found(*paths, to=to)
        self.ledger.files.ready(Ready(each, study=study, group=group) for each in ids)
        return ids

    def owner(self, name: str = "worker") -> int:
        return self.ledger.claims.join(name)

    def claim(self, owner: int, to: Sequence[str] = (ARCHIVE,), files: int = 1000) -> Claim | None:
        claims = self.ledger.claims.claim(owner, to, files=files)
        return claims[0] if claims else None

    def ids(self, owner: int, to: Sequence[str] = (ARCHIVE,)) -> list[int]:
        claim = self.claim(owner, to)
        return [each.id for each in claim.files] if claim else []

    def end(self, *paths: str, result: Result | None = None, study: str = "1.2") -> tuple[int, ...]:
        """Files that went all the way, by default to being stored."""
        ids = self.ready(*paths, study=study)
        owner = self.owner()
        claim = self.claim(owner)
        assert claim is not None
        assert {each.id for each in claim.files} == set(ids)
        self.ledger.outcomes.record(owner, {each: result or stored(each, study) for each in ids})
        self.ledger.claims.leave(owner)
        return ids

    def entry(self, file: int) -> Entry:
        entry = self.ledger.reports.get(file)
        assert entry is not None
        return entry

    def state(self, file: int) -> State:
        return self.entry(file).state

    def states(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for each in self.ledger.reports.counts():
            counts[each.state.value] = counts.get(each.state.value, 0) + each.files
        return counts

    def all(self, **which: object) -> tuple[Entry, ...]:
        return self.ledger.reports.page(Query(**which))  # type: ignore[arg-type]

    def happened(self, file: int) -> list[tuple[str, str]]:
        detail = self.ledger.reports.detail(file)
        assert detail is not None
        return [(each.who, each.what) for each in detail.events]


def stored(number: int, study: str = "1.2") -> Result:
    return Result(State.STORED, identity=Identity(study, f"{study}.1", f"{study}.1.{number}", "1.2.840"))


@pytest.fixture(params=["file", "memory"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "ledger.db" if request.param == "file" else None)
    yield desk
    for each in desk.opened:
        each.close()


@pytest.fixture
def file_desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "ledger.db")
    yield desk
    for each in desk.opened:
        each.close()


@pytest.fixture
def store() -> Callable[..., Result]:
    """The result of a file that was stored."""
    return stored
