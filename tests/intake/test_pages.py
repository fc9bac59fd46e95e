"""Single pages that are dropped into a hot folder: one document, whenever its pages come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import examples
from driven import Book, Driven, configure, driven, files_in, in_archive
from gateway.archive.server import running
from gateway.errors import Fatal
from gateway.ledger import Query, State

URL = "http://archive.test/dicom-web"
MAPPING = r"""
extends: common
sources:
  path: {name: '(?P<mrn>\d{7})_(?P<paper>[^_]+)_(?P<page>\d+)\..+'}
assemble:
  by: '{{ path.mrn }}/{{ path.paper }}'
  order: '{{ path.page }}'
  into: multipage-pdf
identity:
  study: '{{ path.paper }}'
attributes:
  PatientID: '{{ path.mrn }}'
  SeriesDescription: '{{ path.paper }}'
"""
FOLDER: dict[str, Any] = {
    "mapping": MAPPING,
    "group": {"by": "name", "pattern": "^[^_]+_[^_]+", "quiet": "10s"},
    "originals": {"move": "done"},
}
LETTER = [f"4711001_letter_{number}.jpg" for number in (1, 2, 3)]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def it(tmp_path: Path, book: Book) -> Iterator[Driven]:
    with driven(configure(tmp_path, URL, **FOLDER), archive=book) as it:
        yield it


def drop(it: Driven, *names: str) -> None:
    for name in names:
        examples.write(it.inbox / name, examples.jpeg(size=(40, 30), seed=sum(map(ord, name))))


def through(it: Driven) -> None:
    it.scan()
    it.through(10)


def test_pages_become_one_document_in_a_real_archive(tmp_path: Path) -> None:
    """Two documents come at once; the originals of all their pages are moved."""
    with (
        running(tmp_path / "archive") as url,
        driven(configure(tmp_path, url, **FOLDER)) as it,
    ):
        report = [f"4711001_report_{number}.jpg" for number in (1, 2)]
        drop(it, *LETTER, *report)
        through(it)
        assert files_in(tmp_path / "done") == [*LETTER, *report]
        found = in_archive(url)
        assert sorted(each.SeriesDescription for each in found) == ["letter", "report"]
        assert {each.PatientID for each in found} == {"4711001"}
        uids = {row.path: row.identity.instance for row in it.rows() if row.identity}
        assert {uids[name] for name in LETTER}.isdisjoint(uids[name] for name in report)
        assert {row.state for row in it.rows()} == {State.STORED}


def test_page_that_comes_late_completes_its_document(it: Driven, book: Book) -> None:
    """The others were held, and go with it, though they are not due for a long time."""
    drop(it, LETTER[0], LETTER[2])
    through(it)
    assert it.states() == dict.fromkeys((LETTER[0], LETTER[2]), "held missing-page")
    assert not book.posted
    drop(it, LETTER[1])
    through(it)
    assert it.states() == dict.fromkeys(LETTER, "stored")
    assert set(book.posted.values()) == {1} == {len(book.posted)}
    assert files_in(it.place / "done") == LETTER


def test_page_that_comes_after_its_document_is_held(it: Driven, book: Book) -> None:
    """It is no document by itself, and what is stored is not touched."""
    drop(it, *LETTER[:2])
    through(it)
    drop(it, LETTER[2])
    through(it)
    assert it.states() == {LETTER[0]: "stored", LETTER[1]: "stored", LETTER[2]: "held missing-page"}
    assert set(book.posted.values()) == {1} == {len(book.posted)}


def test_page_of_a_stored_document_is_not_sent_by_itself(tmp_path: Path, book: Book) -> None:
    """Somebody has one page tried again: the first page alone would be another document."""
    folder = {**FOLDER, "originals": "keep"}
    with driven(configure(tmp_path, URL, **folder), archive=book) as it:
        drop(it, *LETTER)
        through(it)
        it.ledger.decisions.retry(Query(ids=(it.row(LETTER[0]).id,)), "somebody")
        it.work()
        assert it.held(LETTER[0]) == "missing-page"
        assert set(book.posted.values()) == {1} == {len(book.posted)}
        others = tuple(it.row(name).id for name in LETTER[1:])
        it.ledger.decisions.retry(Query(ids=others), "somebody")
        it.work()
        assert {row.state for row in it.rows()} <= {State.STORED, State.DUPLICATE}
        assert len(book.posted) == 1


def test_pages_without_a_group_are_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"gateway.yaml:\d+:\d+: .*nothing says when all pages of one are there"):
        configure(tmp_path, URL, mapping=MAPPING)
