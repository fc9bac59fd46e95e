"""DICOM files on their way through: sent as they are, or with a new header around the same pixels."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from gateway.dicom import uids
from gateway.dicom.charsets import SPECIFIC_CHARACTER_SET
from gateway.dicom.dictionary import Step, keyword_of, parse_path
from gateway.dicom.elements import EXPLICIT, PIXEL_DATA, UNDEFINED, header, name_of
from gateway.dicom.frames import number_of_frames
from gateway.dicom.part10 import assembled, element_of, encoded, file_meta_of
from gateway.dicom.reader import Part10, decoded, elements_with_their_text, read
from gateway.errors import Reject, Retry
from gateway.media_types import EXPLICIT_LITTLE, FORBIDDEN, INFLATED, MEDIA_TYPES, is_native, is_video
from gateway.model import Attributes, Instance, Probe
from gateway.stream import FileSlice, Stream

_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E

_SUFFIXED = (_STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID, _SOP_INSTANCE_UID)
_CHARACTER_SET = (Step(SPECIFIC_CHARACTER_SET),)
_SAFE_UID = re.compile(r"[0-9.]{1,64}")
"""Less than PS3.5 9.1 demands, as archives hold UIDs with leading zeros; but enough for a URL."""


@dataclass(frozen=True, slots=True)
class _Changes:
    """What is to be different in a file.

    `whole` are the paths of sequences that were set as a whole; of others, items that were set by
    path. `removed` has the steps to each attribute that the file is to lose.
    """

    dataset: Dataset
    whole: frozenset[str]
    removed: tuple[tuple[Step, ...], ...]
    uid_suffix: str

    def __bool__(self) -> bool:
        return bool(self.dataset or self.removed or self.uid_suffix)

    def replaces(self, tag: int) -> bool:
        """Whether nothing of an attribute's old value stays."""
        if tag in self.dataset:
            return (
                self.dataset[tag].VR != "SQ" or not self.dataset[tag].value or keyword_of(tag) in self.whole
            )
        return any(path[0].tag == tag and len(path) == 1 for path in self.removed)


def adopt(probe: Probe, attributes: Attributes | None, *, verbatim: bool, uid_suffix: str = "") -> Instance:
    """The instance that a DICOM file is, with the attributes given over its own.

    With nothing to change the file is sent as it is, every byte, even one that ends too soon. Implicit
    VR and Big Endian, which web services forbid (PS3.18 8.7.3), become Explicit VR Little Endian, with
    a message, unless `verbatim`; so does a data set without File Meta Information in any case, which
    nobody could send as it is. Changes always mean a new header, in Explicit VR Little Endian and
    UTF-8, whatever `verbatim` says; pixel data keep their bytes and their compression.

    Elements of `attributes.dataset` replace the file's; of a sequence that was set by path, item by
    item, those elements that the item has. What `attributes.removed` names is left out. `uid_suffix` is
    appended to the file's Study, Series and SOP Instance UID; an attribute replaces a UID with its
    suffix.

    Raises `Reject` for UIDs that are none, for a file that cannot be given a new header without a loss,
    and for what `read` refuses; `Retry` where the file has changed since it was probed.
    """
    part10 = read(probe.source.path, bare=True)
    _check_unchanged(probe, part10)
    changes = _changes(part10, attributes, uid_suffix)
    if changes:
        instance = _changed(probe, part10, changes)
    elif not part10.file_meta or (part10.transfer_syntax in FORBIDDEN and not verbatim):
        instance = _in_explicit_vr(probe, part10)
    else:
        instance = _as_it_is(probe, part10)
    told = (*probe.messages, *(attributes.messages if attributes else ()))
    return replace(instance, messages=(*told, *instance.messages))


def _check_unchanged(probe: Probe, part10: Part10) -> None:
    for piece in probe.content.pieces:
        if isinstance(piece, FileSlice) and piece.stamp != part10.stamp:
            raise Retry(f"{part10.path} changed while it was being read; try again when it is complete")


