"""The DICOM JSON Model (PS3.18 Annex F).

A `Model` is one data set as Annex F writes it: eight hexadecimal digits for a tag, in ascending order,
and for each an object with `vr` and at most one of `Value`, `BulkDataURI` and `InlineBinary`. What is
written keeps to the letter of the annex; what is read may be what other people's programs write.

Text is Unicode on both sides, so Specific Character Set says ISO_IR 192 whenever it is there or needed.
Group lengths and the File Meta Information describe an encoding and are left out (PS3.18 10.5.1.4).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast

from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from gateway.dicom.dictionary import keyword_of, tag_of, vr_of
from gateway.dicom.values import BINARY, DECIMAL, INTEGERS, MAX_DS, ONE_TEXT, REALS, WHOLE, format_ds

Model = dict[str, dict[str, Any]]

MAX_DEPTH = 100
"""Sequences within sequences; real objects have a tenth of it."""

CHARACTER_SET = "00080005"
UTF_8 = "ISO_IR 192"
NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")

_NONE: Mapping[int, str] = MappingProxyType({})
_PLAIN_TEXT = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
_BULK = BINARY | REALS.keys() | INTEGERS.keys() | {"DS", "IS", "LT", "ST", "UC", "UT"}
_NUMBER_TEXTS = ("DS", "IS")
_VRS = _BULK | _PLAIN_TEXT | {"AT", "PN", "SQ"}
_CONTENT = ("Value", "BulkDataURI", "InlineBinary")
_NOT_FINITE = frozenset({"nan", "inf", "-inf", "infinity", "-infinity"})
_EXACT_INTEGER = 2**53
"""Beyond it a reader that keeps numbers as doubles, as JavaScript does, would change them."""


# Data set to model


def to_model(
    dataset: Dataset, bulk_uris: Mapping[int, str] = _NONE, bulk_vrs: Mapping[int, str] = _NONE
) -> Model:
    """The data set as a model.

    `bulk_uris` are the references of values that stay outside, by tag, whether or not the data set
    has them; their VR is that of `bulk_vrs`, else of the data set, else of the dictionary. A value
    that JSON cannot say under its VR (not a number, infinite, undecodable) is written as UN with its
    bytes, which PS3.5 6.2.2 allows for every attribute. DS, IS, SV and UV are numbers unless a number
    would say something else than the text. Bytes (OB, OW, ...) are taken as little endian, as Annex F
    wants them.
    """
    model = _model(dataset, signed=False)
    for tag, uri in bulk_uris.items():
        key = f"{tag:08X}"
        vr = bulk_vrs.get(tag) or model.get(key, {}).get("vr") or vr_of(tag)
        if vr not in _BULK:
            raise ValueError(f"{_named(tag)} ({vr}) cannot refer to bulk data (PS3.18 F.2.2)")
        model[key] = {"vr": vr, "BulkDataURI": uri}
    if CHARACTER_SET in model or not _is_ascii(model):
        model[CHARACTER_SET] = {"vr": "CS", "Value": [UTF_8]}
    return dict(sorted(model.items()))


def bulk_vrs(model: Model) -> dict[int, str]:
    """The VRs of the attributes of a model that refer to bulk data, by tag."""
    referring = {_tag(key, ""): each for key, each in model.items() if each.get("BulkDataURI") is not None}
    return {tag: attribute.get("vr") or vr_of(tag) for tag, attribute in referring.items()}


def _model(dataset: Dataset, *, signed: bool) -> Model:
    signed = bool(dataset.get("PixelRepresentation", signed))
    tags = sorted(tag for tag in dataset.keys() if not _is_left_out(tag))  # noqa: SIM118  iterating converts
    model = {f"{tag:08X}": _attribute(*_element(dataset, tag), signed=signed) for tag in tags}
    if CHARACTER_SET in model:
        model[CHARACTER_SET] = {"vr": "CS", "Value": [UTF_8]}
    return model


def _element(dataset: Dataset, tag: BaseTag) -> tuple[str, Any]:
    """VR and value of an element: DS and IS as the file writes them, what cannot be read as UN."""
    raw = cast(DataElement | RawDataElement, dataset.get_item(tag))
    if isinstance(raw, RawDataElement) and raw.value and (raw.VR or vr_of(tag)) in _NUMBER_TEXTS:
        text = raw.value.decode("latin-1")
        return raw.VR or vr_of(tag), [part.strip(" \0") for part in text.split("\\")]
    try:
        element = dataset[tag]
    except Exception:  # pydicom raises whatever its converters run into
        return "UN", raw.value or b""
    return str(element.VR), element.value


def _attribute(vr: str, value: Any, *, signed: bool) -> dict[str, Any]:
    vr = _definite(vr, value, signed)
    values = _listed(value)
    if not values:
        return {"vr": vr}
    if vr == "SQ":
        return {"vr": vr, "Value": [_model(item, signed=signed) for item in values]}
    if vr in REALS and not all(math.isfinite(real) for real in values):
        vr, values = "UN", [struct.pack(f"<{len(values)}{REALS[vr]}", *values)]
    if vr in _NUMBER_TEXTS and not all(_is_number(vr, str(each)) for each in values if each):
        vr, values = "UN", ["\\".join(map(str, values)).encode("latin-1", "replace")]
    if vr in BINARY:
        return {"vr": vr, "InlineBinary": base64.b64encode(b"".join(values)).decode("ascii")}
    written = [_written(vr, each) for each in values]
    return {"vr": vr} if written == [None] else {"vr": vr, "Value": written}


def _definite(vr: str, value: Any, signed: bool) -> str:
    """One VR where the dictionary leaves a choice that nobody has made yet."""
    choices = vr.split(" or ")
    if len(choices) == 1:
        return vr
    if isinstance(value, bytes):
        return "OW" if "OW" in choices else "UN"
    if "SS" in choices and (signed or any(number < 0 for number in _listed(value))):
        return "SS"
    return "US"


def _listed(value: Any) -> list[Any]:
    """The values of an element, none for an empty one."""
    if value is None or isinstance(value, str | bytes) or not isinstance(value, Iterable):
        values = [value]
    else:
        values = list(value) if not hasattr(value, "components") else [value]
    return [] if len(values) == 1 and (values[0] is None or values[0] in ("", b"")) else values


def _written(vr: str, value: Any) -> Any:
    if vr in INTEGERS:
        return int(value) if abs(value) <= _EXACT_INTEGER else str(value)
    if vr in REALS:
        return value
    if vr == "AT":
        return f"{int(value):08X}"
    text = "" if value is None else str(value).rstrip(" \0")  # padding, which pydicom leaves between values
    if not text:
        return None
    if vr == "PN":
        return _name_groups(text) or None
    return number(vr, text) if vr in _NUMBER_TEXTS else text


def _name_groups(text: str) -> dict[str, str]:
    """The groups of a name that have more in them than separators."""
    groups = zip(NAME_GROUPS, text.split("=", 2), strict=False)
    return {group: part for group, part in groups if part.strip("^ ")}


def number(vr: str, text: str) -> int | float | str:
    """The number that a value of VR DS or IS means, or the text where a number would differ from it."""
    if WHOLE.fullmatch(text):
        return int(text) if abs(int(text)) <= _EXACT_INTEGER else text
    if not DECIMAL.fullmatch(text) or not _is_exact(float(text), text):
        return text
    return int(float(text)) if vr == "IS" and float(text).is_integer() else float(text)


def _is_exact(real: float, text: str) -> bool:
    return math.isfinite(real) and Decimal(repr(real)) == Decimal(text)


def _is_number(vr: str, text: str) -> bool:
    if vr == "IS":
        return isinstance(number(vr, text), int) or WHOLE.fullmatch(text) is not None
    return DECIMAL.fullmatch(text) is not None


# Model to data set


def from_model(model: Model) -> tuple[Dataset, dict[int, str]]:
    """The data set that a model describes, and its references to bulk data by tag.

    Attributes that refer to bulk data are not in the data set; `bulk_vrs` has their VRs. Read as well:
    tags in lower case and keywords, numbers as text and text as numbers, names as plain text, one value
    outside an array, a missing `vr` where the dictionary knows it, UN for what it knows better. Raises
    ValueError that names the attribute for what has no meaning, and for bulk data within a sequence.
    """
    references: dict[int, str] = {}
    dataset = _data_set(model, _Place(references=references))
    if "SpecificCharacterSet" not in dataset and not _is_ascii(model):
        dataset.SpecificCharacterSet = UTF_8
    return dataset, references


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a model something is read; `references` collects bulk data, None where there can be none."""

    path: str = ""
    depth: int = 0
    references: dict[int, str] | None = None

    def name(self, tag: int) -> str:
        return self.path + _named(tag)

    def item(self, tag: int, index: int) -> _Place:
        return _Place(f"{self.name(tag)}[{index}].", self.depth + 1)


