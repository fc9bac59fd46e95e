"""Facts of the EXIF segment of a picture (JEITA CP-3451), read by Pillow without decoding the picture."""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timezone
from typing import Any

from PIL import ExifTags, Image

from gateway.formats.moments import zone

LIES = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored and upside down",
    5: "mirrored and lying on its side",
    6: "lying on its side",
    7: "mirrored and lying on its side",
    8: "lying on its side",
}
"""How the pixels of a picture lie by its orientation (tag 274); 1 is upright, others mean nothing."""

_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        "make", "model", "serial", "software", "captured", "orientation", "artist", "owner", "copyright",
        "description", "latitude", "longitude",
    )
)  # fmt: skip

_ONE_AT_A_TIME = threading.Lock()
"""The warnings module keeps its filters for the whole process."""

_MOMENT = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


def read(segment: bytes | None) -> tuple[dict[str, Any], str | None]:
    """The facts in an EXIF segment, None where it has none, and what is wrong with it.

    `captured` is when the picture was taken: aware when the camera wrote its offset from UTC. Latitude
    and longitude are degrees, north and east positive. Without a segment all facts are None.
    """
    if segment is None:
        return dict(_NOTHING), None
    try:
        # Pillow may raise nearly anything for nonsense, and warns of what it leaves out.
        with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            facts = _facts(segment)
    except Exception:  # Pillow raises many things for broken EXIF, and none is worth a picture
        return dict(_NOTHING), "has EXIF data that cannot be read; nothing is taken from them"
    return facts, "has EXIF data that are damaged; some are not taken" if warned else None


def _facts(segment: bytes) -> dict[str, Any]:
    """The facts as Pillow reads them."""
    main = Image.Exif()
    main.load(segment)
    camera = main.get_ifd(ExifTags.IFD.Exif)
    place = main.get_ifd(ExifTags.IFD.GPSInfo)
    orientation = main.get(ExifTags.Base.Orientation)
    return _NOTHING | {
        "make": _text(main.get(ExifTags.Base.Make)),
        "model": _text(main.get(ExifTags.Base.Model)),
        "serial": _text(camera.get(ExifTags.Base.BodySerialNumber)),
        "software": _text(main.get(ExifTags.Base.Software)),
        "captured": _captured(camera),
        "orientation": orientation if isinstance(orientation, int) else None,
        "artist": _text(main.get(ExifTags.Base.Artist)),
        "owner": _text(camera.get(ExifTags.Base.CameraOwnerName)),
        "copyright": _text(main.get(ExifTags.Base.Copyright)),
        "description": _text(main.get(ExifTags.Base.ImageDescription)),
        "latitude": _degrees(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, limit=90),
        "longitude": _degrees(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, limit=180),
    }


def _text(value: object) -> str | None:
    """A text up to its NUL; many cameras write UTF-8 where EXIF says ASCII. None when nothing is left."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    value = value.partition("\0")[0]
    with contextlib.suppress(UnicodeError):  # then it is what Pillow made of it: Latin-1
        value = value.encode("latin-1").decode("utf-8")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in value).split()) or None


def _captured(camera: Mapping[int, Any]) -> datetime | None:
    """When the picture was taken; None when the camera did not know or wrote nonsense."""
    match = _MOMENT.fullmatch(_text(camera.get(ExifTags.Base.DateTimeOriginal)) or "")
    if not match:
        return None
    fraction = _text(camera.get(ExifTags.Base.SubsecTimeOriginal)) or ""
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction.isdecimal() and fraction.isascii() else 0
    year, month, day, hour, minute, second = match.groups()
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}")
    except ValueError:
        return None
    return moment.replace(
        microsecond=microsecond, tzinfo=_zone(_text(camera.get(ExifTags.Base.OffsetTimeOriginal)) or "")
    )


def _zone(offset: str) -> timezone | None:
    """The zone of an offset such as +01:00; None when the camera wrote none."""
    if offset == "Z":
        return UTC
    match = _OFFSET.fullmatch(offset)
    return zone(*match.groups()) if match else None


def _degrees(place: Mapping[int, Any], tag: int, reference: int, *, limit: int) -> float | None:
    """Degrees, minutes and seconds as one number; None when they are not all there."""
    parts = place.get(tag)
    side = _text(place.get(reference))
    if not isinstance(parts, tuple) or len(parts) != 3 or side not in ("N", "S", "E", "W"):
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    number = degrees + minutes / 60 + seconds / 3600
    if not 0 <= number <= limit:  # also when a part is 0/0, which is no number
        return None
    return round(-number if side in "SW" else number, 7)
