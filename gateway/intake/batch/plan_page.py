"""The page of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.intake.batch.page import COLOURS, MOST_FORMATS, amount, rendered, share, span
from gateway.intake.batch.plan import Plan, Share


def written(found: Plan) -> Iterator[str]:
    """The text of the page, in pieces."""
    return rendered(
        "plan.html",
        looked_at=f"{found.looked_at:,}",
        sample=f", a sample of {found.share:.2%}" if found.share else "",
        disk=found.now.disk.words() if found.now.disk else "",
        tiles=list(_tiles(found)),
        shares=[("Formats", _bars(found.formats)), ("Objects", _bars(found.templates))],
        problems=[
            {
                "colour": COLOURS.get(each.status, "#888"),
                "status": each.status,
                "kind": each.kind,
                "reason": each.reason,
                "files": f"{each.files:,}",
                "examples": [(file, text.splitlines()[0]) for file, text in each.examples[:3]],
            }
            for each in found.sorted_problems()
        ],
        remarks=[(words, f"{count:,}") for words, count in found.remarks.most_common(30)],
        tables=found.tables,
    )


def _tiles(found: Plan) -> Iterator[tuple[str, str, str]]:
    left_out = found.left_out.total()
    yield f"{found.ready.files:,}", f"would be sent, {amount(found.ready.size)}", "good"
    yield f"{found.studies:,}", f"studies, the largest of {found.largest:,} files", ""
    if found.again.files:
        yield f"{found.again.files:,}", "are the same object as another file", ""
    of = share(left_out, found.looked_at).replace(" ", "\N{NO-BREAK SPACE}")
    yield f"{left_out:,}", f"would not be sent ({of})", "bad" if left_out else ""
    stored = sum(found.now.counts.get(name, 0) for name in ("stored", "warning", "duplicate"))
    if stored:
        yield f"{stored:,}", "are in the archive already", ""
    given_up = sum(found.now.counts.get(name, 0) for name in ("rejected", "failed"))
    if given_up:
        yield f"{given_up:,}", "were rejected or refused before", "bad"
    yield span(found.estimate), f"at {found.rate:g} files a second", ""


def _bars(shares: Mapping[str, Share]) -> list[dict[str, str]]:
    most = max((each.files for each in shares.values()), default=1)
    rows = sorted(shares.items(), key=lambda pair: (-pair[1].files, pair[0]))[:MOST_FORMATS]
    return [
        {
            "name": name,
            "files": f"{each.files:,}",
            "size": amount(each.size),
            "width": f"{max(2.0, 420.0 * each.files / most):.1f}",
        }
        for name, each in rows
    ]
