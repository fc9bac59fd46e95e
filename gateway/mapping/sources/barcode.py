r"""`barcode`: what a bar code or QR code in the picture says, or on a page of a PDF.

    barcode: {pattern: '(?P<mrn>\d{8})\|(?P<accession>\w+)', formats: [QRCode]}

The whole text must match the pattern: other codes, as on packages and devices, are passed over. Several
texts that match hold the file, since nobody knows which is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from gateway.config import MAX_PIXELS
from gateway.convert import barcodes
from gateway.convert.barcodes import Barcode
from gateway.documents import Model, OneOrMore, Whole, Words
from gateway.errors import Hold, Reject
from gateway.mapping import patterns
from gateway.mapping.expressions import Expression
from gateway.mapping.sources.source import Case, Found
from gateway.model import Probe
from gateway.nodes import Fault, instead
from gateway.stream import FileStamp, stat

NAME = "barcode"
OWN = ("text", "format")
"""Facts of every code: its whole text, and its symbology."""

KEPT = 10_000
"""Files of which is remembered what codes are in them; they are looked at more than once."""


class BarcodeModel(Model):
    """A bar code or QR code in the picture, or on a page of a PDF."""

    WHAT: ClassVar[str] = NAME

    pattern: Words
    """A regular expression for its whole text; named groups are facts."""
    formats: OneOrMore[Words] = ()
    """Symbologies that count, such as QRCode or Code128; all if left out."""
    page: Whole = 1
    """The page of a PDF on which it is."""
    missing: Literal["hold", "nothing"] = "hold"
    """What becomes of files without one: held, or without these facts."""


def read(model: BarcodeModel, faults: list[Fault], folder: Path) -> BarcodeSource:
    """The source that a model describes; what is wrong with it is added to the faults."""
    if absent := barcodes.missing():
        message = f"bar codes need {' and '.join(absent)}, not installed: {barcodes.INSTALL}"
        faults.append(Fault(model.place, message))
    elif model.formats:
        there = barcodes.symbologies()
        faults += [
            Fault(node.place, f"there is no symbology {node.text!r}{instead(node.text or '', there)}")
            for node in model.formats
            if node.text not in there
        ]
    if model.page < 1:
        faults.append(Fault(model.at("page"), "pages count from 1"))
    wanted = tuple(node.text or "" for node in model.formats)
    return BarcodeSource(_pattern(model, faults), wanted, model.page, hold=model.missing == "hold")


def _pattern(model: BarcodeModel, faults: list[Fault]) -> re.Pattern[str]:
    node = model.pattern
    pattern = patterns.read(node, faults)
    if pattern is None:
        return re.compile("")
    for name in OWN:
        if name in pattern.groupindex:
            message = f"barcode.{name} is the code's own {name}: give the group another name"
            faults.append(Fault(node.place, message))
    return pattern


class BarcodeSource:
    """Finds the code in each file, and takes its text apart."""

    name = NAME
    expressions: Iterable[Expression] = ()
    companions: tuple[str, ...] = ()

    def __init__(self, pattern: re.Pattern[str], formats: tuple[str, ...], page: int, *, hold: bool) -> None:
        self._pattern = pattern
        self._formats = formats
        self._page = page
        self._hold = hold
        self._remembered = lru_cache(maxsize=KEPT)(self._decode)

    @property
    def names(self) -> tuple[str, ...]:
        """The code's own facts, and the groups of the pattern."""
        return (*OWN, *self._pattern.groupindex)

    def find(self, case: Case) -> Found:
        """What the code in a file says.

        Raises `Hold` with the reason `barcode-missing` where none matches, `barcode-ambiguous` where
        several texts do, and `barcode` for a file that cannot be looked into.
        """
        shown = case.probe.source.shown
        codes = self._codes(case.probe)
        found = {each.text: (each, self._pattern.fullmatch(each.text)) for each in codes}
        matches = {text: (code, match) for text, (code, match) in found.items() if match}
        if len(matches) > 1:
            texts = ", ".join(map(repr, matches))
            raise Hold(
                f"{shown}: several codes in it match the pattern: {texts}. Make the pattern narrower, or say "
                "which formats: count",
                reason="barcode-ambiguous",
            )
        if matches:
            [(code, match)] = matches.values()
            return Found({"text": code.text, "format": code.format, **match.groupdict()}, where=code.format)
        if self._hold:
            raise Hold(f"{shown}: {self._nothing(codes)}", reason="barcode-missing")
        return Found(dict.fromkeys(self.names))

    def _nothing(self, codes: tuple[Barcode, ...]) -> str:
        """The sentence about a file without the code that is expected."""
        where = f"on page {self._page}" if self._page > 1 else "in it"
        if codes:
            texts = ", ".join(repr(each.text) for each in codes)
            return f"no code {where} matches the pattern {self._pattern.pattern}; there is {texts}"
        return f"there is no bar code {where} that can be read: assign the file by hand, or scan it again"

    def _codes(self, probe: Probe) -> tuple[Barcode, ...]:
        """All codes in a file; none in those that are neither pictures nor PDFs."""
        shown, path = probe.source.shown, probe.source.path
        if not barcodes.readable(probe.format):
            return ()
        pixels = probe.pixels.rows * probe.pixels.columns if probe.pixels else 0
        if pixels > MAX_PIXELS:
            message = f"{shown}: its {pixels:,} pixels are too many to be searched for bar codes"
            raise Hold(message, reason="barcode")
        try:
            return self._remembered(path, FileStamp.of(stat(path)), probe.format, pixels)
        except Reject as error:
            raise Hold(probe.source.as_shown(str(error)), reason="barcode") from error

    def _decode(self, path: Path, _: FileStamp, form: str, pixels: int) -> tuple[Barcode, ...]:
        return barcodes.find(path, form, pixels=pixels, page=self._page, wanted=self._formats)
