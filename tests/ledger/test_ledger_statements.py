"""The SQL: every statement runs, and none that runs all day reads all files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.ledger import Ledger
from gateway.ledger.statements import migrations, statements

READ_ALL = {
    "outcomes",  # a report
    "purge_dependencies",
    "purge_owners",
    "owners",
    "dependencies",
    "find_path",  # of all folders, which are few
    "counts",
    "oldest",
}
"""Statements that may read a whole table: it is small, or they run seldom."""


@pytest.fixture(scope="module")
def plans() -> dict[str, list[str]]:
    found = {}
    with Ledger.open(None) as ledger:
        connection = ledger._database._connection()
        connection.execute(statements()["sighted_table"])
        for name, statement in statements().items():
            values = dict.fromkeys(re.findall(r":(\w+)", statement), "[]")
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            found[name] = [row["detail"] for row in rows]
    return found


def test_every_statement_can_be_run(plans: dict[str, list[str]]) -> None:
    assert set(plans) == set(statements())
    assert len(plans) > 50


def test_nothing_that_runs_all_day_reads_all_files(plans: dict[str, list[str]]) -> None:
    tables = {"s", "sighted", "found", "json_each", "CONSTANT", "owners"}  # of a scan, a list, the living
    for name, plan in plans.items():
        scans = [each for each in plan if each.startswith("SCAN") and each.split()[1] not in tables]
        assert not scans or name in READ_ALL, f"{name}: {scans}"
        assert not any("AUTOMATIC" in each for each in plan), name


def test_every_statement_is_used() -> None:
    folder = Path(__file__).parents[2] / "gateway" / "ledger"
    code = "".join(each.read_text(encoding="utf-8") for each in folder.glob("*.py"))
    assert [name for name in statements() if f'"{name}"' not in code] == []


def test_migrations_are_statements_in_order() -> None:
    assert len(migrations()) >= 1
    assert all(each.strip().endswith(";") for migration in migrations() for each in migration)