def _changes(part10: Part10, attributes: Attributes | None, uid_suffix: str) -> _Changes:
    """What is to be changed; the character set is no choice."""
    if attributes is None:
        return _Changes(Dataset(), frozenset(), (), uid_suffix)
    dataset = copy.deepcopy(attributes.dataset)
    dataset.pop(SPECIFIC_CHARACTER_SET, None)
    paths = (parse_path(path) for path in attributes.removed)
    removed = tuple(path for path in paths if path != _CHARACTER_SET and _is_there(part10, path))
    for tag in (*map(int, dataset.keys()), *(path[0].tag for path in removed)):
        if tag >> 16 in (0x0002, 0x7FE0):
            raise Reject(
                f"{name_of(tag)} of {part10.path} cannot be set or removed: it follows from the pixel data"
            )
        if tag >> 16 & 1 and tag & 0xFFFF <= 0xFF:
            _check_creator(part10, dataset[tag])
    return _Changes(dataset, frozenset(attributes.origins), removed, uid_suffix)


def _is_there(part10: Part10, path: tuple[Step, ...]) -> bool:
    tag = path[0].tag
    if len(path) == 1:
        return tag in part10.elements or any(bulk.tag == tag for bulk in part10.bulks)
    return _owner(part10.dataset, path) is not None


def _owner(dataset: Dataset, path: tuple[Step, ...]) -> Dataset | None:
    """The data set or item that has the attribute at the end of a path; None if there is none."""
    for step in path[:-1]:
        if not _is_sequence(dataset, step.tag) or step.index >= len(dataset[step.tag].value):
            return None
        dataset = dataset[step.tag].value[step.index]
    return dataset if path[-1].tag in dataset else None


def _is_sequence(dataset: Dataset, tag: int) -> bool:
    return tag in dataset and dataset.get_item(tag).VR == "SQ"


def _check_creator(part10: Part10, creator: DataElement) -> None:
    """Raise `Reject` where a block of private attributes would become somebody else's (PS3.5 7.8.1)."""
    if creator.tag in part10.dataset and part10.dataset[creator.tag].value != creator.value:
        raise Reject(
            f"{part10.path} has private attributes of {str(part10.dataset[creator.tag].value)!r} at "
            f"{name_of(creator.tag)}, where those of {str(creator.value)!r} are to be set. "
            "Give them another block"
        )


def _as_it_is(probe: Probe, part10: Part10) -> Instance:
    """The file, every byte of it."""
    return replace(
        _instance(probe, part10.dataset, part10.transfer_syntax, probe.content),
        bulks=part10.bulks,
        metadata_obstacle=_obstacle(part10, part10.transfer_syntax, part10.faulty, part10.illegible),
        messages=(f"is damaged: {part10.damage}. It is sent as it is",)
        if part10.damage and probe.whole
        else (),
    )


def _in_explicit_vr(probe: Probe, part10: Part10) -> Instance:
    """The file in another transfer syntax and nothing else: its text stays in its character set."""
    _check_rewritable(part10, EXPLICIT_LITTLE)
    file_meta = _file_meta(part10, part10.dataset, EXPLICIT_LITTLE)
    elements: dict[int, bytes | Stream] = {
        **elements_with_their_text(part10),
        **_bulk_elements(part10, EXPLICIT_LITTLE),
    }
    return replace(
        _as_it_is(probe, part10),
        transfer_syntax=EXPLICIT_LITTLE,
        part10=assembled(file_meta, elements),
        metadata_obstacle=_obstacle(part10, EXPLICIT_LITTLE, part10.faulty, part10.illegible),
        messages=_rewritten(part10) if part10.transfer_syntax != EXPLICIT_LITTLE else (),
    )


