"""`match:`, which files a mapping is for, as far as a file itself says it.

    match:
      name: '*.jpg'                 patterns with * and ?, one or a list, whatever the capitals
      folder: ['ward 3*', 'ward 4*']
      relative: 'exams/*/still_*'
      kind: [image, video]          or pdf, cda, stl, obj, mtl, model, document, dicom
      format: 'jpeg*'
      type: 'image/*'

All keys that are given must fit; of a list, one. `*` stands for folders, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gateway.mapping.spelling import alike
from gateway.model import Kind, Probe
from gateway.nodes import Fault, Text, instead

if TYPE_CHECKING:
    from gateway.mapping.models import MatchModel

MODELS = ("stl", "obj", "mtl")
KINDS = ("image", "video", "pdf", "cda", *MODELS, "model", "dicom")
"""The kinds of files that a mapping tells apart, `model` for all of the three."""


@dataclass(frozen=True, slots=True)
class Match:
    """Patterns by key, of which one each must fit."""

    patterns: tuple[tuple[str, tuple[str, ...]], ...]

    def why_not(self, probe: Probe) -> str | None:
        """Why a file does not fit, in a sentence; None if it does."""
        for key, patterns in self.patterns:
            texts = _texts(key, probe)
            if not any(fits(text, pattern) for text in texts for pattern in patterns):
                return f"its {key} {texts[0]!r} does not match {' or '.join(patterns)}"
        return None

    def under(self, other: Match) -> Match:
        """Both together; what both say, the other decides."""
        return Match(tuple((dict(self.patterns) | dict(other.patterns)).items()))


def read(model: MatchModel, faults: list[Fault]) -> Match:
    """The patterns of a model; what is wrong with them is added to the faults."""
    from gateway.formats import FORMATS

    names = {"format": {each.name for each in FORMATS}, "type": {each.media_type for each in FORMATS}}
    said = {key: getattr(model, key) for key in model.written}
    for key, there in names.items():
        faults += (
            Fault(pattern.place, f"no file has the {key} {pattern.text!r}{instead(pattern.text, there)}")
            for pattern in getattr(model, key)
            if not any(fits(name, pattern.text) for name in there)
        )
    return Match(tuple((key, tuple(map(_plain, patterns))) for key, patterns in said.items() if patterns))


def kind_of(probe: Probe) -> str:
    """The kind of a file, by which `kinds:` tells files apart."""
    return probe.format if probe.kind is Kind.DOCUMENT else probe.kind.value


def fits(text: str, pattern: str) -> bool:
    """Whether the whole text is as the pattern says, whatever the capitals and however it is composed."""
    return fnmatchcase(alike(text), alike(pattern))


def _plain(pattern: Text | str) -> str:
    return pattern if isinstance(pattern, str) else pattern.text or ""


def _texts(key: str, probe: Probe) -> tuple[str, ...]:
    source = probe.source
    if key == "kind":
        kind = kind_of(probe)
        wider = ("document",) if probe.kind is Kind.DOCUMENT else ()
        return (kind, *wider, *(("model",) if kind in MODELS else ()))
    return (
        {
            "name": source.name,
            "folder": source.folder,
            "relative": source.relative,
            "format": probe.format,
            "type": probe.media_type,
        }[key],
    )
