"""Which files come together, when their group is closed, and when a file is complete."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.intake.complete import EMPTY, GROUP_OPEN, UNREADABLE, Sightings
from gateway.intake.configuration import By, Folder, Grouping
from gateway.intake.groups import Group, Member, groups, is_done_file, key_of
from gateway.intake.scan import Entry
from gateway.stream import FileStamp

FOLDER = Grouping(By.FOLDER, quiet=timedelta(seconds=30))
STUDY = Grouping(By.NAME, re.compile(r"^([^_]+)_"), quiet=timedelta(seconds=30))
QUIET = Grouping(By.QUIET, quiet=timedelta(seconds=30))
DONE = Grouping(By.FOLDER, done="*.done")


@pytest.mark.parametrize(
    ("grouping", "keys"),
    [
        (None, ["s/a_1.jpg", "s/a_2.jpg", "s/b_1.jpg", "a_3.jpg", "none.jpg"]),
        (FOLDER, ["s", "s", "s", "", ""]),
        (STUDY, ["s/a", "s/a", "s/b", "a", "none.jpg"]),
        (QUIET, ["*", "*", "*", "*", "*"]),
    ],
)
def test_key(grouping: Grouping | None, keys: list[str]) -> None:
    names = ["s/a_1.jpg", "s/a_2.jpg", "s/b_1.jpg", "a_3.jpg", "none.jpg"]
    assert [key_of(name, grouping) for name in names] == keys


def test_pattern_without_a_group_is_the_key_itself() -> None:
    assert key_of("x/4711-a.jpg", Grouping(By.NAME, re.compile("[0-9]+"))) == "x/4711"


def test_several_groups_of_a_pattern_make_the_key_together() -> None:
    both = Grouping(By.NAME, re.compile(r"^(\d+)-(\d+)"))
    assert key_of("1-23.jpg", both) != key_of("12-3.jpg", both)


def test_files_are_in_natural_order() -> None:
    [group] = groups([Member(f"s/img{n}.jpg", 0.0) for n in (10, 2, 1)], FOLDER, 100.0)
    assert group.names == ("s/img1.jpg", "s/img2.jpg", "s/img10.jpg")


def test_group_closes_when_nothing_in_it_has_changed_for_its_quiet_time() -> None:
    members = [Member("s/1.jpg", 0.0), Member("s/2.jpg", 20.0), Member("t/1.jpg", 0.0)]
    closed = {each.key: each.closed for each in groups(members, FOLDER, 40.0)}
    assert closed == {"s": False, "t": True}
    assert all(each.closed for each in groups(members, FOLDER, 50.0))


def test_group_with_done_closes_by_its_file_alone() -> None:
    members = [Member("s/1.jpg", 0.0), Member("t/1.jpg", 0.0), Member("t/all.done", 0.0)]
    assert groups(members, DONE, 1e6) == [Group("s", ("s/1.jpg",), False), Group("t", ("t/1.jpg",), True)]
    assert [is_done_file(each.relative, DONE) for each in members] == [False, False, True]


class Seen:
    """Scans of a folder that needs not be there, for all but opening."""

    def __init__(self, place: Path, **folder: object) -> None:
        self.folder = Folder("in", place, settle=timedelta(seconds=5), **folder)  # type: ignore[arg-type]
        self.sightings = Sightings(self.folder)

    def scan(self, moment: float, **sizes: int) -> list[str]:
        """A scan that finds files of these sizes; the complete ones."""
        found = {}
        for name, size in sizes.items():
            path = self.folder.path / f"{name}.jpg"
            path.write_bytes(bytes(size))
            found[path.name] = Entry(path.name, FileStamp(size, 0, 0))
        self.sightings.remember(self.sightings.compare(found.values()), moment)
        self.sightings.forget(self.sightings.missing(found))
        return [name for group in self.sightings.complete(moment) for name in group.names]


def test_file_is_complete_after_two_looks_that_find_it_unchanged(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    assert seen.scan(0, a=1) == []
    assert seen.scan(4, a=1) == []
    assert seen.scan(5, a=1) == ["a.jpg"]


def test_one_look_is_not_enough_however_long_ago(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    assert seen.scan(0, a=1) == []
    assert seen.sightings.complete(1000) == []


def test_file_that_grows_starts_again(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    assert [seen.scan(t, a=size) for t, size in ((0, 1), (4, 2), (8, 2), (9, 2))] == [[], [], [], ["a.jpg"]]


def test_empty_file_is_never_complete_and_late_after_a_while(tmp_path: Path) -> None:
    seen = Seen(tmp_path, give_up=timedelta(seconds=60))
    for moment in range(0, 60, 5):
        assert seen.scan(moment, a=0) == []
        assert seen.sightings.late(moment) == {}
    seen.scan(60, a=0)
    assert seen.sightings.late(60) == {EMPTY: ["a.jpg"]}


def test_file_that_cannot_be_opened_waits_until_it_can(tmp_path: Path) -> None:
    seen = Seen(tmp_path, give_up=timedelta(seconds=60))
    seen.scan(0, a=1)
    (tmp_path / "a.jpg").rename(tmp_path / "locked")
    assert seen.sightings.compare([Entry("a.jpg", FileStamp(1, 0, 0))]) == []
    assert seen.sightings.complete(10) == []
    assert seen.sightings.late(70) == {UNREADABLE: ["a.jpg"]}
    (tmp_path / "locked").rename(tmp_path / "a.jpg")
    assert [group.names for group in seen.sightings.complete(71)] == [("a.jpg",)]


def test_group_waits_for_each_of_its_files(tmp_path: Path) -> None:
    seen = Seen(tmp_path, group=Grouping(By.FOLDER, quiet=timedelta()), give_up=timedelta(seconds=60))
    seen.scan(0, a=1, b=0)
    assert seen.scan(10, a=1, b=0) == []
    assert seen.scan(60, a=1, b=0) == []
    assert seen.sightings.late(60) == {GROUP_OPEN: ["a.jpg"], EMPTY: ["b.jpg"]}
    seen.scan(61, a=1, b=7)
    assert seen.scan(66, a=1, b=7) == ["a.jpg", "b.jpg"]


def test_later_file_of_a_group_that_workers_have_goes_by_itself(tmp_path: Path) -> None:
    seen = Seen(tmp_path, group=Grouping(By.FOLDER, quiet=timedelta()))
    seen.scan(0, a=1)
    assert seen.scan(5, a=1) == ["a.jpg"]
    seen.sightings["a.jpg"].passed = True
    assert seen.scan(6, a=1) == []
    seen.scan(7, a=1, b=1)
    assert seen.scan(12, a=1, b=1) == ["a.jpg", "b.jpg"]
    assert list(seen.sightings.passed()) == ["a.jpg"]
