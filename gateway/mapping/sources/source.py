"""What every source is that a mapping sets up: tables, sidecars, bar codes, patterns for paths.

A source may read files or ask others; it may find nothing, be in doubt, or have to wait. So it takes
what is known of a file so far and gives facts, or raises by what is to be done next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.mapping.assignments import Assignment
from gateway.mapping.expressions import Expression, Facts, Template
from gateway.model import Probe


@dataclass(frozen=True, slots=True)
class Case:
    """A file that facts are wanted of, and what the sources before this one know of it."""

    probe: Probe
    facts: Facts


@dataclass(frozen=True, slots=True)
class Found:
    """What a source knows of one file.

    `attributes` are those that it brings as a whole, taken below the mapping's own. `depends` are the
    files that the facts come from, so that a change of one of them can be noticed; `where` says which
    place in them, for people: `patients.csv, row 17`.
    """

    facts: Mapping[str, Any]
    attributes: tuple[Assignment, ...] = ()
    depends: tuple[Path, ...] = ()
    where: str = ""
    messages: tuple[str, ...] = ()


class GivenSource(Protocol):
    """A source as a mapping sets it up; one object for all files."""

    @property
    def name(self) -> str:
        """Under which its facts are used: `path`, `row`, `sidecar`, a table's own name."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The facts that it can know; None where that is not known before files are read."""

    @property
    def expressions(self) -> Iterable[Expression]:
        """The expressions in its settings, which may use the sources before it."""

    @property
    def companions(self) -> tuple[str, ...]:
        """Patterns (with * and ?) of the names of files that only describe others, in small letters."""

    def find(self, case: Case) -> Found:
        """What it knows of a file.

        Raises `Hold` where there is a doubt or nothing to be found, `Retry` where waiting may help, and
        `Reject` where the file can never be right.
        """


def name_pattern(template: Template) -> str:
    """The pattern of the names of files that a template may name, in small letters."""
    text = "".join(part if isinstance(part, str) else "*" for part in template.parts)
    return text.replace("\\", "/").rpartition("/")[2].lower()
