"""The parts of a store request, kept in files as they come in.

A body may be larger than memory, and none of it is known to be good before its end: so each part
becomes a file of its own in a folder that goes away with the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.stow.multipart import ContentType, Event, PartData, PartStart, Reader, parse_content_type


@dataclass(frozen=True, slots=True)
class Spooled:
    """A part that came in: its headers, named in lower case, and the file with its content."""

    headers: Mapping[str, str]
    path: Path

    @property
    def content_type(self) -> ContentType:
        """The part's media type and its parameters; an empty media type where none is named.

        Raises `gateway.stow.multipart.Malformed`.
        """
        return parse_content_type(self.headers.get("content-type", ""))


class Spool:
    """Writes a body's parts into a folder. With no reader the whole body is one part."""

    def __init__(self, folder: Path, reader: Reader | None, headers: Mapping[str, str]) -> None:
        self.parts: list[Spooled] = []
        self._folder = folder
        self._reader = reader
        self._file: BinaryIO | None = None
        if reader is None:
            self._begin(headers)

    def take(self, chunk: bytes) -> None:
        """Takes further bytes of the body. Raises `gateway.stow.multipart.Malformed`."""
        if self._reader is None:
            self._write(chunk)
            return
        for event in self._reader.feed(chunk):
            self._follow(event)

    def finish(self) -> list[Spooled]:
        """The parts, once the body has ended. Raises `gateway.stow.multipart.Malformed`."""
        if self._reader is not None:
            self._reader.close()
        self.close()
        return self.parts

    def close(self) -> None:
        """Closes the file that is being written, if one is; safe to call again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _follow(self, event: Event) -> None:
        if isinstance(event, PartStart):
            self._begin(event.headers)
        elif isinstance(event, PartData):
            self._write(event.data)
        else:
            self.close()

    def _begin(self, headers: Mapping[str, str]) -> None:
        path = self._folder / f"part-{len(self.parts) + 1}"
        self._file = path.open("xb")
        self.parts.append(Spooled(headers, path))

    def _write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
