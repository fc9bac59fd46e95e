"""In which encoding text is: as its byte order mark says, as is given, or as it looks."""

from __future__ import annotations

import codecs
import re

FALLBACK = "windows-1252"
"""What devices write that do not write UTF-8, and do not say what they write."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16, and so stands before it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_XML = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"})
"""Codecs of Python that no text file is written in."""

_HL7 = {"unicode": "utf-8", "unicode utf-8": "utf-8", "ascii": "ascii", "8859/1": FALLBACK}
"""Names of HL7 table 0211; what calls itself Latin-1 is Windows-1252 in practice."""


def known(name: str) -> bool:
    """Whether there is a text encoding of this name."""
    try:
        "a".encode(name)  # finds out about codecs that are not for text as well
        return codecs.lookup(name).name.replace("_", "-") not in _NOT_OF_FILES
    except (LookupError, UnicodeError, ValueError):
        return False


def marked(data: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning says; None without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def decode(data: bytes, given: str | None = None) -> str:
    """The text in `data`, without a byte order mark.

    The first counts of: the byte order mark; the encoding that is given; what an XML declaration or the
    MSH segment of HL7 says; UTF-8, if it can be that; Windows-1252. Raises ValueError that names the first
    byte that is not in the encoding.
    """
    encoding = marked(data) or given or _wide(data) or _declared(data)
    if encoding is None:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            encoding = FALLBACK
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"byte {error.start + 1:,} (0x{data[error.start]:02X}, in line {line}) is not {encoding}: say in "
            "the mapping in which encoding: it is written, or save it as UTF-8"
        ) from None


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark, told by the zero beside the first character."""
    if len(data) < 2 or (data[0] == 0) == (data[1] == 0):
        return None
    return "utf-16-be" if data[0] == 0 else "utf-16-le"


def _declared(data: bytes) -> str | None:
    """The encoding that the first lines of XML or of an HL7 message name.

    What is read here has one byte a character, so a declaration that says UTF-16 is not true.
    """
    if match := _XML.match(data):
        name = match[1].decode("ascii")
        if not known(name):
            raise ValueError(f"it says that its encoding is {name!r}, which is not known")
        return None if name.lower().startswith(("utf-16", "utf-32", "ucs-")) else name
    return _of_message(data.lstrip(b"\x0b\r\n"))


def _of_message(data: bytes) -> str | None:
    """The encoding that the field MSH-18 of an HL7 message names, if it names one that is known here."""
    if not data.startswith(b"MSH") or len(data) < 4:
        return None
    fields = re.split(rb"[\r\n]", data[:4096], maxsplit=1)[0].split(data[3:4])
    said = fields[17].decode("latin-1").strip().lower() if len(fields) > 17 else ""
    first = re.split(r"[~^]", said, maxsplit=1)[0]
    if first in _HL7:
        return _HL7[first]
    return f"iso8859-{first[5:]}" if re.fullmatch("8859/([2-9]|1[013456])", first) else None
