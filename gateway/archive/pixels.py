"""Frames decoded, one at a time, and whole objects with them (PS3.18 8.7.3: Explicit VR Little Endian).

pydicom does the decoding with the plugins that are installed; without numpy and a plugin for a
coding, its frames can only be had as they are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from gateway.dicom.frames import frames
from gateway.dicom.part10 import assembled, element_of, encoded, file_meta_of
from gateway.dicom.reader import Part10
from gateway.errors import Reject
from gateway.media_types import EXPLICIT_LITTLE, is_native, is_video
from gateway.model import Bulk
from gateway.stream import FileSlice, Stream

if TYPE_CHECKING:  # numpy comes with the decoders, which are optional
    import numpy as np

PIXEL_DATA = 0x7FE00010
MAX_SAMPLES = 512 * 1024 * 1024
"""Samples of a frame that is decoded in memory."""

_OF_FRAGMENTS = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
"""Attributes that mean something only to pixel data in fragments (PS3.3 C.7.6.3)."""


class NotDecodable(Exception):
    """Pixel data that cannot be decoded here; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame: its samples, and what they are called then (YCbCr has become RGB)."""

    samples: np.ndarray[Any, Any]
    photometric_interpretation: str


def decode(read: Part10, frame: Stream) -> Picture:
    """The samples of one frame, whose stored bytes are given. Raises `NotDecodable`."""
    options = _options(read.dataset)
    if options["rows"] * options["columns"] * options["samples_per_pixel"] > MAX_SAMPLES:
        raise NotDecodable("The frame is too large to be decoded here")
    native = is_native(read.transfer_syntax)
    data = frame.read()
    try:
        decoder = get_decoder(UID(EXPLICIT_LITTLE if native else read.transfer_syntax))
        source = data if native else encapsulate([data], has_bot=False)
        samples, meta = decoder.as_array(source, index=0, raw=False, **options)
    except Exception as error:  # whatever decoders and their libraries run into
        name = UID(read.transfer_syntax).name
        raise NotDecodable(
            f"Pixel data in {name} cannot be decoded here: the frame is damaged, or the decoders are "
            "missing, which come with 'pip install stow-gateway[decoders]'"
        ) from error
    return Picture(samples, str(meta["photometric_interpretation"]))


def explicit(read: Part10, folder: Path) -> Stream:
    """The object as a Part 10 file in Explicit VR Little Endian.

    Compressed pixel data are decoded into a file in `folder`. Raises `NotDecodable`.
    """
    if read.omitted or read.damage:
        raise NotDecodable("The object is damaged, or has attributes that are too large to be written anew")
    elements: dict[int, bytes | Stream] = {**read.elements}
    for bulk in read.bulks:
        if bulk.encapsulated and bulk.tag == PIXEL_DATA:
            elements |= _decoded_pixel_data(read, folder)
        elif bulk.tag not in _OF_FRAGMENTS:
            elements[bulk.tag] = _element(bulk, read.path)
    if not is_native(read.transfer_syntax):
        elements = {tag: element for tag, element in elements.items() if tag not in _OF_FRAGMENTS}
    dataset = read.dataset
    meta = file_meta_of(
        str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), EXPLICIT_LITTLE, read.file_meta
    )
    return assembled(meta, elements)


def separate_frames(read: Part10) -> list[Stream]:
    """The stored bytes of each frame. Raises `NotDecodable` where frames cannot be told apart."""
    if is_video(read.transfer_syntax):
        raise NotDecodable(
            "The frames of a video are one stream, which is its bulk data; they cannot be retrieved singly"
        )
    try:
        return frames(read)
    except Reject as error:
        raise NotDecodable(str(error).replace(str(read.path), "The object")) from error


def save(pictures: Sequence[Stream], read: Part10, path: Path) -> list[FileSlice]:
    """Decodes frames into a file, and says where in it each is. Raises `NotDecodable`."""
    lengths: list[int] = []
    with path.open("xb") as file:
        lengths += [file.write(decode(read, frame).samples.tobytes()) for frame in pictures]
    whole = FileSlice.whole(path)
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    return [whole.cut(start, length) for start, length in zip(starts, lengths, strict=True)]


def _decoded_pixel_data(read: Part10, folder: Path) -> dict[int, bytes | Stream]:
    """The elements of decoded pixel data: their value, and the attributes that are different then."""
    stored = separate_frames(read)
    first = decode(read, stored[0])
    changed = Dataset()
    changed.PhotometricInterpretation = first.photometric_interpretation
    changed.BitsAllocated = first.samples.dtype.itemsize * 8
    if first.samples.ndim == 3:
        changed.PlanarConfiguration = 0
    slices = save(stored, read, folder / f"{read.dataset.SOPInstanceUID}.pixels")
    bulk = Bulk(PIXEL_DATA, "OW" if changed.BitsAllocated > 8 else "OB", Stream.of(*slices))
    return {
        **{int(element.tag): encoded(element) for element in changed},
        PIXEL_DATA: _element(bulk, read.path),
    }


def _element(bulk: Bulk, path: Path) -> Stream:
    try:
        return element_of(bulk, EXPLICIT_LITTLE, path)
    except Reject as error:
        raise NotDecodable(str(error).replace(str(path), "The object")) from error


def _options(dataset: Dataset) -> dict[str, Any]:
    """What pydicom's decoders need to know of a frame. Raises `NotDecodable` when it is not said."""
    try:
        return {
            "rows": int(dataset.Rows),
            "columns": int(dataset.Columns),
            "samples_per_pixel": int(dataset.SamplesPerPixel),
            "photometric_interpretation": str(dataset.PhotometricInterpretation),
            "bits_allocated": int(dataset.BitsAllocated),
            "bits_stored": int(dataset.BitsStored),
            "pixel_representation": int(dataset.PixelRepresentation),
            "planar_configuration": int(dataset.get("PlanarConfiguration") or 0),
            "number_of_frames": 1,
            "pixel_keyword": "PixelData",
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise NotDecodable("The object does not say how its pixel data are to be read") from error
