"""The arguments of filters as they are written, checked when a mapping is loaded.

A format that is none, a pattern that cannot be, an argument that a filter does not have: nobody should
learn of them from the first file that comes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from gateway.mapping import dates, names, patterns
from gateway.mapping.filters import FILTERS, check_vr, check_width
from gateway.nodes import instead

OPEN: Any = object()
"""Stands for an argument that is only known when there is a file."""


def fault(name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments of a filter; None if nothing is, as far as they are known."""
    signature = _signature(name)
    for keyword in keywords:
        if keyword not in (known := _keywords(signature)):
            return f"{name} has no {keyword!r}{instead(keyword, known)}"
    try:
        given = signature.bind(*arguments, **keywords).arguments
    except TypeError as error:
        return f"{name} takes ({', '.join(signature.parameters)}): {error}"
    checks = _CHECKS.get(name, {})
    try:
        for argument, value in given.items():
            for each in value if signature.parameters[argument].kind is _SEVERAL else (value,):
                if argument in checks and each is not OPEN and each is not None:
                    checks[argument](each)
    except (ValueError, TypeError) as error:
        return str(error)
    return None


_SEVERAL = inspect.Parameter.VAR_POSITIONAL


@cache
def _signature(name: str) -> inspect.Signature:
    """How a filter is written in an expression: without the value, and without what it is told besides."""
    parameters = inspect.signature(FILTERS[name]).parameters.values()
    return inspect.Signature(
        [
            parameter.replace(annotation=inspect.Parameter.empty)
            for parameter in parameters
            if parameter.name not in ("context", "value")
        ]
    )


def _keywords(signature: inspect.Signature) -> list[str]:
    return [each.name for each in signature.parameters.values() if each.kind is not _SEVERAL]


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _check_format(written: Any, *, what: dates.What) -> None:
    _check_text(written, what="a format")
    dates.compiled(written, what)


def _check_pattern(pattern: Any) -> None:
    _check_text(pattern, what="a regular expression")
    if found := _CONTROL.search(pattern):
        raise ValueError(
            f"the regular expression has the control character {found[0]!r} in it, which is what quotes in "
            r"an expression make of a single backslash: write two, as in \\b or \\1"
        )
    patterns.compiled(pattern)


def _check_pivot(pivot: Any) -> None:
    if not isinstance(pivot, int) or isinstance(pivot, bool) or not 0 <= pivot <= 100:
        raise ValueError(f"pivot is the first of the two digits that mean 19.., 0 to 100, not {pivot!r}")


def _check_flag(flag: Any) -> None:
    if not isinstance(flag, bool):
        raise ValueError(f"birth is true or false, not {flag!r}")


def _check_index(index: Any) -> None:
    if not isinstance(index, int) or isinstance(index, bool):
        raise ValueError(f"part counts from 0, and {index!r} is no number")


def _check_text(text: Any, *, what: str) -> None:
    if not isinstance(text, str) or not text:
        raise ValueError(f"{what} is a text in quotes that is not empty")


_CHECKS: Mapping[str, Mapping[str, Callable[[Any], None]]] = {
    "dicom_date": {
        "formats": partial(_check_format, what="date"),
        "pivot": _check_pivot,
        "birth": _check_flag,
    },
    "dicom_datetime": {"formats": partial(_check_format, what="date and time"), "pivot": _check_pivot},
    "dicom_name": {"form": names.check_form},
    "dicom_time": {"formats": partial(_check_format, what="time")},
    "fit": {"vr": check_vr},
    "match": {"pattern": _check_pattern},
    "pad": {"width": check_width},
    "part": {"separator": partial(_check_text, what="what separates parts"), "index": _check_index},
    "pick": {"name": partial(_check_text, what="the name of a map")},
    "replace": {"old": partial(_check_text, what="what to replace")},
}
