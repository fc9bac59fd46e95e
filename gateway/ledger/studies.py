"""What the files of one study share: frozen values, numbers, and the instances that there are.

A study is the same at every destination. What is given here is given once: two workers that ask at the
same time get the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.ledger import packing
from gateway.ledger.database import Transaction
from gateway.ledger.part import Part, destination_of, entry
from gateway.ledger.records import Entry, Identity, Numbers


class Studies(Part):
    """What the files of one study share."""

    def known_as(self, key: str, study: str) -> str:
        """The Study Instance UID under which this key is known; the one given, where it is new.

        A key is whatever makes a study without a UID of its own the same one again. Only its digest is
        kept.
        """
        digest = packing.key_digest(key)
        with self.database.read() as transaction:
            row = transaction.row("study_key", {"key": digest})
        if row is None:
            with self.database.write() as transaction:
                transaction.run("study_add", {"uid": study})
                transaction.run("study_key_add", {"key": digest, "uid": study})
                row = transaction.row("study_key", {"key": digest})
        return str(row["uid"]) if row else study

    def freeze(
        self,
        study: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        *,
        older_than: float | None = None,
    ) -> Mapping[str, Any]:
        """The patient's and the study's values that all objects of the study have.

        The first to ask gives them (anything that JSON can hold); all later ones get those. `names` are
        by what people look for the study: `patient_id`, `name`, `accession`. Whoever was told to correct
        them replaces those that were frozen before `older_than`.
        """
        with self.database.read() as transaction:
            known = transaction.row("study", {"uid": study})
        if known and not _is_open(known, older_than):
            return _mapping(known["frozen"])
        with self.database.write() as transaction:
            row = _study(transaction, study)
            if not _is_open(row, older_than):
                return _mapping(row["frozen"])
            text = packing.json_text(values)
            transaction.run("study_freeze", {"study": row["id"], "frozen": text, "now": self.now()})
            name_study(transaction, row["id"], names or {})
            return _mapping(text)

    def frozen(self, study: str) -> Mapping[str, Any] | None:
        """The frozen values of a study; None where there are none, or they were purged."""
        with self.database.read() as transaction:
            row = transaction.row("study", {"uid": study})
        return _mapping(row["frozen"]) if row and row["frozen"] is not None else None

    def number(self, identities: Sequence[Identity]) -> list[Numbers]:
        """Series and Instance Numbers for each instance, in their order.

        An instance has the same for ever. A number is given once; there may be gaps.
        """
        with self.database.read() as transaction:
            known = [_known(transaction, each) for each in identities]
        if all(known):
            return [each for each in known if each]
        with self.database.write() as transaction:
            return [_numbered(transaction, each) for each in identities]

    def instance(self, uid: str) -> tuple[Entry, ...]:
        """All files that are this instance: several sources, several destinations."""
        with self.database.read() as transaction:
            return tuple(map(entry, transaction.rows("instance_files", {"uid": uid})))

    def stored(self, uid: str, destination: str) -> Entry | None:
        """The file as which this instance is at the destination; None when it was never stored there."""
        with self.database.read() as transaction:
            place = destination_of(transaction, destination)
            row = transaction.row("instance_stored", {"uid": uid, "destination": place})
        return entry(row) if row else None

    def files(self, study: str) -> tuple[Entry, ...]:
        """All files of a study."""
        with self.database.read() as transaction:
            return tuple(map(entry, transaction.rows("study_files", {"uid": study})))


def instance_row(transaction: Transaction, identity: Identity) -> int:
    """The number of the instance's row, which is made where it is new."""
    row = transaction.row("instance", {"uid": identity.instance})
    return int((row or _add(transaction, identity))["id"])


def name_study(transaction: Transaction, study: int, names: Mapping[str, str]) -> None:
    """By what people look for a study."""
    for kind, value in names.items():
        if value:
            values = {"kind": kind, "value": packing.searchable(value), "study": study}
            transaction.run("study_name", values)


def _is_open(study: Any, older_than: float | None) -> bool:
    """Whether a study has no values yet, or some that are to be replaced."""
    return study["frozen"] is None or (older_than is not None and study["frozen_at"] < older_than)


def _known(transaction: Transaction, identity: Identity) -> Numbers | None:
    row = transaction.row("instance", {"uid": identity.instance})
    if row is None or row["number"] is None or row["series_number"] is None:
        return None
    return Numbers(row["series_number"], row["number"])


def _numbered(transaction: Transaction, identity: Identity) -> Numbers:
    row = transaction.row("instance", {"uid": identity.instance}) or _add(transaction, identity)
    series, number = row["series_number"], row["number"]
    if series is None:
        series = _next(transaction, "series_count", {"series": row["series"]})
        transaction.run("series_number", {"series": row["series"], "number": series})
    if number is None:
        number = _next(transaction, "instance_count", {"series": row["series"]})
        transaction.run("instance_number", {"instance": row["id"], "number": number})
    return Numbers(series, number)


def _next(transaction: Transaction, statement: str, values: dict[str, Any]) -> int:
    return int(transaction.rows(statement, values)[0]["number"])


def _add(transaction: Transaction, identity: Identity) -> Any:
    study = _study(transaction, identity.study)
    transaction.run("series_add", {"uid": identity.series, "study": study["id"]})
    series = transaction.row("series", {"uid": identity.series})
    assert series is not None  # noqa: S101 - it is there since the statement before
    values = {"uid": identity.instance, "series": series["id"], "sop_class": identity.sop_class or None}
    transaction.run("instance_add", values)
    return transaction.row("instance", {"uid": identity.instance})


def _study(transaction: Transaction, uid: str) -> Any:
    transaction.run("study_add", {"uid": uid})
    return transaction.row("study", {"uid": uid})


def _mapping(text: str) -> Mapping[str, Any]:
    value: Mapping[str, Any] = packing.json_value(text)
    return value
