"""A worker in a process of its own, to be killed at any moment.

    claimer.py LEDGER FOLDER

It claims, proves by the kernel's locks that nobody else has the same study, "sends" by adding a line to
FOLDER/sent, and records. It ends when nothing is open any more.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

from gateway.ledger import Claim, ClaimLost, Identity, Ledger, Result, State


def main(path: Path, folder: Path) -> None:
    with Ledger.open(path) as ledger:
        owner = ledger.claims.join("claimer")
        while any(each.state not in (State.STORED, State.DUPLICATE) for each in ledger.reports.counts()):
            claims = ledger.claims.claim(owner, ["archive"], units=3, files=20)
            if not claims:
                ledger.claims.expire()
                time.sleep(0.005)
                continue
            try:
                for claim in claims:
                    work(ledger, owner, claim, folder)
            except ClaimLost as error:  # nobody may lose a claim while it lives
                say(folder / "violations", str(error))
                return


def work(ledger: Ledger, owner: int, claim: Claim, folder: Path) -> None:
    studies = {each.id: f"1.{each.path.partition('/')[0]}" for each in claim.files}
    for part in ledger.claims.regroup(owner, studies).claims:
        assert part.study
        lock = os.open(folder / f"lock-{part.study}", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(folder / "violations", f"{part.study} is being built by two")
        build(ledger, owner, part, folder)
        os.close(lock)


def build(ledger: Ledger, owner: int, claim: Claim, folder: Path) -> None:
    assert claim.study
    identities = {
        each.id: Identity(claim.study, f"{claim.study}.1", f"{claim.study}.1.{each.id}")
        for each in claim.files
    }
    frozen = ledger.studies.freeze(claim.study, {"by": owner})
    numbers = ledger.studies.number(list(identities.values()))
    ledger.claims.sending(owner, identities)
    for each, number in zip(claim.files, numbers, strict=True):
        say(folder / "sent", f"{each.id} {int(each.doubt)} {claim.study} {number.instance} {frozen['by']}")
        identity = identities[each.id]
        ledger.outcomes.record(owner, {each.id: Result(State.STORED, identity=identity, attempts=1)})


def say(file: Path, text: str) -> None:
    line = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(line, f"{text}\n".encode())
    os.close(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
