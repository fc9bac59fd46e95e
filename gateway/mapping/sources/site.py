"""`site`: what is the same for all files of a place, as a mapping, a folder or an option says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from gateway.config import Site

NAMES = tuple(each.name for each in fields(Site) if each.name != "variables")
"""`clock` is in seconds, `max_age` in days, `since` a date; the site's own variables come with them."""

_USUAL = Site()


def names(site: Site) -> tuple[str, ...]:
    """The facts that there are: the same for every site, and the variables of this one."""
    return (*NAMES, *site.variables)


def facts(site: Site) -> Mapping[str, Any]:
    """The facts of a site; None where it does not say one."""
    said = {name: getattr(site, name) or None for name in NAMES}
    return {
        **site.variables,
        **said,
        "clock": round(site.clock.total_seconds()) or None,
        "max_age": site.max_age.days if site.max_age else None,
    }


def over(lower: Site, higher: Site) -> Site:
    """Both together: what both say, the higher one decides."""
    said = {name: value for name in NAMES if (value := getattr(higher, name)) != getattr(_USUAL, name)}
    return replace(lower, **said, variables={**lower.variables, **higher.variables})
