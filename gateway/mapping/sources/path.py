"""`path`: what a file's name and folders say, taken apart by patterns.

A pattern is a regular expression with named groups for the whole `name`, `folder` or `relative` path
below the root. A file whose path is not as its pattern says is held: guessing would put it under
somebody else's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.documents import Model, Words
from gateway.errors import Hold
from gateway.mapping import near, patterns
from gateway.mapping.expressions import Expression
from gateway.mapping.sources.source import Case, Found
from gateway.model import Source
from gateway.nodes import Fault, Text

PARTS = {"name": "name", "folder": "folder", "relative": "path"}
"""The parts of a path that patterns are for, and what they are called in messages."""


class PathModel(Model):
    """Regular expressions with named groups, each for a whole part of a file's path."""

    WHAT = "path"

    name: Words | None = None
    """A regular expression for the whole file name."""
    folder: Words | None = None
    """A regular expression for the whole folder below the root, with `/`."""
    relative: Words | None = None
    """A regular expression for the whole path below the root, with `/`."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern for one part of a path; `optional` are the groups that need not take part in a match."""

    part: str
    regex: re.Pattern[str]
    optional: frozenset[str] = frozenset()

    def text(self, source: Source) -> str:
        """The part of a file's path that the pattern is for, with composed accents: `\\w` is for letters."""
        part = {"name": source.name, "folder": source.folder, "relative": source.relative}[self.part]
        return unicodedata.normalize("NFC", part)


@dataclass(frozen=True, slots=True)
class Paths:
    """The patterns of a mapping, a source of facts."""

    patterns: tuple[Pattern, ...]
    name: str = "path"
    expressions: tuple[Expression, ...] = ()
    companions: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all groups."""
        return tuple(name for pattern in self.patterns for name in pattern.regex.groupindex)

    @property
    def optional(self) -> frozenset[str]:
        """The groups that are nothing for some of the paths that match."""
        return frozenset(name for pattern in self.patterns for name in pattern.optional)

    def find(self, case: Case) -> Found:
        """The groups of all patterns, None for one that took no part. Raises `Hold` for another path."""
        source = case.probe.source
        if reason := self.why_not(source):
            raise Hold(f"{source.shown}: {reason}", reason="path")
        facts: dict[str, str | None] = {}
        for pattern in self.patterns:
            match = pattern.regex.fullmatch(pattern.text(source))
            facts |= match.groupdict() if match else {}
        return Found(facts)

    def why_not(self, source: Source) -> str | None:
        """Why a file's path is not what the mapping expects; None if it is."""
        for pattern in self.patterns:
            text = pattern.text(source)
            if not pattern.regex.fullmatch(text):
                what = PARTS[pattern.part]
                return f"its {what} {text!r} is not what the mapping expects: {pattern.regex.pattern}"
        return None

    def nearly(self, source: Source) -> Iterator[str]:
        """What keeps a path from matching, for each pattern that it nearly matches."""
        for pattern in self.patterns:
            text = pattern.text(source)
            if reason := near.nearly(pattern.regex, text):
                yield f"{PARTS[pattern.part]} {text!r} {reason}"


def read(model: PathModel, faults: list[Fault], folder: Path) -> Paths:
    """The patterns that a mapping gives; what is wrong with them is added to the faults."""
    if not model.written:
        message = "path has no pattern: give one for name, folder or relative"
        faults.append(Fault(model.place, message))
    found: list[Pattern] = []
    for part in model.written:
        value: Text | None = getattr(model, part)
        regex = patterns.read(value, faults) if value else None
        if value and regex:
            _check_groups(regex, found, value, faults)
            found.append(Pattern(part, regex, frozenset(_optional(regex))))
    return Paths(tuple(found))


def _check_groups(regex: re.Pattern[str], others: list[Pattern], value: Text, faults: list[Fault]) -> None:
    if not regex.groupindex:
        message = (
            "the pattern has no group with a name, so nothing can be taken from it: put what is wanted "
            "between (?P<mrn> and ), for path.mrn"
        )
        faults.append(Fault(value.place, message))
    twice = sorted(regex.groupindex.keys() & Paths(tuple(others)).names)
    faults += [Fault(value.place, f"another pattern has a group {name!r} too: rename one") for name in twice]


def _optional(regex: re.Pattern[str]) -> Iterator[str]:
    """The named groups that a match need not have."""
    needed = set(_needed(re._parser.parse(regex.pattern, regex.flags)))  # type: ignore[attr-defined]
    return (name for name, number in regex.groupindex.items() if number not in needed)


def _needed(parsed: Any) -> Iterator[int]:
    """The numbers of the groups that take part in every match, from the parser's own tree.

    Groups inside of anything else than groups and repetitions (alternatives, conditions, look-arounds)
    need not take part.
    """
    for operation, argument in parsed:
        match str(operation):
            case "SUBPATTERN":
                if argument[0] is not None:
                    yield argument[0]
                yield from _needed(argument[-1])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                if argument[0] > 0:
                    yield from _needed(argument[2])
            case "ATOMIC_GROUP":
                yield from _needed(argument)
            case "ASSERT":
                yield from _needed(argument[1])
