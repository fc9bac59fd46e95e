"""`path`: what a file's name and folders say, taken apart by patterns.

A pattern is a regular expression with named groups for the whole `name`, `folder` or `relative` path
below the root. A file whose path is not as its pattern says is refused: guessing would put it under
somebody else's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.errors import Reject
from gateway.model import Source
from gateway.nodes import Fault, Node, Table, Text

PARTS = ("name", "folder", "relative")

Patterns = tuple[tuple[str, re.Pattern[str]], ...]
"""The part of a path that each pattern is for, and the pattern."""


def read(node: Node, faults: list[Fault]) -> Patterns:
    """The patterns that a mapping gives; what is wrong with them is added to the faults."""
    if not isinstance(node, Table):
        faults.append(Fault(node.place, f"path has patterns, each for one of {', '.join(PARTS)}"))
        return ()
    patterns: list[tuple[str, re.Pattern[str]]] = []
    for key, value in node.entries:
        if key.text not in PARTS:
            faults.append(Fault(key.place, f"path has no {key.text!r}; there is {', '.join(PARTS)}"))
        elif not isinstance(value, Text) or not value.text:
            faults.append(Fault(value.place, f"{key.text} is a regular expression for the whole {key.text}"))
        elif (pattern := _compile(value, faults)) is not None:
            _check_groups(pattern, patterns, value, faults)
            patterns.append((key.text, pattern))
    return tuple(patterns)


def names(patterns: Patterns) -> tuple[str, ...]:
    """The names of all groups."""
    return tuple(name for _, pattern in patterns for name in pattern.groupindex)


def facts(source: Source, patterns: Patterns) -> Mapping[str, str | None]:
    """The groups of all patterns, None for one that took no part. Raises `Reject` for another path."""
    found: dict[str, str | None] = {}
    for part, pattern in patterns:
        text = {"name": source.name, "folder": source.folder, "relative": source.relative}[part]
        match = pattern.fullmatch(text)
        if match is None:
            what = {"name": "name", "folder": "folder", "relative": "path"}[part]
            raise Reject(
                f"{source.shown}: its {what} {text!r} is not what the mapping expects: {pattern.pattern}"
            )
        found |= match.groupdict()
    return found


def _compile(value: Text, faults: list[Fault]) -> re.Pattern[str] | None:
    try:
        return re.compile(value.text or "")
    except (re.error, OverflowError, RecursionError) as error:
        place = value.at(error.pos or 0) if isinstance(error, re.error) else value.place
        what = error.msg if isinstance(error, re.error) else "it is too large"
        faults.append(Fault(place, f"this is not a regular expression: {what}"))
        return None


def _check_groups(
    pattern: re.Pattern[str], others: list[tuple[str, re.Pattern[str]]], value: Text, faults: list[Fault]
) -> None:
    if not pattern.groupindex:
        message = (
            "the pattern has no group with a name, such as (?P<mrn>[0-9]+), so nothing can be taken from it"
        )
        faults.append(Fault(value.place, message))
    twice = sorted(pattern.groupindex.keys() & names(tuple(others)))
    faults += [Fault(value.place, f"another pattern has a group {name!r} too: rename one") for name in twice]
