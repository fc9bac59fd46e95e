"""Sources of facts, a module each: what they know of a file, for templates and mappings to name.

A source of the file itself has `NAMES`, every fact that it can know, and `facts(probe)`, in which each
of them is None where this file does not say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gateway.mapping.expressions import Facts
from gateway.mapping.sources import cda, exif, media, model, path, pdf, video
from gateway.mapping.sources.path import Patterns
from gateway.model import Probe


def known(patterns: Patterns) -> Mapping[str, tuple[str, ...]]:
    """The sources that there are, and the facts of each; `path` only where there is a pattern."""
    names = {
        "cda": cda.NAMES,
        "exif": exif.NAMES,
        "media": media.NAMES,
        "model": model.NAMES,
        "pdf": pdf.NAMES,
        "video": video.NAMES,
    }
    return names | {"path": path.names(patterns)} if patterns else names


def gather(probe: Probe, captured: datetime | None, patterns: Patterns) -> Facts:
    """All that is known of a file; `captured` is when it was made, as far as that can be true.

    Raises `Reject` when the file's path is not as a pattern says.
    """
    return {
        "cda": cda.facts(probe),
        "exif": exif.facts(probe),
        "media": media.facts(probe, captured),
        "model": model.facts(probe),
        "path": path.facts(probe.source, patterns),
        "pdf": pdf.facts(probe),
        "video": video.facts(probe),
    }
