"""What a run would do, found without the network: nothing is sent, and nothing asked of the archive.

Every file that is not finished is looked at as a run would. What is found out about it is kept in the
ledger (its digest, format and study), so that the run need not find it out again. Counts and some examples
are kept in memory; what must be told apart in millions (studies, objects, keys of tables) is kept in a file
of SQLite's that is gone afterwards.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gateway import pipeline
from gateway.dicom.identity import identify
from gateway.errors import GatewayError, Hold, Reject, Retry, Skip
from gateway.intake import assemble
from gateway.intake.batch.job import DESTINATION, Job
from gateway.intake.batch.page import amount, span
from gateway.intake.batch.report import Summary, summary
from gateway.ledger import Entry as Row
from gateway.ledger import Facts, Ledger, Query, Ready, State
from gateway.ledger.part import batches
from gateway.mapping.assembly import page_of
from gateway.mapping.known import known
from gateway.mapping.select import ALONE, Subject, select
from gateway.mapping.sources import ask
from gateway.mapping.sources.source import Case
from gateway.mapping.sources.table import TableSource
from gateway.mapping.tables.sheet import BadTable
from gateway.model import Source
from gateway.pipeline import Candidate
from gateway.stream import FileStamp

PLANNED = frozenset({State.SEEN, State.SETTLING, State.READY, State.RETRY, State.HELD})
"""States of files that a run would look at."""

BATCH = 500
EXAMPLES = 5
MOST_KINDS = 200
"""Kinds of problems that are told apart."""

LONGEST = 160
"""Characters of a kind of problem."""

USUAL_RATE = 10.0
"""Files a second for which a time is estimated where no rate is given: what most archives can take."""


@dataclass(slots=True)
class Share:
    """How many files, and how many bytes."""

    files: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        """Counts a file."""
        self.files += 1
        self.size += size


@dataclass(slots=True)
class Problem:
    """Files that would not be sent for one reason, and the first of them with what there is to say."""

    status: str
    reason: str
    kind: str
    files: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What a run would do.

    `ready` is what would be sent, `formats` and `templates` the same by kind. `again` are files that are the
    same object as another one. `now` is how the files stand in the ledger. `tables` are sentences about
    tables: rows that cannot be used, and rows that no file belongs to.
    """

    looked_at: int = 0
    ready: Share = field(default_factory=Share)
    again: Share = field(default_factory=Share)
    formats: dict[str, Share] = field(default_factory=dict)
    templates: dict[str, Share] = field(default_factory=dict)
    studies: int = 0
    documents: int = 0
    """Documents that are made of several files."""
    largest: int = 0
    """Files of the largest study."""
    problems: dict[tuple[str, str, str], Problem] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    tables: list[str] = field(default_factory=list)
    now: Summary = field(default_factory=Summary)
    rate: float = USUAL_RATE
    rate_given: bool = False
    bandwidth: float | None = None
    share: float | None = None
    seconds: float = 0.0

    @property
    def estimate(self) -> float:
        """Seconds that sending takes at the rate and the bandwidth."""
        by_rate = self.ready.files / self.rate
        return max(by_rate, self.ready.size / self.bandwidth) if self.bandwidth else by_rate

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "looked_at": self.looked_at,
            "would_be_sent": _share(self.ready),
            "same_as_another": _share(self.again),
            "would_not_be_sent": dict(self.left_out),
            "studies": self.studies,
            "largest_study": self.largest,
            **({"documents": self.documents} if self.documents else {}),
            "formats": {name: _share(each) for name, each in _most(self.formats)},
            "templates": {name: _share(each) for name, each in _most(self.templates)},
            "problems": [
                {
                    "status": each.status,
                    "reason": each.reason,
                    "kind": each.kind,
                    "files": each.files,
                    "examples": [{"file": file, "text": text} for file, text in each.examples],
                }
                for each in self.sorted_problems()
            ],
            "remarks": dict(self.remarks.most_common()),
            "tables": self.tables,
            "ledger": self.now.facts(),
            "files_per_second": self.rate,
            "seconds_at_that_rate": round(self.estimate),
            **({"sample": self.share} if self.share else {}),
        }

    def sorted_problems(self) -> list[Problem]:
        """The problems, the most frequent first."""
        return sorted(self.problems.values(), key=lambda each: (-each.files, each.kind))


