"""A compressed picture decoded in a child process, and stored without further loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.config import Lossless
from gateway.convert import child, encode
from gateway.convert.workshop import Workshop
from gateway.errors import Reject
from gateway.model import Probe
from gateway.stream import FileSlice, Stream

SAID = "is decoded and stored without further loss"
"""What is said of a picture that is stored in another form than its own."""

_SECONDS_A_SAMPLE = 1e-6

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work(Generic[Result]):
    """What is decoded, and with how much at most.

    `function` writes the raw pixels of a stream into a file, and is told `layout`. `samples` are those
    that the decoder holds, `bytes_a_sample` the memory for each at its worst. `max_pixels` bounds columns
    times rows.
    """

    function: Callable[[Stream, Any, Path], Result]
    layout: Any
    samples: int
    bytes_a_sample: int
    max_pixels: int


def decoded(probe: Probe, work: Work[tuple[str, ...]], shop: Workshop, lossless: Lossless) -> Probe:
    """The probe with its content decoded, and with the messages that the decoder gives.

    Its pixels say what comes out.
    Raises `Reject` for a picture that is too large or cannot be decoded.
    """
    raw = shop.new(".raw")
    said = in_child(probe, work, shop, raw)
    return encode.stored(replace(probe, messages=(*probe.messages, *said)), raw, lossless, shop)


def in_child(probe: Probe, work: Work[Result], shop: Workshop, raw: Path) -> Result:
    """Has the content of a probe decoded into a raw file; what the decoder returns. Raises `Reject`."""
    pixels, path = probe.pixels, probe.source.path
    if pixels is None:
        raise ValueError("pixels that nothing is known of")
    if pixels.columns * pixels.rows > work.max_pixels:
        raise Reject(
            f"{path} has {pixels.columns:,} x {pixels.rows:,} pixels, more than the {work.max_pixels:,} that "
            "are decoded: allow more with --max-pixels if it is what it should be"
        )
    return child.run(
        work.function,
        probe.content,
        work.layout,
        raw,
        seconds=child.SECONDS + _SECONDS_A_SAMPLE * work.samples,
        memory=child.MEMORY + 2 * probe.content.length + work.bytes_a_sample * work.samples,
        about=path,
        folder=shop.folder,
    )


@contextmanager
def needs(extra: str, stream: Stream) -> Iterator[None]:
    """Importing a decoder that may not be installed: the refusal names the extra that it comes with."""
    try:
        yield
    except ImportError as error:
        raise Reject(
            f"{path_of(stream)} must be decoded, and what does that is not installed: "
            f"install the extra '{extra}' of stow-gateway"
        ) from error


def path_of(stream: Stream) -> Path:
    """The file that a stream is read from."""
    return next(piece.path for piece in stream.pieces if isinstance(piece, FileSlice))
