"""A ledger as a day's work leaves it, with a patient's name in every place that can hold one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.ledger import Identity, Ledger, Numbers, Ready, Result, State
from gateway.stream import FileStamp

FOLDER, ARCHIVE = "inbox", "archive"
START = 1_750_000_000.0
"""When all of it happened: June 2025."""
PHOTOGRAPH = "1.2.840.10008.5.1.4.1.1.77.1.4"
WHO = {"patient_id": "4711001", "name": "Doe^Jane", "accession": "A123"}


@dataclass
class Day:
    """Writes a ledger; `time` is its clock."""

    path: Path
    time: float = START

    def __post_init__(self) -> None:
        self.ledger = Ledger.open(self.path, now=lambda: self.time)

    def file(self, name: str, result: Result, *, stamp: FileStamp | None = None, folder: str = FOLDER) -> int:
        """A file that was claimed, and what became of it then."""
        mark = stamp or FileStamp(len(name), 1, 1)
        [number] = self.ledger.files.see(folder, [(name, mark)], [ARCHIVE]).new
        self.ledger.files.ready([Ready(number)])
        owner = self.ledger.claims.join("worker")
        claims = self.ledger.claims.claim(owner, [ARCHIVE])
        assert [each.id for claim in claims for each in claim.files] == [number]
        if result.identity:
            self.ledger.studies.freeze(result.identity.study, {"PatientName": "Doe^Jane"}, WHO)
            self.ledger.studies.number([result.identity])
        self.ledger.outcomes.record(owner, {number: result})
        self.ledger.claims.leave(owner)
        return number

    def stored(self, name: str = "Doe_Jane_4711001.jpg", number: int = 1, **more: object) -> int:
        return self.file(
            name,
            Result(
                State.STORED,
                identity=Identity("1.2.3", "1.2.3.4", f"1.2.3.4.{number}", PHOTOGRAPH),
                digest=bytes(32),
                format="jpeg",
                template="vl-photographic",
                attributes={"PatientName": "Doe^Jane", "PatientID": "4711001", "StudyDate": "20250615"},
                answer="The archive thanks for Doe^Jane",
                retrieve_url=f"http://archive.example/studies/1.2.3/instances/1.2.3.4.{number}",
                messages=("PatientName Doe^Jane was shortened",),
                attempts=1,
                sent=1000,
                seconds=0.5,
                original_due=bool(more.get("original_due")),
            ),
        )

    def held(self, name: str = "scan-Doe.jpg", reason: str = "unidentified") -> int:
        text = f"{name} is held: Doe^Jane is not known"
        depends: dict[str, FileStamp | None] = {"/lists/Doe-Jane.csv": None}
        return self.file(name, Result(State.HELD, reason, text, depends=depends, names=WHO))

    def rejected(self, path: str, put_aside: Path, stamp: FileStamp) -> int:
        """A file that was put aside, as the daemon does it."""
        text = f"{path} of Doe^Jane is no picture"
        number = self.file(path, Result(State.REJECTED, "rejected", text, original_due=True), stamp=stamp)
        [original] = self.ledger.files.originals_due(FOLDER)
        self.ledger.files.original_done(original, os.fspath(put_aside))
        return number

    def changed(self, name: str = "changed.jpg", number: int = 9) -> int:
        file = self.stored(name, number)
        wanted = {"PatientName": "Doe^Janet", "PatientID": "4711001", "Laterality": "L"}
        assert self.ledger.outcomes.compare(file, wanted, "It would be sent with other attributes now")
        return file

    def numbers(self, file: int) -> Numbers | None:
        entry = self.ledger.reports.get(file)
        return entry.numbers if entry else None

    def state(self, file: int) -> State:
        entry = self.ledger.reports.get(file)
        assert entry is not None
        return entry.state
