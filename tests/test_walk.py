"""Which files a folder means."""

from __future__ import annotations

from pathlib import Path

from gateway import walk


def _walk(path: Path) -> tuple[list[str], list[str]]:
    complaints: list[str] = []
    found = list(walk.sources(path, lambda _path, reason: complaints.append(reason)))
    return [source.relative for source in found], complaints


def test_folder_is_walked_in_natural_order(tmp_path: Path) -> None:
    for name in ("img10.jpg", "img2.jpg", "Img1.jpg", "b/x.jpg", "a/10/y.jpg", "a/9/y.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert _walk(tmp_path)[0] == ["a/9/y.jpg", "a/10/y.jpg", "b/x.jpg", "Img1.jpg", "img2.jpg", "img10.jpg"]


def test_litter_is_passed_over_in_folders_but_not_when_it_is_named(tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "@eaDir/thumb.jpg", "a.jpg.part", "~$a.pdf", "._a.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert _walk(tmp_path)[0] == ["a.jpg"]
    assert _walk(tmp_path / "a.jpg.part")[0] == ["a.jpg.part"]


def test_missing_file_is_a_sentence_and_not_an_error(tmp_path: Path) -> None:
    found, complaints = _walk(tmp_path / "missing.jpg")
    assert not found
    assert complaints == [f"{tmp_path / 'missing.jpg'} is not there: check the name"]


def test_source_knows_its_place_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.jpg").touch()
    (tmp_path / "d.jpg").touch()
    below, top = walk.sources(tmp_path, lambda *_: None)
    assert (below.name, below.folder, below.relative) == ("c.jpg", "a/b", "a/b/c.jpg")
    assert (top.name, top.folder, top.relative) == ("d.jpg", "", "d.jpg")


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "x.jpg").touch()
    assert _walk(tmp_path)[0] == ["a/x.jpg"]