def _data_set(model: object, place: _Place) -> Dataset:
    here = place.path.removesuffix(".") or "a data set"
    if not isinstance(model, dict):
        raise ValueError(f"{here} must be an object of attributes, not {_shown(model)}")
    if place.depth > MAX_DEPTH:
        raise ValueError(f"{here} lies more than {MAX_DEPTH} sequences deep")
    attributes: dict[int, object] = {}
    for key, attribute in model.items():
        tag = _tag(key, place.path)
        if tag in attributes:
            raise ValueError(f"{place.name(tag)} is given twice")
        attributes[tag] = attribute
    dataset = Dataset()
    for tag in sorted(attributes):
        if not _is_left_out(tag):
            _set(dataset, tag, attributes[tag], place)
    if "SpecificCharacterSet" in dataset:
        dataset.SpecificCharacterSet = UTF_8
    return dataset


def _set(dataset: Dataset, tag: int, attribute: object, place: _Place) -> None:
    name = place.name(tag)
    if not isinstance(attribute, dict):
        raise ValueError(f"{name} must be an object with 'vr' and 'Value', not {_shown(attribute)}")
    contents = [key for key in _CONTENT if attribute.get(key) is not None]
    if len(contents) > 1:
        raise ValueError(f"{name} has both {contents[0]} and {contents[1]}; an attribute has one of them")
    vr = _vr(attribute, tag, name, dataset)
    match contents:
        case ["BulkDataURI"]:
            _refer(place.references, tag, vr, attribute["BulkDataURI"], name)
        case ["InlineBinary"]:
            dataset.add(_from_bytes(tag, vr, attribute["InlineBinary"], name))
        case _:
            values = attribute.get("Value")
            values = values if isinstance(values, list) else [] if values is None else [values]
            dataset.add(_from_values(tag, vr, values, place))


