"""A data set brought into agreement with its pixel data: the bitstream decides.

What is missing is filled in, which PS3.18 Table 10.5.2-1 demands, and what is wrong is corrected. What
was corrected is said, and kept in the object's Original Attributes Sequence (PS3.3 C.12.1.1.9).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from gateway.archive.bitstream import Stated
from gateway.dicom.values import format_ds
from gateway.model import Pixels

_ONE_SAMPLE = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})


class Changes:
    """A data set that is being corrected, and what has been."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.words: list[str] = []
        self._before = Dataset()

    def fill(self, keyword: str, value: Any) -> None:
        """Sets an attribute that is missing or empty."""
        if self.dataset.get(keyword) in (None, ""):
            setattr(self.dataset, keyword, value)

    def correct(self, keyword: str, value: Any, whose: str) -> None:
        """Sets an attribute; one that had another value is a correction. None takes it away."""
        before = self.dataset.get(keyword)
        if before == value:
            return
        if before not in (None, ""):
            self._before.add(copy.deepcopy(self.dataset[keyword]))
            self.words.append(f"{keyword} was {before}; {whose} says {'none' if value is None else value}")
        if value is None:
            del self.dataset[keyword]
        else:
            setattr(self.dataset, keyword, value)

    def record(self) -> None:
        """Keeps the values that were corrected in the object."""
        if not len(self._before):
            return
        item = Dataset()
        item.SourceOfPreviousValues = ""
        item.AttributeModificationDateTime = datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
        item.ModifyingSystem = "gateway archive"
        item.ReasonForTheAttributeModification = "COERCE"
        item.ModifiedAttributesSequence = Items([self._before])
        earlier: Sequence[Dataset] = self.dataset.get("OriginalAttributesSequence") or ()
        self.dataset.OriginalAttributesSequence = Items([*earlier, item])


def apply(stated: Stated, changes: Changes) -> None:
    """Puts what the bitstream says of the pixels into the data set (PS3.3 C.7.6.3, C.7.6.5, C.7.6.6)."""
    pixels, whose = stated.pixels, "the bitstream"
    for keyword, value in (
        ("SamplesPerPixel", pixels.samples_per_pixel),
        ("Rows", pixels.rows),
        ("Columns", pixels.columns),
        ("BitsAllocated", pixels.bits_allocated),
        ("PlanarConfiguration", pixels.planar_configuration),
    ):
        changes.correct(keyword, value, whose)
    stored = (
        ("BitsStored", pixels.bits_stored),
        ("HighBit", pixels.bits_stored - 1),
        ("PixelRepresentation", pixels.pixel_representation),
    )
    for keyword, value in stored:
        if pixels.lossy:  # lossless JPEG may carry fewer bits than its precision, and signed ones
            changes.correct(keyword, value, whose)
        else:
            changes.fill(keyword, value)
    _apply_colours(stated, changes, whose)
    _apply_lossy(pixels, changes, whose)
    _apply_frames(pixels, changes, whose)


def _apply_colours(stated: Stated, changes: Changes, whose: str) -> None:
    colours = stated.pixels.photometric_interpretation
    given = str(changes.dataset.get("PhotometricInterpretation") or "")
    same_number = (given in _ONE_SAMPLE) == (stated.pixels.samples_per_pixel == 1)
    if given and same_number and not stated.colours_known:
        return
    changes.correct("PhotometricInterpretation", colours, whose)


def _apply_lossy(pixels: Pixels, changes: Changes, whose: str) -> None:
    """A lossy step is never denied; earlier ones, which only the client knows, stay (C.7.6.1.1.5)."""
    if not pixels.lossy:
        return
    changes.correct("LossyImageCompression", "01", whose)
    changes.fill("LossyImageCompressionRatio", [format_ds(round(step.ratio, 2)) for step in pixels.lossy])
    changes.fill("LossyImageCompressionMethod", [step.method for step in pixels.lossy])


def _apply_frames(pixels: Pixels, changes: Changes, whose: str) -> None:
    if pixels.frames is not None:
        changes.correct("NumberOfFrames", pixels.frames, whose)
    elif changes.dataset.get("NumberOfFrames") not in (None, ""):
        changes.correct("NumberOfFrames", 1, whose)
    if pixels.frame_times and not changes.dataset.get("FrameIncrementPointer"):
        mean = sum(pixels.frame_times) / max(1, len(pixels.frame_times) - (len(pixels.frame_times) > 1))
        changes.fill("FrameTime", format_ds(round(mean, 6)))
        changes.dataset.FrameIncrementPointer = 0x00181063
