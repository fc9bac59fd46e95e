"""What the registry knows of a format: how to tell it by content, and how to look into it.

A format module is cheap to import: libraries are loaded by the function that probes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.config import Reading
from gateway.media_types import EXPLICIT_LITTLE
from gateway.model import Kind, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream

HEAD = 4096
"""Bytes from the start of a file that `Format.sniff` sees; fewer when the file is shorter."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format that the gateway stores.

    `title` follows "is" in messages and has its article (`a JPEG picture`, `an MP4 video`); `short` is
    what people call the format (`JPEG`). The user may assert content by `media_type`, by `name`, by one
    of the `aliases` or by one of the `extensions`, which are lower case and have their dot here.
    `sniff` says whether the first bytes of a file are this format's; `probe` raises `Reject` for a file
    that cannot be stored.
    """

    name: str
    title: str
    short: str
    kind: Kind
    media_type: str
    extensions: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    probe: Callable[[Source, Reading], Probe]
    aliases: tuple[str, ...] = ()

    def whole(self, source: Source, stamp: FileStamp, **found: Any) -> Probe:
        """The probe of a file that goes into its object whole, as documents do; `found` is the rest of it."""
        return Probe(
            source=source,
            format=self.name,
            kind=self.kind,
            media_type=self.media_type,
            transfer_syntax=EXPLICIT_LITTLE,
            content=Stream.of(FileSlice(source.path, 0, stamp.size, stamp)),
            **found,
        )
