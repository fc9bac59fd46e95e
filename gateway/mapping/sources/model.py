"""`model`: what a surface model or a material library says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import NOTHING, Probe

NAMES = ("title", "triangles", "vertices", "bounds", "materials", "mtllib", "textures")
"""Numbers of triangles, vertices and materials; `bounds` are the least x, y and z, then the greatest, in
a unit that the file does not say; `mtllib` and `textures` are names of files. Commas stand between them."""


def facts(probe: Probe) -> Mapping[str, Any]:
    """The facts of a model; None where it says nothing, and for all other files."""
    found = probe.facts.get("model", NOTHING)
    return {name: _plain(found.get(name)) for name in NAMES}


def _plain(fact: Any) -> Any:
    if not isinstance(fact, tuple):
        return fact
    return ", ".join(f"{each:g}" if isinstance(each, float) else each for each in fact) or None
