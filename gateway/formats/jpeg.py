"""JPEG pictures (ITU-T T.81): in the form in which an object can have them, the right way up.

Baseline, extended grey and lossless ones go into DICOM as they are (PS3.5 8.2.1 and A.4.1). Others, and
those that EXIF says to turn, have forms that are made when the object is built.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.config import Reading
from gateway.errors import Reject
from gateway.formats import jpeg_forms
from gateway.formats.format import Format
from gateway.formats.jpeg_coding import choose_coding, content, describe_pixels
from gateway.formats.jpeg_forms import Task
from gateway.formats.jpeg_picture import Picture, read
from gateway.formats.jpeg_segments import APP2, JPEG_LS, first_frame
from gateway.model import Kind, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a JPEG: SOI and the beginning of another marker; no JPEG-LS."""
    return head.startswith(b"\xff\xd8\xff") and first_frame(head) != JPEG_LS


def probe(source: Source, reading: Reading) -> Probe:
    """What a JPEG says of itself, in the first form that an object may have; others are its `otherwise`.

    The content ends with the picture's end marker. Raises `Reject` for a picture that is not whole, or
    that nothing here can bring into a form for an object.
    """
    with open_file(source.path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        picture = read(file, source.path)
    facts, fault = _exif(picture)
    orientation, untouched = _orientation(facts, reading)
    whole = FileSlice(source.path, 0, picture.length, stamp)
    base = Probe(
        source=source,
        format=FORMAT.name,
        kind=FORMAT.kind,
        media_type=FORMAT.media_type,
        transfer_syntax="",  # each form says its own
        content=Stream.of(whole),
        captured=facts["captured"],
        facts={"exif": facts},
        messages=tuple(what for what in (fault, _left_out(picture, stamp.size), untouched) if what),
    )
    task = Task(picture, whole, orientation, strip=reading.strip_app, max_pixels=reading.max_pixels)
    return _first(list(_forms(base, task)), picture, source)


FORMAT = Format(
    name="jpeg",
    title="a JPEG picture",
    short="JPEG",
    kind=Kind.IMAGE,
    media_type="image/jpeg",
    extensions=(".jpg", ".jpeg", ".jpe", ".jfif"),
    sniff=sniff,
    probe=probe,
    aliases=("image/jpg", "image/pjpeg"),
)


def _first(forms: list[Probe], picture: Picture, source: Source) -> Probe:
    """The first of the forms, with the others behind it."""
    if not forms:
        choose_coding(picture, source.path)  # says why
        raise Reject(
            f"{source.path} is coded in a way that nothing here decodes. Save it upright as a baseline JPEG"
        )
    result = forms.pop()
    while forms:
        result = replace(forms.pop(), otherwise=result)
    return result


def _forms(base: Probe, task: Task) -> Iterator[Probe]:
    """The forms that a picture can have in an object, from the nearest to the file to the farthest."""
    as_it_is = _as_it_is(base, task)
    found = (as_it_is or jpeg_forms.recoded(base, task), jpeg_forms.decoded(base, task))
    yield from (form for form in found if form)


def _as_it_is(base: Probe, task: Task) -> Probe | None:
    """The form in which the stream itself is in the object; None where it may not or would lie."""
    picture = task.picture
    if task.orientation != 1:
        return None
    try:
        coding = choose_coding(replace(picture, height=None), base.source.path)
    except Reject:
        return None
    stream = content(picture, task.whole, strip=task.strip)
    moved = ("says its height behind its picture; it was written into its header",) if picture.height else ()
    return replace(
        base,
        transfer_syntax=coding.transfer_syntax,
        content=stream,
        pixels=describe_pixels(picture.frame, coding, stream.length),
        messages=(*base.messages, *moved),
    )


def _exif(picture: Picture) -> tuple[Mapping[str, Any], str | None]:
    """The facts of the EXIF segment and what is wrong with it."""
    from gateway.formats import exif

    return exif.read(picture.exif)


def _orientation(facts: Mapping[str, Any], reading: Reading) -> tuple[int, str | None]:
    """How the picture is to be turned: pixels are shown as they are stored (PS3.3 C.7.6.3.1.4).

    With it, what is said of one that lies and stays so.
    """
    from gateway.formats import exif

    orientation = facts["orientation"]
    lies = exif.LIES.get(orientation)
    if lies is None:
        return 1, None
    if reading.keep_orientation:
        return 1, f"is stored {lies} (EXIF orientation {orientation}), and stays so as was asked for"
    return orientation, None


def _left_out(picture: Picture, size: int) -> str | None:
    """What stands behind the end of the picture and is not stored: further pictures, padding."""
    extra = size - picture.length
    if not extra:
        return None
    several = any(
        segment.marker == APP2 and segment.data.startswith(b"MPF\0") for segment in picture.segments
    )
    what = " with further pictures" if several else ""
    return f"has {extra:,} bytes{what} behind its picture; they are left out"
