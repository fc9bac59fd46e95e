"""All attributes of a sidecar at once: DICOM JSON, Native XML, or keywords with their values.

What a sidecar says is data: nothing in it is an expression, and what describes the pixels is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.dicom.dictionary import keyword_of, vr_of
from gateway.dicom.json import MAX_DEPTH
from gateway.errors import Fatal
from gateway.mapping.assignments import SOP_CLASS, Assignment, Items, codes, target, texts
from gateway.mapping.expressions import Template, literal
from gateway.mapping.sidecars.reader import Content
from gateway.mapping.typed import of_model

FORMATS = ("ini", "xml", "json", "yaml", "text")
"""Those that can have DICOM's own attributes in them."""

_DECLARATION = re.compile(r"\s*<\?xml.*?\?>", re.DOTALL)
_MODEL_KEYS = frozenset({"vr", "Value", "BulkDataURI", "InlineBinary"})
_SAMPLE = 5

Value = tuple[Template, ...] | Items


def attributes(content: Content, text: str, form: str, path: Path, origin: str) -> tuple[Assignment, ...]:
    """The attributes that a sidecar has, without the SOP class, which comes with the object template.

    Raises ValueError that names all that cannot be taken: unknown keywords, values that their value
    representation does not allow, attributes that follow from the content of the file.
    """
    if form == "xml" or (form == "json" and _is_model(content.tree)):
        data = _DECLARATION.sub("", text, count=1).encode("utf-8", "replace")
        try:
            found = of_model(data, path, origin)
        except Fatal as error:
            raise ValueError(str(error).replace(f"{path}: ", "").replace("\n", "; ")) from None
    elif form in ("json", "yaml") and not isinstance(content.tree, dict):
        raise ValueError("it is a single value or a list, and attributes come as KEYWORD: VALUE")
    else:
        found = _of_entries(content.entries, origin)
    return tuple(each for each in found if each.path[0].tag != SOP_CLASS)


def _is_model(tree: Any) -> bool:
    """Whether this is DICOM JSON (PS3.18 F.2) rather than keywords with values."""
    if isinstance(tree, list):
        return True
    if not isinstance(tree, dict) or not tree:
        return False
    return all(isinstance(each, dict) and each.keys() <= _MODEL_KEYS for each in tree.values())


def _of_entries(entries: Iterable[tuple[str, Any]], origin: str, *, depth: int = 0) -> tuple[Assignment, ...]:
    """The attributes that keywords name; one without a value says nothing."""
    if depth > MAX_DEPTH:
        raise ValueError(f"there are more than {MAX_DEPTH} sequences within each other")
    assignments: dict[str, Assignment] = {}
    faults: list[str] = []
    for key, value in entries:
        if value in (None, "", []):
            continue
        try:
            steps = target(key, inside=depth > 0)
            made = Assignment(steps, _value(steps[-1].tag, value, origin, depth), origin)
            first = assignments.setdefault(made.name, made)
            if first.value != made.value:
                raise ValueError(f"{made.name} has two different values")
        except ValueError as error:
            faults.append(str(error))
    if faults:
        more = f"; and {len(faults) - _SAMPLE} more" if len(faults) > _SAMPLE else ""
        raise ValueError("; ".join(faults[:_SAMPLE]) + more)
    return tuple(assignments.values())


def _value(tag: int, value: Any, origin: str, depth: int) -> Value:
    if vr_of(tag) == "SQ" and isinstance(value, dict | list):
        items = value if isinstance(value, list) else [value]
        return Items(tuple(each for item in items for each in _items(tag, item, origin, depth).items))
    if isinstance(value, list):
        value = "\\".join(_text(tag, each) for each in value)
    text = literal(_text(tag, value))
    return codes(tag, text) if vr_of(tag) == "SQ" else texts(tag, text)


def _items(tag: int, item: Any, origin: str, depth: int) -> Items:
    if isinstance(item, dict):
        return Items((_of_entries(item.items(), origin, depth=depth + 1),))
    return codes(tag, literal(_text(tag, item)))


def _text(tag: int, value: Any) -> str:
    """The text of a scalar. Raises ValueError for what is none."""
    if isinstance(value, bool | dict | list):
        raise ValueError(f"{keyword_of(tag)} ({vr_of(tag)}) takes text or a number")
    return "" if value is None else str(value)
