"""In which encoding a table is written, and its lines.

Whoever exports tables seldom says so. A byte order mark does; what can be UTF-8 is UTF-8, since other
encodings hardly ever look like it; the rest is Windows-1252, as Western European systems write.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.mapping import encodings
from gateway.mapping.tables.sheet import BadTable

LONGEST = 1 << 20
"""Characters in a line; what has more is no table of lines."""
CHUNK = 1 << 18

BAD = re.compile("[\ud800-\udfff]")
"""What stands in a text for bytes that are not in its encoding."""

_TWICE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122]{1,3}")
_WORD = 40

ERRORS = "gateway-tables"
"""The name of the error handler that puts a sign which `BAD` finds in place of bytes."""


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udfff", error.end


codecs.register_error(ERRORS, _marked)


def of(path: Path, given: str) -> str:
    """The encoding of a text file: as its byte order mark says, as given, or as it looks.

    Raises `BadTable` for what is no text.
    """
    with path.open("rb") as file:
        head = file.read(CHUNK)
    if known := encodings.marked(head) or given:
        return known
    if b"\0" in head:
        return _wide(head)
    return _narrow(path)


@contextmanager
def lines(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a file with their ends; `BAD` finds what stands for bytes that are not in the encoding.

    Raises `BadTable` at a line that is too long.
    """
    with path.open(encoding=encoding, errors=ERRORS, newline="") as file:
        yield _bounded(iter(lambda: file.readline(LONGEST), ""))


def called(encoding: str) -> str:
    """What an encoding is called in messages."""
    return encoding.upper()


def sample_of_twice(text: str) -> tuple[str, str] | None:
    """A word that was encoded twice, as in `MÃ¼ller`, and what it was meant to be; None without one."""
    for match in _TWICE.finditer(text):
        if _undone(match[0]) is not None:
            begin = max((text.rfind(sign, 0, match.start()) for sign in ' "'), default=-1) + 1
            word = re.split('[ "]', text[begin : begin + _WORD], maxsplit=1)[0]
            return word, _TWICE.sub(lambda found: _undone(found[0]) or found[0], word)
    return None


def _undone(text: str) -> str | None:
    """What text was before its UTF-8 was taken for Windows-1252; None where that cannot have been.

    The five bytes that Windows-1252 has no character for stay what they are in practice.
    """
    try:
        return b"".join(
            sign.encode("latin-1") if sign <= "\u009f" else sign.encode("cp1252") for sign in text
        ).decode()
    except UnicodeError:
        return None


def _bounded(found: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(found, 1):
        if len(line) == LONGEST and line[-1] not in "\r\n":
            raise BadTable(f"has more than {LONGEST:,} characters in line {number}: that is no table")
        yield line.removeprefix("\ufeff") if number == 1 else line


def _wide(head: bytes) -> str:
    """UTF-16 without a mark, told by where the zeros stand in text that is mostly Western."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) // 8 or min(even, odd) > max(even, odd) // 8:
        raise BadTable("is not text, for there are zero bytes in it: export it as CSV")
    return "utf-16-be" if even > odd else "utf-16-le"


def _narrow(path: Path) -> str:
    """UTF-8 or Windows-1252: whether more of what is not ASCII is UTF-8 than is not."""
    good = bad = 0
    decoder = codecs.getincrementaldecoder("utf-8")(ERRORS)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            text = decoder.decode(chunk)
            if not text.isascii():
                broken = len(BAD.findall(text))
                bad += broken
                good += len(text) - len(text.encode("ascii", "ignore")) - broken
    bad += len(BAD.findall(decoder.decode(b"", final=True)))
    return "utf-8" if good >= bad else encodings.FALLBACK
