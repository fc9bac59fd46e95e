"""Data sets as DICOM JSON that hypothesis makes up, in the form in which the gateway writes them."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

Model = dict[str, dict[str, Any]]

_LINE = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\\\ufffe\uffff")
_WORD = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\\^=\ufffe\uffff")
_PARAGRAPH = st.one_of(_LINE, st.sampled_from("\t\r\n\\"))


def _unpadded(text: str) -> str:
    return text.rstrip(" \0") or "x"


def _is_name(group: str) -> bool:
    return bool(group.strip("^ "))


line = st.text(_LINE, min_size=1, max_size=20).map(_unpadded)
paragraph = st.text(_PARAGRAPH, min_size=1, max_size=40).map(_unpadded)
component_group = (
    st.lists(st.text(_WORD, max_size=8), min_size=1, max_size=5).map("^".join).map(_unpadded).filter(_is_name)
)
name = st.dictionaries(
    st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]), component_group, min_size=1
)
ordered_name = name.map(lambda groups: dict(sorted(groups.items())))
decimal = st.one_of(
    st.integers(-(10**14), 10**14),
    st.floats(-(10**6), 10**6).map(lambda real: round(real, 3) + 0.0),
    st.just("9999999999999999"),
)
binary = st.binary(min_size=2, max_size=20).filter(lambda data: len(data) % 2 == 0)
short_real = st.floats(allow_nan=False, allow_infinity=False, width=32)
long_real = st.floats(allow_nan=False, allow_infinity=False)


def _several(value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(value, min_size=1, max_size=4).map(lambda values: {"Value": values})


def _gapped(value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    gaps = st.lists(st.one_of(st.none(), value), min_size=2, max_size=4).map(lambda values: {"Value": values})
    return st.one_of(_several(value), gaps)


def _one(value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return value.map(lambda single: {"Value": [single]})


def _integers(least: int, most: int) -> st.SearchStrategy[dict[str, Any]]:
    return _several(st.integers(least, most).map(lambda whole: whole if abs(whole) <= 2**53 else str(whole)))


_INLINE = binary.map(lambda data: {"InlineBinary": base64.b64encode(data).decode()})

CONTENTS: dict[str, tuple[str, st.SearchStrategy[dict[str, Any]]]] = {
    "00080008": ("CS", _gapped(st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True))),
    "00080018": ("UI", _one(st.sampled_from(["1.2.3", "2.25.0", "1.2.840.10008.1.1"]))),
    "00080020": ("DA", _one(st.just("20240131"))),
    "00080030": ("TM", _one(st.just("134501.25"))),
    "0008002A": ("DT", _one(st.just("20240131134501.25+0100"))),
    "00080054": ("AE", _gapped(st.from_regex(r"[A-Z][!-Z]{0,14}", fullmatch=True))),
    "00080119": ("UC", _one(line)),
    "00081030": ("LO", _one(line)),
    "00081190": ("UR", _one(st.just("http://localhost/a?b=c&d=%20"))),
    "00090010": ("LO", _one(st.just('A & "B" <C>'))),
    "00090011": ("LO", _one(st.just("ANOTHER"))),
    "00091001": ("UN", _INLINE),
    "00091002": ("LO", _gapped(line)),
    "00091101": ("FD", _several(long_real)),
    "00100010": ("PN", _one(ordered_name)),
    "00101001": ("PN", _gapped(ordered_name)),
    "00101010": ("AS", _one(st.just("045Y"))),
    "00102154": ("SH", _gapped(line)),
    "001021B0": ("LT", _one(paragraph)),
    "00180072": ("DS", _one(decimal)),
    "00200013": ("IS", _one(st.integers(-(2**31), 2**31 - 1))),
    "00200032": ("DS", _gapped(decimal)),
    "00280009": ("AT", _several(st.integers(0, 2**32 - 1).map(lambda tag: f"{tag:08X}"))),
    "00280010": ("US", _integers(0, 2**16 - 1)),
    "00189219": ("SS", _integers(-(2**15), 2**15 - 1)),
    "00186020": ("SL", _integers(-(2**31), 2**31 - 1)),
    "00081161": ("UL", _integers(0, 2**32 - 1)),
    "00720083": ("UV", _integers(0, 2**64 - 1)),
    "00720082": ("SV", _integers(-(2**63), 2**63 - 1)),
    "00186024": ("SL", _integers(-(2**31), 2**31 - 1)),
    "00189073": ("FD", _several(long_real)),
    "00720076": ("FL", _several(short_real)),
    "0040A160": ("UT", _one(paragraph)),
    "00400280": ("ST", _one(paragraph)),
    "00420011": ("OB", _INLINE),
    "00660016": ("OF", _INLINE),
    "00660040": ("OL", _INLINE),
    "00720073": ("OD", _INLINE),
    "00720081": ("OV", _INLINE),
    "00281201": ("OW", _INLINE),
}
"""An attribute of every value representation but SQ, and private ones: VR and what it may hold."""

SEQUENCES = ("00081140", "00400275")


def _attribute(key: str) -> st.SearchStrategy[dict[str, Any]]:
    vr, content = CONTENTS[key]
    return st.one_of(st.just({"vr": vr}), content.map(lambda value: {"vr": vr, **value}))


def _with_creators(model: Model) -> Model:
    """Private attributes have a creator (PS3.5 7.8.1)."""
    blocks = {key[4:6] for key in model if key.startswith("0009") and key[4:6] != "00"}
    creators = {"10": 'A & "B" <C>', "11": "ANOTHER"}
    reserved = {f"000900{block}": {"vr": "LO", "Value": [creators[block]]} for block in sorted(blocks)}
    return dict(sorted({**model, **reserved}.items()))


_LEAVES = st.fixed_dictionaries({}, optional={key: _attribute(key) for key in CONTENTS}).map(_with_creators)


def _nested(items: st.SearchStrategy[Model]) -> st.SearchStrategy[Model]:
    several = st.lists(items, min_size=1, max_size=2).map(lambda each: {"vr": "SQ", "Value": each})
    sequence = st.one_of(st.just({"vr": "SQ"}), several)
    sequences = st.fixed_dictionaries({}, optional=dict.fromkeys(SEQUENCES, sequence))
    return st.builds(lambda leaf, nest: dict(sorted({**leaf, **nest}.items())), _LEAVES, sequences)


def _is_ascii(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_ascii, value.values()))
    return all(map(_is_ascii, value)) if isinstance(value, list) else str(value).isascii()


def _declared(model: Model) -> Model:
    utf8 = {} if _is_ascii(model) else {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    return dict(sorted({**model, **utf8}.items()))


models: st.SearchStrategy[Model] = st.recursive(_LEAVES, _nested, max_leaves=4).map(_declared)
