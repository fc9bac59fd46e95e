"""Is an instance in the archive? The search that answers it (QIDO-RS, PS3.18 10.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from gateway.model import Instance
from gateway.stow.answer import RETRIEVE_URL, Item, items_of, text_of

SOP_INSTANCE_UID = "00080018"
STUDY_INSTANCE_UID = "0020000D"


class Presence(Enum):
    """What a search says of an instance."""

    THERE = auto()
    ABSENT = auto()
    UNCLEAR = auto()
    """The archive does not search, does not let us, or does not answer what was asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """A search's result; `words` say why it is unclear, and `status` the HTTP status if that is why."""

    presence: Presence
    retrieve_url: str | None = None
    words: str = ""
    status: int | None = None


def read(status: int, body: bytes, instance: Instance) -> Found:
    """What the answer to a search for this instance says.

    Archives that do not know a search key may answer with all they have: only an answer that names
    this very instance, or nothing at all, counts.
    """
    if status == 204:
        return Found(Presence.ABSENT)
    if status not in (200, 206):
        return Found(Presence.UNCLEAR, words=f"its search answers with status {status}", status=status)
    items = items_of(body)
    for item in items:
        if _is(item, instance):
            return Found(Presence.THERE, text_of(item, RETRIEVE_URL))
    if not items and body.strip() in (b"", b"[]"):
        return Found(Presence.ABSENT)
    if items and all(text_of(item, SOP_INSTANCE_UID) == instance.sop_instance_uid for item in items):
        return Found(Presence.ABSENT)
    return Found(Presence.UNCLEAR, words="its search answers something else than was asked")


def instances(status: int, body: bytes) -> frozenset[str] | None:
    """The SOP Instance UIDs in the answer to a search for a study's instances; None when it says none.

    A study that is not there has none, which archives say with 204, 404 or an empty list.
    """
    if status in (204, 404):
        return frozenset()
    if status not in (200, 206):
        return None
    return frozenset(uid for item in items_of(body) if (uid := text_of(item, SOP_INSTANCE_UID)))


def _is(item: Item, instance: Instance) -> bool:
    study = text_of(item, STUDY_INSTANCE_UID)
    return text_of(item, SOP_INSTANCE_UID) == instance.sop_instance_uid and study in (
        None,
        instance.study_instance_uid,
    )
