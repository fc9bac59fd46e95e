"""What modules demand that no table can say: rules about several values at once (PS3.3 Annex C).

A rule gets a data set and the name of its object with an article, and says what is wrong, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset

from gateway.dicom.anatomy import UNPAIRED_BODY_PARTS, UNPAIRED_REGIONS
from gateway.dicom.conditions import is_empty, values
from gateway.dicom.dictionary import keyword_of

Rule = Callable[[Dataset, str], Iterator[str]]

_CHANNELS = 9
_MOST_BYTES = 0xFFFE
"""Of a value whose length is written in 16 bits (PS3.5 7.1.2)."""

_VECTORS = ("FrameTimeVector", "PageNumberVector", "FrameLabelVector", "SliceLocationVector")


def laterality_obstacle(dataset: Dataset) -> str | None:
    """Why Laterality must not be there (PS3.3 C.7.3.1); None where it must be."""
    if "ImageLaterality" in dataset or dataset.get("Modality") == "OP":
        return "ImageLaterality says it for each image"
    if dataset.get("SpecimenDescriptionSequence"):
        return "a specimen has no side of the body"
    for region in dataset.get("AnatomicRegionSequence") or ():
        code = str(region.get("CodeValue", ""))
        if code in UNPAIRED_REGIONS and region.get("CodingSchemeDesignator") == "SCT":
            return f"there is only one {UNPAIRED_REGIONS[code]}"
    part = dataset.get("BodyPartExamined")
    return f"there is only one {part}" if part in UNPAIRED_BODY_PARTS else None


def laterality(dataset: Dataset, noun: str) -> Iterator[str]:
    """The side is said where the body has two, and only there (PS3.3 C.7.3.1)."""
    obstacle = laterality_obstacle(dataset)
    if obstacle and "Laterality" in dataset:
        yield f"Laterality is {dataset.Laterality}, and must not be there, since {obstacle}"
    if not obstacle and "Laterality" not in dataset:
        yield "Laterality is missing"


def lossy_steps(dataset: Dataset, noun: str) -> Iterator[str]:
    """Each lossy compression has a ratio and a method (PS3.3 C.7.6.1.1.5)."""
    ratios, methods = (values(dataset, f"LossyImageCompression{what}") for what in ("Ratio", "Method"))
    if ratios and methods and len(ratios) != len(methods):
        yield (
            f"LossyImageCompressionRatio has {len(ratios)} values and LossyImageCompressionMethod "
            f"{len(methods)}, and each compression has one of both"
        )


def frame_pointers(dataset: Dataset, noun: str) -> Iterator[str]:
    """What tells frames apart is there, once for each frame (PS3.3 C.7.6.6.1.1)."""
    frames = int((values(dataset, "NumberOfFrames") or [0])[0])
    if not is_empty(dataset, "NumberOfFrames") and frames < 1:
        yield f"NumberOfFrames is {frames}, and there is at least one"
    for tag in values(dataset, "FrameIncrementPointer"):
        keyword = keyword_of(tag)
        found = values(dataset, keyword)
        count = len(found)
        if len("\\".join(map(str, found))) > _MOST_BYTES:
            yield f"{keyword} takes {_MOST_BYTES} bytes at most, and does not hold {count} values"
        if not count:
            yield f"{keyword} has no value, and FrameIncrementPointer points to it"
        elif keyword in _VECTORS and count != frames:
            yield f"{keyword} has {count} values, and there are {frames} frames"


def audio_channels(dataset: Dataset, noun: str) -> Iterator[str]:
    """Every sound channel has its number, mode and source (PS3.3 C.7.6.5)."""
    for item in dataset.get("MultiplexedAudioChannelsDescriptionCodeSequence") or ():
        number, mode = item.get("ChannelIdentificationCode"), item.get("ChannelMode")
        if number is None or not 1 <= number <= _CHANNELS:
            yield f"ChannelIdentificationCode is {number}, and channels count from 1 to {_CHANNELS}"
        if mode not in ("MONO", "STEREO"):
            yield f"ChannelMode is {mode}, and can be MONO or STEREO"
        if len(item.get("ChannelSourceSequence") or ()) != 1:
            yield "ChannelSourceSequence of an audio channel has not one item"


def specimens(dataset: Dataset, noun: str) -> Iterator[str]:
    """Every specimen can be told from others (PS3.3 C.7.6.22)."""
    for item in dataset.get("SpecimenDescriptionSequence") or ():
        for keyword in ("SpecimenIdentifier", "SpecimenUID"):
            if is_empty(item, keyword):
                yield f"SpecimenDescriptionSequence.{keyword} has no value, and a specimen must have one"
        for keyword in ("IssuerOfTheSpecimenIdentifierSequence", "SpecimenPreparationSequence"):
            if keyword not in item:
                yield f"SpecimenDescriptionSequence.{keyword} is missing"


def content_time(dataset: Dataset, noun: str) -> Iterator[str]:
    """A visible light image says its time or has no attribute for it (PS3.3 C.8.12.1)."""
    if "ContentTime" in dataset and is_empty(dataset, "ContentTime"):
        yield f"ContentTime is empty, and {noun} has either a value in it or no such attribute"


def montage(dataset: Dataset, noun: str) -> Iterator[str]:
    """Only a derived ophthalmic image is a montage (PS3.3 C.8.17.2.1.1)."""
    first, _, third = [*values(dataset, "ImageType"), "", "", ""][:3]
    if third == "MONTAGE" and first != "DERIVED":
        yield "ImageType says MONTAGE, and only a DERIVED image is one"
