"""References between objects of one call: a model to its materials, and these to their textures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.dicom.identity import Identity
from gateway.model import Probe


@dataclass(frozen=True, slots=True)
class Related:
    """An object that a document names, and the name that it uses."""

    name: str
    identity: Identity


def related(probe: Probe, own: Identity, known: Mapping[Path, Identity]) -> list[Related]:
    """The objects of the same study that a document names, by the paths of the files they are made of."""
    names = probe.document.names if probe.document else ()
    found = ((name, known.get(path)) for name in names if (path := probe.source.beside(name)))
    return [
        Related(name, identity)
        for name, identity in found
        if identity and identity.study_instance_uid == own.study_instance_uid
    ]


def set_references(dataset: Dataset, objects: Iterable[Related]) -> None:
    """Names the objects, in the document and in its Common Instance Reference (PS3.3 C.24.2, C.12.2)."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    items = []
    for each in objects:
        item = _reference(each.identity)
        by_series[each.identity.series_instance_uid].append(_reference(each.identity))
        item.RelativeURIReferenceWithinEncapsulatedDocument = quote(each.name)
        items.append(item)
    if not items:
        return
    dataset.ReferencedInstanceSequence = Sequence(items)
    dataset.ReferencedSeriesSequence = Sequence(_series(uid, parts) for uid, parts in by_series.items())


def _series(uid: str, references: list[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = uid
    series.ReferencedInstanceSequence = Sequence(references)
    return series


def _reference(identity: Identity) -> Dataset:
    """One item of the SOP Instance Reference macro (PS3.3 Table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = identity.sop_class_uid
    item.ReferencedSOPInstanceUID = identity.sop_instance_uid
    return item