def _tag(key: object, path: str) -> int:
    text = str(key)
    if re.fullmatch("[0-9A-Fa-f]{8}", text):
        return int(text, 16)
    try:
        return tag_of(text)
    except ValueError as error:
        raise ValueError(f"{path}{error}") from None


def _vr(attribute: Mapping[str, Any], tag: int, name: str, dataset: Dataset) -> str:
    vr = attribute.get("vr")
    if vr is None and (vr := vr_of(tag)) == "UN":
        raise ValueError(f"{name} has no 'vr', and the DICOM dictionary does not know the attribute")
    if isinstance(vr, str) and " or " in vr:  # what some programs copy out of the dictionary
        values = attribute.get("Value")
        vr = _definite(vr, values if values is not None else b"", bool(dataset.get("PixelRepresentation")))
    if not isinstance(vr, str) or vr not in _VRS:
        raise ValueError(f"{name} has the value representation {_shown(vr)}, which DICOM does not have")
    return vr


def _refer(references: dict[int, str] | None, tag: int, vr: str, uri: object, name: str) -> None:
    if references is None:
        raise ValueError(f"{name} refers to bulk data within a sequence; give its value as InlineBinary")
    if vr not in _BULK:
        raise ValueError(f"{name} ({vr}) refers to bulk data, which its value representation does not allow")
    if not isinstance(uri, str) or not uri:
        raise ValueError(f"{name} has the BulkDataURI {_shown(uri)}; it must be a text")
    references[tag] = uri


def _from_bytes(tag: int, vr: str, text: object, name: str) -> DataElement:
    if vr not in BINARY:
        raise ValueError(
            f"{name} ({vr}) has an InlineBinary, which only {', '.join(sorted(BINARY))} can have"
        )
    try:
        value = base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{name} has an InlineBinary that is not base64") from None
    return _unknown(tag, value) if vr == "UN" else _new(tag, vr, value)


def _unknown(tag: int, value: bytes) -> DataElement:
    """A UN element, or what the dictionary says of it: Implicit VR Little Endian (PS3.5 6.2.2)."""
    raw = RawDataElement(BaseTag(tag), "UN", len(value), value, 0, True, True)
    try:
        return convert_raw_data_element(raw, encoding=["utf8"])
    except Exception:  # pydicom raises whatever its converters run into
        element = _new(tag, "OB", value)
        element.VR = "UN"
        return element


def _from_values(tag: int, vr: str, values: list[Any], place: _Place) -> DataElement:
    name = place.name(tag)
    if vr in BINARY:
        if values:
            raise ValueError(f"{name} ({vr}) is binary: it has an InlineBinary or a BulkDataURI and no Value")
        return _new(tag, vr, b"")
    if vr == "SQ":
        items = [{} if item is None else item for item in values]
        return _new(tag, vr, [_data_set(item, place.item(tag, index)) for index, item in enumerate(items)])
    if values in ([], [None]):
        return _new(tag, vr, None)
    read = [_read(vr, value, name) for value in values]
    if vr in ONE_TEXT:  # the backslash is a character of it, so several values were one that somebody split
        return _new(tag, vr, "\\".join(read))
    return _new(tag, vr, [part for value in read for part in _parts(value)])


def _parts(value: Any) -> list[Any]:
    """A value, or the values in it: a backslash separates them in a file (PS3.18 F.2.4)."""
    return value.split("\\") if isinstance(value, str) else [value]


