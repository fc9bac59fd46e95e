"""Conditions under which an attribute must be there, as functions of a data set (PS3.5 7.4).

A module of `modules.py` puts them together; nothing here knows an attribute by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

Test = Callable[[Dataset], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """An attribute that must be there when something is so: Type 1C, or 2C if it may be empty.

    `because` follows "has no value, and" in messages.
    """

    keyword: str
    when: Test
    because: str
    may_be_empty: bool = False


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """The values of an attribute, none where it is absent or empty."""
    if is_empty(dataset, keyword):
        return []
    found = dataset[keyword].value
    return list(found) if isinstance(found, MultiValue | list | tuple) else [found]


def is_empty(dataset: Dataset, keyword: str) -> bool:
    """Whether an attribute is absent, or there without a value or item."""
    return keyword not in dataset or dataset[keyword].is_empty or dataset[keyword].value in ([], "", None)


def present(keyword: str) -> Test:
    """The attribute is there, with or without a value."""
    return lambda dataset: keyword in dataset


def filled(keyword: str) -> Test:
    """The attribute has a value."""
    return lambda dataset: not is_empty(dataset, keyword)


def says(keyword: str, *wanted: Any) -> Test:
    """The first value of the attribute is one of these."""
    return lambda dataset: values(dataset, keyword)[:1] in [[value] for value in wanted]


def exceeds(keyword: str, bound: int) -> Test:
    """The attribute is a number above the bound."""
    return lambda dataset: any(int(value) > bound for value in values(dataset, keyword)[:1])


def without(keyword: str, test: Test) -> Test:
    """The test holds, and the attribute is not there."""
    return lambda dataset: keyword not in dataset and test(dataset)
