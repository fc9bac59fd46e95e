"""The ledger against a plain model of it: whatever happens in whatever order, both agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.ledger import Growing, Identity, Ledger, Query, Ready, Result, State
from gateway.ledger.processes import Process
from gateway.ledger.states import FINISHED, UNCLAIMED, WAITING
from gateway.stream import FileStamp

PATHS = ["a.jpg", "b.jpg", "c.jpg"]
OWNERS = [0, 1]
OUTCOMES = [
    State.STORED,
    State.WARNING,
    State.DUPLICATE,
    State.HELD,
    State.REJECTED,
    State.RETRY,
    State.REFUSED,
    State.SKIPPED,
    State.READY,
    State.SEEN,
]
DELAY = Growing(10, 10)


@dataclass
class Row:
    """A file as the model has it."""

    path: str
    size: int
    generation: int = 1
    current: bool = True
    state: State = State.SEEN
    back: State | None = None
    due: float | None = None
    unit: str | None = None
    reason: str | None = None
    stored: int = 0


class Machine(RuleBasedStateMachine):
    """Two workers and a scan."""

    @initialize()
    def start(self) -> None:
        self.time = 1000.0
        self.running = dict.fromkeys(OWNERS, True)
        self.ledger = Ledger.open(
            None, now=lambda: self.time, look=lambda process: self.running[process.number]
        )
        self.rows: dict[int, Row] = {}
        self.held_by: dict[str, int] = {}
        self.owners = {each: self._join(each) for each in OWNERS}
        self.see(dict.fromkeys(PATHS, 1))  # so that there is something to do from the first step on
        for path, study in zip(PATHS, ("1", "1", "2"), strict=True):
            self.ready({path}, study)

    def _join(self, number: int) -> int:
        return self.ledger.claims.join("worker", Process("host", "space", number, "1"))

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    @rule(found=st.dictionaries(st.sampled_from(PATHS), st.integers(1, 2), min_size=1))
    def see(self, found: dict[str, int]) -> None:
        seen = self.ledger.files.see(
            "in", [(path, FileStamp(size, 0, 0)) for path, size in found.items()], ["archive"]
        )
        changed, new = [], []
        for path, size in found.items():
            known = [(key, row) for key, row in self.rows.items() if row.path == path]
            current = next(((key, row) for key, row in known if row.current), None)
            if current is None:
                new.append(Row(path, size))
                continue
            key, row = current
            vanished = row.state is State.SKIPPED and row.reason == "vanished"
            if vanished or (row.state in UNCLAIMED and row.size != size):
                self.rows[key] = Row(path, size, row.generation, stored=row.stored)
                changed.append(key)
            elif row.state in FINISHED and row.size != size:
                row.current = False
                new.append(Row(path, size, row.generation + 1))
        assert sorted(seen.changed) == sorted(changed)
        assert len(seen.new) == len(new)
        self.rows.update(zip(seen.new, new, strict=True))

    @rule(paths=st.sets(st.sampled_from(PATHS), min_size=1), study=st.sampled_from(["", "1", "2"]))
    def ready(self, paths: set[str], study: str) -> None:
        for key, row in self.rows.items():
            if row.path in paths and row.current:
                self.ledger.files.ready([Ready(key, study=study)])
                if row.state in UNCLAIMED:
                    row.state, row.due, row.reason = State.READY, self.time, None
                    row.unit = f"study:{study}" if study else f"file:{key}"

    @rule(path=st.sampled_from(PATHS))
    def vanish(self, path: str) -> None:
        gone = [
            row for row in self.rows.values() if row.path == path and row.current and row.state in UNCLAIMED
        ]
        assert self.ledger.files.vanished("in", [path]) == len(gone)
        for row in gone:
            row.state, row.due, row.unit, row.reason = State.SKIPPED, None, None, "vanished"

    @rule(number=st.sampled_from(OWNERS), after=st.sampled_from([0, 10]))
    def claim(self, number: int, after: int) -> None:
        self.time += after
        self.ledger.claims.beat(*self.owners.values())
        free: dict[str, float] = {}
        for row in self.rows.values():
            if row.state in WAITING and row.due is not None and row.due <= self.time:
                assert row.unit
                if row.unit not in self.held_by:
                    free[row.unit] = min(row.due, free.get(row.unit, row.due))
        claims = self.ledger.claims.claim(self.owners[number], ["archive"])
        assert bool(claims) == bool(free)
        for claim in claims:
            ids = {each.id for each in claim.files}
            (unit,) = {self.rows[each].unit for each in ids}
            assert unit
            assert free[unit] == min(free.values())
            assert ids == {
                key
                for key, row in self.rows.items()
                if row.unit == unit and row.state in WAITING and row.due is not None and row.due <= self.time
            }
            self.held_by[unit] = number
            for each in ids:
                self.rows[each].back, self.rows[each].state = self.rows[each].state, State.CLAIMED

    def _claimed(self, number: int | None = None) -> list[int]:
        return [
            key
            for key, row in self.rows.items()
            if row.state is State.CLAIMED and row.unit and number in (None, self.held_by[row.unit])
        ]

    @precondition(lambda self: self._claimed())
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def record(self, data: st.DataObject, outcome: State) -> None:
        file = data.draw(st.sampled_from(self._claimed()))
        row = self.rows[file]
        assert row.unit
        identity = Identity("1", "1.1", f"1.1.{file}") if outcome is State.STORED else None
        result = Result(outcome, reason="r", identity=identity, again=DELAY, attempts=1)
        self.ledger.outcomes.record(self.owners[self.held_by[row.unit]], {file: result})
        unit = row.unit
        row.state, row.back, row.reason = outcome, None, "r"
        row.stored += outcome is State.STORED
        row.due = {State.RETRY: self.time + 10, State.HELD: self.time + 10, State.READY: self.time}.get(
            outcome
        )
        if outcome not in WAITING:
            row.unit = None
        self._free(unit)

    @precondition(lambda self: self._claimed())
    @rule(data=st.data(), study=st.sampled_from(["1", "2"]))
    def regroup(self, data: st.DataObject, study: str) -> None:
        file = data.draw(st.sampled_from(self._claimed()))
        row = self.rows[file]
        assert row.unit
        before, number, unit = row.unit, self.held_by[row.unit], f"study:{study}"
        done = self.ledger.claims.regroup(self.owners[number], {file: study})
        row.unit = unit
        if self.held_by.setdefault(unit, number) == number:
            assert [[each.id for each in claim.files] for claim in done.claims] == [[file]]
        else:
            assert done.waiting == (file,)
            assert row.back
            row.state, row.back = row.back, None
        self._free(before)

    @rule(number=st.sampled_from(OWNERS), crash=st.booleans())
    def end(self, number: int, crash: bool) -> None:
        files = self._claimed(number)
        if crash:
            self.running[number] = False
            assert sorted(self.ledger.claims.expire()) == files
            self.running[number] = True
        else:
            self.ledger.claims.leave(self.owners[number])
        for each in files:
            row = self.rows[each]
            assert row.back
            row.state, row.back = row.back, None
        self.held_by = {unit: owner for unit, owner in self.held_by.items() if owner != number}
        self.owners[number] = self._join(number)

    @rule()
    def retry(self) -> None:
        again = [
            row
            for row in self.rows.values()
            if row.current and row.state in (WAITING | FINISHED) - {State.CHANGED}
        ]
        assert self.ledger.decisions.retry(Query(), "me") == len(again)
        for key, row in self.rows.items():
            if row in again:
                row.state, row.due, row.reason = State.READY, self.time, None
                if row.unit is None:
                    identity = self.ledger.reports.get(key)
                    assert identity
                    row.unit = f"study:{identity.identity.study}" if identity.identity else f"file:{key}"

    def _free(self, unit: str) -> None:
        if not any(row.unit == unit and row.state is State.CLAIMED for row in self.rows.values()):
            self.held_by.pop(unit, None)

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "ledger"):
            return
        entries = {each.id: each for each in self.ledger.reports.every(Query(replaced=True))}
        assert {
            key: (each.path, each.stamp.size, each.generation, each.current, each.state)
            for key, each in entries.items()
        } == {
            key: (row.path, row.size, row.generation, row.current, row.state)
            for key, row in self.rows.items()
        }
        counts = Counter(row.state for row in self.rows.values() if row.current)
        sizes: Counter[State] = Counter()
        for row in self.rows.values():
            sizes[row.state] += row.size if row.current else 0
        assert {each.state: (each.files, each.size) for each in self.ledger.reports.counts()} == {
            state: (count, sizes[state]) for state, count in counts.items()
        }
        stored = sum(each.files for each in self.ledger.reports.hours() if each.state is State.STORED)
        assert stored == sum(row.stored for row in self.rows.values())

    @invariant()
    def units_are_those_that_are_needed(self) -> None:
        if not hasattr(self, "ledger"):
            return
        with self.ledger._database.read() as transaction:
            connection = transaction._connection  # type: ignore[attr-defined]
            units = connection.execute("SELECT key, owner FROM units").fetchall()
        wanted = {row.unit for row in self.rows.values() if row.unit}
        assert {row["key"] for row in units} == wanted
        assert {row["key"]: row["owner"] for row in units if row["owner"]} == {
            unit: self.owners[number] for unit, number in self.held_by.items()
        }


TestLedgerAgainstModel = Machine.TestCase
TestLedgerAgainstModel.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
