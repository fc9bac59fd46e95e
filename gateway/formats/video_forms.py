"""How videos in each container are read, and whether their structure is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway.errors import Reject
from gateway.formats import avi, flv, isobmff, matroska, mpeg_systems
from gateway.formats.format import HEAD
from gateway.formats.video_pictures import (
    Clock,
    as_stamped,
)
from gateway.formats.video_refusals import (
    check_movie,
)
from gateway.formats.video_rules import (
    Container,
)
from gateway.formats.video_turn import Matrix
from gateway.model import Source


@dataclass(frozen=True, slots=True)
class Structure:
    """What the structure of the container says.

    `movie` is the index of MP4, `damaged` counts packets of a transport stream that were damaged on the way,
    and `distance` is that of its packets. `frames` counts coded pictures and `turns` says how players
    turn them, both by the place of a track among those of pictures, in AVI among all.
    """

    movie: isobmff.Movie | None = None
    damaged: int = 0
    distance: int = mpeg_systems.PACKET
    frames: Counter[int] | None = None
    turns: Mapping[int, Matrix | None] = field(default_factory=dict)

    @property
    def track(self) -> isobmff.Track | None:
        """The track of pictures in MP4."""
        tracks = self.movie.tracks if self.movie else ()
        return next((track for track in tracks if track.handler == "vide"), None)

    @property
    def padded(self) -> bool:
        """Whether something stands between the packets of a transport stream."""
        return self.distance != mpeg_systems.PACKET

    def listed(self, number: int) -> int | None:
        """How many coded pictures the container lists for the stream of pictures; None where it does not."""
        if self.movie and self.track:
            return self.movie.samples(self.track)
        return None if self.frames is None else self.frames[number]


@dataclass(frozen=True, slots=True)
class Form:
    """How files of one format are read.

    `demuxer` is libav's, `check` says whether a file is whole, and `clock` which of its stamps count.
    """

    name: str
    container: Container
    demuxer: str
    check: Callable[[Source, BinaryIO, int], Structure]
    clock: Clock = as_stamped


def check_mp4(source: Source, file: BinaryIO, size: int) -> Structure:
    """The index of an MP4 or QuickTime file."""
    movie = isobmff.read(file, size)
    check_movie(source, movie, size)
    return Structure(movie)


def check_transport(source: Source, file: BinaryIO, size: int) -> Structure:
    """The packets of a transport stream."""
    distance = mpeg_systems.packet_distance(file.read(HEAD)) or mpeg_systems.PACKET
    file.seek(0)
    damaged = mpeg_systems.check_transport(file, size, distance)
    return Structure(damaged=damaged, distance=distance)


def check_program(source: Source, file: BinaryIO, size: int) -> Structure:
    """The packets of a program stream."""
    mpeg_systems.check_program(file, size)
    return Structure()


def check_matroska(source: Source, file: BinaryIO, size: int) -> Structure:
    """The elements of a Matroska file."""
    found = matroska.read(file, size)
    if found.encrypted:
        raise Reject(f"{source.path} is encrypted. Export it again without copy protection")
    return Structure(frames=found.frames, turns=found.turns)


def check_avi(source: Source, file: BinaryIO, size: int) -> Structure:
    """The chunks of an AVI file."""
    return Structure(frames=avi.read(file, size))


def check_flash(source: Source, file: BinaryIO, size: int) -> Structure:
    """The tags of a Flash video."""
    return Structure(frames=Counter({0: flv.read(file, size)}))


def check_bare(source: Source, file: BinaryIO, size: int) -> Structure:
    """Nothing: a bare stream has no structure but its pictures'."""
    return Structure()
