"""What a HEIC file says of itself (ISO/IEC 23008-12), asked of libheif in a child process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.convert import child
from gateway.errors import Reject

_SECONDS = 10.0
_MEMORY = 512 << 20


@dataclass(frozen=True, slots=True)
class HeifFacts:
    """Columns and rows as the file says to turn them, bits of a sample, and the pictures and the main one."""

    columns: int
    rows: int
    colour: bool
    bits: int
    pictures: int
    main: int
    exif: bytes | None


def facts(path: Path) -> HeifFacts:
    """What a HEIC file says of its main picture. Raises `Reject` when it cannot be read."""
    return child.run(read, path, seconds=_SECONDS, memory=_MEMORY, about=path)


def read(path: Path) -> HeifFacts:
    """What a HEIC file says of its main picture; called in a child process."""
    try:
        import pillow_heif
    except ImportError as error:
        raise Reject(
            f"{path} is a HEIC picture, and what decodes it is not installed: "
            "install the extra 'heic' of stow-gateway"
        ) from error
    try:
        file = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
        main = file[file.primary_index]
        columns, rows = main.size
        bits, exif = main.info.get("bit_depth"), main.info.get("exif")
    except (ValueError, OSError, EOFError, RuntimeError, LookupError) as error:
        raise Reject(f"{path} is damaged: {error}. Copy or export it again") from error
    return HeifFacts(
        columns=columns,
        rows=rows,
        colour="RGB" in main.mode,
        bits=bits if isinstance(bits, int) else 8,
        pictures=len(file),
        main=file.primary_index,
        exif=exif if isinstance(exif, bytes) and exif else None,
    )
