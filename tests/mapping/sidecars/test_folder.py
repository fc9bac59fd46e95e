import os
from pathlib import Path

import pytest

from gateway.mapping.sidecars import folder
from gateway.mapping.sidecars.folder import matching


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    for name in ("IMG_1.JPG", "IMG_1.XML", "img_10.xml", "scan[1].ini", "._IMG_1.xml", "Ärzte.txt"):
        (tmp_path / name).touch()
    (tmp_path / "img_1.d").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("img_1.xml", ["IMG_1.XML"]),
        ("IMG_1*.xml", ["IMG_1.XML", "img_10.xml"]),
        ("*.xml", ["IMG_1.XML", "img_10.xml"]),
        ("img_?.*", ["IMG_1.JPG", "IMG_1.XML"]),
        ("scan[[]1].INI", ["scan[1].ini"]),
        ("scan[1].ini", []),
        ("._*", ["._IMG_1.xml"]),
        ("ärzte.*", ["Ärzte.txt"]),
        ("other*", []),
        ("*", ["IMG_1.JPG", "IMG_1.XML", "img_10.xml", "scan[1].ini", "Ärzte.txt"]),
    ],
)
def test_names_match_in_any_case(exam: Path, pattern: str, names: list[str]) -> None:
    assert [path.name for path in matching(exam, pattern)] == names


def test_there_is_nothing_in_a_folder_that_is_not_there(exam: Path) -> None:
    assert matching(exam / "other", "*") == []
    assert matching(exam / "IMG_1.JPG", "*") == []


def test_a_settled_folder_is_listed_once_and_again_after_a_change(
    exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(exam, (1, 1))
    listed: list[Path] = []
    inner = folder._listed
    monkeypatch.setattr(folder, "_listed", lambda each: listed.append(each) or inner(each))
    assert [len(matching(exam, "*.xml")) for _ in range(3)] == [2, 2, 2]
    assert listed == [exam]
    (exam / "new.xml").touch()
    assert [len(matching(exam, "*.xml")) for _ in range(2)] == [3, 3]
    assert listed == [exam] * 3  # one that has just changed may change again within the same tick
