"""The Native DICOM Model (PS3.19 A.1), to and from the model of `gateway.dicom.json`.

Private attributes are written with their creator and without the block that is reserved for them
(`gggg00ee`); reading finds their block again, or reserves one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from pydicom.datadict import keyword_for_tag

from gateway.dicom.dictionary import tag_of, vr_of
from gateway.dicom.json import MAX_DEPTH, NAME_GROUPS, Model, number
from gateway.dicom.values import DECIMAL, INTEGERS, REALS, WHOLE

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_NAME_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_MOST_LEFT_OUT = 1000
"""Values that may be missing in a numbered list, so that one large number cannot fill the memory."""

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# Model to XML


def dump(model: Model) -> bytes:
    """The model as one XML document in UTF-8.

    XML 1.0 has no form feed and no other control character but tab and line breaks: an attribute with
    one in it is written as UN with its bytes, as PS3.5 6.2.2 allows for every attribute.
    """
    body = "".join(_attributes(model))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">{body}</NativeDicomModel>\n'
    ).encode()


def _attributes(model: Model) -> Iterator[str]:
    blocks = _blocks(model)
    for key, attribute in model.items():
        vr, content = _content(attribute)
        creator = blocks.get(key[:6]) if key[4:6] != "00" else None
        shown = key if creator is None else f"{key[:4]}00{key[6:]}"
        names = {"keyword": keyword_for_tag(int(key, 16)), "privateCreator": creator}
        yield f'<DicomAttribute tag="{shown}" vr="{vr}"'
        yield "".join(f' {name}="{value.translate(_ESCAPES)}"' for name, value in names.items() if value)
        yield f">{content}</DicomAttribute>"


def _blocks(model: Model) -> dict[str, str]:
    """The creator of each private block, by the first six digits of its tags (PS3.5 7.8.1).

    Without the second block of one creator, whose attributes keep their whole tags: once the block
    is left out, nothing tells them from those of the first.
    """
    blocks: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for key, attribute in model.items():
        creator = next(iter(attribute.get("Value", ())), None) if _is_creator(int(key, 16)) else None
        if isinstance(creator, str) and (key[:4], creator) not in seen and not _NOT_IN_XML.search(creator):
            seen.add((key[:4], creator))
            blocks[key[:4] + key[6:]] = creator
    return blocks


def _content(attribute: dict[str, Any]) -> tuple[str, str]:
    """VR and content of an attribute."""
    vr = attribute["vr"]
    if "BulkDataURI" in attribute:
        return vr, f'<BulkData uri="{attribute["BulkDataURI"].translate(_ESCAPES)}"/>'
    if "InlineBinary" in attribute:
        return vr, f"<InlineBinary>{attribute['InlineBinary'].translate(_ESCAPES)}</InlineBinary>"
    values = attribute.get("Value", [])
    if vr == "SQ":
        items = ("".join(_attributes(item)) for item in values)
        return vr, "".join(f'<Item number="{n}">{item}</Item>' for n, item in enumerate(items, start=1))
    if vr == "PN":
        element, texts = "PersonName", [_name(value) for value in values]
    else:
        element, texts = "Value", [("" if value is None else str(value)) for value in values]
    if any(_NOT_IN_XML.search(text) for text in texts):
        binary = base64.b64encode("\\".join(texts).encode()).decode("ascii")
        return "UN", f"<InlineBinary>{binary}</InlineBinary>"
    written = (_groups(text) if vr == "PN" else text.translate(_ESCAPES) for text in texts)
    return vr, "".join(
        f'<{element} number="{n}">{text}</{element}>' for n, text in enumerate(written, start=1)
    )


def _name(value: dict[str, str] | None) -> str:
    """A person's name as DICOM writes it."""
    return "=".join((value or {}).get(group, "") for group in NAME_GROUPS).rstrip("=")


def _groups(name: str) -> str:
    return "".join(
        f"<{group}>{_components(text)}</{group}>"
        for group, text in zip(NAME_GROUPS, name.split("=", 2), strict=False)
        if text
    )


def _components(group: str) -> str:
    return "".join(
        f"<{component}>{text.translate(_ESCAPES)}</{component}>"
        for component, text in zip(_NAME_COMPONENTS, group.split("^", 4), strict=False)
    )


# XML to model


def load(data: bytes) -> Model:
    """The model in an XML document, with or without the namespace.

    Raises ValueError for what is not a Native DICOM Model, and for a document type, with which a
    document can name files and grow without bound.
    """
    parser = XMLParser(target=_Builder())  # noqa: S314  the builder refuses what makes XML dangerous
    try:
        parser.feed(data)
        root = parser.close()
    except (LookupError, ParseError) as error:  # the first for an encoding that nobody knows
        raise ValueError(f"this is not XML: {error}") from None
    if _local(root) != "NativeDicomModel":
        raise ValueError(f"a Native DICOM Model begins with <NativeDicomModel>, not with <{_local(root)}>")
    return _model(root, 0)


class _Builder(TreeBuilder):
    """Builds the tree of a document without a document type."""

    def doctype(self, *_: object) -> None:
        raise ValueError("the XML has a document type (DOCTYPE), which a Native DICOM Model has no use for")