def plan(
    job: Job,
    ledger: Ledger,
    tell: Callable[[int], None] = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Plan:
    """Looks at all files that a run would look at, or at the sample of them.

    Raises `Pause` as the ledger does.
    """
    began = clock()
    found = Plan(share=job.selection.share, bandwidth=job.pace.bandwidth)
    if rate := job.pace.rate or (job.archive.rate if job.archive else None):
        found.rate, found.rate_given = rate, True
    with closing(_Distinct()) as distinct:
        planner = _Planner(job, ledger, found, distinct)
        rows = ledger.reports.every(Query(states=PLANNED, folder=job.input.name))
        meant = islice((row for row in rows if job.selection.has(row.path)), job.selection.limit)
        for batch in batches(meant, BATCH):
            planner.look(batch)
            tell(found.looked_at)
        planner.documents()
        found.studies, found.largest = distinct.studies()
        found.tables = list(planner.tables())
    found.now = summary(ledger, job.input.name)
    found.seconds = clock() - began
    return found


class _Planner:
    """Looks at files, counts, and tells the ledger what was found out."""

    def __init__(self, job: Job, ledger: Ledger, found: Plan, distinct: _Distinct) -> None:
        self._job = job
        self._ledger = ledger
        self._found = found
        self._distinct = distinct
        self._sources = [
            source
            for mapping in job.work.description.mappings
            for source in mapping.sources
            if isinstance(source, TableSource)
        ]

    def look(self, rows: Iterable[Row]) -> None:
        """Looks at some files."""
        facts: list[Facts] = []
        ready: list[Ready] = []
        for row in rows:
            self._found.looked_at += 1
            try:
                candidate, study, document = self._candidate(row)
            except (Reject, Hold, Skip, Retry) as error:
                self._problem(row, error)
            except Exception as error:  # a defect of ours must not stop the plan
                text = f"internal error ({type(error).__name__}): please report it"
                self._count_problem(row, "held", "defect", text)
            else:
                probe, claim = candidate.probe, candidate.claim
                facts.append(
                    Facts(
                        row.id,
                        candidate.digest_bytes,
                        probe.format if probe else None,
                        claim.template if claim else None,
                    )
                )
                if row.state in (State.SEEN, State.SETTLING, State.READY):
                    due = self._job.selection.due(row)
                    ready.append(Ready(row.id, document, "" if document else study, due))
        self._ledger.files.learn(facts)
        if not self._job.selection.is_partial:
            self._ledger.files.ready(ready)

    def _candidate(self, row: Row) -> tuple[Candidate, str, str]:
        """What a file would become, counted; the study that it would be in, and the document."""
        root, work = self._job.input.root, self._job.work
        source = Source(root / row.path, root)
        if FileStamp.at(source.path) != row.stamp:
            raise Retry(f"{source.path} is not as it was when it was found: scan again")
        probe = pipeline.look(source, work)
        if self._sources:
            self._ask(select(probe, work.description))
        candidate = pipeline.examine(probe, work, ALONE, digest=row.digest)
        study, instance, template = self._named(candidate)
        document = ""
        size = row.stamp.size
        if candidate.subject and (page := page_of(candidate.subject, work.description)):
            document = assemble.group_of(page)
            self._distinct.add_page(document, page.number, row.path, size)
            template = "pages of documents"
        for message in candidate.messages:
            self._remark(_kind(message, source.path))
        if not self._distinct.add(study, instance) or self._ledger.studies.stored(instance, DESTINATION):
            self._found.again.add(size)
            return candidate, study, document
        self._found.ready.add(size)
        self._found.formats.setdefault(probe.format, Share()).add(size)
        self._found.templates.setdefault(template, Share()).add(size)
        return candidate, study, document

    def _named(self, candidate: Candidate) -> tuple[str, str, str]:
        """The study, the instance and the template that a file would have."""
        if candidate.claim is not None:
            [identity] = identify([candidate.claim], self._ledger.uid_namespace)
            return identity.study_instance_uid, identity.sop_instance_uid, candidate.claim.template
        dicom = candidate.probe.dicom if candidate.probe else None
        assert dicom is not None  # noqa: S101 - only DICOM files know who they are
        return dicom.study_instance_uid, dicom.sop_instance_uid, "DICOM as it is"

    def _ask(self, subject: Subject) -> None:
        """Keeps by what the tables are asked, to tell which of their rows no file belongs to."""
        if subject.mapping is None:
            return
        facts = known(subject.probe, subject.mapping, self._job.work.description, subject.group).facts
        troubles: list[GatewayError] = []
        case = Case(subject.probe, ask(subject.probe, facts, subject.mapping.sources, troubles).facts)
        for source in subject.mapping.sources:
            if isinstance(source, TableSource):
                with suppress(Hold):  # it is told when the file is examined
                    asked = source.asked(case)
                    self._distinct.ask(self._sources.index(source), asked.table, asked.key)

    def documents(self) -> None:
        """Counts the documents that pages make, and those of which one is missing."""
        for files, size, path, whole in self._distinct.documents():
            if whole:
                self._found.documents += 1
                continue
            self._found.ready.files -= files
            self._found.ready.size -= size
            self._found.left_out["held"] += files
            key = ("held", "missing-page", "a page of the document is missing, or there twice")
            problem = self._found.problems.setdefault(key, Problem(*key))
            problem.files += files
            if len(problem.examples) < EXAMPLES:
                problem.examples.append((path, f"its document has {files} pages, and is not whole"))

    def tables(self) -> Iterator[str]:
        """What there is to say of the tables; of rows without files only where all files were asked."""
        whole = not self._job.selection.is_partial and not self._has_finished()
        for number, source in enumerate(self._sources):
            for table in self._distinct.tables(number):
                try:
                    keys = self._distinct.keys(number, table) if whole else None
                    yield from source.report_of(table, keys).lines
                except BadTable as problem:
                    yield f"the table {table} {problem}"

    def _has_finished(self) -> bool:
        """Whether files are finished, which a plan does not look at."""
        name = self._job.input.name
        return any(
            each.files and each.folder == name and each.state not in PLANNED
            for each in self._ledger.reports.counts()
        )

    # Problems

    def _problem(self, row: Row, error: GatewayError) -> None:
        status = {Hold: "held", Skip: "skipped", Retry: "retry"}.get(type(error), "rejected")
        reason = getattr(error, "reason", status)
        self._count_problem(row, status, reason, str(error))

    def _count_problem(self, row: Row, status: str, reason: str, text: str) -> None:
        found = self._found
        found.left_out[status] += 1
        path = self._job.input.root / row.path
        key = (status, reason, _kind(text, path))
        if key not in found.problems and len(found.problems) >= MOST_KINDS:
            key = (status, reason, "others")
        problem = found.problems.setdefault(key, Problem(*key))
        problem.files += 1
        if len(problem.examples) < EXAMPLES:
            said = text.replace(f"{path}: ", "").removeprefix(f"{path} ")
            problem.examples.append((row.path, said))

    def _remark(self, kind: str) -> None:
        remarks = self._found.remarks
        remarks[kind if kind in remarks or len(remarks) < MOST_KINDS else "others"] += 1


class _Distinct:
    """What must be told apart in millions, in a file of SQLite's own that is gone afterwards."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA cache_size = -8000;
            CREATE TABLE instances (uid TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE studies (uid TEXT PRIMARY KEY, files INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE asked (
                source INTEGER, place TEXT, key TEXT, PRIMARY KEY (source, place, key)
            ) WITHOUT ROWID;
            CREATE TABLE pages (document TEXT, number INTEGER, path TEXT, size INTEGER);
            """
        )

    def close(self) -> None:
        """Gives the file back."""
        self._database.close()

    def add(self, study: str, instance: str) -> bool:
        """Counts an object; whether it is the first of its name."""
        done = self._database.execute("INSERT OR IGNORE INTO instances VALUES (?)", (instance,))
        if not done.rowcount:
            return False
        self._database.execute(
            "INSERT INTO studies VALUES (?, 1) ON CONFLICT DO UPDATE SET files = files + 1", (study,)
        )
        return True

    def ask(self, source: int, table: Path, key: str | None) -> None:
        """A table was asked for a key; None where a file has none."""
        self._database.execute(
            "INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", (source, str(table), key or "")
        )

    def add_page(self, document: str, number: int, path: str, size: int) -> None:
        """A file is a page of a document."""
        self._database.execute("INSERT INTO pages VALUES (?, ?, ?, ?)", (document, number, path, size))

    def documents(self) -> Iterator[tuple[int, int, str, bool]]:
        """Files and bytes of each document, the first of its files, and whether no page is missing."""
        query = (
            "SELECT count(*), sum(size), min(path), count(DISTINCT number) = count(*) "
            "AND max(number) - min(number) + 1 = count(*) AND min(number) <= 1 FROM pages GROUP BY document"
        )
        return (
            (files, size, path, bool(whole)) for files, size, path, whole in self._database.execute(query)
        )

    def studies(self) -> tuple[int, int]:
        """How many studies there are, and how many files the largest has."""
        count, most = self._database.execute("SELECT count(*), max(files) FROM studies").fetchone()
        return int(count), int(most or 0)

    def tables(self, source: int) -> list[Path]:
        """The tables that a source has asked; the first of them, where each folder has one."""
        query = "SELECT DISTINCT place FROM asked WHERE source = ? ORDER BY place LIMIT 100"
        return [Path(place) for (place,) in self._database.execute(query, (source,))]

    def keys(self, source: int, table: Path) -> Iterator[str]:
        """The keys for which a table was asked."""
        query = "SELECT key FROM asked WHERE source = ? AND place = ? AND key <> ''"
        return (key for (key,) in self._database.execute(query, (source, str(table))))


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER = re.compile(r"\d[\d.,]*")


