"""Expressions that use what may be nothing without saying what is to happen then.

A group of a pattern that need not take part in a match is nothing for some files. That is meant where an
expression says so: `path.side | default('')`, `path.side or 'U'`, `'L' if path.side == '1' else 'R'`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, nodes

_GUARDS = (nodes.CondExpr, nodes.Or, nodes.And, nodes.Not, nodes.Test, nodes.Compare)
_FILTERS = ("default", "keep_empty")


def unguarded(code: str) -> Iterator[tuple[str, str]]:
    """The facts, as source and name, that an expression that is right uses without a guard."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about backslashes in quotes, as in '\\d'
        tree = _environment().parse(f"{{{{ {code} }}}}")
    yield from _unguarded(tree)


def _unguarded(node: nodes.Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, _GUARDS) or (isinstance(node, nodes.Filter) and _settles(node)):
        return
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        yield node.node.name, node.attr
    elif (
        isinstance(node, nodes.Getitem)
        and isinstance(node.node, nodes.Name)
        and isinstance(node.arg, nodes.Const)
    ):
        yield node.node.name, str(node.arg.value)
    for inner in node.iter_child_nodes():
        yield from _unguarded(inner)


def _settles(node: nodes.Filter) -> bool:
    """Whether a filter says what becomes of nothing: also `pick` with a second value, its default."""
    return node.name in _FILTERS or (node.name == "pick" and len(node.args) + len(node.kwargs) > 1)


@cache
def _environment() -> Environment:
    """Only parses; nothing is ever evaluated with it."""
    return Environment(autoescape=False)  # noqa: S701 - no HTML is made
