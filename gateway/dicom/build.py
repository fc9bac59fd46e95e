"""The object: what a file shows and what its bitstream says, put into one DICOM instance."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from gateway.dicom import iods
from gateway.dicom.identity import Identity
from gateway.dicom.iods import Frames
from gateway.dicom.relations import Related, set_references
from gateway.dicom.uids import name_based
from gateway.dicom.values import format_ds
from gateway.errors import Reject
from gateway.media_types import is_native
from gateway.model import Attributes, AudioChannel, Bulk, Document, Instance, Kind, Pixels, Probe

PIXEL_DATA = Tag("PixelData")
ENCAPSULATED_DOCUMENT = Tag("EncapsulatedDocument")
FRAME_TIME = Tag("FrameTime")
FRAME_TIME_VECTOR = Tag("FrameTimeVector")
PAGE_NUMBER_VECTOR = Tag("PageNumberVector")

MAX_SHORT_FIELD = 0xFFFE
"""Bytes of a value whose length is written in 16 bits (PS3.5 7.1.2)."""


def build(
    probe: Probe,
    attributes: Attributes,
    identity: Identity,
    *,
    named: Iterable[Related] = (),
    temporary: tuple[Path, ...] = (),
) -> Instance:
    """The instance that carries a file's content, with every attribute that its IOD demands.

    `named` are the objects that a document refers to, `temporary` the files that were made for this one.
    Raises `Reject` when a value that must be there is missing: it cannot be made up.
    """
    dataset = copy.deepcopy(attributes.dataset)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _set_identity(dataset, identity)
    _set_frames_of_reference(dataset)
    _set_specimens(dataset)
    if probe.pixels:
        _set_pixels(dataset, probe.pixels)
        _set_frames(dataset, probe.pixels)
    if probe.audio:
        dataset.MultiplexedAudioChannelsDescriptionCodeSequence = Sequence(map(_audio_channel, probe.audio))
    if probe.kind is Kind.DOCUMENT:
        _set_document(dataset, probe)
    set_references(dataset, named)
    iods.complete(dataset)
    obstacle = iods.permits(dataset.SOPClassUID, probe)
    faults = [*([obstacle] if obstacle else ()), *iods.faults(dataset)]
    if faults:
        shown, template = probe.source.shown, attributes.template
        raise Reject(f"{shown} cannot become the object {template}: {'; '.join(faults)}")
    return Instance(
        source=probe.source,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=identity.sop_instance_uid,
        series_instance_uid=identity.series_instance_uid,
        study_instance_uid=identity.study_instance_uid,
        transfer_syntax=probe.transfer_syntax,
        dataset=dataset,
        bulks=tuple(_bulks(probe)),
        metadata_obstacle=_obstacle(probe),
        temporary=temporary,
        messages=(*probe.messages, *attributes.messages, *_undated(dataset)),
    )


def _obstacle(probe: Probe) -> str | None:
    """Why the object cannot travel as metadata and bulk data (PS3.18 10.5.1.4)."""
    if not probe.frames:
        return None
    return f"each of its {len(probe.frames):,} compressed frames would have to be a part of its own"


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


def _set_document(dataset: Dataset, probe: Probe) -> None:
    """What the Encapsulated Document module says of the content (PS3.3 C.24.2)."""
    document = probe.document or Document(probe.media_type)
    dataset.MIMETypeOfEncapsulatedDocument = document.mime_type
    dataset.EncapsulatedDocumentLength = probe.content.length
    if document.parts:
        dataset.ListOfMIMETypes = list(document.parts)


def _set_frames_of_reference(dataset: Dataset) -> None:
    """Where the object must name one, the frame of reference that is its series's own (PS3.3 C.7.4)."""
    iod = iods.IODS.get(dataset.SOPClassUID)
    for keyword in ("FrameOfReferenceUID", "SynchronizationFrameOfReferenceUID"):
        if iod and keyword in iod.type1 and not dataset.get(keyword):
            setattr(dataset, keyword, name_based(uuid.NAMESPACE_OID, keyword, dataset.SeriesInstanceUID))


def _set_specimens(dataset: Dataset) -> None:
    """What a specimen must have besides its identifier: a UID, for one (PS3.3 C.7.6.22)."""
    for item in dataset.get("SpecimenDescriptionSequence") or ():
        identifier = item.get("SpecimenIdentifier")
        if identifier and not item.get("SpecimenUID"):
            item.SpecimenUID = name_based(
                uuid.NAMESPACE_OID, "specimen", dataset.StudyInstanceUID, identifier
            )
        for keyword in ("IssuerOfTheSpecimenIdentifierSequence", "SpecimenPreparationSequence"):
            if keyword not in item:
                setattr(item, keyword, Sequence())


def _set_pixels(dataset: Dataset, pixels: Pixels) -> None:
    """The Image Pixel attributes and the history of compression (PS3.3 C.7.6.3, C.7.6.1.1.5)."""
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


def _set_frames(dataset: Dataset, pixels: Pixels) -> None:
    """How many frames there are and what tells them apart: times, or the numbers of pages (PS3.3 C.7.6.6)."""
    iod = iods.IODS.get(dataset.SOPClassUID)
    many = iod.frames if iod else Frames.PAGES
    if pixels.frames is None and many is Frames.ONE:
        return
    frames = pixels.frames or 1
    dataset.NumberOfFrames = frames
    if pixels.frame_times and (frames > 1 or many is Frames.MOMENTS):
        _set_frame_times(dataset, frames, pixels.frame_times)
    elif many is Frames.MOMENTS:
        dataset.FrameIncrementPointer = FRAME_TIME
        dataset.FrameTime = "0"  # there is no next frame (PS3.3 C.7.6.5.1.1)
    elif frames > 1:
        dataset.FrameIncrementPointer = PAGE_NUMBER_VECTOR
        dataset.PageNumberVector = [str(page) for page in range(1, frames + 1)]


def _set_frame_times(dataset: Dataset, frames: int, times: tuple[float, ...]) -> None:
    """The Cine attributes (PS3.3 C.7.6.5); one time for all where a value for each would not fit."""
    each = [format_ds(round(time, 3)) for time in times]
    if len(each) == 1:
        dataset.FrameIncrementPointer = FRAME_TIME
        dataset.FrameTime = format_ds(times[0])
        duration = times[0] * frames
    else:
        duration = sum(times) * frames / max(1, len(times) - 1)  # the vector has no time for the last frame
        if len("\\".join(each)) > MAX_SHORT_FIELD:
            dataset.FrameIncrementPointer = FRAME_TIME
            dataset.FrameTime = format_ds(duration / frames)
        else:
            dataset.FrameIncrementPointer = FRAME_TIME_VECTOR
            dataset.FrameTimeVector = each
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
