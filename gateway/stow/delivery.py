"""Bringing instances to an archive until it is known what became of each.

    send ──> answer names it ──────────────> stored, warning, failed, held
      ^        │ not now: wait a while ────> retry, when the time is up
      │        │ other form, smaller request
      │        │ no word of it
      │        v
      └──── look it up ── not there
               │ there ────────────────────> stored, duplicate
               └ nobody can tell ──────────> unknown

Nothing that may be stored already is sent again before it was looked up. Only the instances that need
it are sent again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.config import Destination, Form
from gateway.errors import Pause, Refused, Reject, Retry
from gateway.model import Instance, Outcome, Status
from gateway.stow import request
from gateway.stow.answer import Answer
from gateway.stow.codes import Step
from gateway.stow.lookup import Found, Presence
from gateway.stow.patience import Patience
from gateway.stow.request import Prepared, Request
from gateway.stow.verdict import Verdict, judge

LIMITED = 2
"""How often an instance is sent again that may itself be what the archive stumbles over."""


class Lost(Exception):
    """A request went out and no complete answer came back: nobody knows what became of it.

    `hung_up` says that the archive closed the connection, as it does with one that was idle too long.
    """

    def __init__(self, message: str, *, hung_up: bool = False) -> None:
        super().__init__(message)
        self.hung_up = hung_up


class Wire(Protocol):
    """What a delivery needs of a connection; both calls raise `Lost`, `Refused` and `Unreachable`."""

    @property
    def shown(self) -> str:
        """The address, for people."""

    def post(self, request: Request, patience: Patience) -> Answer:
        """Send a request. Errors of reading the sources pass through."""

    def find(self, instance: Instance, patience: Patience) -> Found | None:
        """Search for an instance; None when the archive cannot answer just now."""


@dataclass(slots=True)
class Memory:
    """What one delivery learns for all that follow; shared by threads, which only set it."""

    files_only: bool = False
    """The archive does not take metadata and bulk data."""
    tired: bool = False
    """The archive was in trouble for as long as we waited: until it answers, nobody waits again."""


@dataclass(slots=True)
class Job:
    """One instance on its way."""

    instance: Instance
    form: Form
    messages: list[str]
    company: int | None
    """How many instances may travel in its request; None for any number."""
    prepared: Prepared | None = None
    verdict: Verdict | None = None
    """What the archive said of it last."""
    outcome: Outcome | None = None
    doubt: bool = False
    """It may be in the archive."""
    claimed: bool = False
    """The archive says that it had it before."""
    resting: bool = False
    asked: float | None = None
    """Seconds that the archive asked to wait."""
    trouble: str = ""
    """Why it is not settled yet."""
    fell_back: bool = False
    attempts: int = 0
    stumbles: int = 0
    losses: int = 0
    silences: int = 0

    def settle(
        self,
        status: Status,
        text: str | None,
        *,
        reason: int | None = None,
        retrieve_url: str | None = None,
        may_pass: bool = False,
    ) -> None:
        """Give it its outcome."""
        self.outcome = Outcome.of(
            self.instance,
            status,
            text,
            reason=None if reason is None else f"{reason:04X}",
            retrieve_url=retrieve_url,
            size=self.instance.size,
            attempts=self.attempts,
            after=self.asked,
            may_pass=may_pass,
            messages=tuple(self.messages),
        )

    def rest(self, trouble: str, asked: float | None = None) -> None:
        """Let some time pass before anything more is done."""
        self.trouble, self.resting, self.asked = trouble, True, asked


@dataclass(slots=True)
class Batch:
    """Jobs that travel together: of one form, within the limits, and no UID twice."""

    largest: int | None
    """Bytes that a request may have; a single instance goes whatever its size."""
    jobs: list[Job] = field(default_factory=list)
    size: int = request.ENVELOPE
    company: int | None = None
    uids: set[str] = field(default_factory=set)

    def takes(self, job: Job, prepared: Prepared) -> bool:
        """Whether there is room for one more."""
        return not self.jobs or (
            job.form is self.jobs[0].form
            and job.instance.sop_instance_uid not in self.uids
            and len(self.jobs) < min(self.company or sys.maxsize, job.company or sys.maxsize)
            and self.size + prepared.size <= (self.largest or sys.maxsize)
        )

    def add(self, job: Job, prepared: Prepared) -> None:
        """Take one more."""
        self.jobs.append(job)
        self.size += prepared.size
        self.uids.add(job.instance.sop_instance_uid)
        self.company = min(self.company or sys.maxsize, job.company or sys.maxsize)


class Delivery:
    """One call's instances on their way to one destination."""

    def __init__(self, wire: Wire, destination: Destination, memory: Memory, patience: Patience) -> None:
        self._wire = wire
        self._destination = destination
        self._memory = memory
        self._patience = patience

    def run(self, instances: Sequence[Instance]) -> list[Outcome]:
        """Store instances; one outcome each, in order.

        Raises `Pause` when the destination cannot be used; its `outcomes` are those of all instances,
        where the ones that were not settled before are `retry` or, if they may be stored, `unknown`.
        """
        jobs = [self._job(instance) for instance in instances]
        try:
            while waiting := [job for job in jobs if not job.outcome]:
                for job in waiting:
                    if job.doubt:
                        self._look_up(job)
                self._send([job for job in waiting if not (job.outcome or job.resting)])
                self._let_rest([job for job in waiting if job.resting and not job.outcome])
        except Pause as pause:
            for job in jobs:
                if not job.outcome:
                    job.settle(Status.UNKNOWN if job.doubt else Status.RETRY, str(pause))
            pause.outcomes = _outcomes(jobs)
            raise
        return list(_outcomes(jobs))

    def _job(self, instance: Instance) -> Job:
        wanted = Form.DICOM if self._destination.single_part else self._destination.form
        limit = 1 if self._destination.single_part else self._destination.limit
        job = Job(instance, wanted, list(instance.messages), company=limit or None)
        if wanted is not Form.DICOM and self._memory.files_only:
            job.form = Form.DICOM
            job.messages.append(
                "sent as a DICOM file, because the archive does not take metadata and bulk data"
            )
        elif wanted is not Form.DICOM and instance.metadata_obstacle:
            job.form = Form.DICOM
            job.messages.append(f"sent as a DICOM file: {instance.metadata_obstacle}")
        return job

    # Sending

    def _send(self, jobs: Sequence[Job]) -> None:
        for batch in self._batches(jobs):
            for job in batch:
                job.attempts += 1
            try:
                answer = self._wire.post(self._request(batch), self._patience)
            except Lost as lost:
                for job in batch:
                    self._lose(job, lost)
            except (Reject, Retry) as error:
                for job in batch:
                    _not_read(job, error, alone=len(batch) == 1)
            else:
                self._take(batch, answer)

    def _batches(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        """The jobs by request."""
        batch = Batch(self._destination.max_request_size)
        for job in jobs:
            if not (prepared := _prepared(job)):
                continue
            if not batch.takes(job, prepared):
                yield batch.jobs
                batch = Batch(self._destination.max_request_size)
            batch.add(job, prepared)
        if batch.jobs:
            yield batch.jobs

    def _request(self, batch: Sequence[Job]) -> Request:
        prepared = [job.prepared for job in batch if job.prepared]
        if self._destination.single_part:
            return request.single(prepared[0])
        return request.join(prepared, unquoted_type=self._destination.unquoted_type)

    # Answers

    def _take(self, batch: Sequence[Job], answer: Answer) -> None:
        verdicts = judge([job.instance for job in batch], batch[0].form, answer)
        for job, verdict in zip(batch, verdicts, strict=True):
            job.verdict, job.trouble, job.doubt = verdict, verdict.text or "", verdict.doubt
            self._apply(job, verdict, answer, len(batch))
        if any(job.outcome for job in batch):
            self._patience.reset()
            self._memory.tired = False
        refusals = [verdict.text for verdict in verdicts if verdict.step is Step.REFUSED]
        if refusals:
            raise Refused(f"{self._wire.shown}: {refusals[0]}")

    def _apply(self, job: Job, verdict: Verdict, answer: Answer, together: int) -> None:
        match verdict.step:
            case Step.DONE:
                self._done(job, verdict)
            case Step.FAIL:
                job.settle(Status.FAILED, verdict.text, reason=verdict.reason)
            case Step.HOLD:
                job.settle(Status.HELD, verdict.text, reason=verdict.reason)
            case Step.LATER:
                job.rest(job.trouble, answer.retry_after)
            case Step.LATER_TWICE:
                self._stumble(job, verdict, answer)
            case Step.PART10:
                self._fall_back(job, verdict)
            case Step.CONFIRM:
                job.claimed = job.doubt = True
            case Step.FEWER:
                job.company = together // 2
            case Step.ALONE:
                job.company = 1
            case Step.LOOK:
                job.silences += 1
            case Step.REFUSED:
                pass  # raised when the others of the batch have their outcomes

    def _done(self, job: Job, verdict: Verdict) -> None:
        status = Status.WARNING if verdict.remark else Status.STORED
        job.settle(status, verdict.text, reason=verdict.reason, retrieve_url=verdict.retrieve_url)
        if job.fell_back:
            self._memory.files_only = True

    def _stumble(self, job: Job, verdict: Verdict, answer: Answer) -> None:
        """The archive had trouble that may be of this instance's making."""
        job.stumbles += 1
        if job.stumbles > LIMITED:
            job.settle(Status.FAILED, verdict.text, reason=verdict.reason, may_pass=True)
        else:
            job.rest(job.trouble, answer.retry_after)

    def _fall_back(self, job: Job, verdict: Verdict) -> None:
        """Go on with a complete DICOM file, which is what every archive can take."""
        job.form, job.prepared, job.fell_back = Form.DICOM, None, True
        job.messages.append(
            f"sent as a DICOM file, because the archive did not take metadata and bulk data: {verdict.text}"
        )
        if verdict.reason is None:  # the request as such was refused, whatever was in it
            self._memory.files_only = True

    def _lose(self, job: Job, lost: Lost) -> None:
        job.doubt = True
        job.losses += 1
        if lost.hung_up and job.losses == 1:  # a connection that was idle too long: nothing to wait for
            job.trouble = str(lost)
        else:
            job.rest(str(lost))

    # Looking up

    def _look_up(self, job: Job) -> None:
        try:
            found = self._wire.find(job.instance, self._patience)
        except Lost:
            found = None
        if found is None:
            job.rest(job.trouble)
        elif found.presence is Presence.THERE:
            self._found(job, found)
        elif found.presence is Presence.ABSENT:
            self._not_found(job)
        else:
            _settle_in_doubt(job, found.words)

    def _found(self, job: Job, found: Found) -> None:
        if job.claimed:
            job.settle(Status.DUPLICATE, job.trouble, retrieve_url=found.retrieve_url)
            return
        job.messages.append(f"{job.trouble}; a search found the object in the archive")
        job.settle(Status.STORED, None, retrieve_url=found.retrieve_url)
        if job.fell_back:
            self._memory.files_only = True

    def _not_found(self, job: Job) -> None:
        if job.claimed:
            text = f"{job.trouble}, but a search does not find it in its study. It may be in another one"
            job.settle(Status.FAILED, text, reason=job.verdict.reason if job.verdict else None)
        elif job.silences > 1:
            text = f"{job.trouble}. It was sent twice, and a search does not find it"
            job.settle(Status.FAILED, text, may_pass=True)
        job.doubt = False

    # Waiting

    def _let_rest(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        go_on = self._patience.wait(asked=max(job.asked or 0.0 for job in jobs))
        for job in jobs:
            job.resting = False
            if not go_on:
                self._give_up(job)  # what it asked to wait goes into the outcome
            job.asked = None
        if not go_on:
            self._memory.tired = True

    def _give_up(self, job: Job) -> None:
        if job.doubt:
            self._look_up(job)
        if job.outcome:
            return
        if job.doubt:
            _settle_in_doubt(job, "its search does not answer")
        elif job.stumbles and job.verdict:
            job.settle(Status.FAILED, job.trouble, reason=job.verdict.reason, may_pass=True)
        else:
            later = f"It asks to wait {job.asked:.0f} seconds" if job.asked else "Send it again later"
            reason = job.verdict.reason if job.verdict else None
            job.settle(Status.RETRY, f"{job.trouble}. {later}", reason=reason)


def _prepared(job: Job) -> Prepared | None:
    """What the job's instance contributes to a request; None when it cannot, which settles the job."""
    if job.prepared is None:
        try:
            job.prepared = request.prepare(job.instance, job.form)
        except (Reject, Retry) as error:
            _cannot_be_read(job, error)
    return job.prepared


def _not_read(job: Job, error: Reject | Retry, *, alone: bool) -> None:
    """A source could not be read to its end; which one shows when each goes by itself."""
    if alone:
        _cannot_be_read(job, error)
    else:
        job.company, job.doubt, job.trouble = 1, True, str(error)


def _cannot_be_read(job: Job, error: Reject | Retry) -> None:
    job.settle(Status.RETRY if isinstance(error, Retry) else Status.REJECTED, str(error))


def _settle_in_doubt(job: Job, why: str) -> None:
    """Nobody can tell: what the archive claimed is believed with a warning, all else is unknown."""
    if job.claimed:
        job.settle(Status.WARNING, f"{job.trouble}. That could not be checked: {why}")
    else:
        job.settle(Status.UNKNOWN, f"{job.trouble}. Whether it is stored could not be looked up: {why}")


def _outcomes(jobs: Sequence[Job]) -> tuple[Outcome, ...]:
    return tuple(job.outcome for job in jobs if job.outcome)
