"""`convert:`, what a mapping or template says of how files are converted.

    convert:
      lossless: jpeg-ls       how decoded pixels are stored: native, jpeg-ls, jpeg2000, rle
      transcode: yes          videos that DICOM does not take become H.264
      audio: drop             sound that DICOM does not take: keep, drop, convert
      animation: video        animated pictures become videos in H.264, or keep their frames: video, frames
      orientation: keep       pictures are stored as they lie, or turned: turn, keep
      jxl: keep               JPEG XL is stored as it is, or decoded: keep, decode
      encrypted: allow        PDFs that need a password: allow, reject
      frame_rate: 30000/1001  frames a second of raw video streams that do not say theirs

The same can be said on the command line, which has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from gateway.config import Lossless, Reading, Sound
from gateway.nodes import Fault, Node, Text

FASTEST = 1000
"""Frames a second, more than any camera for people takes."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is said of conversions, by the field of `Reading` that it is for; None where nothing is."""

    lossless: Lossless | None = None
    transcode: bool | None = None
    sound: Sound | None = None
    as_video: bool | None = None
    keep_orientation: bool | None = None
    allow_jxl: bool | None = None
    allow_encrypted: bool | None = None
    frame_rate: Fraction | None = None

    def over(self, options: Reading, given: Collection[str] = ()) -> Reading:
        """The options, with what they leave at its default as it is said here.

        `given` are the fields that somebody did set, be it to the default.
        """
        usual = Reading()
        said = {
            name: value
            for name, value in self._said.items()
            if name not in given and getattr(options, name) == getattr(usual, name)
        }
        return replace(options, **said)

    def under(self, other: Conversion) -> Conversion:
        """Both together; what both say, the other decides."""
        return replace(self, **other._said)

    @property
    def _said(self) -> Mapping[str, Any]:
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}


NOTHING_SAID = Conversion()


def read(entries: Mapping[str, Node], faults: list[Fault]) -> Conversion:
    """What the entries of the table say; what is wrong with them is added to the faults."""
    said: dict[str, Any] = {}
    for key, node in entries.items():
        name, value_of, wanted, _ = _KEYS[key]
        text = node.text if isinstance(node, Text) else None
        if isinstance(node, Text) and text is None:
            continue
        try:
            said[name] = value_of(text or "")
        except (KeyError, ValueError, ZeroDivisionError):
            shown = repr(text) if text is not None else "a table or list"
            faults.append(Fault(node.place, f"{key} cannot be {shown}: {wanted}"))
    return Conversion(**said)


def schema(keys: Collection[str]) -> dict[str, Any]:
    """The JSON Schema of the table with these keys."""
    properties = {key: _KEYS[key][3] for key in keys}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


_Choice = tuple[Callable[[str], Any], str, dict[str, Any]]
"""What makes a value of a text, what is said where it cannot, and the JSON Schema of the text."""


def _one_of(**choices: Any) -> _Choice:
    return choices.__getitem__, f"write {' or '.join(choices)}", {"enum": list(choices)}


def _yes_or_no() -> _Choice:
    value_of = {"yes": True, "no": False, "true": True, "false": False}.__getitem__
    return value_of, "write yes or no", {"enum": ["yes", "no", True, False]}


def _rate(text: str) -> Fraction:
    rate = Fraction(text)
    if not 0 < rate <= FASTEST:
        raise ValueError(text)
    return rate


def _listed(kind: type[Lossless] | type[Sound]) -> _Choice:
    values = [each.value for each in kind]
    return kind, f"write {' or '.join(values)}", {"enum": values}


_KEYS: Mapping[str, tuple[str, Callable[[str], Any], str, dict[str, Any]]] = {
    "lossless": ("lossless", *_listed(Lossless)),
    "transcode": ("transcode", *_yes_or_no()),
    "audio": ("sound", *_listed(Sound)),
    "animation": ("as_video", *_one_of(video=True, frames=False)),
    "orientation": ("keep_orientation", *_one_of(turn=False, keep=True)),
    "jxl": ("allow_jxl", *_one_of(keep=True, decode=False)),
    "encrypted": ("allow_encrypted", *_one_of(allow=True, reject=False)),
    "frame_rate": (
        "frame_rate",
        _rate,
        "write a number or a fraction, such as 25 or 30000/1001",
        {"type": ["string", "number"], "pattern": "^[0-9.]+(/[0-9]+)?$"},
    ),
}

KEYS = tuple(_KEYS)
TEMPLATE_KEYS = ("lossless",)
"""What an object template may say: how it is stored. The rest is the site's to decide."""
