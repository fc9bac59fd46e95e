"""Values from text, checked by their value representation (PS3.5 6.2 and Table 6.2-1).

What people type is taken in one of three ways: as it is; with a change that DICOM calls meaningless
(padding blanks, the form of a line break, composed or decomposed accents); or not at all, with a
sentence that says what is expected and, where only one meaning is possible, the mended value.
"""

from __future__ import annotations

import calendar
import math
import re
import struct
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gateway.dicom import uids
from gateway.dicom.dictionary import keyword_of, tag_of, vm_of

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
"""VRs whose values are bytes."""

ONE_TEXT = frozenset({"LT", "ST", "UR", "UT"})
"""VRs of one text, in which a backslash separates nothing."""

INTEGERS: Mapping[str, tuple[int, int]] = {
    "US": (0, 2**16 - 1),
    "SS": (-(2**15), 2**15 - 1),
    "UL": (0, 2**32 - 1),
    "SL": (-(2**31), 2**31 - 1),
    "UV": (0, 2**64 - 1),
    "SV": (-(2**63), 2**63 - 1),
}
"""VRs of binary integers, with the least and the greatest value."""

REALS: Mapping[str, str] = {"FL": "f", "FD": "d"}
"""VRs of binary floating point numbers, with their code in `struct`."""

WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
"""A whole number as text; 20 digits hold the greatest of any VR."""

DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number as text, in the forms that a DS has."""

MAX_DS = 16
_MAX_SHORT_FIELD = 2**16 - 2  # the greatest even length of the VRs that write it in 16 bits
MAX_CHARACTERS = {
    "AE": 16,
    "CS": 16,
    "DS": MAX_DS,
    "DT": 26,
    "IS": 12,
    "LO": 64,
    "LT": 10240,
    "SH": 16,
    "ST": 1024,
    "TM": 14,
    "UI": uids.MAX_LENGTH,
}
_BYTES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "AT": 4}
_SHORT_TEXT = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"})
_LEADING_BLANKS_COUNT = frozenset({"LT", "ST", "UC", "UT"})
_PARAGRAPHS = frozenset({"LT", "ST", "UT"})

_NOT_IN_LINE = re.compile("[\0-\x1f\x7f-\x9f\\\\\ud800-\udfff]")
_NOT_IN_PARAGRAPHS = re.compile("[\0-\b\v\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # but tab, LF, FF and CR

_YES_NO = {"YES": "", "NO": ""}
_SIDES = {"R": "right", "L": "left", "U": "unpaired", "B": "both"}
_ENUMERATED: Mapping[str, Mapping[str, str]] = {
    "BurnedInAnnotation": _YES_NO,
    "ChannelMode": {"MONO": "", "STEREO": ""},
    "CompletionFlag": {"PARTIAL": "", "COMPLETE": ""},
    "ContentQualification": {"PRODUCT": "", "RESEARCH": "", "SERVICE": ""},
    "FrameLaterality": _SIDES,
    "ImageLaterality": _SIDES,
    "Laterality": {"R": "right", "L": "left"},
    "LongitudinalTemporalInformationModified": {"UNMODIFIED": "", "MODIFIED": "", "REMOVED": ""},
    "LossyImageCompression": {"00": "never lossy", "01": "lossy once or more"},
    "PatientEyeMovementCommanded": _YES_NO,
    "PatientIdentityRemoved": _YES_NO,
    "PatientSex": {"M": "male", "F": "female", "O": "other"},
    "PatientSexNeutered": {"ALTERED": "", "UNALTERED": ""},
    "PixelRepresentation": {"0": "unsigned", "1": "signed"},
    "PlanarConfiguration": {"0": "by pixel", "1": "by plane"},
    "PregnancyStatus": {"1": "not pregnant", "2": "possibly", "3": "definitely", "4": "unknown"},
    "PresentationIntentType": {"FOR PRESENTATION": "", "FOR PROCESSING": ""},
    "PresentationLUTShape": {"IDENTITY": "", "INVERSE": ""},
    "PupilDilated": _YES_NO,
    "QualityControlImage": _YES_NO,
    "QualityControlSubject": _YES_NO,
    "RecognizableVisualFeatures": _YES_NO,
    "SmokingStatus": {"YES": "", "NO": "", "UNKNOWN": ""},
    "SpecificCharacterSet": {"ISO_IR 192": "UTF-8, in which every object is written"},
    "VerificationFlag": {"UNVERIFIED": "", "VERIFIED": ""},
}
"""Enumerated Values of PS3.3: no other value is allowed (PS3.5 6.3); with what they mean."""


def convert(tag: int, vr: str, texts: Sequence[str]) -> Any:
    """The value of a data element from its values as text, each one an item of `texts`.

    None for an empty element, an empty list for an empty sequence, a list for several values. Padding
    blanks are removed, accents composed (NFC), line breaks of paragraphs written as CR LF. Raises
    ValueError that names the attribute, the value and what is expected of it: repertoire and format
    of the VR, length in characters, days that exist, number of values, Enumerated Values.
    """
    name = f"{keyword_of(tag)} ({vr})"
    cleaned = [_cleaned(vr, text) for text in texts]
    if not any(cleaned) and len(cleaned) < 2:
        return [] if vr == "SQ" else None
    if vr == "SQ":
        raise ValueError(
            f"{name} is a sequence of items and cannot be {_quoted(texts[0])}; name an attribute in it"
        )
    if vr in BINARY:
        raise ValueError(f"{name} holds binary data, which cannot be given as text")
    _check_multiplicity(name, vm_of(tag), len(cleaned))
    values = []
    for text in cleaned:
        try:
            values.append(_value(tag, vr, text))
        except ValueError as error:
            raise ValueError(f"{name} cannot be {_quoted(text)}: {error}") from None
    _check_size(name, vr, values)
    return values[0] if len(values) == 1 else values


def format_ds(number: float) -> str:
    """The number as a decimal string of at most 16 characters, as exact as they allow.

    Raises ValueError for what is no finite number.
    """
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot be written as a decimal string")
    text = repr(float(number)).removesuffix(".0")
    digits = 17
    while len(text) > MAX_DS:
        digits -= 1
        text = f"{number:.{digits}g}"
    return "0" if text == "-0" else text


def _cleaned(vr: str, text: str) -> str:
    """The text without what DICOM gives no meaning to."""
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"[\s\0]+\Z", "", text)
    if vr not in _LEADING_BLANKS_COUNT:
        text = re.sub(r"\A[\s\0]+", "", text)
    if vr == "PN":
        return re.sub(r"[ \u00a0\u3000]*([\^=])[ \u00a0\u3000]*", r"\1", text)
    return re.sub(r"\r\n|\r|\n", "\r\n", text) if vr in _PARAGRAPHS else text  # PS3.5 6.1.3


def _value(tag: int, vr: str, text: str) -> Any:
    if not text and vr not in _BYTES and vr not in INTEGERS:
        return ""  # an empty value between others
    allowed = _ENUMERATED.get(keyword_of(tag))
    if allowed is not None and text not in allowed:
        raise _not_one_of(allowed, text)
    value = _READERS[vr](text)
    most = MAX_CHARACTERS.get(vr)
    if most is not None and len(text) > most:
        raise _wrong(f"it has {len(text)} characters, and {vr} allows {most}")
    if keyword_of(tag) == "TimezoneOffsetFromUTC":
        _check_offset(text)
    return value


def _check_multiplicity(name: str, vm: str, count: int) -> None:
    """Compare a count with a value multiplicity as PS3.6 writes it: `1`, `1-3`, `2-n`, `2-2n`."""
    least, _, most = vm.partition("-")
    if count >= int(least):
        if most == "n":
            return
        if most.endswith("n") and count % int(most[:-1]) == 0:
            return
        if not most.endswith("n") and count <= int(most or least):
            return
    wanted = {"n": f"{least} or more", "": least}.get(most)
    if wanted is None:
        wanted = f"a multiple of {least}" if most.endswith("n") else f"{least} to {most}"
    raise ValueError(f"{name} takes {wanted} value{'' if wanted == '1' else 's'}, not {count}")


def _check_size(name: str, vr: str, values: Sequence[Any]) -> None:
    if vr in _SHORT_TEXT:
        size = sum(len(value.encode()) for value in values) + len(values) - 1
    else:
        size = _BYTES.get(vr, 0) * len(values)
    if size > _MAX_SHORT_FIELD:
        raise ValueError(
            f"{name} takes {_MAX_SHORT_FIELD} bytes at most, and its values take {size} together"
        )


# One reader a value representation: text in, value out, ValueError that says what is expected


def _read_line(text: str) -> str:
    """LO, SH, UC: any characters but control characters and the backslash."""
    if (found := _NOT_IN_LINE.search(text)) is not None:
        raise _forbidden(found[0])
    return text


def _read_paragraphs(text: str) -> str:
    """LT, ST, UT: as a line, with tabs, page and line breaks, and the backslash as a character."""
    if (found := _NOT_IN_PARAGRAPHS.search(text)) is not None:
        raise _forbidden(found[0])
    return text


def _forbidden(character: str) -> ValueError:
    if character == "\\":
        return _wrong("a backslash separates values and cannot stand in one")
    if character >= "\ud800":
        return _wrong("it has bytes in it that are not UTF-8 text")
    kind = {"\t": "tab", "\n": "line break", "\r": "line break"}.get(character, "control character")
    return _wrong(f"it has a {kind} in it (U+{ord(character):04X})")


def _read_name(text: str) -> str:
    """PN: up to three groups joined by `=`, each of up to five components joined by `^` (PS3.5 6.2.1)."""
    _read_line(text)
    groups = text.split("=")
    if len(groups) > 3:
        raise _wrong("a name has at most three groups (alphabetic=ideographic=phonetic)")
    for group in groups:
        if group.count("^") > 4:
            raise _wrong("a name has at most five components (Last^First^Middle^Prefix^Suffix)")
        if len(group) > 64:
            raise _wrong(f"a group of it has {len(group)} characters, and PN allows 64")
    return text


def _read_ae(text: str) -> str:
    if not re.fullmatch(r"[ -\[\]-~]*", text):
        raise _wrong("the title of an application is ASCII without backslash or control characters")
    return text


def _read_age(text: str) -> str:
    if not re.fullmatch(r"[0-9]{3}[DWMY]", text):
        loose = re.fullmatch(r"([0-9]{1,3})\s*([DWMYdwmy])", text)
        mended = f"{int(loose[1]):03}{loose[2].upper()}" if loose else None
        raise _wrong("an age is three digits and D, W, M or Y, e.g. 045Y", mended)
    return text


def _read_code(text: str) -> str:
    if not re.fullmatch(r"[A-Z0-9_ ]*", text):
        mended = text.upper() if re.fullmatch(r"[A-Za-z0-9_ ]{1,16}", text) else None
        raise _wrong("a code has capital letters A-Z, digits, blanks and underscores", mended)
    return text


def _read_date(text: str) -> str:
    match = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text)
    if match is None:
        loose = re.fullmatch(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[T ].*)?", text)
        mended = f"{loose[1]}{int(loose[3]):02}{int(loose[4]):02}" if loose else ""
        raise _wrong("a date is written YYYYMMDD, e.g. 19800102", mended if _is_day(mended) else None)
    if not _is_day(text):
        raise _wrong("there is no such day; a date is written YYYYMMDD, e.g. 19800102")
    return text


def _read_time(text: str) -> str:
    if not _is_time(text):
        loose = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,6})?))?", text)
        mended = f"{int(loose[1]):02}{loose[2]}{loose[3] or ''}" if loose else ""
        raise _wrong(
            "a time is written HHMMSS, HHMM or HH, of 24 hours and without a time zone, "
            "with up to six decimals of a second, e.g. 134501.25",
            mended if _is_time(mended) else None,
        )
    return text


def _read_date_time(text: str) -> str:
    if not _is_date_time(text):
        mended = _mended_date_time(text)
        raise _wrong(
            "a date and time is written YYYYMMDDHHMMSS, as far as it is known, with up to six decimals of a "
            "second and the offset from UTC, e.g. 20240131134501.25+0100",
            mended if _is_date_time(mended) else None,
        )
    return text


def _is_day(text: str) -> bool:
    match = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text)
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    return year > 0 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def _is_time(text: str) -> bool:
    match = re.fullmatch(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.[0-9]{1,6})?)?)?", text)
    if match is None:
        return False
    return int(match[1]) < 24 and int(match[2] or 0) < 60 and int(match[3] or 0) <= 60  # 60: a leap second


def _is_date_time(text: str) -> bool:
    match = re.fullmatch(r"([0-9]{4}(?:[0-9]{2}){0,2})([0-9]{2,6}(?:\.[0-9]{1,6})?)?([+-][0-9]{4})?", text)
    if match is None:
        return False
    day, time, offset = match.groups()
    complete = day + "0101"[len(day) - 4 :]  # the first month or day stands for one not given
    if not _is_day(complete) or (time and not (len(day) == 8 and _is_time(time))):
        return False
    return offset is None or _is_offset(offset)


def _mended_date_time(text: str) -> str:
    iso = re.fullmatch(
        r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[T ]"
        r"([0-9]{2}):?([0-9]{2})(?::?([0-9]{2}(?:\.[0-9]{1,6})?)[0-9]*)?\s*(Z|[+-][0-9]{2}:?[0-9]{2})?",
        text,
    )
    if iso is None:
        return text.replace("-", "").replace("/", "")
    offset = "+0000" if iso[7] == "Z" else (iso[7] or "").replace(":", "")
    return "".join(iso[part] or "" for part in range(1, 7)) + offset


def _is_offset(text: str) -> bool:
    """`+HHMM` from -1200 to +1400, where -0000 is not one (PS3.5 Table 6.2-1, DT)."""
    match = re.fullmatch(r"([+-])([0-9]{2})([0-5][0-9])", text)
    if match is None or text == "-0000":
        return False
    return int(match[2] + match[3]) <= (1400 if match[1] == "+" else 1200)


def _check_offset(text: str) -> None:
    if not _is_offset(text):
        mended = "+0000" if text == "Z" else text.replace(":", "")
        raise _wrong("an offset from UTC is written +HHMM or -HHMM", mended if _is_offset(mended) else None)


def _read_decimal(text: str) -> str:
    if not DECIMAL.fullmatch(text):
        mended = text.replace(",", ".") if DECIMAL.fullmatch(text.replace(",", ".", 1)) else None
        raise _wrong("a number is written with digits and a point, e.g. -1.25", mended)
    if len(text) > MAX_DS:
        number = float(text)
        mended = format_ds(number) if math.isfinite(number) else None
        raise _wrong(f"it has {len(text)} characters, and DS allows {MAX_DS}", mended)
    return text


def _read_whole(text: str) -> str:
    if not WHOLE.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
        raise _wrong("a whole number is written with digits only and goes from -2147483648 to 2147483647")
    return text


def _read_uid(text: str) -> str:
    reason = uids.fault(text)
    if reason is not None:
        raise _wrong(reason)
    return text


def _read_uri(text: str) -> str:
    if not re.fullmatch(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*", text):
        raise _wrong("an address has the characters of RFC 3986 only; write others as %XX")
    return text


def _read_tag(text: str) -> int:
    match = re.fullmatch(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?", text)
    return int(match[1] + match[2], 16) if match else tag_of(text)


def _read_integer(text: str, *, least: int, most: int) -> int:
    if not WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise _wrong(f"it takes whole numbers from {least} to {most}")
    return int(text)


def _read_real(text: str, *, code: str) -> float:
    if not DECIMAL.fullmatch(text):
        mended = text.replace(",", ".") if DECIMAL.fullmatch(text.replace(",", ".", 1)) else None
        raise _wrong("a number is written with digits and a point, e.g. -1.25", mended)
    number = float(text)
    try:
        struct.pack(f"<{code}", number)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise _wrong("the number is too large")
    return number


_READERS: Mapping[str, Callable[[str], Any]] = {
    "AE": _read_ae,
    "AS": _read_age,
    "AT": _read_tag,
    "CS": _read_code,
    "DA": _read_date,
    "DS": _read_decimal,
    "DT": _read_date_time,
    "IS": _read_whole,
    "LO": _read_line,
    "LT": _read_paragraphs,
    "PN": _read_name,
    "SH": _read_line,
    "ST": _read_paragraphs,
    "TM": _read_time,
    "UC": _read_line,
    "UI": _read_uid,
    "UR": _read_uri,
    "UT": _read_paragraphs,
    **{vr: partial(_read_integer, least=least, most=most) for vr, (least, most) in INTEGERS.items()},
    **{vr: partial(_read_real, code=code) for vr, code in REALS.items()},
}


def _not_one_of(allowed: Mapping[str, str], text: str) -> ValueError:
    listed = ", ".join(f"{value} ({meaning})" if meaning else value for value, meaning in allowed.items())
    near = [value for value, meaning in allowed.items() if text.casefold() in (value.casefold(), meaning)]
    return _wrong(f"it can be {listed}, or empty", near[0] if near else None)


def _wrong(reason: str, mended: str | None = None) -> ValueError:
    return ValueError(f"{reason}; did you mean {mended}?" if mended else reason)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
