"""A judge of JSON Schemas (draft 2020-12) for the keywords that ours use; all others are an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "format"}
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}


def complaints(schema: dict[str, Any], value: Any) -> list[str]:
    """What a schema has against a value, as paths."""
    return list(_complaints(schema, value, schema, "$"))


def _complaints(schema: dict[str, Any], value: Any, root: dict[str, Any], path: str) -> Iterator[str]:
    for keyword, said in schema.items():
        if keyword not in ANNOTATIONS and keyword not in KEYWORDS:
            raise ValueError(f"the judge does not know {keyword}")
        if keyword in KEYWORDS:
            yield from KEYWORDS[keyword](said, value, root, path, schema)


def _type(said: Any, value: Any, _root: Any, path: str, _schema: Any) -> Iterator[str]:
    names = said if isinstance(said, list) else [said]
    if not any(TYPES[name](value) for name in names):
        yield f"{path}: type"


def _properties(said: Any, value: Any, root: Any, path: str, _schema: Any) -> Iterator[str]:
    for name, inner in said.items() if isinstance(value, dict) else ():
        if name in value:
            yield from _complaints(inner, value[name], root, f"{path}.{name}")


def _additional(said: Any, value: Any, root: Any, path: str, schema: Any) -> Iterator[str]:
    others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ()
    for name in others:
        if isinstance(said, dict):
            yield from _complaints(said, value[name], root, f"{path}.{name}")
        elif not said:
            yield f"{path}.{name}: unknown"


def _names(said: Any, value: Any, root: Any, path: str, _schema: Any) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        yield from _complaints(said, name, root, f"{path}.{name}")


def _required(said: Any, value: Any, _root: Any, path: str, _schema: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{path}.{name}: missing" for name in said if name not in value)


def _items(said: Any, value: Any, root: Any, path: str, _schema: Any) -> Iterator[str]:
    for number, item in enumerate(value) if isinstance(value, list) else ():
        yield from _complaints(said, item, root, f"{path}[{number}]")


def _any_of(said: Any, value: Any, root: Any, path: str, _schema: Any) -> Iterator[str]:
    if all(list(_complaints(each, value, root, path)) for each in said):
        yield f"{path}: none of {len(said)}"


def _one_of(said: Any, value: Any, root: Any, path: str, _schema: Any) -> Iterator[str]:
    fitting = sum(not list(_complaints(each, value, root, path)) for each in said)
    if fitting != 1:
        yield f"{path}: {fitting} of {len(said)}"


def _reference(said: str, value: Any, root: Any, path: str, _schema: Any) -> Iterator[str]:
    yield from _complaints(root["$defs"][said.removeprefix("#/$defs/")], value, root, path)


def _enum(said: Any, value: Any, _root: Any, path: str, _schema: Any) -> Iterator[str]:
    if not any(value == each and type(value) is type(each) for each in said):
        yield f"{path}: not one of {said}"


def _pattern(said: str, value: Any, _root: Any, path: str, _schema: Any) -> Iterator[str]:
    if isinstance(value, str) and not re.search(said, value):
        yield f"{path}: pattern"


def _minimum(said: Any, value: Any, _root: Any, path: str, _schema: Any) -> Iterator[str]:
    if TYPES["number"](value) and value < said:
        yield f"{path}: minimum"


KEYWORDS: dict[str, Callable[[Any, Any, Any, str, Any], Iterator[str]]] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "items": _items,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "$ref": _reference,
    "enum": _enum,
    "const": lambda said, *rest: _enum([said], *rest),
    "pattern": _pattern,
    "minimum": _minimum,
}
