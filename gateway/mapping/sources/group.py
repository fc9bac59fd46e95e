"""`group`: the files of one folder that came together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

NAMES = ("count", "names", "captured")
"""`names` are the files' names in their order; `captured` is the earliest moment that one says it was
made at."""


@dataclass(slots=True, eq=False)
class Group:
    """Files of one folder that came together, in their order.

    `moments` are when they say that they were made, believable or not.
    """

    names: tuple[str, ...] = ()
    moments: tuple[datetime, ...] = ()
    _facts: dict[Hashable, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def facts(self, key: Hashable, believed: Callable[[datetime], datetime | None]) -> Mapping[str, Any]:
        """The facts of the group. `believed` corrects a moment; they are worked out once for each `key`,
        which stands for it."""
        if key not in self._facts:
            moments = [moment for each in self.moments if (moment := believed(each)) is not None]
            self._facts[key] = {
                "count": len(self.names),
                "names": self.names,
                "captured": min(moments, key=_on_the_clock, default=None),
            }
        return self._facts[key]


def _on_the_clock(moment: datetime) -> datetime:
    """The moment as a clock shows it there: not all files say their offset from UTC."""
    return moment.replace(tzinfo=None)
