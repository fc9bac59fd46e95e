"""Files of lines with a keyword and a value, as INI and plain text have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_BREAK = re.compile(r"\r\n|\r|\n")
_ENTRY = re.compile(r"([^=:]+)[=:](.*)", re.DOTALL)
_COMMENT = (";", "#")
_SHOWN = 5


class Named(Mapping[str, Any]):
    """Values by names that are alike in whatever case, with blanks, dashes or underscores.

    What a file calls `Patient ID` is also `patient_id`, which an expression can name. Asking for a name
    that has several values raises ValueError in words: nobody knows which is meant.
    """

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, Any]] = {}
        self._twice: dict[str, int] = {}

    def __getitem__(self, name: str) -> Any:
        key = alike(name)
        if key in self._twice:
            raise ValueError(
                f"{name} stands there twice with different values, again in line {self._twice[key]}"
            )
        return self._values[key][1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and alike(name) in self._values

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def put(self, name: str, value: Any) -> None:
        """Sets the value of a name."""
        self._values[alike(name)] = name, value

    def add(self, name: str, value: str, line: int) -> str | None:
        """Adds the value that stands in a line; what there is to say where the name has another already."""
        key = alike(name)
        known = self._values.setdefault(key, (name, value))
        if known[1] == value:
            return None
        self._twice[key] = line
        return f"{name} stands a second time in line {line}, with another value"


def alike(name: str) -> str:
    """The form that all spellings of a name share."""
    return re.sub(r"[\W_]+", "_", name.strip().casefold()).strip("_") or name


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, without blanks around them, and their numbers from 1."""
    for number, line in enumerate(_BREAK.split(text), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith(_COMMENT):
            yield number, stripped


def entry(line: str) -> tuple[str, str] | None:
    """The keyword and the value of a line; None if it has none. Quotes round the whole value are left out."""
    match = _ENTRY.fullmatch(line)
    if match is None or not (key := match[1].strip()):
        return None
    value = match[2].strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return key, value


def not_understood(numbers: Iterable[int]) -> tuple[str, ...]:
    """The remark about lines that were left out."""
    all_numbers = list(numbers)
    if not all_numbers:
        return ()
    shown = ", ".join(map(str, all_numbers[:_SHOWN])) + (" ..." if len(all_numbers) > _SHOWN else "")
    return (f"what is no keyword with a value was left out (line {shown})",)
