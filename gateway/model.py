"""What travels between the stages, in the order in which it travels.

    Source -> Probe -> Attributes -> Instance -> (request) -> Outcome

All of it is frozen, and none of it holds the bytes of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gateway.stream import Stream

if TYPE_CHECKING:  # importing pydicom takes longer than answering --help
    from pydicom.dataset import Dataset

    from gateway.config import Lossless
    from gateway.convert.workshop import Workshop

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Source:
    """A file and how it came in.

    `root` is the directory that relative names start from: the directory given on the command line,
    or the parent of a file given by itself. A member of an archive is read at `path`, where it was
    unpacked, and known to its user as `member`: `folder/archive.zip!/name`.
    """

    path: Path
    root: Path
    member: Path | None = None

    @property
    def shown(self) -> Path:
        """The path by which the user knows the file."""
        return self.member or self.path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.shown.name

    @property
    def folder(self) -> str:
        """The folder below the root, with `/`; empty at the root itself."""
        folder = self.shown.parent.relative_to(self.root).as_posix()
        return "" if folder == "." else folder

    @property
    def relative(self) -> str:
        """The path below the root, with `/`."""
        return self.shown.relative_to(self.root).as_posix()

    def as_shown(self, text: str) -> str:
        """The text with the path by which the user knows the file in place of that where it is read."""
        return text.replace(str(self.path), str(self.member)) if self.member else text

    def beside(self, name: str) -> Path | None:
        """The file of this name in the file's folder or below; None for all else that a file may name."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or ".." in parts or parts[0].startswith("/") or ":" in parts[0]:
            return None
        found = self.path.parent.joinpath(*parts)
        return found if found.is_file() else None


class Kind(StrEnum):
    """What sort of object a file becomes."""

    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    DICOM = "dicom"
    OBJECT = "object"
    """Attributes that are an object by themselves: a report, a presentation state."""


@dataclass(frozen=True, slots=True)
class LossyStep:
    """One lossy compression that the pixels went through (PS3.3 C.7.6.1.1.5)."""

    ratio: float
    method: str


