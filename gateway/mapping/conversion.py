"""`convert:`, what a mapping or template says of how files are converted.

    convert:
      lossless: jpeg-ls       how decoded pixels are stored: native, jpeg-ls, jpeg2000, rle
      transcode: yes          videos that DICOM does not take become H.264
      audio: drop             sound that DICOM does not take: keep, drop, convert
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


def read(entries: Mapping[str, Node], faults: list[Fault]) -> Conversion:
    """What the entries of the table say; what is wrong with them is added to the faults."""
    said: dict[str, Any] = {}
    for key, node in entries.items():
        name, value_of, wanted = _KEYS[key]
        text = node.text if isinstance(node, Text) else None
        if isinstance(node, Text) and text is None:
            continue
        try:
            said[name] = value_of(text or "")
        except (KeyError, ValueError, ZeroDivisionError):
            shown = repr(text) if text is not None else "a table or list"
            faults.append(Fault(node.place, f"{key} cannot be {shown}: {wanted}"))
    return Conversion(**said)


def _one_of(**choices: Any) -> tuple[Callable[[str], Any], str]:
    return choices.__getitem__, f"write {' or '.join(choices)}"


def _rate(text: str) -> Fraction:
    rate = Fraction(text)
    if not 0 < rate <= FASTEST:
        raise ValueError(text)
    return rate


def _listed(kind: type[Lossless] | type[Sound]) -> tuple[Callable[[str], Any], str]:
    return kind, f"write {' or '.join(each.value for each in kind)}"


_KEYS: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "lossless": ("lossless", *_listed(Lossless)),
    "transcode": ("transcode", *_one_of(yes=True, no=False)),
    "audio": ("sound", *_listed(Sound)),
    "orientation": ("keep_orientation", *_one_of(turn=False, keep=True)),
    "jxl": ("allow_jxl", *_one_of(keep=True, decode=False)),
    "encrypted": ("allow_encrypted", *_one_of(allow=True, reject=False)),
    "frame_rate": ("frame_rate", _rate, "write a number or a fraction, such as 25 or 30000/1001"),
}

KEYS = tuple(_KEYS)
TEMPLATE_KEYS = ("lossless",)
"""What an object template may say: how it is stored. The rest is the site's to decide."""
