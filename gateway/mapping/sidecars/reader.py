"""What every reader of sidecars is; each has a module.

A reader is given text, since in which encoding a file is written is found out before. It raises
ValueError in words for what is not its format; the file's name is added by whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Path = Callable[[Any], Any]
"""Leads from a sidecar's content to one fact in it, None where it is not there.

Raises ValueError in words where it leads to several that differ.
"""


@dataclass(frozen=True, slots=True)
class Content:
    """A sidecar as it was read.

    `tree` is what paths lead through. `facts` are what can be used without naming it first, None where
    nothing has a name of its own. `entries` are its keywords with their values as they are written.
    `hint` ends a sentence that says that a path finds nothing.
    """

    tree: Any
    facts: Mapping[str, Any] | None = None
    entries: tuple[tuple[str, Any], ...] = ()
    remarks: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one format is read.

    `extensions` are those of its files, in lower case and without the dot, the usual one first; `limit` is
    the bytes that a file may have, far more than real ones. `natural` is whether its facts have names of
    their own. `read` gives the content of a text; `path` the way to a fact that a text describes, with the
    namespaces of its prefixes. Both raise ValueError in words.
    """

    extensions: tuple[str, ...]
    limit: int
    natural: bool
    read: Callable[[str], Content]
    path: Callable[[str, Mapping[str, str]], Path]