def _changed(probe: Probe, part10: Part10, changes: _Changes) -> Instance:
    """The file with a new header, in which whatever is not changed keeps its bytes."""
    source = part10.transfer_syntax
    target = EXPLICIT_LITTLE if source in FORBIDDEN else INFLATED.get(source, source)
    _check_rewritable(part10, target)
    _check_legible(part10, tuple(tag for tag in part10.illegible if not changes.replaces(tag)))
    edited = decoded(part10.elements)
    touched = _edit(edited, changes, part10.path)
    elements: dict[int, bytes | Stream] = {**part10.elements, **_bulk_elements(part10, target)}
    for tag in touched:
        elements.pop(tag, None)
        if tag in edited:
            elements[tag] = encoded(edited.get_item(tag))
    if part10.faulty:  # the file keeps what pydicom cannot read; what is looked at does not have it
        edited = part10.dataset
        _edit(edited, changes, part10.path)
    faulty = tuple(tag for tag in part10.faulty if not changes.replaces(tag))
    return replace(
        _instance(probe, edited, target, assembled(_file_meta(part10, edited, target), elements)),
        bulks=tuple(bulk for bulk in part10.bulks if bulk.tag not in touched),
        metadata_obstacle=_obstacle(part10, target, faulty, ()),
        messages=() if target == source else _rewritten(part10),
    )


def _rewritten(part10: Part10) -> tuple[str, ...]:
    """What the user is told of another transfer syntax."""
    was = FORBIDDEN.get(part10.transfer_syntax)
    if was is None:
        return ("was deflated, and is not any more, so that its header could be changed",)
    told = f"was in {was}, which web services may not carry; it is sent in Explicit VR Little Endian"
    slices = [piece for bulk in part10.bulks if bulk.vr == "OW" for piece in bulk.value.pieces]
    if any(isinstance(piece, FileSlice) and piece.swap > 2 for piece in slices):
        return (
            told,
            "has samples of more than 16 bits in Big Endian, which not all programs read alike: check them",
        )
    return (told,)


def _check_rewritable(part10: Part10, target: str) -> None:
    """Raise `Reject` where a new header cannot be put around the rest of the file."""
    problem = None
    known = target in MEDIA_TYPES or is_native(target)
    if part10.damage:
        problem = f"it is damaged, {part10.damage}"
    elif part10.omitted:
        problem = f"{_names(part10.omitted)} is too large for that"
    elif part10.encoding != EXPLICIT and not known:
        problem = f"its transfer syntax {part10.transfer_syntax} is not known"
    elif part10.fragments is not None and is_native(target):
        problem = f"its pixel data are in fragments, which {part10.transfer_syntax} does not have"
    if problem:
        remedy = "It can be stored as it is, without attributes and with --verbatim"
        if not part10.file_meta:
            remedy = "Make a complete DICOM file of it where it came from"
        raise Reject(f"{part10.path} cannot be given a new header: {problem}. {remedy}")


def _check_legible(part10: Part10, unclear: tuple[int, ...]) -> None:
    if unclear:
        raise Reject(
            f"{part10.path} cannot be given a new header: {_names(unclear)} has text beyond ASCII that does "
            "not fit the character set that the file declares, or it declares none. Set these attributes as "
            "well, or store the file as it is, without attributes"
        )


def _edit(dataset: Dataset, changes: _Changes, path: Path) -> set[int]:
    """Make the changes in `dataset`; the tags of what is no longer as it was."""
    for steps in changes.removed:
        owner = _owner(dataset, steps)
        if owner is not None:
            del owner[steps[-1].tag]
    suffixed = {tag for tag in _SUFFIXED if changes.uid_suffix and tag not in changes.dataset}
    for tag in suffixed:
        dataset[tag] = _suffixed(tag, _uid(dataset, tag, path), changes.uid_suffix, path)
    _merge(dataset, changes.dataset, changes.whole)
    removed = (steps[0].tag for steps in changes.removed)
    return suffixed.union(removed, map(int, changes.dataset.keys()))


def _suffixed(tag: int, uid: str, suffix: str, path: Path) -> DataElement:
    try:
        uids.check(uid + suffix)
    except ValueError as error:
        raise Reject(
            f"{path} cannot be stored with the suffix {suffix!r} to its {name_of(tag)}: {error}"
        ) from error
    return DataElement(tag, "UI", uid + suffix)


