"""The states of a file on its way to one destination, and which may follow which.

    seen -> settling -> ready -> claimed -> stored | warning | duplicate   the archive has it
      ^                   ^         |-----> refused                        the archive will not have it
      |                   |         |-----> rejected | skipped             it was not sent, and will not be
      |                   |         |                    '-> changed       stored; would now be different
      |                   '- retry | held <-'                              later, or once a doubt is settled
      '- any of them whose file changes before it was finished

A file that changes after it was finished is another generation of it: a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.model import Status


class State(StrEnum):
    """How far a file has come."""

    SEEN = "seen"
    """Found in its folder; it may still be growing."""
    SETTLING = "settling"
    """It has stopped growing, and is not yet known to be complete."""
    READY = "ready"
    CLAIMED = "claimed"
    """An owner is building or sending it."""
    STORED = "stored"
    WARNING = "warning"
    """Stored, with a remark of the archive's."""
    DUPLICATE = "duplicate"
    HELD = "held"
    """It must not be sent while something about it is in doubt."""
    REJECTED = "rejected"
    """It cannot be stored as it is; it was not sent."""
    RETRY = "retry"
    CHANGED = "changed"
    """Stored, and its attributes would now be different: sent again only on purpose."""
    REFUSED = "refused"
    """The archive does not take it, and would not later."""
    SKIPPED = "skipped"
    """Not meant to be stored, or taken away before it was."""

    @classmethod
    def of(cls, status: Status) -> State:
        """The state that an outcome leads to; ValueError for `rendered`, which stores nothing."""
        return cls(_STATE_OF.get(status, status.value))


_STATE_OF = {Status.FAILED: "refused", Status.UNKNOWN: "retry"}

DONE = frozenset({State.STORED, State.WARNING, State.DUPLICATE})
"""The archive has it as it is."""
FINISHED = DONE | {State.REJECTED, State.CHANGED, State.REFUSED, State.SKIPPED}
"""Nothing more happens by itself."""
WAITING = frozenset({State.READY, State.RETRY, State.HELD})
"""May be claimed once it is due."""
OPEN = frozenset(State) - FINISHED
UNCLAIMED = OPEN - {State.CLAIMED}

VANISHED = "vanished"
"""The reason of a skipped file that was taken away before it was stored; it may come back."""

FOLLOWERS: Mapping[State, frozenset[State]] = {
    State.SEEN: frozenset({State.SETTLING, State.READY, State.HELD, State.REJECTED, State.SKIPPED}),
    State.SETTLING: frozenset({State.SEEN, State.READY, State.HELD, State.REJECTED, State.SKIPPED}),
    State.READY: UNCLAIMED - {State.RETRY} | {State.CLAIMED, State.REJECTED, State.SKIPPED},
    State.CLAIMED: FINISHED - {State.CHANGED} | WAITING | {State.SEEN},
    State.RETRY: UNCLAIMED | {State.CLAIMED, State.REJECTED, State.SKIPPED},
    State.HELD: UNCLAIMED - {State.RETRY} | {State.CLAIMED, State.REJECTED, State.SKIPPED},
    State.STORED: frozenset({State.CHANGED, State.READY}),
    State.WARNING: frozenset({State.CHANGED, State.READY}),
    State.DUPLICATE: frozenset({State.CHANGED, State.READY}),
    State.CHANGED: DONE | {State.READY},
    State.REJECTED: frozenset({State.READY}),
    State.REFUSED: frozenset({State.READY}),
    State.SKIPPED: frozenset({State.SEEN, State.READY}),
}
"""What may follow each state. A finished file becomes ready again by a person's decision alone."""


def before(state: State) -> frozenset[State]:
    """The states that this one may follow."""
    return frozenset(each for each, followers in FOLLOWERS.items() if state in followers)