def _model(parent: Element, depth: int) -> Model:
    if depth > MAX_DEPTH:
        raise ValueError(f"the XML has more than {MAX_DEPTH} sequences within each other")
    elements = [element for element in parent if _local(element) == "DicomAttribute"]
    blocks = _Blocks(elements)
    model: Model = {}
    for element in elements:
        tag = blocks.whole_tag(element)
        if f"{tag:08X}" in model:
            raise ValueError(f"the XML has the attribute {tag:08X} twice")
        model[f"{tag:08X}"] = _attribute(tag, element, depth)
    for tag, creator in blocks.creators.items():
        model.setdefault(f"{tag:08X}", {"vr": "LO", "Value": [creator]})
    return dict(sorted(model.items()))


class _Blocks:
    """The blocks of private attributes in one data set, and who reserved them (PS3.5 7.8.1)."""

    def __init__(self, elements: Sequence[Element]) -> None:
        tags = {_tag(element): element for element in elements if not _creator(element)}
        self.creators = {tag: _first_text(element) for tag, element in tags.items() if _is_creator(tag)}
        self._taken = {_creator_tag(_tag(element)) for element in elements} | self.creators.keys()

    def whole_tag(self, element: Element) -> int:
        """The tag of an attribute with the block that its creator has, or now gets."""
        tag, creator = _tag(element), _creator(element)
        if not creator or not _is_private(tag):
            return tag
        if tag & 0xFF00:  # some programs leave the block where it was
            self.creators.setdefault(_creator_tag(tag), creator)
            return tag
        place = self._place(tag & 0xFFFF0000, creator)
        return tag | (place & 0xFF) << 8

    def _place(self, group: int, creator: str) -> int:
        for place, name in self.creators.items():
            if place & 0xFFFF0000 == group and name == creator:
                return place
        for place in range(group | 0x10, group | 0x100):
            if place not in self._taken:
                self._taken.add(place)
                self.creators[place] = creator
                return place
        raise ValueError(f"the private group {group >> 16:04X} has no block left for {creator!r}")


def _tag(element: Element) -> int:
    text = element.get("tag") or element.get("keyword") or ""
    return int(text, 16) if re.fullmatch("[0-9A-Fa-f]{8}", text) else tag_of(text)


def _creator(element: Element) -> str:
    return (element.get("privateCreator") or "").strip()


def _first_text(element: Element) -> str:
    return next((child.text or "" for child in element), "").strip()


def _is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def _is_creator(tag: int) -> bool:
    return _is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF


def _creator_tag(tag: int) -> int:
    """The tag of the creator of a private attribute."""
    return tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8


def _attribute(tag: int, element: Element, depth: int) -> dict[str, Any]:
    vr = element.get("vr") or vr_of(tag)
    kinds = {_local(child) for child in element}
    if not kinds:
        return {"vr": vr}
    if len(kinds) > 1:
        raise ValueError(f"the attribute {tag:08X} has both <{min(kinds)}> and <{max(kinds)}> in the XML")
    values: list[Any]
    match kinds.pop():
        case "BulkData":
            return {"vr": vr, "BulkDataURI": _uri(tag, element[0])}
        case "InlineBinary":
            return {"vr": vr, "InlineBinary": "".join((element[0].text or "").split())}
        case "Item":
            values = [{} if item is None else _model(item, depth + 1) for item in _numbered(tag, element)]
        case "PersonName":
            values = [None if name is None else _read_name(name) for name in _numbered(tag, element)]
        case "Value":
            values = [None if value is None else _read_value(vr, value) for value in _numbered(tag, element)]
        case other:
            raise ValueError(f"the attribute {tag:08X} has <{other}> in the XML, which PS3.19 does not know")
    return {"vr": vr} if values == [None] else {"vr": vr, "Value": values}


def _numbered(tag: int, element: Element) -> list[Element | None]:
    """The values in the order of their numbers, None for a number that is left out."""
    values: dict[int, Element] = {}
    for position, child in enumerate(element, start=1):
        number = child.get("number", str(position))
        if not re.fullmatch("[1-9][0-9]{0,9}", number) or int(number) in values:
            raise ValueError(f"the values of the attribute {tag:08X} are not numbered 1, 2, 3 in the XML")
        values[int(number)] = child
    last = max(values)
    if last > len(values) + _MOST_LEFT_OUT:
        raise ValueError(
            f"the attribute {tag:08X} has {len(values)} values in the XML, and one numbered {last}"
        )
    return [values.get(number) for number in range(1, last + 1)]


def _uri(tag: int, bulk: Element) -> str:
    uri = bulk.get("uri")
    if not uri:
        raise ValueError(f"the attribute {tag:08X} refers to bulk data without a uri in the XML")
    return uri


def _read_value(vr: str, element: Element) -> Any:
    text = element.text or ""
    if vr in ("DS", "IS"):
        return number(vr, text.strip()) if text.strip() else None
    if vr in INTEGERS and WHOLE.fullmatch(text.strip()):
        return number("IS", text.strip())
    if vr in REALS and DECIMAL.fullmatch(text.strip()):
        return float(text)
    return text or None


def _read_name(element: Element) -> dict[str, str] | None:
    groups = {_local(group): _read_components(group) for group in element}
    return {group: text for group, text in groups.items() if text} or None


def _read_components(group: Element) -> str:
    texts = {_local(component): component.text or "" for component in group}
    if not texts:
        return group.text or ""
    if strange := texts.keys() - set(_NAME_COMPONENTS):
        raise ValueError(f"a name has <{min(strange)}> in the XML; it can have {', '.join(_NAME_COMPONENTS)}")
    last = max(_NAME_COMPONENTS.index(component) for component in texts)
    return "^".join(texts.get(component, "") for component in _NAME_COMPONENTS[: last + 1])


def _local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
