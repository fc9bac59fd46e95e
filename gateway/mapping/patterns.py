"""Regular expressions that a mapping brings, kept from taking for ever."""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]  # there is no public parser
from re import _parser as syntax  # type: ignore[attr-defined]
from typing import Any

from gateway.nodes import Fault, Text


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression.

    Raises ValueError in words for what is none, and where a repeat is repeated with nothing between that
    has to be there, as in `(\\w+\\s*)+`: text that nearly fits would be tried in more ways than there is
    time for.
    """
    try:
        tree = syntax.parse(pattern)
        expression = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    if any(_explodes(repeat) for repeat in _repeats(tree)):
        raise ValueError(
            f"{pattern!r} repeats what is repeated already, which can take for ever: leave one of the two "
            "out, or write the inner one with another + behind it (\\w++), so that it gives nothing back"
        )
    return expression


def read(value: Text, faults: list[Fault]) -> re.Pattern[str] | None:
    """The regular expression in a text; None where it is none, which is added to the faults."""
    text = value.text or ""
    try:
        re.compile(text)  # says where in the text something is wrong
        return compiled(text)
    except (re.error, OverflowError, RecursionError) as error:
        place = value.at(error.pos or 0) if isinstance(error, re.error) else value.place
        what = error.msg if isinstance(error, re.error) else "it is too large"
        hint = next((hint for part, hint in _HINTS.items() if part in what), "")
        faults.append(Fault(place, f"this is not a regular expression: {what}{hint}"))
    except ValueError as error:
        faults.append(Fault(value.place, str(error)))
    return None


_HINTS = {
    "unterminated subpattern": ": close the group that begins here",
    "unbalanced parenthesis": ": a ( is missing before it, or a \\ in front of it",
    "unterminated character set": ": a ] is missing",
    "nothing to repeat": ": write .* for anything, and \\ before a sign that stands for itself",
    "multiple repeat": ": put \\ before a sign that stands for itself",
    "unknown extension": ": a group with a name is written (?P<name>...)",
    "bad escape": ": write \\\\ for a backslash",
}


def _repeats(tree: Any) -> list[Any]:
    """What is repeated without a limit in a syntax tree, and may be taken back, at any depth."""
    found = []
    for code, value in tree:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT) and value[1] is codes.MAXREPEAT:
            found.append(value[2])
        for part in _parts(code, value):
            found += _repeats(part)
    return found


def _parts(code: Any, value: Any) -> list[Any]:
    """The syntax trees in a node."""
    if code is codes.BRANCH:
        return list(value[1])
    values = value if isinstance(value, tuple) else (value,)
    return [each for each in values if isinstance(each, syntax.SubPattern)]


def _explodes(repeated: Any) -> bool:
    """Whether something in a repeated tree is repeated itself, and all else in it may be nothing."""
    nodes = list(_flat(repeated))
    for index, (code, value) in enumerate(nodes):
        if code in (codes.ATOMIC_GROUP, codes.POSSESSIVE_REPEAT):
            continue  # what they took they keep
        others = (_least(repeated.state, other) for place, other in enumerate(nodes) if place != index)
        if not any(others) and _repeats([(code, value)]):
            return True
    return False


def _flat(tree: Any) -> Any:
    """The nodes of a tree, with those of groups in their place."""
    for code, value in tree:
        if code is codes.SUBPATTERN:
            yield from _flat(value[-1])
        else:
            yield code, value


def _least(state: Any, node: Any) -> int:
    """The fewest characters that a node takes."""
    return int(syntax.SubPattern(state, [node]).getwidth()[0])
