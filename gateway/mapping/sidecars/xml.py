"""XML, with ElementTree's paths and a step for attributes: `./patient/@id`, `./id[@type='mrn']/@value`.

A document type is refused: with it a document can name files, and grow without bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from gateway.mapping.sidecars.reader import Content, Path, Reader

DEPTH = 100
ELEMENTS = 500_000

_ATTRIBUTE = re.compile(r"(?:(?P<path>.*)/)?@(?P<name>(?:\{[^}]*\})?[\w.:-]+)", re.DOTALL)
_BUILT_IN = {"xml": "http://www.w3.org/XML/1998/namespace"}
_EXAMPLE = "write one such as ./patient/id, ./patient/@id or .//id[@type='mrn']/@value"


def read(text: str) -> Content:
    """The root of a document. Raises ValueError where it is no XML, or has what is dangerous in XML."""
    parser = XMLParser(target=_Builder())  # noqa: S314  the builder refuses what makes XML dangerous
    try:
        parser.feed(text)
        root = parser.close()
    except ParseError as error:
        raise ValueError(f"this is not XML: {error}") from None
    space = re.match(r"\{([^}]*)\}", root.tag)
    hint = f"; its elements are in the namespace {space[1]}: name it under namespaces:" if space else ""
    return Content(root, hint=hint)


def path(text: str, namespaces: Mapping[str, str]) -> Path:
    """A path from the root element, which is not part of it; with `@name` as last step, to an attribute.

    Leads to the text in the element, without blanks around it. Raises ValueError at once for what
    ElementTree does not know.
    """
    if text.startswith("/") or re.search(r"(^|/)\w+\(\)$", text):
        raise ValueError(f"{text!r} is not a path from the root element: {_EXAMPLE}")
    match = _ATTRIBUTE.fullmatch(text)
    attribute = _qualified(match["name"], namespaces) if match else None
    elements = text if match is None else _to_elements(match["path"])
    spaces = dict(namespaces)
    try:
        Element("x").findall(elements, spaces)
    except Exception as error:  # which ones ElementTree raises for a bad path is nowhere said
        raise ValueError(f"{text!r} is not a path ({error}): {_EXAMPLE}") from None

    def lead(root: Any) -> str | None:
        found = root.findall(elements, spaces)
        texts = ["".join(each.itertext()) if attribute is None else each.get(attribute, "") for each in found]
        different = list(dict.fromkeys(filter(None, map(str.strip, texts))))
        if len(different) > 1:
            raise ValueError(
                f"{text} leads to {len(different)} different values: say which one, as in [1] or [@type='a']"
            )
        return different[0] if different else None

    return lead


def _to_elements(text: str | None) -> str:
    """The path to the elements that have an attribute, from what stands before its step."""
    if not text:
        return "."
    return f"{text}/*" if text.endswith("/") else text


def _qualified(name: str, namespaces: Mapping[str, str]) -> str:
    """The name of an attribute with its namespace, as ElementTree writes it."""
    prefix, colon, local = name.partition(":")
    if not colon or name.startswith("{"):
        return name
    uri = (_BUILT_IN | dict(namespaces)).get(prefix)
    if uri is None:
        raise ValueError(f"the prefix {prefix!r} is not among the namespaces:")
    return f"{{{uri}}}{local}"


class _Builder(TreeBuilder):
    """Builds the tree of a document that has no document type, and is no larger than it may be."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = 0

    def start(self, tag: Any, attributes: Any) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH:
            raise ValueError(f"the XML has more than {DEPTH} elements within each other")
        if self._elements > ELEMENTS:
            raise ValueError(f"the XML has more than {ELEMENTS:,} elements")
        return super().start(tag, attributes)

    def end(self, tag: Any) -> Element:
        self._depth -= 1
        return super().end(tag)

    def doctype(self, *_: object) -> None:
        raise ValueError("the XML has a document type (DOCTYPE), which is not read: export it without")


READER = Reader(("xml", "xmp"), limit=16 * 1024 * 1024, natural=False, read=read, path=path)