def _kind(text: str, path: Path) -> str:
    """What messages about different files have in common: without names, values and numbers."""
    first = text.splitlines()[0].replace(f"{path}: ", "").replace(str(path), "…").replace(path.name, "…")
    kind = _NUMBER.sub("#", _QUOTED.sub("'…'", first))
    return kind if len(kind) <= LONGEST else f"{kind[:LONGEST]}…"


def words(found: Plan) -> Iterator[str]:
    """The plan as lines for a person."""
    of = f" (a sample of {found.share:.2%})" if found.share else ""
    yield f"{found.looked_at:,} files were looked at{of}, in {span(found.seconds)}"
    yield ""
    yield (
        f"  would be sent        {found.ready.files:>12,}   {amount(found.ready.size)}, in {found.studies:,} "
        f"studies (the largest has {found.largest:,} files)"
    )
    if found.documents:
        yield f"  documents of pages   {found.documents:>12,}"
    if found.again.files:
        yield f"  same as another one  {found.again.files:>12,}   {amount(found.again.size)}"
    for status, count in sorted(found.left_out.items()):
        yield f"  would be {status:<12}{count:>12,}"
    for status, count in found.now.counts.items():
        if status in ("stored", "warning", "duplicate", "failed", "skipped", "rejected"):
            yield f"  {status} already{'':<{12 - len(status)}}{count:>12,}"
    if found.now.disk:
        yield from ("", found.now.disk.words())
    for title, shares in (("Formats", found.formats), ("Objects", found.templates)):
        yield from ("", title)
        for name, each in _most(shares):
            yield f"  {name:<34}{each.files:>12,}   {amount(each.size)}"
    yield from _problem_words(found)
    if found.remarks:
        yield from ("", "Remarks")
        yield from (f"  {count:>8,}  {kind}" for kind, count in found.remarks.most_common(20))
    if found.tables:
        yield from ("", "Tables", *(f"  {line}" for line in found.tables))
    given = "" if found.rate_given else ", if the archive takes that many (--rate says how many)"
    yield ""
    yield f"At {found.rate:g} files a second sending takes {span(found.estimate)}{given}"


def _problem_words(found: Plan) -> Iterator[str]:
    """The problems, the most frequent first, with examples."""
    if found.problems:
        yield from ("", "Problems")
    for problem in found.sorted_problems():
        yield f"  {problem.files:>8,}  {problem.status} ({problem.reason}): {problem.kind}"
        yield from (f"            {file}: {text.splitlines()[0]}" for file, text in problem.examples[:2])


def _share(each: Share) -> dict[str, int]:
    return {"files": each.files, "bytes": each.size}


def _most(shares: dict[str, Share]) -> list[tuple[str, Share]]:
    return sorted(shares.items(), key=lambda pair: (-pair[1].files, pair[0]))