@dataclass(frozen=True, slots=True)
class Pixels:
    """What the bitstream says of its pixels (PS3.3 C.7.6.3, C.7.6.5, C.7.6.6).

    `planar_configuration` is None where the attribute must be absent (one sample per pixel).
    `frames` is None for a single image, which has no Number of Frames. `frame_times` are milliseconds:
    one value for a constant rate, one a frame (the first is 0) where the rate varies.
    """

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int = 8
    bits_stored: int = 8
    pixel_representation: int = 0
    planar_configuration: int | None = None
    pixel_aspect_ratio: tuple[int, int] | None = None
    frames: int | None = None
    frame_times: tuple[float, ...] = ()
    lossy: tuple[LossyStep, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioChannel:
    """One sound channel inside a video (PS3.3 C.7.6.5, Multiplexed Audio Channels Description)."""

    number: int
    mode: str
    """`MONO` or `STEREO`."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a document's object says of its content (PS3.3 C.24.2).

    `mime_type` is the MIME Type of Encapsulated Document, where it is not the media type under which
    the document travels; `parts` are the media types of what is embedded in the document; `names` are
    the files that it needs, as it names them: a model's materials, their textures.
    """

    mime_type: str
    parts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """What identifies a DICOM file, as its header says it; `patient_id` is empty where it says none."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    patient_id: str = ""


Convert = Callable[["Workshop", "Lossless"], "Probe"]
"""Makes the content of an object: files below the workshop's folder, and the probe that has them.

Raises `Reject` when the file cannot be converted after all.
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file is, found by reading it.

    `content` is what goes into the object: all of the file or a slice of it. `media_type` is that of
    a bulk data part, without parameters; `transfer_syntax` the UID of the object that carries the
    content. `facts` has a mapping for each source of facts that the format knows (`exif`, `pdf`,
    `video`, `media`), for templates and mappings to name. `captured` is when the picture was taken
    or the document made: aware when the file says the offset from UTC, else local time. `whole` is False
    for a DICOM file that knows who it is but ends too soon; other files that do are rejected.

    `frames` are the pieces of `content` where each frame is compressed by itself and there are several.
    Where the file cannot go into an object as it is, `convert` makes what can: until it is called,
    `content` is the file and all else is as it will be afterwards. `otherwise` is the same file in
    another form, for objects that may not carry this one; it may have one in turn.
    """

    source: Source
    format: str
    kind: Kind
    media_type: str
    transfer_syntax: str
    content: Stream
    pixels: Pixels | None = None
    audio: tuple[AudioChannel, ...] = ()
    captured: datetime | None = None
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING)
    dicom: DicomFacts | None = None
    document: Document | None = None
    whole: bool = True
    frames: tuple[Stream, ...] = ()
    convert: Convert | None = None
    otherwise: Probe | None = None
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attributes:
    """The values that describe a file, checked and in the form of a data set, and where each came from.

    `origins` maps the path of an attribute (`PatientID`, `RequestAttributesSequence[0].Modality`) to
    what set it: `-m`, a mapping's file and line, the template's, or the file itself.
    """

    dataset: Dataset
    origins: Mapping[str, str]
    template: str
    """Name of the object template; empty for DICOM files."""
    typed: tuple[tuple[str, str], ...] = ()
    """What the user typed, as path and value in order: part of an instance's identity."""
    scope: str = ""
    """Name of the mapping, without which two sites' keys would meet."""
    study_key: str | None = None
    series_key: str | None = None
    lossless: Lossless | None = None
    """How the template stores decoded pixels, if it says."""
    removed: tuple[str, ...] = ()
    """Paths of attributes that a mapping or file removes, for a DICOM file to lose."""
    depends: tuple[Path, ...] = ()
    """Files of tables and sidecars that values come from, whose change may change them."""
    destinations: tuple[str, ...] = ()
    """Names of the destinations that the mapping sends the file to besides."""
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value of a data set that stays outside it: pixel data, a document, a large element.

    `value` is the bytes without padding, fragments or item tags. `encapsulated` says that a Part 10
    file wraps them into fragments (PS3.5 A.4).
    """

    tag: int
    vr: str
    value: Stream
    media_type: str = "application/octet-stream"
    encapsulated: bool = False
    frames: tuple[Stream, ...] = ()
    """The pieces of `value` where each frame is compressed by itself and there are several."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One DICOM object: its data set, and references to its bulk bytes.

    `dataset` has every attribute but the bulk ones, and no File Meta Information; nobody changes it.
    `part10` is the complete file where it is sent as it came; otherwise it is written from the rest.
    `metadata_obstacle` says why this object cannot be sent as metadata and bulk data; None if it can.
    """

    source: Source
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax: str
    dataset: Dataset
    bulks: tuple[Bulk, ...] = ()
    part10: Stream | None = None
    metadata_obstacle: str | None = None
    temporary: tuple[Path, ...] = ()
    """Files that were made for this instance alone, to be deleted when it is settled."""
    messages: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes that travel with this instance, leaving out its header."""
        return self.part10.length if self.part10 else sum(bulk.value.length for bulk in self.bulks)


class Status(StrEnum):
    """What became of a file."""

    STORED = "stored"
    WARNING = "warning"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    REJECTED = "rejected"
    HELD = "held"
    UNKNOWN = "unknown"
    RETRY = "retry"
    SKIPPED = "skipped"
    """Not meant to be stored, as a mapping says."""
    RENDERED = "rendered"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance, or of a file that did not get as far as being one.

    `reason` is the archive's code as four hex digits; `text` a sentence; `written` the copy that was put
    aside because it failed.
    """

    source: Path
    status: Status
    text: str | None = None
    reason: str | None = None
    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None
    retrieve_url: str | None = None
    written: Path | None = None
    size: int = 0
    attempts: int = 0
    """How often it was sent."""
    after: float | None = None
    """Seconds that the archive asked to wait before it is sent again."""
    may_pass: bool = False
    """Whether a failure may pass: the archive had trouble, and has not refused the object for good."""
    messages: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        instance: Instance,
        status: Status,
        text: str | None = None,
        *,
        reason: str | None = None,
        retrieve_url: str | None = None,
        size: int = 0,
        attempts: int = 0,
        after: float | None = None,
        may_pass: bool = False,
        messages: tuple[str, ...] | None = None,
    ) -> Outcome:
        """What became of this instance; `messages` are its own unless others are given."""
        return cls(
            source=instance.source.shown,
            status=status,
            text=text,
            reason=reason,
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            series_instance_uid=instance.series_instance_uid,
            study_instance_uid=instance.study_instance_uid,
            retrieve_url=retrieve_url,
            size=size,
            attempts=attempts,
            after=after,
            may_pass=may_pass,
            messages=instance.messages if messages is None else messages,
        )
