"""The page of a report: figures as text and as drawings, in one file that needs no other.

It names no files and no patients, so that it can be passed on; the lists beside it do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from gateway.intake.batch.disk import KINDS, NAMELESS, Disk
from gateway.intake.batch.figures import Figures, Work

if TYPE_CHECKING:
    from gateway.intake.batch.report import Summary

COLOURS = {
    "stored": "#2f7d5b",
    "warning": "#8db04a",
    "changed": "#4f9a8a",
    "duplicate": "#6f93b8",
    "skipped": "#a9b0b8",
    "held": "#d99a2b",
    "rejected": "#c2453d",
    "failed": "#8e2f45",
    "retry": "#b7a3cf",
    "left": "#d5cfe0",
}
"""What outcomes are drawn in."""

MEANING = {
    "stored": "the archive has it",
    "warning": "stored, and the archive remarked on it",
    "changed": "stored; would be described otherwise today",
    "duplicate": "the same object as another file",
    "skipped": "not meant to be stored",
    "held": "a person must settle a doubt",
    "rejected": "cannot be stored as it is",
    "failed": "the archive refused it",
    "retry": "is tried again by the next run",
    "left": "not looked at yet",
}

REASONS = {
    "unidentified": "The patient is not known for certain",
    "no-row": "The table has no row for the file",
    "many-rows": "The table has several rows for the file",
    "table": "The table cannot be used",
    "no-mapping": "No mapping is for the file",
    "path": "The file's name or folder does not fit the mapping",
    "mapping": "A value in the mapping, table or sidecar cannot be used",
    "check": "A check of the mapping holds it",
    "sidecar": "The file that describes it cannot be used",
    "sidecar-missing": "The file that describes it is missing",
    "barcode": "The bar code does not say whose it is",
    "another-patient": "Its study belongs to another patient",
    "missing-page": "A page of the document is missing",
    "incomplete": "The file ends too soon",
    "rejected": "The file is damaged, or of a kind that is not stored",
    "packed": "An archive of files: unpack it, take it away and scan again",
    "no-file": "The table names a file that is not there",
    "by-hand": "Given up by a person",
    "vanished": "Taken away before it was stored",
    "defect": "The gateway itself failed: please report it",
    "changed": "It changes while it is read",
    "paused": "The archive takes nothing for now",
    "later": "It could not be read to its end",
}
"""Reasons in words, where they are not the archive's own codes."""

MOST_FORMATS = 12
WIDTH = 1000
"""Width of a drawing across the page, in the units of its text; a narrow one stands beside another."""
NARROW = 480

SMALLEST = 10
"""Files of less than this power of two of bytes are one bar."""


def written(summary: Summary, figures: Figures, *, made: datetime) -> Iterator[str]:
    """The text of the page."""
    rows = [_row(name, count, summary.files) for name, count in summary.counts.items()]
    return rendered(
        "report.html",
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        tiles=list(_tiles(summary, figures)),
        outcomes=rows,
        bar=list(_stacked(summary.counts, summary.files, WIDTH)),
        width=WIDTH,
        rate=_rate(figures),
        formats=_formats(figures),
        sizes=_sizes(figures),
        slowest=_slowest(figures),
        reasons=list(_reasons(figures)),
        disk=_disk(summary.disk, summary.files) if summary.disk else None,
    )


def rendered(name: str, **facts: Any) -> Iterator[str]:
    """A page by its template, piece by piece."""
    import jinja2

    folder = resources.files("gateway.intake.batch")
    loader = jinja2.FunctionLoader(lambda each: folder.joinpath(each).read_text("utf-8"))
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(name).generate(**facts)


def _tiles(summary: Summary, figures: Figures) -> Iterator[tuple[str, str, str]]:
    """The figures at the top: a number, what it is, and what sort of news that is."""
    counts = summary.counts
    there = sum(counts.get(name, 0) for name in ("stored", "warning", "changed", "duplicate"))
    asked = sum(counts.get(name, 0) for name in ("held", "rejected", "failed"))
    left = sum(counts.get(name, 0) for name in ("retry", "left"))
    yield f"{summary.files:,}", f"files, {amount(summary.size)}", ""
    of = share(there, summary.files).replace(" ", "\N{NO-BREAK SPACE}")
    yield f"{there:,}", f"are in the archive ({of})", "good"
    yield f"{asked:,}", "need somebody's attention", "bad" if asked else ""
    yield f"{left:,}", "are left for the next run", "warn" if left else ""
    if figures.first is not None and figures.last is not None:
        yield span(figures.last - figures.first), "from the first file to the last", ""


