"""JSON (RFC 8259), with paths such as `order.patient[0].id`; YAML shares them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.mapping.sidecars.reader import Content, Path, Reader

_STEP = re.compile(r"""\.?([^.\[\]'"]+)|\[([0-9]{1,9})\]|\[(?:'([^']+)'|"([^"]+)")\]""")


def read(text: str) -> Content:
    """The content of a document. Raises ValueError where it is no JSON, or has a key twice."""
    try:
        tree = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"this is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if isinstance(tree, dict):
        return Content(tree, tree, tuple(tree.items()))
    return Content(tree)


def path(text: str, _: Mapping[str, str]) -> Path:
    """Keys with dots between them, numbers of items from 0 in brackets, odd keys in brackets and quotes."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (match[1] and bool(steps) != match[0].startswith(".")):
            raise ValueError(
                f"{text!r} is not a path into the content: write keys and numbers of items, "
                "such as patient.ids[0].value or ['patient id']"
            )
        steps.append(int(match[2]) if match[2] else match[1] or match[3] or match[4])
        position = match.end()

    def lead(tree: Any) -> Any:
        for step in steps:
            if isinstance(step, str):
                tree = tree.get(step) if isinstance(tree, dict) else None
            else:
                tree = tree[step] if isinstance(tree, list) and step < len(tree) else None
        return tree

    return lead


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice in one object, so it is not known which is meant")
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"this is not JSON: {name} is no number of JSON")


READER = Reader(("json",), limit=16 * 1024 * 1024, natural=True, read=read, path=path)
