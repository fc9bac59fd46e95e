"""How values are kept: paths of any bytes, numbers of any file system, and bounded texts."""

from __future__ import annotations

import json
import os
import unicodedata
import zlib
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from gateway.stream import FileStamp

MAX_TEXT = 4096
"""Characters of a sentence that are kept."""
MAX_ANSWER = 16 * 1024
"""Characters of an archive's answer that are kept."""
MAX_VALUE = 1024
"""Characters of one attribute's value that are kept."""
MAX_ATTRIBUTES = 64 * 1024
"""Characters of one instance's attributes that are kept."""
_TOP = 1 << 64


def path_bytes(path: str) -> bytes:
    """A path as the operating system has it; characters for undecodable bytes are those bytes again."""
    return os.fsencode(path)


def path_text(path: bytes) -> str:
    """A path as Python shows it."""
    return os.fsdecode(path)


def storable(text: str) -> str:
    """The text with characters that stand for undecodable bytes shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def searchable(text: str) -> str:
    """A text without case and forms of writing, to be found by."""
    return unicodedata.normalize("NFC", storable(text)).casefold()


def file_name(path: str) -> str:
    """The searchable name of a file."""
    return searchable(path.rpartition("/")[2])


def inode_number(inode: int) -> int:
    """An inode as SQLite can keep it: a signed number of 64 bits."""
    return inode - _TOP if inode >= _TOP >> 1 else inode


def inode_of(number: int) -> int:
    """The inode that was kept."""
    return number % _TOP


def stamp_text(stamp: FileStamp | None) -> str | None:
    """A stamp as text, to be compared only; None for a file that is not there."""
    return f"{stamp.size}:{stamp.modified_ns}:{stamp.inode}" if stamp else None


def shortened(text: str | None, limit: int) -> str | None:
    """The text as it can be kept, cut where it is too long."""
    if text is None:
        return None
    return storable(text if len(text) <= limit else f"{text[: limit - 1]}…")


def compressed(text: str | None) -> bytes | None:
    """The text in few bytes; None for none."""
    return zlib.compress(text.encode()) if text else None


def plain(data: bytes | None) -> str | None:
    """The text that was compressed."""
    return zlib.decompress(data).decode() if data else None


def packed_attributes(attributes: Mapping[str, str] | None) -> bytes | None:
    """A snapshot of attributes in few bytes: long values are cut, and of very many the first are kept."""
    if attributes is None:
        return None
    kept: dict[str, str] = {}
    room = MAX_ATTRIBUTES
    for name, value in attributes.items():
        short = shortened(value, MAX_VALUE) or ""
        room -= len(name) + len(short)
        if room < 0:
            break
        kept[name] = short
    return compressed(json_text(kept))


def unpacked_attributes(data: bytes | None) -> Mapping[str, str] | None:
    """The snapshot that was packed."""
    text = plain(data)
    return None if text is None else json.loads(text)


def attributes_digest(attributes: Mapping[str, str]) -> bytes:
    """The digest of all attributes, whatever their order: unequal when any value differs."""
    text = json.dumps(attributes, sort_keys=True, ensure_ascii=True)
    return blake3(text.encode()).digest()


def key_digest(key: str) -> bytes:
    """What is kept of a key that may name a patient: enough to know it again."""
    return blake3(key.encode("utf-8", "surrogateescape")).digest(length=16)


def json_text(value: Any) -> str:
    """A value as JSON, for statements that take lists."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_value(text: str | None) -> Any:
    """The value of a JSON text; None for none."""
    return None if text is None else json.loads(text)