def _row(name: str, count: int, of: int) -> dict[str, str]:
    return {
        "name": name,
        "colour": COLOURS.get(name, "#888"),
        "count": f"{count:,}",
        "share": share(count, of),
        "meaning": MEANING.get(name, ""),
    }


def _stacked(counts: Mapping[str, int], of: int, width: float) -> Iterator[dict[str, Any]]:
    """The parts of a bar, each at least wide enough to be seen."""
    shown = {name: count for name, count in counts.items() if count}
    least = 2.0
    room = width - least * len(shown)
    place = 0.0
    for name in sorted(shown, key=list(COLOURS).index):
        wide = least + room * shown[name] / max(of, 1)
        yield {
            "x": f"{place:.1f}",
            "width": f"{wide:.1f}",
            "colour": COLOURS[name],
            "title": f"{name}: {shown[name]:,}",
        }
        place += wide


def _disk(disk: Disk, files: int) -> dict[str, Any]:
    """How the files of the report and those left out add up to what is on the disk."""
    return {
        "ended": disk.ended,
        "title": "What the table names" if disk.is_table else "What is on the disk",
        "whole": "rows of the table" if disk.is_table else "on the disk",
        "when": f"{datetime.fromtimestamp(disk.at, UTC):%Y-%m-%d %H:%M} UTC",
        "taken": f"{disk.taken:,}",
        "files": f"{disk.files:,}",
        "before": f"{files - disk.taken:,}" if files > disk.taken else "",
        "unreadable": f"{disk.unreadable:,}" if disk.unreadable else "",
        "kinds": [
            {
                "words": KINDS[each.kind],
                "names": [] if each.kind in NAMELESS else each.most(12),
                "count": f"{each.files:,}",
            }
            for each in disk.kinds()
        ],
    }


def _rate(figures: Figures) -> dict[str, Any] | None:
    """An area of files a second over time, with lines to read it by; None where nothing has ended."""
    points = figures.rate.points()
    if not points:
        return None
    left, right, top, bottom = 48.0, float(WIDTH - 4), 10.0, 200.0
    highest = max(value for _, value in points)
    unit, factor = ("s", 1.0) if highest >= 1 else ("min", 60.0) if highest * 60 >= 1 else ("h", 3600.0)
    steps = _steps(highest * factor)
    first, last = points[0][0], points[-1][0] + figures.rate.width

    def x(moment: float) -> float:
        return left + (right - left) * (moment - first) / (last - first)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value * factor / steps[-1]

    outline = [f"{left:.1f},{bottom:.1f}"]
    for moment, value in points:
        outline.append(f"{x(moment):.1f},{y(value):.1f}")
        outline.append(f"{x(moment + figures.rate.width):.1f},{y(value):.1f}")
    outline.append(f"{right:.1f},{bottom:.1f}")
    moments = [first + (last - first) * part / 4 for part in range(5)]
    return {
        "points": " ".join(outline),
        "unit": unit,
        "lines": [(f"{y(step / factor):.1f}", _plain(step)) for step in steps],
        "ticks": _ticks((f"{x(moment):.1f}", _clock(moment, last - first)) for moment in moments),
        "left": left,
        "right": right,
        "bottom": bottom,
    }


