import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.near import LONGEST, nearly

PATTERN = re.compile(r"(?P<mrn>\d{7})_(?P<day>\d{8})_(?P<side>[LR])_\d+\.jpg")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("4711001_20240531_L_02.JPG", "but for capitals and small letters: put (?i) at the beginning"),
        ("4711001_20240531_l_02.jpg", "but for capitals and small letters"),
        ("4711001_20240531_L_02.jpeg", "but for its extension: it expects .jpg, not .jpeg"),
        ("47110012_20240531_L_02.jpg", "but for one digit too many in 47110012"),
        ("471100_20240531_L_02.jpg", "but for one digit that is missing in 471100"),
        ("4711001-20240531_L_02.jpg", "but for '-' where it expects a '_', the 8th character"),
        ("4711001__20240531_L_02.jpg", "but for one '_' too many, the 8th character"),
        (" 4711001_20240531_L_02.jpg", "but for white space at its ends"),
    ],
)
def test_one_small_thing_is_named(name: str, reason: str) -> None:
    found = nearly(PATTERN, name)
    assert found is not None
    assert found.startswith(reason)


@pytest.mark.parametrize("name", ["4711001_20240531_L_02.jpg", "IMG_0001.jpg", "", "x" * (LONGEST + 1)])
def test_what_matches_or_is_far_off_is_not_near(name: str) -> None:
    assert nearly(PATTERN, name) is None


@given(name=st.from_regex(PATTERN, fullmatch=True), place=st.integers(0, 100))
def test_a_name_that_lost_a_character_is_near(name: str, place: int) -> None:
    place %= 16  # of the number and the day, whose lengths are fixed
    shorter = name[:place] + name[place + 1 :]
    assert name[place].isascii() is False or PATTERN.fullmatch(shorter) or nearly(PATTERN, shorter)
