import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr._concepts_dict import concepts

from gateway.dicom.codes import LISTS, CodeList, fault, faults


def item(value: str, meaning: str) -> Dataset:
    dataset = Dataset()
    dataset.CodeValue, dataset.CodingSchemeDesignator, dataset.CodeMeaning = value, "SCT", meaning
    return dataset


@pytest.mark.parametrize("known", LISTS, ids=[known.name for known in LISTS])
def test_codes_mean_what_pydicom_knows_of_them(known: CodeList) -> None:
    meanings: dict[str, set[str]] = {}
    for codes in concepts[known.scheme].values():
        for value, (meaning, _) in codes.items():
            meanings.setdefault(value, set()).add(meaning.casefold())
    for value, meaning in known.meanings.items():
        assert meaning.casefold() in meanings[value]


def test_only_known_codes_are_judged() -> None:
    assert fault("AnatomicRegionSequence", "SCT", "39937001", "skin") is None
    assert fault("AnatomicRegionSequence", "99X", "1", "Anything") is None
    assert fault("ProcedureCodeSequence", "SCT", "39937001", "Anything") is None
    wrong = fault("AnatomicRegionSequence", "SRT", "39937001", "Skin")
    assert (
        wrong == "SRT:39937001:Skin, since 39937001 is a code of SCT and means Skin: write SCT:39937001:Skin"
    )


def test_codes_within_items_are_found() -> None:
    region = item("40983000", "Upper arm")
    region.AnatomicRegionModifierSequence = Sequence([item("7771000", "Right")])
    dataset = Dataset()
    dataset.AnatomicRegionSequence = Sequence([region])
    assert list(faults(dataset)) == [
        "AnatomicRegionSequence.AnatomicRegionModifierSequence cannot be SCT:7771000:Right, "
        "since 7771000 is a code of SCT and means Left: write SCT:7771000:Left"
    ]
