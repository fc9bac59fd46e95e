"""Figures of an import for its page, gathered file by file in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gateway.ledger import Entry

MOST_BINS = 180
"""Points in time of the rate; when there are more, two become one."""

MOST_FORMATS = 100
MOST_REASONS = 200
"""Reasons that are told apart; archives may have any number of codes."""


@dataclass(slots=True)
class Rate:
    """How many files came to their end when, in equal steps that grow with the time that is covered."""

    width: int = 1
    """Seconds of a step."""
    bins: Counter[int] = field(default_factory=Counter)

    def add(self, moment: float) -> None:
        """Counts a file at a moment in seconds."""
        place = int(moment) // self.width
        self.bins[place] += 1
        if self.bins[place] == 1:
            self._narrow()

    def _narrow(self) -> None:
        """Takes wider steps until there are not too many."""
        while max(self.bins) - min(self.bins) >= MOST_BINS:
            self.width *= 2
            wider: Counter[int] = Counter()
            for place, count in self.bins.items():
                wider[place // 2] += count
            self.bins = wider

    def points(self) -> list[tuple[float, float]]:
        """Moments in seconds, and files a second then."""
        if not self.bins:
            return []
        first, last = min(self.bins), max(self.bins)
        return [(place * self.width, self.bins[place] / self.width) for place in range(first, last + 1)]


@dataclass(slots=True)
class Work:
    """What was done with files of one format."""

    files: int = 0
    size: int = 0
    timed: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Figures:
    """What the page shows: `sizes` count files by the power of two of their bytes."""

    rate: Rate = field(default_factory=Rate)
    formats: dict[str, Work] = field(default_factory=dict)
    sizes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: float | None = None
    last: float | None = None

    def add(self, entry: Entry, status: str) -> None:
        """Counts a file."""
        name = entry.format or _guessed(entry.path)
        if name not in self.formats and len(self.formats) >= MOST_FORMATS:
            name = "others"
        work = self.formats.setdefault(name, Work())
        work.files += 1
        work.size += entry.stamp.size
        work.outcomes[status] += 1
        if entry.seconds is not None:
            work.timed += 1
            work.seconds += entry.seconds
        self.sizes[entry.stamp.size.bit_length()] += 1
        if entry.finished_at is not None:
            self.rate.add(entry.finished_at)
            self.first = min(self.first or entry.finished_at, entry.finished_at)
            self.last = max(self.last or 0.0, entry.finished_at)
        if status not in ("stored", "duplicate"):
            key = (status, entry.reason or "")
            if key not in self.reasons and len(self.reasons) >= MOST_REASONS:
                key = (status, "other")
            self.reasons[key] += 1


def _guessed(path: str) -> str:
    """What a file whose format was not found out is listed as: its extension, of those that say something."""
    name, dot, extension = path.rpartition(".")
    known = name and dot and extension.isalnum() and len(extension) <= 5
    return f"named *.{extension.lower()}" if known else "no extension"