def _merge(dataset: Dataset, changes: Dataset, whole: frozenset[str], prefix: str = "") -> None:
    """Elements of `changes` replace those of `dataset`; of sequences set by path, within their items."""
    for element in changes:
        name = f"{prefix}{keyword_of(element.tag)}"
        whole_anyway = element.VR != "SQ" or not element.value or not _is_sequence(dataset, element.tag)
        if whole_anyway or name in whole:
            dataset[element.tag] = element
            continue
        items = dataset[element.tag].value
        for number, item in enumerate(element.value):
            if number < len(items):
                _merge(items[number], item, whole, f"{name}[{number}]." if number else f"{name}.")
            else:
                items.append(item)


def _file_meta(part10: Part10, dataset: Dataset, transfer_syntax: str) -> FileMetaDataset:
    sop_class_uid = _uid(dataset, _SOP_CLASS_UID, part10.path)
    sop_instance_uid = _uid(dataset, _SOP_INSTANCE_UID, part10.path)
    return file_meta_of(sop_class_uid, sop_instance_uid, transfer_syntax, part10.file_meta)


def _bulk_elements(part10: Part10, transfer_syntax: str) -> dict[int, Stream]:
    """The large values of a file as elements; fragments keep their items and tables."""
    return {
        bulk.tag: Stream.of(header(bulk.tag, "OB", UNDEFINED), part10.fragments.whole)
        if bulk.encapsulated and part10.fragments is not None
        else element_of(bulk, transfer_syntax, part10.path)
        for bulk in part10.bulks
    }


def _instance(probe: Probe, dataset: Dataset, transfer_syntax: str, stream: Stream) -> Instance:
    path = probe.source.path
    return Instance(
        source=probe.source,
        sop_class_uid=_uid(dataset, _SOP_CLASS_UID, path),
        sop_instance_uid=_uid(dataset, _SOP_INSTANCE_UID, path),
        series_instance_uid=_uid(dataset, _SERIES_INSTANCE_UID, path),
        study_instance_uid=_uid(dataset, _STUDY_INSTANCE_UID, path),
        transfer_syntax=transfer_syntax,
        dataset=dataset,
        part10=stream,
    )


def _uid(dataset: Dataset, tag: int, path: Path) -> str:
    value = str(dataset[tag].value or "") if tag in dataset else ""
    if not value:
        raise Reject(
            f"{path} has no {name_of(tag)}, without which no archive can file it. It has to be repaired first"
        )
    if _SAFE_UID.fullmatch(value) is None:
        raise Reject(
            f"{path} has a {name_of(tag)} that is no UID: {value[:80]!r}. It has to be repaired first"
        )
    return value


def _obstacle(
    part10: Part10, transfer_syntax: str, faulty: tuple[int, ...], illegible: tuple[int, ...]
) -> str | None:
    """Why PS3.18 does not let the file travel as metadata and bulk data, or what would be lost by it."""
    if transfer_syntax in FORBIDDEN:
        return f"{FORBIDDEN[transfer_syntax]} is sent as it is"
    if transfer_syntax in INFLATED:
        return "its data set is deflated"
    if part10.damage:
        return f"it is damaged: {part10.damage}"
    if part10.omitted:
        return f"{_names(part10.omitted)} is too large for metadata"
    if faulty:
        return f"{_names(faulty)} is not what its value representation demands"
    if illegible:
        return f"{_names(illegible)} has text beyond ASCII without a valid character set"
    return _pixel_obstacle(part10, transfer_syntax)


def _pixel_obstacle(part10: Part10, transfer_syntax: str) -> str | None:
    """Why pixel data cannot be one bulk data part (PS3.18 10.5.1.4, 8.7.3.3)."""
    if all(bulk.tag not in PIXEL_DATA for bulk in part10.bulks):
        return None
    if is_native(transfer_syntax) != (part10.fragments is None):
        return "its pixel data are not in its transfer syntax"
    if part10.fragments is None or is_video(transfer_syntax):
        return None
    if transfer_syntax not in MEDIA_TYPES:
        return f"there is no media type for {UID(transfer_syntax).name} (PS3.18 8.7.3)"
    frames = number_of_frames(part10.dataset)
    if frames > 1:
        return (
            f"each of its {frames:,} compressed frames would have to be a part of its own (PS3.18 10.5.1.4)"
        )
    return None


def _names(tags: Iterable[int]) -> str:
    return ", ".join(name_of(tag) for tag in tags)
