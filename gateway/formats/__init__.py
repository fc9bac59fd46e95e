"""What is this file? Told by its content, never by its name.

A format is a module with a `Format` value; all of them are in `FORMATS`. Looking into a file reads its
headers in constant memory and says what an object needs to know of it.
"""

from __future__ import annotations

import stat as modes
from dataclasses import replace
from pathlib import Path

from gateway.config import Reading
from gateway.errors import Packed, Reject, Retry, Unfinished
from gateway.formats import (
    bmp,
    cda,
    dicom,
    gif,
    heic,
    jpeg,
    jpeg2000,
    jpegls,
    jpegxl,
    known,
    mtl,
    obj,
    pdf,
    png,
    stl,
    tiff,
    video,
    webp,
)
from gateway.formats.format import HEAD, Format
from gateway.formats.known import Known
from gateway.model import Probe, Source
from gateway.stream import FileStamp, open_file, stat

__all__ = ["FORMATS", "HEAD", "Format", "identify", "is_archive", "probe"]

FORMATS: tuple[Format, ...] = (
    dicom.FORMAT,
    jpegls.FORMAT,  # before JPEG, whose first bytes it has
    jpeg.FORMAT,
    jpeg2000.FORMAT,
    jpegxl.FORMAT,
    png.FORMAT,
    tiff.FORMAT,
    gif.FORMAT,
    bmp.FORMAT,
    webp.FORMAT,
    heic.FORMAT,
    *video.FORMATS,
    cda.FORMAT,
    stl.FORMAT,
    obj.FORMAT,
    mtl.FORMAT,
    pdf.FORMAT,
)
"""The formats that are stored. PDF is last: its signature need not stand at the start of a file."""


def identify(source: Source) -> Format:
    """The format of a file by its content.

    Raises `Reject` for what is not stored, with the name of what it is where that is known.
    """
    path = source.path
    mode = stat(path).st_mode
    if not modes.S_ISREG(mode):
        what = "a directory" if modes.S_ISDIR(mode) else "not a regular file"
        raise Reject(f"{path} is {what}. Give files")
    head = _head(source)
    if not head:
        raise Unfinished(f"{path} is empty. Copy or export it again")
    # What stands in the preamble of a DICOM file says nothing of it (PS3.10 7.1): DICOM comes first.
    if dicom.FORMAT.sniff(head):
        return dicom.FORMAT
    _refuse(source, known.by_content(known.KNOWN, head))
    cda.refuse_other(source, head)
    for candidate in FORMATS:
        if candidate.sniff(head):
            return candidate
    _refuse(source, known.by_content(known.VAGUE, head))
    says = _extension_says(source.shown)
    hint = f", though its name says {says}" if says else ""
    raise Reject(
        f"{path} is of no kind that is known here by its content{hint}. "
        f"Give pictures, documents, models, videos or DICOM files, and check that this one is not damaged"
    )


def is_archive(source: Source) -> bool:
    """Whether a file is a ZIP archive of other files, and nothing that is only written as one."""
    if not modes.S_ISREG(stat(source.path).st_mode):
        return False
    head = _head(source)
    return not dicom.FORMAT.sniff(head) and known.by_content(known.KNOWN, head) is known.ZIP


def probe(source: Source, reading: Reading) -> Probe:
    """What a file is and what its object needs to know of it.

    Raises `Reject` for a file that cannot be stored or is not what `reading.media_type` says, and
    `Retry` for one that changes while it is looked at.
    """
    stamp = FileStamp.of(stat(source.path))
    found = identify(source)
    _assert_type(source, found, reading.media_type)
    try:
        result = found.probe(source, reading)
    except Reject as error:
        if FileStamp.of(stat(source.path)) != stamp:
            raise Retry(
                f"{source.path} changed while it was being read; try again when it is complete"
            ) from error
        raise
    except OSError as error:
        raise Retry(f"{source.path} could not be read to its end: {error.strerror or error}") from error
    messages = (*_misnamed(source, found), *result.messages)
    return replace(result, messages=messages)


def _head(source: Source) -> bytes:
    """The first bytes of a file."""
    with open_file(source.path) as file:
        try:
            return file.read(HEAD)
        except OSError as error:
            raise Reject(f"{source.path} cannot be read: {error.strerror or error}") from error


def _refuse(source: Source, kind: Known | None) -> None:
    """Refuses a file of a kind that is known but not stored."""
    if kind is None:
        return
    text = f"{source.path} is {kind.title}; {kind.short} cannot be converted by this version. {kind.remedy}"
    if kind.remedy is not known.ARCHIVE:
        raise Reject(text)
    if kind is known.ZIP and source.shown == source.path:
        text += f", for example with: unzip -d {_quoted(_folder_for(source.path))} {_quoted(source.path)}"
    raise Packed(text)


def _folder_for(archive: Path) -> Path:
    """Where the files of an archive would be unpacked beside it."""
    return archive.with_suffix("" if archive.suffix else ".files")


def _quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return "'" + str(path).replace("'", "'\\''") + "'"


def _assert_type(source: Source, found: Format, wanted: str | None) -> None:
    """Refuses content that is not what the user says it is."""
    if wanted is None:
        return
    token = wanted.partition(";")[0].strip().lower().removeprefix(".")
    names = {found.name, found.media_type, *found.aliases, *(extension[1:] for extension in found.extensions)}
    if token not in names:
        raise Reject(
            f"{source.path} is {found.title} by its content, not {wanted} as it was said to be. "
            f"Leave the content type out, or give it for the files that have it"
        )


def _misnamed(source: Source, found: Format) -> tuple[str, ...]:
    """A message when the name's extension is that of something else."""
    if source.shown.suffix.lower() in found.extensions:
        return ()
    says = _extension_says(source.shown)
    return (f"{source.name} is {found.title} by its content; its name says {says}",) if says else ()


def _extension_says(path: Path) -> str | None:
    """What people would take a file of this name for; None when the name does not say."""
    extension = path.suffix.lower()
    for candidate in FORMATS:
        if extension in candidate.extensions:
            return candidate.short
    kind = known.by_extension(extension) if extension else None
    return kind.short if kind else None