def _ticks(ticks: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The ticks without those that say the same as the one before."""
    found: list[tuple[str, str]] = []
    for place, words in ticks:
        if not found or found[-1][1] != words:
            found.append((place, words))
    return found


def _formats(figures: Figures) -> list[dict[str, Any]]:
    """Outcomes by format, the most frequent first."""
    most = max((work.files for work in figures.formats.values()), default=1)
    return [
        {
            "name": name,
            "count": f"{work.files:,}",
            "size": amount(work.size),
            "parts": list(_stacked(work.outcomes, work.files, max(8.0, 420.0 * work.files / most))),
        }
        for name, work in _most(figures, lambda work: work.files)
    ]


def _slowest(figures: Figures) -> list[dict[str, Any]]:
    """Seconds a file by format, the slowest first."""
    timed = [(name, work) for name, work in figures.formats.items() if work.timed]
    timed.sort(key=lambda pair: pair[1].seconds / pair[1].timed, reverse=True)
    most = max((work.seconds / work.timed for _, work in timed), default=1.0) or 1.0
    return [
        {
            "name": name,
            "each": _seconds(work.seconds / work.timed),
            "all": span(work.seconds),
            "width": f"{max(2.0, 420.0 * (work.seconds / work.timed) / most):.1f}",
        }
        for name, work in timed[:MOST_FORMATS]
    ]


def _most(figures: Figures, key: Any) -> list[tuple[str, Work]]:
    return sorted(figures.formats.items(), key=lambda pair: (-key(pair[1]), pair[0]))[:MOST_FORMATS]


def _sizes(figures: Figures) -> dict[str, Any] | None:
    """Bars of files by size: each twice as large as the one before it."""
    if not figures.sizes:
        return None
    sizes: Counter[int] = Counter()
    for bit, count in figures.sizes.items():
        sizes[max(bit, SMALLEST)] += count
    bits = list(range(min(sizes), max(*sizes, min(sizes) + 5) + 1))
    left, right, top, bottom = 48.0, float(NARROW - 4), 10.0, 150.0
    wide = (right - left) / len(bits)
    every = math.ceil(len(bits) / 7)
    steps = _steps(max(4, *sizes.values()), whole=True)
    scale = (bottom - top) / steps[-1]
    bars = [
        {
            "x": f"{left + wide * place + 1:.1f}",
            "width": f"{max(wide - 2, 1):.1f}",
            "y": f"{bottom - scale * sizes[bit]:.1f}",
            "height": f"{scale * sizes[bit]:.1f}",
            "title": f"{_from(bit)} to {_binary(1 << bit)}: {sizes[bit]:,} files",
        }
        for place, bit in enumerate(bits)
    ]
    ticks = [
        (f"{left + wide * place:.1f}", _from(bit)) for place, bit in enumerate(bits) if place % every == 0
    ]
    lines = [(f"{bottom - scale * step:.1f}", _plain(step)) for step in steps]
    return {
        "bars": bars,
        "ticks": ticks,
        "lines": lines,
        "left": left,
        "right": right,
        "bottom": bottom,
        "width": NARROW,
    }


def _from(bit: int) -> str:
    """The least bytes of a bar."""
    return "0" if bit <= SMALLEST else _binary(1 << (bit - 1))


def _binary(size: int) -> str:
    """A power of two of bytes: `4 MiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} TiB"


def _reasons(figures: Figures) -> Iterator[dict[str, str]]:
    for (status, reason), count in figures.reasons.most_common(30):
        yield {
            "colour": COLOURS.get(status, "#888"),
            "status": status,
            "count": f"{count:,}",
            "words": REASONS.get(reason, MEANING.get(status, "") if not reason else ""),
            "code": reason,
        }


# Numbers for people


def amount(size: float) -> str:
    """Bytes as people read them: `3.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:,.0f} {unit}" if size >= 100 or unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError


def share(part: int, of: int) -> str:
    """A part as a percentage that is neither all nor nothing unless the part is."""
    if not of or part in (0, of):
        return "100 %" if of and part else "0 %"
    return f"{min(max(100 * part / of, 0.1), 99.9):.1f} %"


def span(seconds: float) -> str:
    """A length of time: `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _steps(highest: float, *, whole: bool = False) -> list[float]:
    """Round values from 0 to one that is not below the highest; of things that are counted `whole` ones."""
    rough = max(highest, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    rounds = (power * factor for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100))
    step = next(each for each in rounds if each >= rough and not (whole and each % 1))
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"


def _clock(moment: float, span_of_time: float) -> str:
    form = "%H:%M:%S" if span_of_time < 600 else "%H:%M" if span_of_time < 86_400 else "%d %b %H:%M"
    return datetime.fromtimestamp(moment, UTC).strftime(form)
