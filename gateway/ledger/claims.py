"""Who works on what: one owner a study and destination, and nobody for ever.

An owner is one worker: what two workers must not do at the same time, they do as two owners, also in one
process. Its process says every few seconds that it lives; when it has not said so for `LEASE`, or at once
when its process on this host is gone, its claims are free again. A process that can be seen to run, but
is silent, has longer: it waits for a disk, or its machine has slept. An owner that was given up in error
finds out at its next word: nothing that it says about its claims counts any more (`ClaimLost`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.ledger.database import Row, Transaction
from gateway.ledger.files import study_key
from gateway.ledger.part import Part, destination_of, entries, ids_text, report
from gateway.ledger.processes import Look, Process, is_running
from gateway.ledger.records import Claim, Identity, OwnerEntry, Regrouped
from gateway.ledger.studies import instance_row
from gateway.ledger.trouble import ClaimLost

BEAT = 3.0
"""Seconds between two signs of life, at most."""
LEASE = 10.0
"""Seconds without a sign of life after which an owner that cannot be seen is taken for dead."""
PATIENCE = 120.0
"""Seconds without a sign of life after which an owner that can be seen to run is given up."""


@dataclass(frozen=True, slots=True)
class Claims(Part):
    """Who works on what."""

    look: Look = is_running

    def join(self, name: str, process: Process | None = None) -> int:
        """A new owner of claims: the number by which it claims. `name` is for people."""
        who = process or Process.this()
        values = {
            "name": name,
            "host": who.host,
            "space": who.space,
            "number": who.number,
            "started": who.started,
            "now": self.now(),
        }
        with self.database.write() as transaction:
            return int(transaction.rows("owner_add", values)[0]["id"])

    def beat(self, *owners: int) -> None:
        """The owners live. Raises `ClaimLost` when some were given up: those must join anew."""
        now = self.now()
        with self.database.write(durable=False) as transaction:
            lost = [each for each in owners if not transaction.run("owner_beat", {"owner": each, "now": now})]
        if lost:
            raise ClaimLost(
                f"the owners {', '.join(map(str, lost))} were silent for too long, and their claims were "
                "given to others: they join again",
                tuple(lost),
            )

    def leave(self, owner: int) -> None:
        """The owner ends; what it has claimed and not finished is given back."""
        with self.database.write() as transaction:
            self._part_with(transaction, owner, crash=False)

    def expire(self) -> tuple[int, ...]:
        """Takes the claims from owners that are dead; the numbers of their files, which may be claimed."""
        with self.database.read() as transaction:
            living = transaction.rows("owners_living")
        dead = [row for row in living if self._is_dead(row)]
        freed: list[int] = []
        for row in dead:
            with self.database.write() as transaction:
                files = self._part_with(transaction, row["id"], crash=True, beat=row["beat"])
                report(transaction, files, "expired", at=self.now(), who=row["name"])
            freed += files
        return tuple(freed)

    def claim(
        self, owner: int, destinations: Collection[str], *, units: int = 1, files: int = 1000
    ) -> tuple[Claim, ...]:
        """Claims the studies (or groups) that have waited longest, with those of their files that are due.

        At most so many `units`, and so many `files` in all; the rest of a study that has more is for the
        next claim, once this one is finished. `destinations` are those that take something now. Empty
        when nothing is due. Raises `ClaimLost` when there is something and the owner was given up.
        """
        now = self.now()
        with self.database.read() as transaction:  # whoever only asks keeps nobody from writing
            if _first_due(transaction, destinations, now) is None:
                return ()
        taken: dict[int, list[int]] = {}
        with self.database.write(durable=False) as transaction:
            if not transaction.run("owner_beat", {"owner": owner, "now": now}):
                raise ClaimLost(f"the owner {owner} was given up: it joins again before it claims", (owner,))
            left = files
            while (
                len(taken) < units
                and left > 0
                and (unit := _first_due(transaction, destinations, now)) is not None
            ):
                taken[unit] = _take(transaction, unit, owner, now, left)
                left -= len(taken[unit])
            return tuple(_claim(transaction, owner, unit, ids) for unit, ids in taken.items())

    def regroup(self, owner: int, studies: Mapping[int, str]) -> Regrouped:
        """Says of claimed files to which study (Study Instance UID) each belongs.

        Files of a study that nobody builds, or this owner already does, stay claimed, with that study.
        Those of a study that another owner builds go back to the queue and wait for their study. Raises
        `ClaimLost` when one of them is not this owner's.
        """
        now = self.now()
        mine: dict[int, list[int]] = {}
        waiting: list[int] = []
        with self.database.write(durable=False) as transaction:
            units = owned(transaction, owner, list(studies))
            for (study, place), ids in _by_study(transaction, studies, units).items():
                where = {"key": study_key(study), "destination": place}
                transaction.run("unit_add", where)
                unit = transaction.rows("unit_by_key", where)[0]
                values = {"unit": unit["id"], "ids": ids_text(ids)}
                if unit["owner"] in (None, owner):
                    transaction.run("take_unit", {"unit": unit["id"], "owner": owner, "now": now})
                    transaction.run("unit_of", values)
                    mine[unit["id"]] = ids
                else:
                    transaction.run("give_back_files", values)
                    waiting += ids
            free(transaction, set(units.values()))
            claims = tuple(_claim(transaction, owner, unit, ids) for unit, ids in mine.items())
        return Regrouped(claims, tuple(waiting))

    def sending(self, owner: int, files: Mapping[int, Identity]) -> None:
        """These claimed files are sent next, as these instances.

        On the disk before anything leaves: whatever happens then, a later owner finds their `doubt`, and
        can look whether the archive has them. Raises `ClaimLost` when one of them is not this owner's:
        then it must not be sent.
        """
        with self.database.write() as transaction:
            owned(transaction, owner, list(files))
            for file, identity in files.items():
                instance = instance_row(transaction, identity)
                transaction.run("sending", {"file": file, "instance": instance})

    def release(self, claim: Claim) -> None:
        """Gives back what of a claim has no outcome yet, as it was before."""
        with self.database.write(durable=False) as transaction:
            unit = transaction.row("unit", {"unit": claim.unit})
            if unit is not None and unit["owner"] == claim.owner:
                transaction.rows("give_back", {"units": ids_text([claim.unit]), "crash": 0})
                free(transaction, [claim.unit])

    def owners(self, *, gone: bool = False) -> tuple[OwnerEntry, ...]:
        """Who claims; with `gone` also who has, the latest first."""
        with self.database.read() as transaction:
            rows = transaction.rows("owners", {"all": gone})
        return tuple(
            OwnerEntry(
                row["id"],
                row["name"],
                row["host"],
                row["number"],
                row["joined"],
                row["beat"],
                row["gone_at"],
                row["claims"],
            )
            for row in rows
        )

    def _is_dead(self, row: Row) -> bool:
        process = Process(row["host"], row["space"], row["number"], row["started"])
        runs = self.look(process)
        silent = self.now() - row["beat"]
        return runs is False or silent > (PATIENCE if runs else LEASE)

    def _part_with(
        self, transaction: Transaction, owner: int, *, crash: bool, beat: float | None = None
    ) -> list[int]:
        """Ends an owner unless it has spoken since `beat`, or somebody else has ended it."""
        now = self.now()
        row = transaction.row("owner_living", {"owner": owner})
        if row is None or (beat is not None and row["beat"] != beat):
            return []
        transaction.run("owner_gone", {"owner": owner, "now": now})
        units = [each["id"] for each in transaction.rows("units_owned", {"owner": owner})]
        files = transaction.rows("give_back", {"units": ids_text(units), "crash": int(crash)})
        free(transaction, units)
        return [each["id"] for each in files]


def free(transaction: Transaction, units: Collection[int]) -> None:
    """Lets others have units of which nothing is claimed any more; those without files are dropped."""
    transaction.run("free_units", {"units": ids_text(units)})
    transaction.run("drop_units", {"units": ids_text(units)})


def owned(transaction: Transaction, owner: int, files: Collection[int]) -> dict[int, int]:
    """The unit of each file; raises `ClaimLost` unless the owner has claimed all of them."""
    rows = transaction.rows("claimed_by", {"ids": ids_text(files), "owner": owner})
    units = {row["id"]: row["unit"] for row in rows}
    lost = [each for each in files if each not in units]
    if lost:
        raise ClaimLost(
            f"{len(lost)} of {len(files)} files are no longer claimed by the owner {owner} "
            f"(the first is {lost[0]}): their claims were given to others"
        )
    return units


def _first_due(transaction: Transaction, destinations: Collection[str], now: float) -> int | None:
    """The free unit that has waited longest for any of the destinations."""
    rows = (
        transaction.row("next_unit", {"destination": destination_of(transaction, each), "now": now})
        for each in destinations
    )
    found = [(row["due"], row["id"]) for row in rows if row is not None]
    return min(found)[1] if found else None


def _by_study(
    transaction: Transaction, studies: Mapping[int, str], units: Mapping[int, int]
) -> dict[tuple[str, int], list[int]]:
    """The files of each study and destination."""
    places = {
        unit: transaction.rows("unit", {"unit": unit})[0]["destination"] for unit in set(units.values())
    }
    found: dict[tuple[str, int], list[int]] = {}
    for file, study in studies.items():
        found.setdefault((study, places[units[file]]), []).append(file)
    return found


def _take(transaction: Transaction, unit: int, owner: int, now: float, limit: int) -> list[int]:
    """Claims what of a unit is due."""
    transaction.run("take_unit", {"unit": unit, "owner": owner, "now": now})
    rows = transaction.rows("take_files", {"unit": unit, "now": now, "limit": limit})
    return [row["id"] for row in rows]


def _claim(transaction: Transaction, owner: int, unit: int, ids: list[int]) -> Claim:
    row = transaction.rows("unit", {"unit": unit})[0]
    kind, _, key = row["key"].partition(":")
    study = key if kind == "study" else None
    return Claim(owner, unit, study, row["destination_name"], entries(transaction, ids), key)
