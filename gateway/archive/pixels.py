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
from gateway.dicom.media_types import EXPLICIT_LITTLE, is_native, is_video
from gateway.dicom.part10 import assembled, element_of, file_meta_of
from gateway.dicom.reader import Part10, decoded
from gateway.errors import Reject
from gateway.model import Bulk
from gateway.stream import FileSlice, Stream

if TYPE_CHECKING:  # numpy comes with the decoders, which are optional
    import numpy as np

PIXEL_DATA = 0x7FE00010
MAX_SAMPLES = 512 * 1024 * 1024
"""Samples of a frame that is decoded in memory."""

_EXTENDED_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)


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
    if read.omitted:
        raise NotDecodable("The object has attributes that are too large to be written anew")
    dataset = decoded(read.header)
    bulks = {bulk.tag: bulk for bulk in read.bulks}
    if not is_native(read.transfer_syntax) and PIXEL_DATA in bulks:
        bulks[PIXEL_DATA] = _decoded_pixel_data(read, dataset, folder)
        for tag in _EXTENDED_OFFSET_TABLES:
            bulks.pop(tag, None)
            dataset.pop(tag, None)
    try:
        values = {tag: element_of(bulk, EXPLICIT_LITTLE, read.path) for tag, bulk in bulks.items()}
    except Reject as error:
        raise NotDecodable(str(error)) from error
    meta = file_meta_of(
        str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), EXPLICIT_LITTLE, read.file_meta
    )
    return assembled(meta, dataset, values)


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


def _decoded_pixel_data(read: Part10, dataset: Dataset, folder: Path) -> Bulk:
    """The pixel data decoded, and the attributes of `dataset` that say how changed with them."""
    stored = separate_frames(read)
    first = decode(read, stored[0])
    dataset.PhotometricInterpretation = first.photometric_interpretation
    dataset.BitsAllocated = first.samples.dtype.itemsize * 8
    if first.samples.ndim == 3:
        dataset.PlanarConfiguration = 0
    path = folder / f"{dataset.SOPInstanceUID}.pixels"
    slices = save(stored, read, path)
    return Bulk(PIXEL_DATA, "OW" if dataset.BitsAllocated > 8 else "OB", Stream.of(*slices))


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
