"""The object: what a file shows and what its bitstream says, put into one DICOM instance."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from gateway.dicom import iods
from gateway.dicom.identity import Identity
from gateway.dicom.media_types import is_native
from gateway.dicom.values import format_ds
from gateway.errors import Reject
from gateway.model import Attributes, AudioChannel, Bulk, Instance, Kind, Pixels, Probe

PIXEL_DATA = Tag("PixelData")
ENCAPSULATED_DOCUMENT = Tag("EncapsulatedDocument")
FRAME_TIME = Tag("FrameTime")
FRAME_TIME_VECTOR = Tag("FrameTimeVector")


def build(
    probe: Probe, attributes: Attributes, identity: Identity, *, temporary: tuple[Path, ...] = ()
) -> Instance:
    """The instance that carries a file's content, with every attribute that its IOD demands.

    `temporary` are the files that were made for it.
    Raises `Reject` when a value that must be there is missing: it cannot be made up.
    """
    dataset = copy.deepcopy(attributes.dataset)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _set_identity(dataset, identity)
    if probe.pixels:
        _set_pixels(dataset, probe.pixels, always_framed=probe.kind is Kind.VIDEO)
    if probe.audio:
        dataset.MultiplexedAudioChannelsDescriptionCodeSequence = Sequence(map(_audio_channel, probe.audio))
    if probe.kind is Kind.DOCUMENT:
        dataset.MIMETypeOfEncapsulatedDocument = probe.media_type
        dataset.EncapsulatedDocumentLength = probe.content.length
    iods.complete(dataset)
    faults = iods.faults(dataset)
    if faults:
        raise Reject(f"{probe.source.path} cannot become a {attributes.template} object: {'; '.join(faults)}")
    return Instance(
        source=probe.source,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=identity.sop_instance_uid,
        series_instance_uid=identity.series_instance_uid,
        study_instance_uid=identity.study_instance_uid,
        transfer_syntax=probe.transfer_syntax,
        dataset=dataset,
        bulks=tuple(_bulks(probe)),
        temporary=temporary,
        messages=(*probe.messages, *attributes.messages, *_undated(dataset)),
    )


def _undated(dataset: Dataset) -> Iterator[str]:
    if not dataset.get("StudyDate"):
        yield "its study has no date: StudyDate is empty"


def _set_identity(dataset: Dataset, identity: Identity) -> None:
    dataset.StudyInstanceUID = identity.study_instance_uid
    dataset.SeriesInstanceUID = identity.series_instance_uid
    dataset.SOPInstanceUID = identity.sop_instance_uid
    if not dataset.get("SeriesNumber"):
        dataset.SeriesNumber = identity.series_number
    if not dataset.get("InstanceNumber"):
        dataset.InstanceNumber = identity.instance_number
    if identity.study_date:
        dataset.StudyDate = identity.study_date
        dataset.StudyTime = identity.study_time


def _set_pixels(dataset: Dataset, pixels: Pixels, *, always_framed: bool) -> None:
    """The Image Pixel, Multi-frame and Cine attributes (PS3.3 C.7.6.3, C.7.6.6, C.7.6.5)."""
    dataset.SamplesPerPixel = pixels.samples_per_pixel
    dataset.PhotometricInterpretation = pixels.photometric_interpretation
    dataset.Rows = pixels.rows
    dataset.Columns = pixels.columns
    dataset.BitsAllocated = pixels.bits_allocated
    dataset.BitsStored = pixels.bits_stored
    dataset.HighBit = pixels.bits_stored - 1
    dataset.PixelRepresentation = pixels.pixel_representation
    if pixels.planar_configuration is not None:
        dataset.PlanarConfiguration = pixels.planar_configuration
    if pixels.pixel_aspect_ratio:
        dataset.PixelAspectRatio = list(pixels.pixel_aspect_ratio)
    dataset.LossyImageCompression = "01" if pixels.lossy else "00"
    if pixels.lossy:
        dataset.LossyImageCompressionRatio = [format_ds(round(step.ratio, 2)) for step in pixels.lossy]
        dataset.LossyImageCompressionMethod = [step.method for step in pixels.lossy]
    if pixels.frames is not None:
        dataset.NumberOfFrames = pixels.frames
        if always_framed or pixels.frames > 1:
            _set_frame_times(dataset, pixels.frames, pixels.frame_times)


def _set_frame_times(dataset: Dataset, frames: int, times: tuple[float, ...]) -> None:
    if not times:
        return
    if len(times) == 1:
        dataset.FrameIncrementPointer = FRAME_TIME
        dataset.FrameTime = format_ds(times[0])
        duration = times[0] * frames
    else:
        dataset.FrameIncrementPointer = FRAME_TIME_VECTOR
        dataset.FrameTimeVector = [format_ds(round(time, 3)) for time in times]
        duration = sum(times) * frames / max(1, len(times) - 1)  # the vector has no time for the last frame
    rate = max(1, round(frames * 1000 / duration)) if duration else 0
    if rate:
        dataset.CineRate = rate
        dataset.RecommendedDisplayFrameRate = rate
        dataset.EffectiveDuration = format_ds(round(duration / 1000, 3))


def _audio_channel(channel: AudioChannel) -> Dataset:
    """One item of the Multiplexed Audio Channels Description Code Sequence (PS3.3 C.7.6.5)."""
    source = Dataset()
    source.CodeValue = "261665006"
    source.CodingSchemeDesignator = "SCT"
    source.CodeMeaning = "Unknown"
    item = Dataset()
    item.ChannelIdentificationCode = channel.number
    item.ChannelMode = channel.mode
    item.ChannelSourceSequence = Sequence([source])
    return item


def _bulks(probe: Probe) -> Iterator[Bulk]:
    if probe.kind is Kind.DOCUMENT:
        yield Bulk(ENCAPSULATED_DOCUMENT, "OB", probe.content, probe.media_type)
    elif probe.pixels:
        native = is_native(probe.transfer_syntax)
        vr = "OW" if native and probe.pixels.bits_allocated > 8 else "OB"
        yield Bulk(PIXEL_DATA, vr, probe.content, probe.media_type, not native, probe.frames)
