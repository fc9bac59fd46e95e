r"""HL7 version 2 messages, by segment and field: `PID-3.1`, `OBX[2]-5`, `PID-3[2].4.1`.

Segments, repetitions, components and subcomponents count from 1. Separators are those of the message
(HL7 2.5 chapter 2.5.4); escape sequences are resolved (2.7). A field without the number of a repetition
is the first one, which is the primary one. Without the number of a component a field must have only one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.mapping.sidecars.reader import Content, Path, Reader

NULL = '""'
"""What says that a value is to be deleted; to us it is none."""

_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<nth>[1-9][0-9]{0,4})\])?-(?P<field>[1-9][0-9]{0,3})"
    r"(?:\[(?P<repetition>[1-9][0-9]{0,4})\])?"
    r"(?:\.(?P<component>[1-9][0-9]{0,3})(?:\.(?P<subcomponent>[1-9][0-9]{0,3}))?)?"
)
_SEPARATORS = "^~\\&"
_ENVELOPE = ("FHS", "BHS", "BTS", "FTS")
_HEADERS = ("MSH", "FHS", "BHS")


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its separators, and the segments as they are written, by name."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    segments: Mapping[str, tuple[str, ...]]

    def fields(self, segment: str) -> list[str]:
        """The fields of a segment by their numbers; the first one of a header is its own separator."""
        name, *fields = segment.split(self.field)
        return [name, self.field, *fields] if name in _HEADERS else [name, *fields]

    def plain(self, text: str) -> str:
        """The text without escape sequences; what they mean in it, as far as it is text."""
        if self.escape not in text:
            return text
        mark = re.escape(self.escape)
        return re.sub(f"{mark}([^{mark}]*){mark}", lambda match: self._meant(match[1]), text)

    def _meant(self, code: str) -> str:
        meanings = {
            "F": self.field, "S": self.component, "R": self.repetition, "E": self.escape,
            "T": self.subcomponent, "H": "", "N": "", ".br": "\n",
        }  # fmt: skip
        if code in meanings:
            return meanings[code]
        if re.fullmatch("X(?:[0-9A-Fa-f]{2})+", code):
            data = bytes.fromhex(code[1:])
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return data.decode("latin-1")
        return f"{self.escape}{code}{self.escape}"


@dataclass(frozen=True, slots=True)
class _Way:
    """A path taken apart; numbers that it does not give are None."""

    text: str
    segment: str
    nth: int | None
    field: int
    repetition: int | None
    component: int | None
    subcomponent: int | None

    def __call__(self, message: Any) -> str | None:
        segments = message.segments.get(self.segment, ())
        if self.nth is not None:
            segments = segments[self.nth - 1 : self.nth]
        values = dict.fromkeys(filter(None, (self._value(message, segment) for segment in segments)))
        if len(values) > 1:
            raise ValueError(
                f"{self.text} has {len(values)} different values in {len(segments)} segments {self.segment}: "
                f"say which one, as in {self.text.replace(self.segment, f'{self.segment}[1]', 1)}"
            )
        return next(iter(values), None)

    def _value(self, message: Message, segment: str) -> str | None:
        fields = message.fields(segment)
        if self.field >= len(fields):
            return None
        text = fields[self.field]
        if self.segment in _HEADERS and self.field <= 2:  # the separators themselves
            return text
        text = _part(text.split(message.repetition), self.repetition or 1)
        text = self._narrow(text, message.component, self.component, ".1")
        text = self._narrow(text, message.subcomponent, self.subcomponent, ".1" if self.component else ".1.1")
        return None if text in ("", NULL) else message.plain(text).strip() or None

    def _narrow(self, text: str, separator: str, number: int | None, hint: str) -> str:
        """The part of this number; without one the only part that says something."""
        parts = text.split(separator)
        if number is None and any(parts[1:]):
            raise ValueError(f"{self.text} has several parts: say which one, as in {self.text}{hint}")
        return _part(parts, number or 1)


def read(text: str) -> Content:
    """The message in a file, with or without the framing bytes of MLLP.

    Raises ValueError where there is none, or more than one.
    """
    lines = [line for line in re.split("[\r\n]+", text.strip("\x0b\x1c\r\n \ufeff")) if line.strip()]
    while lines and lines[0][:3] in _ENVELOPE:
        del lines[0]
    if not lines or not lines[0].startswith("MSH") or len(lines[0]) < 8:
        raise ValueError("this is no HL7 version 2 message: it does not begin with a segment MSH")
    separator = lines[0][3]
    given = lines[0][4:].split(separator, 1)[0]
    separators = separator + given[:4] + _SEPARATORS[len(given) :]
    if len(set(separators)) < 5 or any(each.isalnum() or each.isspace() for each in separators):
        raise ValueError(f"MSH says that {separators!r} separate fields and components, which cannot be")
    segments: dict[str, list[str]] = {}
    for line in lines:
        if (name := line.split(separator, 1)[0].strip()) not in _ENVELOPE:
            segments.setdefault(name, []).append(line.strip())
    if len(segments["MSH"]) > 1:
        raise ValueError(f"the file has {len(segments['MSH'])} messages, and one is expected")
    kept = {name: tuple(each) for name, each in segments.items()}
    field, component, repetition, escape, subcomponent = tuple(separators)
    return Content(Message(field, component, repetition, escape, subcomponent, kept))


def path(text: str, _: Mapping[str, str]) -> Path:
    """A segment and a field."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a segment and field of HL7 version 2: write one such as PID-3.1, OBX[2]-5 "
            "or PID-3[2].4"
        )
    numbers = {
        key: int(match[key]) if match[key] else None
        for key in ("nth", "repetition", "component", "subcomponent")
    }
    return _Way(text, match["segment"], field=int(match["field"]), **numbers)


def _part(parts: list[str], number: int) -> str:
    """The part of this number, from 1; nothing where there are fewer."""
    return parts[number - 1] if number <= len(parts) else ""


READER = Reader(("hl7",), limit=16 * 1024 * 1024, natural=False, read=read, path=path)
