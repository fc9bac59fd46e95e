"""Why a video is not stored, in words that name the file and say what would help."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import Reject, Unfinished
from gateway.formats import isobmff
from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.video_coding import Coding
from gateway.formats.video_foreign import title
from gateway.formats.video_rules import Container, Unsuitable
from gateway.model import Source

_ENCRYPTED = frozenset({"encv", "enca", "enct", "encs", "drmi", "drms"})  # ISO/IEC 14496-12, 8.12
_PLAIN_SOUND = frozenset({"alaw", "fl32", "fpcm", "in24", "ipcm", "lpcm", "raw ", "sowt", "twos", "ulaw"})
_SMALLEST = 4  # bytes that a sample takes at least, if only for its size in the index
_MOST_SAMPLES = 2**23  # three days of video; libav keeps an index of them in memory
_AGAIN = "Copy or export it again"


def check_movie(source: Source, movie: isobmff.Movie, size: int) -> None:
    """Refuses what the index of an MP4 file says against storing it."""
    pictures = [track for track in movie.tracks if track.handler == "vide"]
    if any(_ENCRYPTED & {*track.entries} for track in movie.tracks):
        raise Reject(f"{source.path} is encrypted. Export it again without copy protection")
    check_count(source, len(pictures))
    if len(pictures[0].entries) != 1:
        raise Malformed("its pictures change their coding on the way")
    check_index(movie, size)


def check_index(movie: isobmff.Movie, size: int) -> None:
    """Refuses an index of more samples than a file of `size` bytes holds; libav would make room for them.

    Uncompressed sound is left to libav, which does not list its samples one by one.
    """
    for track in movie.tracks:
        samples = movie.samples(track)
        plain = not _PLAIN_SOUND.isdisjoint(track.entries)
        if not plain and (samples * _SMALLEST > size or samples > _MOST_SAMPLES):
            raise Malformed(f"its index lists {samples:,} samples, more than {size:,} bytes hold")


def check_count(source: Source, count: int) -> None:
    """Refuses files that have not one track of pictures."""
    if count == 0:
        raise Reject(
            f"{source.path} has no pictures that are known here, only sound or other data. Give videos"
        )
    if count > 1:
        raise Reject(
            f"{source.path} has {count} tracks of pictures; an object holds one. Export each into a file"
        )


@contextmanager
def damage_in_words(source: Source) -> Iterator[None]:
    """Makes a `Reject` of what is missing or damaged."""
    try:
        yield
    except Incomplete as error:
        raise Unfinished(f"{source.path} is not whole: {error}. {_AGAIN}") from error
    except Malformed as error:
        raise Reject(f"{source.path} is damaged or not what it seems: {error}. {_AGAIN}") from error


@contextmanager
def refusing(source: Source, coding: Coding, container: Container) -> Iterator[None]:
    """Makes a `Reject` of what no transfer syntax permits."""
    try:
        yield
    except Unsuitable as error:
        what = f"{coding.title} of {coding.width}x{coding.height} in {container.title}"
        raise _refusal(source, what, error) from error


def _refusal(source: Source, what: str, error: Unsuitable) -> Reject:
    """A refusal that says what the file holds, why it is not stored, and what would help."""
    return Reject(f"{source.path} holds {what}: {error}. {_remedy(source, error.remedy)}")


def _remedy(source: Source, remedy: str) -> str:
    """A remedy with the names of this file in it."""
    return remedy.format(file=shlex.quote(str(source.path)), stem=shlex.quote(source.path.stem))


def unknown_coding(source: Source, name: str, container: Container) -> Reject:
    """The refusal of pictures in a coding that is not known here; `name` is libav's for it."""
    return _refusal(
        source,
        f"{title(name)} in {container.title}",
        Unsuitable("it is neither known to DICOM nor converted here", "Export it as H.264 in MP4"),
    )
