"""YAML as the mappings are written in it: every scalar is text, and there are no tags and anchors."""

from __future__ import annotations

from typing import Any

from gateway import nodes
from gateway.mapping.sidecars.json import path
from gateway.mapping.sidecars.reader import Content, Reader
from gateway.nodes import Fault, Listing, Node, Table


def read(text: str) -> Content:
    """The content of a document. Raises ValueError that names the line of what is wrong."""
    faults: list[Fault] = []
    node = nodes.parse(text, "", faults)
    if faults or node is None:
        first = min(faults)
        raise ValueError(f"in line {first.place.line}, column {first.place.column}: {first.message}")
    tree = _plain(node)
    if isinstance(tree, dict):
        return Content(tree, tree, tuple(tree.items()))
    return Content(tree)


def _plain(node: Node) -> Any:
    if isinstance(node, Table):
        return {key.text: _plain(value) for key, value in node.entries}
    if isinstance(node, Listing):
        return [_plain(item) for item in node.items]
    return node.text


READER = Reader(("yaml", "yml"), limit=nodes.LIMIT, natural=True, read=read, path=path)
