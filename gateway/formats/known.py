"""Kinds of files that are recognised, so that they can be refused by their name.

A signature stands at the start of a file. Content that this version stores is not listed here, except
where a listed kind would look like it: ISO media files tell what they are by their brand.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_PICTURE = "Save it as PNG or JPEG and give that file"
_DEVELOP = "Develop it and save it as TIFF or JPEG, and give that file"
_VIDEO = "Convert it to MP4 with H.264 High profile or HEVC video and give that file"
_DOCUMENT = "Save it as PDF and give that file"
ARCHIVE = "Unpack it and give the files inside instead"
"""The remedy of everything that files are packed into."""
_MODEL = "Save it as STL or OBJ and give that file"
_OTHER = "Give pictures, documents, models, videos or DICOM files"


@dataclass(frozen=True, slots=True)
class Known:
    """A kind of file that this version does not store.

    `title` follows "is" in messages (`a PNG picture`), `short` is what people call the format, and
    `remedy` a sentence that says what would help.
    """

    title: str
    short: str
    remedy: str
    extensions: tuple[str, ...]
    matches: Callable[[bytes], bool]


def by_content(kinds: Iterable[Known], head: bytes) -> Known | None:
    """The first of these kinds that the first bytes of a file show."""
    return next((kind for kind in kinds if kind.matches(head)), None)


def by_extension(extension: str) -> Known | None:
    """The kind whose files usually have this extension (lower case, with the dot)."""
    return next((kind for kind in (*KNOWN, *VAGUE) if extension in kind.extensions), None)


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    """A test for any of these first bytes."""
    return lambda head: head.startswith(magics)


def _at(offset: int, magic: bytes) -> Callable[[bytes], bool]:
    """A test for bytes that stand further inside."""
    return lambda head: head[offset : offset + len(magic)] == magic


def _pattern(expression: bytes) -> Callable[[bytes], bool]:
    """A test by a regular expression that must match at the start."""
    compiled = re.compile(expression, re.DOTALL)
    return lambda head: compiled.match(head) is not None


def _riff(form: bytes) -> Callable[[bytes], bool]:
    """A test for a RIFF file of this form."""
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _brand(*brands: bytes) -> Callable[[bytes], bool]:
    """A test for an ISO media file (ISO/IEC 14496-12) whose major brand is one of these."""
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def _text(expression: bytes) -> Callable[[bytes], bool]:
    """A test of text, with or without a byte order mark and white space before it."""
    return _pattern(rb"(?:\xef\xbb\xbf)?\s{0,1024}(?:" + expression + rb")")


def _zip(entry: bytes) -> Callable[[bytes], bool]:
    """A test for a ZIP archive that has an entry of this name among its first ones."""
    return lambda head: head.startswith(b"PK\x03\x04") and entry in head


def _is_text(head: bytes) -> bool:
    """Whether this is the beginning of a text, which may be cut within a character."""
    try:
        getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]", head) is None


ZIP = Known("a ZIP archive", "ZIP", ARCHIVE, (".zip",), _starts(b"PK\x03\x04", b"PK\x05\x06"))
"""An archive of files; where files are collected, its members are taken in its place."""

KNOWN: tuple[Known, ...] = (
    Known("a JPEG XR picture", "JPEG XR", _PICTURE, (".jxr", ".wdp"), _starts(b"II\xbc\x01")),
    Known("an AVIF picture", "AVIF", _PICTURE, (".avif",), _brand(b"avif", b"avis")),
    Known("a camera's raw picture", "CR3", _DEVELOP, (".cr3",), _brand(b"crx ")),
    Known(
        "a camera's raw picture",
        "raw",
        _DEVELOP,
        (".dng", ".cr2", ".nef", ".arw", ".orf", ".rw2"),
        _pattern(rb"IIRO|IIU\0|(?:II\*\0|MM\0\*).{4}CR"),
    ),
    Known("a Photoshop picture", "Photoshop", _PICTURE, (".psd", ".psb"), _starts(b"8BPS")),
    Known("an OpenEXR picture", "OpenEXR", _PICTURE, (".exr",), _starts(b"\x76\x2f\x31\x01")),
    Known("a Netpbm picture", "Netpbm", _PICTURE, (".pbm", ".pgm", ".ppm"), _pattern(rb"P[1-6]\s+(?:#|\d)")),
    Known("an icon", "ICO", _PICTURE, (".ico",), _pattern(rb"\0\0[\x01\x02]\0[\x01-\xff]\0.{3}\0")),
    Known(
        "a drawing in SVG",
        "SVG",
        _DOCUMENT,
        (".svg",),
        _text(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!DOCTYPE svg.*?>\s*)?<svg\b"),
    ),
    Known(
        "a Windows Media video",
        "Windows Media",
        _VIDEO,
        (".wmv", ".asf", ".wma"),
        _starts(b"0&\xb2u\x8ef\xcf\x11"),
    ),
    Known("an Ogg file", "Ogg", _VIDEO, (".ogg", ".ogv", ".oga", ".opus"), _starts(b"OggS\0")),
    Known("an IVF video", "IVF", _VIDEO, (".ivf",), _starts(b"DKIF\0\0")),
    Known("a sound file", "sound", _OTHER, (".m4a", ".m4b"), _brand(b"M4A ", b"M4B ", b"M4P ")),
    Known("a sound file", "sound", _OTHER, (".wav",), _riff(b"WAVE")),
    Known(
        "a sound file",
        "sound",
        _OTHER,
        (".mp3", ".flac", ".aac"),
        _starts(b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf1", b"\xff\xf9"),
    ),
    Known("a Word document", "Word", _DOCUMENT, (".docx", ".dotx"), _zip(b"word/")),
    Known("an Excel workbook", "Excel", _DOCUMENT, (".xlsx",), _zip(b"xl/")),
    Known("a PowerPoint presentation", "PowerPoint", _DOCUMENT, (".pptx",), _zip(b"ppt/")),
    Known("an Office document", "Office", _DOCUMENT, (), _zip(b"[Content_Types].xml")),
    Known(
        "an OpenDocument file",
        "OpenDocument",
        _DOCUMENT,
        (".odt", ".ods", ".odp", ".odg"),
        _zip(b"mimetypeapplication/vnd.oasis.opendocument"),
    ),
    Known("an electronic book", "EPUB", _DOCUMENT, (".epub",), _zip(b"mimetypeapplication/epub+zip")),
    Known(
        "an old Office document",
        "Office",
        _DOCUMENT,
        (".doc", ".xls", ".ppt", ".msg"),
        _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ),
    Known("a rich text document", "RTF", _DOCUMENT, (".rtf",), _starts(b"{\\rtf")),
    Known(
        "a PostScript document",
        "PostScript",
        _DOCUMENT,
        (".ps", ".eps"),
        _starts(b"%!PS", b"\xc5\xd0\xd3\xc6"),
    ),
    Known(
        "a web page",
        "HTML",
        _DOCUMENT,
        (".html", ".htm", ".xhtml"),
        _text(rb"(?i:<!doctype html|<html\b|<\?xml[^>]*>\s*<!doctype html|<head\b)"),
    ),
    Known("DICOM data in XML", "DICOM XML", _OTHER, (), _text(rb"(?:<\?xml[^>]*>\s*)?<NativeDicomModel\b")),
    Known("a message in HL7 version 2", "HL7", _DOCUMENT, (".hl7",), _text(rb"MSH\|")),
    Known("a STEP or IGES model", "STEP", _MODEL, (".step", ".stp"), _text(rb"ISO-10303-21;")),
    Known("a PLY model", "PLY", _MODEL, (".ply",), _pattern(rb"ply\r?\n")),
    Known("a glTF model", "glTF", _MODEL, (".glb", ".gltf"), _starts(b"glTF")),
    Known("a NIfTI volume", "NIfTI", _OTHER, (".nii",), _at(344, b"n+1\0")),
    Known("an NRRD volume", "NRRD", _OTHER, (".nrrd",), _starts(b"NRRD000")),
    ZIP,
    Known("a gzip archive", "gzip", ARCHIVE, (".gz", ".tgz"), _starts(b"\x1f\x8b")),
    Known("a bzip2 archive", "bzip2", ARCHIVE, (".bz2",), _pattern(rb"BZh[1-9]1AY&SY")),
    Known("an XZ archive", "XZ", ARCHIVE, (".xz",), _starts(b"\xfd7zXZ\0")),
    Known("a Zstandard archive", "Zstandard", ARCHIVE, (".zst",), _starts(b"\x28\xb5\x2f\xfd")),
    Known("a 7-Zip archive", "7-Zip", ARCHIVE, (".7z",), _starts(b"7z\xbc\xaf\x27\x1c")),
    Known("a RAR archive", "RAR", ARCHIVE, (".rar",), _starts(b"Rar!\x1a\x07")),
    Known("a tar archive", "tar", ARCHIVE, (".tar",), _at(257, b"ustar")),
)
"""The kinds in the order in which they are looked for: the special before the general."""

VAGUE: tuple[Known, ...] = (
    Known(
        "a HEIF picture that is not coded in HEVC, or a sequence of several",
        "this kind",
        _PICTURE,
        (),
        _brand(b"mif1", b"mif2", b"msf1", b"hevc", b"hevx"),
    ),
    Known(
        "a media file of the MP4 family of a kind that is not MP4",
        "this kind",
        _VIDEO,
        (".mj2",),
        lambda head: head[4:8] == b"ftyp",
    ),
    Known("text", "text", _DOCUMENT, (".txt", ".csv", ".json", ".md", ".yaml", ".log"), _is_text),
)
"""Kinds that are looked for last: what is stored would look like them too."""