def _new(tag: int, vr: str, value: Any) -> DataElement:
    return DataElement(tag, vr, value, validation_mode=config.IGNORE)


def _read(vr: str, value: Any, name: str) -> Any:
    if isinstance(value, bool | list):
        raise ValueError(f"{name} ({vr}) cannot be {_shown(value)}")
    if vr in INTEGERS:
        return _read_integer(vr, value, name)
    if vr in REALS:
        return _read_real(vr, value, name)
    if vr == "AT":
        return _read_pointer(value, name)
    if vr == "PN":
        return _read_name(value, name)
    if vr in _NUMBER_TEXTS:
        return _read_number_text(vr, value, name)
    return _read_text(vr, value, name)


def _read_text(vr: str, value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise ValueError(f"{name} ({vr}) cannot be {_shown(value)}; it must be a text")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} has half of a surrogate pair, which is no character") from None
    return text


def _read_name(value: Any, name: str) -> str:
    if not isinstance(value, dict):
        return _read_text("PN", value, name)
    if strange := value.keys() - set(NAME_GROUPS):
        raise ValueError(f"{name} (PN) has {_shown(sorted(strange)[0])}; a name has {', '.join(NAME_GROUPS)}")
    groups = [_read_text("PN", value.get(group), f"{name} {group}") for group in NAME_GROUPS]
    return "=".join(groups).rstrip("=")


def _read_number_text(vr: str, value: Any, name: str) -> str:
    text = _number_text(vr, value) if isinstance(value, float) else _read_text(vr, value, name).strip()
    if text and not (WHOLE if vr == "IS" else DECIMAL).fullmatch(text):
        wanted = "a whole number" if vr == "IS" else "a number"
        raise ValueError(f"{name} ({vr}) cannot be {_shown(value)}; it must be {wanted}")
    return text


def _number_text(vr: str, value: float) -> str:
    if vr == "IS" and value.is_integer():
        return str(int(value))
    text = repr(value)
    return format_ds(value) if len(text) > MAX_DS and math.isfinite(value) else text


def _read_integer(vr: str, value: Any, name: str) -> int:
    whole = int(value) if _is_whole(value) else None
    if whole is None:
        raise ValueError(f"{name} ({vr}) cannot be {_shown(value)}; it must be a whole number")
    least, most = INTEGERS[vr]
    if not least <= whole <= most:
        raise ValueError(f"{name} ({vr}) cannot be {whole}; it goes from {least} to {most}")
    return whole


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return WHOLE.fullmatch(value.strip()) is not None
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _read_pointer(value: Any, name: str) -> int:
    if isinstance(value, int) and 0 <= value < 2**32:
        return value
    try:
        return _tag(value, "")
    except ValueError:
        raise ValueError(
            f"{name} (AT) cannot be {_shown(value)}; it must be eight hexadecimal digits"
        ) from None


def _read_real(vr: str, value: Any, name: str) -> float:
    text = str(value).strip()
    if not DECIMAL.fullmatch(text) and text.lower() not in _NOT_FINITE:
        raise ValueError(f"{name} ({vr}) cannot be {_shown(value)}; it must be a number")
    try:
        struct.pack(f"<{REALS[vr]}", float(text))
    except OverflowError:
        raise ValueError(f"{name} ({vr}) cannot be {_shown(value)}; that is too large for it") from None
    return float(text)


# Text


def dump(models: Sequence[Model]) -> bytes:
    """One JSON array of models, compact, in UTF-8."""
    text = json.dumps(models, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def load(data: bytes) -> list[Model]:
    """The models in a JSON array, or the one in a JSON object.

    Raises ValueError, with line and column where they are known, for what is not DICOM JSON.
    """
    try:
        text = data.decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=_without_duplicates, parse_int=_integer)
    except UnicodeDecodeError:
        raise ValueError("the JSON is not in UTF-8, as RFC 8259 demands") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"this is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    models = found if isinstance(found, list) else [found]
    for model in models:
        if not isinstance(model, dict):
            raise ValueError(f"DICOM JSON is an array of objects, and this has {_shown(model)} in it")
    return models


def _integer(text: str) -> int | float:
    return int(text) if WHOLE.fullmatch(text) else float(text)  # no VR has integers that long


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r} is twice in one JSON object")
    return found


# Both


def _is_left_out(tag: int) -> bool:
    return tag >> 16 in (0x0000, 0x0002) or tag & 0xFFFF == 0


def _is_ascii(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, dict):
        return all(_is_ascii(each) for each in value.values())
    return not isinstance(value, list) or all(_is_ascii(each) for each in value)


def _named(tag: int) -> str:
    keyword = keyword_of(tag)
    return keyword if not keyword[:1].isdigit() else f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:60]}..."
